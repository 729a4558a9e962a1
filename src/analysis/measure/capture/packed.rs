//! Packets of one stream in little room. Nearly all of them are the next one in every respect: number, media clock and
//! kind go on as before, so that only the time since the packet before has to be kept, in four octets.

/// Words of the first block, of which a hostile capture may want one for each packet, and of the largest.
const FIRST_BLOCK: usize = 12;
const LARGEST_BLOCK: usize = 1024;
/// How much larger the next block is.
const GROWTH: usize = 4;

/// Words that are looked at together.
const MANY: usize = 32;

/// The most words that one packet takes.
const LONGEST: usize = 9;
/// A word below it is a packet of which only the time is new: nanoseconds since the one before, up to two seconds.
const STEADY: u32 = 1 << 31;
/// Added to the time of a packet that has the next number, but another clock or kind, which follow.
const CHANGED: u32 = STEADY;
/// Nanoseconds that such a word has room for.
const CHANGED_TIMES: u32 = 1 << 30;
/// Before a packet that is all given.
const WHOLE: u32 = u32::MAX;

/// One packet, whatever its four numbers mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// When, in nanoseconds.
    pub(super) at: i64,
    /// Grows by one from packet to packet.
    pub(super) number: i64,
    /// Grows by the same from packet to packet.
    pub(super) clock: i64,
    /// Mostly stays.
    pub(super) kind: u64,
}

/// Rows in their order; what went in comes out.
///
/// What a steady packet needs are the first 64 octets, one line of the cache.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub(super) struct Packed {
    before: Before,
    /// The block that is filling. No block is ever moved, and no packet lies in two.
    newest: Vec<u32>,
    full: Vec<Vec<u32>>,
    /// Words that packets have beyond one each.
    more_words: usize,
}

/// What the next row is compared with.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    row: Row,
    step: i64,
}

impl Before {
    /// How many nanoseconds later a row is that is next in every other respect.
    #[inline]
    fn since(&self, row: &Row) -> Option<u32> {
        let Row { at, number, clock, kind } = self.row;
        let since = u32::try_from(row.at.wrapping_sub(at)).ok().filter(|since| *since < STEADY)?;
        let steady =
            row.number == number.wrapping_add(1) && row.clock == clock.wrapping_add(self.step) && row.kind == kind;
        steady.then_some(since)
    }

    /// Goes on to a row that is next in every respect. Copied as a whole, it would have to be read again from where it
    /// has just been written in parts, which takes longer than all the rest.
    #[inline]
    fn go_on(&mut self, row: &Row) {
        self.row.at = row.at;
        self.row.number = row.number;
        self.row.clock = row.clock;
    }

    /// Goes on to a row that is not next in every respect.
    fn turn(&mut self, row: Row) {
        if row.number == self.row.number.wrapping_add(1) {
            self.step = row.clock.wrapping_sub(self.row.clock);
        }
        self.row = row;
    }
}

impl Packed {
    /// Adds a row.
    #[inline]
    pub(super) fn push(&mut self, row: Row) {
        if let Some(since) = self.before.since(&row) {
            if self.newest.len() == self.newest.capacity() {
                self.open();
            }
            self.newest.push(since);
            self.before.go_on(&row);
        } else {
            self.push_unusual(row.at, row.number, row.clock, row.kind);
        }
    }

    /// Number by number, since otherwise each row would be laid down in memory for the few that come here.
    #[cold]
    fn push_unusual(&mut self, at: i64, number: i64, clock: i64, kind: u64) {
        let row = Row { at, number, clock, kind };
        if self.newest.capacity() - self.newest.len() < LONGEST {
            self.open();
        }
        let words = self.newest.len();
        match self.changed(row) {
            Some(words) => self.newest.extend(words),
            None => {
                let numbers = [row.at.cast_unsigned(), row.number.cast_unsigned(), row.clock.cast_unsigned(), row.kind];
                self.newest.push(WHOLE);
                self.newest.extend(numbers.into_iter().flat_map(|number| [number as u32, (number >> 32) as u32]));
            }
        }
        self.more_words += self.newest.len() - words - 1;
        self.before.turn(row);
    }

    /// A row with the next number, if it fits.
    fn changed(&self, row: Row) -> Option<[u32; 3]> {
        let Row { at, number, clock, .. } = self.before.row;
        let since = u32::try_from(row.at.checked_sub(at)?).ok().filter(|since| *since < CHANGED_TIMES)?;
        let step = i32::try_from(row.clock.checked_sub(clock)?).ok()?;
        let kind = u32::try_from(row.kind).ok()?;
        (number.checked_add(1)? == row.number).then_some([CHANGED + since, step.cast_unsigned(), kind])
    }

    #[cold]
    fn open(&mut self) {
        let words = (self.newest.capacity() * GROWTH).clamp(FIRST_BLOCK, LARGEST_BLOCK);
        let full = std::mem::replace(&mut self.newest, Vec::with_capacity(words));
        if !full.is_empty() {
            self.full.push(full);
        }
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.full.iter().map(Vec::len).sum::<usize>() + self.newest.len() - self.more_words
    }

    /// Whether there are none.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.newest.is_empty()
    }

    /// All rows in their order.
    pub(super) fn runs(&self) -> Runs<'_> {
        Runs { before: Before::default(), words: &[], blocks: self.full.iter(), newest: Some(&self.newest) }
    }

    /// Hands out all rows in their order.
    #[inline]
    pub(super) fn each(&self, mut take: impl FnMut(Row)) {
        self.runs().for_each(|run| run.each(&mut take));
    }
}

/// A row and those that follow it and are next in every respect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<'a> {
    pub(super) first: Row,
    /// By how much the clock grows from row to row.
    pub(super) step: i64,
    /// Nanoseconds from each row to the next.
    pub(super) since: &'a [u32],
    pub(super) last: Row,
}

impl<'a> Run<'a> {
    /// As many of `words` as are rows that are next after `first`.
    fn of(first: Row, step: i64, words: &'a [u32]) -> Run<'a> {
        let since = steady(words);
        let (rows, passed) = (since.len(), since.iter().map(|since| u64::from(*since)).sum::<u64>());
        let Row { at, number, clock, kind } = first;
        let number = number.wrapping_add(rows as i64);
        let clock = clock.wrapping_add(step.wrapping_mul(rows as i64));
        let last = Row { at: at.wrapping_add(passed.cast_signed()), number, clock, kind };
        Run { first, step, since, last }
    }

    /// Hands out all rows in their order.
    #[inline]
    pub(super) fn each(&self, mut take: impl FnMut(Row)) {
        let mut row = self.first;
        take(row);
        for since in self.since {
            row = next(&row, self.step, *since);
            take(row);
        }
    }
}

/// Words of steady packets, as many as there are at the start.
fn steady(words: &[u32]) -> &[u32] {
    // Many at a time: the largest bit of one shows in all of them together.
    let many = words.chunks_exact(MANY).take_while(|chunk| chunk.iter().fold(0, |all, word| all | word) < STEADY);
    let whole = many.count() * MANY;
    let rest = words.get(whole..).unwrap_or_default().iter().take_while(|word| **word < STEADY);
    words.get(..whole + rest.count()).unwrap_or_default()
}

/// The row that is next in every respect, `since` nanoseconds later.
#[inline]
fn next(row: &Row, step: i64, since: u32) -> Row {
    let Row { at, number, clock, kind } = *row;
    Row { at: at.wrapping_add(since.into()), number: number.wrapping_add(1), clock: clock.wrapping_add(step), kind }
}

/// The runs of packed rows. That a block has ended also ends a run.
pub(super) struct Runs<'a> {
    before: Before,
    words: &'a [u32],
    blocks: std::slice::Iter<'a, Vec<u32>>,
    newest: Option<&'a Vec<u32>>,
}

impl<'a> Iterator for Runs<'a> {
    type Item = Run<'a>;

    fn next(&mut self) -> Option<Run<'a>> {
        while self.words.is_empty() {
            self.words = self.blocks.next().or_else(|| self.newest.take())?;
        }
        let (word, rest) = self.words.split_first()?;
        let mut words = rest.iter();
        if *word < STEADY {
            self.before.row = next(&self.before.row, self.before.step, *word);
        } else {
            let row = unusual(&self.before.row, *word, &mut words);
            self.before.turn(row);
        }
        let words = words.as_slice();
        let run = Run::of(self.before.row, self.before.step, words);
        self.words = words.get(run.since.len()..).unwrap_or_default();
        self.before.row = run.last;
        Some(run)
    }
}

/// Reads a row that begins with `word`.
#[cold]
fn unusual(before: &Row, word: u32, words: &mut std::slice::Iter<'_, u32>) -> Row {
    let mut low = || u64::from(words.next().copied().unwrap_or_default());
    if word != WHOLE {
        let (step, kind) = ((low() as u32).cast_signed(), low());
        let at = before.at.wrapping_add((word - CHANGED).into());
        return Row { at, number: before.number.wrapping_add(1), clock: before.clock.wrapping_add(step.into()), kind };
    }
    let mut whole = || low() | low() << 32;
    let (at, number, clock, kind) = (whole(), whole(), whole(), whole());
    Row { at: at.cast_signed(), number: number.cast_signed(), clock: clock.cast_signed(), kind }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(rows: &[Row]) -> Packed {
        let mut packed = Packed::default();
        rows.iter().for_each(|row| packed.push(*row));
        packed
    }

    fn unpacked(packed: &Packed) -> Vec<Row> {
        let mut rows = Vec::with_capacity(packed.len());
        packed.each(|row| rows.push(row));
        rows
    }

    fn words(packed: &Packed) -> usize {
        packed.full.iter().map(Vec::len).sum::<usize>() + packed.newest.len()
    }

    proptest! {
        /// Steps that are usual, near the borders of what each form holds, and anything.
        #[test]
        fn what_went_in_comes_out(
            steps in prop::collection::vec((
                prop_oneof![Just(20_000_000i64), -5i64..5, (1i64 << 30) - 2..(1 << 30) + 2, (1i64 << 31) - 2..(1 << 31) + 2,
                    (1i64 << 32) - 2..(1 << 32) + 2, any::<i64>()],
                prop_oneof![4 => Just(1i64), 1 => -2i64..4, 1 => any::<i64>()],
                prop_oneof![4 => Just(160i64), 1 => Just(0i64), 1 => Just(-160i64), 1 => any::<i64>()],
                prop_oneof![9 => Just(None), 1 => any::<u64>().prop_map(Some), 1 => (0u64..3).prop_map(Some)],
            ), 0..400)
        ) {
            let mut row = Row::default();
            let rows: Vec<Row> = steps.into_iter().map(|(time, number, clock, kind)| {
                row = Row {
                    at: row.at.wrapping_add(time),
                    number: row.number.wrapping_add(number),
                    clock: row.clock.wrapping_add(clock),
                    kind: kind.unwrap_or(row.kind),
                };
                row
            }).collect();
            let mut packed = packed(&rows);
            prop_assert_eq!(packed.len(), rows.len());
            prop_assert_eq!(unpacked(&packed), rows.clone());
            // What comes next is compared with the right row.
            packed.push(next(&packed.before.row, packed.before.step, 5));
            prop_assert_eq!((packed.len(), unpacked(&packed).len()), (rows.len() + 1, rows.len() + 1));
        }
    }

    /// 5000 packets of which each hundredth is lost: nine words for the first one and three for the second, which
    /// shows the step; nine behind each of the 49 holes; one for each other.
    #[test]
    fn a_steady_packet_takes_four_octets() {
        let numbers = (0..5000).filter(|number| *number == 0 || number % 100 != 0);
        let rows: Vec<Row> = numbers.map(|k| Row { at: k * 20_000_000, number: k, clock: k * 160, kind: 8 }).collect();
        assert_eq!(rows.len(), 4951);
        assert_eq!(words(&packed(&rows)), 9 + 3 + 49 * 9 + (4951 - 2 - 49));
    }
}
