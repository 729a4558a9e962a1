//! Messages out of a stream (RFC 3261 §18.3): the header ends at a blank line, the body at Content-Length.

use super::message::Message;

const LONGEST: usize = crate::wire::limits::LONGEST_SIP_MESSAGE;

/// What came out of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// One whole message.
    Message(Vec<u8>),
    /// A double line end: the far side wants a single one back (RFC 5626 §3.5.1).
    Ping,
}

/// Why a stream cannot be read any further; close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A message is longer than can be.
    #[error("a message of more than {LONGEST} octets: close the connection")]
    TooLong,
    /// What stands at the start of a message is none.
    #[error("the stream does not carry SIP: close the connection")]
    NotSip,
}

/// Cuts a stream into messages.
#[derive(Clone, Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    /// The header has not ended before the line that begins here: single octets shall not make it be read again
    /// and again.
    searched: usize,
}

impl Framer {
    /// Adds what was read from the stream.
    pub fn push(&mut self, octets: &[u8]) {
        self.buffer.extend_from_slice(octets);
    }

    /// Octets that are kept.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.capacity()
    }

    /// Whether no part of a message waits; what comes next begins one.
    #[must_use]
    pub fn is_between(&self) -> bool {
        self.buffer.iter().all(|octet| matches!(octet, b'\r' | b'\n'))
    }

    /// The next frame, if it is whole.
    ///
    /// # Errors
    /// When the stream makes no sense; there is no way back then.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        if self.buffer.starts_with(b"\r\n\r\n") {
            self.buffer.drain(..4);
            return Ok(Some(Frame::Ping));
        }
        // A lone line end is the answer to our ping, or half of one that is still coming.
        if self.buffer.starts_with(b"\r\n") && self.buffer.get(2).is_some_and(|&octet| octet != b'\r') {
            self.buffer.drain(..2);
        }
        if self.is_between() {
            return if self.buffer.len() > LONGEST { Err(FrameError::TooLong) } else { Ok(None) };
        }
        self.next_message()
    }

    fn next_message(&mut self) -> Result<Option<Frame>, FrameError> {
        let (searched, header) = header_length(&self.buffer, self.searched);
        self.searched = searched;
        let Some(header) = header else {
            return if self.buffer.len() > LONGEST { Err(FrameError::TooLong) } else { Ok(None) };
        };
        let message = Message::parse(&self.buffer[..header]).map_err(|_| FrameError::NotSip)?;
        // Without Content-Length, which a stream must have (§20.14), there is no body.
        let whole = header.saturating_add(message.content_length().unwrap_or(0));
        if whole > LONGEST {
            return Err(FrameError::TooLong);
        }
        if self.buffer.len() < whole {
            return Ok(None);
        }
        self.searched = 0;
        let rest = self.buffer.split_off(whole);
        Ok(Some(Frame::Message(std::mem::replace(&mut self.buffer, rest))))
    }
}

/// The start of the last line that was searched, and the octets up to the end of the blank line.
fn header_length(octets: &[u8], searched: usize) -> (usize, Option<usize>) {
    let ends = |octet: &u8| matches!(octet, b'\r' | b'\n');
    let first = octets.iter().position(|octet| !ends(octet)).unwrap_or(octets.len());
    let mut line = searched.max(first);
    while let Some(length) = octets[line..].iter().position(|&octet| octet == b'\n') {
        let end = line + length;
        if octets[line..end].iter().all(|&octet| octet == b'\r') {
            return (line, Some(end + 1));
        }
        line = end + 1;
    }
    (line, None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIRST: &[u8] = b"OPTIONS sip:h SIP/2.0\r\nl: 5\r\n\r\n\r\nabc";
    const SECOND: &[u8] = b"SIP/2.0 200 OK\r\nCall-ID: x\r\n\r\n";

    fn drain(framer: &mut Framer) -> Vec<Frame> {
        std::iter::from_fn(|| framer.next_frame().unwrap()).collect()
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_give_the_same_messages(piece in 1usize..40) {
            let stream = [&b"\r\n\r\n"[..], FIRST, SECOND, FIRST].concat();
            let mut framer = Framer::default();
            let mut frames = Vec::new();
            for piece in stream.chunks(piece) {
                framer.push(piece);
                frames.extend(drain(&mut framer));
            }
            let messages = [FIRST, SECOND, FIRST].map(|message| Frame::Message(message.to_vec()));
            prop_assert_eq!(&frames[0], &Frame::Ping);
            prop_assert_eq!(&frames[1..], &messages[..]);
        }

        #[test]
        fn no_stream_panics(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut framer = Framer::default();
            framer.push(&octets);
            while let Ok(Some(_)) = framer.next_frame() {}
        }
    }

    #[test]
    fn a_pong_is_swallowed_and_nonsense_is_an_error() {
        let mut framer = Framer::default();
        framer.push(b"\r\n");
        assert_eq!((framer.next_frame(), framer.is_between()), (Ok(None), true));
        framer.push(SECOND);
        assert_eq!(framer.next_frame(), Ok(Some(Frame::Message(SECOND.to_vec()))));
        framer.push(b"HELLO\r\n\r\n");
        assert_eq!(framer.next_frame(), Err(FrameError::NotSip));
        let mut framer = Framer::default();
        framer.push(b"OPTIONS sip:h SIP/2.0\r\nContent-Length: 99999999\r\n\r\n");
        assert_eq!(framer.next_frame(), Err(FrameError::TooLong));
    }
}
