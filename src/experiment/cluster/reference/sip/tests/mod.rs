//! The server against phones, through a failover, and against garbage.

mod world;

use std::net::SocketAddr;

use proptest::prelude::*;

use self::world::{World, floating, media_of, ms, node_config};
use super::{Input, Output, RelayCommand, Server};
use crate::evidence::history::Step;
use crate::experiment::agent::sip::phone::{MediaCommand, Transport};
use crate::units::RunTime;
use crate::wire::sip::digest::Challenge;
use crate::wire::sip::{Draft, Message};

/// Phones 1001 and 1002 on UDP and 1003 on TCP, all registered at alpha.
fn registered() -> World {
    let mut world = World::new();
    for (user, transport) in [("1001", Transport::Udp), ("1002", Transport::Udp), ("1003", Transport::Tcp)] {
        world.add_phone(user, transport, &format!("secret{user}"));
    }
    for (op, user) in [(1, "1001"), (2, "1002"), (3, "1003")] {
        world.register(user, op);
    }
    world.run_until(ms(500));
    for op in 1..=3 {
        assert_eq!(world.end(op), (Step::Ok, Some(200), Some("alpha")));
    }
    world
}

/// Where a phone was told to send its media of a call.
fn remote(world: &World, user: &str, call: u64) -> SocketAddr {
    let found = world.media.iter().find_map(|(who, media)| match media {
        MediaCommand::Start { call: number, remote, .. } if *number == call && who == user => Some(*remote),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("{user} has no media in call {call}"))
}

fn video_remote(world: &World, user: &str, call: u64) -> Option<SocketAddr> {
    world.media.iter().find_map(|(who, media)| match media {
        MediaCommand::Start { call: number, video: Some((_, remote)), .. } if *number == call && who == user => {
            Some(*remote)
        }
        _ => None,
    })
}

#[test]
fn a_call_is_relayed_and_ends_on_both_legs() {
    let mut world = registered();
    world.call("1001", "1003", 70);
    world.run_until(ms(1000));
    assert_eq!(world.end(70), (Step::Ok, Some(200), Some("alpha")));
    let Some((0, RelayCommand::Open { session, pairs })) = world.relay.first().cloned() else { panic!("no relay") };
    let [audio, video] = pairs[..] else { panic!("{pairs:?}") };
    assert_eq!(audio.map(|leg| leg.remote), [media_of("1001").address, media_of("1003").address]);
    assert_eq!(video.map(|leg| leg.remote.port()), [4002, 4002]);
    let told = |user: &str| [Some(remote(&world, user, 70)), video_remote(&world, user, 70)];
    for (user, leg) in [("1001", 0), ("1003", 1)] {
        let relay = [audio[leg], video[leg]].map(|leg| Some(SocketAddr::new(floating().ip(), leg.port)));
        assert_eq!(told(user), relay);
    }
    world.hang_up("1003", 71, 70);
    world.run_until(ms(2000));
    assert_eq!(world.end(71), (Step::Ok, Some(200), Some("alpha")));
    assert_eq!(world.remote_ends("1001"), [70]);
    assert_eq!(world.relay.last(), Some(&(0, RelayCommand::Close { session })));
    assert!(world.nodes.iter().all(|node| node.sessions.is_empty()), "the other node knows that it ended");
}

// BYE at 5.1 s, 0.1 s after the death: copies after T1 = 0.5 s at 5.6 and 6.6 s; beta owns the address from 5.7 s on.
#[test]
fn a_failover_of_700_ms() {
    let mut world = registered();
    world.call("1001", "1002", 70);
    world.call("1002", "1003", 80);
    world.run_until(ms(5000));
    let before: Vec<_> = world.relay.drain(..).map(|(_, command)| command).collect();
    assert_eq!(before.len(), 2);
    world.kill_owner();
    world.run_until(ms(5100));
    world.hang_up("1001", 71, 70);
    world.run_until(ms(5700));
    world.take_over(1);
    let mut after: Vec<_> = world.relay.iter().map(|(_, command)| command.clone()).collect();
    after.sort_by_key(|command| before.iter().position(|one| one == command));
    assert_eq!(after, before, "beta relays the same calls on the same ports");

    world.run_until(ms(7000));
    assert_eq!(world.end(71), (Step::Ok, Some(200), Some("beta")));
    assert_eq!(world.ended_at(71), ms(6610));
    assert_eq!(world.remote_ends("1002"), [70]);

    world.call("1001", "1002", 72);
    world.register("1001", 73);
    world.run_until(ms(8000));
    assert_eq!(world.end(72), (Step::Ok, Some(200), Some("beta")));
    assert_eq!(world.end(73), (Step::Ok, Some(200), Some("beta")));
    assert_ne!(remote(&world, "1001", 72), remote(&world, "1002", 80), "ports of copied calls are not given out");
}

#[test]
fn a_connection_does_not_survive_and_the_phone_comes_back() {
    let mut world = registered();
    world.call("1003", "1002", 80);
    world.run_until(ms(5000));
    world.kill_owner();
    world.run_until(ms(5700));
    world.take_over(1);
    world.call("1001", "1003", 81);
    world.run_until(ms(6000));
    assert_eq!(world.end(81), (Step::Fail, Some(480), Some("beta")), "beta has no way to this phone yet");
    world.register("1003", 82);
    world.run_until(ms(6500));
    assert_eq!(world.end(82), (Step::Fail, None, None));
    world.run_until(ms(8000));
    assert_eq!(world.end(1_000_000), (Step::Ok, Some(200), Some("beta")), "it registered again by itself");
    world.hang_up("1002", 83, 80);
    world.call("1001", "1003", 84);
    world.run_until(ms(9000));
    assert_eq!(world.end(83), (Step::Ok, Some(200), Some("beta")));
    assert_eq!(world.remote_ends("1003"), [80], "over the new connection");
    assert_eq!(world.end(84), (Step::Ok, Some(200), Some("beta")));
}

#[test]
fn a_call_in_setup_is_lost_and_its_caller_tries_again_by_retransmission() {
    let mut world = registered();
    world.call("1001", "1002", 70);
    world.kill_owner();
    world.run_until(ms(900));
    world.take_over(1);
    world.run_until(ms(3000));
    assert_eq!(world.end(70), (Step::Ok, Some(200), Some("beta")));
}

#[test]
fn refusals_reach_the_caller() {
    let mut world = registered();
    world.call_unexpected("1001", "1002", 70);
    world.call_unexpected("1001", "1009", 71);
    world.add_phone("1004", Transport::Udp, "wrong");
    world.register("1004", 72);
    world.run_until(ms(1500));
    assert_eq!(world.end(70), (Step::Fail, Some(486), Some("alpha")));
    assert_eq!(world.end(71), (Step::Fail, Some(404), Some("alpha")));
    assert_eq!(world.end(72), (Step::Fail, Some(401), Some("alpha")));
    assert!(world.relay.is_empty());
}

#[test]
fn a_registration_runs_out() {
    let mut world = registered();
    world.register_for("1002", 60, 2);
    world.run_until(ms(1000));
    world.call("1001", "1002", 70);
    world.run_until(ms(2000));
    assert_eq!(world.end(70).1, Some(200));
    world.run_until(ms(2600));
    world.call("1001", "1002", 71);
    world.run_until(ms(3500));
    assert_eq!(world.end(71).1, Some(404));
}

#[test]
fn a_cancelled_call_stops_ringing() {
    let mut world = registered();
    world.call("1001", "1002", 70);
    world.run_until(ms(560));
    world.hang_up("1001", 71, 70);
    world.run_until(ms(40_000));
    assert_eq!(world.end(70).0, Step::Fail);
    assert_eq!(world.remote_ends("1002"), [70]);
    assert!(world.nodes[0].setups.is_empty());
}

#[test]
fn a_node_that_comes_late_gets_a_snapshot() {
    let mut world = registered();
    world.call("1001", "1002", 70);
    world.run_until(ms(2000));
    let mut late = Server::new(node_config("charlie", 9));
    for bytes in world.nodes[0].snapshot() {
        late.handle(world.now, Input::Replica { bytes: &bytes });
    }
    late.activate(world.now);
    assert_eq!(late.poll(), world.relay.first().map(|(_, command)| Output::Relay(command.clone())));
    assert_eq!(late.bindings.len(), 3);
}

fn from() -> SocketAddr {
    "10.0.1.9:5060".parse().unwrap()
}

fn request(method: rsip::Method) -> Draft {
    request_in(method, None)
}

fn request_in(method: rsip::Method, dialog: Option<&str>) -> Draft {
    Draft::request(method, "sip:lab.test")
        .raw("Via", "SIP/2.0/UDP 10.0.1.9;branch=z9hG4bKx;rport")
        .from("sip:1009@lab.test", "f")
        .to("sip:1009@lab.test", dialog)
        .call_id("c")
        .cseq(1)
        .contact("sip:1009@10.0.1.9")
}

fn answer(server: &mut Server, bytes: &[u8]) -> Vec<u8> {
    server.handle(RunTime::ZERO, Input::Datagram { from: from(), bytes });
    match server.poll() {
        Some(Output::Datagram { bytes, .. }) => bytes,
        other => panic!("no answer: {other:?}"),
    }
}

#[test]
fn options_name_the_node_and_leave_nothing_behind() {
    let mut server = Server::new(node_config("alpha", 1));
    let octets = answer(&mut server, &request(rsip::Method::Options).to_bytes());
    let response = Message::parse(&octets).unwrap();
    assert_eq!((response.status(), response.header("X-Node").as_deref()), (Some(200), Some("alpha")));
    assert_eq!(server.wake_at(), None);
}

#[test]
fn sha_256_is_offered_on_top_of_md5() {
    let mut server = Server::new(node_config("alpha", 1));
    let octets = answer(&mut server, &request(rsip::Method::Register).to_bytes());
    let response = Message::parse(&octets).unwrap();
    let offered = response.all("WWW-Authenticate").map(|value| Challenge::parse(&value).unwrap().algorithm.name());
    assert_eq!(offered.collect::<Vec<_>>(), ["SHA-256", "MD5"]);
}

#[test]
fn a_dialog_that_nobody_knows_gets_481() {
    let mut server = Server::new(node_config("alpha", 1));
    let bye = request_in(rsip::Method::Bye, Some("gone")).to_bytes();
    let octets = answer(&mut server, &bye);
    assert_eq!(Message::parse(&octets).unwrap().status(), Some(481));
}

proptest! {
    #[test]
    fn no_octets_panic_a_server(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut server = Server::new(node_config("alpha", 1));
        server.handle(RunTime::ZERO, Input::Datagram { from: from(), bytes: &octets });
        server.handle(RunTime::ZERO, Input::Stream { conn: 1, bytes: &octets });
        server.handle(RunTime::ZERO, Input::Replica { bytes: &octets });
        server.tick(ms(64_000));
    }

    #[test]
    fn no_damaged_request_panics_a_server(at in 0usize..600, octet: u8, which in 0usize..4) {
        let methods = [rsip::Method::Register, rsip::Method::Invite, rsip::Method::Bye, rsip::Method::Cancel];
        let mut octets = request(methods[which]).to_bytes();
        let at = at % octets.len();
        octets[at] = octet;
        let mut server = Server::new(node_config("alpha", 1));
        server.handle(RunTime::ZERO, Input::Datagram { from: from(), bytes: &octets });
        server.tick(ms(64_000));
    }
}
