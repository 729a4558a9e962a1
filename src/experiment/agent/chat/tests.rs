use super::*;
use crate::evidence::history::Presence;

const DOMAIN: &str = "lab.test";
const RUN: u64 = 0xbeef;

fn at(millis: i64) -> RunTime {
    RunTime::from_millis(millis)
}

fn span(millis: i64) -> Span {
    Span::from_millis(millis)
}

fn element(xml: &str) -> Element {
    xml.replacen(' ', " xmlns='jabber:client' ", 1).parse().unwrap()
}

fn nonza(xml: &str) -> Element {
    xml.parse().unwrap()
}

/// A chatter and everything that it wanted, in simulated time.
struct World {
    chatter: Chatter,
    records: Vec<(RunTime, String)>,
    sent: Vec<Element>,
    connects: Vec<(RunTime, Option<Resumption>)>,
    abandoned: usize,
}

impl World {
    fn new(role: ChatRole, messages: &[i64]) -> World {
        let settings = Settings {
            name: "chat-03-a".into(),
            role,
            pair: 3,
            peer: BareJid::new("b@lab.test").unwrap(),
            domain: BareJid::new(DOMAIN).unwrap(),
            run: RUN,
            start: at(0),
            ping_interval: if role == ChatRole::Sender { span(1000) } else { Span::ZERO },
            ping_timeout: span(1500),
            login_timeout: span(2000),
            reconnect: span(100),
        };
        let planned = messages.iter().enumerate().map(|(seq, after)| Planned {
            message: 70 + seq as u64,
            seq: seq as u32,
            after: span(*after),
        });
        let mut op = 0;
        let next_op = move || {
            op += 1;
            op
        };
        let chatter = Chatter::new(settings, planned.collect(), Box::new(next_op));
        World { chatter, records: vec![], sent: vec![], connects: vec![], abandoned: 0 }
    }

    fn input(&mut self, now: i64, input: Input) {
        self.chatter.handle(at(now), input);
        while let Some(output) = self.chatter.poll() {
            match output {
                Output::Connect(resumption) => self.connects.push((at(now), resumption)),
                Output::Send(element) => self.sent.push(element),
                Output::Abandon => self.abandoned += 1,
                Output::Close => {}
                Output::Record(what) => self.records.push((at(now), told(&what))),
            }
        }
    }

    /// Ticks at every instant that the chatter asks for, up to `until`.
    fn run_until(&mut self, until: i64) {
        while let Some(wake) = self.chatter.wake_at().filter(|wake| *wake <= at(until)) {
            self.input(wake.as_nanos() / 1_000_000, Input::Tick);
        }
    }

    fn log_in(&mut self, now: i64, management: Management) {
        self.input(now, Input::LoggedIn(Login { management, steps: "steps".into() }));
    }

    fn up(role: ChatRole, messages: &[i64]) -> World {
        let mut world = World::new(role, messages);
        world.input(0, Input::Tick);
        world.log_in(10, Management::Off);
        world.input(10, Input::Begin(at(0)));
        world.take();
        world
    }

    fn take(&mut self) -> Vec<String> {
        self.sent.clear();
        self.records.drain(..).map(|(t, text)| format!("{} {text}", t.as_nanos() / 1_000_000)).collect()
    }

    fn ping_id(&self) -> String {
        let ping = self.sent.iter().rev().find(|sent| sent.name() == "iq").unwrap();
        ping.attr("id").unwrap().to_owned()
    }
}

fn told(what: &What) -> String {
    let or_empty = |reason: &Option<String>| reason.as_ref().map_or_else(String::new, |r| format!(" ({r})"));
    match what {
        What::Session(Session { state, reason, .. }) => format!("{state:?}{}", or_empty(reason)),
        What::Message(MessageMark { message, seen, planned_ns, reason, .. }) => {
            format!("{message} {seen:?} planned {}{}", planned_ns.as_nanos() / 1_000_000, or_empty(reason))
        }
        What::Op(Op { op, step, planned_ns, reason, .. }) => {
            format!("ping {op} {step:?} planned {}{}", planned_ns.as_nanos() / 1_000_000, or_empty(reason))
        }
        What::Presence(Presence { available, .. }) => format!("other one there: {available}"),
        other => format!("{other:?}"),
    }
}

fn tag(message: u64) -> Tag {
    Tag { run: RUN, message, pair: 3, seq: 0, planned: at(500) }
}

#[test]
fn a_tag_reads_back_and_foreign_text_does_not() {
    let tag = Tag { run: u64::MAX, message: 9, pair: 3, seq: 7, planned: RunTime(-5) };
    assert_eq!(Tag::read(&tag.to_string()), Some(tag));
    assert_eq!(Tag::message_of(u64::MAX, &tag.id()), Some(9));
    assert_eq!(Tag::message_of(1, &tag.id()), None);
    for text in ["", "hello", "5n", "5n run=1 message=2 pair=3 seq=4", "5n run=1 message=2 pair=3 seq=x planned=5"] {
        assert_eq!(Tag::read(text), None, "{text}");
    }
    assert_eq!(Tag::read(&format!("{tag} more")), None);
}

/// One row a stanza: what the receiver and the sender of pair 3 note when it comes in.
#[test]
fn what_comes_in_is_counted_by_its_meaning() {
    let body = tag(70);
    let foreign = Tag { run: 1, ..body };
    let other_pair = Tag { pair: 4, ..body };
    let id = body.id();
    let forwarded = |wrapper: &str| {
        format!(
            "<message from='b@lab.test'><{wrapper} xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>\
             <message xmlns='jabber:client' from='a@lab.test'><body>{body}</body>\
             <received xmlns='urn:xmpp:receipts' id='{id}'/></message></forwarded></{wrapper}></message>"
        )
    };
    let stamp = "<delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'/>";
    let bounce = "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    let table = [
        (
            format!("<message from='a@lab.test/5n' type='chat'><body>{body}</body></message>"),
            "70 Delivered planned 500",
            "",
        ),
        (
            format!("<message from='a@lab.test/5n'><body>{body}</body>{stamp}</message>"),
            "70 Delivered planned 500 (offline)",
            "",
        ),
        (format!("<message from='a@lab.test/5n'><body>{foreign}</body></message>"), "", ""),
        (format!("<message from='a@lab.test/5n'><body>{other_pair}</body></message>"), "", ""),
        ("<message from='a@lab.test/5n'><body>hello</body></message>".to_owned(), "", ""),
        (forwarded("received"), "", ""),
        (forwarded("sent"), "", ""),
        (
            format!("<message from='b@lab.test/5n'><received xmlns='urn:xmpp:receipts' id='{id}'/></message>"),
            "",
            "70 Receipt planned 500",
        ),
        (
            "<message from='b@lab.test/5n'><received xmlns='urn:xmpp:receipts' id='5n-beef-99'/></message>".to_owned(),
            "",
            "",
        ),
        (
            format!("<message type='error' id='{id}'><body>{body}</body>{bounce}</message>"),
            "",
            "70 Bounced planned 500 (service-unavailable)",
        ),
        (format!("<message type='error' id='{id}'><error/></message>"), "", "70 Bounced planned 500 (error)"),
        ("<presence from='a@lab.test/5n'/>".to_owned(), "", ""),
        ("<iq type='result' id='nobody'/>".to_owned(), "", ""),
    ];
    for (xml, receiver, sender) in table {
        for (role, expected) in [(ChatRole::Receiver, receiver), (ChatRole::Sender, sender)] {
            let mut world = World::up(role, if role == ChatRole::Sender { &[500] } else { &[] });
            world.run_until(600);
            world.take();
            world.input(700, Input::Received(element(&xml)));
            let expected: Vec<String> = (!expected.is_empty()).then(|| format!("700 {expected}")).into_iter().collect();
            assert_eq!(world.take(), expected, "{role:?}: {xml}");
        }
    }
}

#[test]
fn a_receipt_goes_back_when_it_is_asked_for() {
    let mut world = World::up(ChatRole::Receiver, &[]);
    let body = tag(70);
    let xml = |request| format!("<message from='a@lab.test/5n'><body>{body}</body>{request}</message>");
    world.input(700, Input::Received(element(&xml(""))));
    assert!(world.sent.is_empty());
    world.input(700, Input::Received(element(&xml("<request xmlns='urn:xmpp:receipts'/>"))));
    let receipt = &world.sent[0];
    assert_eq!(receipt.attr("to"), Some("a@lab.test/5n"));
    assert_eq!(Meaning::of(receipt), Meaning::Receipt(body.id()));
}

#[test]
fn what_a_server_asks_is_answered() {
    let mut world = World::up(ChatRole::Receiver, &[]);
    world.input(
        20,
        Input::Received(element("<iq type='get' id='q1' from='lab.test'><ping xmlns='urn:xmpp:ping'/></iq>")),
    );
    world.input(20, Input::Received(element("<iq type='set' id='q2' from='lab.test'><query xmlns='what'/></iq>")));
    let answers: Vec<_> = world.sent.iter().map(|answer| (answer.attr("type"), answer.attr("id"))).collect();
    assert_eq!(answers, [(Some("result"), Some("q1")), (Some("error"), Some("q2"))]);
}

#[test]
fn pings_are_due_at_planned_instants_and_an_unanswered_one_ends_the_session() {
    let mut world = World::up(ChatRole::Sender, &[]);
    world.run_until(1010);
    let id = world.ping_id();
    world.input(1012, Input::Received(element(&format!("<iq type='result' id='{id}'/>"))));
    world.run_until(5000);
    // Up at 10, so pings at 1010, 2010, 3010; the second waits its 1500 ms in vain; 100 ms later it tries
    // again, and the login is given up 2000 ms after that.
    let expected = [
        "1010 ping 1 Invoke planned 1010",
        "1012 ping 1 Ok planned 1010",
        "2010 ping 2 Invoke planned 2010",
        "3010 ping 3 Invoke planned 3010",
        "3510 ping 2 Fail planned 2010 (timeout)",
        "3510 Lost (ping timeout)",
        "3510 ping 3 Info planned 3010 (session lost)",
        "3610 Connecting",
    ];
    assert_eq!(world.take(), expected);
    world.run_until(5750);
    assert_eq!(world.take(), ["5610 Refused (login timeout)", "5710 Connecting"]);
    assert_eq!(world.abandoned, 2);
}

#[test]
fn an_idle_receiver_notices_nothing() {
    let mut world = World::up(ChatRole::Receiver, &[]);
    assert_eq!(world.chatter.wake_at(), None);
    world.input(3_600_000, Input::Tick);
    assert!(world.take().is_empty());
    world.input(3_600_001, Input::Broken("connection reset".into()));
    assert_eq!(world.take(), ["3600001 Lost (connection reset)"]);
    assert_eq!(world.chatter.wake_at(), Some(at(3_600_101)));
}

#[test]
fn what_is_typed_without_a_session_goes_out_when_it_is_back_and_keeps_its_instant() {
    let mut world = World::up(ChatRole::Sender, &[100, 200, 300, 400, 9000]);
    world.run_until(150);
    world.input(160, Input::Broken("connection reset".into()));
    world.run_until(350);
    world.log_in(350, Management::Off);
    world.run_until(450);
    let expected = [
        "100 70 Sent planned 100",
        "160 Lost (connection reset)",
        "260 Connecting",
        "350 Up (steps)",
        "350 71 Sent planned 200",
        "350 72 Sent planned 300",
        "400 73 Sent planned 400",
    ];
    let sent: Vec<_> = world
        .sent
        .iter()
        .filter(|sent| sent.name() == "message")
        .map(|sent| sent.attr("id").unwrap().to_owned())
        .collect();
    assert_eq!(sent, ["5n-beef-70", "5n-beef-71", "5n-beef-72", "5n-beef-73"]);
    assert_eq!(world.take(), expected);
    world.input(460, Input::Stop);
    assert_eq!(world.take(), ["460 Closed", "460 74 NotStarted planned 9000 (the trial ended before)"]);
    assert!(world.chatter.is_over());
    assert_eq!(world.chatter.wake_at(), None);
}

#[test]
fn a_message_due_during_an_outage_that_does_not_end_is_not_started() {
    let mut world = World::up(ChatRole::Sender, &[100]);
    world.input(50, Input::Broken("closed".into()));
    world.run_until(200);
    world.input(200, Input::LoginFailed("tcp: connection refused".into()));
    world.run_until(250);
    world.input(250, Input::Stop);
    let expected = [
        "50 Lost (closed)",
        "150 Connecting",
        "200 Refused (tcp: connection refused)",
        "250 70 NotStarted planned 100 (no session)",
    ];
    assert_eq!(world.take(), expected);
}

#[test]
fn nothing_goes_out_before_the_plan_begins() {
    let mut world = World::new(ChatRole::Sender, &[0]);
    world.input(0, Input::Tick);
    world.log_in(10, Management::Off);
    world.run_until(900);
    assert_eq!(world.take(), ["0 Connecting", "10 Up (steps)"]);
    world.input(900, Input::Begin(at(950)));
    world.run_until(960);
    assert_eq!(world.take(), ["950 70 Sent planned 950"]);
}

fn managed(resumption: &str) -> Management {
    Management::Enabled { resumption: Some(resumption.into()), failed: None, handled: None }
}

#[test]
fn acknowledgements_are_counted_and_a_resumption_sends_the_rest_again() {
    let mut world = World::new(ChatRole::Sender, &[100, 200]);
    world.input(0, Input::Tick);
    world.log_in(10, managed("s1"));
    world.input(10, Input::Begin(at(0)));
    world.run_until(200);
    world.input(205, Input::Received(element("<presence from='x@y'/>")));
    // Sent so far: presence (1), subscription (2), message 70 (3), message 71 (4).
    world.input(210, Input::Received(nonza("<a xmlns='urn:xmpp:sm:3' h='3'/>")));
    world.input(215, Input::Received(nonza("<r xmlns='urn:xmpp:sm:3'/>")));
    assert_eq!(world.sent.last().unwrap().attr("h"), Some("1"));
    world.input(220, Input::Received(nonza("<a xmlns='urn:xmpp:sm:3' h='77'/>")));
    world.input(230, Input::Broken("reset".into()));
    world.run_until(330);
    assert_eq!(world.connects[1].1, Some(Resumption { name: "s1".into(), handled: 1 }));
    assert_eq!(
        world.take()[2..],
        [
            "100 70 Sent planned 100",
            "200 71 Sent planned 200",
            "210 70 Acked planned 100",
            "230 Lost (reset)",
            "330 Connecting"
        ]
    );
    world.log_in(340, Management::Resumed(3));
    let again: Vec<_> =
        world.sent.iter().map(|sent| (sent.name().to_owned(), sent.attr("id").map(str::to_owned))).collect();
    assert_eq!(again, [("message".into(), Some("5n-beef-71".into())), ("r".into(), None)]);
    world.input(350, Input::Received(nonza("<a xmlns='urn:xmpp:sm:3' h='4'/>")));
    assert_eq!(world.take(), ["340 Resumed (steps; 1 sent again)", "350 71 Acked planned 200"]);
}

/// RFC 6121 §3.1.4, §4.2.3: what counts is the other one of the pair, whatever his resource, and only what is new.
#[test]
fn the_other_one_is_watched_and_may_watch() {
    let mut world = World::up(ChatRole::Receiver, &[]);
    for (at, stanza) in [
        (20, "<presence from='b@lab.test/5n'/>"),
        (30, "<presence from='b@lab.test/5n'/>"),
        (40, "<presence from='x@lab.test/5n' type='unavailable'/>"),
        (50, "<presence from='b@lab.test/5n' type='unavailable'/>"),
        (60, "<presence from='x@lab.test' type='subscribe'/>"),
    ] {
        world.input(at, Input::Received(element(stanza)));
    }
    assert!(world.sent.is_empty(), "a stranger gets no leave");
    assert_eq!(world.take(), ["20 other one there: true", "50 other one there: false"]);
    world.input(70, Input::Received(element("<presence from='b@lab.test' type='subscribe'/>")));
    let sent = |name| world.sent[0].attr(name);
    assert_eq!((sent("to"), sent("type")), (Some("b@lab.test"), Some("subscribed")));
    // A new session has been shown nothing.
    world.input(80, Input::Broken("reset".into()));
    world.run_until(180);
    world.log_in(190, Management::Off);
    world.take();
    world.input(200, Input::Received(element("<presence from='b@lab.test/5n' type='unavailable'/>")));
    assert_eq!(world.take(), ["200 other one there: false"]);
}

#[test]
fn a_failed_resumption_begins_a_new_session_and_sends_nothing_again() {
    let mut world = World::new(ChatRole::Sender, &[100, 200]);
    world.input(0, Input::Tick);
    world.log_in(10, managed("s1"));
    world.input(10, Input::Begin(at(0)));
    world.run_until(200);
    world.input(230, Input::Broken("reset".into()));
    world.run_until(330);
    world.take();
    let failed = Some("item-not-found".to_owned());
    world.log_in(340, Management::Enabled { resumption: Some("s2".into()), failed, handled: Some(3) });
    let names: Vec<_> = world.sent.iter().map(Element::name).collect();
    assert_eq!(names, ["presence", "presence"], "that it is there, and the wish to see the other one");
    let expected = ["340 70 Acked planned 100", "340 Up (steps; not resumed: item-not-found, 1 unacknowledged)"];
    assert_eq!(world.take(), expected);
    // The new session counts from zero: its presence is the first stanza.
    world.input(350, Input::Broken("reset".into()));
    world.run_until(450);
    assert_eq!(world.connects[2].1, Some(Resumption { name: "s2".into(), handled: 0 }));
}

#[test]
fn a_stream_error_ends_the_session_with_its_condition() {
    let mut world = World::up(ChatRole::Receiver, &[]);
    let xml = "<error xmlns='http://etherx.jabber.org/streams'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></error>";
    world.input(20, Input::Received(nonza(xml)));
    assert_eq!(world.take(), ["20 Lost (stream error: conflict)"]);
}

#[test]
fn the_end_of_the_trial_leaves_open_pings_unknown() {
    let mut world = World::up(ChatRole::Sender, &[]);
    world.run_until(1010);
    world.input(1200, Input::Stop);
    world.input(1300, Input::Stop);
    let expected =
        ["1010 ping 1 Invoke planned 1010", "1200 ping 1 Info planned 1010 (end of the trial)", "1200 Closed"];
    assert_eq!(world.take(), expected);
}
