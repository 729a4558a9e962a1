//! The servers of a phone: which one a request goes to first, and which after that (RFC 3263 §4.3, RFC 2782).

use std::net::SocketAddr;

use super::behaviour::{Behaviour, Selection, Target};
use crate::experiment::agent::sip::Tokens;
use crate::units::RunTime;

/// A phone's servers and what it knows of them.
#[derive(Debug)]
pub(super) struct Targets {
    list: Vec<Target>,
    selection: Selection,
    keeps: bool,
    /// The one that answered a registration last.
    pub(super) worked: Option<usize>,
    /// Until when each wants to be left alone (Retry-After).
    shunned: Vec<Option<RunTime>>,
}

/// The targets of one request in the order in which they are tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Walk {
    order: Vec<usize>,
    at: usize,
}

impl Walk {
    /// One target and no other.
    pub(super) fn only(target: usize) -> Walk {
        Walk { order: vec![target], at: 0 }
    }

    /// The present target.
    pub(super) fn current(&self) -> usize {
        self.order.get(self.at).copied().unwrap_or(0)
    }

    /// Goes on to the next target; `false` when there is none.
    pub(super) fn advance(&mut self) -> bool {
        let more = self.at + 1 < self.order.len();
        self.at += usize::from(more);
        more
    }

    /// Tries these first, in their present order.
    pub(super) fn prefer(&mut self, first: impl Fn(usize) -> bool) {
        self.order.sort_by_key(|target| !first(*target));
    }
}

impl Targets {
    /// Of a phone that knows one server.
    pub(super) fn single(address: SocketAddr) -> Targets {
        Targets::fixed(&[address])
    }

    /// Of a phone that has no behaviour: it uses the first server for all but registrations.
    pub(super) fn fixed(addresses: &[SocketAddr]) -> Targets {
        let target = |&address: &SocketAddr| Target { address, priority: 0, weight: 0 };
        let list: Vec<Target> = addresses.iter().map(target).collect();
        let shunned = vec![None; list.len()];
        Targets { list, selection: Selection::First, keeps: true, worked: None, shunned }
    }

    /// Of a phone with a behaviour; `single` where its list is empty.
    pub(super) fn of(behaviour: &Behaviour, single: SocketAddr) -> Targets {
        if behaviour.targets.is_empty() {
            return Targets::single(single);
        }
        let list = behaviour.targets.clone();
        let shunned = vec![None; list.len()];
        let (selection, keeps) = (behaviour.selection, behaviour.keeps_target);
        Targets { list, selection, keeps, worked: None, shunned }
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn address(&self, target: usize) -> SocketAddr {
        self.list.get(target).unwrap_or(&self.list[0]).address
    }

    /// Leaves a target alone until `until`, as long as there is another one.
    pub(super) fn shun(&mut self, target: usize, until: RunTime) {
        if let Some(shunned) = self.shunned.get_mut(target) {
            *shunned = Some(until);
        }
    }

    /// The order for a new request.
    pub(super) fn walk(&self, now: RunTime, tokens: &mut Tokens) -> Walk {
        let order = match self.selection {
            Selection::First => vec![0],
            Selection::Listed => (0..self.list.len()).collect(),
            Selection::Srv => draw(&self.list, tokens),
        };
        let mut walk = Walk { order, at: 0 };
        if self.keeps {
            walk.prefer(|target| Some(target) == self.worked);
        }
        walk.prefer(|target| self.shunned[target].is_none_or(|until| until <= now));
        walk
    }
}

/// RFC 2782: by priority, and within one by a running sum of weights against a random number; those of weight 0
/// stand first in the sum, so that they have a small chance.
fn draw(list: &[Target], tokens: &mut Tokens) -> Vec<usize> {
    let mut left: Vec<usize> = (0..list.len()).collect();
    left.sort_by_key(|at| (list[*at].priority, list[*at].weight > 0));
    let mut order = Vec::new();
    while let Some(first) = left.first() {
        let priority = list[*first].priority;
        let same = left.iter().take_while(|at| list[**at].priority == priority).count();
        let sum: u64 = left[..same].iter().map(|at| u64::from(list[*at].weight)).sum();
        let number = tokens.number() % (sum + 1);
        let mut running = 0;
        let chosen = left[..same].iter().position(|at| {
            running += u64::from(list[*at].weight);
            running >= number
        });
        order.push(left.remove(chosen.unwrap_or(0)));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Span;

    fn targets(records: &[(u16, u16)], keeps: bool) -> Targets {
        let target = |(at, &(priority, weight)): (usize, &(u16, u16))| Target {
            address: SocketAddr::from(([10, 0, 0, at as u8], 5060)),
            priority,
            weight,
        };
        let list: Vec<Target> = records.iter().enumerate().map(target).collect();
        let shunned = vec![None; list.len()];
        Targets { list, selection: Selection::Srv, keeps, worked: None, shunned }
    }

    /// RFC 2782's law by hand: with weights 0, 60 and 20 the number is one of 0 … 80, so the first place goes to them
    /// 1, 60 and 20 times in 81.
    #[test]
    fn the_first_target_is_drawn_by_weight() {
        let (targets, mut tokens) = (targets(&[(10, 60), (10, 20), (10, 0), (20, 99)], false), Tokens::new(1, "t"));
        let mut first = [0u32; 4];
        let n = 20_000;
        for _ in 0..n {
            let walk = targets.walk(RunTime::ZERO, &mut tokens);
            assert_eq!(walk.order[3], 3, "the worse priority comes last");
            first[walk.current()] += 1;
        }
        for (seen, expected) in first.into_iter().zip([60.0, 20.0, 1.0, 0.0]) {
            let p = expected / 81.0;
            let deviation = (f64::from(n) * p * (1.0 - p)).sqrt();
            assert!((f64::from(seen) - f64::from(n) * p).abs() <= 4.0 * deviation, "{first:?}");
        }
    }

    #[test]
    fn a_target_that_worked_is_kept_to_and_one_that_asked_for_rest_comes_last() {
        let (mut kept, mut tokens) = (targets(&[(1, 0), (2, 0), (3, 0)], true), Tokens::new(1, "t"));
        kept.worked = Some(1);
        assert_eq!(kept.walk(RunTime::ZERO, &mut tokens).order, [1, 0, 2]);
        kept.shun(1, RunTime::ZERO + Span::from_secs(5));
        assert_eq!(kept.walk(RunTime::ZERO, &mut tokens).order, [0, 2, 1]);
        assert_eq!(kept.walk(RunTime::ZERO + Span::from_secs(5), &mut tokens).order, [1, 0, 2]);
    }

    #[test]
    fn a_walk_ends() {
        let mut walk = Walk { order: vec![2, 0], at: 0 };
        assert!(walk.current() == 2 && walk.advance() && walk.current() == 0 && !walk.advance());
        assert_eq!(walk.current(), 0);
    }
}
