//! Five rules for when a service was "unavailable". The same gaps, five availabilities.

use serde::Serialize;

/// Gaps from this length on count under [`Rule::Itu10s`], in seconds.
const LONG_S: f64 = 10.0;
/// Interval of [`Rule::Y1540`], in seconds.
const BLOCK_S: f64 = 60.0;
/// Share of an interval that may be lost under [`Rule::Y1540`].
const LOSS_LIMIT: f64 = 0.2;
/// Mean patience of a listener who hears nothing, in seconds; provisional, see [`Rule::CallSuccess`].
const PATIENCE_S: f64 = 17.26;

/// A rule by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Rule {
    /// Every gap counts with its whole length, for the median affected user.
    #[serde(rename = "raw-gap")]
    RawGap,
    /// Only gaps of 10 s and more count, for the median affected user: shorter ones are interruptions of a call that
    /// goes on (ITU-T E.855), and ten bad seconds in a row begin unavailable time (ITU-T G.826).
    #[serde(rename = "itu-10s")]
    Itu10s,
    /// A minute counts whole if more than a fifth of it was lost, for the median affected user; after the availability
    /// function of ITU-T Y.1540, whose limits have changed between editions: provisional.
    #[serde(rename = "y1540")]
    Y1540,
    /// Seconds without service over all users, as in the user-minutes of 47 CFR 4.7, of the seconds that they had.
    #[serde(rename = "user-seconds")]
    UserSeconds,
    /// Calls that were set up, times the probability that nobody hung up in the gap, e^(−gap/17.26 s): the model that
    /// Jiang & Schulzrinne took from ITU-T E.855. Provisional: its constant was not checked against the source.
    #[serde(rename = "call-success")]
    CallSuccess,
}

impl Rule {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Rule::RawGap => "raw-gap",
            Rule::Itu10s => "itu-10s",
            Rule::Y1540 => "y1540",
            Rule::UserSeconds => "user-seconds",
            Rule::CallSuccess => "call-success",
        }
    }

    /// Whether a constant of the rule was not checked against its source.
    #[must_use]
    pub const fn is_provisional(self) -> bool {
        matches!(self, Rule::Y1540 | Rule::CallSuccess)
    }
}

/// A time without service, in seconds from the start of the observation.
pub(super) type Gap = (f64, f64);

/// The same times without overlaps, cut to an observation of `observed_s`, in order.
pub(super) fn merged(gaps: &[Gap], observed_s: f64) -> Vec<Gap> {
    let cut = gaps.iter().map(|(start, end)| (start.max(0.0), end.min(observed_s))).filter(|(start, end)| start < end);
    let mut cut: Vec<Gap> = cut.collect();
    cut.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut merged: Vec<Gap> = Vec::new();
    for gap in cut {
        match merged.last_mut() {
            Some(last) if gap.0 <= last.1 => last.1 = last.1.max(gap.1),
            _ => merged.push(gap),
        }
    }
    merged
}

/// Seconds of `gaps` (merged) that a rule of one user counts; 0 for the rules that are not about one user.
pub(super) fn unavailable_s(rule: Rule, gaps: &[Gap], observed_s: f64) -> f64 {
    let lengths = gaps.iter().map(|(start, end)| end - start);
    match rule {
        Rule::RawGap | Rule::UserSeconds => lengths.sum(),
        Rule::Itu10s => gaps.iter().filter(|gap| is_long(gap, observed_s)).map(|(start, end)| end - start).sum(),
        Rule::Y1540 => {
            blocks(observed_s).map(|block| if lost(block, gaps) > LOSS_LIMIT { block.1 - block.0 } else { 0.0 }).sum()
        }
        Rule::CallSuccess => 0.0,
    }
}

/// A gap that had not ended with the observation may have become long: it is not claimed to be short.
fn is_long(gap: &Gap, observed_s: f64) -> bool {
    gap.1 - gap.0 >= LONG_S || gap.1 >= observed_s
}

/// Whole minutes from the start, and what is left at the end.
fn blocks(observed_s: f64) -> impl Iterator<Item = Gap> {
    let count = (observed_s / BLOCK_S).ceil().max(0.0) as u32;
    (0..count).map(move |block| f64::from(block) * BLOCK_S).map(move |start| (start, (start + BLOCK_S).min(observed_s)))
}

fn lost(block: Gap, gaps: &[Gap]) -> f64 {
    let inside = |gap: &Gap| (gap.1.min(block.1) - gap.0.max(block.0)).max(0.0);
    gaps.iter().map(inside).sum::<f64>() / (block.1 - block.0)
}

/// Probability that a caller stays on through a silence of `gap_s`.
pub(super) fn stays(gap_s: f64) -> f64 {
    (-gap_s / PATIENCE_S).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Rule; 3] = [Rule::RawGap, Rule::Itu10s, Rule::Y1540];

    fn counted(gaps: &[Gap], observed_s: f64) -> Vec<f64> {
        ALL.iter().map(|rule| unavailable_s(*rule, gaps, observed_s)).collect()
    }

    /// By hand. 1.7 s in a minute are 2.8 %, 11 s are 18 %, 13 s are 22 %: the minute counts; 12 s over the edge of
    /// two minutes are 10 % of each.
    #[test]
    fn one_gap_under_each_rule() {
        let golden = [
            ((10.0, 11.7), [1.7, 0.0, 0.0]),
            ((10.0, 21.0), [11.0, 11.0, 0.0]),
            ((10.0, 23.0), [13.0, 13.0, 60.0]),
            ((54.0, 66.0), [12.0, 12.0, 0.0]),
            ((100.0, 150.0), [50.0, 50.0, 110.0]),
        ];
        for (gap, want) in golden {
            let got = counted(&[gap], 170.0);
            assert!(got.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-9), "{gap:?}: {got:?}");
        }
        assert_eq!(counted(&[], 170.0), [0.0; 3]);
        assert_eq!(counted(&[(167.0, 170.0)], 170.0), [3.0, 3.0, 0.0], "had not ended");
    }

    #[test]
    fn overlapping_gaps_count_once_and_only_inside_the_observation() {
        assert_eq!(merged(&[(30.0, 99.0), (-5.0, 1.0), (29.0, 31.0), (70.0, 80.0)], 50.0), [(0.0, 1.0), (29.0, 50.0)]);
        assert!(merged(&[(60.0, 61.0), (3.0, 2.0)], 50.0).is_empty());
    }

    /// 1 − e^(−t/17.26): 9.4 % after 1.701 s, 19 % after 3.6 s, 44 % after 10 s, 50 % after 12 s.
    #[test]
    fn who_hangs_up() {
        for (gap, percent) in [(1.701, 9.4), (3.6, 18.8), (10.0, 44.0), (12.0, 50.1)] {
            assert!((100.0 * (1.0 - stays(gap)) - percent).abs() < 0.05, "{gap}");
        }
    }

    proptest! {
        #[test]
        fn no_rule_counts_more_than_was_observed(
            gaps in prop::collection::vec((0.0f64..400.0, 0.0f64..60.0), 0..8), observed_s in 1.0f64..400.0
        ) {
            let gaps: Vec<Gap> = gaps.into_iter().map(|(start, length)| (start, start + length)).collect();
            let counted = counted(&merged(&gaps, observed_s), observed_s);
            prop_assert!(counted.iter().all(|s| (0.0..=observed_s + 1e-9).contains(s)));
            prop_assert!(counted[1] <= counted[0] + 1e-9);
        }
    }
}
