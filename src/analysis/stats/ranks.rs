//! Mann–Whitney: whether one of two samples tends to be larger (Mann & Whitney, Ann. Math. Statist. 18, 1947).

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal};

use super::{Observation, StatsError};

/// Up to this many observations on each side the exact distribution is used, if no two values are equal.
const EXACT_EACH: usize = 50;
/// Up to this many observations together the exact distribution is used where values are equal.
const EXACT_TIED: usize = 60;

/// A Mann–Whitney test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MannWhitney {
    /// Pairs in which the second sample is larger; equal pairs count one half.
    pub u: f64,
    /// Two-sided p: twice the smaller tail, at most 1.
    pub p: f64,
    /// Where p comes from.
    pub method: RankMethod,
}

/// The distribution behind a p value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RankMethod {
    /// All orders of the observations, counted.
    Exact,
    /// All ways to divide the observed mid-ranks, counted.
    ExactTied,
    /// Normal approximation with correction for ties and continuity.
    Normal,
}

/// Tests whether `second` tends to be larger or smaller than `first`; two-sided.
///
/// Censored values count as larger than every exact one and equal among themselves, which is right where all
/// trials have the same observation window.
///
/// # Errors
/// [`StatsError::TooFew`] if a side is empty, [`StatsError::NotFinite`] for NaN or infinite values.
pub fn mann_whitney(first: &[Observation], second: &[Observation]) -> Result<MannWhitney, StatsError> {
    let (first, second) = (ordered(first)?, ordered(second)?);
    let doubled = doubled_midranks(&first, &second);
    let (n, m) = (first.len(), second.len());
    let rank_sum: usize = doubled[n..].iter().sum();
    let u = rank_sum as f64 / 2.0 - (m * (m + 1)) as f64 / 2.0;
    let tied = has_ties(&doubled);
    let (p, method) = match () {
        () if !tied && n <= EXACT_EACH && m <= EXACT_EACH => {
            (two_sided(&u_counts(n, m), u as usize), RankMethod::Exact)
        }
        () if tied && n + m <= EXACT_TIED => {
            (two_sided(&rank_sum_counts(&doubled, m), rank_sum), RankMethod::ExactTied)
        }
        () => (normal_p(u, n, m, &doubled), RankMethod::Normal),
    };
    Ok(MannWhitney { u, p, method })
}

/// Values for ranking: what is censored is infinite.
fn ordered(side: &[Observation]) -> Result<Vec<f64>, StatsError> {
    if side.is_empty() {
        return Err(StatsError::TooFew { what: "a comparison of two samples", n: 0, needed: 1 });
    }
    let value = |observation: &Observation| match *observation {
        _ if !observation.at_least().is_finite() => {
            Err(StatsError::NotFinite { what: "an observation", value: observation.at_least() })
        }
        Observation::Exact(value) => Ok(value),
        Observation::Above(_) => Ok(f64::INFINITY),
    };
    side.iter().map(value).collect()
}

/// Twice the rank of each value of `first`, then of `second`; equal values share the mean of their ranks.
fn doubled_midranks(first: &[f64], second: &[f64]) -> Vec<usize> {
    let all: Vec<f64> = first.iter().chain(second).copied().collect();
    let mut sorted = all.clone();
    sorted.sort_by(f64::total_cmp);
    let rank = |value: &f64| {
        let below = sorted.partition_point(|other| other < value);
        below + sorted.partition_point(|other| other <= value) + 1
    };
    all.iter().map(rank).collect()
}

fn has_ties(doubled: &[usize]) -> bool {
    let mut sorted = doubled.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| pair[0] == pair[1])
}

/// How many of the C(n+m, n) orders give each U, from 0 to nm; by `N(u; n, m) = N(u−m; n−1, m) + N(u; n, m−1)`.
pub(super) fn u_counts(n: usize, m: usize) -> Vec<f64> {
    let mut counts = vec![vec![0.0; n * m + 1]; n + 1];
    counts.iter_mut().for_each(|row| row[0] = 1.0);
    for added in 1..=m {
        for row in 1..=n {
            let (shorter, longer) = counts.split_at_mut(row);
            for u in added..=row * added {
                longer[0][u] += shorter[row - 1][u - added];
            }
        }
    }
    counts.pop().unwrap_or_default()
}

/// How many choices of `m` of the doubled mid-ranks have each sum (the shift algorithm of Streitberg & Röhmel).
fn rank_sum_counts(doubled: &[usize], m: usize) -> Vec<f64> {
    let most: usize = doubled.iter().sum();
    let mut counts = vec![vec![0.0; most + 1]; m + 1];
    counts[0][0] = 1.0;
    for rank in doubled {
        for chosen in (1..=m).rev() {
            let (fewer, more) = counts.split_at_mut(chosen);
            for sum in *rank..=most {
                more[0][sum] += fewer[chosen - 1][sum - rank];
            }
        }
    }
    counts.pop().unwrap_or_default()
}

fn two_sided(counts: &[f64], at: usize) -> f64 {
    let all: f64 = counts.iter().sum();
    let at_most: f64 = counts.iter().take(at + 1).sum();
    let at_least: f64 = counts.iter().skip(at).sum();
    (2.0 * at_most.min(at_least) / all).min(1.0)
}

fn normal_p(u: f64, n: usize, m: usize, doubled: &[usize]) -> f64 {
    let (n, m) = (n as f64, m as f64);
    let all = n + m;
    let mut sorted = doubled.to_vec();
    sorted.sort_unstable();
    let tied: f64 = sorted.chunk_by(|a, b| a == b).map(|group| group.len() as f64).map(|t| t.powi(3) - t).sum();
    let variance = n * m / 12.0 * ((all + 1.0) - tied / (all * (all - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let away = ((u - n * m / 2.0).abs() - 0.5).max(0.0);
    (2.0 * Normal::standard().sf(away / variance.sqrt())).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exact(values: &[f64]) -> Vec<Observation> {
        values.iter().map(|value| Observation::Exact(*value)).collect()
    }

    fn close(got: MannWhitney, u: f64, p: f64, method: RankMethod) {
        assert!(got.u == u && (got.p - p).abs() < 1e-9 && got.method == method, "{got:?} instead of {u}, {p}");
    }

    /// scipy 1.17 `stats.mannwhitneyu(second, first, method='exact')`.
    #[test]
    fn small_samples_without_ties_are_exact() {
        let first = [2.91, 3.12, 3.35, 2.75, 3.51, 3.02, 2.88, 3.44, 3.19, 2.97];
        let second = [3.22, 3.47, 3.61, 3.05, 3.90, 3.33, 3.15, 3.71, 3.58, 3.40];
        let test = mann_whitney(&exact(&first), &exact(&second)).unwrap();
        close(test, 82.0, 0.014_689_644_720_6, RankMethod::Exact);
        let test = mann_whitney(&exact(&[1.1, 2.3, 3.1]), &exact(&[2.9, 4.0, 5.2, 6.1])).unwrap();
        close(test, 11.0, 0.114_285_714_286, RankMethod::Exact);
    }

    /// All C(11,5) and C(7,3) divisions of the mid-ranks enumerated in Python.
    #[test]
    fn small_samples_with_ties_are_exact_too() {
        let test = mann_whitney(&exact(&[3., 4., 4., 6., 8., 8.]), &exact(&[2., 2., 3., 4., 6.])).unwrap();
        close(test, 6.0, 0.138_528_138_528, RankMethod::ExactTied);
        let test = mann_whitney(&exact(&[1., 1., 2., 2.]), &exact(&[1., 1., 1.])).unwrap();
        close(test, 3.0, 0.571_428_571_429, RankMethod::ExactTied);
        let all_same = mann_whitney(&exact(&[0.0; 9]), &exact(&[0.0; 9])).unwrap();
        close(all_same, 40.5, 1.0, RankMethod::ExactTied);
    }

    /// scipy 1.17 with `method='asymptotic'`; U counts the other side there: 60·70 − 1852.
    #[test]
    fn large_samples_with_ties_use_the_corrected_normal() {
        let first: Vec<f64> = (0..60).map(|i| f64::from(i % 7)).collect();
        let second: Vec<f64> = (0..70).map(|i| f64::from(i % 7) + if i % 3 == 0 { 1.0 } else { 0.0 }).collect();
        let test = mann_whitney(&exact(&first), &exact(&second)).unwrap();
        close(test, 2_348.0, 0.243_225_108_966, RankMethod::Normal);
        let all_same = mann_whitney(&exact(&[0.0; 60]), &exact(&[0.0; 60])).unwrap();
        close(all_same, 1_800.0, 1.0, RankMethod::Normal);
    }

    /// 4 + 4 with all of the second larger: one order of C(8,4) = 70, twice.
    #[test]
    fn what_never_recovered_is_larger_than_everything() {
        let unrecovered = [5.0, 6.0, 7.0, 7.0].map(Observation::Above);
        let test = mann_whitney(&exact(&[9.0, 10.0, 11.0, 12.0]), &unrecovered).unwrap();
        close(test, 16.0, 2.0 / 70.0, RankMethod::ExactTied);
    }

    #[test]
    fn nothing_cannot_be_compared() {
        assert!(matches!(mann_whitney(&[], &exact(&[1.0])), Err(StatsError::TooFew { .. })));
        assert!(matches!(mann_whitney(&exact(&[f64::NAN]), &exact(&[1.0])), Err(StatsError::NotFinite { .. })));
    }

    proptest! {
        #[test]
        fn exchanging_the_sides_changes_u_and_not_p(
            first in prop::collection::vec(0u8..12, 1..12), second in prop::collection::vec(0u8..12, 1..12)
        ) {
            let side = |values: &[u8]| values.iter().map(|v| Observation::Exact(f64::from(*v))).collect::<Vec<_>>();
            let (a, b) = (side(&first), side(&second));
            let (one, other) = (mann_whitney(&a, &b).unwrap(), mann_whitney(&b, &a).unwrap());
            prop_assert!((one.u + other.u - (a.len() * b.len()) as f64).abs() < 1e-9);
            prop_assert!((one.p - other.p).abs() < 1e-9 && one.p > 0.0 && one.p <= 1.0);
        }
    }
}
