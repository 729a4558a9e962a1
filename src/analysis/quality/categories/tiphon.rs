//! "TIPHON" as Indonesian theses cite it (attributed to ETSI TR 101 329 V2.1.1, 1999-06).
//!
//! The tables are reproduced because such theses must be compared with. ETSI's own TIPHON classes (best, high,
//! medium, acceptable, by R and one-way delay) are different, and the jitter table is not in them. Moreover the
//! theses' "delay" is usually the mean gap between packets, which is the packet time, and their "jitter" its
//! variation: [`gap_columns`] computes those two under names that say so.

use serde::Serialize;

use super::super::Provenance;
use super::{Category, graded};
use crate::units::Span;

/// How every grade of this module is labelled.
pub const TABLE: &str = "TIPHON (as cited in Indonesian theses)";

const GRADES: [(&str, Option<u8>); 4] =
    [("sangat bagus", Some(4)), ("bagus", Some(3)), ("sedang", Some(2)), ("jelek", Some(1))];

fn grade(value: f64, limits: [f64; 3]) -> Option<Category> {
    let limits = limits.into_iter().chain([f64::INFINITY]);
    let rows: Vec<_> = limits.zip(GRADES).map(|(limit, (words, index))| (limit, words, index)).collect();
    graded(TABLE, Provenance::Provisional, value, &rows)
}

/// Packet loss, %: 0, 3, 15 and 25 are printed, read as the lower ends of bands. `None` for NaN or below 0.
#[must_use]
pub fn loss(percent: f64) -> Option<Category> {
    grade(percent, [3.0, 15.0, 25.0])
}

/// Delay, ms: below 150, to 300, to 450, above. `None` for NaN or below 0.
#[must_use]
pub fn delay(ms: f64) -> Option<Category> {
    grade(ms, [150.0, 300.0_f64.next_up(), 450.0_f64.next_up()])
}

/// Jitter, ms: exactly 0, to 75, to 125, above. `None` for NaN or below 0.
#[must_use]
pub fn jitter(ms: f64) -> Option<Category> {
    grade(ms, [0.0_f64.next_up(), 75.0_f64.next_up(), 125.0_f64.next_up()])
}

/// Throughput, % of what was sent: 100, 75, 50, below. `None` for NaN or below 0.
#[must_use]
pub fn throughput(percent: f64) -> Option<Category> {
    let index = if percent >= 100.0 {
        0
    } else if percent >= 75.0 {
        1
    } else if percent >= 50.0 {
        2
    } else {
        3
    };
    let (grade, index) = GRADES[index];
    (percent >= 0.0).then_some(Category { table: TABLE, grade, index, provenance: Provenance::Provisional })
}

/// The overall index: the mean of the four.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Overall {
    /// The table, as it must be quoted.
    pub table: &'static str,
    /// Mean index, 1 to 4.
    pub index: f64,
    /// The same in %, of 4.
    pub percent: f64,
    /// The grade in the theses' words.
    pub grade: &'static str,
}

/// The overall index from throughput, delay, jitter and loss; `None` if one of them has no grade.
///
/// ```
/// use fivenines::analysis::quality::categories::tiphon;
/// let overall = tiphon::overall(99.0, 21.0, 3.5, 1.0).expect("all four are measured");
/// assert_eq!((overall.index, overall.grade), (3.5, "memuaskan"));
/// ```
#[must_use]
pub fn overall(throughput_percent: f64, delay_ms: f64, jitter_ms: f64, loss_percent: f64) -> Option<Overall> {
    let parts = [throughput(throughput_percent)?, delay(delay_ms)?, jitter(jitter_ms)?, loss(loss_percent)?];
    let index = parts.iter().filter_map(|part| part.index).map(f64::from).sum::<f64>() / 4.0;
    let grade = match index {
        i if i >= 3.8 => "sangat memuaskan",
        i if i >= 3.0 => "memuaskan",
        i if i >= 2.0 => "kurang memuaskan",
        _ => "jelek",
    };
    Some(Overall { table: TABLE, index, percent: 25.0 * index, grade })
}

/// The thesis-compatible columns.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct GapColumns {
    /// Mean gap between consecutive packets, ms (theses: "delay").
    pub mean_gap_ms: f64,
    /// `Σ |gap − previous gap| / (packets − 1)`, ms (theses: "jitter").
    pub gap_variation_ms: f64,
    /// Number of packets.
    pub packets: usize,
}

/// Mean packet gap and its variation from the distances of packets in capture order; `None` without one.
#[must_use]
pub fn gap_columns(gaps: impl IntoIterator<Item = Span>) -> Option<GapColumns> {
    let mut gaps = gaps.into_iter().map(Span::as_millis_f64);
    let mut before = gaps.next()?;
    let (mut sum, mut variation, mut n) = (before, 0.0, 1usize);
    gaps.for_each(|gap| {
        sum += gap;
        variation += (gap - before).abs();
        (before, n) = (gap, n + 1);
    });
    Some(GapColumns { mean_gap_ms: sum / n as f64, gap_variation_ms: variation / n as f64, packets: n + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(category: Option<Category>) -> u8 {
        category.and_then(|c| c.index).unwrap()
    }

    /// The tables as printed: loss 0/3/15/25 %, delay 150/300/450 ms, jitter 0/75/125 ms, throughput 100/75/50 %.
    #[test]
    fn indices_at_the_printed_limits() {
        assert_eq!([0.0, 2.0, 3.0, 15.0, 25.0, 80.0].map(|v| index(loss(v))), [4, 4, 3, 2, 1, 1]);
        assert_eq!([149.0, 150.0, 300.0, 301.0, 450.0, 451.0].map(|v| index(delay(v))), [4, 3, 3, 2, 2, 1]);
        assert_eq!([0.0, 0.1, 75.0, 76.0, 125.0, 225.0].map(|v| index(jitter(v))), [4, 3, 3, 2, 2, 1]);
        assert_eq!([100.0, 99.9, 75.0, 50.0, 20.0].map(|v| index(throughput(v))), [4, 3, 3, 2, 1]);
        assert_eq!((loss(f64::NAN), throughput(-1.0)), (None, None));
    }

    #[test]
    fn the_overall_index_is_the_mean() {
        let best = overall(100.0, 20.0, 0.0, 0.0).unwrap();
        assert_eq!((best.index, best.percent, best.grade), (4.0, 100.0, "sangat memuaskan"));
        let worst = overall(0.0, 500.0, 300.0, 60.0).unwrap();
        assert_eq!((worst.index, worst.percent, worst.grade), (1.0, 25.0, "jelek"));
        assert_eq!(overall(100.0, f64::NAN, 0.0, 0.0), None);
    }

    /// Gaps 20, 20, 1700, 20 ms: mean 440, variation (0 + 1680 + 1680)/4.
    #[test]
    fn an_outage_of_1_7_s_becomes_a_delay_of_440_ms() {
        let columns = gap_columns([20, 20, 1700, 20].map(Span::from_millis)).unwrap();
        assert_eq!((columns.mean_gap_ms, columns.gap_variation_ms, columns.packets), (440.0, 840.0, 5));
        assert_eq!(gap_columns([]), None);
    }
}
