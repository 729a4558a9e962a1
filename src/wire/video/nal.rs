//! NAL units of H.264 (ITU-T H.264 §7.3, §7.4, Annex B, Annex D).

use crate::wire::signature::{LENGTH as SIGNATURE, Signature};

/// Types of NAL units that matter here (table 7-1).
pub mod kind {
    /// A slice of a picture that refers to others.
    pub const SLICE: u8 = 1;
    /// A slice of an instantaneous decoding refresh picture.
    pub const IDR: u8 = 5;
    /// Supplemental enhancement information.
    pub const SEI: u8 = 6;
    /// Sequence parameter set.
    pub const SPS: u8 = 7;
    /// Picture parameter set.
    pub const PPS: u8 = 8;
    /// Access unit delimiter.
    pub const DELIMITER: u8 = 9;
}

/// Names our messages among all unregistered user data (§D.1.7); drawn at random once.
const UUID: [u8; 16] = [0x5f, 0x9e, 0x11, 0x3c, 0x6d, 0x42, 0x4b, 0x07, 0x9a, 0x35, 0xf1, 0x9e, 0x5a, 0x7c, 0x2d, 0x90];
/// `payloadType` of unregistered user data.
const USER_DATA: u8 = 5;

/// The type of a unit: the low five bits of its first octet.
#[must_use]
pub fn kind_of(unit: &[u8]) -> Option<u8> {
    unit.first().map(|octet| octet & 0x1f)
}

/// The units of a byte stream (Annex B), without start codes and trailing zeros.
pub fn units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(stream);
    std::iter::from_fn(move || {
        let (unit, next) = split_at_start_code(rest?);
        rest = next;
        Some(unit)
    })
    .filter(|unit| !unit.is_empty())
}

fn after_start_code(stream: &[u8]) -> Option<&[u8]> {
    split_at_start_code(stream).1
}

/// What stands before the next start code, and what after it.
fn split_at_start_code(stream: &[u8]) -> (&[u8], Option<&[u8]>) {
    let found = stream.windows(3).position(|three| three == [0, 0, 1]);
    let (unit, rest) = match found {
        Some(at) => (&stream[..at], stream.get(at + 3..)),
        None => (stream, None),
    };
    let end = unit.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    (&unit[..end], rest)
}

/// A byte stream of units, each behind a start code of four octets.
#[must_use]
pub fn annex_b(units: &[Vec<u8>]) -> Vec<u8> {
    units.iter().flat_map(|unit| [0, 0, 0, 1].iter().chain(unit).copied()).collect()
}

/// Groups units into access units: one begins with the first unit after a picture that is a delimiter, SEI,
/// parameter set, or the first slice of another picture (§7.4.1.2.3).
#[must_use]
pub fn access_units(stream: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut all: Vec<Vec<&[u8]>> = Vec::new();
    let mut has_picture = true;
    for unit in units(stream) {
        if has_picture && begins_access_unit(unit) {
            all.push(Vec::new());
            has_picture = false;
        }
        has_picture |= is_picture(unit);
        if let Some(current) = all.last_mut() {
            current.push(unit);
        }
    }
    all
}

/// Whether the unit is a slice of a picture.
#[must_use]
pub fn is_picture(unit: &[u8]) -> bool {
    matches!(kind_of(unit), Some(kind::SLICE..=kind::IDR))
}

/// Whether nothing of the same picture comes before this unit.
#[must_use]
pub fn begins_access_unit(unit: &[u8]) -> bool {
    match kind_of(unit) {
        // `first_mb_in_slice` is ue(v): the value 0 is the single bit 1.
        Some(kind::SLICE | 2 | kind::IDR) => unit.get(1).is_some_and(|octet| octet & 0x80 != 0),
        Some(kind::SEI..=kind::DELIMITER | 14..=18) => true,
        _ => false,
    }
}

/// An SEI unit that carries our mark and changes no picture.
#[must_use]
pub fn signature_unit(signature: Signature) -> Vec<u8> {
    let mut mark = [0; SIGNATURE];
    signature.write(&mut mark);
    let payload = UUID.iter().chain(&mark).copied();
    let raw: Vec<u8> = [USER_DATA, (UUID.len() + SIGNATURE) as u8].into_iter().chain(payload).chain([0x80]).collect();
    [kind::SEI].into_iter().chain(escaped(&raw)).collect()
}

/// The mark in an SEI unit, if it carries one.
#[must_use]
pub fn signature_of(unit: &[u8]) -> Option<Signature> {
    if kind_of(unit) != Some(kind::SEI) {
        return None;
    }
    // Only as much as our message takes: the rest may be somebody else's.
    let raw = unescaped(unit.get(1..)?.get(..128).unwrap_or(&unit[1..]));
    let message = raw.strip_prefix(&[USER_DATA, (UUID.len() + SIGNATURE) as u8])?;
    Signature::read(message.strip_prefix(&UUID)?)
}

/// Inserts the octets that keep start codes out of a unit (§7.4.1, `emulation_prevention_three_byte`).
fn escaped(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() + 8);
    let mut zeros = 0;
    for &octet in raw {
        if zeros == 2 && octet <= 3 {
            out.push(3);
            zeros = 0;
        }
        zeros = if octet == 0 { zeros + 1 } else { 0 };
        out.push(octet);
    }
    out
}

/// Takes the octets of [`escaped`] out again.
pub(super) fn unescaped(unit: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(unit.len());
    let mut zeros = 0;
    for &octet in unit {
        if zeros >= 2 && octet == 3 {
            zeros = 0;
            continue;
        }
        zeros = if octet == 0 { zeros + 1 } else { 0 };
        out.push(octet);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::units::RunTime;

    #[test]
    fn a_byte_stream_falls_into_units_and_access_units() {
        // SPS, PPS, two slices of an IDR picture (the second with first_mb > 0), then one P slice.
        let stream = [
            &[0, 0, 0, 1, 0x67, 1][..],
            &[0, 0, 1, 0x68, 2, 0],
            &[0, 0, 0, 1, 0x65, 0x88, 3],
            &[0, 0, 1, 0x65, 0x40],
            &[0, 0, 1, 0x41, 0x9a],
        ]
        .concat();
        let found: Vec<&[u8]> = units(&stream).collect();
        assert_eq!(found, [&[0x67, 1][..], &[0x68, 2], &[0x65, 0x88, 3], &[0x65, 0x40], &[0x41, 0x9a]]);
        assert_eq!(access_units(&stream).iter().map(Vec::len).collect::<Vec<_>>(), [4, 1]);
        assert_eq!(units(b"no start code").count(), 0);
    }

    proptest! {
        #[test]
        fn a_mark_survives_and_holds_no_start_code(stream: u32, index: u32, due: i64) {
            let signature = Signature { stream, index, due: RunTime(due) };
            let unit = signature_unit(signature);
            prop_assert!(unit.windows(3).all(|three| three[..2] != [0, 0] || three[2] > 2));
            prop_assert_eq!(signature_of(&unit), Some(signature));
        }

        #[test]
        fn escaping_is_undone(raw in proptest::collection::vec(0u8..5, 0..60)) {
            prop_assert_eq!(unescaped(&escaped(&raw)), raw);
        }

        #[test]
        fn no_octets_make_it_panic(octets in proptest::collection::vec(0u8..40, 0..200)) {
            let _ = signature_of(&octets);
            let _ = access_units(&octets);
        }
    }
}
