//! What listeners made of the streams, as plain tables of 80 columns: scores behind each de-jitter buffer, R(t), and
//! the words of named tables.

use super::tables::{Page, figure};
use crate::analysis::measure::model::{Categories, DejitterScore, Measured, StreamMeasured};
use crate::analysis::report::words::{refusals, wrap};

/// The de-jitter buffers in the order of the columns.
const BUFFERS: [&str; 3] = ["fixed50", "fixed200", "adaptive"];

impl Page {
    /// Scores behind each buffer, and why some streams have none.
    pub(super) fn listening(&mut self, measured: &Measured) {
        if measured.streams.iter().all(|stream| stream.dejitter.is_empty() && stream.mos_cqe_refused.is_none()) {
            return;
        }
        self.line("\nlistening          fixed 50 ms   fixed 200 ms   40 to 200 ms   second by second");
        self.line("            scale  late %   MOS   late %   MOS   late %   MOS   least  below 3.6");
        for stream in &measured.streams {
            self.line(&listening_line(stream));
        }
        let outside = |stream: &StreamMeasured| stream.dejitter.iter().any(|score| score.valid == Some(false));
        if measured.streams.iter().any(outside) {
            self.paragraph(
                "! The loss is outside the range for which the model was validated: a long outage is no random loss.",
            );
        }
        for reason in refusals(&measured.streams) {
            self.paragraph(&reason);
        }
    }

    /// What tables say; only of foreign captures, for a trial has them by period.
    pub(super) fn categories(&mut self, measured: &Measured) {
        let graded = || measured.streams.iter().filter_map(|stream| Some((stream, stream.categories.as_ref()?)));
        if measured.window.is_some() || graded().next().is_none() {
            return;
        }
        self.line("\nthesis-compatible  mean gap  variation  loss  jitter  overall index");
        for (stream, categories) in graded() {
            self.line(&thesis_line(stream, categories));
        }
        self.paragraph(
            "TIPHON (as cited in Indonesian theses), 4 is best. Theses print the mean gap in ms as delay and its \
             variation in ms as jitter, and so does the overall index here; neither is a delay.",
        );
    }

    fn paragraph(&mut self, text: &str) {
        for line in wrap(text, 77, "") {
            self.line(&format!("  {line}"));
        }
    }
}

fn listening_line(stream: &StreamMeasured) -> String {
    let score = |name: &str| stream.dejitter.iter().find(|score| score.dejitter == name);
    let cells: String = BUFFERS.into_iter().map(|name| buffer(score(name))).collect();
    let whole = stream.over_time.as_ref().map(|over_time| over_time.whole);
    let below = whole.map_or_else(|| "-".to_owned(), |whole| format!("{} s", whole.mos_below_3_6_s));
    // The last letter of the P.800.1 label: narrowband, wideband or fullband.
    let scale =
        stream.dejitter.iter().find_map(|score| score.model.as_deref()).and_then(|model| model.split(',').next());
    let scale = match scale {
        Some("MOS-CQEN") => "nb",
        Some("MOS-CQEW") => "wb",
        Some("MOS-CQEF") => "fb",
        _ => "-",
    };
    format!("0x{:08x}  {scale:<4} {cells} {:>6} {below:>10}", stream.ssrc, figure(whole.map(|whole| whole.mos_min), 2))
}

fn buffer(score: Option<&DejitterScore>) -> String {
    let late = figure(score.and_then(|score| score.discarded_percent), 2);
    let mos = figure(score.and_then(|score| score.mos_cqe), 2);
    let outside = if score.and_then(|score| score.valid) == Some(false) { "!" } else { " " };
    format!(" {late:>6} {mos:>5}{outside} ")
}

fn thesis_line(stream: &StreamMeasured, categories: &Categories) -> String {
    let index = |figure: &str| {
        let grade = categories.grades.iter().find(|grade| grade.figure == figure && grade.index.is_some());
        grade.and_then(|grade| grade.index).map_or_else(|| "-".to_owned(), |index| index.to_string())
    };
    let thesis = categories.thesis_compatible.as_ref();
    let overall = thesis.and_then(|thesis| thesis.tiphon.as_ref());
    format!(
        "0x{:08x}       {:>10} {:>10} {:>5} {:>7}  {}",
        stream.ssrc,
        figure(thesis.map(|thesis| thesis.packet_gap_ms_mean), 3),
        figure(thesis.map(|thesis| thesis.packet_gap_variation_ms), 3),
        index("loss_percent"),
        index("jitter_mean_ms"),
        overall.map_or_else(|| "-".to_owned(), |overall| format!("{:.2} {}", overall.index, overall.grade)),
    )
}

#[cfg(test)]
mod tests {
    use super::super::tables::tables;
    use super::*;

    fn stream(mos: Option<f64>, refused: Option<&str>) -> StreamMeasured {
        let score = |name: &str| DejitterScore {
            dejitter: name.into(),
            discarded_percent: Some(1.25),
            mos_cqe: mos,
            model: mos.map(|_| "MOS-CQEN, ITU-T G.107 (06/2015)".into()),
            valid: mos.map(|mos| mos > 2.0),
            ..DejitterScore::default()
        };
        StreamMeasured {
            dejitter: BUFFERS.map(score).into(),
            mos_cqe_refused: refused.map(str::to_owned),
            over_time_refused: refused.map(str::to_owned),
            ..StreamMeasured::default()
        }
    }

    #[test]
    fn a_refused_codec_has_its_reason_once_and_no_number() {
        let reason = "no score for opus: there is no ITU Ie or Bpl for Opus";
        let streams = vec![stream(Some(4.0), None), stream(None, Some(reason)), stream(None, Some(reason))];
        let text = tables(0, &Measured { streams, ..Measured::default() });
        assert!(text.contains("nb      1.25  4.00"), "{text}");
        assert!(text.contains("-       1.25     -"), "{text}");
        assert_eq!(text.matches("2 streams without MOS: no score for opus").count(), 1, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn what_is_outside_of_the_model_is_marked() {
        let text = tables(0, &Measured { streams: vec![stream(Some(1.5), None)], ..Measured::default() });
        assert!(text.contains("1.50!") && text.contains("  ! The loss is outside the range"), "{text}");
        let text = tables(0, &Measured { streams: vec![stream(Some(4.0), None)], ..Measured::default() });
        assert!(!text.contains('!'), "{text}");
    }
}
