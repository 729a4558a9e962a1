//! What the standards ask of every payload of a codec: enough to tell video from whatever else has a dynamic payload
//! type, where no session description says what it is.

use super::{Codec, h264, vp8};

/// Sides of a picture that a stream of a call can have, in pixels.
const SIDES: std::ops::RangeInclusive<u32> = 16..=8192;

/// Where a payload stands among those that carry one piece of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fragment {
    /// It is no fragment, or the payload format does not number its fragments.
    Whole,
    /// The first one.
    First,
    /// Neither first nor last.
    Middle,
    /// The last one.
    Last,
}

/// A payload that breaks no rule of its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Structure {
    /// Where it stands among the fragments of a unit.
    pub fragment: Fragment,
    /// Whether it has what nothing else has by chance: a sequence parameter set, or the start code of a key frame,
    /// each with a size that a picture can have.
    pub proof: bool,
}

impl Structure {
    /// Reads a payload; `None` when it breaks a rule that every payload of `codec` keeps.
    #[must_use]
    pub fn of(codec: Codec, payload: &[u8]) -> Option<Structure> {
        let fragment = match codec {
            Codec::H264 => h264::keeps_the_rules(payload)?,
            Codec::Vp8 => vp8::keeps_the_rules(payload)?,
        };
        let size = codec.inspect(payload)?.size;
        Some(Structure {
            fragment,
            proof: size.is_some_and(|(width, height)| [width, height].iter().all(|side| SIDES.contains(side))),
        })
    }

    /// Whether this payload may come right after `before`: fragments of one unit are not mixed with anything.
    #[must_use]
    pub fn may_follow(&self, before: &Structure) -> bool {
        let open = matches!(before.fragment, Fragment::First | Fragment::Middle);
        open == matches!(self.fragment, Fragment::Middle | Fragment::Last)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fragments_stand_in_their_order() {
        let slice = [&[0x65, 0x88][..], &[7; 40]].concat();
        let payloads = h264::packetize(&[&slice], h264::Mode::NonInterleaved, 16);
        let read: Vec<Structure> = payloads.iter().filter_map(|payload| Structure::of(Codec::H264, payload)).collect();
        let places: Vec<Fragment> = read.iter().map(|of| of.fragment).collect();
        assert_eq!(places, [Fragment::First, Fragment::Middle, Fragment::Last]);
        assert!(read[1].may_follow(&read[0]) && read[0].may_follow(&read[2]));
        assert!(!read[2].may_follow(&read[2]) && !read[0].may_follow(&read[1]));
    }

    #[test]
    fn broken_rules_are_seen() {
        let broken: [&[u8]; 8] = [
            // The forbidden bit, a parameter set and an IDR slice that nothing refers to, a message with references.
            &[0xe7, 66, 0, 30, 0xff],
            &[0x07, 66, 0, 30, 0xff],
            &[0x05, 0x88, 1],
            &[0x66, 5, 1],
            // An aggregate of which a unit is cut off, a fragment that is first and last, a reserved bit, an aggregate
            // within a fragment.
            &[0x78, 0, 9, 0x67, 1],
            &[0x7c, 0xc5, 1],
            &[0x7c, 0xa5, 1],
            &[0x7c, 0x98, 1],
        ];
        for payload in broken {
            assert_eq!(Structure::of(Codec::H264, payload), None, "{payload:02x?}");
        }
        // Reserved bits of the descriptor, and a key frame without its start code.
        for payload in
            [&[0x50, 0x11, 0, 0][..], &[0x18, 0x11, 0, 0], &[0x90, 0x81, 5, 1, 1], &[0x10, 0x10, 0, 0, 1, 2, 3]]
        {
            assert_eq!(Structure::of(Codec::Vp8, payload), None, "{payload:02x?}");
        }
        let key = [0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0, 1];
        assert_eq!(Structure::of(Codec::Vp8, &key), Some(Structure { fragment: Fragment::Whole, proof: true }));
    }

    proptest! {
        #[test]
        fn what_we_send_keeps_the_rules(
            body in proptest::collection::vec(any::<u8>(), 1..900), limit in 40usize..300, key: bool, picture in 0u16..0x8000
        ) {
            let slice = [&[if key { 0x65 } else { 0x41 }, 0x88][..], &body].concat();
            let units: [&[u8]; 3] = [&[0x67, 66, 0, 30, 0xff], &[0x68, 0xce, 1], &slice];
            let payloads = h264::packetize(if key { &units } else { &units[2..] }, h264::Mode::NonInterleaved, limit);
            let read: Vec<Option<Structure>> = payloads.iter().map(|payload| Structure::of(Codec::H264, payload)).collect();
            prop_assert!(read.windows(2).all(|pair| pair[1].unwrap().may_follow(&pair[0].unwrap())));
            let head: &[u8] = if key { &[0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0] } else { &[0x11, 0, 0] };
            let frame = [head, &body].concat();
            for payload in vp8::packetize(&frame, picture, limit) {
                prop_assert!(Structure::of(Codec::Vp8, &payload).is_some());
            }
        }

        #[test]
        fn no_octets_make_it_panic(octets in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = Structure::of(Codec::H264, &octets);
            let _ = Structure::of(Codec::Vp8, &octets);
        }
    }
}
