//! Sessions of a made world, with planted cuts.

use super::*;
use crate::analysis::measure::capture::signalling::Signalling;
use crate::analysis::measure::capture::tcp::{Connections, Readers};
use crate::analysis::measure::model::{ChatEnd, MessageFate};
use crate::wire::tcp::{ACK, FIN, RST, SYN};

const ALICE: &str = "10.0.0.1:40000";
const BOB: &str = "10.0.0.2:40000";
const SERVER: &str = "10.0.0.9:5222";

/// A capture that is written as it is read: who says what when.
#[derive(Default)]
struct World {
    connections: Connections,
    signalling: Signalling,
    chats: Chats,
    excess: Excess,
    sequences: std::collections::BTreeMap<(String, String), u32>,
    end: RunTime,
    packet: u64,
}

impl World {
    fn segment(&mut self, at_ms: i64, from: &str, to: &str, flags: u8, payload: &[u8]) {
        let at = RunTime::from_millis(at_ms);
        (self.end, self.packet) = (self.end.max(at), self.packet + 1);
        if flags & (SYN | ACK) == SYN {
            self.sequences.remove(&(to.to_owned(), from.to_owned()));
        }
        let acknowledgment = self.sequences.get(&(to.to_owned(), from.to_owned())).copied().unwrap_or(1000);
        let next = self.sequences.entry((from.to_owned(), to.to_owned())).or_insert(1000);
        if flags & SYN != 0 {
            *next = 1000;
        }
        let sequence = *next;
        *next += payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        let (source, destination) = (from.parse().unwrap(), to.parse().unwrap());
        let spot = Spot { file: 0, name: "made.pcap", packet: self.packet };
        let segment = Segment { at, spot, source, destination, sequence, acknowledgment, flags, payload };
        let World { connections, signalling, chats, excess, .. } = self;
        connections.segment(&segment, &mut Readers { filter: &Filter::default(), signalling, chats, excess });
    }

    fn says(&mut self, at_ms: i64, from: &str, to: &str, text: &str) {
        self.segment(at_ms, from, to, ACK, text.as_bytes());
        self.segment(at_ms + 1, to, from, ACK, b"");
    }

    /// A login that takes 60 ms; the JID is bound at its end.
    fn login(&mut self, at_ms: i64, client: &str, jid: &str) {
        let header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='x'>";
        self.segment(at_ms, client, SERVER, SYN, b"");
        self.segment(at_ms + 1, SERVER, client, SYN | ACK, b"");
        self.says(at_ms + 2, client, SERVER, header);
        self.says(at_ms + 10, SERVER, client, &format!("{header}<stream:features/>"));
        self.says(at_ms + 20, client, SERVER, "<auth mechanism='PLAIN'>AGEAYg==</auth>");
        self.says(at_ms + 30, SERVER, client, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
        self.says(at_ms + 40, client, SERVER, &format!("{header}<iq type='set' id='b'><bind/></iq>"));
        let bound = format!("{header}<iq type='result' id='b'><bind><jid>{jid}</jid></bind></iq>");
        self.says(at_ms + 60, SERVER, client, &bound);
    }

    fn message(&mut self, at_ms: i64, client: &str, to: &str, id: &str) {
        self.says(at_ms, client, SERVER, &format!("<message type='chat' id='{id}' to='{to}'><body>x</body></message>"));
    }

    fn delivery(&mut self, at_ms: i64, client: &str, jid: &str, id: &str) {
        let message = format!("<message type='chat' id='{id}' from='a@x/1' to='{jid}'><body>x</body></message>");
        self.says(at_ms, SERVER, client, &message);
    }

    fn measure(mut self, end_ms: i64) -> Measured {
        let World { connections, signalling, chats, excess, packet, .. } = &mut self;
        let spot = Spot { file: 0, name: "made.pcap", packet: *packet };
        connections.finish(&spot, &mut Readers { filter: &Filter::default(), signalling, chats, excess });
        let mut measured = Measured::default();
        self.chats.measure(&Filter::default(), None, self.end.max(RunTime::from_millis(end_ms)), &mut measured);
        measured.anomalies.extend(self.excess.anomalies());
        measured
    }
}

fn outages(measured: &Measured) -> Vec<(String, f64, f64, bool)> {
    let row = |o: &crate::analysis::measure::model::Outage| (o.scope.clone(), o.duration_ms, o.error_ms, o.censored);
    measured.outages.iter().map(row).collect()
}

#[test]
fn a_session_shows_login_messages_and_farewell() {
    let mut world = World::default();
    world.login(0, ALICE, "a@x/1");
    world.login(100, BOB, "b@x/2");
    world.message(1000, ALICE, "b@x", "m1");
    world.delivery(1007, BOB, "b@x/2", "m1");
    world.says(2000, ALICE, SERVER, "</stream:stream>");
    world.says(2001, SERVER, ALICE, "</stream:stream>");
    let measured = world.measure(9000);
    let alice = &measured.chats[0];
    assert_eq!((alice.jid.as_deref(), alice.domain.as_deref()), (Some("a@x/1"), Some("x")));
    assert_eq!(alice.up_ns, Some(RunTime::from_millis(60)));
    assert_eq!((alice.end, alice.sent, alice.delivered), (Some(ChatEnd::Closed), Some(1), Some(0)));
    assert_eq!((measured.chats[1].end, measured.chats[1].delivered), (None, Some(1)));
    let message = &measured.chat_messages[0];
    assert_eq!((message.delay_ms, message.fate), (Some(7.0), Some(MessageFate::DeliveredOnce)));
    assert_eq!((message.from.as_deref(), message.to.as_str()), (Some("a@x"), "b@x"));
    assert_eq!((measured.outages.len(), measured.anomalies.len(), measured.caveats.len()), (0, 0, 0));
}

/// The server dies at 5000 ms; the client notices at its ping (5500 ms), which the new owner's kernel answers with
/// a reset at 5700 ms, and is bound again at 5860 ms.
#[test]
fn a_dead_server_is_an_outage_from_its_last_sign_to_the_next_bind() {
    let mut world = World::default();
    world.login(0, ALICE, "a@x/1");
    world.says(4999, ALICE, SERVER, "<iq type='get' id='p1'><ping/></iq>");
    world.segment(5500, ALICE, SERVER, ACK, b"<iq type='get' id='p2'><ping/></iq>");
    world.segment(5700, SERVER, ALICE, RST, b"");
    world.login(5800, "10.0.0.1:40001", "a@x/other");
    let measured = world.measure(9000);
    assert_eq!(measured.chats[0].end, Some(ChatEnd::ServerReset));
    assert_eq!(outages(&measured), [("a@x".to_owned(), 860.0, 500.0, false)]);
}

#[test]
fn a_killed_server_says_fin_and_who_does_not_come_back_is_censored() {
    let mut world = World::default();
    world.login(0, ALICE, "a@x/1");
    world.segment(3000, SERVER, ALICE, FIN | ACK, b"");
    let measured = world.measure(10_000);
    assert_eq!(measured.chats[0].end, Some(ChatEnd::ServerClosed));
    assert_eq!(outages(&measured), [("a@x".to_owned(), 7000.0, 0.0, true)]);
}

#[test]
fn a_server_that_does_not_even_acknowledge_is_silent() {
    let mut world = World::default();
    world.login(0, ALICE, "a@x/1");
    world.segment(4000, ALICE, SERVER, ACK, b" ");
    let measured = world.measure(10_000);
    assert_eq!(measured.chats[0].end, Some(ChatEnd::Silent));
    // Last sign at 60 ms, missed first at 4000 ms: the service went away somewhere between.
    assert_eq!(outages(&measured), [("a@x".to_owned(), 9940.0, 3940.0, true)]);
}

#[test]
fn a_refused_login_tells_its_condition_and_is_no_outage() {
    let mut world = World::default();
    let header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='x'>";
    world.segment(0, ALICE, SERVER, SYN, b"");
    world.says(1, ALICE, SERVER, header);
    world.says(2, SERVER, ALICE, header);
    world.says(3, SERVER, ALICE, "<failure><not-authorized/></failure>");
    world.says(4, SERVER, ALICE, "<stream:error><policy-violation/></stream:error></stream:stream>");
    let measured = world.measure(5000);
    let chat = &measured.chats[0];
    assert_eq!((chat.refused.as_slice(), chat.up_ns), (&["not-authorized".to_owned()][..], None));
    assert_eq!((chat.error.as_deref(), measured.outages.len()), (Some("policy-violation"), 0));
}

#[test]
fn messages_that_nobody_got_are_told_from_those_that_nobody_could_see() {
    let mut world = World::default();
    world.login(0, ALICE, "a@x/1");
    world.login(100, BOB, "b@x/2");
    world.says(900, ALICE, SERVER, "<enable xmlns='urn:xmpp:sm:3'/>");
    world.message(1000, ALICE, "b@x", "acknowledged");
    world.message(1001, ALICE, "b@x", "twice");
    world.says(1002, SERVER, ALICE, "<a xmlns='urn:xmpp:sm:3' h='2'/>");
    world.delivery(1003, BOB, "b@x/2", "twice");
    world.delivery(1900, BOB, "b@x/2", "twice");
    world.message(1500, ALICE, "b@x", "unacknowledged");
    world.message(1600, ALICE, "stranger@y", "away");
    world.message(9000, ALICE, "b@x", "late");
    let bounce = "<message type='error' id='bounced' from='b@x'><error><gone/></error></message>";
    world.message(1700, ALICE, "b@x", "bounced");
    world.says(1710, SERVER, ALICE, bounce);
    let measured = world.measure(10_000);
    let fate = |id: &str| measured.chat_messages.iter().find(|m| m.id == id).map(|m| m.fate);
    assert_eq!(fate("acknowledged"), Some(Some(MessageFate::AcknowledgedLost)));
    assert_eq!(fate("twice"), Some(Some(MessageFate::Duplicated)));
    assert_eq!(fate("unacknowledged"), Some(Some(MessageFate::UnacknowledgedLost)));
    assert_eq!(fate("bounced"), Some(Some(MessageFate::Bounced)));
    assert_eq!((fate("away"), fate("late")), (Some(None), Some(None)));
}

/// A TLS session: handshake, then data both ways; the content stays hidden.
fn tls_login(world: &mut World, at_ms: i64, client: &str) {
    world.segment(at_ms, client, SERVER, SYN, b"");
    world.segment(at_ms + 1, SERVER, client, SYN | ACK, b"");
    world.segment(at_ms + 2, client, SERVER, ACK, &[22, 3, 1, 0, 1, 1]);
    world.segment(at_ms + 3, SERVER, client, ACK, &[22, 3, 3, 0, 1, 2, 23, 3, 3, 0, 1, 8]);
    world.segment(at_ms + 4, client, SERVER, ACK, &[23, 3, 3, 0, 1, 20]);
    world.segment(at_ms + 9, SERVER, client, ACK, &[23, 3, 3, 0, 1, 4]);
}

#[test]
fn under_tls_a_cut_connection_is_an_outage_and_the_rest_is_said_to_be_hidden() {
    let mut world = World::default();
    tls_login(&mut world, 0, ALICE);
    world.segment(5000, SERVER, ALICE, RST, b"");
    tls_login(&mut world, 6000, "10.0.0.1:40001");
    let measured = world.measure(9000);
    let first = &measured.chats[0];
    let at = RunTime::from_millis;
    assert_eq!((first.hidden_ns, first.up_ns, first.sent), (Some(at(2)), Some(at(9)), None));
    // The server waits for nobody at 5000 ms, so that its reset is the end itself.
    assert_eq!(outages(&measured), [("10.0.0.1 at 10.0.0.9:5222".to_owned(), 1009.0, 0.0, false)]);
    assert!(measured.caveats[0].text.contains("2 of 2"), "{:?}", measured.caveats);
}

#[test]
fn hidden_sessions_of_one_address_at_once_are_not_told_apart() {
    let mut world = World::default();
    tls_login(&mut world, 0, ALICE);
    tls_login(&mut world, 100, "10.0.0.1:40001");
    world.segment(5000, SERVER, ALICE, RST, b"");
    tls_login(&mut world, 6000, "10.0.0.1:40002");
    let measured = world.measure(9000);
    assert_eq!(measured.outages.len(), 0);
    assert!(measured.anomalies[0].what.contains("of which 1 were cut"), "{:?}", measured.anomalies);
}

#[test]
fn starttls_hides_what_follows() {
    let mut world = World::default();
    let header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='x'>";
    world.segment(0, ALICE, SERVER, SYN, b"");
    world.says(1, ALICE, SERVER, header);
    world.says(2, SERVER, ALICE, header);
    world.says(3, ALICE, SERVER, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    world.says(4, SERVER, ALICE, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    world.segment(6, ALICE, SERVER, ACK, &[22, 3, 1, 0, 1, 1]);
    world.segment(7, ALICE, SERVER, ACK, &[23, 3, 3, 0, 1, 20]);
    world.segment(9, SERVER, ALICE, ACK, &[23, 3, 3, 0, 1, 4]);
    let measured = world.measure(5000);
    let chat = &measured.chats[0];
    assert_eq!((chat.domain.as_deref(), chat.hidden_ns), (Some("x"), Some(RunTime::from_millis(4))));
    assert_eq!(chat.up_ns, Some(RunTime::from_millis(9)));
}

#[test]
fn endless_xml_is_an_anomaly_with_its_first_packet() {
    let mut world = World::default();
    world.login(0, ALICE, "a@x/1");
    world.says(1000, ALICE, SERVER, "<message><body>");
    let piece = "x".repeat(60_000);
    for k in 0..12 {
        world.says(1100 + 2 * k, ALICE, SERVER, &piece);
    }
    world.says(1200, ALICE, SERVER, "</body></message>");
    let measured = world.measure(5000);
    let expected = "1 XMPP stanzas were longer than the limit and left out; the first here";
    let found = measured.anomalies.iter().find(|anomaly| anomaly.what == expected);
    // 14 segments of the login and 2 × 13 of what follows: the closing tag is in packet 41.
    assert_eq!(found.map(|anomaly| anomaly.place.as_str()), Some("made.pcap packet 41"), "{:?}", measured.anomalies);
}
