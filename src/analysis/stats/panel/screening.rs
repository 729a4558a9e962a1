//! Which subjects did not do the task: ITU-R BT.500 and screening by correlation.

use serde::Serialize;

use super::{Panel, mean, pearson};

/// What BT.500 says about one subject.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bt500Verdict {
    /// Votes far above the others', P.
    pub above: usize,
    /// Votes far below the others', Q.
    pub below: usize,
    /// Number of the subject's votes.
    pub votes: usize,
    /// `(P+Q)/votes > 0.05` and `|P−Q|/(P+Q) < 0.3`: erratic, not merely strict or lenient.
    pub rejected: bool,
}

/// How well one subject agrees with the others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CorrelationVerdict {
    /// Pearson's correlation with the mean of the others; `None` where one of the two does not vary.
    pub correlation: Option<f64>,
    /// Below the threshold, or undefined.
    pub rejected: bool,
}

/// Screens the subjects of a panel (BT.500): thresholds are mean ± 2 s where the votes of a condition look normal
/// (kurtosis 2 to 4), else mean ± √20 s. One verdict a subject, in order.
///
/// ```
/// use fivenines::analysis::stats::panel::{screen_bt500, Panel};
/// // Twenty-one who hear the same, and one who inverts the scale.
/// let mut rows = vec![vec![Some(5.0), Some(1.0)]; 21];
/// rows.push(vec![Some(1.0), Some(5.0)]);
/// let verdicts = screen_bt500(&Panel::new(rows)?);
/// assert!(verdicts[21].rejected && !verdicts[0].rejected);
/// # Ok::<(), fivenines::analysis::stats::StatsError>(())
/// ```
#[must_use]
pub fn screen_bt500(panel: &Panel) -> Vec<Bt500Verdict> {
    let limits: Vec<Option<(f64, f64)>> = (0..panel.conditions).map(|index| limits(&panel.votes(index))).collect();
    panel.rows.iter().map(|row| verdict(row, &limits)).collect()
}

/// The band outside of which a vote counts; `None` for a condition without spread.
fn limits(votes: &[f64]) -> Option<(f64, f64)> {
    let (mean, n) = (mean(votes)?, votes.len() as f64);
    let moment = |power: i32| votes.iter().map(|vote| (vote - mean).powi(power)).sum::<f64>() / n;
    let (m2, m4) = (moment(2), moment(4));
    if m2 <= 0.0 || votes.len() < 2 {
        return None;
    }
    let factor = if (2.0..=4.0).contains(&(m4 / (m2 * m2))) { 2.0 } else { 20.0_f64.sqrt() };
    let reach = factor * (m2 * n / (n - 1.0)).sqrt();
    Some((mean - reach, mean + reach))
}

fn verdict(row: &[Option<f64>], limits: &[Option<(f64, f64)>]) -> Bt500Verdict {
    let votes = row.iter().flatten().count();
    let judged = row.iter().zip(limits).filter_map(|(vote, limit)| Some(((*vote)?, (*limit)?)));
    let (mut above, mut below) = (0, 0);
    for (vote, (low, high)) in judged {
        above += usize::from(vote >= high);
        below += usize::from(vote <= low);
    }
    let far = (above + below) as f64;
    let rejected = far / votes.max(1) as f64 > 0.05 && above.abs_diff(below) as f64 / far < 0.3;
    Bt500Verdict { above, below, votes, rejected }
}

/// Screens by correlation with the mean of the others; usual thresholds are 0.75 and 0.7 (P.913).
#[must_use]
pub fn correlation_screening(panel: &Panel, threshold: f64) -> Vec<CorrelationVerdict> {
    let totals: Vec<(f64, f64)> = (0..panel.conditions).map(|index| total(&panel.votes(index))).collect();
    let verdict = |row: &Vec<Option<f64>>| {
        let pairs = row.iter().zip(&totals).filter_map(|(vote, total)| with_others((*vote)?, *total));
        let correlation = pearson(&pairs.collect::<Vec<_>>());
        CorrelationVerdict { correlation, rejected: correlation.is_none_or(|r| r < threshold) }
    };
    panel.rows.iter().map(verdict).collect()
}

fn total(votes: &[f64]) -> (f64, f64) {
    (votes.iter().sum(), votes.len() as f64)
}

/// A vote with the mean of all other votes for its condition; `None` if there is no other.
fn with_others(vote: f64, (sum, count): (f64, f64)) -> Option<(f64, f64)> {
    (count > 1.0).then(|| (vote, (sum - vote) / (count - 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twenty careful subjects who differ by up to one score, and one who votes 1 and 5 in turn.
    fn panel() -> Panel {
        let careful = |subject: usize| {
            (0..12).map(move |condition| {
                Some(2.0 + (condition % 3) as f64 * 0.5 + ((subject + condition) % 3) as f64 * 0.5)
            })
        };
        let mut rows: Vec<Vec<Option<f64>>> = (0..20).map(|subject| careful(subject).collect()).collect();
        rows.push((0..12).map(|condition| Some(if condition % 2 == 0 { 5.0 } else { 1.0 })).collect());
        Panel::new(rows).unwrap()
    }

    #[test]
    fn erratic_subjects_are_rejected_by_both_screens() {
        let bt500: Vec<usize> = (0..21).filter(|s| screen_bt500(&panel())[*s].rejected).collect();
        let correlation = correlation_screening(&panel(), 0.0);
        assert_eq!(bt500, [20], "{:?}", screen_bt500(&panel())[20]);
        assert!(correlation[20].rejected || correlation[20].correlation.is_some_and(|r| r < 0.3));
    }

    /// Always two scores above: far, but on one side only.
    #[test]
    fn lenient_subjects_are_kept_by_bt500() {
        let mut rows = panel().rows;
        rows[20] = vec![Some(5.0); 12];
        let verdict = screen_bt500(&Panel::new(rows).unwrap())[20];
        assert!(verdict.above > 0 && verdict.below == 0 && !verdict.rejected, "{verdict:?}");
    }

    /// By hand: {1,2,3,4,5}: m2 = 2, m4 = 6.8, kurtosis 1.7 is not normal, so √20 · √2.5 = 7.07 around 3.
    #[test]
    fn flat_votes_have_wide_limits() {
        let (low, high) = limits(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert!((high - 10.071_07).abs() < 5e-6 && (low + 4.071_07).abs() < 5e-6);
        assert_eq!(limits(&[4.0, 4.0]), None);
        assert_eq!(limits(&[]), None);
    }

    #[test]
    fn constant_votes_have_no_correlation_and_are_rejected() {
        let mut rows = panel().rows;
        rows[0] = vec![Some(3.0); 12];
        let verdict = correlation_screening(&Panel::new(rows).unwrap(), 0.7)[0];
        assert_eq!(verdict, CorrelationVerdict { correlation: None, rejected: true });
    }

    /// Sixteen subjects by twenty conditions from a linear congruential generator: subject 14 votes at random, 15
    /// inverts every other condition.
    fn generated() -> Panel {
        let mut state = 4_u64;
        let mut next = || {
            state = (state * 1_103_515_245 + 12_345) & 0x7fff_ffff;
            state >> 16
        };
        let mut vote = |subject: usize, condition: usize| {
            let base = 1 + condition % 5;
            let careful = (base + (next() % 3) as usize).saturating_sub(1).clamp(1, 5);
            match subject {
                14 => 1 + (next() % 5) as usize,
                15 if condition.is_multiple_of(2) => 6 - base,
                15 => base,
                _ => careful,
            }
        };
        let rows = (0..16).map(|s| (0..20).map(|c| Some(vote(s, c) as f64)).collect()).collect();
        Panel::new(rows).unwrap()
    }

    /// The independent implementation sureal 0.9.0 (SubjrejMosModel) on the same votes: shares of far votes 0.1 for
    /// subjects 14 and 15, asymmetry 0 and 1, subject 14 rejected. It takes s with n, BT.500 with n − 1: on these votes
    /// both give the same counts.
    #[test]
    fn an_independent_implementation_rejects_the_same_subject() {
        for (subject, got) in screen_bt500(&generated()).into_iter().enumerate() {
            let (above, below, rejected) = match subject {
                14 => (1, 1, true),
                15 => (0, 2, false),
                _ => (0, 0, false),
            };
            assert_eq!(got, Bt500Verdict { above, below, votes: 20, rejected }, "subject {subject}");
        }
        let kept = generated().without(&[14]).unwrap().mos(0.95).unwrap();
        let golden = [(0, 1.733_333, 1.032_796, 0.571_943), (3, 3.8, 0.861_892, 0.477_300)];
        for (condition, mean, sd, half) in golden {
            let got = kept[condition].mos;
            let close = |got: f64, want: f64| (got - want).abs() < 5e-7;
            assert!(close(got.mean, mean) && close(got.sd, sd) && close(got.high - got.mean, half), "{got:?}");
        }
    }

    /// numpy.corrcoef on the same votes.
    #[test]
    fn correlations_of_an_independent_calculation() {
        let verdicts = correlation_screening(&generated(), 0.75);
        for (subject, want) in [(0, 0.838_932), (14, 0.259_869), (15, 0.026_867)] {
            assert!((verdicts[subject].correlation.unwrap() - want).abs() < 5e-7, "{:?}", verdicts[subject]);
        }
        assert!(!verdicts[0].rejected && verdicts[14].rejected && verdicts[15].rejected);
    }
}
