//! Whether any host sent on what it had received: the sketch that tells while a capture is read if it must be read
//! again to follow payloads through servers (`transit`).
//!
//! A table keeps a mark of the last payload in each place. It may see what is not there: then the second reading finds
//! nothing. It misses a packet when another payload has taken its place before the packet left: with 20,000 packets a
//! second and a server that holds them for 20 ms that happens to one of 160. To miss a server, it would have to miss
//! each of its packets.
//!
//! Nor does it look at all packets of a long capture: after the first [`ALWAYS`], at one of eight, chosen by what is in
//! it, so that it is the same one on both sides of a server. Of a server that sends on a hundred packets it misses all
//! with a chance of 1.6 in a million.
//!
//! A place of the table is hardly ever in the nearest cache. So packets are looked up in batches, in which the waits for
//! the memory overlap: one by one they were a seventh of the time in which a capture is measured.

use std::net::IpAddr;

use super::index::fold;

/// Places in the table: 256 KiB, which stays in the cache.
const PLACES: usize = 1 << 16;
/// Odd numbers without a pattern (digits of π).
const MIX: [u64; 3] = [0x2437_f6a8_885a_308d, 0x1319_8a2e_0370_7345, 0xa409_3822_299f_31d1];
/// Octets of a payload that are looked at.
const KEY: usize = super::transit::KEY;

/// So many packets are all looked at.
const ALWAYS: u32 = 20_000;
/// Bits of a mixed payload that are 0 in one of eight.
const SELDOM: u64 = 7 << 61;

/// Packets that are looked up together.
const BATCH: usize = 64;

/// The marks of the payloads of late.
#[derive(Debug)]
pub(super) struct Relays {
    marks: Box<[u32]>,
    /// Those that are still to be looked up.
    waiting: Vec<Waiting>,
    /// How many are still looked at without choosing.
    always: u32,
    found: bool,
}

/// A packet: the hash of its payload, and its marks at the host that sent it and at the one to which it goes.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    hash: u64,
    source: u32,
    destination: u32,
}

impl Default for Relays {
    fn default() -> Relays {
        let marks = vec![0; PLACES].into_boxed_slice();
        Relays { marks, waiting: Vec::with_capacity(BATCH), always: ALWAYS, found: false }
    }
}

impl Relays {
    /// Whether a payload seems to have left the host to which it had come.
    pub(super) fn found(&mut self) -> bool {
        self.look_up();
        self.found
    }

    fn look_up(&mut self) {
        for Waiting { hash, source, destination } in self.waiting.drain(..) {
            let mark = &mut self.marks[hash as usize % PLACES];
            self.found |= *mark == source;
            *mark = destination;
        }
    }

    /// Takes a packet; `source` and `destination` are hosts as [`host`] gives them.
    #[inline]
    pub(super) fn packet(&mut self, source: u64, destination: u64, payload: &[u8]) {
        let Some(key) = payload.first_chunk::<KEY>() else { return };
        if self.always > 0 || chosen(words(key)) {
            self.look_at(source, destination, key);
        }
    }

    #[cold]
    fn look_at(&mut self, source: u64, destination: u64, key: &[u8; KEY]) {
        self.always = self.always.saturating_sub(1);
        let (words, silence) = (words(key), u64::from(key[0]) * 0x0101_0101_0101_0101);
        if self.found || words.iter().all(|word| *word == silence) {
            return;
        }
        let hash = fold(fold(words[0] ^ MIX[0], words[1] ^ MIX[1]) ^ words[2], MIX[2]);
        let at_host = |host: u64| (fold(host ^ hash, MIX[0]) >> 32) as u32;
        self.waiting.push(Waiting { hash, source: at_host(source), destination: at_host(destination) });
        if self.waiting.len() == BATCH {
            self.look_up();
        }
    }
}

/// The octets of a payload in three words, of which the last overlaps the second.
#[inline]
fn words(key: &[u8; KEY]) -> [u64; 3] {
    let [first @ .., _, _, _, _, _, _, _, _, _, _, _, _] = *key;
    let [_, _, _, _, _, _, _, _, middle @ .., _, _, _, _] = *key;
    let [_, _, _, _, _, _, _, _, _, _, _, _, last @ ..] = *key;
    [u64::from_le_bytes(first), u64::from_le_bytes(middle), u64::from_le_bytes(last)]
}

/// Whether a payload is one of the few that are looked at in a long capture.
#[inline]
fn chosen([first, middle, last]: [u64; 3]) -> bool {
    (first ^ middle.rotate_left(23) ^ last.rotate_left(47)).wrapping_mul(MIX[0]) & SELDOM == 0
}

/// A host as a number; two hosts of IPv6 hardly have the same.
pub(super) fn host(ip: IpAddr) -> u64 {
    match ip {
        IpAddr::V4(ip) => ip.to_bits().into(),
        IpAddr::V6(ip) => fold(ip.to_bits() as u64 ^ MIX[1], (ip.to_bits() >> 64) as u64 ^ MIX[2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: u64 = 1;
    const SERVER: u64 = 2;
    const OTHER: u64 = 3;

    fn payload(k: u64) -> Vec<u8> {
        (0..40).map(|octet: u64| (fold(k ^ MIX[0], octet ^ MIX[1])) as u8).collect()
    }

    /// Two-way calls of other phones through the same server in between: 4,000 packets on the way at once.
    fn other_calls(relays: &mut Relays, from: u64) {
        for k in from..from + 2000 {
            relays.packet(PHONE + 10, SERVER, &payload(1_000_000 + k));
            relays.packet(SERVER, PHONE + 10, &payload(2_000_000 + k));
        }
    }

    #[test]
    fn a_server_that_sends_on_is_found_among_others_that_do_not() {
        let mut relays = Relays::default();
        other_calls(&mut relays, 0);
        assert!(!relays.found());
        for k in 0..10 {
            relays.packet(PHONE, SERVER, &payload(k));
        }
        other_calls(&mut relays, 5000);
        for k in 0..10 {
            relays.packet(SERVER, OTHER, &payload(k));
        }
        assert!(relays.found());
    }

    /// However many packets are still waiting to be looked up, from none to a whole batch.
    #[test]
    fn a_single_packet_that_is_sent_on_is_found_wherever_the_capture_ends() {
        for between in 0..2 * BATCH as u64 {
            let mut relays = Relays::default();
            relays.packet(PHONE, SERVER, &payload(1));
            (0..between).for_each(|k| relays.packet(PHONE, SERVER, &payload(100 + k)));
            relays.packet(SERVER, OTHER, &payload(1));
            assert!(relays.found(), "{between} packets between");
        }
    }

    /// Payloads go through a server behind the packets that are all looked at; a hundred of them, as in two seconds.
    #[test]
    fn a_server_that_begins_late_is_found_soon() {
        for start in 0..100 {
            let mut relays = Relays::default();
            other_calls(&mut relays, 0);
            (0..u64::from(ALWAYS)).for_each(|k| relays.packet(OTHER, PHONE, &payload(10_000_000 + k)));
            assert!(!relays.found());
            for k in 0..100 {
                relays.packet(PHONE, SERVER, &payload(200 * start + k + 1));
                relays.packet(SERVER, OTHER, &payload(200 * start + k));
            }
            assert!(relays.found(), "{start}");
        }
    }

    /// One of eight, whatever the octets have in common.
    #[test]
    fn a_few_packets_are_chosen_of_any_kind() {
        let counters = |place: usize| {
            move |k: u64| {
                let mut key = [0xd5; KEY];
                key[place..place + 4].copy_from_slice(&(k as u32).to_be_bytes());
                key
            }
        };
        for place in [0, 4, 8, 12, 16] {
            let chosen = (0..8000).map(counters(place)).filter(|key| chosen(words(key))).count();
            assert!((500..1500).contains(&chosen), "{chosen} of 8000 that differ from octet {place} on");
        }
    }

    #[test]
    fn copies_replies_of_another_host_and_silence_are_no_relay() {
        let mut relays = Relays::default();
        for k in 0..1000 {
            relays.packet(PHONE, SERVER, &payload(k));
            relays.packet(PHONE, SERVER, &payload(k));
            relays.packet(OTHER, PHONE, &payload(k));
            relays.packet(PHONE, SERVER, &[0xd5; 160]);
            relays.packet(SERVER, OTHER, &[0xd5; 160]);
            relays.packet(SERVER, OTHER, &payload(k)[..KEY - 1]);
        }
        assert!(!relays.found());
    }
}
