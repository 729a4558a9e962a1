//! Scores, verdicts and comparison of every test in a file.

use serde::Serialize;

use super::ratings::{Ratings, RatingsFile};
use super::{PanelArgs, PanelError, Screen};
use crate::analysis::stats::StatsError;
use crate::analysis::stats::mean_ci;
use crate::analysis::stats::panel::p1401::{self, Agreement, Mapping, Rated};
use crate::analysis::stats::panel::{
    Bt500Verdict, CorrelationVerdict, Panel, SUBJECTS_BT500, SUBJECTS_CONTROLLED, SUBJECTS_UNCONTROLLED,
    correlation_screening, screen_bt500,
};

/// What the command answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PanelAnswer {
    /// `fivenines.panel.v1`.
    pub schema: &'static str,
    /// One entry a kind of test.
    pub tests: Vec<TestAnswer>,
    /// Columns that were not read.
    pub ignored_columns: Vec<String>,
}

/// A listening or conversation test.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TestAnswer {
    /// P.800.1 label of the scores.
    pub label: &'static str,
    /// Number of subjects who voted.
    pub subjects: usize,
    /// Which screening was applied.
    pub screen: Screen,
    /// Subjects whose votes the scores leave out.
    pub rejected: Vec<String>,
    /// What both screenings say about each subject.
    pub verdicts: Vec<SubjectVerdict>,
    /// Threshold of the correlation.
    pub correlation_threshold: f64,
    /// Confidence of the intervals.
    pub confidence: f64,
    /// The score of each stimulus.
    pub stimuli: Vec<StimulusScore>,
    /// The model as it stands, against the panel.
    pub model: Option<Agreement>,
    /// The model after a mapping of third order.
    pub model_mapped: Option<Agreement>,
    /// What must be known when quoting.
    pub notes: Vec<String>,
}

/// A subject by both screenings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SubjectVerdict {
    /// Name in the file.
    pub subject: String,
    /// ITU-R BT.500.
    pub bt500: Bt500Verdict,
    /// Correlation with the mean of the others.
    pub correlation: CorrelationVerdict,
}

/// A stimulus with its scores.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StimulusScore {
    /// Name in the file.
    pub stimulus: String,
    /// Votes of the subjects who were kept; absent if none is left.
    pub kept: Option<Votes>,
    /// All votes.
    pub all: Option<Votes>,
    /// The model's score.
    pub model: Option<f64>,
}

/// A number of votes: with one there is no spread and no interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Votes {
    /// Number of votes.
    pub n: usize,
    /// Mean: the MOS.
    pub mos: f64,
    /// Standard deviation with n − 1.
    pub s: Option<f64>,
    /// Lower end of the t interval.
    pub low: Option<f64>,
    /// Upper end of the t interval.
    pub high: Option<f64>,
}

pub(super) fn answer(file: &RatingsFile, args: &PanelArgs) -> Result<PanelAnswer, PanelError> {
    if !(-1.0..=1.0).contains(&args.correlation) {
        let (parameter, value, range) = ("--correlation", args.correlation, "[-1, 1]");
        return Err(StatsError::OutOfRange { parameter, value, range }.into());
    }
    if !(args.confidence > 0.0 && args.confidence < 1.0) {
        let (parameter, value, range) = ("--confidence", args.confidence, "(0, 1)");
        return Err(StatsError::OutOfRange { parameter, value, range }.into());
    }
    let tests = file.tests.iter().map(|ratings| test(ratings, args)).collect::<Result<_, _>>()?;
    Ok(PanelAnswer { schema: "fivenines.panel.v1", tests, ignored_columns: file.ignored.clone() })
}

fn test(ratings: &Ratings, args: &PanelArgs) -> Result<TestAnswer, StatsError> {
    let panel = &ratings.panel;
    let verdicts = verdicts(ratings, args.correlation);
    let outside = |verdict: &SubjectVerdict| rejects(args.screen, verdict);
    let rejected: Vec<usize> = (0..).zip(&verdicts).filter(|(_, verdict)| outside(verdict)).map(|(i, _)| i).collect();
    // Whoever is rejected by a screen that rejects everybody was not the problem.
    let (kept, rejected) = panel.without(&rejected).map_or((panel.clone(), Vec::new()), |kept| (kept, rejected));
    let everybody = rejected.is_empty() && verdicts.iter().all(outside);
    let stimuli = stimuli(ratings, &kept, args.confidence)?;
    let (model, model_mapped) = comparisons(ratings, &kept)?;
    let mut notes = notes(ratings, &kept, &stimuli);
    if everybody {
        notes.push("the screening would reject everybody: nobody was left out".to_owned());
    }
    notes.extend(comparison_notes(ratings, model.is_some(), model_mapped.is_some()));
    Ok(TestAnswer {
        label: ratings.kind.label(),
        subjects: panel.subjects(),
        screen: args.screen,
        rejected: rejected.iter().filter_map(|i| ratings.subjects.get(*i).cloned()).collect(),
        verdicts,
        correlation_threshold: args.correlation,
        confidence: args.confidence,
        stimuli,
        model,
        model_mapped,
        notes,
    })
}

fn verdicts(ratings: &Ratings, threshold: f64) -> Vec<SubjectVerdict> {
    let by_correlation = correlation_screening(&ratings.panel, threshold);
    let both = screen_bt500(&ratings.panel).into_iter().zip(by_correlation);
    let verdict =
        |(subject, (bt500, correlation)): (&String, _)| SubjectVerdict { subject: subject.clone(), bt500, correlation };
    ratings.subjects.iter().zip(both).map(verdict).collect()
}

fn rejects(screen: Screen, verdict: &SubjectVerdict) -> bool {
    let (bt500, correlation) = (verdict.bt500.rejected, verdict.correlation.rejected);
    match screen {
        Screen::None => false,
        Screen::Bt500 => bt500,
        Screen::Correlation => correlation,
        Screen::Either => bt500 || correlation,
    }
}

fn stimuli(ratings: &Ratings, kept: &Panel, confidence: f64) -> Result<Vec<StimulusScore>, StatsError> {
    let names = ratings.stimuli.iter().zip(&ratings.model).enumerate();
    let score = |(index, (name, model)): (usize, (&String, &Option<f64>))| {
        Ok(StimulusScore {
            stimulus: name.clone(),
            kept: votes(&kept.votes(index), confidence)?,
            all: votes(&ratings.panel.votes(index), confidence)?,
            model: *model,
        })
    };
    names.map(score).collect()
}

fn votes(votes: &[f64], confidence: f64) -> Result<Option<Votes>, StatsError> {
    match votes {
        [] => Ok(None),
        [vote] => Ok(Some(Votes { n: 1, mos: *vote, s: None, low: None, high: None })),
        votes => {
            let ci = mean_ci(votes, confidence)?;
            Ok(Some(Votes { n: ci.n, mos: ci.mean, s: Some(ci.sd), low: Some(ci.low), high: Some(ci.high) }))
        }
    }
}

/// The model as it stands and after mapping, where enough stimuli have both scores. P.1401 takes the interval at 95 %.
fn comparisons(ratings: &Ratings, kept: &Panel) -> Result<(Option<Agreement>, Option<Agreement>), StatsError> {
    let mut rated = Vec::new();
    for (index, model) in ratings.model.iter().enumerate() {
        let votes = kept.votes(index);
        if let (Some(model), true) = (*model, votes.len() > 1) {
            let ci = mean_ci(&votes, 0.95)?;
            rated.push(Rated { model, panel: ci.mean, ci95: ci.high - ci.mean });
        }
    }
    let compare = |mapping| p1401::compare(&rated, mapping).ok();
    Ok((compare(Mapping::Identity), compare(Mapping::ThirdOrder)))
}

fn notes(ratings: &Ratings, kept: &Panel, stimuli: &[StimulusScore]) -> Vec<String> {
    let mut notes = Vec::new();
    let n = kept.subjects();
    for (needed, who) in [
        (SUBJECTS_BT500, "ITU-R BT.500 asks for"),
        (SUBJECTS_CONTROLLED, "ITU-T P.910/P.913 ask for in a controlled room"),
        (SUBJECTS_UNCONTROLLED, "ITU-T P.913 asks for in an uncontrolled place"),
    ] {
        if n < needed {
            notes.push(format!("{n} subjects are fewer than the {needed} that {who} (provisional)"));
        }
    }
    if stimuli.len() < 3 {
        notes.push("with fewer than 3 stimuli the screenings say nothing".to_owned());
    }
    let thin = stimuli.iter().filter(|s| s.kept.is_none_or(|votes| votes.n < 2)).count();
    if thin > 0 {
        notes.push(format!("stimuli with fewer than two votes, so without interval: {thin}"));
    }
    let whole = |index: usize| ratings.panel.votes(index).iter().all(|vote| vote.fract() == 0.0);
    if !(0..ratings.panel.conditions()).all(whole) {
        notes.push("not all votes are whole numbers: the five-point scale of P.800 has whole ones".to_owned());
    }
    notes
}

fn comparison_notes(ratings: &Ratings, plain: bool, mapped: bool) -> Vec<String> {
    let (all, given) = (ratings.model.len(), ratings.model.iter().flatten().count());
    let mut notes = Vec::new();
    if given > 0 && given < all {
        notes.push(format!("{} of {all} stimuli have no score of the model and are not compared", all - given));
    }
    if given > 0 && !plain {
        notes.push("a comparison needs a model's score and two votes for at least 2 stimuli".to_owned());
    }
    if given > 0 && !mapped {
        notes
            .push("a mapping of third order needs at least 6 such stimuli, 4 of them with different scores".to_owned());
    }
    notes
}
