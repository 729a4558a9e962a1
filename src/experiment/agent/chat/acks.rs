//! Both counters of stream management (XEP-0198 §4) and what the other side has not acknowledged yet.

use std::collections::VecDeque;

use tokio_xmpp::minidom::Element;

/// What stream management knows of one session, on either side of the stream: the reference server counts
/// with it too.
#[derive(Debug, Default)]
pub struct Acks {
    /// Name of the session for resumption, where the server allows it.
    pub resumption: Option<String>,
    handled: u32,
    acknowledged: u32,
    unacknowledged: VecDeque<(Element, Option<u64>)>,
}

impl Acks {
    /// Counting starts: the server has enabled stream management.
    #[must_use]
    pub fn new(resumption: Option<String>) -> Acks {
        Acks { resumption, ..Acks::default() }
    }

    /// A stanza was sent; `message` when it is one of the planned messages.
    pub fn sent(&mut self, stanza: Element, message: Option<u64>) {
        self.unacknowledged.push_back((stanza, message));
    }

    /// A stanza came in.
    pub fn received(&mut self) {
        self.handled = self.handled.wrapping_add(1);
    }

    /// How many stanzas we handled, modulo 2^32.
    #[must_use]
    pub fn handled(&self) -> u32 {
        self.handled
    }

    /// The other side handled `h` stanzas: the planned messages that are acknowledged by that. A count beyond
    /// what was sent acknowledges nothing, for it cannot be about this session.
    pub fn acknowledge(&mut self, h: u32) -> Vec<u64> {
        let fresh = h.wrapping_sub(self.acknowledged) as usize;
        if fresh > self.unacknowledged.len() {
            return Vec::new();
        }
        self.acknowledged = h;
        self.unacknowledged.drain(..fresh).filter_map(|(_, message)| message).collect()
    }

    /// What must be sent again after resumption (XEP-0198 §5), in order.
    pub fn unacknowledged(&self) -> impl ExactSizeIterator<Item = &Element> {
        self.unacknowledged.iter().map(|(stanza, _)| stanza)
    }
}
