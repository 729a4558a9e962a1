//! What named tables call delay, jitter and loss.

use crate::analysis::measure::figures::percentile;
use crate::analysis::measure::model::{Categories, Grade, QosPeriod, ThesisCompatible, TiphonIndex};
use crate::analysis::quality::categories::tiphon::{self, GapColumns, Overall};
use crate::analysis::quality::categories::{self, Category, IpPerformance};

/// The figures that tables grade; each where it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::analysis::measure) struct Graded {
    /// Mean one-way delay.
    pub(in crate::analysis::measure) delay_ms: Option<f64>,
    /// 99.9 % quantile of the delay minus the smallest.
    pub(in crate::analysis::measure) ipdv_ms: Option<f64>,
    /// Mean interarrival jitter (RFC 3550).
    pub(in crate::analysis::measure) jitter_ms: Option<f64>,
    /// Percent of the packets due.
    pub(in crate::analysis::measure) loss_percent: Option<f64>,
    /// Mean packet gap and its variation.
    pub(in crate::analysis::measure) gaps: Option<(f64, f64)>,
}

/// The columns of one stream as the pair that [`Graded`] takes.
pub(in crate::analysis::measure) fn pair(columns: GapColumns) -> (f64, f64) {
    (columns.mean_gap_ms, columns.gap_variation_ms)
}

/// What named tables call a period, with the mean packet gap and its variation, both in milliseconds.
#[must_use]
pub fn categories_of(period: &QosPeriod, gaps: Option<(f64, f64)>) -> Option<Categories> {
    categories(&Graded {
        delay_ms: period.delay_ms_mean,
        ipdv_ms: period.ipdv_ms,
        jitter_ms: period.jitter_ms_mean,
        loss_percent: period.loss_percent,
        gaps,
    })
}

/// A 99.9 % quantile takes so many packets.
const LEAST_PACKETS: usize = 1000;

/// IPDV of the delays of one stream, in milliseconds: their 99.9 % quantile minus the smallest (Y.1540); `None` under
/// 1,000 packets.
pub(in crate::analysis::measure) fn ipdv_ms(mut delays: Vec<f64>) -> Option<f64> {
    if delays.len() < LEAST_PACKETS {
        return None;
    }
    delays.sort_by(f64::total_cmp);
    Some(percentile(&delays, 0.999)? - delays.first()?)
}

/// All grades; `None` where there is nothing to grade.
pub(in crate::analysis::measure) fn categories(figures: &Graded) -> Option<Categories> {
    let Graded { delay_ms, ipdv_ms, jitter_ms, loss_percent, gaps } = *figures;
    // Packets of one stream are of one size: what arrives of them is what arrives of the octets.
    let throughput = loss_percent.map(|loss| (100.0 - loss).max(0.0));
    let overall = |delay: f64, jitter: f64| tiphon::overall(throughput?, delay, jitter, loss_percent?).map(index);
    let y1541 = delay_ms.zip(ipdv_ms).zip(loss_percent).map(|((iptd_ms, ipdv_ms), loss)| {
        let path = IpPerformance { iptd_ms, ipdv_ms, iplr: loss / 100.0 };
        categories::classes_met(path).map(|class| class.class).collect::<Vec<u8>>()
    });
    let all = Categories {
        grades: grades(figures, throughput),
        y1541_provenance: y1541.as_ref().map(|_| Y1541_PROVENANCE.to_owned()),
        y1541_classes: y1541,
        tiphon: delay_ms.zip(jitter_ms).and_then(|(delay, jitter)| overall(delay, jitter)),
        thesis_compatible: gaps.map(|(mean, variation)| ThesisCompatible {
            packet_gap_ms_mean: mean,
            packet_gap_variation_ms: variation,
            tiphon: overall(mean, variation),
        }),
    };
    (all != Categories::default()).then_some(all)
}

/// Only the objectives of class 0 were read in a source.
const Y1541_PROVENANCE: &str = "class 0 published (one source read), the others provisional";

/// A table's answer to a figure.
type Table = fn(f64) -> Option<Category>;

fn grades(figures: &Graded, throughput: Option<f64>) -> Vec<Grade> {
    let tables: [(&str, Option<f64>, &[Table]); 4] = [
        ("delay_mean_ms", figures.delay_ms, &[categories::g114, categories::g1010_voice_delay, tiphon::delay]),
        ("jitter_mean_ms", figures.jitter_ms, &[tiphon::jitter]),
        (
            "loss_percent",
            figures.loss_percent,
            &[categories::g1010_voice_loss, categories::loss_as_theses_cite, tiphon::loss],
        ),
        ("throughput_percent", throughput, &[tiphon::throughput]),
    ];
    let of = |(figure, value, tables): (&str, Option<f64>, &[Table])| -> Vec<Grade> {
        let answers = tables.iter().filter_map(|table| table(value?));
        answers.map(|category| grade(figure, value.unwrap_or_default(), category)).collect()
    };
    tables.into_iter().flat_map(of).collect()
}

fn grade(figure: &str, value: f64, category: Category) -> Grade {
    Grade {
        figure: figure.to_owned(),
        value,
        table: category.table.to_owned(),
        grade: category.grade.to_owned(),
        index: category.index,
        provenance: category.provenance.to_string(),
    }
}

fn index(overall: Overall) -> TiphonIndex {
    let Overall { table, index, percent, grade } = overall;
    TiphonIndex { table: table.to_owned(), index, percent, grade: grade.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the tables: 20 ms is good, preferred and 4; 3.5 ms of jitter is 3; 1 % of loss is good and 4; 99 % is 3.
    #[test]
    fn every_figure_has_its_tables() {
        let figures = Graded {
            delay_ms: Some(20.0),
            ipdv_ms: Some(60.0),
            jitter_ms: Some(3.5),
            loss_percent: Some(0.05),
            gaps: Some((20.0, 0.0)),
        };
        let all = categories(&figures).unwrap();
        let told: Vec<(&str, &str, Option<u8>)> =
            all.grades.iter().map(|grade| (grade.figure.as_str(), grade.grade.as_str(), grade.index)).collect();
        assert_eq!(
            told,
            [
                ("delay_mean_ms", "good", None),
                ("delay_mean_ms", "preferred", None),
                ("delay_mean_ms", "sangat bagus", Some(4)),
                ("jitter_mean_ms", "bagus", Some(3)),
                ("loss_percent", "within the limit", None),
                ("loss_percent", "very good", None),
                ("loss_percent", "sangat bagus", Some(4)),
                ("throughput_percent", "bagus", Some(3)),
            ]
        );
        assert_eq!(all.y1541_classes, Some(vec![2, 3, 4, 5]));
        assert_eq!(all.tiphon.unwrap().index, 3.5);
        // The theses' jitter of a perfect clock is 0, hence one index more.
        assert_eq!(all.thesis_compatible.unwrap().tiphon.unwrap().index, 3.75);
    }

    /// 1,000 delays 0.1, 0.2 … 100.0 ms: the 999th is 99.9.
    #[test]
    fn a_quantile_takes_a_thousand_packets() {
        let delays = |n: u32| (1..=n).map(|k| f64::from(k) / 10.0).rev().collect::<Vec<_>>();
        assert!((ipdv_ms(delays(1000)).unwrap() - 99.8).abs() < 1e-9);
        assert_eq!(ipdv_ms(delays(999)), None);
    }

    #[test]
    fn what_is_not_known_has_no_grade() {
        assert_eq!(categories(&Graded::default()), None);
        let capture = categories(&Graded { loss_percent: Some(1.0), ..Graded::default() }).unwrap();
        assert!(capture.grades.iter().all(|grade| !grade.figure.starts_with("delay")));
        assert_eq!((capture.y1541_classes, capture.tiphon, capture.thesis_compatible), (None, None, None));
    }
}
