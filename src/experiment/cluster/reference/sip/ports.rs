//! Even ports for relayed media, handed out in turn so that late packets of an old call meet no new one.

use std::ops::Range;

/// The ports of one node.
#[derive(Debug)]
pub(super) struct Ports {
    range: Range<u16>,
    next: u16,
}

impl Ports {
    pub(super) fn new(range: Range<u16>) -> Ports {
        Ports { next: range.start, range }
    }

    /// Two ports that are not in use; `None` when there are none left.
    pub(super) fn take_two(&mut self, in_use: impl Fn(u16) -> bool) -> Option<[u16; 2]> {
        let first = self.take(&in_use)?;
        let second = self.take(|port| port == first || in_use(port))?;
        Some([first, second])
    }

    fn take(&mut self, in_use: impl Fn(u16) -> bool) -> Option<u16> {
        let even = |ports: Range<u16>| ports.filter(|port| port % 2 == 0);
        let mut turn = even(self.next..self.range.end).chain(even(self.range.start..self.next));
        let port = turn.find(|&port| !in_use(port))?;
        self.next = port.saturating_add(1);
        Some(port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_even_free_and_taken_in_turn() {
        let mut ports = Ports::new(4001..4010);
        assert_eq!(ports.take_two(|_| false), Some([4002, 4004]));
        assert_eq!(ports.take_two(|port| port == 4006), Some([4008, 4002]));
        assert_eq!(ports.take_two(|port| port != 4004), None);
    }
}
