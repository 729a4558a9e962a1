//! What was left out, counted: each kind once, with the place where it was met first.

use std::collections::BTreeMap;

use crate::analysis::measure::model::Anomaly;
use crate::wire::limits::MOST_FLAWS;

/// Where in the capture something is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot<'a> {
    /// Number of the file.
    pub(super) file: usize,
    /// Its name for the reader.
    pub(super) name: &'a str,
    /// Number of the packet in it.
    pub(super) packet: u64,
}

/// Everything that was left out.
#[derive(Debug, Default)]
pub(super) struct Excess(BTreeMap<String, (u64, String)>);

impl Spot<'_> {
    pub(super) fn place(&self) -> String {
        format!("{} packet {}", self.name, self.packet)
    }
}

impl Excess {
    /// Counts one more of a kind; `what` is half a sentence in the plural.
    pub(super) fn note(&mut self, what: &str, spot: &Spot<'_>) {
        if let Some((count, _)) = self.0.get_mut(what) {
            *count += 1;
        } else if self.0.len() < MOST_FLAWS {
            self.0.insert(what.to_owned(), (1, spot.place()));
        }
    }

    /// Sets the count of a kind that is counted elsewhere.
    pub(super) fn total(&mut self, what: &str, total: u64, spot: &Spot<'_>) {
        if total == 0 {
            return;
        }
        self.note(what, spot);
        if let Some((count, _)) = self.0.get_mut(what) {
            *count = total;
        }
    }

    pub(super) fn anomalies(self) -> impl Iterator<Item = Anomaly> {
        self.0
            .into_iter()
            .map(|(what, (count, place))| Anomaly { place, what: format!("{count} {what}; the first here") })
    }
}
