use super::*;
use crate::evidence::history::{FaultMark, MessageMark, Op};
use crate::evidence::readiness::Readiness;

const TRAFFIC: &str = r#"
name = "t"
question = "?"
window = "20s"
[cluster.reference]
nodes = ["alpha", "beta"]
address = "127.0.77.10"
takeover = ["700ms"]
[traffic.standing_calls]
count = 2
[traffic.registrations]
phones = 4
interval = "1s"
[traffic.chat]
pairs = 1
messages_per_s = 2
[[fault]]
power_off = { target = "vip-owner", at = "5s" }
"#;

fn at(ms: i64) -> RunTime {
    RunTime::from_millis(ms)
}

/// A sound trial: window from 1 s to 21 s, fault at 6 s, `signs` registrations and messages before it.
fn trial(signs: u64) -> Vec<Event> {
    let event = |ms: i64, what: What| Event { t_ns: at(ms), what };
    let fault = |step| FaultMark { fault: 0, kind: "power_off".into(), node: "alpha".into(), step, detail: None };
    let register = |op: u64| Op {
        op,
        kind: OpKind::Register,
        step: Step::Ok,
        actor: "phone-00".into(),
        planned_ns: at(2000 + op as i64),
        call: None,
        code: Some(200),
        status_ns: None,
        node: None,
        retransmissions: None,
        reason: None,
    };
    let message = |message: u64| MessageMark {
        message,
        pair: 0,
        seq: message as u32,
        planned_ns: at(2000 + message as i64),
        seen: Seen::Delivered,
        reason: None,
    };
    let mut events = vec![
        event(1000, What::Stage { stage: TrialStage::Steady }),
        event(6000, What::Fault(fault(FaultStep::CommandStart))),
        event(6001, What::Fault(fault(FaultStep::Verified))),
        event(21_000, What::Stage { stage: TrialStage::WindowEnd }),
        event(22_000, What::Health(Health { rtp_sent: 10_000, ..Health::default() })),
    ];
    events.extend((0..signs).map(|op| event(2100, What::Op(register(op)))));
    // Each is delivered twice, and counts once.
    events.extend((0..2 * signs).map(|n| event(2100, What::Message(message(n / 2)))));
    events
}

fn told(events: &[Event]) -> String {
    let scenario = Scenario::parse("t.toml", TRAFFIC).unwrap();
    complaints(events, &scenario).into_iter().map(|complaint| complaint.text).collect::<Vec<_>>().join(" | ")
}

fn readiness(moment: Moment, registered: usize) -> Event {
    let what = Readiness {
        moment,
        owners: Some(vec!["alpha".into()]),
        no_floating: false,
        phones: 4,
        registered,
        standing: 2,
        talking: 2,
        hearing: 4,
        chatting: true,
    };
    Event { t_ns: at(5700), what: What::Readiness(what) }
}

#[test]
fn a_sound_trial_counts() {
    let mut events = trial(3);
    events.push(readiness(Moment::BeforeFault, 4));
    assert_eq!(told(&events), "");
}

#[test]
fn a_cluster_that_was_not_healthy_before_the_fault_voids_and_says_what_was_missing() {
    let mut events = trial(3);
    events.push(readiness(Moment::BeforeFault, 3));
    assert_eq!(told(&events), "the cluster was not healthy before the fault: 3 of 4 phones were registered");
    let unsettled = [readiness(Moment::NotSettled, 1)];
    assert_eq!(told(&unsettled), "the traffic never became steady: 1 of 4 phones were registered");
    // What the cluster is like after the heal is a finding about it and voids nothing.
    let mut events = trial(3);
    events.push(readiness(Moment::AfterHeal, 1));
    assert_eq!(told(&events), "");
}

#[test]
fn traffic_too_thin_before_the_fault_voids() {
    assert_eq!(
        told(&trial(2)),
        "too thin before the fault to tell that the service was there: 2 registrations, 2 messages delivered"
    );
}

#[test]
fn a_trial_without_end_or_whose_fault_did_not_bite_is_void() {
    let mut events = trial(3);
    events.retain(|event| event.what != What::Stage { stage: TrialStage::WindowEnd });
    assert!(told(&events).starts_with("the trial did not reach the end"));
    let mut events = trial(3);
    for event in &mut events {
        if let What::Fault(mark) = &mut event.what
            && mark.step == FaultStep::Verified
        {
            mark.step = FaultStep::NotVerified;
        }
    }
    assert!(told(&events).starts_with("fault 0 was injected and then not seen to bite"));
}

/// 10 of 10,010 packets are 0.0999 %, 11 of 10,011 are 0.1099 %; half a percent of lateness counts by its instant.
#[test]
fn an_instrument_that_could_not_keep_up_voids() {
    let with = |change: fn(&mut Health)| {
        let mut events = trial(3);
        for event in &mut events {
            if let What::Health(health) = &mut event.what {
                change(health);
            }
        }
        told(&events)
    };
    assert_eq!(with(|health| health.rtp_not_sent = 10), "");
    assert_eq!(with(|health| health.rtp_not_sent = 11), "11 RTP packets were due and not sent: they read as loss");
    assert_eq!(with(|health| health.send_late_p99_ns = 20_000_000), "");
    assert!(with(|health| health.send_late_p99_ns = 20_000_001).starts_with("1 % of the RTP packets left"));
}
