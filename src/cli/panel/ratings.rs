//! Reading ratings: one row a vote, with errors that name line and column.

use std::collections::HashMap;

use super::PanelError;
use crate::analysis::stats::panel::Panel;

/// Subjects × stimuli that are held in memory.
const MOST_CELLS: usize = 4_000_000;
const KNOWN: [&str; 5] = ["subject", "stimulus", "rating", "model", "kind"];

/// What the panel did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Listening only.
    Listening,
    /// Conversation.
    Conversation,
    /// The file does not say.
    NotStated,
}

impl Kind {
    /// The P.800.1 label of the panel's MOS.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Kind::Listening => "MOS-LQS",
            Kind::Conversation => "MOS-CQS",
            Kind::NotStated => "MOS (subjective; LQS or CQS not stated)",
        }
    }
}

/// The votes of one kind of test.
#[derive(Clone, Debug)]
pub(super) struct Ratings {
    pub(super) kind: Kind,
    pub(super) subjects: Vec<String>,
    pub(super) stimuli: Vec<String>,
    /// The model's score of each stimulus.
    pub(super) model: Vec<Option<f64>>,
    pub(super) panel: Panel,
}

/// What a file holds.
#[derive(Clone, Debug)]
pub(super) struct RatingsFile {
    /// One entry a kind of test, in order of appearance.
    pub(super) tests: Vec<Ratings>,
    /// Columns that were not read.
    pub(super) ignored: Vec<String>,
}

/// Reads a file of ratings. The separator is `;` or a tab where the heading has one, else `,`.
pub(super) fn read(bytes: &[u8]) -> Result<RatingsFile, PanelError> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let heading = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let delimiter = [b';', b'\t'].into_iter().find(|byte| heading.contains(byte)).unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).trim(csv::Trim::All).from_reader(bytes);
    let columns = Columns::find(reader.headers()?)?;
    let mut gathered: Vec<Gathered> = Vec::new();
    for record in reader.records() {
        let record = record?;
        let vote = columns.vote(&record, line_of(bytes, &record))?;
        let place = gathered.iter().position(|test| test.kind == vote.kind).unwrap_or(gathered.len());
        if place == gathered.len() {
            gathered.push(Gathered::new(vote.kind));
        }
        gathered.iter_mut().skip(place).take(1).try_for_each(|test| test.add(&vote))?;
    }
    if gathered.is_empty() {
        return Err(PanelError::Empty);
    }
    let tests = gathered.into_iter().map(Gathered::finish).collect::<Result<_, _>>()?;
    Ok(RatingsFile { tests, ignored: columns.ignored })
}

/// The line of a record. The reader counts from before the blank lines that it skips.
fn line_of(bytes: &[u8], record: &csv::StringRecord) -> u64 {
    let Some(position) = record.position() else { return 0 };
    let rest = usize::try_from(position.byte()).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
    let skipped = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).filter(|byte| **byte == b'\n');
    position.line() + skipped.count() as u64
}

/// Where the columns are.
struct Columns {
    subject: usize,
    stimulus: usize,
    rating: usize,
    model: Option<usize>,
    kind: Option<usize>,
    ignored: Vec<String>,
}

/// One row.
struct Vote<'a> {
    line: u64,
    kind: Kind,
    subject: &'a str,
    stimulus: &'a str,
    rating: f64,
    model: Option<f64>,
}

impl Columns {
    fn find(headers: &csv::StringRecord) -> Result<Columns, PanelError> {
        let names: Vec<String> = headers.iter().map(str::to_ascii_lowercase).collect();
        let at = |wanted: &'static str| match names.iter().filter(|name| *name == wanted).count() {
            0 | 1 => Ok(names.iter().position(|name| name == wanted)),
            _ => Err(PanelError::TwoColumns { column: wanted }),
        };
        let found =
            || if headers.is_empty() { "nothing".to_owned() } else { headers.iter().collect::<Vec<_>>().join(", ") };
        let missing = |column| PanelError::NoColumn { column, found: found() };
        let needed = |column| at(column)?.ok_or_else(|| missing(column));
        let unknown = |name: &&str| !KNOWN.contains(&name.to_ascii_lowercase().as_str());
        Ok(Columns {
            subject: needed("subject")?,
            stimulus: needed("stimulus")?,
            rating: needed("rating")?,
            model: at("model")?,
            kind: at("kind")?,
            ignored: headers.iter().filter(unknown).map(str::to_owned).collect(),
        })
    }

    fn vote<'a>(&self, record: &'a csv::StringRecord, line: u64) -> Result<Vote<'a>, PanelError> {
        let field = |index: usize| record.get(index).unwrap_or_default();
        let bad = |column, value: &str, wanted| PanelError::Field { line, column, value: value.to_owned(), wanted };
        let named = |column, index| match field(index) {
            "" => Err(bad(column, "", "a name")),
            name => Ok(name),
        };
        let score = |column, value: &str| match value.parse::<f64>() {
            Ok(score) if (1.0..=5.0).contains(&score) => Ok(score),
            _ => Err(bad(column, value, "a number from 1 (bad) to 5 (excellent)")),
        };
        let model = self.model.map(field).filter(|value| !value.is_empty());
        Ok(Vote {
            line,
            subject: named("subject", self.subject)?,
            stimulus: named("stimulus", self.stimulus)?,
            rating: score("rating", field(self.rating))?,
            model: model.map(|value| score("model", value)).transpose()?,
            kind: self.kind.map_or(Ok(Kind::NotStated), |index| match field(index).to_ascii_lowercase().as_str() {
                "lq" => Ok(Kind::Listening),
                "cq" => Ok(Kind::Conversation),
                _ => Err(bad("kind", field(index), "lq (listening) or cq (conversation)")),
            })?,
        })
    }
}

/// Votes of one kind of test while they are read.
struct Gathered {
    kind: Kind,
    subjects: Names,
    stimuli: Names,
    /// Score of the model and the line that gave it, by stimulus.
    model: Vec<Option<(f64, u64)>>,
    /// Vote and line, by subject and stimulus.
    votes: HashMap<(usize, usize), (f64, u64)>,
}

/// Names in order of appearance.
#[derive(Default)]
struct Names {
    list: Vec<String>,
    places: HashMap<String, usize>,
}

impl Names {
    fn place(&mut self, name: &str) -> usize {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        self.list.push(name.to_owned());
        self.places.insert(name.to_owned(), self.list.len() - 1);
        self.list.len() - 1
    }
}

impl Gathered {
    fn new(kind: Kind) -> Gathered {
        let (subjects, stimuli) = (Names::default(), Names::default());
        Gathered { kind, subjects, stimuli, model: Vec::new(), votes: HashMap::new() }
    }

    fn add(&mut self, vote: &Vote) -> Result<(), PanelError> {
        let Vote { line, subject, stimulus, rating, .. } = *vote;
        let place = (self.subjects.place(subject), self.stimuli.place(stimulus));
        if let Some((_, first)) = self.votes.insert(place, (rating, line)) {
            let (subject, stimulus) = (subject.to_owned(), stimulus.to_owned());
            return Err(PanelError::TwoVotes { line, first, subject, stimulus });
        }
        self.model.resize(self.stimuli.list.len(), None);
        let Some(score) = vote.model else { return Ok(()) };
        match self.model.get_mut(place.1).map(|known| *known.get_or_insert((score, line))) {
            Some((known, first)) if known != score => {
                Err(PanelError::TwoModels { line, first, stimulus: stimulus.to_owned(), value: score, known })
            }
            _ => Ok(()),
        }
    }

    fn finish(self) -> Result<Ratings, PanelError> {
        let (subjects, stimuli) = (self.subjects.list, self.stimuli.list);
        if subjects.len().saturating_mul(stimuli.len()) > MOST_CELLS {
            return Err(PanelError::TooLarge { subjects: subjects.len(), stimuli: stimuli.len(), most: MOST_CELLS });
        }
        let vote = |subject, stimulus| self.votes.get(&(subject, stimulus)).map(|(rating, _)| *rating);
        let row = |subject| (0..stimuli.len()).map(|stimulus| vote(subject, stimulus)).collect();
        let panel = Panel::new((0..subjects.len()).map(row).collect())?;
        let model = self.model.into_iter().map(|known| known.map(|(score, _)| score)).collect();
        Ok(Ratings { kind: self.kind, subjects, stimuli, model, panel })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        read(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn columns_in_any_order_with_any_separator() {
        let text = "\u{feff}Rating; model ;SUBJECT;stimulus;age\n4;3.9; ann ;s1;30\n5;;bob;s1;40\n2;;ann;s2;30\n";
        let file = read(text.as_bytes()).unwrap();
        let test = &file.tests[0];
        assert_eq!(
            (test.kind, &*test.subjects, &*test.stimuli),
            (Kind::NotStated, &["ann", "bob"].map(String::from)[..], &["s1", "s2"].map(String::from)[..])
        );
        assert_eq!((test.panel.votes(0), test.panel.votes(1)), (vec![4.0, 5.0], vec![2.0]));
        assert_eq!((&*test.model, &*file.ignored), (&[Some(3.9), None][..], &["age".to_owned()][..]));
    }

    #[test]
    fn kinds_are_kept_apart() {
        let file = read(b"subject,stimulus,rating,kind\na,s,4,lq\na,s,3,CQ\nb,s,4,lq\n").unwrap();
        let kinds: Vec<_> = file.tests.iter().map(|test| (test.kind, test.panel.subjects())).collect();
        assert_eq!(kinds, [(Kind::Listening, 2), (Kind::Conversation, 1)]);
    }

    #[test]
    fn bad_fields_are_named_with_line_and_column() {
        let at = |row: &str| message(&format!("subject,stimulus,rating,model,kind\na,s,4,4,lq\n{row}\n"));
        for (row, parts) in [
            ("\r\n\nb,s,6,4,lq", ["line 5", "rating", "\"6\""]),
            ("b,s,6,4,lq", ["line 3", "rating", "\"6\""]),
            ("b,s,,4,lq", ["line 3", "rating", "\"\""]),
            ("b,s,NaN,4,lq", ["line 3", "rating", "\"NaN\""]),
            ("b,s,good,4,lq", ["line 3", "rating", "1 (bad) to 5"]),
            ("b,s,4,9,lq", ["line 3", "model", "\"9\""]),
            ("b,s,4,3,lq", ["line 3", "line 2", "two scores of the model"]),
            (",s,4,4,lq", ["line 3", "subject", "a name"]),
            ("b,,4,4,lq", ["line 3", "stimulus", "a name"]),
            ("b,s,4,4,tv", ["line 3", "kind", "lq (listening)"]),
            ("a,s,5,4,lq", ["line 3", "line 2", "\"a\" rated \"s\" twice"]),
            ("b,s,4", ["line: 3", "5 fields", "3 fields"]),
        ] {
            let got = at(row);
            assert!(parts.iter().all(|part| got.contains(part)), "{row}: {got}");
        }
    }

    #[test]
    fn files_without_ratings_are_refused() {
        assert!(message("").contains("no column \"subject\""));
        assert!(
            message("subject,stimulus,vote\n")
                .contains("no column \"rating\"; the heading has \"subject, stimulus, vote\"")
        );
        assert!(message("subject,stimulus,rating\n").contains("no ratings"));
        assert!(message("subject,subject,stimulus,rating\n").contains("more than one column \"subject\""));
        assert!(read(b"subject,stimulus,rating\na,\xff,4\n").is_err());
    }

    #[test]
    fn sparse_giants_are_refused_before_they_fill_the_memory() {
        let rows: String = (0..2001).map(|i| format!("p{i},s{i},3\n")).collect();
        assert!(message(&format!("subject,stimulus,rating\n{rows}")).contains("2001 subjects by 2001 stimuli"));
    }
}
