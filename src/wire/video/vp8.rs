//! VP8 payloads (RFC 7741): the descriptor before each piece of a frame, and the frame's own header.

use super::Part;
use super::structure::Fragment;
use crate::wire::signature::{LENGTH as SIGNATURE, Signature};

/// The descriptor of a payload (§4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// N: no later frame refers to this one.
    pub non_reference: bool,
    /// S: the payload begins a partition.
    pub starts_partition: bool,
    /// PID: the partition.
    pub partition: u8,
    /// PictureID, where it is there: its value and whether it has 15 bits.
    pub picture: Option<(u16, bool)>,
    /// TL0PICIDX, where it is there.
    pub tl0_picture: Option<u8>,
    /// Octets of the descriptor.
    pub length: usize,
}

impl Descriptor {
    /// Reads the descriptor; `None` when the payload is cut off or too short for one.
    #[must_use]
    pub fn read(payload: &[u8]) -> Option<Descriptor> {
        let first = *payload.first()?;
        let mut descriptor = Descriptor {
            non_reference: first & 0x20 != 0,
            starts_partition: first & 0x10 != 0,
            partition: first & 0x07,
            picture: None,
            tl0_picture: None,
            length: 1,
        };
        if first & 0x80 != 0 {
            let extension = *payload.get(1)?;
            descriptor.length = 2;
            descriptor.extension(extension, payload)?;
        }
        Some(descriptor)
    }

    fn extension(&mut self, extension: u8, payload: &[u8]) -> Option<()> {
        if extension & 0x80 != 0 {
            let high = *payload.get(self.length)?;
            let long = high & 0x80 != 0;
            self.picture = Some(if long {
                (u16::from(high & 0x7f) << 8 | u16::from(*payload.get(self.length + 1)?), true)
            } else {
                (u16::from(high), false)
            });
            self.length += 1 + usize::from(long);
        }
        if extension & 0x40 != 0 {
            self.tl0_picture = Some(*payload.get(self.length)?);
            self.length += 1;
        }
        if extension & 0x30 != 0 {
            payload.get(self.length)?;
            self.length += 1;
        }
        Some(())
    }
}

/// The payloads of one frame, none longer than `limit` octets, each with a PictureID of 15 bits. The marker
/// belongs on the last one. All pieces are about equally large, so that the last one holds a whole mark.
#[must_use]
pub fn packetize(frame: &[u8], picture: u16, limit: usize) -> Vec<Vec<u8>> {
    let [high, low] = (picture | 0x8000).to_be_bytes();
    let count = frame.len().div_ceil(limit.max(16) - 4).max(1);
    let pieces = frame.chunks(frame.len().div_ceil(count).max(1)).enumerate();
    pieces.map(|(number, piece)| [&[if number == 0 { 0x90 } else { 0x80 }, 0x80, high, low], piece].concat()).collect()
}

/// The frame from its payloads in order; `None` when the first is not its beginning or a descriptor is cut off.
#[must_use]
pub fn depacketize(payloads: &[&[u8]]) -> Option<Vec<u8>> {
    let mut frame = Vec::new();
    for (number, payload) in payloads.iter().enumerate() {
        let descriptor = Descriptor::read(payload)?;
        if (number == 0) != begins(&descriptor) {
            return None;
        }
        frame.extend_from_slice(payload.get(descriptor.length..)?);
    }
    (!frame.is_empty()).then_some(frame)
}

fn begins(descriptor: &Descriptor) -> bool {
    descriptor.starts_partition && descriptor.partition == 0
}

/// A frame with our mark behind it. The last partition of a frame reaches to its end and a decoder stops
/// reading it after the last macroblock (RFC 6386 §9.5), so the mark changes no picture.
#[must_use]
pub fn signed(frame: &[u8], signature: Signature) -> Vec<u8> {
    let mut mark = [0; SIGNATURE];
    signature.write(&mut mark);
    [frame, &mark].concat()
}

/// What a payload tells about its frame; `None` when it has no whole descriptor or nothing behind it.
#[must_use]
pub fn inspect(payload: &[u8]) -> Option<Part> {
    let descriptor = Descriptor::read(payload)?;
    let body = payload.get(descriptor.length..).filter(|body| !body.is_empty())?;
    let starts = begins(&descriptor);
    // RFC 6386 §9.1: the lowest bit of a frame is 0 for a key frame.
    let key = starts && body[0] & 1 == 0;
    Some(Part {
        starts,
        key,
        reference: !descriptor.non_reference,
        picture: true,
        parameters: key,
        size: size(body).filter(|_| key),
        signature: body.len().checked_sub(SIGNATURE).and_then(|at| Signature::read(&body[at..])),
    })
}

/// `Whole` for every payload that breaks no rule, as pieces of a frame have no numbers: reserved bits of the descriptor
/// are 0 (§4.2), and a key frame has its start code (RFC 6386 §9.1).
pub(super) fn keeps_the_rules(payload: &[u8]) -> Option<Fragment> {
    let descriptor = Descriptor::read(payload)?;
    let extension = if payload[0] & 0x80 != 0 { *payload.get(1)? } else { 0 };
    let reserved = payload[0] & 0x48 | extension & 0x0f;
    let body = payload.get(descriptor.length..).filter(|body| !body.is_empty())?;
    let key = begins(&descriptor) && body[0] & 1 == 0;
    (reserved == 0 && (!key || size(body).is_some())).then_some(Fragment::Whole)
}

/// Width and height of a key frame: 14 bits each, little-endian, behind the start code 9d 01 2a.
fn size(frame: &[u8]) -> Option<(u32, u32)> {
    let [_, _, _, 0x9d, 0x01, 0x2a, a, b, c, d, ..] = *frame else { return None };
    let side = |low: u8, high: u8| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
    Some((side(a, b), side(c, d)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::units::RunTime;

    // RFC 7741 §4.6.3 and §4.6.4: X and S set, PictureID 0x11 of 7 bits; and a bare first octet.
    #[test]
    fn descriptors_read_as_the_rfc_draws_them() {
        let short = Descriptor::read(&[0x90, 0x80, 0x11, 0]).unwrap();
        assert_eq!((short.length, short.picture, short.starts_partition), (3, Some((0x11, false)), true));
        let all = Descriptor::read(&[0xb3, 0xf0, 0x92, 0x34, 7, 0x5f, 0]).unwrap();
        assert_eq!((all.length, all.picture, all.tl0_picture), (6, Some((0x1234, true)), Some(7)));
        assert!(all.non_reference && all.partition == 3);
        assert_eq!(Descriptor::read(&[0x90, 0x80]), None);
    }

    #[test]
    fn a_key_frame_tells_its_size() {
        // 320 is 0x140, 240 is 0xf0; the scale bits above the 14 are not part of them.
        let frame = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x41, 0xf0, 0x80, 1, 2];
        let payloads = packetize(&frame, 5, 1200);
        let part = inspect(&payloads[0]).unwrap();
        assert!(part.key && part.starts && part.reference);
        assert_eq!(part.size, Some((320, 240)));
    }

    proptest! {
        #[test]
        fn what_is_packetized_comes_out_again_with_its_mark(
            frame in proptest::collection::vec(any::<u8>(), 1..900), limit in 40usize..300, picture in 0u16..0x8000,
            index: u32
        ) {
            let signature = Signature { stream: 9, index, due: RunTime(7) };
            let frame = signed(&frame, signature);
            let payloads = packetize(&frame, picture, limit);
            prop_assert!(payloads.iter().all(|payload| payload.len() <= limit));
            let marks: Vec<_> = payloads.iter().filter_map(|payload| inspect(payload)?.signature).collect();
            // A mark that is cut in two by the packet border is not found.
            prop_assert!(marks.is_empty() || marks == [signature]);
            let payloads: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(depacketize(&payloads), Some(frame));
        }

        #[test]
        fn no_octets_make_it_panic(octets in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = inspect(&octets);
            let _ = depacketize(&[&octets, &octets]);
        }
    }
}
