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

    /// So many ports that are not in use; `None` when there are not enough left.
    pub(super) fn take(&mut self, count: usize, in_use: impl Fn(u16) -> bool) -> Option<Vec<u16>> {
        let mut taken = Vec::with_capacity(count);
        for _ in 0..count {
            let port = self.take_one(|port| taken.contains(&port) || in_use(port))?;
            taken.push(port);
        }
        Some(taken)
    }

    fn take_one(&mut self, in_use: impl Fn(u16) -> bool) -> Option<u16> {
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
        assert_eq!(ports.take(2, |_| false), Some(vec![4002, 4004]));
        assert_eq!(ports.take(2, |port| port == 4006), Some(vec![4008, 4002]));
        assert_eq!(ports.take(2, |port| port != 4004), None);
    }
}
