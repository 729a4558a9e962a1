//! R(t) of a stream: what its whole-call score averages away.

use super::Listener;
use crate::analysis::measure::model::{FaultStretch, MosSecond, OverTime, Stretch};
use crate::analysis::quality::codec::CodecModel;
use crate::analysis::quality::g107::Connection;
use crate::analysis::quality::time_series::{self, Second, Summary, TimeSeries};
use crate::units::{RunTime, Span};

/// A second of a stream: when it began, and what was heard in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::analysis::measure) struct Heard {
    pub(in crate::analysis::measure) at: RunTime,
    pub(in crate::analysis::measure) second: Second,
}

/// From a fault until the stream was heard again, or was no more due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::analysis::measure) struct Silenced {
    pub(in crate::analysis::measure) fault: usize,
    pub(in crate::analysis::measure) start: RunTime,
    pub(in crate::analysis::measure) end: RunTime,
    pub(in crate::analysis::measure) recovered: bool,
}

/// The curve over all seconds, or why there is none.
pub(in crate::analysis::measure) fn curve(listener: &Listener, heard: &[Heard]) -> Result<TimeSeries, String> {
    let CodecModel::Narrowband(equipment) = listener.model().map_err(str::to_owned)? else {
        return Err(time_series::SCOPE.to_owned());
    };
    let seconds: Vec<Second> = heard.iter().map(|heard| heard.second).collect();
    let base = Connection { equipment: equipment.clone(), ..Connection::default() };
    time_series::rate(&base, &seconds).map_err(|error| error.to_string())
}

/// The curve second by second, with the mean delay of each where it is known; without a curve, loss and delay alone.
pub(in crate::analysis::measure) fn seconds(
    curve: Option<&TimeSeries>,
    heard: &[Heard],
    delay_ms: &[Option<f64>],
) -> Vec<MosSecond> {
    let mos = |place: usize| Some(curve?.points.get(place)?.mos.value());
    let second = |(place, heard): (usize, &Heard)| MosSecond {
        at_ns: heard.at,
        mos: mos(place),
        loss: heard.second.ppl / 100.0,
        delay_ms: delay_ms.get(place).copied().flatten(),
    };
    heard.iter().enumerate().map(second).collect()
}

/// The curve in a few figures; `None` without a second.
pub(in crate::analysis::measure) fn summary(
    curve: &TimeSeries,
    heard: &[Heard],
    silenced: &[Silenced],
) -> Option<OverTime> {
    let whole = curve.summary(0..heard.len())?;
    Some(OverTime {
        model: curve.model.to_owned(),
        whole: stretch(&whole),
        worst_at_ns: heard.get(whole.worst_second)?.at,
        faults: silenced.iter().filter_map(|silenced| between(curve, heard, *silenced)).collect(),
    })
}

fn between(curve: &TimeSeries, heard: &[Heard], silenced: Silenced) -> Option<FaultStretch> {
    let first = heard.partition_point(|heard| heard.at + Span::from_secs(1) <= silenced.start);
    let end = heard.partition_point(|heard| heard.at < silenced.end);
    let heard = stretch(&curve.summary(first..end.max(first))?);
    let Silenced { fault, start, end, recovered } = silenced;
    Some(FaultStretch { fault, start_ns: start, end_ns: end, recovered, heard })
}

fn stretch(summary: &Summary) -> Stretch {
    Stretch {
        length_s: summary.seconds as u64,
        r_min: summary.r_min.value(),
        mos_min: summary.mos_min.value(),
        mos_of_mean_r: summary.mos_of_mean_r.value(),
        mos_below_3_6_s: summary.seconds_below_3_6 as u64,
        outside_validity_s: summary.seconds_outside_validity as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::quality::dejitter::Profile;

    fn listener(codec: &str) -> Listener {
        let interval = Span::from_millis(20);
        Listener::new(Listener::model_of(Some(codec), interval), interval, Profile::Fixed { depth_ms: 50 }, &[])
    }

    /// Sixty seconds from 100 s on, two of them silent.
    fn minute() -> Vec<Heard> {
        let second = |k: i64| Second { ppl: if k == 30 || k == 31 { 100.0 } else { 0.0 }, burst_r: 1.0, ta_ms: 0.0 };
        (0..60).map(|k| Heard { at: RunTime::from_millis(100_000 + 1000 * k), second: second(k) }).collect()
    }

    /// As computed by hand for the time series: R falls by 31.3 in the two seconds, MOS is below 3.6 in five.
    #[test]
    fn a_fault_of_two_seconds_in_a_minute() {
        let heard = minute();
        let curve = curve(&listener("PCMU"), &heard).unwrap();
        let (start, end) = (RunTime::from_millis(130_300), RunTime::from_millis(131_900));
        let summary = summary(&curve, &heard, &[Silenced { fault: 1, start, end, recovered: true }]).unwrap();
        assert_eq!(
            (summary.whole.length_s, summary.whole.mos_below_3_6_s, summary.whole.outside_validity_s),
            (60, 5, 2)
        );
        assert_eq!(summary.worst_at_ns, RunTime::from_millis(131_000));
        let fault = summary.faults[0];
        assert_eq!((fault.fault, fault.recovered, fault.heard.length_s), (1, true, 2));
        assert!((fault.heard.r_min - (93.2062 - 31.3196)).abs() < 1e-4);
        assert!(fault.heard.mos_of_mean_r < summary.whole.mos_of_mean_r);
    }

    #[test]
    fn a_fault_outside_of_the_stream_has_no_stretch() {
        let heard = minute();
        let curve = curve(&listener("PCMU"), &heard).unwrap();
        let late = Silenced {
            fault: 0,
            start: RunTime::from_millis(170_000),
            end: RunTime::from_millis(171_000),
            recovered: false,
        };
        assert_eq!(summary(&curve, &heard, &[late]).unwrap().faults, []);
        assert_eq!(summary(&curve, &[], &[]), None);
    }

    #[test]
    fn other_scales_have_no_curve_and_say_why() {
        assert_eq!(curve(&listener("G722"), &minute()).unwrap_err(), time_series::SCOPE);
        assert!(curve(&listener("opus"), &minute()).unwrap_err().contains("no ITU"));
    }
}
