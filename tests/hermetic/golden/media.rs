//! Worlds about the packets of a stream: their numbers, timestamps, markers and arrivals.

use super::talk::{CALL, Dialog, PCMA, Sdp, Voice, pcma, rtp, scatter};
use super::trace::{File, Trace};

const CALLER: &str = "10.0.0.1:4000";
const CALLEE: &str = "10.0.0.2:4002";
/// The caller's voice, and the callee's.
const TO_CALLEE: Voice = Voice { start_us: 120_000, ..PCMA };
const TO_CALLER: Voice =
    Voice { from: CALLEE, to: CALLER, ssrc: 0x2222_2222, sequence: 5000, start_us: 125_000, ..PCMA };

pub fn worlds() -> Vec<File> {
    let pcap = |name, trace: Trace| File { name, octets: trace.pcap() };
    vec![
        pcap("voice-two-way.pcap", voice_two_way()),
        pcap("marker-after-outage.pcap", marker_after_outage()),
        pcap("comfort-noise.pcap", comfort_noise()),
        pcap("telephone-event.pcap", telephone_event()),
        pcap("span-duplicates.pcap", span_duplicates()),
        pcap("reordering.pcap", reordering()),
        pcap("wraps.pcap", wraps()),
        pcap("clock-rates.pcap", clock_rates()),
        File { name: "clock-steps.pcap", octets: clock_steps().pcap_as_it_is() },
        File { name: "clock-step-alone.pcap", octets: clock_step_alone().pcap_as_it_is() },
        File { name: "capture-loss.pcapng", octets: capture_loss().pcapng(12) },
        pcap("rtp-alone.pcap", rtp_alone()),
        pcap("late-flush.pcap", late_flush()),
    ]
}

/// A call that is answered at 100 ms.
fn call() -> Trace {
    let mut trace = Trace::default();
    CALL.set_up(&mut trace, 0, pcma(CALLER), pcma(CALLEE));
    trace
}

/// Sends some of a voice's packets, each later by up to `spread_us`.
fn jittered(voice: Voice, trace: &mut Trace, packets: impl Iterator<Item = i64>, spread_us: u64) {
    for k in packets {
        let late = (scatter(u64::from(voice.ssrc) << 20 | k.cast_unsigned()) % spread_us).cast_signed();
        voice.packet(trace, k, voice.at(k) + late, false);
    }
}

fn voice_two_way() -> Trace {
    let mut trace = Trace::default();
    CALL.set_up(
        &mut trace,
        0,
        Sdp { address: CALLER, formats: "8 0", attributes: "a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n" },
        pcma(CALLEE),
    );
    jittered(TO_CALLEE, &mut trace, (0..250).filter(|k| k % 40 != 17), 6000);
    let slower = Voice { payload_type: 0, step: 240, length: 240, interval_us: 30_000, ..TO_CALLER };
    jittered(slower, &mut trace, 0..166, 2000);
    CALL.hang_up(&mut trace, 5_130_000);
    trace
}

fn marker_after_outage() -> Trace {
    let mut trace = call();
    TO_CALLEE.talk(&mut trace, 0..250);
    TO_CALLER.talk(&mut trace, 0..100);
    TO_CALLER.packet(&mut trace, 185, TO_CALLER.at(185), true);
    TO_CALLER.talk(&mut trace, 186..250);
    CALL.hang_up(&mut trace, 5_130_000);
    trace
}

/// To the callee: speech, comfort noise (RFC 3389) and two seconds of nothing. To the caller: a pause that only the
/// marker and the timestamp tell (RFC 3551 §4.1), and later 25 packets that are really lost.
fn comfort_noise() -> Trace {
    let mut trace = call();
    TO_CALLEE.talk(&mut trace, 0..100);
    let noise = Voice { payload_type: 13, length: 1, ..TO_CALLEE };
    noise.packet(&mut trace, 100, noise.at(100), false);
    let again = Voice { sequence: 1101, timestamp: 160_000 + 160 * 200, start_us: TO_CALLEE.at(200), ..TO_CALLEE };
    again.packet(&mut trace, 0, again.at(0), true);
    again.talk(&mut trace, 1..50);
    TO_CALLER.talk(&mut trace, 0..75);
    let again = Voice { sequence: 5075, timestamp: 160_000 + 160 * 125, start_us: TO_CALLER.at(125), ..TO_CALLER };
    again.packet(&mut trace, 0, again.at(0), true);
    again.talk(&mut trace, 1..50);
    again.talk(&mut trace, 75..125);
    CALL.hang_up(&mut trace, 5_130_000);
    trace
}

/// Three keys: each is eight packets of one timestamp, of which the last is repeated twice (RFC 4733 §2.5.1.4).
fn telephone_event() -> Trace {
    let mut trace = Trace::default();
    let formats = "8 101";
    let attributes = "a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n";
    CALL.set_up(
        &mut trace,
        0,
        Sdp { address: CALLER, formats, attributes },
        Sdp { address: CALLEE, formats, attributes },
    );
    let event = Voice { payload_type: 101, length: 4, ..TO_CALLEE };
    for k in 0..200 {
        let into = (k - 50) % 50;
        if k >= 50 && into < 10 {
            let began = TO_CALLEE.timestamp + 160 * (k - into) as u32;
            event.raw(&mut trace, event.at(k), k, began, into == 0);
        } else {
            TO_CALLEE.packet(&mut trace, k, TO_CALLEE.at(k), false);
        }
    }
    TO_CALLER.talk(&mut trace, 0..200);
    CALL.hang_up(&mut trace, 4_130_000);
    trace
}

fn span_duplicates() -> Trace {
    let mut trace = call();
    (0..150).filter(|k| k % 30 != 11).for_each(|k| TO_CALLEE.packet(&mut trace, k, TO_CALLEE.at(k), false));
    TO_CALLER.talk(&mut trace, 0..150);
    CALL.hang_up(&mut trace, 3_130_000);
    trace.mirrored(300)
}

/// Packets 20, 60 and 100 come right after their successors; 130 comes after 135; 140 never.
fn reordering() -> Trace {
    let mut trace = call();
    for k in (0..150).filter(|k| *k != 140) {
        let late = match k {
            20 | 60 | 100 => 21_000,
            130 => 101_000,
            _ => 0,
        };
        TO_CALLEE.packet(&mut trace, k, TO_CALLEE.at(k) + late, false);
    }
    TO_CALLER.talk(&mut trace, 0..150);
    CALL.hang_up(&mut trace, 3_130_000);
    trace
}

/// Sequence number and timestamp wrap within an outage of 30 packets (to the callee) and under two packets that
/// change places (to the caller).
fn wraps() -> Trace {
    let mut trace = call();
    let wrapping = Voice { sequence: 65_500, timestamp: u32::MAX - 160 * 40, ..TO_CALLEE };
    wrapping.talk(&mut trace, 0..30);
    wrapping.talk(&mut trace, 60..150);
    let wrapping = Voice { sequence: 65_486, timestamp: 0u32.wrapping_sub(160 * 50), ..TO_CALLER };
    for k in 0..150 {
        let late = if k == 49 { 21_000 } else { 0 };
        wrapping.packet(&mut trace, k, wrapping.at(k) + late, false);
    }
    CALL.hang_up(&mut trace, 3_130_000);
    trace
}

/// G.722 that samples at 16 kHz and counts at 8 kHz, once with a wrong rtpmap; Opus that always counts at 48 kHz,
/// with telephone events of another clock beside it.
fn clock_rates() -> Trace {
    let mut trace = Trace::default();
    CALL.set_up(
        &mut trace,
        0,
        Sdp { address: CALLER, formats: "9", attributes: "a=rtpmap:9 G722/16000\r\n" },
        Sdp { address: CALLEE, formats: "9", attributes: "a=rtpmap:9 G722/8000\r\n" },
    );
    jittered(Voice { payload_type: 9, ..TO_CALLEE }, &mut trace, 0..150, 3000);
    jittered(Voice { payload_type: 9, ..TO_CALLER }, &mut trace, 0..150, 3000);
    CALL.hang_up(&mut trace, 3_140_000);
    opus_call(&mut trace, 200_000);
    trace
}

fn opus_call(trace: &mut Trace, at_us: i64) {
    let dialog = Dialog { call_id: "golden-opus", caller: "10.0.0.3:5060", callee: "10.0.0.4:5060" };
    let (caller, callee) = ("10.0.0.3:4000", "10.0.0.4:4002");
    let formats = "111 101";
    let attributes = "a=rtpmap:111 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n";
    dialog.set_up(
        trace,
        at_us,
        Sdp { address: caller, formats, attributes },
        Sdp { address: callee, formats, attributes },
    );
    let start_us = at_us + 120_000;
    let opus = Voice { from: caller, to: callee, ssrc: 0x3333_3333, payload_type: 111, step: 960, start_us, ..PCMA };
    // Eight slots are one key on the telephone-event clock, whose timestamps have nothing to do with Opus's.
    jittered(opus, trace, (0..70).chain(78..150), 3000);
    for k in 70..78 {
        let payload = [5, 0, 0, 160];
        let sequence = opus.sequence + k as u16;
        trace.udp(opus.at(k), caller, callee, &rtp((101, k == 70), sequence, 3_000_000_000, opus.ssrc, &payload));
    }
    jittered(Voice { from: callee, to: caller, ssrc: 0x4444_4444, ..opus }, trace, 0..150, 3000);
    dialog.hang_up(trace, at_us + 3_140_000);
}

/// At 2 s the capturing host's clock steps 3 s forward, at 4 s 2 s back.
fn clock_steps() -> Trace {
    let mut trace = call();
    TO_CALLEE.talk(&mut trace, 0..300);
    TO_CALLER.talk(&mut trace, 0..300);
    CALL.hang_up(&mut trace, 6_130_000);
    trace.step_clock(2_000_000, 3_000_000);
    // Stamps of what happened from 4 s on already read 7 s.
    trace.step_clock(7_000_000, -2_000_000);
    trace
}

/// A gateway that alone is heard sends to two phones; at 2 s the capturing host's clock steps 3 s forward.
fn clock_step_alone() -> Trace {
    let mut trace = Trace::default();
    TO_CALLEE.talk(&mut trace, 0..200);
    let other = Voice { to: "10.0.0.3:4004", ssrc: 0x3333_3333, start_us: 125_000 - 20_000_000, ..TO_CALLEE };
    // From packet 1000 on, so that the payloads are not those of the first stream.
    other.talk(&mut trace, 1000..1200);
    trace.step_clock(2_000_000, 3_000_000);
    trace
}

/// Three packets in a row are missing four times: as many as the interface statistics say were dropped.
fn capture_loss() -> Trace {
    let mut trace = call();
    for k in (0..150).filter(|k| !(10..13).contains(&(k % 37))) {
        TO_CALLEE.packet(&mut trace, k, TO_CALLEE.at(k), false);
    }
    TO_CALLER.talk(&mut trace, 0..150);
    CALL.hang_up(&mut trace, 3_130_000);
    trace
}

/// No SIP at all: A-law with an outage of a second, and a dynamic payload type that nobody explains.
fn rtp_alone() -> Trace {
    let mut trace = Trace::default();
    TO_CALLEE.talk(&mut trace, 0..50);
    TO_CALLEE.talk(&mut trace, 100..150);
    let unknown = Voice { payload_type: 97, step: 320, ..TO_CALLER };
    unknown.talk(&mut trace, 0..100);
    trace
}

/// A relay that stood still for a second sends what it held back at once.
fn late_flush() -> Trace {
    let mut trace = call();
    for k in 0..250 {
        let held = (100..150).contains(&k);
        let at = if held { TO_CALLEE.at(150) - 10_000 + (k - 100) * 100 } else { TO_CALLEE.at(k) };
        TO_CALLEE.packet(&mut trace, k, at, false);
    }
    TO_CALLER.talk(&mut trace, 0..250);
    CALL.hang_up(&mut trace, 5_130_000);
    trace
}
