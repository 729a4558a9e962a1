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
    /// Ticks a second of the main one's clock; 0 where that is not known.
    pub(super) rate: i64,
    /// The payload types that share the main codec's clock and are voice.
    on_its_clock: [bool; 256],
}

impl Codecs {
    /// The codecs of a stream that begins at `start`.
    pub(super) fn of(types: &Types, flow: &Flow, start: RunTime, dialogs: &Dialogs) -> Codecs {
        let named = |number| codec(flow, start, number, dialogs);
        let commonest = types.commonest();
        let main = named(commonest);
        let rate = main.as_ref().map_or(0, |(_, rate)| i64::from(*rate));
        let mut codecs =
            Codecs { main: main.map(|(name, _)| name), more: Vec::new(), rate, on_its_clock: [false; 256] };
        codecs.on_its_clock[usize::from(commonest)] = rate > 0;
        for number in types.seen().filter(|number| *number != commonest) {
            let Some((name, its_rate)) = named(number).filter(|(name, _)| is_voice(number, name)) else { continue };
            codecs.on_its_clock[usize::from(number)] = i64::from(its_rate) == rate;
            codecs.more.push(name);
        }
        codecs
    }

    /// A packet's instant on the media's clock.
    pub(super) fn media(&self, row: &Row) -> Option<Span> {
        self.is_on_clock(row.payload_type).then(|| media_instant(row.timestamp, self.rate))
    }

    /// Whether packets of this type are sampled by the main codec's clock.
    pub(super) fn is_on_clock(&self, payload_type: u8) -> bool {
        self.on_its_clock[usize::from(payload_type)]
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
