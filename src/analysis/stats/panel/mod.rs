//! Listening and conversation panels: ITU-T P.800 scores, screening of subjects, comparison with a model.
//!
//! A panel's MOS (MOS-LQS, MOS-CQS) lies on the ACR scale 1 to 5; an E-model's ends at 4.5. They are compared
//! after a mapping ([`p1401`]), never mixed.

pub mod p1401;
mod screening;

use serde::Serialize;

use super::{MeanCi, StatsError, mean_ci};

pub use screening::{Bt500Verdict, CorrelationVerdict, correlation_screening, screen_bt500};

/// Subjects that ITU-R BT.500 asks for at least (provisional).
pub const SUBJECTS_BT500: usize = 15;
/// Subjects that ITU-T P.910/P.913 ask for in a controlled room (from secondary sources: provisional).
pub const SUBJECTS_CONTROLLED: usize = 24;
/// Subjects that P.913 asks for in a public or uncontrolled place (provisional).
pub const SUBJECTS_UNCONTROLLED: usize = 35;

/// The words of the ACR scale (ITU-T P.800 Annex B), by score; `None` off the scale.
#[must_use]
pub const fn acr_word(score: u8) -> Option<&'static str> {
    match score {
        5 => Some("excellent"),
        4 => Some("good"),
        3 => Some("fair"),
        2 => Some("poor"),
        1 => Some("bad"),
        _ => None,
    }
}

/// Votes on the ACR scale: one row a subject, one column a condition; `None` where a subject did not vote.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    rows: Vec<Vec<Option<f64>>>,
    conditions: usize,
}

/// The score of one condition.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PanelMos {
    /// Mean, standard deviation, t interval and number of votes.
    pub mos: MeanCi,
    /// Whether the panel was as large as P.910/P.913 ask for in a controlled room.
    pub enough_subjects: bool,
}

impl Panel {
    /// A panel from its votes.
    ///
    /// # Errors
    /// [`StatsError::OutOfRange`] for a vote off the scale 1 to 5 or rows of different length,
    /// [`StatsError::TooFew`] without subjects.
    pub fn new(rows: Vec<Vec<Option<f64>>>) -> Result<Panel, StatsError> {
        let conditions = rows.first().map(Vec::len).unwrap_or_default();
        if rows.is_empty() || conditions == 0 {
            return Err(StatsError::TooFew { what: "a panel", n: 0, needed: 1 });
        }
        if let Some(row) = rows.iter().find(|row| row.len() != conditions) {
            let (parameter, value) = ("number of votes in a row", row.len() as f64);
            return Err(StatsError::OutOfRange { parameter, value, range: "that of the first row" });
        }
        match rows.iter().flatten().flatten().find(|vote| !(1.0..=5.0).contains(*vote)) {
            Some(&value) => Err(StatsError::OutOfRange { parameter: "vote", value, range: "[1, 5]" }),
            None => Ok(Panel { rows, conditions }),
        }
    }

    /// Number of subjects.
    #[must_use]
    pub fn subjects(&self) -> usize {
        self.rows.len()
    }

    /// Number of conditions.
    #[must_use]
    pub fn conditions(&self) -> usize {
        self.conditions
    }

    /// The votes for condition `index`; empty if there is none.
    #[must_use]
    pub fn votes(&self, index: usize) -> Vec<f64> {
        self.rows.iter().filter_map(|row| row.get(index).copied().flatten()).collect()
    }

    /// The MOS of every condition with its interval (P.800, t distribution).
    ///
    /// # Errors
    /// [`StatsError::TooFew`] if a condition has fewer than two votes.
    ///
    /// ```
    /// use fivenines::analysis::stats::panel::Panel;
    /// let votes = [5.0, 4.0, 4.0, 3.0, 5.0, 4.0, 4.0, 4.0, 3.0, 5.0, 4.0, 4.0];
    /// let panel = Panel::new(votes.map(|vote| vec![Some(vote)]).to_vec())?;
    /// assert_eq!(format!("{:.3}", panel.mos(0.95)?[0].mos.mean), "4.083");
    /// # Ok::<(), fivenines::analysis::stats::StatsError>(())
    /// ```
    pub fn mos(&self, confidence: f64) -> Result<Vec<PanelMos>, StatsError> {
        let score = |index| {
            let mos = mean_ci(&self.votes(index), confidence)?;
            Ok(PanelMos { mos, enough_subjects: mos.n >= SUBJECTS_CONTROLLED })
        };
        (0..self.conditions).map(score).collect()
    }

    /// The panel without some subjects (by row), for use after screening; `None` if nobody is left.
    #[must_use]
    pub fn without(&self, rejected: &[usize]) -> Option<Panel> {
        let kept = self.rows.iter().enumerate().filter(|(subject, _)| !rejected.contains(subject));
        let rows: Vec<_> = kept.map(|(_, row)| row.clone()).collect();
        (!rows.is_empty()).then_some(Panel { rows, conditions: self.conditions })
    }

    /// The votes with each subject's bias removed: the mean difference to the conditions' means (P.913). Votes
    /// may leave the scale.
    #[must_use]
    pub fn unbiased(&self) -> Panel {
        let means: Vec<Option<f64>> = (0..self.conditions).map(|index| mean(&self.votes(index))).collect();
        let shift = |row: &Vec<Option<f64>>| {
            let differences = row.iter().zip(&means).filter_map(|(vote, mean)| Some((*vote)? - (*mean)?));
            let bias = mean(&differences.collect::<Vec<_>>()).unwrap_or(0.0);
            row.iter().map(|vote| vote.map(|vote| vote - bias)).collect()
        };
        Panel { rows: self.rows.iter().map(shift).collect(), conditions: self.conditions }
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Pearson's correlation; `None` for fewer than two pairs or where one side does not vary.
#[must_use]
pub fn pearson(pairs: &[(f64, f64)]) -> Option<f64> {
    let x = mean(&pairs.iter().map(|pair| pair.0).collect::<Vec<_>>())?;
    let y = mean(&pairs.iter().map(|pair| pair.1).collect::<Vec<_>>())?;
    let sum = |f: fn(f64, f64) -> f64| pairs.iter().map(|pair| f(pair.0 - x, pair.1 - y)).sum::<f64>();
    let r = sum(|a, b| a * b) / (sum(|a, _| a * a) * sum(|_, b| b * b)).sqrt();
    r.is_finite().then_some(r.clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(rows: &[&[f64]]) -> Panel {
        Panel::new(rows.iter().map(|row| row.iter().copied().map(Some).collect()).collect()).unwrap()
    }

    /// P.800 vector: mean 4.08333 ± 0.424781; 12 subjects are fewer than 24.
    #[test]
    fn a_condition_has_a_mean_and_an_interval() {
        let rows: Vec<&[f64]> =
            vec![&[5.0], &[4.0], &[4.0], &[3.0], &[5.0], &[4.0], &[4.0], &[4.0], &[3.0], &[5.0], &[4.0], &[4.0]];
        let score = panel(&rows).mos(0.95).unwrap()[0];
        assert!((score.mos.mean - 4.083_33).abs() < 5e-6);
        assert!((score.mos.high - score.mos.mean - 0.424_781).abs() < 5e-7);
        assert!(!score.enough_subjects);
    }

    #[test]
    fn missing_votes_are_left_out() {
        let rows = vec![vec![Some(5.0), None], vec![Some(3.0), Some(2.0)], vec![None, Some(3.0)]];
        let panel = Panel::new(rows).unwrap();
        assert_eq!((panel.votes(0), panel.votes(1)), (vec![5.0, 3.0], vec![2.0, 3.0]));
        assert_eq!(panel.votes(2), Vec::<f64>::new());
    }

    /// Subject 0 votes 1 higher than subject 1 throughout: means lie between them, biases are ±0.5.
    #[test]
    fn bias_is_removed() {
        let unbiased = panel(&[&[5.0, 4.0, 3.0], &[4.0, 3.0, 2.0]]).unbiased();
        assert_eq!(unbiased.votes(0), [4.5, 4.5]);
        assert_eq!(unbiased.votes(2), [2.5, 2.5]);
    }

    #[test]
    fn what_is_no_panel_is_refused() {
        assert!(matches!(Panel::new(vec![]), Err(StatsError::TooFew { .. })));
        assert!(matches!(Panel::new(vec![vec![Some(6.0)]]), Err(StatsError::OutOfRange { parameter: "vote", .. })));
        assert!(matches!(Panel::new(vec![vec![Some(f64::NAN)]]), Err(StatsError::OutOfRange { .. })));
        assert!(Panel::new(vec![vec![Some(1.0)], vec![]]).is_err());
        assert!(panel(&[&[4.0]]).mos(0.95).is_err());
        assert_eq!(panel(&[&[4.0]]).without(&[0]), None);
    }

    #[test]
    fn correlation_needs_variation() {
        assert_eq!(pearson(&[(1.0, 2.0), (2.0, 4.0), (3.0, 6.0)]), Some(1.0));
        assert_eq!(pearson(&[(1.0, 2.0), (1.0, 4.0)]), None);
        assert_eq!(pearson(&[]), None);
        assert_eq!((acr_word(5), acr_word(0)), (Some("excellent"), None));
    }
}
