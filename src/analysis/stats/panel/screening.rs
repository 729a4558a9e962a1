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
    let agreement = |subject: usize| {
        let others = panel.without(&[subject])?;
        let row = panel.rows.get(subject)?;
        let pairs = row.iter().enumerate().filter_map(|(index, vote)| Some(((*vote)?, mean(&others.votes(index))?)));
        pearson(&pairs.collect::<Vec<_>>())
    };
    let verdict = |correlation: Option<f64>| {
        let rejected = correlation.is_none_or(|r| r < threshold);
        CorrelationVerdict { correlation, rejected }
    };
    (0..panel.subjects()).map(|subject| verdict(agreement(subject))).collect()
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
}
