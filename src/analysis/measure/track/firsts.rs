//! Which arrivals are the first ones of their packets.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::Train;

/// The first arrival of each packet, in order of arrival: the track itself where nothing came twice.
#[must_use]
pub fn firsts<'t, 'a>(track: &'t [Train<'a>]) -> Cow<'t, [Train<'a>]> {
    let mut seen = Seen::default();
    let Some(again) = track.iter().position(|train| !seen.are_new(train)) else { return Cow::Borrowed(track) };
    let (before, after) = track.split_at(again);
    let mut firsts = before.to_vec();
    for train in after {
        // The one that was not new has been looked at once: nothing of it was noted.
        if seen.are_new(train) {
            firsts.push(*train);
        } else {
            let new = train.arrivals().filter(|arrival| seen.is_new(arrival.segment, arrival.index));
            firsts.extend(new.map(Train::from));
        }
    }
    Cow::Owned(firsts)
}

/// The numbers that were seen, as runs without a hole: a stream in order is one run.
#[derive(Debug, Default)]
struct Seen {
    /// The run that is growing: its segment, first and last number. The largest numbers of its segment are in it.
    newest: Option<(u32, i64, i64)>,
    /// The last numbers of the other runs, by segment and first number.
    others: BTreeMap<(u32, i64), i64>,
}

impl Seen {
    /// Notes the numbers of a train that goes beyond all that were seen of its segment; false if it does not.
    fn are_new(&mut self, train: &Train<'_>) -> bool {
        let (segment, index, last) = (train.first.segment, train.first.index, train.last_index());
        let goes_on = match self.newest {
            Some((newest, _, highest)) if newest == segment => index > highest,
            _ => self.others.range((segment, i64::MIN)..=(segment, i64::MAX)).next().is_none(),
        };
        if goes_on && last >= index {
            let grows = |(newest, _, highest): &(u32, i64, i64)| *newest == segment && *highest == index - 1;
            let first = self.newest.filter(grows).map(|(_, first, _)| first);
            self.newest = Some((segment, first.unwrap_or_else(|| self.begin_run(index)), last));
        }
        goes_on && last >= index
    }

    /// Notes a number; false if it was seen before.
    fn is_new(&mut self, segment: u32, index: i64) -> bool {
        match self.newest {
            Some((newest, first, last)) if newest == segment && index > last => {
                let first = if index - 1 == last { first } else { self.begin_run(index) };
                self.newest = Some((segment, first, index));
                true
            }
            Some((newest, first, _)) if newest == segment && index >= first => false,
            _ => self.is_new_elsewhere(segment, index),
        }
    }

    /// The growing run has ended; another begins with `index`.
    #[cold]
    fn begin_run(&mut self, index: i64) -> i64 {
        self.others.extend(self.newest.map(|(segment, first, last)| ((segment, first), last)));
        index
    }

    #[cold]
    fn is_new_elsewhere(&mut self, segment: u32, index: i64) -> bool {
        let known = |runs: &BTreeMap<(u32, i64), i64>| {
            runs.range((segment, i64::MIN)..=(segment, index)).next_back().is_some_and(|(_, last)| index <= *last)
        };
        let new = !known(&self.others);
        if new {
            self.others.insert((segment, index), index);
        }
        new
    }
}
