//! H.264 payloads (RFC 6184): single NAL units, STAP-A and FU-A.

use super::structure::Fragment;
use super::{Part, nal};

/// Aggregation packet without a decoding order number (§5.7.1).
const STAP_A: u8 = 24;
/// Fragmentation unit without one (§5.8).
const FU_A: u8 = 28;
/// Start bit of the FU header.
const START: u8 = 0x80;
/// End bit of the FU header.
const END: u8 = 0x40;
/// Reserved bit of the FU header, 0.
const RESERVED: u8 = 0x20;

/// How units may be put into packets (§5.4, `packetization-mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// 0: one unit a packet, however large it is.
    SingleUnit,
    /// 1: small units share a packet, large ones are cut.
    #[default]
    NonInterleaved,
}

impl Mode {
    /// The number in SDP.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Mode::SingleUnit => 0,
            Mode::NonInterleaved => 1,
        }
    }

    /// The mode that a number of SDP names; modes beyond 1 are not supported.
    #[must_use]
    pub const fn of_number(number: u8) -> Option<Mode> {
        match number {
            0 => Some(Mode::SingleUnit),
            1 => Some(Mode::NonInterleaved),
            _ => None,
        }
    }
}

/// The payloads of one access unit, none longer than `limit` octets in [`Mode::NonInterleaved`]. The marker
/// belongs on the last one.
#[must_use]
pub fn packetize(units: &[&[u8]], mode: Mode, limit: usize) -> Vec<Vec<u8>> {
    let units: Vec<&[u8]> = units.iter().copied().filter(|unit| !unit.is_empty()).collect();
    if mode == Mode::SingleUnit {
        return units.iter().map(|unit| unit.to_vec()).collect();
    }
    let limit = limit.max(16);
    let mut payloads = Vec::new();
    let mut waiting: Vec<&[u8]> = Vec::new();
    for unit in units {
        let filled: usize = waiting.iter().map(|unit| unit.len() + 2).sum();
        if 1 + filled + 2 + unit.len() > limit {
            payloads.extend(aggregate(&std::mem::take(&mut waiting)));
        }
        if unit.len() > limit {
            payloads.extend(fragments(unit, limit));
        } else {
            waiting.push(unit);
        }
    }
    payloads.extend(aggregate(&waiting));
    payloads
}

/// One packet of some units: the unit itself, or a STAP-A.
fn aggregate(units: &[&[u8]]) -> Option<Vec<u8>> {
    let [first, rest @ ..] = units else { return None };
    if rest.is_empty() {
        return Some(first.to_vec());
    }
    // §5.7: the highest NRI of all, and F if any has it.
    let nri = units.iter().map(|unit| unit[0] & 0x60).max().unwrap_or(0);
    let forbidden = units.iter().fold(0, |bit, unit| bit | unit[0] & 0x80);
    let mut payload = vec![forbidden | nri | STAP_A];
    for unit in units {
        payload.extend((unit.len() as u16).to_be_bytes());
        payload.extend_from_slice(unit);
    }
    Some(payload)
}

fn fragments(unit: &[u8], limit: usize) -> Vec<Vec<u8>> {
    let (header, body) = (unit[0], &unit[1..]);
    let pieces = body.chunks(limit - 2);
    let last = pieces.len().saturating_sub(1);
    pieces
        .enumerate()
        .map(|(number, piece)| {
            let start = if number == 0 { START } else { 0 };
            let end = if number == last { END } else { 0 };
            [&[header & 0xe0 | FU_A, start | end | header & 0x1f], piece].concat()
        })
        .collect()
}

/// The units of one access unit from its payloads in order; `None` when a fragment is missing or a payload
/// is none of RFC 6184's first two modes.
#[must_use]
pub fn depacketize(payloads: &[&[u8]]) -> Option<Vec<Vec<u8>>> {
    let mut units = Vec::new();
    let mut open: Option<Vec<u8>> = None;
    for payload in payloads {
        match (piece(payload)?, open.as_mut()) {
            (Piece::Whole(unit), None) => units.push(unit.to_vec()),
            (Piece::Several(several), None) => units.extend(several.into_iter().map(<[u8]>::to_vec)),
            (Piece::Fragment { header, start: true, end, body }, None) => {
                let unit = [&[header], body].concat();
                if end { units.push(unit) } else { open = Some(unit) }
            }
            (Piece::Fragment { header, start: false, end, body }, Some(unit)) if unit.first() == Some(&header) => {
                unit.extend_from_slice(body);
                if end {
                    units.extend(open.take());
                }
            }
            _ => return None,
        }
    }
    open.is_none().then_some(units)
}

/// What a payload is.
enum Piece<'a> {
    Whole(&'a [u8]),
    Several(Vec<&'a [u8]>),
    Fragment { header: u8, start: bool, end: bool, body: &'a [u8] },
}

fn piece(payload: &[u8]) -> Option<Piece<'_>> {
    match nal::kind_of(payload)? {
        1..=23 => Some(Piece::Whole(payload)),
        STAP_A => aggregated(&payload[1..]).map(Piece::Several),
        FU_A => {
            let [indicator, header, body @ ..] = payload else { return None };
            let unit_header = indicator & 0xe0 | header & 0x1f;
            Some(Piece::Fragment { header: unit_header, start: header & START != 0, end: header & END != 0, body })
        }
        _ => None,
    }
}

fn aggregated(mut rest: &[u8]) -> Option<Vec<&[u8]>> {
    let mut units = Vec::new();
    while let Some((length, body)) = rest.split_first_chunk::<2>() {
        let (unit, after) = body.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        units.push(unit);
        rest = after;
    }
    (rest.is_empty() && !units.is_empty()).then_some(units)
}

/// What a payload tells about its frame; `None` when it is none of H.264.
#[must_use]
pub fn inspect(payload: &[u8]) -> Option<Part> {
    match piece(payload)? {
        Piece::Whole(unit) => Some(part_of(&[unit])),
        Piece::Several(units) => Some(part_of(&units)),
        Piece::Fragment { header, start, body, .. } => {
            let head: Vec<u8> = [header].iter().chain(body.iter().take(64)).copied().collect();
            let part = part_of(&[&head]);
            // Only the first fragment has the slice's header.
            Some(Part { starts: part.starts && start, size: part.size.filter(|_| start), ..part })
        }
    }
}

/// Where a payload stands among fragments; `None` when it breaks a rule: reserved bits (RFC 6184 §5.3, §5.8), unit
/// types that the first two modes do not have (§5.2), `nal_ref_idc` against its type (ITU-T H.264 §7.4.1).
pub(super) fn keeps_the_rules(payload: &[u8]) -> Option<Fragment> {
    match piece(payload).filter(|_| payload[0] & 0x80 == 0)? {
        Piece::Whole(unit) => is_sound(unit).then_some(Fragment::Whole),
        Piece::Several(units) => units.iter().all(|unit| unit.len() > 1 && is_sound(unit)).then_some(Fragment::Whole),
        Piece::Fragment { header, start, end, body } => {
            let fits = payload[1] & RESERVED == 0 && !body.is_empty() && is_sound(&[header]);
            match (start, end) {
                _ if !fits => None,
                (true, true) => None,
                (true, false) => Some(Fragment::First),
                (false, false) => Some(Fragment::Middle),
                (false, true) => Some(Fragment::Last),
            }
        }
    }
}

/// Whether a unit is of a type that calls use, and its header fits the type.
fn is_sound(unit: &[u8]) -> bool {
    let Some(header) = unit.first().filter(|header| *header & 0x80 == 0) else { return false };
    match (header & 0x1f, header & 0x60 != 0) {
        (nal::kind::SLICE | 14 | 20, _) => true,
        (nal::kind::IDR | nal::kind::SPS | nal::kind::PPS | 15, referred) => referred,
        (nal::kind::SEI | nal::kind::DELIMITER..=12, referred) => !referred,
        _ => false,
    }
}

fn part_of(units: &[&[u8]]) -> Part {
    let has = |wanted: u8| units.iter().any(|unit| nal::kind_of(unit) == Some(wanted));
    let pictures = || units.iter().filter(|unit| nal::is_picture(unit));
    Part {
        starts: units.first().is_some_and(|unit| nal::begins_access_unit(unit)),
        key: has(nal::kind::IDR),
        reference: pictures().any(|unit| unit.first().is_some_and(|octet| octet & 0x60 != 0)),
        picture: pictures().next().is_some(),
        parameters: has(nal::kind::SPS),
        size: units.iter().find_map(|unit| super::sps::size(unit)),
        signature: units.iter().find_map(|unit| nal::signature_of(unit)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unit() -> impl Strategy<Value = Vec<u8>> {
        (1u8..13, 0u8..4, proptest::collection::vec(any::<u8>(), 1..400))
            .prop_map(|(kind, nri, body)| [vec![nri << 5 | kind], body].concat())
    }

    // RFC 6184 §5.8: FU indicator 0x7c = NRI 3, type 28; FU header 0x85 = start, type 5.
    #[test]
    fn a_large_slice_is_cut_as_the_rfc_draws_it() {
        let slice = [&[0x65][..], &[7; 30]].concat();
        let payloads = packetize(&[&slice], Mode::NonInterleaved, 16);
        let heads: Vec<[u8; 2]> = payloads.iter().map(|payload| [payload[0], payload[1]]).collect();
        assert_eq!(heads, [[0x7c, 0x85], [0x7c, 0x05], [0x7c, 0x45]]);
        assert!(inspect(&payloads[0]).is_some_and(|part| part.key && part.reference && part.picture));
    }

    #[test]
    fn parameter_sets_share_a_packet() {
        let payloads = packetize(&[&[0x67, 1, 2], &[0x68, 3]], Mode::NonInterleaved, 100);
        assert_eq!(payloads, [[0x78, 0, 3, 0x67, 1, 2, 0, 2, 0x68, 3]]);
        let part = inspect(&payloads[0]).unwrap();
        assert!(part.starts && part.parameters && !part.picture);
        assert_eq!(packetize(&[&[0x67, 1, 2], &[0x68, 3]], Mode::SingleUnit, 100).len(), 2);
    }

    #[test]
    fn a_missing_fragment_is_noticed() {
        let slice = [&[0x65][..], &[7; 60]].concat();
        let payloads = packetize(&[&slice], Mode::NonInterleaved, 16);
        for gone in 0..payloads.len() {
            let rest: Vec<&[u8]> =
                payloads.iter().enumerate().filter(|(at, _)| *at != gone).map(|(_, p)| p.as_slice()).collect();
            let whole = depacketize(&rest).is_some_and(|units| units == [slice.clone()]);
            assert!(!whole, "without fragment {gone}");
        }
    }

    proptest! {
        #[test]
        fn what_is_packetized_comes_out_again(
            units in proptest::collection::vec(unit(), 1..6), limit in 16usize..300, single: bool
        ) {
            let mode = if single { Mode::SingleUnit } else { Mode::NonInterleaved };
            let borrowed: Vec<&[u8]> = units.iter().map(Vec::as_slice).collect();
            let payloads = packetize(&borrowed, mode, limit);
            prop_assert!(single || payloads.iter().all(|payload| payload.len() <= limit));
            let payloads: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(depacketize(&payloads), Some(units));
        }

        #[test]
        fn no_octets_make_it_panic(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..5)
        ) {
            for payload in &payloads {
                let _ = inspect(payload);
            }
            let payloads: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
            let _ = depacketize(&payloads);
        }
    }
}
