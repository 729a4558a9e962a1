//! Lip sync of a foreign capture: how much later the picture comes than the sound of the same instant, by the sender
//! reports of both (RFC 3550 §6.4.1), which give timestamps an instant of one clock at the sender.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::arrivals::Arrivals;
use super::dialogs::Leg;
use super::stitch::Logical;
use super::streams::Flow;
use crate::analysis::measure::figures::mean;
use crate::analysis::measure::model::LipSync;
use crate::units::{RunTime, Span};
use crate::wire::limits::{LONGEST_NAME, MOST_SENDER_REPORTS};
use crate::wire::rtcp::{Report, SenderInfo, canonical_names, reports};
use crate::wire::video::CLOCK_RATE;

/// A packet and a report whose timestamps are further from their arrivals than this are of different sources: offsets
/// are drawn at random (§5.1).
const NEAR: Span = Span::from_secs(5);
/// No viewer would stay with more: then the two reports do not count on one clock.
const MOST_SKEW_MS: f64 = 10_000.0;

/// What senders say of their clocks and names, by host and source.
#[derive(Debug, Default)]
pub(super) struct Senders {
    reports: BTreeMap<(IpAddr, u32), Vec<Sent>>,
    names: BTreeMap<(IpAddr, u32), String>,
    kept: usize,
    left_out: u64,
}

/// A sender report.
#[derive(Clone, Copy, Debug)]
struct Sent {
    /// When it passed the place of capture.
    at: RunTime,
    /// The sender's clock in nanoseconds since 1900.
    ntp_ns: i64,
    /// The timestamp of the same instant.
    timestamp: u32,
}

/// The sound of a capture.
#[derive(Clone, Copy)]
pub(super) struct Sound<'a> {
    flow: Flow,
    ssrcs: &'a [u32],
    clock_rate: i64,
    leg: Option<Leg>,
    arrivals: &'a Arrivals,
}

/// A stream of video: the whole frames with their last packets and timestamps.
#[derive(Clone, Copy)]
pub(super) struct Pictures<'a> {
    pub(super) flow: &'a Flow,
    pub(super) ssrcs: &'a [u32],
    pub(super) leg: Option<Leg>,
    pub(super) frames: &'a [(RunTime, u32)],
}

/// A part of a stream, both ends within it.
#[derive(Clone, Copy)]
pub(super) struct Stretch {
    pub(super) period: &'static str,
    pub(super) from: RunTime,
    pub(super) to: RunTime,
}

/// All sound whose clock is known.
pub(super) fn sounds<'a>(logical: &'a [Logical]) -> Vec<Sound<'a>> {
    let known = logical.iter().filter(|of| of.stream.clock_rate > 0);
    let sound = |of: &'a Logical| Sound {
        flow: of.stream.flow,
        ssrcs: &of.stream.ssrcs,
        clock_rate: of.stream.clock_rate,
        leg: of.leg,
        arrivals: &of.stream.arrivals,
    };
    known.map(sound).collect()
}

impl Senders {
    /// Takes a compound packet. A sender without a clock says 0 (§6.4.1), which is nothing to count from.
    pub(super) fn rtcp(&mut self, at: RunTime, host: IpAddr, datagram: &[u8]) {
        for report in reports(datagram) {
            let Report { ssrc, sender: Some(SenderInfo { ntp, rtp, .. }), .. } = report else { continue };
            if ntp == 0 {
                continue;
            }
            if self.kept >= MOST_SENDER_REPORTS {
                self.left_out += 1;
                continue;
            }
            self.kept += 1;
            self.reports.entry((host, ssrc)).or_default().push(Sent { at, ntp_ns: nanoseconds(ntp), timestamp: rtp });
        }
        for (ssrc, name) in canonical_names(datagram) {
            if self.names.len() < MOST_SENDER_REPORTS && name.len() <= LONGEST_NAME {
                self.names.entry((host, ssrc)).or_insert(name);
            }
        }
    }

    /// Reports that came after too many.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The skew in each stretch that has both.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn lip_sync(
        &self,
        pictures: &Pictures<'_>,
        sounds: &[Sound<'_>],
        stretches: &[Stretch],
    ) -> Result<Vec<LipSync>, String> {
        let host = pictures.flow.source.ip();
        let clock = self.clock(host, pictures.ssrcs, CLOCK_RATE.into());
        let clock = clock.ok_or("no RTCP sender report of the picture with a time of its clock was captured")?;
        let (sound, known_by) = self.sound_of(pictures, sounds)?;
        let its_clock = self.clock(host, sound.ssrcs, sound.clock_rate);
        let its_clock = its_clock.ok_or("no RTCP sender report of the sound with a time of its clock was captured")?;
        let seen: Vec<Late> = pictures.frames.iter().filter_map(|(at, stamp)| clock.late(*at, *stamp)).collect();
        let heard: Vec<Late> = sound.stamps().filter_map(|(at, stamp)| its_clock.late(at, stamp)).collect();
        let method = format!("sender reports (RFC 3550 §6.4.1), {known_by}, at the place of capture");
        let found = stretches.iter().filter_map(|stretch| skew(*stretch, &seen, &heard, &method));
        let found: Vec<LipSync> = found.collect();
        if found.is_empty() {
            return Err("no RTCP sender report fits the timestamps of both sound and picture".to_owned());
        }
        if found.iter().any(|of| of.skew_ms.abs() > MOST_SKEW_MS) {
            return Err("the sender reports of sound and picture do not count on one clock".to_owned());
        }
        Ok(found)
    }

    /// The sound that belongs to a picture, and how that is known: it goes the same way in one direction of one call,
    /// or has the same canonical name.
    fn sound_of<'a>(&self, pictures: &Pictures<'_>, sounds: &[Sound<'a>]) -> Result<(Sound<'a>, &'static str), String> {
        let flow = pictures.flow;
        let same_way = |sound: &&Sound<'_>| {
            sound.flow.source.ip() == flow.source.ip()
                && sound.flow.destination.ip() == flow.destination.ip()
                && sound.flow.sense == flow.sense
        };
        let name = |ssrcs: &[u32]| ssrcs.iter().find_map(|ssrc| self.names.get(&(flow.source.ip(), *ssrc)));
        let of_name = |sound: &&Sound<'_>| name(pictures.ssrcs).is_some_and(|own| name(sound.ssrcs) == Some(own));
        let of_call = |sound: &&Sound<'_>| pictures.leg.is_some() && sound.leg == pictures.leg;
        let along = || sounds.iter().filter(same_way);
        let found = along().find(of_name).map(|sound| (*sound, "one CNAME"));
        let found = found.or_else(|| along().find(of_call).map(|sound| (*sound, "one call")));
        found.ok_or_else(|| "no sound of the same call or canonical name (CNAME) goes the same way".to_owned())
    }

    /// What some sources of one host said, in order of time; `None` where they said nothing.
    fn clock(&self, host: IpAddr, ssrcs: &[u32], rate: i64) -> Option<Clock> {
        let of = ssrcs.iter().filter_map(|ssrc| self.reports.get(&(host, *ssrc)));
        let mut reports: Vec<Sent> = of.flatten().copied().collect();
        reports.sort_by_key(|report| report.at);
        (!reports.is_empty()).then_some(Clock { reports, rate })
    }
}

/// An NTP timestamp of 32.32 bits as nanoseconds since 1900.
fn nanoseconds(ntp: u64) -> i64 {
    let fraction = ((ntp & u64::from(u32::MAX)) * 1_000_000_000) >> 32;
    ((ntp >> 32) * 1_000_000_000 + fraction).cast_signed()
}

impl Sound<'_> {
    /// Arrivals and timestamps of the packets on the codec's clock.
    fn stamps(&self) -> impl Iterator<Item = (RunTime, u32)> {
        let rate = i128::from(self.clock_rate);
        let arrivals = self.arrivals.unpack().into_iter().filter(|arrival| !arrival.pause);
        arrivals.filter_map(move |arrival| {
            let ticks = (i128::from(arrival.media?.as_nanos()) * rate + 500_000_000).div_euclid(1_000_000_000);
            Some((arrival.at, ticks as u32))
        })
    }
}

/// A sender's clock as its reports tell it.
struct Clock {
    reports: Vec<Sent>,
    rate: i64,
}

/// A packet: when it came, and how much later than its sender's clock said, from any origin.
#[derive(Clone, Copy)]
struct Late {
    at: RunTime,
    by_ns: i64,
}

impl Clock {
    /// How late a packet came by the nearest report that is of its source.
    fn late(&self, at: RunTime, timestamp: u32) -> Option<Late> {
        let next = self.reports.partition_point(|report| report.at <= at);
        let around = &self.reports[next.saturating_sub(2)..(next + 2).min(self.reports.len())];
        let since = |report: &Sent| {
            let ticks = i64::from(timestamp.wrapping_sub(report.timestamp).cast_signed());
            (i128::from(ticks) * 1_000_000_000 / i128::from(self.rate)) as i64
        };
        let fits = |report: &&Sent| (since(report) - (at - report.at).as_nanos()).abs() <= NEAR.as_nanos();
        let nearest = around.iter().filter(fits).min_by_key(|report| (at - report.at).as_nanos().abs())?;
        Some(Late { at, by_ns: at.as_nanos() - (nearest.ntp_ns + since(nearest)) })
    }
}

fn skew(stretch: Stretch, seen: &[Late], heard: &[Late], method: &str) -> Option<LipSync> {
    // Both count from the years, of which a float has no nanoseconds.
    let origin = seen.first()?.by_ns;
    let within = |late: &&Late| late.at >= stretch.from && late.at <= stretch.to;
    let lateness = |all: &[Late]| {
        let all: Vec<f64> = all.iter().filter(within).map(|late| (late.by_ns - origin) as f64 / 1e6).collect();
        Some((mean(all.iter().copied())?, all.len() as u64))
    };
    let ((picture, frames), (sound, packets)) = (lateness(seen)?, lateness(heard)?);
    Some(LipSync {
        period: stretch.period.to_owned(),
        skew_ms: picture - sound,
        frames,
        packets,
        method: method.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3550 §4: 32.32 bits, so 0x80000000 is half a second.
    #[test]
    fn ntp_time_reads_as_nanoseconds() {
        assert_eq!(nanoseconds(0x0000_0002_8000_0000), 2_500_000_000);
        assert_eq!(nanoseconds(0xeb00_0000_0000_0000), 0xeb00_0000 * 1_000_000_000);
    }

    /// A source that takes over counts from elsewhere: each packet goes with the report of its own.
    #[test]
    fn a_packet_goes_with_a_report_of_its_source() {
        let sent =
            |at_ms: i64, timestamp| Sent { at: RunTime::from_millis(at_ms), ntp_ns: at_ms * 1_000_000, timestamp };
        let clock = Clock { reports: vec![sent(1_000, 90_000), sent(9_000, 5_000)], rate: 90_000 };
        let late = |at_ms: i64, stamp| clock.late(RunTime::from_millis(at_ms), stamp).map(|late| late.by_ns);
        assert_eq!(late(2_010, 180_000), Some(10_000_000));
        // A second before the new source's report, timestamps wrap below its origin.
        assert_eq!(late(8_030, 5_000u32.wrapping_sub(90_000)), Some(30_000_000));
        assert_eq!(late(8_030, 2_000_000_000), None);
    }
}
