//! Descriptive quantiles, Hyndman and Fan type 7: position (n−1)p, linear between neighbours.
//!
//! Type 7 is what R, NumPy and spreadsheets print by default (Hyndman & Fan, The American Statistician
//! 50(4), 1996). It describes the sample; for a statement about the next trial see
//! [`quantile_upper_bound`](super::quantile_upper_bound).

use super::{Bound, Sample, StatsError, open_unit};

/// The type 7 quantile at probability `p` in [0, 1]; `None` for an empty sample.
///
/// If it would interpolate towards a censored value, only its lower neighbour is certain, and the result
/// says "above".
///
/// # Errors
/// [`StatsError::OutOfRange`] if `p` is not in [0, 1].
///
/// ```
/// use fivenines::analysis::stats::{quantile, Sample};
/// let outages = Sample::exact(&[1.0, 2.0, 3.0, 4.0])?;
/// assert_eq!(quantile(&outages, 0.5)?.and_then(|b| b.known()), Some(2.5));
/// # Ok::<(), fivenines::analysis::stats::StatsError>(())
/// ```
pub fn quantile(sample: &Sample, p: f64) -> Result<Option<Bound>, StatsError> {
    if p != 0.0 && p != 1.0 {
        open_unit("p", p).map_err(|_| StatsError::OutOfRange { parameter: "p", value: p, range: "[0, 1]" })?;
    }
    let position = sample.n().saturating_sub(1) as f64 * p;
    let below = position.floor() as usize;
    let Some(low) = sample.order_statistic(below + 1) else { return Ok(None) };
    let high = sample.order_statistic(below + 2).unwrap_or(low);
    Ok(Some(between(low, high, position.fract())))
}

/// The sample median (type 7 at ½); `None` for an empty sample.
#[must_use]
pub fn median(sample: &Sample) -> Option<Bound> {
    let n = sample.n();
    let low = sample.order_statistic(n.div_ceil(2))?;
    let high = sample.order_statistic(n / 2 + 1)?;
    Some(between(low, high, 0.5))
}

fn between(low: Bound, high: Bound, fraction: f64) -> Bound {
    if fraction == 0.0 || low.censored {
        return low;
    }
    match high.known() {
        Some(high) => Bound::exact(low.value + fraction * (high - low.value)),
        None => Bound::above(low.value),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Observation;
    use super::*;

    /// By hand: (n−1)p = 9·0.9 = 8.1, so x9 + 0.1 (x10 − x9) = 9.1 for 1..=10.
    #[test]
    fn type_7_interpolates_at_n_minus_1_times_p() {
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        let sample = Sample::exact(&values).unwrap();
        for (p, want) in [(0.0, 1.0), (0.25, 3.25), (0.5, 5.5), (0.9, 9.1), (1.0, 10.0)] {
            let got = quantile(&sample, p).unwrap().and_then(Bound::known).unwrap();
            assert!((got - want).abs() < 1e-12, "p {p}: {got} instead of {want}");
        }
        assert_eq!(median(&sample), Some(Bound::exact(5.5)));
    }

    #[test]
    fn a_quantile_that_needs_a_censored_value_is_only_a_lower_limit() {
        let sample =
            Sample::new([1.0, 2.0].map(Observation::Exact).into_iter().chain([Observation::Above(20.0)])).unwrap();
        assert_eq!(median(&sample), Some(Bound::exact(2.0)));
        assert_eq!(quantile(&sample, 0.75).unwrap(), Some(Bound::above(2.0)));
        assert_eq!(quantile(&sample, 1.0).unwrap(), Some(Bound::above(20.0)));
    }

    #[test]
    fn nothing_has_no_quantile_and_p_is_a_probability() {
        let none = Sample::exact(&[]).unwrap();
        assert_eq!(quantile(&none, 0.5).unwrap(), None);
        assert_eq!(median(&none), None);
        assert!(quantile(&none, 1.5).is_err() && quantile(&none, f64::NAN).is_err());
    }
}
