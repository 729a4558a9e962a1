//! Samples that may hold right-censored values: "not recovered within the window".

use serde::{Deserialize, Serialize};

use super::StatsError;

/// What one trial says about a quantity.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observation {
    /// It was seen to be this much.
    Exact(f64),
    /// It was seen to be more than this much: the observation ended first.
    Above(f64),
}

impl Observation {
    /// The value, or the limit that the value exceeds.
    #[must_use]
    pub fn at_least(self) -> f64 {
        match self {
            Observation::Exact(value) | Observation::Above(value) => value,
        }
    }
}

/// A statistic of a sample with censored values: a number, or only a number that it exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bound {
    /// The value, or the limit that the value exceeds.
    pub value: f64,
    /// Whether the value is only known to be larger than [`Bound::value`].
    pub censored: bool,
}

impl Bound {
    /// A known value.
    #[must_use]
    pub const fn exact(value: f64) -> Bound {
        Bound { value, censored: false }
    }

    /// A value known only to exceed `limit`.
    #[must_use]
    pub const fn above(limit: f64) -> Bound {
        Bound { value: limit, censored: true }
    }

    /// The value where it is known; `None` where it may be arbitrarily large.
    #[must_use]
    pub fn known(self) -> Option<f64> {
        (!self.censored).then_some(self.value)
    }
}

/// Observations in order; censored ones count as larger than every exact one.
///
/// With one observation window for all trials this is exact. Where windows differ, `floor` keeps the
/// statement safe: the k-th smallest true value is never below the k-th smallest of what is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    exact: Vec<f64>,
    /// Exact values and censoring limits together, ascending, each with its kind.
    floor: Vec<Observation>,
}

impl Sample {
    /// Sorts the observations of the trials.
    ///
    /// # Errors
    /// [`StatsError::NotFinite`] if an observation is NaN or infinite (use [`Observation::Above`] for what
    /// never ended).
    pub fn new(observations: impl IntoIterator<Item = Observation>) -> Result<Sample, StatsError> {
        let mut floor: Vec<Observation> = observations.into_iter().collect();
        if let Some(bad) = floor.iter().map(|o| o.at_least()).find(|v| !v.is_finite()) {
            return Err(StatsError::NotFinite { what: "an observation", value: bad });
        }
        floor.sort_by(|a, b| a.at_least().total_cmp(&b.at_least()));
        let exact = floor.iter().filter_map(|o| if let Observation::Exact(v) = o { Some(*v) } else { None }).collect();
        Ok(Sample { exact, floor })
    }

    /// A sample without censored values.
    ///
    /// # Errors
    /// As [`Sample::new`].
    pub fn exact(values: &[f64]) -> Result<Sample, StatsError> {
        Sample::new(values.iter().map(|v| Observation::Exact(*v)))
    }

    /// All observations, ascending by value or censoring limit.
    #[must_use]
    pub fn observations(&self) -> &[Observation] {
        &self.floor
    }

    /// How many observations, censored ones included.
    #[must_use]
    pub fn n(&self) -> usize {
        self.floor.len()
    }

    /// How many observations are censored.
    #[must_use]
    pub fn censored(&self) -> usize {
        self.floor.len() - self.exact.len()
    }

    /// The k-th smallest value (k from 1) with censored values above all exact ones; `None` if k is not in 1..=n.
    #[must_use]
    pub fn order_statistic(&self, k: usize) -> Option<Bound> {
        let index = k.checked_sub(1)?;
        let floor = self.floor.get(index)?;
        Some(self.exact.get(index).map_or(Bound::above(floor.at_least()), |v| Bound::exact(*v)))
    }

    /// A value that the k-th smallest true value (k from 1) certainly reaches; `None` if k is not in 1..=n.
    #[must_use]
    pub fn order_statistic_floor(&self, k: usize) -> Option<Bound> {
        match *self.floor.get(k.checked_sub(1)?)? {
            Observation::Exact(value) => Some(Bound::exact(value)),
            Observation::Above(limit) => Some(Bound::above(limit)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn censored_values_rank_above_every_exact_one() {
        let sample = Sample::new([Observation::Above(5.0), Observation::Exact(8.0), Observation::Exact(1.0)]).unwrap();
        assert_eq!((sample.n(), sample.censored()), (3, 1));
        assert_eq!(sample.order_statistic(2), Some(Bound::exact(8.0)));
        assert_eq!(sample.order_statistic(3).and_then(Bound::known), None);
        // The trial that was cut off at 5 s may have been the second longest: only 5 s are certain.
        assert_eq!(sample.order_statistic_floor(2), Some(Bound::above(5.0)));
    }

    #[test]
    fn places_outside_the_sample_have_no_value() {
        let sample = Sample::exact(&[1.0]).unwrap();
        assert_eq!(sample.order_statistic(0), None);
        assert_eq!(sample.order_statistic(2), None);
    }

    #[test]
    fn infinite_observations_are_refused() {
        assert!(matches!(Sample::exact(&[f64::INFINITY]), Err(StatsError::NotFinite { .. })));
        assert!(matches!(Sample::exact(&[f64::NAN]), Err(StatsError::NotFinite { .. })));
    }
}
