use std::path::Path;

use proptest::prelude::*;

use super::dialogs::Dialogs;
use super::*;
use crate::analysis::measure::model::{CallFate, Outage, StreamMeasured};
use crate::evidence::history::Direction;
use crate::wire::pcap::Sense;

fn golden(name: &str) -> Measured {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures").join(name);
    measure_capture(&[path]).unwrap()
}

/// The expected figures are tshark's; captures/rtp-jitter-loss-wrap.toml has the command.
#[test]
fn voice_streams_measure_as_in_tshark_to_the_printed_digit() {
    let measured = golden("rtp-jitter-loss-wrap.pcap");
    let printed: Vec<String> = measured
        .streams
        .iter()
        .map(|s| {
            let (mean, max) = (s.jitter_ms_mean.unwrap(), s.jitter_ms_max.unwrap());
            let delta = s.delta_ms_max.unwrap();
            format!(
                "{:08x} {} {} {} {delta:.3} {mean:.3} {max:.3}",
                s.ssrc,
                s.codec.clone().unwrap(),
                s.packets,
                s.lost
            )
        })
        .collect();
    assert_eq!(printed, ["22222222 PCMU 160 0 31.821 0.616 0.892", "11111111 PCMA 240 10 44.515 2.483 3.480"]);
    assert_eq!((measured.outages, measured.anomalies), (vec![], vec![]));
}

fn feed(packets: &[(i64, u32, u16, u8)]) -> Vec<StreamMeasured> {
    measured(packets).0
}

fn measured(packets: &[(i64, u32, u16, u8)]) -> (Vec<StreamMeasured>, Vec<Outage>) {
    let mut collector = Collector::default();
    let flow = Flow {
        source: "10.0.0.1:4000".parse().unwrap(),
        destination: "10.0.0.2:4000".parse().unwrap(),
        sense: Sense::Unknown,
    };
    for (at_ms, ssrc, sequence, payload_type) in packets {
        let rtp = Rtp {
            payload_type: *payload_type,
            marker: false,
            sequence: *sequence,
            timestamp: u32::from(*sequence) * 160,
            ssrc: *ssrc,
            payload: &[0; 20],
        };
        collector.packet(RunTime::from_millis(*at_ms), flow, &rtp, (0, 1));
    }
    let dialogs = Dialogs::default();
    let context = voice::Context { dialogs: &dialogs, from: None, end: RunTime::ZERO };
    let mut streams = collector.streams(&dialogs);
    clock::mark_steps(&mut streams);
    let voices = voice::voices(&stitch::logical(streams, &dialogs), &context);
    let outages = calls::outages(&voices, &Vec::new());
    (voices.into_iter().map(|voice| voice.figures).collect(), outages)
}

#[test]
fn a_new_ssrc_after_a_failover_is_one_stream_with_a_hole() {
    let packets: Vec<_> =
        (0..50).map(|k| (k * 20, 1, k as u16, 8)).chain((100..150).map(|k| (k * 20, 2, k as u16, 8))).collect();
    let (streams, outages) = measured(&packets);
    assert_eq!(streams.len(), 1);
    let figures = &streams[0];
    assert_eq!((figures.ssrc, figures.more_ssrcs.as_slice()), (1, &[2][..]));
    // 50 packets were due in the second that no numbering spans.
    assert_eq!((figures.packets, figures.expected, figures.lost), (100, 150, 50));
    let mos = figures.mos_cqe.as_ref().unwrap();
    assert!(mos.value < 2.0 && !mos.valid, "{mos:?}");
    // 980 → 2000 ms less one interval; across two numberings there is no sequence estimator.
    assert_eq!((outages.len(), outages[0].duration_ms), (1, 1000.0));
    assert_eq!(outages[0].estimates.sequence_ms, None);
}

#[test]
fn two_sources_at_once_stay_two_streams() {
    let packets: Vec<_> = (0..50).flat_map(|k| [(k * 20, 1, k as u16, 8), (k * 20 + 5, 2, k as u16, 8)]).collect();
    assert_eq!(feed(&packets).len(), 2);
}

#[test]
fn what_only_looks_like_rtp_is_none() {
    let scattered: Vec<_> = (0..50).map(|k| (k, 7, (k * 7919) as u16, 8)).collect();
    assert!(feed(&scattered).is_empty());
}

#[test]
fn comfort_noise_is_no_outage_and_no_jitter() {
    let speech = (0..50).map(|k| (k * 20, 1, k as u16, 8));
    let noise = [(1000, 1, 50, 13)];
    let again = (51..100).map(|k| (k * 20 + 2000, 1, k as u16, 8));
    let (streams, outages) = measured(&speech.chain(noise).chain(again).collect::<Vec<_>>());
    assert_eq!(outages, []);
    assert_eq!((streams[0].lost, streams[0].jitter_ms_max), (0, Some(0.0)));
}

const CALLER: &str = "10.0.0.1:4000";
const CALLEE: &str = "10.0.0.2:4000";

/// A message of one call between `a` (tag t1) and `b` (tag t2); `tags` are those of From and To.
fn sip(start: &str, cseq: &str, tags: (&str, &str), sdp: Option<(&str, &str)>) -> Vec<u8> {
    let tag = |tag: &str| if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
    let (from, to) = (tag(tags.0), tag(tags.1));
    let body = sdp.map_or_else(String::new, |(address, direction)| {
        let (ip, port) = address.split_once(':').unwrap();
        format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 96\r\n\
             a=rtpmap:96 PCMA/8000\r\na={direction}\r\n"
        )
    });
    format!(
        "{start}\r\nCall-ID: one\r\nCSeq: {cseq}\r\nFrom: <sip:a@x>{from}\r\nTo: <sip:b@x>{to}\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Feeds a pass with a call that is answered at 100 ms.
fn answered_call() -> Pass {
    let mut pass = Pass::default();
    let mut say =
        |at, octets: Vec<u8>| assert!(pass.signalling.datagram(Heard::at_once(RunTime::from_millis(at)), &octets));
    say(0, sip("INVITE sip:b@x SIP/2.0", "1 INVITE", ("t1", ""), Some((CALLER, "sendrecv"))));
    say(50, sip("SIP/2.0 180 Ringing", "1 INVITE", ("t1", "t2"), None));
    say(100, sip("SIP/2.0 200 OK", "1 INVITE", ("t1", "t2"), Some((CALLEE, "sendrecv"))));
    pass
}

impl Pass {
    /// Packets of 20 ms from `from_ms` until `to_ms`.
    fn talk(&mut self, source: &str, destination: &str, ssrc: u32, (from_ms, to_ms): (i64, i64)) {
        let flow =
            Flow { source: source.parse().unwrap(), destination: destination.parse().unwrap(), sense: Sense::Unknown };
        for at_ms in (from_ms..to_ms).step_by(20) {
            let sequence = (at_ms / 20) as u16;
            let timestamp = u32::from(sequence) * 160;
            let rtp = Rtp { payload_type: 96, marker: false, sequence, timestamp, ssrc, payload: &[0; 20] };
            self.streams.packet(RunTime::from_millis(at_ms), flow, &rtp, (0, 1));
        }
        self.end = self.end.max(RunTime::from_millis(to_ms));
    }
}

#[test]
fn silence_until_the_bye_is_an_outage_and_not_a_perfect_stream() {
    let mut pass = answered_call();
    pass.talk(CALLER, CALLEE, 1, (120, 10_000));
    pass.talk(CALLEE, CALLER, 2, (120, 4000));
    let at = RunTime::from_millis(10_000);
    pass.signalling.datagram(Heard::at_once(at), &sip("BYE sip:b@x SIP/2.0", "2 BYE", ("t1", "t2"), None));
    pass.signalling.datagram(Heard::at_once(at), &sip("SIP/2.0 200 OK", "2 BYE", ("t1", "t2"), None));
    let measured = pass.measure().unwrap().0;
    let call = &measured.calls[0];
    assert_eq!((call.caller.as_str(), call.callee.as_str(), call.setup_ms), ("a", "b", Some(100.0)));
    assert_eq!((call.code, call.bye_code, call.fate), (Some(200), Some(200), Some(CallFate::OneWay)));
    assert_eq!(measured.outages.len(), 1);
    let outage = &measured.outages[0];
    // The last packet at 3980 ms, due every 20 ms until 10 s.
    assert_eq!((outage.direction, outage.censored, outage.duration_ms), (Some(Direction::ToCaller), true, 6000.0));
    let deaf = measured.streams.iter().find(|stream| stream.direction == Some(Direction::ToCaller)).unwrap();
    assert_eq!((deaf.codec.as_deref(), deaf.lost, deaf.call), (Some("PCMA"), 300, Some(0)));
}

#[test]
fn a_call_on_hold_is_silent_on_purpose() {
    let mut pass = answered_call();
    pass.talk(CALLER, CALLEE, 1, (120, 4000));
    pass.talk(CALLER, CALLEE, 1, (8000, 10_000));
    pass.talk(CALLEE, CALLER, 2, (120, 4000));
    let hold = sip("INVITE sip:b@x SIP/2.0", "2 INVITE", ("t1", "t2"), Some((CALLER, "inactive")));
    pass.signalling.datagram(Heard::at_once(RunTime::from_millis(4000)), &hold);
    pass.signalling.datagram(
        Heard::at_once(RunTime::from_millis(8000)),
        &sip("INVITE sip:b@x SIP/2.0", "3 INVITE", ("t1", "t2"), Some((CALLER, "sendrecv"))),
    );
    pass.talk(CALLEE, CALLER, 2, (8000, 10_000));
    assert_eq!(pass.measure().unwrap().0.outages, []);
}

#[test]
fn a_new_relay_address_within_a_dialog_is_one_stream_with_a_hole() {
    let mut pass = answered_call();
    pass.talk("10.0.0.9:7000", CALLER, 5, (120, 4000));
    pass.talk("10.0.0.8:9000", CALLER, 6, (4700, 8000));
    pass.talk(CALLER, CALLEE, 1, (120, 8000));
    let measured = pass.measure().unwrap().0;
    assert_eq!((measured.streams.len(), measured.outages.len()), (2, 1));
    let stitched = measured.streams.iter().find(|stream| stream.ssrc == 5).unwrap();
    assert_eq!((measured.outages[0].duration_ms, stitched.more_ssrcs.as_slice()), (700.0, &[6][..]));
}

/// As a generator does that plays one recording into every call from one socket.
#[test]
fn one_source_that_passes_from_call_to_call_is_one_stream_for_each() {
    let mut pass = answered_call();
    pass.talk(CALLER, CALLEE, 1, (120, 3000));
    pass.talk(CALLEE, CALLER, 2, (120, 3000));
    let at = RunTime::from_millis(3000);
    pass.signalling.datagram(Heard::at_once(at), &sip("BYE sip:b@x SIP/2.0", "2 BYE", ("t1", "t2"), None));
    let again = |start, tags, address| {
        let text = String::from_utf8(sip(start, "1 INVITE", tags, Some((address, "sendrecv")))).unwrap();
        text.replace("Call-ID: one", "Call-ID: two").into_bytes()
    };
    let invite = again("INVITE sip:b@x SIP/2.0", ("t3", ""), CALLER);
    pass.signalling.datagram(Heard::at_once(RunTime::from_millis(4000)), &invite);
    pass.signalling
        .datagram(Heard::at_once(RunTime::from_millis(4100)), &again("SIP/2.0 200 OK", ("t3", "t4"), CALLEE));
    pass.talk(CALLER, CALLEE, 1, (4120, 7000));
    pass.talk(CALLEE, CALLER, 2, (4120, 7000));
    let measured = pass.measure().unwrap().0;
    let calls: Vec<_> = measured.streams.iter().map(|stream| (stream.ssrc, stream.call, stream.lost)).collect();
    assert_eq!(calls, [(1, Some(0), 0), (2, Some(0), 0), (1, Some(1), 0), (2, Some(1), 0)]);
    assert_eq!(measured.outages, []);
}

/// One host's streams alone do not tell a frozen server from a stepped clock: that is an outage.
#[test]
fn a_sender_that_stands_still_is_no_clock_step() {
    let packets: Vec<_> = (0..200i64).map(|k| (k * 20 + if k < 100 { 0 } else { 2000 }, 1, k as u16, 8)).collect();
    let (_, outages) = measured(&packets);
    assert_eq!((outages.len(), outages[0].duration_ms, outages[0].estimates.sequence_ms), (1, 2000.0, Some(0.0)));
}

/// As SIPp's answering side does.
#[test]
fn a_phone_with_one_address_for_all_its_calls_does_not_mix_them() {
    let mut pass = answered_call();
    let other = "10.0.0.3:4000";
    for (start, tags, address) in
        [("INVITE sip:b@x SIP/2.0", ("t3", ""), other), ("SIP/2.0 200 OK", ("t3", "t4"), CALLEE)]
    {
        let text = String::from_utf8(sip(start, "1 INVITE", tags, Some((address, "sendrecv")))).unwrap();
        pass.signalling.datagram(
            Heard::at_once(RunTime::from_millis(2000)),
            text.replace("Call-ID: one", "Call-ID: two").as_bytes(),
        );
    }
    pass.talk(CALLER, CALLEE, 1, (3000, 4000));
    pass.talk(other, CALLEE, 2, (3000, 4000));
    let measured = pass.measure().unwrap().0;
    let calls: Vec<_> = measured.streams.iter().map(|stream| (stream.ssrc, stream.call)).collect();
    assert_eq!(calls, [(1, Some(0)), (2, Some(1))]);
}

/// In a part of a capture a direction may have a packet or two: it was heard.
#[test]
fn what_a_dialog_announced_is_rtp_from_the_first_packet_on() {
    let mut pass = answered_call();
    pass.talk(CALLER, CALLEE, 1, (120, 2000));
    pass.talk(CALLEE, CALLER, 2, (1960, 2000));
    pass.talk("10.9.9.1:4000", "10.9.9.2:4000", 3, (1960, 2000));
    let measured = pass.measure().unwrap().0;
    let streams: Vec<_> = measured.streams.iter().map(|stream| (stream.ssrc, stream.packets)).collect();
    assert_eq!(streams, [(1, 94), (2, 2)]);
    assert!(measured.caveats.is_empty(), "{:?}", measured.caveats);
}

/// Runs a whole file that lies in memory.
fn pass_over(file: &[u8]) -> Measured {
    let mut pass = Pass::default();
    for packet in crate::wire::pcap::Reader::new(file).into_iter().flatten() {
        pass.packet(0, || "hostile.pcap", &packet);
    }
    pass.finish((0, 0), |_| "hostile.pcap");
    pass.measure().unwrap().0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_damaged_capture_does_not_make_it_panic(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..200),
    ) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/rtp-jitter-loss-wrap.pcap");
        let mut file = std::fs::read(path).unwrap();
        for (place, value) in damage {
            let place = place.index(file.len());
            file[place] = value;
        }
        let measured = pass_over(&file);
        for stream in &measured.streams {
            prop_assert!(stream.expected >= stream.packets && stream.lost == stream.expected - stream.packets);
        }
    }
}
