//! RTP headers (RFC 3550 §5.1), told from RTCP first (RFC 5761 §4).

use std::ops::RangeInclusive;

use rtp_rs::RtpReader;

/// What a datagram on a media port is, by its first two octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Version 2 and a payload type that cannot be RTCP.
    Rtp,
    /// Version 2 and an RTCP packet type (192 to 223).
    Rtcp,
    /// Neither: STUN, DTLS, T.38 or nothing of the sort.
    Other,
}

/// The header of one packet and its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtp<'a> {
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Marker bit.
    pub marker: bool,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp in the payload's clock.
    pub timestamp: u32,
    /// Synchronization source.
    pub ssrc: u32,
    /// Payload without padding.
    pub payload: &'a [u8],
}

/// Second octets that are left to RTCP: the payload types 64 to 95 with the marker bit set.
const RTCP: RangeInclusive<u8> = 192..=223;
/// Version 2 and nothing else in the first octet.
const PLAIN: u8 = 0x80;

/// Tells RTP from RTCP: the payload types 64 to 95 are left to RTCP (RFC 5761 §4).
#[inline]
#[must_use]
pub fn kind(datagram: &[u8]) -> Kind {
    match datagram {
        [first, second, ..] if first >> 6 == 2 && RTCP.contains(second) => Kind::Rtcp,
        [first, _, ..] if first >> 6 == 2 => Kind::Rtp,
        _ => Kind::Other,
    }
}

impl<'a> Rtp<'a> {
    /// Reads a datagram; `None` when it is RTCP or no RTP packet.
    #[inline]
    #[must_use]
    pub fn parse(datagram: &'a [u8]) -> Option<Rtp<'a>> {
        let plain = Rtp::plain(datagram);
        if plain.is_some() { plain } else { Rtp::unusual(datagram) }
    }

    /// The common case without detours: version 2, no padding, no extension, no contributing sources.
    #[inline]
    #[must_use]
    pub fn plain(datagram: &'a [u8]) -> Option<Rtp<'a>> {
        let (head, payload) = datagram.split_first_chunk::<12>()?;
        let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        (head[0] == PLAIN && !RTCP.contains(&head[1])).then(|| Rtp {
            payload_type: head[1] & 0x7f,
            marker: head[1] & 0x80 != 0,
            sequence: word(0) as u16,
            timestamp: word(4),
            ssrc: word(8),
            payload,
        })
    }

    #[cold]
    fn unusual(datagram: &'a [u8]) -> Option<Rtp<'a>> {
        if kind(datagram) != Kind::Rtp {
            return None;
        }
        let reader = RtpReader::new(datagram).ok()?;
        Some(Rtp {
            payload_type: reader.payload_type(),
            marker: reader.mark(),
            sequence: reader.sequence_number().into(),
            timestamp: reader.timestamp(),
            ssrc: reader.ssrc(),
            payload: reader.payload(),
        })
    }
}

/// A payload type that has its meaning by RFC 3551 §6: name and clock rate in hertz.
#[must_use]
pub fn static_payload(payload_type: u8) -> Option<(&'static str, u32)> {
    Some(match payload_type {
        0 => ("PCMU", 8000),
        3 => ("GSM", 8000),
        4 => ("G723", 8000),
        8 => ("PCMA", 8000),
        // G.722 samples at 16 kHz and counts at 8 kHz (RFC 3551 §4.5.2).
        9 => ("G722", 8000),
        13 => ("CN", 8000),
        15 => ("G728", 8000),
        18 => ("G729", 8000),
        26 => ("JPEG", 90_000),
        31 => ("H261", 90_000),
        34 => ("H263", 90_000),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rtcp_is_not_taken_for_rtp() {
        let sender_report = [0x80, 200, 0, 6, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(kind(&sender_report), Kind::Rtcp);
        assert_eq!(Rtp::parse(&sender_report), None);
        // Payload type 0 with the marker set is 0x80: RTP.
        assert_eq!(kind(&[0x80, 0x80]), Kind::Rtp);
    }

    #[test]
    fn header_fields_stand_where_the_rfc_draws_them() {
        let octets = [0x80, 0x88, 0x12, 0x34, 0, 0, 0, 160, 0xde, 0xad, 0xbe, 0xef, 1, 2, 3];
        let rtp = Rtp::parse(&octets).unwrap();
        assert_eq!((rtp.payload_type, rtp.marker, rtp.sequence), (8, true, 0x1234));
        assert_eq!((rtp.timestamp, rtp.ssrc, rtp.payload), (160, 0xdead_beef, &[1, 2, 3][..]));
    }

    proptest! {
        #[test]
        fn a_plain_header_reads_as_any_other(octets in proptest::collection::vec(any::<u8>(), 0..40)) {
            let datagram = [&[PLAIN][..], &octets].concat();
            prop_assert_eq!(Rtp::plain(&datagram), Rtp::unusual(&datagram));
        }

        #[test]
        fn no_octets_make_it_panic(octets in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = Rtp::parse(&octets);
            let mut rtp = octets;
            if let Some(first) = rtp.first_mut() {
                *first = *first & 0x3f | 0x80;
            }
            let _ = Rtp::parse(&rtp);
        }
    }
}
