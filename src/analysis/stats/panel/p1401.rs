//! How well a model predicts a panel: ITU-T P.1401 (from secondary sources: provisional).
//!
//! The model's scores are first mapped onto the panel's with a polynomial of third order, then compared by
//! correlation, error, error beyond the panel's own uncertainty, and outliers.

use serde::Serialize;

use super::super::StatsError;
use super::pearson;

/// One condition, rated by both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rated {
    /// The model's score.
    pub model: f64,
    /// The panel's MOS.
    pub panel: f64,
    /// Half width of the panel's 95 % interval.
    pub ci95: f64,
}

/// The mapping of the model's scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mapping {
    /// None: the model is meant to give the panel's scores.
    Identity,
    /// The least-squares polynomial of third order. Its monotony is not forced: see [`Agreement::monotonic`].
    ThirdOrder,
}

/// How far model and panel agree.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// The method, with the word that must be quoted with it.
    pub method: &'static str,
    /// Number of conditions.
    pub n: usize,
    /// The mapping.
    pub mapping: Mapping,
    /// Its coefficients, constant first.
    pub coefficients: [f64; 4],
    /// Whether the mapping rises over the observed scores.
    pub monotonic: bool,
    /// Pearson's correlation; `None` where one side does not vary.
    pub pcc: Option<f64>,
    /// Root mean square error with n − d, d = 4 for the third order and 1 without mapping.
    pub rmse: f64,
    /// The same for the part of each error beyond the panel's interval, RMSE*.
    pub rmse_star: f64,
    /// Share of conditions whose error exceeds the panel's interval.
    pub outlier_ratio: f64,
}

/// Compares a model with a panel.
///
/// # Errors
/// [`StatsError::TooFew`] for fewer than six conditions with the third-order mapping or two without, or too few
/// different scores to fit; [`StatsError::NotFinite`] for NaN or infinite scores.
///
/// ```
/// use fivenines::analysis::stats::panel::p1401::{compare, Mapping, Rated};
/// let rated = [(4.4, 4.3), (3.6, 3.1), (2.5, 2.4)].map(|(model, panel)| Rated { model, panel, ci95: 0.2 });
/// let agreement = compare(&rated, Mapping::Identity)?;
/// assert_eq!(format!("{:.2}", agreement.outlier_ratio), "0.33");
/// # Ok::<(), fivenines::analysis::stats::StatsError>(())
/// ```
pub fn compare(rated: &[Rated], mapping: Mapping) -> Result<Agreement, StatsError> {
    let (needed, d) = match mapping {
        Mapping::Identity => (2, 1),
        Mapping::ThirdOrder => (6, 4),
    };
    let n = rated.len();
    let too_few = StatsError::TooFew { what: "a comparison of model and panel", n, needed };
    if n < needed {
        return Err(too_few);
    }
    if let Some(value) = rated.iter().flat_map(|r| [r.model, r.panel, r.ci95]).find(|value| !value.is_finite()) {
        return Err(StatsError::NotFinite { what: "a score", value });
    }
    let coefficients = match mapping {
        Mapping::Identity => [0.0, 1.0, 0.0, 0.0],
        Mapping::ThirdOrder => cubic_fit(rated).ok_or(too_few)?,
    };
    Ok(agreement(rated, mapping, coefficients, (n - d) as f64))
}

fn agreement(rated: &[Rated], mapping: Mapping, coefficients: [f64; 4], freedom: f64) -> Agreement {
    let pairs: Vec<(f64, f64)> = rated.iter().map(|r| (value(&coefficients, r.model), r.panel)).collect();
    let errors: Vec<(f64, f64)> = pairs.iter().zip(rated).map(|(pair, r)| ((pair.0 - pair.1).abs(), r.ci95)).collect();
    let root = |f: fn(&(f64, f64)) -> f64| (errors.iter().map(|e| f(e).powi(2)).sum::<f64>() / freedom).sqrt();
    let outliers = errors.iter().filter(|(error, ci95)| error > ci95).count();
    Agreement {
        method: "ITU-T P.1401 (provisional: from secondary sources)",
        n: rated.len(),
        mapping,
        coefficients,
        monotonic: rises(rated, &coefficients),
        pcc: pearson(&pairs),
        rmse: root(|(error, _)| *error),
        rmse_star: root(|(error, ci95)| (error - ci95).max(0.0)),
        outlier_ratio: outliers as f64 / rated.len() as f64,
    }
}

fn value(c: &[f64; 4], x: f64) -> f64 {
    c[0] + x * (c[1] + x * (c[2] + x * c[3]))
}

/// Whether the slope is nowhere negative between the smallest and the largest score: at both ends and at its extreme.
fn rises(rated: &[Rated], c: &[f64; 4]) -> bool {
    let scores = || rated.iter().map(|r| r.model);
    let (low, high) = (scores().fold(f64::INFINITY, f64::min), scores().fold(f64::NEG_INFINITY, f64::max));
    let extreme = if c[3] == 0.0 { low } else { (-c[2] / (3.0 * c[3])).clamp(low, high) };
    let slope = |x: f64| c[1] + x * (2.0 * c[2] + x * 3.0 * c[3]);
    [low, extreme, high].into_iter().all(|x| slope(x) >= 0.0)
}

/// Least squares by the normal equations, with scores centred so that they are well conditioned; `None` if there are
/// fewer than four different scores.
fn cubic_fit(rated: &[Rated]) -> Option<[f64; 4]> {
    let centre = rated.iter().map(|r| r.model).sum::<f64>() / rated.len() as f64;
    let mut system = [[0.0; 5]; 4];
    for r in rated {
        let x = r.model - centre;
        let powers = [1.0, x, x * x, x * x * x];
        for (row, p) in system.iter_mut().zip(powers) {
            for (cell, q) in row.iter_mut().zip(powers.into_iter().chain([r.panel])) {
                *cell += p * q;
            }
        }
    }
    let [a, b, c, d] = solve(system)?;
    let m = centre;
    Some([a - m * (b - m * (c - m * d)), b - m * (2.0 * c - 3.0 * m * d), c - 3.0 * m * d, d])
}

/// Gaussian elimination with pivots; `None` for a singular system.
fn solve(mut system: [[f64; 5]; 4]) -> Option<[f64; 4]> {
    for column in 0..4 {
        let pivot = (column..4).max_by(|a, b| system[*a][column].abs().total_cmp(&system[*b][column].abs()))?;
        if system[pivot][column].abs() < 1e-9 {
            return None;
        }
        system.swap(column, pivot);
        let chosen = system[column];
        for row in system.iter_mut().enumerate().filter(|(index, _)| *index != column).map(|(_, row)| row) {
            let factor = row[column] / chosen[column];
            row.iter_mut().zip(chosen).for_each(|(cell, above)| *cell -= factor * above);
        }
    }
    Some(std::array::from_fn(|row| system[row][4] / system[row][row]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rated(points: &[(f64, f64)], ci95: f64) -> Vec<Rated> {
        points.iter().map(|(model, panel)| Rated { model: *model, panel: *panel, ci95 }).collect()
    }

    /// By hand: errors 0.5, 0, 0.5, 0; Σ² = 0.5; n − 1 = 3; beyond ±0.3: 0.2 twice.
    #[test]
    fn without_mapping_the_errors_are_the_differences() {
        let points = [(1.0, 1.5), (2.0, 2.0), (3.0, 2.5), (4.0, 4.0)];
        let agreement = compare(&rated(&points, 0.3), Mapping::Identity).unwrap();
        assert!((agreement.rmse - (0.5_f64 / 3.0).sqrt()).abs() < 1e-12);
        assert!((agreement.rmse_star - (0.08_f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!((agreement.outlier_ratio, agreement.monotonic), (0.5, true));
        assert!((agreement.pcc.unwrap() - 0.956_183).abs() < 5e-7); // Σxy = 4, Σx² = 5, Σy² = 3.5
    }

    #[test]
    fn a_panel_that_is_a_cubic_of_the_model_is_met_exactly() {
        let cubic = |x: f64| 0.3 + 0.2 * x + 0.1 * x * x + 0.02 * x.powi(3);
        let points: Vec<(f64, f64)> = [1.0, 1.5, 2.0, 3.0, 3.6, 4.1, 4.4].map(|x| (x, cubic(x))).to_vec();
        let agreement = compare(&rated(&points, 0.1), Mapping::ThirdOrder).unwrap();
        for (got, want) in agreement.coefficients.into_iter().zip([0.3, 0.2, 0.1, 0.02]) {
            assert!((got - want).abs() < 1e-8, "{got} instead of {want}");
        }
        assert!(agreement.rmse < 1e-8 && agreement.outlier_ratio == 0.0 && agreement.monotonic);
    }

    #[test]
    fn a_falling_mapping_is_reported() {
        let points: Vec<(f64, f64)> = [1.0, 1.5, 2.0, 3.0, 3.6, 4.1].map(|x| (x, 5.0 - x)).to_vec();
        assert!(!compare(&rated(&points, 0.1), Mapping::ThirdOrder).unwrap().monotonic);
    }

    #[test]
    fn too_little_to_compare_is_refused() {
        assert!(compare(&rated(&[(1.0, 1.0)], 0.1), Mapping::Identity).is_err());
        assert!(compare(&rated(&[(3.0, 1.0); 8], 0.1), Mapping::ThirdOrder).is_err());
        let nan = rated(&[(f64::NAN, 1.0), (1.0, 1.0)], 0.1);
        assert!(matches!(compare(&nan, Mapping::Identity), Err(StatsError::NotFinite { .. })));
    }

    proptest! {
        #[test]
        fn the_mapping_never_makes_the_squared_error_larger(
            points in prop::collection::vec((1.0f64..4.5, 1.0f64..5.0), 8..30)
        ) {
            let rated = rated(&points, 0.2);
            let squares = |mapping, freedom: f64| compare(&rated, mapping).map(|a| a.rmse.powi(2) * freedom);
            let n = points.len() as f64;
            if let (Ok(plain), Ok(mapped)) = (squares(Mapping::Identity, n - 1.0), squares(Mapping::ThirdOrder, n - 4.0)) {
                prop_assert!(mapped <= plain + 1e-6);
            }
        }
    }
}
