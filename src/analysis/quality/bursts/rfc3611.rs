//! The burst and gap metrics of RTCP XR, exactly as RFC 3611 Appendix A.2 counts them.
//!
//! They are what other tools and phones report, artefacts included: the gap after the last loss is never
//! counted, and a stream that stops for good looks like one that resumed.

use serde::Serialize;

use super::{GMIN, Slot};

/// The six transition counters of RFC 3611 A.2 (1 = gap received, 3 = burst lost, 4 = gap lost, 2 = burst received).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Received within a gap.
    pub c11: u64,
    /// Gap to burst.
    pub c13: u64,
    /// Isolated losses within a gap.
    pub c14: u64,
    /// Received within a burst.
    pub c22: u64,
    /// Received to lost within a burst.
    pub c23: u64,
    /// Lost to lost within a burst.
    pub c33: u64,
}

/// What the VoIP metrics block carries (RFC 3611 §4.7.2).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Share of packets missing within bursts, in 1/256. The algorithm can yield 256; the 8-bit field then holds 255.
    pub burst_density: u32,
    /// Share of packets missing within gaps, in 1/256.
    pub gap_density: u32,
    /// Mean burst duration, ms.
    pub burst_ms: f64,
    /// Mean gap duration, ms.
    pub gap_ms: f64,
    /// P(received to lost) within bursts.
    pub p23: f64,
    /// P(lost to received) within bursts.
    pub p32: f64,
}

impl Counts {
    /// Runs the algorithm over the expected packets, with Gmin = 16.
    #[must_use]
    pub fn count(slots: impl IntoIterator<Item = Slot>) -> Counts {
        let mut counts = Counts::default();
        let (mut received, mut losses) = (0, 0);
        for slot in slots {
            if slot.is_missing() {
                losses = counts.loss(received, losses);
                received = 0;
            } else {
                received += 1;
            }
        }
        counts
    }

    /// A loss after `received` packets; `losses` is the RFC's `lost`, and so is the result.
    fn loss(&mut self, received: u64, losses: u64) -> u64 {
        if received >= GMIN {
            if losses == 1 {
                self.c14 += 1;
            } else {
                self.c13 += 1;
            }
            self.c11 += received;
            return 1;
        }
        if received == 0 {
            self.c33 += 1;
        } else {
            self.c23 += 1;
            self.c22 += received - 1;
        }
        losses + 1
    }

    /// The report for packets of `ptime_ms`; `None` where nothing was lost (the RFC's arithmetic would claim a
    /// burst density of 1).
    #[must_use]
    pub fn report(&self, ptime_ms: f64) -> Option<Report> {
        let (c31, c32) = (self.c13, self.c23);
        if self.c13 + self.c14 + self.c23 + self.c33 == 0 {
            return None;
        }
        let p32 = share(c32, c31 + c32 + self.c33);
        let p23 = if self.c22 + self.c23 < 1 { 1.0 } else { 1.0 - share(self.c22, self.c22 + self.c23) };
        let total = self.c11 + self.c13 + self.c14 + self.c22 + self.c23 + c31 + c32 + self.c33;
        let (c13, total) = if self.c13 == 0 { (1, total + 1) } else { (self.c13, total) };
        let gap_ms = (self.c11 + self.c14 + c13) as f64 * ptime_ms / c13 as f64;
        Some(Report {
            burst_density: (256.0 * p23 / (p23 + p32)) as u32,
            gap_density: (256.0 * share(self.c14, self.c11 + self.c14)) as u32,
            burst_ms: total as f64 * ptime_ms / c13 as f64 - gap_ms,
            gap_ms,
            p23,
            p32,
        })
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::super::patterns;
    use super::*;

    /// Independent run of the RFC's algorithm at 20 ms: counters, densities, gap and burst duration.
    #[test]
    fn the_patterns_give_the_rfcs_numbers() {
        let c = |c11, c13, c14, c22, c23, c33| Counts { c11, c13, c14, c22, c23, c33 };
        let golden = [
            (patterns::isolated(), c(980, 1, 19, 0, 0, 0), 256, 4, 20_000.0, 20.0),
            (patterns::outage(), c(1000, 1, 0, 0, 0, 84), 256, 0, 20_020.0, 1700.0),
            (patterns::alternating(), c(201, 2, 0, 0, 3, 0), 160, 0, 2030.0, 80.0),
            (patterns::two_bursts(), c(220, 2, 0, 0, 0, 6), 256, 0, 2220.0, 80.0),
            (patterns::terminal(), c(1000, 1, 0, 0, 0, 84), 256, 0, 20_020.0, 1700.0),
        ];
        for (pattern, counts, burst_density, gap_density, gap_ms, burst_ms) in golden {
            assert_eq!(Counts::count(pattern), counts);
            let report = counts.report(20.0).unwrap();
            assert_eq!((report.burst_density, report.gap_density), (burst_density, gap_density));
            assert!((report.gap_ms - gap_ms).abs() < 1e-9 && (report.burst_ms - burst_ms).abs() < 1e-9, "{report:?}");
        }
        assert!((Counts::count(patterns::alternating()).report(20.0).unwrap().p32 - 0.6).abs() < 1e-12);
    }

    #[test]
    fn no_loss_has_no_report() {
        assert_eq!(Counts::count(patterns::no_loss()), Counts::default());
        assert_eq!(Counts::default().report(20.0), None);
    }

    #[test]
    fn a_terminal_outage_looks_like_one_that_ended() {
        assert_eq!(Counts::count(patterns::terminal()), Counts::count(patterns::outage()));
    }
}
