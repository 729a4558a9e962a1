//! VRRP advertisements, version 2 (RFC 3768) and 3 (RFC 5798).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::units::Span;

/// IP protocol number.
pub const PROTOCOL: u8 = 112;

/// One advertisement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advert {
    /// 2 or 3.
    pub version: u8,
    /// Virtual router.
    pub vrid: u8,
    /// 255 for the owner of the address, 0 when the master resigns.
    pub priority: u8,
    /// Advertisement interval.
    pub interval: Span,
    /// The floating addresses.
    pub addresses: Vec<IpAddr>,
}

impl Advert {
    /// Reads the payload of an IP packet of protocol 112; `ipv6` tells the size of its addresses.
    ///
    /// The checksum is not checked: captures of outgoing packets may carry none.
    #[must_use]
    pub fn parse(octets: &[u8], ipv6: bool) -> Option<Advert> {
        let &[first, vrid, priority, count, high, low, _, _, ref rest @ ..] = octets else { return None };
        let (version, kind) = (first >> 4, first & 0x0f);
        let interval = match version {
            // Authentication type, then whole seconds.
            2 => Span::from_secs(i64::from(low)),
            // Four reserved bits, then hundredths of a second.
            3 => Span::from_millis((i64::from(high & 0x0f) << 8 | i64::from(low)) * 10),
            _ => return None,
        };
        let size = if ipv6 { 16 } else { 4 };
        let addresses: Vec<_> = rest.chunks_exact(size).take(count.into()).filter_map(address).collect();
        (kind == 1 && addresses.len() == usize::from(count)).then_some(Advert {
            version,
            vrid,
            priority,
            interval,
            addresses,
        })
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?).into()),
        _ => Some(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Octets by the pictures in RFC 5798 §5.1 and RFC 3768 §5.1.
    #[test]
    fn adverts_of_both_versions() {
        let v3 = Advert::parse(&[0x31, 51, 100, 1, 0, 20, 0xab, 0xcd, 10, 77, 0, 100], false).unwrap();
        assert_eq!((v3.version, v3.vrid, v3.priority), (3, 51, 100));
        assert_eq!(v3.interval, Span::from_millis(200));
        assert_eq!(v3.addresses, [IpAddr::from([10, 77, 0, 100])]);
        let v2 = Advert::parse(&[0x21, 7, 0, 1, 0, 1, 0, 0, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], false).unwrap();
        assert_eq!((v2.version, v2.priority, v2.interval), (2, 0, Span::from_secs(1)));
    }

    #[test]
    fn a_short_or_foreign_packet_is_none() {
        assert_eq!(Advert::parse(&[0x31, 51, 100, 2, 0, 20, 0, 0, 10, 77, 0, 100], false), None);
        assert_eq!(Advert::parse(&[0x32, 51, 100, 0, 0, 20, 0, 0], false), None);
        assert_eq!(Advert::parse(&[0x31], false), None);
    }
}
