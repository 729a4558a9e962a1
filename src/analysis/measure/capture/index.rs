//! Which source a datagram belongs to: one look-up for each packet of a capture.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr};

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
        state.write_u64(self.addresses);
        state.write_u64(self.ports_and_ssrc);
    }
}

impl Key {
    #[inline]
    pub(super) fn of(datagram: &Datagram<'_>, sense: Sense, ssrc: u32) -> Key {
        let addresses = u64::from(datagram.source.to_bits()) << 32 | u64::from(datagram.destination.to_bits());
        let ports = u64::from(datagram.source_port) << 48 | u64::from(datagram.destination_port) << 32;
        Key { addresses, ports_and_ssrc: ports | u64::from(ssrc), sense }
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
        let end = |address: u32, port: u16| SocketAddr::from((Ipv4Addr::from_bits(address), port));
        let (addresses, ports) = (self.addresses, self.ports_and_ssrc >> 32);
        Flow {
            source: end((addresses >> 32) as u32, (ports >> 16) as u16),
            destination: end(addresses as u32, ports as u16),
            sense: self.sense,
        }
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

/// A hash in the making.
pub(super) struct Folded(u64);

impl Hasher for Folded {
    #[inline]
    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * u128::from(0x9e37_79b9_7f4a_7c15_u64);
        self.0 = (product as u64) ^ (product >> 64) as u64;
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
        self.write_u64((word >> 64) as u64);
        self.write_u64(word as u64);
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
