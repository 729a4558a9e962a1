use std::fmt::Write as _;

use rand::RngExt;

use super::world::{End, Media, World, failed, ms, ok, phone, scenario};
use super::*;
use crate::analysis::measure::model::{CallFate, MessageFate, QosPeriod};
use crate::evidence::history::{ChatRole, OpKind, Seen, SessionState, Step};
use crate::wire::signature::Signature;

const STANDING: &str = "[traffic.standing_calls]\ncount = 2";

/// Both directions of `calls` calls, all through the window, silent from `fault` for `outage`.
fn talk(world: &mut World, calls: u64, ptime: Span, window: (RunTime, RunTime), dead: (RunTime, Span), loss: f64) {
    for call in 0..calls {
        for (direction, half) in [(Direction::ToCallee, 0), (Direction::ToCaller, 1)] {
            let stream = call as u32 * 2 + half;
            // Staggered over one packet interval.
            let phase = Span(ptime.as_nanos() * i64::from(stream) / (2 * calls as i64) + 137_000);
            let (from, until) = (window.0 - Span::from_millis(500) + phase, window.1 + Span::from_millis(200));
            world.media(Media { stream, call, direction, ptime, from, until }, |due, random| {
                (due >= dead.0 && due < dead.0 + dead.1) || random.random_bool(loss)
            });
        }
    }
}

/// Planted outages from 50 ms to 10 s, three packet intervals, three rates of background loss.
///
/// Whatever is longer than the threshold must be found in all four streams, and within the stated error.
#[test]
fn planted_outages_are_recovered_within_the_stated_error() {
    let mut table = String::from("outage ms  ptime ms  loss %  found  error ms: least  largest  stated  others\n");
    for outage in [50, 100, 200, 500, 1000, 2000, 5000, 10_000] {
        for ptime in [10, 20, 30] {
            for loss in [0, 1, 5] {
                table.push_str(&grid_cell(outage, ptime, loss));
            }
        }
    }
    insta::assert_snapshot!("grid", table);
}

fn grid_cell(outage: i64, ptime: i64, loss: i64) -> String {
    let fault = ms(3000);
    let window = (ms(1000), fault + Span::from_millis(outage + 2000));
    let mut world = World::new((outage * 1000 + ptime * 10 + loss).cast_unsigned(), window.0, window.1);
    world.power_off(fault);
    let planted = Span::from_millis(outage);
    talk(&mut world, 2, Span::from_millis(ptime), window, (fault, planted), loss as f64 / 100.0);
    let (_scratch, trial) = world.write(&format!("grid-{outage}-{ptime}-{loss}"));
    let measured = measure_trial(&trial, &scenario(STANDING)).unwrap();
    let over = |o: &&Outage| o.start_ns <= fault + Span::from_millis(ptime) && o.end_ns.is_none_or(|end| end > fault);
    let found: Vec<&Outage> = measured.outages.iter().filter(over).collect();
    let errors: Vec<f64> = found.iter().map(|o| o.duration_ms - outage as f64).collect();
    for (outage, error) in found.iter().zip(&errors) {
        assert!(error.abs() <= outage.error_ms, "{error} ms off: {outage:?}");
        assert_eq!((outage.fault, outage.censored), (Some(0), false));
    }
    if outage > 60.max(3 * ptime) {
        assert_eq!(found.len(), 4, "{outage} ms at {ptime} ms and {loss} %");
    }
    let (least, largest) = (errors.iter().copied().reduce(f64::min), errors.iter().copied().reduce(f64::max));
    let stated = found.iter().map(|outage| outage.error_ms).reduce(f64::max);
    let figure = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1}"));
    let mut line = String::new();
    let others = measured.outages.len() - found.len();
    let (n, stated) = (found.len(), figure(stated));
    let (least, largest) = (figure(least), figure(largest));
    let _infallible = writeln!(
        line,
        "{outage:>9}  {ptime:>8}  {loss:>6}  {n:>5}  {least:>15}  {largest:>7}  {stated:>6}  {others:>6}"
    );
    line
}

const ALL: &str = "[traffic.standing_calls]\ncount = 2\n[traffic.options]\ninterval = \"10ms\"\n\
                   [traffic.registrations]\nphones = 4\ninterval = \"1s\"\n\
                   [traffic.chat]\npairs = 1\nmessages_per_s = 5.0";

/// A power-off at 7.000 s that takes everything until 7.700 s; the receiver of the chat never notices.
fn failover() -> World {
    let (start, fault, back, end) = (ms(2000), ms(7000), ms(7700), ms(22_000));
    let mut world = World::new(1, start, end);
    world.power_off(fault);
    talk(&mut world, 2, Span::from_millis(20), (start, end), (fault, back - fault), 0.0);
    for call in 0..2 {
        world.op(OpKind::StandingCall, &format!("phone-{call:02}"), Some(call), ms(1000), ok(ms(1003)));
        world.op(OpKind::Bye, &format!("phone-{call:02}"), Some(call), ms(22_150), ok(ms(22_152)));
    }
    let gone = |at: RunTime| at >= fault && at < back;
    for probe in 0..2000 {
        let at = ms(2000 + probe * 10);
        let lost = failed(at + Span::from_millis(500));
        world.op(OpKind::Options, "probe", None, at, if gone(at) { lost } else { ok(at + Span::from_millis(1)) });
    }
    for (phone, round) in (0..4).flat_map(|phone| (0..20).map(move |round| (phone, round))) {
        let at = ms(2050 + round * 1000 + phone * 250);
        // A REGISTER in the outage is sent again after 500 and 1500 ms.
        let again = [0, 500, 1500].map(|wait| at + Span::from_millis(wait)).into_iter().find(|at| !gone(*at)).unwrap();
        world.op(OpKind::Register, &format!("phone-{phone:02}"), None, at, ok(again + Span::from_millis(2)));
    }
    chat(&mut world, fault);
    world.event(ms(2000), What::Owner { nodes: vec!["alpha".into()] });
    world.event(ms(7010), What::Owner { nodes: vec![] });
    world.event(ms(7701), What::Owner { nodes: vec!["beta".into()] });
    world
}

fn chat(world: &mut World, fault: RunTime) {
    for (chatter, role) in [("chat-01-a", ChatRole::Sender), ("chat-01-b", ChatRole::Receiver)] {
        world.session(ms(1500), chatter, role, SessionState::Up);
    }
    for seq in 0..100 {
        let (planned, message) = (ms(2100 + i64::from(seq) * 200), u64::from(seq));
        let sent = if planned >= fault && planned < ms(8200) { ms(8200) } else { planned };
        world.message(sent, message, seq, planned, Seen::Sent);
        if planned < ms(6900) {
            world.message(planned + Span::from_millis(3), message, seq, planned, Seen::Delivered);
        }
        world.message(sent + Span::from_millis(2), message, seq, planned, Seen::Acked);
    }
    world.session(ms(8100), "chat-01-a", ChatRole::Sender, SessionState::Lost);
    world.session(ms(8200), "chat-01-a", ChatRole::Sender, SessionState::Up);
}

fn of<'a>(measured: &'a Measured, service: &str, scope: &str) -> Vec<&'a Outage> {
    measured.outages.iter().filter(|outage| outage.service == service && outage.scope == scope).collect()
}

#[test]
fn every_service_of_a_failover_is_measured() {
    let (_scratch, trial) = failover().write("failover");
    let measured = measure_trial(&trial, &scenario(ALL)).unwrap();

    let address = of(&measured, "address", "all");
    assert_eq!((address.len(), address[0].duration_ms, address[0].method.as_str()), (1, 701.0, "cluster"));
    // Answered probes at 6990 and 7700 ms, 70 lost in between.
    let sip = of(&measured, "sip_answer", "all");
    assert_eq!((sip.len(), sip[0].duration_ms, sip[0].error_ms), (1, 700.0, 10.0));
    assert_eq!(sip[0].estimates.sequence_ms, Some(700.0));
    // Phone 0 wants to register at 7050 in vain; before its second retransmission it succeeds with the next
    // one, of 8050. Phone 3 is not due before 7800.
    assert_eq!(of(&measured, "register", "phone-00")[0].end_ns, Some(ms(8052)));
    assert_eq!(of(&measured, "register", "phone-00")[0].start_ns, ms(7000));
    assert!(of(&measured, "register", "phone-03").is_empty());
    // Of all phones, number 3 is the first to succeed.
    assert_eq!(of(&measured, "register", "all")[0].end_ns, Some(ms(7802)));
    for call in ["call 0", "call 1"] {
        let media = of(&measured, "media", call);
        assert_eq!(media.len(), 2);
        assert!(media.iter().all(|o| (o.duration_ms - 700.0).abs() <= 20.0 && o.fault == Some(0)), "{media:?}");
    }
    // From the fault to the new login; the idle receiver is cut off and never knows.
    let sender = of(&measured, "chat_session", "chat-01-a");
    assert_eq!((sender.len(), sender[0].start_ns, sender[0].end_ns), (1, ms(7000), Some(ms(8200))));
    let receiver = of(&measured, "chat_session", "chat-01-b");
    assert_eq!((receiver.len(), receiver[0].censored, receiver[0].start_ns), (1, true, ms(7000)));
    assert!(of(&measured, "chat_delivery", "chat-01")[0].censored);
    assert!(measured.chatters.iter().any(|chatter| chatter.chatter == "chat-01-b" && chatter.half_open));
    assert_eq!(measured.caveats, []);
}

/// A relay that gives a dead call's ports to a new one lets a stranger hear it: that is no recovery.
#[test]
fn what_a_stranger_hears_is_no_recovery_but_a_finding() {
    let mut world = World::new(5, ms(1000), ms(9000));
    world.op(OpKind::StandingCall, "phone-00", Some(0), ms(500), ok(ms(500)));
    for (stream, direction) in [(0, Direction::ToCallee), (1, Direction::ToCaller)] {
        let ptime = Span::from_millis(20);
        let media = Media { stream, call: 0, direction, ptime, from: ms(500), until: ms(9000) };
        world.media(media, |due, _| due >= ms(5000));
    }
    for index in 250..300 {
        let due = ms(500 + 20 * i64::from(index));
        world.stray(due, phone(7, true), Signature { stream: 0, index, due });
    }
    let (_scratch, trial) = world.write("stranger");
    let measured = measure_trial(&trial, &scenario("[traffic.standing_calls]\ncount = 1\n")).unwrap();
    let media = of(&measured, "media", "call 0");
    assert_eq!((media.len(), media.iter().filter(|outage| outage.censored).count()), (2, 2), "{media:?}");
    let told = measured.caveats.iter().map(|caveat| caveat.text.as_str()).collect::<Vec<_>>();
    assert_eq!(told, ["50 packets of 1 call were heard at phones of other calls"]);
}

#[test]
fn users_without_an_outage_are_counted_too() {
    let (_scratch, trial) = failover().write("users");
    let measured = measure_trial(&trial, &scenario(ALL)).unwrap();
    let users = |service: &str| -> Vec<usize> {
        measured.users.iter().filter(|users| users.service == service).map(|users| users.users.len()).collect()
    };
    assert_eq!((users("register"), users("media")), (vec![4], vec![2, 2]));
    assert_eq!((users("chat_session"), users("chat_delivery"), users("sip_answer")), (vec![1, 1], vec![1], vec![1]));
}

#[test]
fn phases_follow_the_evidence() {
    let (_scratch, trial) = failover().write("phases");
    let measured = measure_trial(&trial, &scenario(ALL)).unwrap();
    let fault = &measured.faults[0];
    assert_eq!((fault.successor.as_deref(), fault.configured_ms, fault.verified), (Some("beta"), Some(700.0), true));
    let names: Vec<&str> = fault.phases.iter().map(|phase| phase.phase.as_str()).collect();
    // The receiver never comes back, so nothing is stable.
    assert_eq!(
        names,
        [
            "effect",
            "reachable",
            "media_to_callee",
            "first_sip_answer",
            "media_to_caller",
            "registered_50",
            "registered_95",
            "registered_all",
            "first_xmpp_answer"
        ]
    );
}

#[test]
fn fates_of_calls_and_messages() {
    let mut world = failover();
    // Call 2 has media to the caller alone after the fault and its BYE is refused; call 3 was never answered.
    let until = ms(22_200);
    for (stream, direction) in [(8, Direction::ToCallee), (9, Direction::ToCaller)] {
        let media = Media { stream, call: 2, direction, ptime: Span::from_millis(20), from: ms(1500), until };
        world.media(media, |due, _| due >= ms(7000) && (direction == Direction::ToCallee || due < ms(7700)));
    }
    world.op(OpKind::StandingCall, "phone-02", Some(2), ms(1000), ok(ms(1003)));
    let refused = End { at: ms(22_152), step: Step::Fail, code: Some(481) };
    world.op(OpKind::Bye, "phone-02", Some(2), ms(22_150), Some(refused));
    world.op(OpKind::NewCall, "phone-03", Some(3), ms(7200), failed(ms(15_200)));
    world.op(
        OpKind::NewCall,
        "phone-04",
        Some(4),
        ms(9000),
        Some(End { at: ms(9001), step: Step::NotStarted, code: None }),
    );
    let (_scratch, trial) = world.write("fates");
    let measured = measure_trial(&trial, &scenario(ALL)).unwrap();
    let fates: Vec<_> = measured.calls.iter().map(|call| call.fate.unwrap()).collect();
    let recovered = CallFate::GapRecovered;
    assert_eq!(fates, [recovered, recovered, CallFate::OneWay, CallFate::NeverSetUp, CallFate::NotStarted]);
    let count = |fate| measured.messages.iter().filter(|message| message.fate == fate).count();
    // 24 before 6.9 s; the last 10 are younger than `late_after` of 2 s.
    assert_eq!((count(MessageFate::DeliveredOnce), count(MessageFate::Unknown)), (24, 10));
    assert_eq!(count(MessageFate::AcknowledgedLost), 66);
}

#[test]
fn quality_is_told_before_during_and_after() {
    let (_scratch, trial) = failover().write("qos");
    let measured = measure_trial(&trial, &scenario(ALL)).unwrap();
    let [before, during, after] = &measured.qos[..] else { panic!("{:?}", measured.qos) };
    assert_eq!((before.loss_percent, after.loss_percent), (Some(0.0), Some(0.0)));
    assert!(during.loss_percent.unwrap() > 90.0, "{during:?}");
    // Delay 0.2 ms, buffer 50 ms, packet 20 ms: Ta 70 ms; G.107 gives R 91.3 at 70 ms without loss.
    assert!((before.mos_median.unwrap() - 4.37).abs() < 0.01, "{before:?}");
    assert!(during.mos_median.unwrap() < 2.0 && !during.mos_valid);
    let seconds = &measured.streams[0].seconds;
    assert_eq!(seconds.len(), 20);
    let worst = seconds.iter().min_by(|a, b| a.mos.unwrap().total_cmp(&b.mos.unwrap())).unwrap();
    assert_eq!(worst.at_ns, ms(7000));
}

/// G.107 at Ta = network 0.2 ms, packet 20 ms, look-ahead 0.125 ms and the buffer: R 91.26 at 70.3 ms, 83.3 at 220.3 ms.
#[test]
fn the_other_buffers_stand_beside_the_scenarios_own() {
    let (_scratch, trial) = failover().write("buffers");
    let measured = measure_trial(&trial, &scenario(ALL)).unwrap();
    let before = &measured.qos[0];
    let told: Vec<(&str, bool, f64)> = before
        .dejitter
        .iter()
        .map(|buffer| (buffer.dejitter.as_str(), buffer.chosen, buffer.nominal_delay_ms.unwrap().round()))
        .collect();
    assert_eq!(told, [("fixed50", true, 50.0), ("fixed200", false, 200.0), ("adaptive", false, 40.0)]);
    assert_eq!((before.mos_median, before.mos_min), (before.dejitter[0].mos_median, before.dejitter[0].mos_min));
    assert!(before.dejitter[1].mos_median < before.mos_median && before.dejitter[2].mos_median > before.mos_median);
    for stream in &measured.streams {
        let mos = stream.mos_cqe.as_ref().unwrap();
        assert_eq!(
            (mos.label.as_str(), mos.dejitter.as_str(), mos.ta_error_ms.is_some()),
            ("MOS-CQEN", "fixed50", true)
        );
        assert!((mos.ta_ms - 70.3).abs() < 0.2 && (mos.loss_percent - 3.5).abs() < 0.2, "{mos:?}");
        // One outage of 35 packets: far beyond BurstR 2 at 2 %.
        assert!(
            !mos.valid && mos.burst_r > 30.0 && mos.outside_validity.iter().any(|why| why.contains("long outage")),
            "{mos:?}"
        );
        let same: Vec<bool> = stream.dejitter.iter().map(|of| of.mos_cqe == Some(mos.value)).collect();
        assert_eq!(same, [true, false, false]);
    }
}

/// 0.7 s of silence in the second from 7 s on: half of 95 in time constants of 5 s, and no stream is silent after it.
#[test]
fn the_curve_shows_what_the_whole_call_hides() {
    let (_scratch, trial) = failover().write("curve");
    let measured = measure_trial(&trial, &scenario(ALL)).unwrap();
    for stream in &measured.streams {
        let over_time = stream.over_time.as_ref().unwrap();
        assert_eq!((over_time.whole.length_s, over_time.whole.outside_validity_s), (20, 1));
        assert_eq!(over_time.worst_at_ns, ms(7000));
        let [fault] = over_time.faults[..] else { panic!("{over_time:?}") };
        assert_eq!((fault.fault, fault.start_ns, fault.recovered, fault.heard.length_s), (0, ms(7000), true, 1));
        assert_eq!(fault.heard.mos_min, over_time.whole.mos_min);
        assert!(fault.heard.mos_of_mean_r < stream.seconds[0].mos.unwrap());
    }
}

#[test]
fn categories_stand_under_the_names_of_their_tables() {
    let (_scratch, trial) = failover().write("categories");
    let measured = measure_trial(&trial, &scenario(ALL)).unwrap();
    let [before, during, _] = &measured.qos[..] else { panic!("{:?}", measured.qos) };
    let of = |period: &QosPeriod, figure: &str, table: &str| {
        let grades = &period.categories.as_ref().unwrap().grades;
        grades.iter().find(|grade| grade.figure == figure && grade.table.contains(table)).unwrap().grade.clone()
    };
    assert_eq!(of(before, "delay_mean_ms", "G.114"), "good");
    assert_eq!(of(before, "loss_percent", "TIPHON"), "sangat bagus");
    assert_eq!(of(during, "loss_percent", "TIPHON"), "jelek");
    let gaps = |period: &QosPeriod| period.categories.clone().unwrap().thesis_compatible.unwrap();
    assert!((gaps(before).packet_gap_ms_mean - 20.0).abs() < 0.5, "{:?}", gaps(before));
    // The gap of the outage begins in it.
    assert!(gaps(during).packet_gap_ms_mean > 300.0, "{:?}", gaps(during));
    let stream = measured.streams[0].categories.as_ref().unwrap();
    assert!(stream.grades.is_empty() && stream.thesis_compatible.is_some());
}

#[test]
fn media_that_never_came_back_is_never_small() {
    let mut world = World::new(3, ms(2000), ms(12_000));
    world.power_off(ms(4000));
    talk(&mut world, 1, Span::from_millis(20), (ms(2000), ms(12_000)), (ms(4000), Span::from_secs(99)), 0.01);
    let (_scratch, trial) = world.write("never");
    let measured = measure_trial(&trial, &scenario(STANDING)).unwrap();
    let dead: Vec<_> = measured.outages.iter().filter(|outage| outage.fault == Some(0)).collect();
    assert_eq!(dead.len(), 2);
    for outage in dead {
        assert!(outage.censored && outage.end_ns.is_none() && outage.duration_ms > 7900.0, "{outage:?}");
    }
    let lost: Vec<_> = measured.streams.iter().map(|stream| stream.lost).collect();
    assert!(lost.iter().all(|lost| *lost >= 400), "8 s of 20 ms are 400 packets: {lost:?}");
}

/// A call that died and is never heard again has no "after"; the calls that come when the cluster answers again do.
#[test]
fn quality_after_is_that_of_the_calls_which_live_then() {
    let (start, fault, back, end) = (ms(2000), ms(4000), ms(5000), ms(12_000));
    let mut world = World::new(3, start, end);
    world.power_off(fault);
    talk(&mut world, 1, Span::from_millis(20), (start, end), (fault, Span::from_secs(99)), 0.0);
    for (stream, direction) in [(2, Direction::ToCallee), (3, Direction::ToCaller)] {
        let (from, until) = (ms(6000), ms(9000));
        world.media(Media { stream, call: 1, direction, ptime: Span::from_millis(20), from, until }, |_, _| false);
    }
    // This one hung up, as planned, half a second into the silence.
    let short = Media {
        stream: 4,
        call: 2,
        direction: Direction::ToCallee,
        ptime: Span::from_millis(20),
        from: ms(3000),
        until: ms(4500),
    };
    world.media(short, |due, _| due >= fault);
    for at in (0..1000).map(|probe| ms(2000 + probe * 10)) {
        let dead = at >= fault && at < back;
        let (lost, answered) = (failed(at + Span::from_millis(500)), ok(at + Span::from_millis(1)));
        world.op(OpKind::Options, "probe", None, at, if dead { lost } else { answered });
    }
    let (_scratch, trial) = world.write("after");
    let measured =
        measure_trial(&trial, &scenario(&format!("{STANDING}\n[traffic.options]\ninterval = \"10ms\""))).unwrap();
    let [before, during, after] = &measured.qos[..] else { panic!("{:?}", measured.qos) };
    assert_eq!((before.streams, during.streams, after.streams), (3, 3, 2), "{:?}", measured.qos);
    // From the last packet that was heard, which the outage begins with: 8 s of the dead call in both directions, half a
    // second of the short one, then 3 s of the living.
    assert!(during.loss_percent.unwrap() > 99.5 && during.expected.abs_diff(825) <= 3, "{during:?}");
    assert_eq!((after.expected, after.loss_percent), (300, Some(0.0)));
    assert!((after.mos_median.unwrap() - 4.37).abs() < 0.01, "{after:?}");
}

#[test]
fn the_same_directory_gives_the_same_bytes() {
    let (_scratch, trial) = failover().write("bytes");
    let json = || serde_json::to_string(&measure_trial(&trial, &scenario(ALL)).unwrap()).unwrap();
    assert!(json() == json());
}

#[test]
fn a_crashed_trial_is_measured_as_far_as_it_came_and_is_void() {
    let (_scratch, trial) = failover().write("crash");
    let history = std::fs::read(trial.history()).unwrap();
    let taps = std::fs::read(trial.taps()).unwrap();
    std::fs::write(trial.history(), &history[..history.len() / 2]).unwrap();
    std::fs::write(trial.taps(), &taps[..taps.len() / 2 + 3]).unwrap();
    let measured = measure_trial(&trial, &scenario(ALL)).unwrap();
    assert!(measured.caveats.iter().any(|caveat| caveat.voids), "{:?}", measured.caveats);
    assert_eq!(measured.anomalies.len(), 1, "{:?}", measured.anomalies);
    std::fs::write(trial.taps(), b"").unwrap();
    assert!(measure_trial(&trial, &scenario(ALL)).unwrap().streams.iter().all(|stream| stream.packets == 0));
}
