//! `fivenines panel`: what a panel of listeners says, who was not listening, and whether the model agrees.

mod answer;
mod ratings;
#[cfg(test)]
mod tests;
mod text;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::json;
use crate::analysis::stats::StatsError;

pub use answer::{PanelAnswer, StimulusScore, SubjectVerdict, TestAnswer, Votes};

/// Longest file that is read.
const MOST_BYTES: u64 = 64 << 20;

/// Arguments of `fivenines panel`.
#[derive(Args, Clone, Debug)]
pub struct PanelArgs {
    /// CSV with the columns subject, stimulus, rating (1 to 5) and, where known, model (a model's MOS) and kind (lq, cq)
    pub ratings: PathBuf,
    /// Whose votes are left out of the scores
    #[arg(long, value_enum, default_value_t = Screen::Bt500)]
    pub screen: Screen,
    /// Correlation with the others below which a subject is rejected
    #[arg(long, default_value_t = 0.75, value_name = "R", allow_negative_numbers = true)]
    pub correlation: f64,
    /// Confidence of the intervals of the scores
    #[arg(long, default_value_t = 0.95, allow_negative_numbers = true)]
    pub confidence: f64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Which screening is applied; both are always reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Screen {
    /// Nobody is left out
    None,
    /// Whom ITU-R BT.500 rejects
    Bt500,
    /// Whom the correlation rejects
    Correlation,
    /// Whom either rejects
    Either,
}

/// Why a file of ratings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PanelError {
    /// The file cannot be read.
    #[error("cannot read the ratings {}: {error}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The file, and what is wrong in it.
    #[error("{}: {error}", .path.display())]
    In {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: Box<PanelError>,
    },
    /// Longer than any panel.
    #[error("longer than {most} bytes: split the file")]
    TooLong {
        /// The limit.
        most: u64,
    },
    /// Not a table.
    #[error("no table: {0}")]
    Csv(#[from] csv::Error),
    /// A needed column is absent.
    #[error(
        "no column {column:?}; the heading has {found:?}: give subject, stimulus, rating, and if known model and kind"
    )]
    NoColumn {
        /// The column.
        column: &'static str,
        /// The heading.
        found: String,
    },
    /// A column is there twice.
    #[error("more than one column {column:?}: keep one")]
    TwoColumns {
        /// The column.
        column: &'static str,
    },
    /// A heading and nothing below.
    #[error("no ratings below the heading")]
    Empty,
    /// A value that is none.
    #[error("line {line}, column {column:?}: {value:?} is not {wanted}")]
    Field {
        /// Line in the file.
        line: u64,
        /// Column.
        column: &'static str,
        /// What stands there.
        value: String,
        /// What should.
        wanted: &'static str,
    },
    /// Two votes of one subject for one stimulus.
    #[error(
        "line {line}: {subject:?} rated {stimulus:?} twice, first in line {first}: keep one vote, or name repetitions"
    )]
    TwoVotes {
        /// Line of the second vote.
        line: u64,
        /// Line of the first.
        first: u64,
        /// Who voted.
        subject: String,
        /// On what.
        stimulus: String,
    },
    /// A stimulus has two different scores of the model.
    #[error(
        "line {line}, column \"model\": {value} for {stimulus:?}, but line {first} has {known}: a stimulus cannot have two scores of the model"
    )]
    TwoModels {
        /// Line of the second score.
        line: u64,
        /// Line of the first.
        first: u64,
        /// The stimulus.
        stimulus: String,
        /// The second score.
        value: f64,
        /// The first.
        known: f64,
    },
    /// More cells than are held in memory.
    #[error("{subjects} subjects by {stimuli} stimuli are more than {most} cells: split the file")]
    TooLarge {
        /// Number of subjects.
        subjects: usize,
        /// Number of stimuli.
        stimuli: usize,
        /// The limit.
        most: usize,
    },
    /// A statistic was refused.
    #[error(transparent)]
    Stats(#[from] StatsError),
}

/// Runs the command: the text or the JSON to print.
///
/// # Errors
/// [`PanelError`] with file, line and column.
pub fn run(args: &PanelArgs) -> Result<String, PanelError> {
    let path = &args.ratings;
    let file = read(path).map_err(|error| located(path, error))?;
    let answer = answer::answer(&file, args).map_err(|error| located(path, error))?;
    Ok(if args.json { json(&answer) } else { text::text(&answer) })
}

fn read(path: &Path) -> Result<ratings::RatingsFile, PanelError> {
    let unreadable = |error| PanelError::Unreadable { path: path.to_owned(), error };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let size = file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if size as u64 > MOST_BYTES {
        return Err(PanelError::TooLong { most: MOST_BYTES });
    }
    ratings::read(&bytes)
}

/// Options are at fault for a statistic out of its range, the file for everything else.
fn located(path: &Path, error: PanelError) -> PanelError {
    match error {
        PanelError::Unreadable { .. } | PanelError::Stats(StatsError::OutOfRange { .. }) => error,
        error => PanelError::In { path: path.to_owned(), error: Box::new(error) },
    }
}
