//! Means with Student's t: arithmetic for scores, geometric for durations.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::{StatsError, all_finite, open_unit};

/// From this many degrees of freedom on the normal quantile is used: statrs' t quantile loses accuracy
/// there, while the two distributions differ by less than 3·10⁻⁴ of the quantile.
const NORMAL_FROM_DF: f64 = 1e4;

/// A mean with a two-sided interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MeanCi {
    /// The mean (geometric where the function says so).
    pub mean: f64,
    /// Sample standard deviation with n−1 (of the logarithms for a geometric mean).
    pub sd: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Two-sided confidence of the interval.
    pub confidence: f64,
    /// Number of observations.
    pub n: usize,
}

/// Arithmetic mean with the t interval `mean ± t(n−1) s/√n`.
///
/// # Errors
/// [`StatsError::TooFew`] for n < 2, [`StatsError::NotFinite`] for NaN or infinite values,
/// [`StatsError::OutOfRange`] if `confidence` is not in (0, 1).
///
/// ```
/// use fivenines::analysis::stats::mean_ci;
/// let ci = mean_ci(&[0.692, 1.622, 1.701], 0.95)?;
/// assert!(ci.low < 0.0, "three trials do not even exclude an outage of 0 s");
/// # Ok::<(), fivenines::analysis::stats::StatsError>(())
/// ```
pub fn mean_ci(values: &[f64], confidence: f64) -> Result<MeanCi, StatsError> {
    interval(values, confidence, 1.0 / values.len() as f64)
}

/// Geometric mean with a t interval on the logarithms; for durations, which are positive and skewed.
///
/// # Errors
/// As [`mean_ci`], and [`StatsError::OutOfRange`] if a value is not positive.
pub fn geometric_mean_ci(values: &[f64], confidence: f64) -> Result<MeanCi, StatsError> {
    Ok(exponential(mean_ci(&logarithms(values)?, confidence)?))
}

/// Interval for the *next* value, log-normal: `exp(mean ± t s √(1 + 1/n))` of the logarithms.
///
/// # Errors
/// As [`geometric_mean_ci`].
pub fn geometric_prediction(values: &[f64], confidence: f64) -> Result<MeanCi, StatsError> {
    Ok(exponential(interval(&logarithms(values)?, confidence, 1.0 + 1.0 / values.len() as f64)?))
}

/// The quantile of Student's t at probability `p` with `df` degrees of freedom (not necessarily whole).
///
/// # Errors
/// [`StatsError::OutOfRange`] if `p` is not in (0, 1) or `df` is not positive.
pub fn student_t_quantile(p: f64, df: f64) -> Result<f64, StatsError> {
    open_unit("p", p)?;
    super::positive("degrees of freedom", df)?;
    if df >= NORMAL_FROM_DF {
        return Ok(Normal::standard().inverse_cdf(p));
    }
    let t = StudentsT::new(0.0, 1.0, df);
    t.map(|t| t.inverse_cdf(p)).map_err(|_| StatsError::OutOfRange { parameter: "df", value: df, range: "(0, ∞)" })
}

/// `mean ± t s √scale`.
fn interval(values: &[f64], confidence: f64, scale: f64) -> Result<MeanCi, StatsError> {
    open_unit("confidence", confidence)?;
    all_finite("a value", values)?;
    let n = values.len();
    if n < 2 {
        return Err(StatsError::TooFew { what: "a mean with interval", n, needed: 2 });
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    let sd = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1) as f64).sqrt();
    let half = student_t_quantile(f64::midpoint(1.0, confidence), (n - 1) as f64)? * sd * scale.sqrt();
    Ok(MeanCi { mean, sd, low: mean - half, high: mean + half, confidence, n })
}

fn logarithms(values: &[f64]) -> Result<Vec<f64>, StatsError> {
    values.iter().map(|v| super::positive("a value of a geometric mean", *v).map(f64::ln)).collect()
}

fn exponential(log: MeanCi) -> MeanCi {
    MeanCi { mean: log.mean.exp(), low: log.low.exp(), high: log.high.exp(), ..log }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    fn close(got: f64, want: f64, tolerance: f64) {
        assert!((got - want).abs() <= tolerance, "{got} instead of {want}");
    }

    /// P.800 vector, recomputed with the definition: Σ = 49, n = 12, s² = 4.9167/11.
    #[test]
    fn mean_of_twelve_votes() {
        let votes = [5.0, 4.0, 4.0, 3.0, 5.0, 4.0, 4.0, 4.0, 3.0, 5.0, 4.0, 4.0];
        let ci = mean_ci(&votes, 0.95).unwrap();
        close(ci.mean, 4.08333, 5e-6);
        close(ci.sd, 0.668_558, 5e-7);
        close(student_t_quantile(0.975, 11.0).unwrap(), 2.200_985, 5e-7);
        close(ci.high - ci.mean, 0.424_781, 5e-7);
        close(student_t_quantile(0.975, 23.0).unwrap(), 2.0687, 5e-5);
    }

    /// The three transitions of the thesis taken as a sample (independent calculation).
    #[test]
    fn three_failovers_say_next_to_nothing() {
        let seconds = [0.692, 1.622, 1.701];
        let mean = mean_ci(&seconds, 0.95).unwrap();
        close(mean.mean, 1.338, 5e-4);
        close(mean.sd, 0.561, 5e-4);
        close(mean.low, -0.06, 5e-3);
        close(mean.high, 2.73, 5e-3);
        let geometric = geometric_mean_ci(&seconds, 0.95).unwrap();
        close(geometric.low, 0.35, 5e-3);
        close(geometric.high, 4.36, 5e-3);
        let next = geometric_prediction(&seconds, 0.95).unwrap();
        close(next.low, 0.10, 5e-3);
        close(next.high, 15.3, 5e-2);
    }

    /// t(0.975; ∞) = 1.959964; at 10⁷ degrees of freedom the difference is below 10⁻⁶.
    #[test]
    fn many_degrees_of_freedom_use_the_normal_quantile() {
        close(student_t_quantile(0.975, 1e7).unwrap(), 1.959_964, 1e-6);
        let below = student_t_quantile(0.975, 9_999.0).unwrap();
        close(below, 1.960_2, 1e-4);
    }

    #[test]
    fn what_cannot_be_estimated_is_refused() {
        assert!(matches!(mean_ci(&[1.0], 0.95), Err(StatsError::TooFew { n: 1, .. })));
        assert!(matches!(mean_ci(&[1.0, f64::NAN], 0.95), Err(StatsError::NotFinite { .. })));
        assert!(matches!(mean_ci(&[1.0, 2.0], 1.0), Err(StatsError::OutOfRange { .. })));
        assert!(matches!(geometric_mean_ci(&[1.0, 0.0], 0.95), Err(StatsError::OutOfRange { .. })));
    }

    /// 2,000 samples of eight: t intervals of normal values and of the logarithms of log-normal ones (median e^0.5) are
    /// exact, and so is the prediction of a ninth; within 4 σ (2 points).
    #[test]
    fn the_intervals_cover_as_often_as_they_say() {
        let mut rng = StdRng::seed_from_u64(13);
        let mut normal = || Normal::standard().inverse_cdf(rng.random_range(f64::EPSILON..1.0));
        let (mut mean, mut geometric, mut next) = (0, 0, 0);
        for _ in 0..2_000 {
            let values: Vec<f64> = (0..8).map(|_| normal()).collect();
            let ci = mean_ci(&values, 0.95).unwrap();
            mean += u32::from(ci.low <= 0.0 && 0.0 <= ci.high);
            let skewed: Vec<f64> = values.iter().map(|value| (0.5 + 0.8 * value).exp()).collect();
            let ci = geometric_mean_ci(&skewed, 0.95).unwrap();
            geometric += u32::from(ci.low <= 0.5f64.exp() && 0.5f64.exp() <= ci.high);
            let (ci, ninth) = (geometric_prediction(&skewed, 0.95).unwrap(), (0.5 + 0.8 * normal()).exp());
            next += u32::from(ci.low <= ninth && ninth <= ci.high);
        }
        for covered in [mean, geometric, next] {
            assert!((1_860..=1_940).contains(&covered), "{mean} {geometric} {next} of 2000");
        }
    }
}
