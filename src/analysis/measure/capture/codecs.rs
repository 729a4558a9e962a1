//! The codecs of a stream, by its payload types and the session descriptions.

use super::dialogs::Dialogs;
use super::numbering::Row;
use super::streams::Flow;
use crate::units::{RunTime, Span};
use crate::wire::rtp::static_payload;

/// Comfort noise (RFC 3389).
pub(super) const COMFORT_NOISE: u8 = 13;
/// Events of a keypad (RFC 4733): their timestamps are when the key went down, not when the packet was due.
const TELEPHONE_EVENT: &str = "telephone-event";

/// How many packets there are of each payload type.
pub(super) struct Types([u64; 256]);

impl Types {
    /// Counts payload types, each with so many packets.
    pub(super) fn of(types: impl Iterator<Item = (u8, u64)>) -> Types {
        let mut counts = [0; 256];
        types.for_each(|(payload_type, packets)| counts[usize::from(payload_type)] += packets);
        Types(counts)
    }

    /// The commonest one; of several, the smallest.
    fn commonest(&self) -> u8 {
        let most = self.0.iter().max().copied().unwrap_or(0);
        self.0.iter().position(|count| *count == most).unwrap_or(0) as u8
    }

    fn seen(&self) -> impl Iterator<Item = u8> {
        (0..=255).filter(|number| self.0[usize::from(*number)] > 0)
    }
}

fn codec(flow: &Flow, start: RunTime, payload_type: u8, dialogs: &Dialogs) -> Option<(String, u32)> {
    let announced = dialogs.codec(flow, start, payload_type);
    announced.or_else(|| static_payload(payload_type).map(|(name, rate)| (name.to_owned(), rate)))
}

/// The codecs of a stream, of which one has most packets.
pub(super) struct Codecs {
    pub(super) main: Option<String>,
    /// Further ones of voice.
    pub(super) more: Vec<String>,
    pub(super) clock: Clock,
}

/// The clock of a stream's main codec.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    /// Ticks a second; 0 where that is not known.
    pub(super) rate: i64,
    /// The payload types that share it and are voice.
    types: [bool; 256],
}

impl Codecs {
    /// The codecs of a stream that begins at `start`.
    pub(super) fn of(types: &Types, flow: &Flow, start: RunTime, dialogs: &Dialogs) -> Codecs {
        let named = |number| codec(flow, start, number, dialogs);
        let commonest = types.commonest();
        let main = named(commonest);
        let rate = main.as_ref().map_or(0, |(_, rate)| i64::from(*rate));
        let clock = Clock { rate, types: [false; 256] };
        let mut codecs = Codecs { main: main.map(|(name, _)| name), more: Vec::new(), clock };
        codecs.clock.types[usize::from(commonest)] = rate > 0;
        for number in types.seen().filter(|number| *number != commonest) {
            let Some((name, its_rate)) = named(number).filter(|(name, _)| is_voice(number, name)) else { continue };
            codecs.clock.types[usize::from(number)] = i64::from(its_rate) == rate;
            codecs.more.push(name);
        }
        codecs
    }
}

impl Clock {
    /// A packet's instant on it, if it counts on it.
    pub(super) fn media(&self, row: &Row) -> Option<Span> {
        self.types[usize::from(row.payload_type)].then(|| media_instant(row.timestamp, self.rate))
    }
}

fn is_voice(payload_type: u8, name: &str) -> bool {
    payload_type != COMFORT_NOISE && !name.eq_ignore_ascii_case(TELEPHONE_EVENT) && !name.eq_ignore_ascii_case("CN")
}

/// A timestamp on the media's clock, of `rate` ticks a second.
fn media_instant(timestamp: i64, rate: i64) -> Span {
    Span(match (1_000_000_000 % rate, timestamp.checked_mul(1_000_000_000 / rate)) {
        (0, Some(exact)) => exact,
        _ => (i128::from(timestamp) * 1_000_000_000 / i128::from(rate)) as i64,
    })
}
