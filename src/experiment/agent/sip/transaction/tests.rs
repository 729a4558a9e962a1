//! Timers against RFC 3261 table 4, with T1 = 500 ms, T2 = 4 s, T4 = 5 s.

use super::{Action, Indication, Layer, Peer, Timers};
use crate::units::RunTime;
use crate::wire::sip::{Draft, Message};

fn udp() -> Peer {
    Peer::Udp("10.0.0.9:5060".parse().unwrap())
}

fn draft(method: rsip::Method) -> Draft {
    Draft::request(method, "sip:2@d").from("sip:1@d", "f").to("sip:2@d", None).call_id("c").cseq(1)
}

fn layer() -> Layer {
    Layer::new(Timers::default(), 1, "test")
}

/// Runs a layer alone until nothing is left to wait for: (milliseconds, what it did).
fn run(layer: &mut Layer) -> Vec<(i64, Action)> {
    let mut now = RunTime::ZERO;
    let mut log = Vec::new();
    loop {
        while let Some(action) = layer.poll() {
            log.push((now.as_nanos() / 1_000_000, action));
        }
        let Some(wake) = layer.wake_at() else { return log };
        now = wake;
        layer.tick(now);
    }
}

fn sends(log: &[(i64, Action)]) -> Vec<i64> {
    log.iter().filter(|(_, action)| matches!(action, Action::Send { .. })).map(|&(at, _)| at).collect()
}

fn take_sent(layer: &mut Layer) -> Vec<u8> {
    loop {
        if let Some(Action::Send { octets, .. }) = layer.poll() {
            return octets;
        }
    }
}

fn answer(request: &[u8], code: u16) -> Vec<u8> {
    Draft::reply(&Message::parse(request).unwrap(), code, "t").to_bytes()
}

// Timer A doubles without bound, timer B is 64·T1 = 32 s.
#[test]
fn an_unanswered_invite_over_udp() {
    let mut layer = layer();
    let client = layer.request(RunTime::ZERO, udp(), "10.0.0.1:5060", draft(rsip::Method::Invite));
    let log = run(&mut layer);
    assert_eq!(sends(&log), [0, 500, 1500, 3500, 7500, 15_500, 31_500]);
    assert_eq!(log.last(), Some(&(32_000, Action::Indicate(Indication::TimedOut { client }))));
}

// Timer E doubles up to T2, timer F is 64·T1 = 32 s.
#[test]
fn an_unanswered_register_over_udp() {
    let mut layer = layer();
    layer.request(RunTime::ZERO, udp(), "10.0.0.1:5060", draft(rsip::Method::Register));
    let log = run(&mut layer);
    assert_eq!(sends(&log), [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    assert_eq!(log.last().unwrap().0, 32_000);
}

#[test]
fn a_reliable_transport_is_trusted() {
    let mut layer = layer();
    layer.request(RunTime::ZERO, Peer::Flow(3), "10.0.0.1:5060", draft(rsip::Method::Invite));
    let log = run(&mut layer);
    assert_eq!(sends(&log), [0]);
    assert_eq!(log.last().unwrap().0, 32_000);
}

#[test]
fn a_broken_connection_ends_what_was_under_way_on_it() {
    let mut layer = layer();
    let client = layer.request(RunTime::ZERO, Peer::Flow(3), "10.0.0.1:5060", draft(rsip::Method::Register));
    let _sent = take_sent(&mut layer);
    layer.flow_lost(4);
    assert_eq!(layer.poll(), None);
    layer.flow_lost(3);
    assert_eq!(layer.poll(), Some(Action::Indicate(Indication::Broken { client })));
    layer.tick(RunTime::ZERO);
    assert_eq!((layer.poll(), layer.wake_at()), (None, None));
}

// §17.1.1.3: every copy of a failure is acknowledged on the INVITE's branch; timer D is 32 s.
#[test]
fn a_failure_is_acknowledged_hop_by_hop() {
    let mut layer = layer();
    layer.request(RunTime::ZERO, udp(), "10.0.0.1:5060", draft(rsip::Method::Invite));
    let invite = take_sent(&mut layer);
    for _copy in 0..2 {
        layer.receive(RunTime::ZERO, udp(), &answer(&invite, 486));
    }
    let log = run(&mut layer);
    let acks: Vec<_> = log
        .iter()
        .filter_map(|(_, action)| match action {
            Action::Send { octets, .. } => Message::parse(octets).ok(),
            Action::Indicate(_) => None,
        })
        .collect();
    assert_eq!(acks.len(), 2);
    for ack in acks {
        assert_eq!((ack.cseq(), ack.to_tag()), (Some((1, "ACK")), Some("t")));
        assert_eq!(ack.branch(), Message::parse(&invite).unwrap().branch());
    }
    assert_eq!(log.len(), 3, "one response for the user");
}

// §13.2.2.4: the same ACK again for every copy of the 2xx; a 2xx of another fork goes to the user.
#[test]
fn the_ack_of_a_2xx_is_repeated() {
    let mut layer = layer();
    let client = layer.request(RunTime::ZERO, udp(), "10.0.0.1:5060", draft(rsip::Method::Invite));
    let invite = take_sent(&mut layer);
    let ok = answer(&invite, 200);
    layer.receive(RunTime::ZERO, udp(), &ok);
    assert!(matches!(layer.poll(), Some(Action::Indicate(Indication::Response { .. }))));
    layer.acknowledge(client, udp(), "10.0.0.1:5060", "t", draft(rsip::Method::Ack));
    let ack = take_sent(&mut layer);
    layer.receive(RunTime::from_millis(500), udp(), &ok);
    assert_eq!(take_sent(&mut layer), ack);
    let fork = Draft::reply(&Message::parse(&invite).unwrap(), 200, "other").to_bytes();
    layer.receive(RunTime::from_millis(600), udp(), &fork);
    assert_eq!(layer.poll(), Some(Action::Indicate(Indication::Response { client, octets: fork })));
}

fn incoming(layer: &mut Layer, method: rsip::Method) -> (u64, Vec<u8>) {
    let request = draft(method).raw("Via", "SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKx;rport").to_bytes();
    layer.receive(RunTime::ZERO, udp(), &request);
    match layer.poll() {
        Some(Action::Indicate(Indication::Request { server, .. })) => (server, request),
        other => panic!("no request: {other:?}"),
    }
}

// Timer G: T1 doubling to T2; timer H: 64·T1.
#[test]
fn a_failure_without_ack_is_repeated() {
    let mut layer = layer();
    let (server, request) = incoming(&mut layer, rsip::Method::Invite);
    layer.respond(RunTime::ZERO, server, Draft::reply(&Message::parse(&request).unwrap(), 486, "t"));
    let log = run(&mut layer);
    assert_eq!(sends(&log), [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
}

// §13.3.1.4: a 2xx is repeated from T1 to T2 until 64·T1, then the user is told.
#[test]
fn a_2xx_without_ack_is_repeated_and_told() {
    let mut layer = layer();
    let (server, request) = incoming(&mut layer, rsip::Method::Invite);
    layer.respond(RunTime::ZERO, server, Draft::reply(&Message::parse(&request).unwrap(), 200, "t"));
    let log = run(&mut layer);
    assert_eq!(sends(&log), [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    assert_eq!(log.last(), Some(&(32_000, Action::Indicate(Indication::NeverAcked { server }))));
}

#[test]
fn an_ack_on_a_new_branch_ends_the_repetition() {
    let mut layer = layer();
    let (server, request) = incoming(&mut layer, rsip::Method::Invite);
    layer.respond(RunTime::ZERO, server, Draft::reply(&Message::parse(&request).unwrap(), 200, "t"));
    let _ok = take_sent(&mut layer);
    let ack = Draft::request(rsip::Method::Ack, "sip:2@d").raw("Via", "SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKy");
    let ack = ack.from("sip:1@d", "f").to("sip:2@d", Some("t")).call_id("c").cseq(1).to_bytes();
    layer.receive(RunTime::ZERO, udp(), &ack);
    assert_eq!(layer.poll(), Some(Action::Indicate(Indication::Acked { server, octets: ack })));
    assert_eq!(sends(&run(&mut layer)), [] as [i64; 0]);
}

// Timer J: copies of an answered request get the same answer for 64·T1 over UDP.
#[test]
fn a_copy_of_a_request_gets_the_same_response() {
    let mut layer = layer();
    let (server, request) = incoming(&mut layer, rsip::Method::Bye);
    layer.respond(RunTime::ZERO, server, Draft::reply(&Message::parse(&request).unwrap(), 200, "t"));
    let response = take_sent(&mut layer);
    let late = RunTime::from_millis(31_000);
    layer.tick(late);
    layer.receive(late, udp(), &request);
    assert_eq!(take_sent(&mut layer), response);
    layer.tick(RunTime::from_millis(32_000));
    layer.receive(RunTime::from_millis(32_001), udp(), &request);
    assert!(matches!(layer.poll(), Some(Action::Indicate(Indication::Request { .. }))));
}

#[test]
fn cancel_waits_for_a_provisional_response_and_finds_its_invite() {
    let mut layer = layer();
    let client = layer.request(RunTime::ZERO, udp(), "10.0.0.1:5060", draft(rsip::Method::Invite));
    let invite = take_sent(&mut layer);
    assert!(!layer.cancel(RunTime::ZERO, client));
    layer.receive(RunTime::ZERO, udp(), &answer(&invite, 100));
    assert!(layer.cancel(RunTime::ZERO, client));
    let cancel = take_sent(&mut layer);
    let mut callee = self::layer();
    callee.receive(RunTime::ZERO, udp(), &invite);
    let Some(Action::Indicate(Indication::Request { server, .. })) = callee.poll() else { panic!("no INVITE") };
    callee.receive(RunTime::ZERO, udp(), &cancel);
    let Some(Action::Indicate(Indication::Request { cancels, .. })) = callee.poll() else { panic!("no CANCEL") };
    assert_eq!(cancels, Some(server));
}
