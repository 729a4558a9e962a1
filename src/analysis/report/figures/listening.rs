//! What listeners heard in a foreign capture, second by second: over all streams, and in those that sounded worst.

use std::collections::BTreeMap;

use crate::analysis::measure::model::{Measured, Outage, StreamMeasured};
use crate::analysis::report::words;
use crate::units::{RunTime, Span};

use super::data::{Axis, FigureData, Glyph, Legend, Mark, Panel, Role, Vertical};
use super::seconds::{lowest, median_and, middle};

/// Streams with a panel of their own.
const MOST_PANELS: usize = 8;
/// Two seconds of a stream that begin further apart do not follow each other: media was not due between them.
const APART: Span = Span::from_millis(1500);

/// MOS of each second: the median stream and the lowest one, then the worst streams by themselves, outages shaded.
#[must_use]
pub fn of_capture(measured: &Measured) -> FigureData {
    let rated: Vec<&StreamMeasured> = measured.streams.iter().filter(|stream| lowest_of(stream).is_some()).collect();
    let mut worst = rated.clone();
    worst.sort_by(|a, b| lowest_of(a).unwrap_or(f64::MAX).total_cmp(&lowest_of(b).unwrap_or(f64::MAX)));
    worst.truncate(MOST_PANELS);
    let time = Time::of(measured);
    let mut panels = Vec::new();
    if rated.len() > 1 {
        panels.push(overview(&rated, measured, &time));
    }
    panels.extend(worst.iter().map(|stream| alone(stream, measured, &time)));
    let mut legend = median_and("lowest stream");
    legend.truncate(2 * usize::from(rated.len() > 1));
    if rated.len() == 1 {
        legend.push(Legend { glyph: Glyph::Line, role: Role::Median, text: "the stream" });
    }
    if panels.iter().flat_map(|panel| &panel.marks).any(|mark| mark.role() == Role::Fault) {
        legend.push(Legend { glyph: Glyph::Box, role: Role::Fault, text: "media out" });
    }
    FigureData {
        name: "listening",
        title: "What listeners heard".to_owned(),
        caption: caption(measured, &rated, worst.len()),
        legend,
        panels,
    }
}

fn lowest_of(stream: &StreamMeasured) -> Option<f64> {
    stream.seconds.iter().filter_map(|second| second.mos).reduce(f64::min)
}

fn caption(measured: &Measured, rated: &[&StreamMeasured], panels: usize) -> String {
    let model = rated.iter().find_map(|stream| stream.over_time.as_ref()).map(|over_time| over_time.model.as_str());
    let mut caption = format!(
        "MOS-CQE of each second as listeners follow it ({}), behind a buffer of 50 ms; below 3.6 some users are \
         dissatisfied.",
        model.unwrap_or("ITU-T G.107")
    );
    if panels < rated.len() {
        caption.push_str(&format!(" Of {} streams the {panels} that fell lowest have a panel.", rated.len()));
    }
    let without = measured.streams.len() - rated.len();
    if without > 0 {
        let streams = words::plural(without as u64, "stream has", "streams have");
        caption.push_str(&format!(" {streams} no curve: the table of streams says why."));
    }
    caption
}

/// The horizontal axis of all panels.
struct Time {
    zero: RunTime,
    axis: Axis,
}

impl Time {
    fn of(measured: &Measured) -> Time {
        let (zero, (start, end)) = (measured.zero(), measured.span());
        let s = |at: RunTime| (at - zero).as_secs_f64();
        Time { zero, axis: Axis::linear("time since the first packet, s", s(start), s(end)) }
    }

    fn s(&self, at: RunTime) -> f64 {
        (at - self.zero).as_secs_f64()
    }

    fn end_of(&self, second: RunTime) -> f64 {
        self.s(second + Span::from_secs(1)).min(self.axis.high)
    }

    /// Outages as shaded times, those that overlap as one.
    fn bands<'a>(&self, outages: impl Iterator<Item = &'a Outage>) -> Vec<Mark> {
        let span = |outage: &Outage| (self.s(outage.start_ns), outage.end_ns.map_or(self.axis.high, |end| self.s(end)));
        let mut spans: Vec<(f64, f64)> = outages.map(span).collect();
        spans.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut merged: Vec<(f64, f64)> = Vec::new();
        for (from, to) in spans {
            match merged.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        let band = |(from, to)| Mark::Band { from, to, title: format!("media out from {from:.3} to {to:.3} s") };
        merged.into_iter().map(band).collect()
    }
}

fn is_media(outage: &&Outage) -> bool {
    outage.service == "media"
}

fn overview(rated: &[&StreamMeasured], measured: &Measured, time: &Time) -> Panel {
    let mut bins: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for second in rated.iter().flat_map(|stream| &stream.seconds) {
        bins.entry(time.s(second.at_ns).floor() as i64).or_default().extend(second.mos);
    }
    let line = |pick: fn(&[f64]) -> Option<f64>| {
        let second = |(bin, mos): (&i64, &Vec<f64>)| {
            let (from, mos) = (*bin as f64, pick(mos));
            let to = (from + 1.0).min(time.axis.high);
            let next = bins.contains_key(&(bin + 1));
            [Some((from, mos)), Some((to, mos)), (!next).then_some((to, None))]
        };
        bins.iter().flat_map(second).flatten().collect()
    };
    let mut marks = time.bands(measured.outages.iter().filter(is_media));
    marks.push(Mark::Line { points: line(lowest), role: Role::Worst, dashed: true, title: "lowest stream".to_owned() });
    marks.push(Mark::Line {
        points: line(middle),
        role: Role::Median,
        dashed: false,
        title: "median over streams".to_owned(),
    });
    panel(format!("{} streams: MOS-CQE", rated.len()), marks, time)
}

fn alone(stream: &StreamMeasured, measured: &Measured, time: &Time) -> Panel {
    let scope = stream.scope();
    let of_stream = |outage: &&Outage| outage.scope == scope && outage.direction == stream.direction;
    let mut marks = time.bands(measured.outages.iter().filter(is_media).filter(of_stream));
    let mut points = Vec::new();
    for (place, second) in stream.seconds.iter().enumerate() {
        let end = time.end_of(second.at_ns);
        points.extend([(time.s(second.at_ns), second.mos), (end, second.mos)]);
        if stream.seconds.get(place + 1).is_some_and(|next| next.at_ns - second.at_ns > APART) {
            points.push((end, None));
        }
    }
    marks.push(Mark::Line { points, role: Role::Median, dashed: false, title: format!("{:#010x}", stream.ssrc) });
    let whose = stream.call.map_or_else(String::new, |call| format!(", call {call}"));
    let hears = stream.direction.map_or("", words::hears);
    panel(format!("{:#010x}, {} → {}{whose}{hears}", stream.ssrc, stream.src, stream.dst), marks, time)
}

fn panel(title: String, marks: Vec<Mark>, time: &Time) -> Panel {
    let y = Vertical::Value(Axis::linear("MOS-CQE", 1.0, 4.5));
    Panel { title, x: time.axis.clone(), y, notes: Vec::new(), marks }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::measure::model::{Captured, MosSecond};

    fn stream(ssrc: u32, mos: &[f64]) -> StreamMeasured {
        let second = |(place, mos): (usize, &f64)| MosSecond {
            at_ns: RunTime::from_millis(1000 * place as i64),
            mos: Some(*mos),
            ..MosSecond::default()
        };
        let seconds = mos.iter().enumerate().map(second).collect();
        StreamMeasured {
            ssrc,
            src: format!("10.0.0.{ssrc}:1"),
            dst: "10.0.0.9:1".into(),
            seconds,
            ..Default::default()
        }
    }

    fn capture() -> Measured {
        let end_ns = RunTime::from_millis(3500);
        let outage = |start, end| Outage {
            service: "media".into(),
            scope: "10.0.0.2:1 → 10.0.0.9:1".into(),
            start_ns: RunTime::from_millis(start),
            end_ns: end,
            ..Outage::default()
        };
        Measured {
            captured: Some(Captured { first_ns: RunTime::ZERO, start_ns: RunTime::ZERO, end_ns }),
            streams: vec![stream(1, &[4.4, 4.4, 4.4, 4.4]), stream(2, &[4.4, 2.0, 3.0, 3.5]), stream(3, &[])],
            outages: vec![outage(1100, Some(RunTime::from_millis(1900))), outage(1500, None)],
            ..Measured::default()
        }
    }

    #[test]
    fn the_worst_stream_comes_first_and_its_outages_are_one_shade() {
        let figure = of_capture(&capture());
        assert_eq!(figure.panels.len(), 3, "both rated streams and the overview");
        assert!(figure.panels[1].title.starts_with("0x00000002") && figure.caption.contains("1 stream has no curve"));
        let bands = |panel: &Panel| {
            let band = |mark: &Mark| match mark {
                Mark::Band { from, to, .. } => Some((*from, *to)),
                _ => None,
            };
            panel.marks.iter().filter_map(band).collect::<Vec<_>>()
        };
        assert_eq!((bands(&figure.panels[1]), bands(&figure.panels[2])), (vec![(1.1, 3.5)], vec![]));
        let Some(Mark::Line { points, .. }) = figure.panels[0].marks.iter().find(|mark| mark.role() == Role::Worst)
        else {
            panic!("no line of the lowest stream");
        };
        assert_eq!(
            (points[2], points[7]),
            ((1.0, Some(2.0)), (3.5, Some(3.5))),
            "the last second ends with the capture"
        );
    }

    #[test]
    fn a_hold_breaks_the_line_and_nothing_rated_is_no_figure() {
        let mut measured = capture();
        measured.streams[1].seconds[2].at_ns = RunTime::from_millis(3000);
        let figure = of_capture(&measured);
        let Some(Mark::Line { points, .. }) = figure.panels[1].marks.last() else { panic!("no line") };
        assert_eq!(points.iter().filter(|(_, mos)| mos.is_none()).count(), 1);
        assert!(!of_capture(&Measured::default()).has_data());
    }
}
