//! Corosync's totem single-ring protocol, as far as its header goes: who has the token, who asks who is left.
//!
//! Read where it is sent in the clear by UDP (`udp`, `udpu` without encryption). Header: totem.h of Corosync,
//! `struct totem_message_header`; kinds: totemsrp.c, `enum message_type`.

/// UDP port where nothing else is configured (corosync.conf(5), `mcastport`).
pub const PORT: u16 = 5405;

/// First two octets, in the order of the sender's machine.
const MAGIC: [[u8; 2]; 2] = [[0x70, 0xc0], [0xc0, 0x70]];

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Totem {
    /// The token, on its way to the next node.
    Token,
    /// Somebody has missed the token and asks who is left.
    Join,
    /// All who are left agree: the new ring is being made.
    Commit,
    /// Something that tells nothing of the membership.
    Other,
}

impl Totem {
    /// Reads the payload of a datagram; anything else is `None`.
    #[must_use]
    pub fn parse(octets: &[u8]) -> Option<Totem> {
        let &[first, second, _version, kind, ..] = octets else { return None };
        if !MAGIC.contains(&[first, second]) {
            return None;
        }
        match kind {
            0 => Some(Totem::Token),
            3 => Some(Totem::Join),
            4 => Some(Totem::Commit),
            1 | 2 | 5 => Some(Totem::Other),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First octets as Corosync 3.1.10 sent them: a token, a join, a merge-detect message.
    #[test]
    fn messages_are_told_apart_by_their_kind() {
        let token = [0x70, 0xc0, 3, 0, 0, 1, 0, 0, 0];
        assert_eq!(Totem::parse(&token), Some(Totem::Token));
        assert_eq!(Totem::parse(&[0x70, 0xc0, 3, 3, 0, 3]), Some(Totem::Join));
        assert_eq!(Totem::parse(&[0xc0, 0x70, 3, 4, 0, 3]), Some(Totem::Commit));
        assert_eq!(Totem::parse(&[0x70, 0xc0, 3, 2, 0, 1]), Some(Totem::Other));
    }

    #[test]
    fn foreign_and_short_payloads_are_none() {
        assert_eq!(Totem::parse(&[0x70, 0xc0, 3, 6]), None);
        assert_eq!(Totem::parse(&[0x80, 0xc0, 3, 0]), None);
        assert_eq!(Totem::parse(&[0x70, 0xc0, 3]), None);
    }
}
