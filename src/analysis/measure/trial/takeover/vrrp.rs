//! VRRP: the adverts say all of it.

use super::{Course, Struck};
use crate::analysis::measure::address::{Advertised, Claim};
use crate::analysis::measure::model::{Takeover, Timers};
use crate::analysis::theory::VrrpTimers;
use crate::units::{RunTime, Span};

/// How the address changed hands by adverts, if it did.
pub(super) fn course(struck: &Struck<'_>) -> Option<Course> {
    let claims = &struck.evidence.claims;
    let change =
        Change::of(&claims.adverts, struck.start, struck.end).filter(|change| change.follows(struck.command_end()))?;
    let garp = claims.announced_with(change.first.at);
    // A resignation is waited for from the command on; the last of an owner that died is its death.
    let from = if change.resigned { struck.start } else { struck.death(change.last.at).min(change.first.at) };
    Some(change.course(from, garp))
}

/// The address changed hands: the old owner's last adverts, and the new owner's first one.
struct Change<'a> {
    /// The last advert before the new owner's first.
    last: &'a Claim,
    /// The new owner's first advert.
    first: &'a Claim,
    timers: VrrpTimers,
    resigned: bool,
}

impl Change<'_> {
    fn of(adverts: &[Claim], start: RunTime, end: RunTime) -> Option<Change<'_>> {
        let old = adverts.iter().rev().find(|claim| claim.at <= start)?;
        let first = adverts.iter().find(|claim| claim.at > start && claim.at < end && claim.who != old.who)?;
        let last = adverts.iter().rev().find(|claim| claim.who == old.who && claim.at < first.at)?;
        let new: Advertised = first.advert?;
        let resigned = last.advert.is_some_and(|advert| advert.resigns());
        // Whoever takes the address from an owner that is there has waited for nothing.
        let takes_over = resigned || first.at - last.at > Span(new.interval.as_nanos().saturating_mul(2));
        let timers = VrrpTimers { version: new.version, advert: new.interval, priority: new.priority };
        takes_over.then_some(Change { last, first, timers, resigned })
    }

    /// Whether the old owner's last advert fell to the fault: one that goes on has another reason to end.
    fn follows(&self, struck: RunTime) -> bool {
        self.last.at - struck <= Span(self.timers.advert.as_nanos().saturating_mul(2))
    }

    fn course(&self, from: RunTime, garp: Option<RunTime>) -> Course {
        // Nothing is resigned by an owner that died.
        let resigned = if self.resigned { self.last.at } else { RunTime(i64::MIN) };
        let announced = garp.unwrap_or(self.first.at).max(self.first.at);
        let until = vec![("resignation", resigned), ("detection", self.first.at), ("announcement", announced)];
        Course { takeover: self.takeover(from), decided: self.first.at, until }
    }

    fn takeover(&self, from: RunTime) -> Takeover {
        let waits = if self.resigned { self.timers.skew() } else { self.timers.master_down() };
        let (expected, measured) = (self.last.at + waits - from, self.first.at - from);
        Takeover {
            timers: Timers::Vrrp {
                version: self.timers.version,
                advert_ms: self.timers.advert.as_millis_f64(),
                priority: self.timers.priority,
            },
            resigned: self.resigned,
            law: if self.resigned { self.timers.resignation() } else { self.timers.crash() },
            since_last_beat_ms: (from - self.last.at).as_millis_f64(),
            expected_ms: expected.as_millis_f64(),
            measured_ms: measured.as_millis_f64(),
            residual_ms: (measured - expected).as_millis_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parts;
    use super::*;
    use crate::analysis::measure::address::What;
    use crate::analysis::measure::model::Outage;
    use crate::analysis::theory::Law;

    fn claim(at_ms: i64, who: &str, priority: u8) -> Claim {
        let advert = Some(Advertised { version: 3, interval: Span::from_secs(1), priority });
        Claim {
            at: RunTime::from_millis(at_ms),
            who: who.to_owned(),
            place: String::new(),
            what: What::Router(51, None),
            advert,
        }
    }

    fn change(adverts: &[Claim]) -> Option<Takeover> {
        let (start, end) = (RunTime::from_millis(10_400), RunTime::from_millis(20_000));
        Change::of(adverts, start, end).map(|change| change.takeover(start))
    }

    /// Adverts of 1 s, the last one 400 ms before the crash. Skew of priority 140 in version 3: 116/256 of 1 s =
    /// 453.125 ms, so the takeover is due 3453.125 − 400 = 3053.125 ms after the crash.
    #[test]
    fn after_a_crash_three_adverts_and_the_skew_are_waited_from_the_last_advert_on() {
        let takeover = change(&[claim(9000, "a", 150), claim(10_000, "a", 150), claim(13_456, "b", 140)]).unwrap();
        assert!(!takeover.resigned);
        assert_eq!(takeover.law, Law::Uniform { low_ms: 2453.125, high_ms: 3453.125 });
        assert_eq!((takeover.since_last_beat_ms, takeover.expected_ms), (400.0, 3053.125));
        assert!((takeover.residual_ms - 2.875).abs() < 1e-9);
    }

    #[test]
    fn after_a_resignation_only_the_skew_is_waited() {
        let adverts = [claim(10_000, "a", 150), claim(10_410, "a", 0), claim(10_865, "b", 140)];
        let takeover = change(&adverts).unwrap();
        assert_eq!((takeover.resigned, takeover.law), (true, Law::Constant { ms: 453.125 }));
        assert!((takeover.residual_ms - 1.875).abs() < 1e-9, "{takeover:?}");
    }

    #[test]
    fn the_parts_of_an_outage_add_up_to_it() {
        let adverts = [claim(10_000, "a", 150), claim(10_410, "a", 0), claim(10_865, "b", 140)];
        let (start, end) = (RunTime::from_millis(10_400), RunTime::from_millis(20_000));
        let change = Change::of(&adverts, start, end).unwrap();
        // The last answer at 10.398 s, the next at 10.880 s, probes every 10 ms: 472 ms are missing.
        let outage = Outage {
            service: "sip_answer".into(),
            scope: "all".into(),
            start_ns: RunTime::from_millis(10_398),
            end_ns: Some(RunTime::from_millis(10_880)),
            duration_ms: 472.0,
            ..Outage::default()
        };
        let parts = parts(&change.course(start, Some(RunTime::from_millis(10_867))).until, &[&outage]);
        let told: Vec<(&str, f64)> = parts.iter().map(|part| (part.part.as_str(), part.ms)).collect();
        assert_eq!(told, [("resignation", 2.0), ("detection", 455.0), ("announcement", 2.0), ("service", 13.0)]);
        assert!((told.iter().map(|(_, ms)| ms).sum::<f64>() - outage.duration_ms).abs() < 1e-9);
    }

    #[test]
    fn a_second_owner_beside_the_first_has_taken_nothing_over() {
        let adverts = [claim(10_000, "a", 150), claim(11_000, "a", 150), claim(11_900, "b", 140)];
        assert_eq!(change(&adverts), None);
    }
}
