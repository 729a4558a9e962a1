//! One function over many values, on as many processors as it pays: for what needs no order but that of its results.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread;

/// Fewer packets are not worth a thread: they take some 50 ms, and two threads of one core get in each other's way.
const PACKETS: usize = 1_000_000;

/// `each` of every value, in the order of the values, in which there are so many packets. How many threads there are shows
/// in nothing but the time taken.
pub(super) fn map<T: Send, R: Send>(values: Vec<T>, packets: usize, each: impl Fn(T) -> R + Sync) -> Vec<R> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let share = values.len().div_ceil(processors.min(packets / PACKETS).max(1)).max(1);
    let each = &each;
    let work = |share: Vec<T>| share.into_iter().map(each).collect::<Vec<R>>();
    thread::scope(|scope| {
        let mut shares = shares(values, share).into_iter();
        let own = shares.next().unwrap_or_default();
        let others: Vec<_> = shares.map(|share| scope.spawn(move || work(share))).collect();
        let mut all = work(own);
        for other in others {
            all.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        all
    })
}

fn shares<T>(mut values: Vec<T>, share: usize) -> Vec<Vec<T>> {
    let starts = (0..values.len()).step_by(share).rev();
    let mut shares: Vec<Vec<T>> = starts.map(|start| values.split_off(start)).collect();
    shares.reverse();
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_values() {
        for (length, packets) in [(0, 0), (1, 10), (7, 9 * PACKETS), (25, 2 * PACKETS), (1000, 100 * PACKETS)] {
            let values: Vec<usize> = (0..length).collect();
            let squares: Vec<usize> = values.iter().map(|value| value * value).collect();
            assert_eq!(map(values, packets, |value| value * value), squares);
        }
    }
}
