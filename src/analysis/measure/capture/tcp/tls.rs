//! TLS records (RFC 8446 §5.1), as far as they can be seen without a key: their types.

const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const HEADER: usize = 5;

/// One direction of a TLS connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Records {
    /// The header so far.
    header: [u8; HEADER],
    read: usize,
    /// Octets of the record that are still to come.
    rest: usize,
    /// Something is missing: types are not known any more.
    lost: bool,
}

/// Whether a stream that begins so is TLS: a record of a known type and of version 3.
pub(super) fn is_tls(start: &[u8]) -> bool {
    matches!(start, [20..=23, 3, 0..=4, ..])
}

/// Whether it begins with a handshake, so that its beginning was captured.
pub(super) fn is_handshake(start: &[u8]) -> bool {
    start.first() == Some(&HANDSHAKE)
}

impl Records {
    /// Takes the next octets; true when a record of encrypted data begins in them.
    pub(super) fn push(&mut self, mut octets: &[u8]) -> bool {
        let mut data = false;
        while !octets.is_empty() && !self.lost {
            let skipped = self.rest.min(octets.len());
            self.rest -= skipped;
            octets = &octets[skipped..];
            while self.rest == 0 && self.read < HEADER {
                let Some((first, rest)) = octets.split_first() else { return data };
                self.header[self.read] = *first;
                self.read += 1;
                octets = rest;
            }
            if self.read == HEADER && self.rest == 0 {
                let [kind, major, _, high, low] = self.header;
                self.lost = major != 3;
                data |= kind == APPLICATION_DATA && !self.lost;
                (self.rest, self.read) = (usize::from(u16::from_be_bytes([high, low])), 0);
            }
        }
        data
    }

    pub(super) fn hole(&mut self) {
        self.lost = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encrypted_data_is_seen_however_the_records_are_cut() {
        let records = [&[22, 3, 1, 0, 4, 1, 1, 1, 1][..], &[20, 3, 3, 0, 1, 1], &[23, 3, 3, 0, 2, 9, 9]].concat();
        for size in 1..records.len() {
            let mut reader = Records::default();
            let seen: Vec<bool> = records.chunks(size).map(|piece| reader.push(piece)).collect();
            // The header of the third record ends with octet 20.
            let expected = (records.len().div_ceil(size), 19 / size);
            assert_eq!((seen.len(), seen.iter().position(|seen| *seen)), (expected.0, Some(expected.1)));
        }
        assert!(is_tls(&records) && is_handshake(&records) && !is_tls(b"INVITE"));
    }
}
