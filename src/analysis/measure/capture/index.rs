//! Which source a datagram belongs to: one look-up for each packet of a capture.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::net::SocketAddr;

use super::streams::Flow;
use crate::wire::frame::Datagram;
use crate::wire::pcap::Sense;

/// Places of sources in their list, by flow and SSRC.
#[derive(Debug, Default)]
pub(super) struct Index {
    short: HashMap<Key, u32, Folding>,
    long: HashMap<(Flow, u32), u32, Folding>,
}

/// Flow and SSRC of IPv4: addresses, ports and SSRC are just 128 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Key {
    addresses: u64,
    ports_and_ssrc: u64,
    sense: Sense,
}

impl Index {
    /// The place of a source of IPv4.
    #[inline]
    pub(super) fn of(&self, key: &Key) -> Option<usize> {
        self.short.get(key).map(|place| *place as usize)
    }

    /// The place of a source.
    pub(super) fn get(&self, flow: &Flow, ssrc: u32) -> Option<usize> {
        let place = match Key::of_flow(flow, ssrc) {
            Some(short) => self.short.get(&short),
            None => self.long.get(&(*flow, ssrc)),
        };
        place.map(|place| *place as usize)
    }

    /// Notes the place of a new source.
    pub(super) fn add(&mut self, flow: &Flow, ssrc: u32, place: u32) {
        match Key::of_flow(flow, ssrc) {
            Some(short) => self.short.insert(short, place),
            None => self.long.insert((*flow, ssrc), place),
        };
    }
}

/// Both directions of a tap are few enough to share a hash.
impl Hash for Key {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(u128::from(self.addresses) << 64 | u128::from(self.ports_and_ssrc));
    }
}

impl Key {
    #[inline]
    pub(super) fn of(datagram: &Datagram<'_>, sense: Sense, ssrc: u32) -> Key {
        let [a, b, c, d] = datagram.source.octets();
        let [e, f, g, h] = datagram.destination.octets();
        let [i, j] = datagram.source_port.to_be_bytes();
        let [k, l] = datagram.destination_port.to_be_bytes();
        let ports = u64::from(u32::from_le_bytes([i, j, k, l]));
        Key {
            addresses: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            ports_and_ssrc: ports << 32 | u64::from(ssrc),
            sense,
        }
    }

    fn of_flow(flow: &Flow, ssrc: u32) -> Option<Key> {
        let (SocketAddr::V4(source), SocketAddr::V4(destination)) = (flow.source, flow.destination) else {
            return None;
        };
        let datagram = Datagram {
            source: *source.ip(),
            destination: *destination.ip(),
            source_port: source.port(),
            destination_port: destination.port(),
            payload: &[],
        };
        Some(Key::of(&datagram, flow.sense, ssrc))
    }

    pub(super) fn flow(&self) -> Flow {
        let [a, b, c, d, e, f, g, h] = self.addresses.to_le_bytes();
        let [i, j, k, l] = ((self.ports_and_ssrc >> 32) as u32).to_le_bytes();
        let end = |address: [u8; 4], port: [u8; 2]| SocketAddr::from((address, u16::from_be_bytes(port)));
        Flow { source: end([a, b, c, d], [i, j]), destination: end([e, f, g, h], [k, l]), sense: self.sense }
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.ports_and_ssrc as u32
    }
}

/// Hashes by multiplying and folding, from a start that no capture can know: nobody forges collisions. Nothing is
/// ordered by these hashes.
#[derive(Clone, Debug)]
pub(super) struct Folding {
    start: u64,
}

impl Default for Folding {
    fn default() -> Folding {
        Folding { start: RandomState::new().hash_one(0) }
    }
}

impl BuildHasher for Folding {
    type Hasher = Folded;

    #[inline]
    fn build_hasher(&self) -> Folded {
        Folded(self.start)
    }

    #[inline]
    #[expect(clippy::manual_hash_one, reason = "the provided one is not inlined")]
    fn hash_one<T: Hash>(&self, value: T) -> u64 {
        let mut hasher = self.build_hasher();
        value.hash(&mut hasher);
        hasher.finish()
    }
}

/// An odd number without a pattern (the golden ratio).
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// A hash in the making.
pub(super) struct Folded(u64);

impl Hasher for Folded {
    #[inline]
    fn write_u64(&mut self, word: u64) {
        self.0 = fold(self.0 ^ word, MIX);
    }

    #[inline]
    fn write_u8(&mut self, octet: u8) {
        self.write_u64(octet.into());
    }

    #[inline]
    fn write_u16(&mut self, number: u16) {
        self.write_u64(number.into());
    }

    #[inline]
    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    #[inline]
    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    #[inline]
    fn write_u128(&mut self, word: u128) {
        self.0 = fold(self.0 ^ (word >> 64) as u64, self.0.rotate_left(32) ^ word as u64);
    }

    #[inline]
    fn write_isize(&mut self, number: isize) {
        self.write_u64(number as u64);
    }

    fn write(&mut self, octets: &[u8]) {
        for chunk in octets.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word) ^ (chunk.len() as u64) << 56);
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

/// All bits of both numbers in one.
#[inline]
pub(super) fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_differs_is_another_source() {
        let flow = |source: &str, destination: &str, sense| Flow {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            sense,
        };
        let different = [
            (flow("10.0.0.1:4000", "10.0.0.2:5000", Sense::Unknown), 1),
            (flow("10.0.0.1:4000", "10.0.0.2:5000", Sense::Unknown), 2),
            (flow("10.0.0.1:4000", "10.0.0.2:5000", Sense::Inbound), 1),
            (flow("10.0.0.1:5000", "10.0.0.2:4000", Sense::Unknown), 1),
            (flow("10.0.0.2:4000", "10.0.0.1:5000", Sense::Unknown), 1),
            // 10.0.0.1 and 10.0.0.2 mapped into IPv6.
            (flow("[::ffff:a00:1]:4000", "[::ffff:a00:2]:5000", Sense::Unknown), 1),
            (flow("[2001:db8::1]:4000", "[2001:db8::2]:5000", Sense::Unknown), 1),
        ];
        let mut index = Index::default();
        for ((flow, ssrc), place) in different.iter().zip(0..) {
            assert_eq!(index.get(flow, *ssrc), None);
            index.add(flow, *ssrc, place);
        }
        for ((flow, ssrc), place) in different.iter().zip(0..) {
            assert_eq!(index.get(flow, *ssrc), Some(place));
            if let Some(key) = Key::of_flow(flow, *ssrc) {
                assert_eq!((key.flow(), key.ssrc()), (*flow, *ssrc));
            }
        }
    }
}
