//! Datagrams put together from their fragments (RFC 791 §3.2, RFC 8200 §4.5), for as many at once as
//! [`limits`](super::limits) allow.
//!
//! Fragments that overlap are an attack and no accident (RFC 5722): such a datagram is dropped, as Linux does for
//! both versions of IP. An exact repetition is not an overlap.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use super::frame::{Fragment, Ip};
use super::limits::{FRAGMENT_PATIENCE, LARGEST_DATAGRAM, MOST_FRAGMENTED, MOST_PARTS};
use crate::units::RunTime;

/// Datagrams that wait for their rest.
#[derive(Debug, Default)]
pub struct Fragments {
    waiting: BTreeMap<Key, Parts>,
    /// Keys in order of their first fragments; some may have gone meanwhile.
    order: VecDeque<(RunTime, Key)>,
    unfinished: u64,
}

/// RFC 791 §3.2: identification, source, destination and protocol. IPv6 leaves the protocol out (RFC 8200 §4.5),
/// which is the same unless somebody forges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    identification: u32,
}

#[derive(Debug, Default)]
struct Parts {
    since: RunTime,
    protocol: Option<u8>,
    /// Parts by their offset.
    parts: BTreeMap<u32, Vec<u8>>,
    octets: usize,
    /// Octets of the whole, once the last part has come.
    length: Option<usize>,
}

/// A datagram that is whole again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// When the first of its parts was seen.
    pub begun: RunTime,
    /// The protocol that the first fragment names.
    pub protocol: u8,
    /// What follows the IP header.
    pub octets: Vec<u8>,
}

impl Fragments {
    /// Takes a fragment of `ip` that was seen at `at`; gives the datagram that it completes.
    pub fn push(&mut self, at: RunTime, ip: &Ip<'_>, fragment: &Fragment<'_>) -> Option<Datagram> {
        self.forget(at);
        let key = Key { source: ip.source, destination: ip.destination, identification: fragment.identification };
        if !self.waiting.contains_key(&key) {
            self.order.push_back((at, key));
        }
        let parts = self.waiting.entry(key).or_insert_with(|| Parts { since: at, ..Parts::default() });
        if !parts.add(fragment) {
            self.waiting.remove(&key);
            self.unfinished += 1;
            return None;
        }
        if !parts.are_whole() {
            return None;
        }
        self.waiting.remove(&key)?.join()
    }

    /// Datagrams that never became whole, those that still wait included.
    #[must_use]
    pub fn unfinished(&self) -> u64 {
        self.unfinished + self.waiting.len() as u64
    }

    /// Drops what waited too long, and the oldest when there are too many.
    fn forget(&mut self, at: RunTime) {
        while let Some(&(since, key)) = self.order.front() {
            let full = self.waiting.len() >= MOST_FRAGMENTED || self.order.len() >= 2 * MOST_FRAGMENTED;
            if !full && at - since <= FRAGMENT_PATIENCE {
                return;
            }
            self.order.pop_front();
            // A later datagram may have taken the identification over.
            if self.waiting.get(&key).is_some_and(|parts| parts.since == since) {
                self.waiting.remove(&key);
                self.unfinished += 1;
            }
        }
    }
}

impl Parts {
    /// False when the part contradicts the others.
    fn add(&mut self, fragment: &Fragment<'_>) -> bool {
        let (start, end) = (fragment.offset as usize, fragment.offset as usize + fragment.payload.len());
        if fragment.payload.is_empty() || end > LARGEST_DATAGRAM {
            return false;
        }
        if self.parts.get(&fragment.offset).is_some_and(|part| part == fragment.payload) {
            return true;
        }
        let before = self.parts.range(..=fragment.offset).next_back();
        let touches_before = before.is_some_and(|(&at, part)| at as usize + part.len() > start);
        let touches_after = self.parts.range(fragment.offset..).next().is_some_and(|(&at, _)| (at as usize) < end);
        let beyond = self.length.is_some_and(|length| end > length || !fragment.more);
        if touches_before || touches_after || beyond || self.parts.len() >= MOST_PARTS {
            return false;
        }
        if fragment.offset == 0 {
            self.protocol = Some(fragment.protocol);
        }
        if !fragment.more {
            self.length = Some(end);
        }
        self.octets += fragment.payload.len();
        self.parts.insert(fragment.offset, fragment.payload.to_vec());
        true
    }

    fn are_whole(&self) -> bool {
        // Without overlaps, the right number of octets below the end can only be all of them.
        self.length == Some(self.octets) && self.protocol.is_some()
    }

    fn join(self) -> Option<Datagram> {
        Some(Datagram {
            begun: self.since,
            protocol: self.protocol?,
            octets: self.parts.into_values().flatten().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::frame::Transport;

    fn ip(last: u8) -> Ip<'static> {
        Ip {
            source: IpAddr::from([10, 0, 0, last]),
            destination: IpAddr::from([10, 0, 0, 2]),
            transport: Transport::Other,
        }
    }

    /// A UDP datagram of 200 octets: 4000 → 5060, then numbers.
    fn datagram() -> Vec<u8> {
        let mut octets = vec![0x0f, 0xa0, 0x13, 0xc4, 0, 200, 0, 0];
        octets.extend(8..200u8);
        octets
    }

    fn part(octets: &[u8], start: usize, end: usize) -> Fragment<'_> {
        let (more, payload) = (end < octets.len(), &octets[start..end]);
        Fragment { identification: 7, protocol: 17, offset: start as u32, more, payload }
    }

    proptest! {
        #[test]
        fn parts_in_any_order_and_repeated_make_the_datagram(
            order in Just((0..5usize).collect::<Vec<_>>()).prop_shuffle(), again in 0..4usize,
        ) {
            let octets = datagram();
            let parts: Vec<_> = (0..5).map(|k| part(&octets, k * 40, (k + 1) * 40)).collect();
            let mut fragments = Fragments::default();
            let mut whole = None;
            for &k in order[..4].iter().chain(&[order[again]]).chain(&order[4..]) {
                prop_assert_eq!(&whole, &None);
                whole = fragments.push(RunTime::ZERO, &ip(1), &parts[k]);
            }
            prop_assert_eq!(whole.map(|whole| whole.octets), Some(octets));
            prop_assert_eq!(fragments.unfinished(), 0);
        }
    }

    #[test]
    fn what_is_whole_again_is_read_as_any_datagram() {
        let octets = datagram();
        let whole = Ip::whole(ip(1).source, ip(1).destination, 17, &octets);
        assert_eq!(whole.source_socket().unwrap().to_string(), "10.0.0.1:4000");
        let Transport::Udp { payload, .. } = whole.transport else { panic!() };
        assert_eq!(payload.len(), 192);
    }

    #[test]
    fn overlapping_parts_spoil_their_datagram() {
        let octets = datagram();
        let mut fragments = Fragments::default();
        assert_eq!(fragments.push(RunTime::ZERO, &ip(1), &part(&octets, 0, 80)), None);
        assert_eq!(fragments.push(RunTime::ZERO, &ip(1), &part(&octets, 40, 200)), None);
        assert_eq!(fragments.unfinished(), 1);
    }

    #[test]
    fn what_never_becomes_whole_is_forgotten_and_counted() {
        let octets = datagram();
        let mut fragments = Fragments::default();
        for number in 0..100_000u32 {
            let first = Fragment { identification: number, ..part(&octets, 0, 40) };
            assert_eq!(fragments.push(RunTime::ZERO, &ip(1), &first), None);
        }
        assert!(fragments.waiting.len() <= MOST_FRAGMENTED && fragments.order.len() <= 2 * MOST_FRAGMENTED);
        assert_eq!(fragments.unfinished(), 100_000);
        // Half a minute later all are gone, and the rest of one of them is no datagram.
        let late = RunTime::ZERO + FRAGMENT_PATIENCE + crate::units::Span(1);
        let rest = Fragment { identification: 99_999, ..part(&octets, 40, 200) };
        assert_eq!(fragments.push(late, &ip(1), &rest), None);
        assert_eq!(fragments.waiting.len(), 1);
    }
}
