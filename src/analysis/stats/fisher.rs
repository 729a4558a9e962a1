//! Fisher's exact test of two proportions (Fisher, J. R. Stat. Soc. 98, 1935), and Holm's adjustment of many tests.

use statrs::function::factorial::ln_binomial;

use super::StatsError;

/// Two-sided p of the table `first` successes of `first_n` against `second` of `second_n`: the sum over all tables
/// with the same margins that are no more probable than the observed one.
///
/// # Errors
/// [`StatsError::TooFew`] if a side has no trials, [`StatsError::OutOfRange`] if it has more successes than trials.
pub fn fisher_exact(first: u64, first_n: u64, second: u64, second_n: u64) -> Result<f64, StatsError> {
    for (successes, n) in [(first, first_n), (second, second_n)] {
        if n == 0 {
            return Err(StatsError::TooFew { what: "a comparison of proportions", n: 0, needed: 1 });
        }
        if successes > n {
            return Err(StatsError::OutOfRange {
                parameter: "successes",
                value: successes as f64,
                range: "[0, trials]",
            });
        }
    }
    let (all, successes) = (first_n + second_n, first + second);
    let probability = |of_first: u64| {
        (ln_binomial(first_n, of_first) + ln_binomial(second_n, successes - of_first) - ln_binomial(all, successes))
            .exp()
    };
    // Tables that are equally probable differ by a rounding of the logarithms.
    let observed = probability(first) * (1.0 + 1e-7);
    let possible = successes.saturating_sub(second_n)..=successes.min(first_n);
    Ok(possible.map(probability).filter(|p| *p <= observed).sum::<f64>().min(1.0))
}

/// Holm's step-down adjustment (Scand. J. Statist. 6, 1979): with these p, "below α" holds the probability of any
/// false alarm among all tests under α, however they depend on each other. In the order of the input.
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut adjusted = vec![1.0; p.len()];
    let mut least = 0.0f64;
    for (place, index) in order.into_iter().enumerate() {
        least = least.max((p[index] * (p.len() - place) as f64).min(1.0));
        adjusted[index] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// scipy 1.17 `stats.fisher_exact([[a, n−a], [b, m−b]])`.
    #[test]
    fn two_sided_fisher() {
        let golden = [
            ((8, 10, 1, 6), 0.034_965_034_965),
            ((15, 15, 10, 15), 0.042_145_593_870),
            ((3, 3, 3, 3), 1.0),
            ((12, 17, 9, 17), 0.481_265_818_704),
        ];
        for ((a, n, b, m), p) in golden {
            let got = fisher_exact(a, n, b, m).unwrap();
            assert!((got - p).abs() < 1e-9, "{a}/{n} {b}/{m}: {got}");
        }
        assert!(fisher_exact(0, 0, 1, 1).is_err() && fisher_exact(2, 1, 1, 1).is_err());
    }

    /// By hand: 4·0.005, 3·0.01, 2·0.03, and 0.04 is raised to its predecessor's 0.06.
    #[test]
    fn holm_steps_down() {
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (got, want) in adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((got - want).abs() < 1e-12, "{adjusted:?}");
        }
        assert_eq!(holm(&[0.6, 0.9]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn adjusting_never_lowers_and_keeps_the_order(p in prop::collection::vec(0.0f64..1.0, 1..20)) {
            let adjusted = holm(&p);
            for i in 0..p.len() {
                prop_assert!(adjusted[i] >= p[i] && adjusted[i] <= 1.0);
                prop_assert!((0..p.len()).all(|j| p[i] > p[j] || adjusted[i] <= adjusted[j]));
            }
        }

        #[test]
        fn fisher_does_not_care_which_side_is_first(n in 1u64..30, m in 1u64..30, a in 0.0f64..1.0, b in 0.0f64..1.0) {
            let (a, b) = ((a * n as f64) as u64, (b * m as f64) as u64);
            let (one, other) = (fisher_exact(a, n, b, m).unwrap(), fisher_exact(b, m, a, n).unwrap());
            prop_assert!((one - other).abs() < 1e-9 && one > 0.0);
        }
    }
}
