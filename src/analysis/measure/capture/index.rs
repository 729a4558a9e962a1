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
    short: HashMap<Short, u32, Folding>,
    long: HashMap<(Flow, u32), u32, Folding>,
}

/// Flow and SSRC of IPv4: addresses, ports and SSRC are just 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Short {
    numbers: u128,
    sense: Sense,
}

impl Index {
    /// The place of the source of a datagram.
    #[inline]
    pub(super) fn of(&self, datagram: &Datagram<'_>, sense: Sense, ssrc: u32) -> Option<usize> {
        self.short.get(&Short::of(datagram, sense, ssrc)).map(|place| *place as usize)
    }

    /// The place of a source.
    pub(super) fn get(&self, flow: &Flow, ssrc: u32) -> Option<usize> {
        let place = match Short::of_flow(flow, ssrc) {
            Some(short) => self.short.get(&short),
            None => self.long.get(&(*flow, ssrc)),
        };
        place.map(|place| *place as usize)
    }

    /// Notes the place of a new source.
    pub(super) fn add(&mut self, flow: &Flow, ssrc: u32, place: u32) {
        match Short::of_flow(flow, ssrc) {
            Some(short) => self.short.insert(short, place),
            None => self.long.insert((*flow, ssrc), place),
        };
    }
}

impl Short {
    #[inline]
    fn of(datagram: &Datagram<'_>, sense: Sense, ssrc: u32) -> Short {
        let addresses = u64::from(datagram.source.to_bits()) << 32 | u64::from(datagram.destination.to_bits());
        let ports = u64::from(datagram.source_port) << 48 | u64::from(datagram.destination_port) << 32;
        Short { numbers: u128::from(addresses) << 64 | u128::from(ports | u64::from(ssrc)), sense }
    }

    fn of_flow(flow: &Flow, ssrc: u32) -> Option<Short> {
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
        Some(Short::of(&datagram, flow.sense, ssrc))
    }
}

/// Hashes by multiplying and folding, from a start that no capture can know: nobody forges collisions. Nothing is
/// ordered by these hashes.
#[derive(Clone, Debug)]
struct Folding {
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
struct Folded(u64);

impl Hasher for Folded {
    #[inline]
    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * u128::from(0x9e37_79b9_7f4a_7c15_u64);
        self.0 = (product as u64) ^ (product >> 64) as u64;
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
        octets.iter().for_each(|octet| self.write_u64(u64::from(*octet)));
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
        }
    }
}
