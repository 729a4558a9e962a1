//! What a comparison of two samples can see: power, and how many observations it takes.

use statrs::distribution::{ContinuousCDF, Normal};

use super::{StatsError, open_unit, positive};

/// Efficiency of Mann–Whitney against the t test for normal values, 3/π (Lehmann, Nonparametrics, 1975).
const EFFICIENCY: f64 = 3.0 / std::f64::consts::PI;

/// Observations on each side with which a two-sided Mann–Whitney test at level `alpha` sees a shift of
/// `shift_in_sd` standard deviations with probability `power`; normal values, large-sample formula.
///
/// # Errors
/// [`StatsError::OutOfRange`] if the shift is not positive, or `alpha` or `power` is not in (0, 1).
///
/// ```
/// use fivenines::analysis::stats::samples_for_shift;
/// assert_eq!(samples_for_shift(1.0, 0.05, 0.8)?, 17);
/// # Ok::<(), fivenines::analysis::stats::StatsError>(())
/// ```
pub fn samples_for_shift(shift_in_sd: f64, alpha: f64, power: f64) -> Result<u64, StatsError> {
    positive("shift_in_sd", shift_in_sd)?;
    let (alpha, power) = (quantile_beyond(alpha / 2.0, "alpha")?, quantile_beyond(1.0 - power, "power")?);
    Ok((2.0 * ((alpha + power) / shift_in_sd).powi(2) / EFFICIENCY).ceil() as u64)
}

/// Probability that a two-sided Mann–Whitney test at level `alpha` with `n` and `m` observations sees a shift of
/// `shift_in_sd` standard deviations, in its direction; same approximation as [`samples_for_shift`].
///
/// # Errors
/// [`StatsError::OutOfRange`] if the shift or a number is not positive, or `alpha` is not in (0, 1).
pub fn power_of_shift(shift_in_sd: f64, n: usize, m: usize, alpha: f64) -> Result<f64, StatsError> {
    positive("shift_in_sd", shift_in_sd)?;
    let each = 1.0 / positive("n", n as f64)? + 1.0 / positive("m", m as f64)?;
    let limit = quantile_beyond(alpha / 2.0, "alpha")?;
    Ok(Normal::standard().cdf(shift_in_sd * (EFFICIENCY / each).sqrt() - limit))
}

/// Trials on each side with which Fisher's two-sided test at level `alpha` tells the proportions `p` and `q` apart
/// with probability `power` (Fleiss, Statistical Methods for Rates and Proportions, with continuity correction).
///
/// # Errors
/// [`StatsError::OutOfRange`] if a proportion is not in [0, 1], both are the same, or `alpha` or `power` is not in
/// (0, 1).
pub fn samples_for_proportions(p: f64, q: f64, alpha: f64, power: f64) -> Result<u64, StatsError> {
    for value in [p, q] {
        if !(0.0..=1.0).contains(&value) {
            return Err(StatsError::OutOfRange { parameter: "proportion", value, range: "[0, 1]" });
        }
    }
    let apart = positive("difference of the proportions", (p - q).abs())?;
    let (alpha, power) = (quantile_beyond(alpha / 2.0, "alpha")?, quantile_beyond(1.0 - power, "power")?);
    let spread = |p: f64| p * (1.0 - p);
    let pooled = (2.0 * spread(f64::midpoint(p, q))).sqrt();
    let plain = ((alpha * pooled + power * (spread(p) + spread(q)).sqrt()) / apart).powi(2);
    Ok((plain / 4.0 * (1.0 + (1.0 + 4.0 / (plain * apart)).sqrt()).powi(2)).ceil() as u64)
}

fn quantile_beyond(tail: f64, parameter: &'static str) -> Result<f64, StatsError> {
    Ok(Normal::standard().inverse_cdf(1.0 - open_unit(parameter, tail)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2 (1.95996 + 0.84162)² π/3 divided by the square of the shift: 65.8, 25.7, 16.4, 7.3.
    #[test]
    fn trials_for_a_shift() {
        for (shift, n) in [(0.5, 66), (0.8, 26), (1.0, 17), (1.5, 8)] {
            assert_eq!(samples_for_shift(shift, 0.05, 0.8).unwrap(), n);
            let (reached, before) = (n as usize, n as usize - 1);
            assert!(power_of_shift(shift, reached, reached, 0.05).unwrap() >= 0.8);
            assert!(power_of_shift(shift, before, before, 0.05).unwrap() < 0.8);
        }
        assert!(samples_for_shift(0.0, 0.05, 0.8).is_err() && samples_for_shift(1.0, 0.05, 1.0).is_err());
    }

    /// By hand: p̄ = 0.75, (1.2002 + 0.4835)²/0.09 = 31.5, corrected 37.9; Fleiss' table has 38.
    #[test]
    fn trials_for_two_proportions() {
        assert_eq!(samples_for_proportions(0.9, 0.6, 0.05, 0.8).unwrap(), 38);
        assert_eq!(samples_for_proportions(0.6, 0.9, 0.05, 0.8).unwrap(), 38);
        assert!(samples_for_proportions(0.9, 0.9, 0.05, 0.8).is_err());
        assert!(samples_for_proportions(1.1, 0.9, 0.05, 0.8).is_err());
    }
}
