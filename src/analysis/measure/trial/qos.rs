//! Media before, during and after the outages.

use super::faults::Faults;
use super::score::Heard;
use crate::analysis::measure::figures::percentile;
use crate::analysis::measure::model::{Outage, QosPeriod, Window};
use crate::units::{RunTime, Span};

/// Half-open stretches of time.
type Stretches = Vec<(RunTime, RunTime)>;

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
    let after = complement(&during, first, window.end_ns);
    let periods = [("before", vec![(window.start_ns, first)]), ("during", during), ("after", after)];
    periods.iter().filter_map(|(name, stretches)| period(name, stretches, heard, clock_error)).collect()
}

/// From each fault's effect on the media until all media that it took is back, or the window ends.
fn during(faults: &Faults, outages: &[Outage], window: Window) -> Stretches {
    let mut stretches: Stretches = Vec::new();
    for fault in &faults.list {
        let of = || outages.iter().filter(|o| o.service == "media" && !o.left && o.fault == Some(fault.fault));
        let start = of().map(|outage| outage.start_ns).min();
        // What a user who hung up never heard again does not go on for the others.
        let known = |outage: &Outage| outage.start_ns + Span::from_secs_f64(outage.duration_ms / 1e3);
        let end = of().map(|outage| outage.end_ns.unwrap_or(known(outage)).min(window.end_ns)).max();
        let (Some(start), Some(end)) = (start, end) else { continue };
        match stretches.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => stretches.push((start, end)),
        }
    }
    stretches
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

fn period(name: &str, stretches: &Stretches, heard: &[Heard<'_>], clock_error: Span) -> Option<QosPeriod> {
    let mut period = QosPeriod {
        period: name.to_owned(),
        streams: 0,
        expected: 0,
        loss_percent: None,
        delay_ms_p50: None,
        delay_ms_p95: None,
        delay_error_ms: None,
        jitter_ms_p95: None,
        mos_median: None,
        mos_min: None,
        mos_valid: true,
    };
    let (mut lost, mut delays, mut jitter, mut scores) = (0u64, Vec::new(), Vec::new(), Vec::new());
    for stream in heard {
        let ranges: Vec<_> = stretches.iter().map(|(start, end)| stream.due(*start, *end)).collect();
        let due: usize = ranges.iter().map(ExactSizeIterator::len).sum();
        if due == 0 {
            continue;
        }
        period.streams += 1;
        period.expected += due as u64;
        for range in &ranges {
            let packets = stream.packets.get(range.clone()).unwrap_or_default();
            lost += packets.iter().filter(|packet| packet.is_none()).count() as u64;
            delays.extend(stream.delays(range.clone()));
        }
        let inside = |at: RunTime| stretches.iter().any(|(start, end)| at >= *start && at < *end);
        jitter.extend(stream.stream.jitter.iter().filter(|(at, _)| inside(*at)).map(|(_, jitter)| *jitter));
        if let Some(score) = stream.score_of(&ranges) {
            period.mos_valid &= score.valid;
            scores.push(score.mos);
        }
    }
    for values in [&mut delays, &mut jitter, &mut scores] {
        values.sort_by(f64::total_cmp);
    }
    period.loss_percent = (period.expected > 0).then(|| 100.0 * lost as f64 / period.expected as f64);
    period.delay_ms_p50 = percentile(&delays, 0.5);
    period.delay_ms_p95 = percentile(&delays, 0.95);
    period.delay_error_ms = (!delays.is_empty()).then(|| clock_error.as_millis_f64());
    period.jitter_ms_p95 = percentile(&jitter, 0.95);
    period.mos_median = percentile(&scores, 0.5);
    period.mos_min = scores.first().copied();
    (period.expected > 0).then_some(period)
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
