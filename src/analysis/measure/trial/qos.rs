//! Media before, during and after the outages.

use std::collections::BTreeSet;

use super::faults::Faults;
use super::score::Heard;
use crate::analysis::measure::figures::{mean, percentile};
use crate::analysis::measure::listening::Score;
use crate::analysis::measure::listening::categories::{categories_of, ipdv_ms};
use crate::analysis::measure::model::{Outage, PeriodDejitter, QosPeriod, Window};
use crate::analysis::quality::categories::tiphon::GapColumns;
use crate::analysis::quality::codec::CodecRating;
use crate::analysis::quality::dejitter::Profile;
use crate::units::{RunTime, Span};

/// Half-open stretches of time.
type Stretches = Vec<(RunTime, RunTime)>;
/// One of a stream's three parts.
type Part = fn(&Parts) -> &Stretches;

/// The three periods; without a fault all is `before`. A period without due media is left out.
pub(super) fn periods(
    heard: &[Heard<'_>],
    faults: &Faults,
    outages: &[Outage],
    window: Window,
    clock_error: Span,
) -> Vec<QosPeriod> {
    let during = during(faults, outages, window);
    let first = faults.list.first().map_or(window.end_ns, |fault| fault.command_start_ns.min(window.end_ns));
    let first = during.first().map_or(first, |(start, _)| first.min(*start));
    let parts: Vec<(&Heard<'_>, Parts)> = heard
        .iter()
        .map(|stream| {
            let dead = never_back(stream, outages).map(|start| (start, window.end_ns));
            let during = joined(during.iter().copied().chain(dead).collect());
            let after = complement(&during, first, window.end_ns);
            (stream, Parts { before: vec![(window.start_ns, first)], during, after })
        })
        .collect();
    let of: [(&str, Part); 3] = [("before", |of| &of.before), ("during", |of| &of.during), ("after", |of| &of.after)];
    of.iter().filter_map(|(name, stretches)| period(name, *stretches, &parts, clock_error)).collect()
}

/// What is before, during and after for one stream.
struct Parts {
    before: Stretches,
    during: Stretches,
    after: Stretches,
}

/// From each fault's effect on the media until all media that came back is back, or, where none of it does, until the
/// next call can be placed; else until the window ends. And while a path was degraded.
fn during(faults: &Faults, outages: &[Outage], window: Window) -> Stretches {
    let mut stretches: Stretches = faults.degraded(window.end_ns).collect();
    for fault in &faults.list {
        let of = |service: &'static str| {
            outages.iter().filter(move |o| o.service == service && o.fault == Some(fault.fault))
        };
        let Some(start) = of("media").map(|outage| outage.start_ns).min() else { continue };
        let back = |service| of(service).filter_map(|outage| outage.end_ns).max();
        let end = back("media").or_else(|| back("new_call")).or_else(|| back("sip_answer"));
        stretches.push((start, end.unwrap_or(window.end_ns).clamp(start, window.end_ns.max(start))));
    }
    joined(stretches)
}

/// When a listener heard the last of his call, if he heard nothing again while it was to last, or until he hung up:
/// what is after for others is not after for him.
fn never_back(heard: &Heard<'_>, outages: &[Outage]) -> Option<RunTime> {
    let (scope, direction) = (format!("call {}", heard.stream.call), Some(heard.stream.direction));
    let his = outages.iter().filter(|o| o.service == "media" && o.scope == scope && o.direction == direction);
    his.filter(|outage| outage.end_ns.is_none()).map(|outage| outage.start_ns).min()
}

/// In order of time; what overlaps or touches is one.
fn joined(mut stretches: Stretches) -> Stretches {
    stretches.sort_unstable();
    let mut joined: Stretches = Vec::new();
    for (start, end) in stretches {
        match joined.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => joined.push((start, end)),
        }
    }
    joined
}

fn complement(stretches: &Stretches, start: RunTime, end: RunTime) -> Stretches {
    let mut rest = Vec::new();
    let mut at = start;
    for (from, to) in stretches {
        if *from > at {
            rest.push((at, *from));
        }
        at = at.max(*to);
    }
    if end > at {
        rest.push((at, end));
    }
    rest
}

fn period(name: &str, stretches: Part, heard: &[(&Heard<'_>, Parts)], clock_error: Span) -> Option<QosPeriod> {
    let mut gathered = Gathered::default();
    heard.iter().for_each(|(stream, parts)| gathered.add(stream, stretches(parts)));
    gathered.period(name, clock_error)
}

/// What the streams of a period have together.
#[derive(Default)]
struct Gathered {
    streams: u64,
    expected: u64,
    lost: u64,
    delays: Vec<f64>,
    jitter: Vec<f64>,
    ipdv: Vec<f64>,
    gaps: Vec<GapColumns>,
    /// Of each stream, behind each buffer.
    scores: Vec<Vec<Score>>,
    chosen: usize,
}

impl Gathered {
    fn add(&mut self, heard: &Heard<'_>, stretches: &Stretches) {
        let parts: Vec<_> = stretches.iter().map(|(start, end)| heard.due(*start, *end)).collect();
        let due: usize = parts.iter().map(ExactSizeIterator::len).sum();
        if due == 0 {
            return;
        }
        self.streams += 1;
        self.expected += due as u64;
        let packets = parts.iter().flat_map(|part| heard.packets.get(part.clone()).unwrap_or_default());
        self.lost += packets.filter(|packet| packet.is_none()).count() as u64;
        let delays: Vec<f64> = parts.iter().flat_map(|part| heard.delays(part.clone())).collect();
        self.delays.extend(&delays);
        self.ipdv.extend(ipdv_ms(delays));
        let inside = |at: RunTime| stretches.iter().any(|(start, end)| at >= *start && at < *end);
        self.jitter.extend(heard.stream.jitter.iter().filter(|(at, _)| inside(*at)).map(|(_, jitter)| *jitter));
        self.gaps.extend(stretches.iter().filter_map(|(start, end)| heard.gaps(*start, *end)));
        self.scores.push(heard.scores(&parts));
        self.chosen = heard.chosen();
    }

    fn period(mut self, name: &str, clock_error: Span) -> Option<QosPeriod> {
        for values in [&mut self.delays, &mut self.jitter, &mut self.ipdv] {
            values.sort_by(f64::total_cmp);
        }
        let buffers: Vec<PeriodDejitter> =
            (0..Profile::ALL.len()).map(|place| behind(&self.scores, place, place == self.chosen)).collect();
        let own = buffers.iter().find(|buffer| buffer.chosen).cloned().unwrap_or_default();
        let loss_percent = (self.expected > 0).then(|| 100.0 * self.lost as f64 / self.expected as f64);
        let period = QosPeriod {
            period: name.to_owned(),
            streams: self.streams,
            expected: self.expected,
            loss_percent,
            delay_ms_mean: mean(self.delays.iter().copied()),
            delay_ms_p50: percentile(&self.delays, 0.5),
            delay_ms_p95: percentile(&self.delays, 0.95),
            delay_error_ms: (!self.delays.is_empty()).then(|| clock_error.as_millis_f64()),
            ipdv_ms: percentile(&self.ipdv, 0.5),
            jitter_ms_mean: mean(self.jitter.iter().copied()),
            jitter_ms_p95: percentile(&self.jitter, 0.95),
            mos_median: own.mos_median,
            mos_min: own.mos_min,
            mos_valid: own.valid,
            mos_refused: refusals(&self.scores),
            dejitter: buffers,
            categories: None,
        };
        let categories = categories_of(&period, mean_gaps(&self.gaps));
        (self.expected > 0).then_some(QosPeriod { categories, ..period })
    }
}

/// Why streams have no score behind any buffer, each reason once.
fn refusals(scores: &[Vec<Score>]) -> Vec<String> {
    let reasons = scores.iter().flatten().filter_map(|score| score.rating.as_ref().err());
    reasons.cloned().collect::<BTreeSet<String>>().into_iter().collect()
}

/// Mean gap and variation over all gaps of all streams.
fn mean_gaps(columns: &[GapColumns]) -> Option<(f64, f64)> {
    let gaps = |columns: &GapColumns| columns.packets.saturating_sub(1) as f64;
    let all: f64 = columns.iter().map(gaps).sum();
    let weighted = |get: fn(&GapColumns) -> f64| columns.iter().map(|of| get(of) * gaps(of)).sum::<f64>() / all;
    (all > 0.0).then(|| (weighted(|of| of.mean_gap_ms), weighted(|of| of.gap_variation_ms)))
}

/// The streams behind one buffer. Scores on different scales have no common median.
fn behind(scores: &[Vec<Score>], place: usize, chosen: bool) -> PeriodDejitter {
    let of: Vec<&Score> = scores.iter().filter_map(|buffers| buffers.get(place)).collect();
    let rated: Vec<&CodecRating> = of.iter().filter_map(|score| score.rating.as_ref().ok()).collect();
    let models: BTreeSet<String> = of.iter().filter_map(|score| score.model()).collect();
    let sorted = |values: &mut dyn Iterator<Item = f64>| {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let comparable = || rated.iter().filter(|_| models.len() == 1);
    let mos = sorted(&mut comparable().map(|rating| rating.mos));
    let due: u64 = of.iter().map(|score| score.runs.slots).sum();
    let discarded: u64 = of.iter().map(|score| score.runs.discarded).sum();
    PeriodDejitter {
        dejitter: of.first().map_or_else(String::new, |score| score.profile.name()),
        chosen,
        model: models.iter().cloned().collect::<Vec<_>>().join(" and "),
        scored: rated.len() as u64,
        discarded_percent: (due > 0).then(|| 100.0 * discarded as f64 / due as f64),
        nominal_delay_ms: percentile(&sorted(&mut of.iter().filter_map(|score| score.nominal_ms)), 0.5),
        r_median: percentile(&sorted(&mut comparable().map(|rating| rating.r)), 0.5),
        mos_median: percentile(&mos, 0.5),
        mos_min: mos.first().copied(),
        valid: rated.iter().all(|rating| !rating.validity.outside_validity),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_during_is_after() {
        let at = RunTime::from_millis;
        assert_eq!(complement(&vec![(at(3), at(5)), (at(7), at(9))], at(2), at(9)), [(at(2), at(3)), (at(5), at(7))]);
        assert_eq!(complement(&vec![], at(2), at(2)), []);
    }
}
