//! Each profile in simulated time before servers that die, refuse and come back: the instants that its figures
//! predict.

use std::net::SocketAddr;

use super::equip;
use crate::evidence::history::{Op, OpKind, Step, What};
use crate::experiment::agent::sip::phone::behaviour::Target;
use crate::experiment::agent::sip::phone::{Command, Input, Media, Output, Phone, PhoneConfig, Transport};
use crate::experiment::agent::sip::transaction::Timers;
use crate::experiment::plan::Part;
use crate::scenario::phone;
use crate::units::{RunTime, Span};
use crate::wire::sip::{Draft, Message};

const A: &str = "10.0.0.1:5060";
const B: &str = "10.0.0.2:5060";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn ms(millis: i64) -> RunTime {
    RunTime::from_millis(millis)
}

/// How a server treats requests in a time.
struct Spell {
    server: SocketAddr,
    from: RunTime,
    to: RunTime,
    how: How,
}

enum How {
    Dead,
    Unavailable(Option<u32>),
}

/// One phone before two servers, A with priority 1 and B with priority 2.
struct Field {
    phone: Phone,
    now: RunTime,
    spells: Vec<Spell>,
    sent: Vec<(RunTime, SocketAddr, Vec<u8>)>,
    ops: Vec<(RunTime, Op)>,
}

impl Field {
    /// A phone of that profile, which asks for this lifetime (`None`: as the profile says).
    fn new(profile: &str, expires_s: Option<u32>) -> Field {
        let target = |at: &str, priority| Target { address: address(at), priority, weight: 1 };
        let mut config = PhoneConfig {
            name: "phone".into(),
            user: "1001".into(),
            password: "secret".into(),
            domain: "lab.test".into(),
            server: address(A),
            local: address("10.0.1.1:5060"),
            transport: Transport::Udp,
            ring: Span::ZERO,
            timers: Timers::default(),
            op_base: 1_000_000,
            behaviour: None,
            everywhere: Vec::new(),
            register_kind: OpKind::Register,
            seed: 5,
        };
        let data = phone::embedded(profile).unwrap();
        equip(&mut config, &Part::Profiled(profile.into()), Some(&data), &[target(A, 1), target(B, 2)]);
        let behaviour = config.behaviour.as_mut().unwrap();
        behaviour.long_up = false;
        behaviour.expires_s = expires_s.unwrap_or(behaviour.expires_s);
        let (spells, sent, ops) = (Vec::new(), Vec::new(), Vec::new());
        Field { phone: Phone::new(config), now: RunTime::ZERO, spells, sent, ops }
    }

    fn spell(mut self, server: &str, from_s: i64, to_s: i64, how: How) -> Field {
        self.spells.push(Spell { server: address(server), from: ms(from_s * 1000), to: ms(to_s * 1000), how });
        self
    }

    fn register(&mut self) {
        let patience = Span::from_secs(8);
        self.command(Command::Register { op: 1, planned: self.now, expires_s: 60, patience });
    }

    fn call(&mut self, op: u64, patience_s: i64) {
        let address = address("10.0.1.1:4000");
        let media = Media { address, codec: "PCMA".into(), payload_type: 8, ptime_ms: 20, video: None };
        let (planned, callee, patience) = (self.now, "1002".to_owned(), Span::from_secs(patience_s));
        self.command(Command::Call { op, call: op, kind: OpKind::IdleCall, planned, callee, media, patience });
    }

    fn command(&mut self, command: Command) {
        self.phone.handle(self.now, Input::Command(command));
        self.drain();
    }

    fn run_until(&mut self, end_s: i64) {
        let end = ms(end_s * 1000);
        while let Some(at) = self.phone.wake_at().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.phone.tick(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn drain(&mut self) {
        while let Some(output) = self.phone.poll() {
            match output {
                Output::Datagram { to, bytes } => self.deliver(to, bytes),
                Output::Event { t, what: What::Op(op) } => self.ops.push((t, op)),
                _ => {}
            }
        }
    }

    /// Servers answer at once.
    fn deliver(&mut self, to: SocketAddr, bytes: Vec<u8>) {
        self.sent.push((self.now, to, bytes.clone()));
        let Ok(request) = Message::parse(&bytes) else { return };
        let method = request.method().unwrap_or_default();
        if method == "ACK" {
            return;
        }
        let spell =
            self.spells.iter().find(|spell| spell.server == to && spell.from <= self.now && self.now < spell.to);
        let contact = format!("sip:server@{to}");
        let mut draft = match spell.map(|spell| &spell.how) {
            Some(How::Dead) => return,
            Some(How::Unavailable(rest)) => {
                let draft = Draft::reply(&request, 503, "tag");
                rest.iter().fold(draft, |draft, rest| draft.raw("Retry-After", &rest.to_string()))
            }
            None if method == "REGISTER" => {
                Draft::reply(&request, 200, "tag").raw("Expires", &request.header("Expires").unwrap())
            }
            None => Draft::reply(&request, 200, "tag").contact(&contact),
        };
        if method == "INVITE" && spell.is_none() {
            let sdp =
                b"v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 9000 RTP/AVP 8\r\n";
            draft = draft.body("application/sdp", sdp.to_vec());
        }
        self.phone.handle(self.now, Input::Datagram { from: to, bytes: &draft.to_bytes() });
        self.drain();
    }

    /// When and how an operation ended.
    fn end(&self, op: u64) -> (f64, Step) {
        let ends: Vec<_> = self.ops.iter().filter(|(_, one)| one.op == op && one.step != Step::Invoke).collect();
        assert_eq!(ends.len(), 1, "operation {op}");
        (ends[0].0.as_secs_f64(), ends[0].1.step)
    }

    /// When registrations were accepted.
    fn registered(&self) -> Vec<f64> {
        let ok = |op: &&(RunTime, Op)| op.1.kind == OpKind::OwnRegister && op.1.step == Step::Ok;
        self.ops.iter().filter(ok).map(|(t, _)| t.as_secs_f64()).collect()
    }

    /// Requests of a method to a server: when, and their octets.
    fn requests(&self, method: &str, server: &str) -> Vec<(f64, &[u8])> {
        let is = |bytes: &[u8]| Message::parse(bytes).ok().is_some_and(|message| message.method() == Some(method));
        let sent = self.sent.iter().filter(|(_, to, bytes)| *to == address(server) && is(bytes));
        sent.map(|(t, _, bytes)| (t.as_secs_f64(), bytes.as_slice())).collect()
    }
}

fn dead(profile: &str, expires_s: Option<u32>, from_s: i64, to_s: i64) -> Field {
    Field::new(profile, expires_s).spell(A, from_s, to_s, How::Dead)
}

/// RFC 3261 §17.1.1.2: timer B ends the first transaction after 64·T1 = 32 s, and RFC 3263 §4.3 sends the same
/// request to the next target with another branch.
#[test]
fn a_caller_by_the_rfc_reaches_the_second_target_when_timer_b_ends() {
    let mut field = dead("rfc3261", None, 0, 1000);
    field.call(7, 60);
    field.run_until(50);
    assert_eq!(field.end(7), (32.0, Step::Ok));
    let (first, second) = (field.requests("INVITE", A), field.requests("INVITE", B));
    let instants: Vec<f64> = first.iter().map(|(t, _)| *t).collect();
    assert_eq!(instants, [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]);
    let [one, other] = [first[0].1, second[0].1].map(|bytes| Message::parse(bytes).unwrap());
    assert_ne!(one.branch(), other.branch());
    assert_eq!((one.call_id(), one.cseq(), one.from_tag()), (other.call_id(), other.cseq(), other.from_tag()));
}

#[test]
fn a_caller_with_less_patience_than_timer_b_never_gets_through() {
    let mut field = dead("rfc3261", None, 0, 1000);
    field.call(7, 8);
    field.run_until(50);
    assert_eq!(field.end(7), (8.0, Step::Fail));
    assert!(field.requests("INVITE", B).is_empty());
}

/// Three retransmissions by RFC 3261's timing: 0.5 + 1 + 2 + 4 s. The next call begins with the primary again.
#[test]
fn a_vvx_moves_on_after_three_retransmissions_with_each_call_anew() {
    let mut field = dead("polycom-vvx", None, 0, 1000);
    field.call(7, 60);
    field.run_until(20);
    field.call(8, 60);
    field.run_until(40);
    assert_eq!((field.end(7), field.end(8)), ((7.5, Step::Ok), (27.5, Step::Ok)));
    assert_eq!(field.requests("INVITE", A).len(), 8);
}

#[test]
fn phones_without_failover_over_udp_fail_with_timer_b() {
    for profile in ["pjsua", "linphone", "asterisk-uac"] {
        let mut field = dead(profile, None, 0, 1000);
        field.call(7, 60);
        field.run_until(50);
        assert_eq!(field.end(7), (32.0, Step::Fail), "{profile}");
        assert!(field.requests("INVITE", B).is_empty(), "{profile}");
    }
}

#[test]
fn a_503_moves_on_at_once_and_retry_after_keeps_away_for_so_long() {
    let mut field = Field::new("rfc3261", None).spell(A, 0, 1000, How::Unavailable(Some(10)));
    field.call(1, 60);
    assert_eq!(field.end(1), (0.0, Step::Ok));
    for (at, op) in [(5, 2), (9, 3), (10, 4)] {
        field.run_until(at);
        field.call(op, 60);
    }
    let at_a: Vec<f64> = field.requests("INVITE", A).iter().map(|(t, _)| *t).collect();
    assert_eq!(at_a, [0.0, 10.0]);
    // Without Retry-After each request begins with A again.
    let mut field = Field::new("rfc3261", None).spell(A, 0, 1000, How::Unavailable(None));
    field.call(1, 60);
    field.run_until(5);
    field.call(2, 60);
    assert_eq!(field.requests("INVITE", A).len(), 2);
    // pjsua gives up, as its documentation has it.
    let mut field = Field::new("pjsua", None).spell(A, 0, 1000, How::Unavailable(None));
    field.call(1, 60);
    assert_eq!(field.end(1), (0.0, Step::Fail));
}

#[test]
fn a_port_that_is_unreachable_moves_on_at_once() {
    let mut field = dead("rfc3261", None, 0, 1000);
    field.call(7, 60);
    field.run_until(1);
    field.phone.handle(field.now, Input::Unreachable { to: address(A) });
    field.drain();
    assert_eq!(field.end(7), (1.0, Step::Ok));
}

/// Refresh at half of 60 s, timer F 32 s later, then the next target: 30 + 32 s.
#[test]
fn an_idle_phone_by_the_rfc_is_registered_again_after_refresh_and_timer_f() {
    let mut field = dead("rfc3261", Some(60), 10, 1000);
    field.register();
    field.run_until(90);
    assert_eq!(field.registered(), [0.0, 62.0]);
    assert_eq!(field.requests("REGISTER", B).len(), 1);
}

/// Refresh at 300 - 5 s, failed at 327, the first retry 0 to 10 s later, failed after 32 s more, then 300 ± 10 s to a
/// server that is back: 327 + (0 … 10) + 32 + (290 … 310).
#[test]
fn pjsua_waits_for_its_retry_interval() {
    let mut field = dead("pjsua", None, 10, 400);
    field.register();
    field.run_until(700);
    let registered = field.registered();
    assert_eq!(registered.len(), 2);
    assert!((649.0..=679.0).contains(&registered[1]), "{registered:?}");
    let first: Vec<f64> = field.requests("REGISTER", A).iter().map(|(t, _)| *t).filter(|t| *t <= 327.0).collect();
    assert_eq!((first[1], first[first.len() - 1]), (295.0, 326.5));
    assert!(field.requests("REGISTER", B).is_empty());
}

/// Its own refresh at 0.9 · 60 s; T1 doubles up to T2, so timer F at 54 + 32; then 0.5 s, 32 s and 60 s.
#[test]
fn linphone_tries_again_after_a_minute() {
    let mut field = dead("linphone", Some(60), 10, 130);
    field.register();
    field.run_until(200);
    assert_eq!(field.registered(), [0.0, 54.0 + 32.0 + 0.5 + 32.0 + 60.0]);
}

/// Refreshes at 20 and 40 s do not put the pings at 25 and 50 s off; at 60 s the flow is known to be dead, while the
/// REGISTER of 40 s still waits for timer F.
#[test]
fn a_phone_that_registers_often_pings_all_the_same() {
    let mut field = dead("rfc5626", Some(40), 30, 1000);
    field.register();
    field.run_until(61);
    let lost = field.ops.iter().find(|(_, op)| op.step == Step::Fail).unwrap();
    assert_eq!((lost.0, lost.1.reason.as_deref()), (ms(60_000), Some("flow lost")));
    field.call(7, 60);
    assert_eq!(field.end(7), (61.0, Step::Ok));
}

/// Pings at 25 and 50 s; the second one is unanswered at 60 s, and the phone leaves the silent server then.
#[test]
fn a_missed_keepalive_makes_a_new_flow_at_once() {
    let mut field = dead("rfc5626", None, 30, 1000);
    field.register();
    assert_eq!(field.registered(), [0.0, 0.0], "two flows");
    let ids = ["reg-id=1", "reg-id=2"].map(|id| {
        let server = if id.ends_with('1') { A } else { B };
        let text = String::from_utf8(field.requests("REGISTER", server)[0].1.to_vec()).unwrap();
        assert!(text.contains(id), "{text}");
        let at = text.find("+sip.instance=").unwrap();
        text[at..at + 64].to_owned()
    });
    assert_eq!(ids[0], ids[1], "one instance");
    // The keepalive has told, so a call goes over the flow that stands.
    field.run_until(65);
    field.call(7, 60);
    assert_eq!(field.end(7), (65.0, Step::Ok));
    assert!(field.requests("INVITE", A).is_empty());
    // The new flow to A fails with timer F at 92 s; with another flow up the next try is 90 to 180 s later.
    field.run_until(300);
    let tries: Vec<f64> = field.requests("REGISTER", A).iter().map(|(t, _)| *t).collect();
    assert_eq!(tries[1], 60.0);
    let next = tries.iter().find(|t| **t > 92.0).unwrap();
    assert!((182.0..=272.0).contains(next), "{next}");
}

#[test]
fn a_phone_by_the_rfc_returns_to_the_primary_by_itself() {
    let mut field = dead("rfc3261", Some(60), 10, 70);
    field.register();
    // By the RFC each request begins with the best target; the one at 92 s finds A alive again.
    field.run_until(100);
    assert_eq!(field.registered(), [0.0, 62.0, 92.0]);
    assert_eq!(field.requests("REGISTER", A).last().unwrap().0, 92.0);
}
