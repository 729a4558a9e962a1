//! Takeovers over trials against the law of the engine's timers, where the time went, and which knob decides.

use std::collections::BTreeMap;

use crate::analysis::measure::model::{FaultMeasured, Takeover};
use crate::analysis::report::model::{PartMean, PartsSummary, TakeoverSummary};
use crate::analysis::report::{engine_words, words};
use crate::analysis::stats::kolmogorov_smirnov;
use crate::analysis::theory::Law;

use super::outages::median_of_values;

/// From this share of an outage on a part is what decides it.
const DECIDES: f64 = 0.5;

/// The test says nothing worth telling with fewer trials.
const TESTED_FROM_N: usize = 5;

/// The takeovers that follow the law of most of them; trials in which the engine did something else are left out.
pub(super) fn summary(faults: &[&FaultMeasured]) -> Option<TakeoverSummary> {
    let all: Vec<&Takeover> = faults.iter().filter_map(|fault| fault.takeover.as_ref()).collect();
    let same = |takeover: &Takeover| all.iter().filter(|other| of_one_law(other, takeover)).count();
    let first = all.iter().max_by_key(|takeover| same(takeover))?;
    let of: Vec<&&Takeover> = all.iter().filter(|takeover| of_one_law(takeover, first)).collect();
    let measured: Vec<f64> = of.iter().map(|takeover| takeover.measured_ms).collect();
    let tested = !matches!(first.law, Law::Constant { .. }) && of.len() >= TESTED_FROM_N;
    let test = tested.then(|| kolmogorov_smirnov(&measured, |ms| first.law.cdf(ms)).ok()).flatten();
    let residuals = || of.iter().map(|takeover| takeover.residual_ms);
    Some(TakeoverSummary {
        timers: first.timers,
        resigned: first.resigned,
        law: first.law,
        n: of.len() as u64,
        other: (all.len() - of.len()) as u64,
        measured_ms_min: measured.iter().copied().reduce(f64::min)?,
        measured_ms_max: measured.iter().copied().reduce(f64::max)?,
        residual_ms_median: median_of_values(residuals())?,
        residual_ms_min: residuals().reduce(f64::min)?,
        residual_ms_max: residuals().reduce(f64::max)?,
        ks_d: test.map(|test| test.d),
        ks_p: test.map(|test| test.p),
    })
}

fn of_one_law(a: &Takeover, b: &Takeover) -> bool {
    (a.timers, a.resigned, a.law) == (b.timers, b.resigned, b.law)
}

/// Means of the parts of each service's typical outage; they add up to the mean of those outages.
pub(super) fn parts(faults: &[&FaultMeasured]) -> Vec<PartsSummary> {
    let mut services: Vec<String> = Vec::new();
    for part in faults.iter().flat_map(|fault| &fault.parts) {
        if !services.contains(&part.service) {
            services.push(part.service.clone());
        }
    }
    services.into_iter().filter_map(|service| parts_of(faults, service)).collect()
}

fn parts_of(faults: &[&FaultMeasured], service: String) -> Option<PartsSummary> {
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    let mut order: Vec<&str> = Vec::new();
    for part in faults.iter().flat_map(|fault| &fault.parts).filter(|part| part.service == service) {
        if !order.contains(&part.part.as_str()) {
            order.push(&part.part);
        }
        *sums.entry(&part.part).or_default() += part.ms;
    }
    let n = faults.iter().filter(|fault| fault.parts.iter().any(|part| part.service == service)).count();
    let mean = |part: &&str| PartMean { part: (*part).to_owned(), mean_ms: sums[*part] / n as f64 };
    let parts: Vec<PartMean> = order.iter().map(mean).collect();
    (n > 0).then(|| PartsSummary {
        n: n as u64,
        total_ms: parts.iter().map(|part| part.mean_ms).sum(),
        service: service.clone(),
        parts,
    })
}

/// Which knob decided the outage, in words; none where no part is most of it.
pub(super) fn hint(takeover: Option<&TakeoverSummary>, parts: &[PartsSummary]) -> Option<String> {
    let takeover = takeover?;
    let of = parts.iter().find(|of| of.service == "sip_answer").or(parts.first())?;
    let share = |names: &[&str]| {
        let named = of.parts.iter().filter(|part| names.contains(&part.part.as_str()));
        named.map(|part| part.mean_ms).sum::<f64>() / of.total_ms
    };
    let total = words::duration(of.total_ms);
    if share(&["detection", "consensus"]) >= DECIDES {
        return Some(engine_words::timers_decide(takeover, &total));
    }
    if share(&["takeover"]) >= DECIDES {
        return Some(engine_words::start_decides(takeover, &total));
    }
    (share(&["service"]) >= DECIDES).then(|| {
        format!("The servers took most of your {total} after the address had moved: faster timers would not help.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::measure::model::{Part, Timers};
    use crate::analysis::theory::VrrpTimers;
    use crate::units::{RunTime, Span};

    fn fault(measured_ms: f64) -> FaultMeasured {
        let timers = VrrpTimers { version: 3, advert: Span::from_secs(1), priority: 140 };
        let takeover = Takeover {
            timers: Timers::Vrrp { version: 3, advert_ms: 1000.0, priority: 140 },
            resigned: false,
            law: timers.crash(),
            since_last_beat_ms: 0.0,
            expected_ms: measured_ms - 4.0,
            measured_ms,
            residual_ms: 4.0,
        };
        let part = |part: &str, ms: f64| Part { service: "sip_answer".into(), part: part.into(), ms };
        let parts = vec![part("detection", measured_ms), part("announcement", 2.0), part("service", 10.0)];
        FaultMeasured { takeover: Some(takeover), parts, command_start_ns: RunTime::ZERO, ..FaultMeasured::default() }
    }

    /// Law of priority 140 at 1 s: U[2453.125, 3453.125]. Six values at its sixths' middles are as near to it as six
    /// can be: d = 1/12.
    #[test]
    fn six_takeovers_spread_over_the_law_agree_with_it_and_six_at_its_end_do_not() {
        let spread: Vec<_> = (0..6).map(|k| fault(2453.125 + 1000.0 * (f64::from(k) + 0.5) / 6.0)).collect();
        let told = summary(&spread.iter().collect::<Vec<_>>()).unwrap();
        assert!((told.ks_d.unwrap() - 1.0 / 12.0).abs() < 1e-9 && told.ks_p.unwrap() > 0.99, "{told:?}");
        let late: Vec<_> = (0..6).map(|k| fault(3440.0 + f64::from(k))).collect();
        assert!(summary(&late.iter().collect::<Vec<_>>()).unwrap().ks_p.unwrap() < 1e-4);
    }

    #[test]
    fn the_parts_add_up_and_the_hint_names_the_knob() {
        let faults = [fault(2800.0), fault(3000.0)];
        let faults: Vec<&FaultMeasured> = faults.iter().collect();
        let parts = parts(&faults);
        assert_eq!((parts.len(), parts[0].n), (1, 2));
        assert!((parts[0].total_ms - 2912.0).abs() < 1e-9);
        let hint = hint(summary(&faults).as_ref(), &parts).unwrap();
        assert!(
            hint.contains("3 missed adverts of 1.00 s") && hint.contains("2.45 s to 3.45 s of your 2.91 s"),
            "{hint}"
        );
        assert!(hint.contains("At 100 ms it would be 245 ms to 345 ms"), "{hint}");
    }

    #[test]
    fn a_takeover_of_another_law_is_left_out_and_counted() {
        let mut odd = fault(500.0);
        odd.takeover.as_mut().unwrap().resigned = true;
        let faults = [fault(2800.0), odd, fault(3000.0)];
        let told = summary(&faults.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!((told.n, told.other, told.ks_p), (2, 1, None));
        assert_eq!(summary(&[]), None);
    }
}
