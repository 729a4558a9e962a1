//! What a receiver tells its peer by RTCP (RFC 3550 §6.4 and appendix A): a phone's own view, which the
//! analysis does not use but a server under test may act upon.

use rtcp_types::{ReportBlock, ReportBlockBuilder};
use rtp_rs::RtpReader;

use crate::units::RunTime;

/// Statistics of one incoming stream; a new SSRC starts anew.
#[derive(Clone, Debug, Default)]
pub struct Reception {
    /// RTP clock in hertz.
    clock_rate: u32,
    ssrc: Option<u32>,
    first: u32,
    highest: u32,
    received: u32,
    reported: (u32, u32),
    transit: Option<i64>,
    jitter: f64,
    last_report: Option<(u32, RunTime)>,
}

impl Reception {
    /// A stream whose timestamps count at `clock_rate` hertz.
    #[must_use]
    pub fn at(clock_rate: u32) -> Reception {
        Reception { clock_rate, ..Reception::default() }
    }

    /// Counts an RTP packet.
    pub fn rtp(&mut self, at: RunTime, bytes: &[u8]) {
        let Ok(packet) = RtpReader::new(bytes) else { return };
        let sequence = u32::from(u16::from(packet.sequence_number()));
        if self.ssrc != Some(packet.ssrc()) {
            let (clock_rate, last_report) = (self.clock_rate, self.last_report);
            *self = Reception {
                clock_rate,
                ssrc: Some(packet.ssrc()),
                first: sequence,
                highest: sequence,
                last_report,
                ..Reception::default()
            };
        }
        self.received += 1;
        // RFC 3550 A.1: extend the 16 bits by the distance from the highest seen.
        let step = (sequence as u16).wrapping_sub(self.highest as u16).cast_signed();
        self.highest = self.highest.max(self.highest.wrapping_add_signed(i32::from(step)));
        let arrival = i128::from(at.as_nanos()) * i128::from(self.clock_rate) / 1_000_000_000;
        let transit = arrival as i64 - i64::from(packet.timestamp());
        if let Some(last) = self.transit.replace(transit) {
            // RFC 3550 A.8: J += (|D| - J) / 16.
            self.jitter += ((transit - last).abs() as f64 - self.jitter) / 16.0;
        }
    }

    /// Remembers the peer's sender report for LSR and DLSR.
    pub fn sender_report(&mut self, at: RunTime, ntp_timestamp: u64) {
        self.last_report = Some(((ntp_timestamp >> 16) as u32, at));
    }

    /// The report block for the peer, if anything came in.
    pub fn report_block(&mut self, now: RunTime) -> Option<ReportBlockBuilder> {
        let expected = self.highest - self.first + 1;
        let (expected_before, received_before) = std::mem::replace(&mut self.reported, (expected, self.received));
        let interval = expected.saturating_sub(expected_before);
        let lost = interval.saturating_sub(self.received.saturating_sub(received_before));
        let fraction = if interval == 0 { 0 } else { (u64::from(lost) * 256 / u64::from(interval)).min(255) as u8 };
        let (lsr, dlsr) =
            self.last_report.map_or((0, 0), |(lsr, at)| (lsr, ((now - at).as_secs_f64() * 65536.0) as u32));
        Some(
            ReportBlock::builder(self.ssrc?)
                .fraction_lost(fraction)
                .cumulative_lost(expected.saturating_sub(self.received).min(0x7f_ffff))
                .extended_sequence_number(self.highest)
                .interarrival_jitter(self.jitter as u32)
                .last_sender_report_timestamp(lsr)
                .delay_since_last_sender_report_timestamp(dlsr),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::agent::media::CLOCK_RATE;
    use rtp_rs::{RtpPacketBuilder, Seq};

    fn packet(sequence: u16, timestamp: u32) -> Vec<u8> {
        RtpPacketBuilder::new()
            .payload_type(8)
            .ssrc(5)
            .sequence(Seq::from(sequence))
            .timestamp(timestamp)
            .build()
            .unwrap()
    }

    #[test]
    fn loss_is_counted_over_the_wrap_of_the_sequence() {
        let mut reception = Reception::at(CLOCK_RATE);
        for (n, sequence) in [65534u16, 65535, 1, 2].into_iter().enumerate() {
            reception.rtp(RunTime::from_millis(20 * n as i64), &packet(sequence, 160 * n as u32));
        }
        assert_eq!(reception.highest, 65536 + 2);
        assert_eq!(reception.received, 4);
        let expected = reception.highest - reception.first + 1;
        assert_eq!(expected - reception.received, 1);
        assert!(reception.report_block(RunTime::from_millis(100)).is_some());
    }

    /// RFC 3550 A.8 with one packet 10 ms late: |D| = 80 units, J = 80/16 = 5; the next is 10 ms early: 5 + 75/16.
    #[test]
    fn jitter_follows_the_rfc() {
        let mut reception = Reception::at(CLOCK_RATE);
        for (at, timestamp) in [(0, 0), (30, 160), (40, 320)] {
            reception.rtp(RunTime::from_millis(at), &packet(at as u16, timestamp));
        }
        assert!((reception.jitter - (5.0 + 75.0 / 16.0)).abs() < 1e-9);
    }
}
