//! Worlds about what the dialog says: which streams are one, when media was due, how SIP answered.

use super::talk::{CALL, Dialog, INVITE, PCMA, Sdp, Turn, Voice, directed, pcma, within};
use super::trace::{File, Trace};

const CALLER: &str = "10.0.0.1:4000";
const CALLEE: &str = "10.0.0.2:4002";
const TO_CALLEE: Voice = Voice { start_us: 120_000, ..PCMA };
const TO_CALLER: Voice =
    Voice { from: CALLEE, to: CALLER, ssrc: 0x2222_2222, sequence: 5000, start_us: 125_000, ..PCMA };
const SENDRECV: &str = "a=sendrecv\r\n";
const INACTIVE: &str = "a=inactive\r\n";

pub fn worlds() -> Vec<File> {
    let pcap = |name, trace: Trace| File { name, octets: trace.pcap() };
    vec![
        pcap("stitched.pcap", stitched()),
        pcap("silent-until-bye.pcap", silent_until_bye()),
        pcap("hold.pcap", hold()),
        pcap("early-media.pcap", early_media()),
        pcap("direction-never-seen.pcap", direction_never_seen()),
        pcap("sip-over-tcp.pcap", sip_over_tcp()),
        pcap("sip-segments.pcap", sip_segments()),
        pcap("rfc6076.pcap", rfc6076()),
    ]
}

/// Four calls, one a second; in each the media to the caller changes after 1.4 s and is gone for 0.5 s.
fn stitched() -> Trace {
    let mut trace = Trace::default();
    let calls = [
        Dialog { call_id: "new-ssrc", caller: "10.0.1.1:5060", callee: "10.0.1.2:5060" },
        Dialog { call_id: "new-port", caller: "10.0.2.1:5060", callee: "10.0.2.2:5060" },
        Dialog { call_id: "new-address", caller: "10.0.3.1:5060", callee: "10.0.3.2:5060" },
        Dialog { call_id: "new-codec", caller: "10.0.4.1:5060", callee: "10.0.4.2:5060" },
    ];
    let media = [
        ("10.0.1.1:4000", "10.0.1.2:4002"),
        ("10.0.2.1:4000", "10.0.2.2:4002"),
        ("10.0.3.1:4000", "10.0.3.2:4002"),
        ("10.0.4.1:4000", "10.0.4.2:4002"),
    ];
    for (number, (dialog, (caller, callee))) in calls.iter().zip(media).enumerate() {
        let at_us = number as i64 * 1_000_000;
        dialog.set_up(&mut trace, at_us, pcma(caller), pcma(callee));
        let there = Voice { from: caller, to: callee, start_us: at_us + 120_000, ..TO_CALLEE };
        let back = Voice { from: callee, to: caller, start_us: at_us + 125_000, ..TO_CALLER };
        back.talk(&mut trace, 0..70);
        changed(&mut trace, number, back).talk(&mut trace, 95..140);
        there.talk(&mut trace, 0..if number == 2 { 70 } else { 140 });
        if number == 2 {
            // The phone follows the media to the address from which they now come.
            Voice { to: "10.0.3.9:9000", ..there }.talk(&mut trace, 95..140);
        }
        if number == 3 {
            let reinvite = within(false, "INVITE", 1);
            let pcmu = "a=rtpmap:0 PCMU/8000\r\n";
            dialog.ask(
                &mut trace,
                at_us + 1_900_000,
                reinvite,
                Some(Sdp { address: callee, formats: "0", attributes: pcmu }),
            );
            dialog.answer(
                &mut trace,
                at_us + 1_905_000,
                reinvite,
                200,
                Some(Sdp { address: caller, formats: "0", attributes: pcmu }),
            );
        }
        dialog.hang_up(&mut trace, at_us + 2_930_000);
    }
    trace
}

/// The voice that goes on where `back` fell silent.
fn changed(trace: &mut Trace, number: usize, back: Voice) -> Voice {
    let renumbered = Voice { ssrc: 0x9999_9999, sequence: 40_000, timestamp: 123_456, ..back };
    match number {
        0 => renumbered,
        1 => Voice { from: "10.0.2.2:5008", ..renumbered },
        2 => {
            // The dead relay's last packet comes out of a queue after the new one has begun.
            back.packet(trace, 70, back.at(96), false);
            Voice { from: "10.0.3.9:9000", ..renumbered }
        }
        _ => Voice { payload_type: 0, ..back },
    }
}

fn silent_until_bye() -> Trace {
    let mut trace = Trace::default();
    CALL.set_up(&mut trace, 0, pcma(CALLER), pcma(CALLEE));
    TO_CALLEE.talk(&mut trace, 0..300);
    TO_CALLER.talk(&mut trace, 0..100);
    CALL.hang_up(&mut trace, 6_120_000);
    trace
}

/// The caller holds the call from 2 to 4 s. After the resumption the callee's voice stays away until 5.6 s. A second
/// hold at 6 s is refused, so that the half second without voice from 6.9 s on was not wanted.
fn hold() -> Trace {
    let mut trace = Trace::default();
    CALL.set_up(&mut trace, 0, pcma(CALLER), pcma(CALLEE));
    let reinvite = |number| within(true, "INVITE", number);
    let mut offer = |number, at_us, says, code| {
        CALL.ask(&mut trace, at_us, reinvite(number), Some(directed(CALLER, says)));
        let answer = (code == 200).then_some(directed(CALLEE, says));
        CALL.answer(&mut trace, at_us + 20_000, reinvite(number), code, answer);
    };
    offer(2, 2_000_000, INACTIVE, 200);
    offer(3, 4_000_000, SENDRECV, 200);
    offer(4, 6_000_000, INACTIVE, 488);
    TO_CALLEE.talk(&mut trace, 0..95);
    resumed(TO_CALLEE, 196, 95).talk(&mut trace, 0..204);
    TO_CALLER.talk(&mut trace, 0..95);
    let back = resumed(TO_CALLER, 275, 95);
    back.talk(&mut trace, 0..65);
    back.talk(&mut trace, 90..125);
    CALL.hang_up(&mut trace, 8_130_000);
    trace
}

/// A voice that goes on in slot `slot` with the packet after `sent` others: a phone on hold sends and numbers nothing.
fn resumed(voice: Voice, slot: i64, sent: u16) -> Voice {
    let timestamp = voice.timestamp + voice.step * slot as u32;
    Voice { sequence: voice.sequence + sent, timestamp, start_us: voice.at(slot), ..voice }
}

/// A media server plays ringing from 60 ms until 1.5 s; the callee answers at 2 s and speaks from 2.04 s on.
fn early_media() -> Trace {
    let mut trace = Trace::default();
    let server = "10.0.0.3:6000";
    CALL.ask(&mut trace, 0, INVITE, Some(pcma(CALLER)));
    CALL.answer(&mut trace, 50_000, INVITE, 183, Some(pcma(server)));
    let ringing = Voice { from: server, ssrc: 0x3333_3333, start_us: 60_000, ..TO_CALLER };
    ringing.talk(&mut trace, 0..72);
    CALL.answer(&mut trace, 2_000_000, INVITE, 200, Some(pcma(CALLEE)));
    Voice { start_us: 2_030_000, ..TO_CALLEE }.talk(&mut trace, 0..150);
    Voice { start_us: 2_040_000, ..TO_CALLER }.talk(&mut trace, 0..150);
    CALL.hang_up(&mut trace, 5_050_000);
    trace
}

fn direction_never_seen() -> Trace {
    let mut trace = Trace::default();
    CALL.set_up(&mut trace, 0, pcma(CALLER), pcma(CALLEE));
    TO_CALLEE.talk(&mut trace, 0..200);
    CALL.hang_up(&mut trace, 4_100_000);
    trace
}

/// One connection: the INVITE comes in two segments, of which the first is sent again; 180 and 200 share a segment.
fn sip_over_tcp() -> Trace {
    let mut trace = Trace::default();
    let (up, down) = (("10.0.0.1:40000", "10.0.0.2:5060"), ("10.0.0.2:5060", "10.0.0.1:40000"));
    trace.tcp(0, up, 999, 2, b"");
    trace.tcp(200, down, 4999, 18, b"");
    let invite = CALL.request(INVITE, Some(pcma(CALLER)));
    let (head, tail) = invite.split_at(200);
    trace.tcp(1_000, up, 1000, 24, head);
    trace.tcp(201_000, up, 1000, 24, head);
    trace.tcp(202_000, up, 1200, 24, tail);
    let answers = [CALL.response(INVITE, 180, None), CALL.response(INVITE, 200, Some(pcma(CALLEE)))].concat();
    trace.tcp(301_000, down, 5000, 24, &answers);
    let after = 1000 + invite.len() as u32;
    let ack = CALL.request(Turn { method: "ACK", inside: true, ..INVITE }, None);
    trace.tcp(302_000, up, after, 24, &ack);
    let voice = Voice { start_us: 320_000, ..TO_CALLEE };
    voice.talk(&mut trace, 0..100);
    Voice { start_us: 325_000, ..TO_CALLER }.talk(&mut trace, 0..100);
    let bye = within(true, "BYE", 2);
    trace.tcp(2_330_000, up, after + ack.len() as u32, 24, &CALL.request(bye, None));
    trace.tcp(2_340_000, down, 5000 + answers.len() as u32, 24, &CALL.response(bye, 200, None));
    trace
}

/// One connection on which no message keeps to a segment: REGISTER, its 200, INVITE, its 200, BYE and its 200 each
/// come in two or three, the INVITE's end and the ACK's begin behind others in one.
fn sip_segments() -> Trace {
    let mut trace = Trace::default();
    let ends = ("10.0.0.1:40000", "10.0.0.2:5060");
    let register = Turn { method: "REGISTER", ..INVITE };
    let phone = Dialog { call_id: "segments-register", ..CALL };
    let (bye, ack) = (within(true, "BYE", 2), Turn { method: "ACK", inside: true, ..INVITE });
    let up = [
        phone.request(register, None),
        CALL.request(INVITE, Some(pcma(CALLER))),
        CALL.request(ack, None),
        CALL.request(bye, None),
    ];
    let down = [
        phone.response(register, 200, None),
        CALL.response(INVITE, 180, None),
        CALL.response(INVITE, 200, Some(pcma(CALLEE))),
        CALL.response(bye, 200, None),
    ];
    trace.tcp(0, ends, 999, 2, b"");
    trace.tcp(200, (ends.1, ends.0), 4999, 18, b"");
    // Where each segment ends: in which message, behind how many of its octets.
    let whole = |messages: &[Vec<u8>], n: usize| messages[n].len();
    let sent = [
        (10, 0, 100),
        (14, 0, whole(&up, 0)),
        (1_000, 1, 120),
        (1_020, 1, 300),
        (1_040, 1, whole(&up, 1)),
        (1_400, 2, 50),
        // The end of the ACK, and the BYE up to its 90th octet.
        (3_450, 3, 90),
        (3_480, 3, whole(&up, 3)),
    ];
    let received = [
        (30, 0, 60),
        (37, 0, whole(&down, 0)),
        // 180, and the first octets of 200.
        (1_200, 2, 40),
        (1_350, 2, whole(&down, 2)),
        (3_500, 3, 10),
        (3_505, 3, whole(&down, 3)),
    ];
    segments(&mut trace, ends, 1000, &up, &sent);
    segments(&mut trace, (ends.1, ends.0), 5000, &down, &received);
    Voice { start_us: 1_420_000, ..TO_CALLEE }.talk(&mut trace, 0..100);
    Voice { start_us: 1_425_000, ..TO_CALLER }.talk(&mut trace, 0..100);
    trace
}

/// Sends one direction's messages in segments that end, at so many milliseconds, within a message.
fn segments(
    trace: &mut Trace,
    ends: (&str, &str),
    first: u32,
    messages: &[Vec<u8>],
    ends_within: &[(i64, usize, usize)],
) {
    let stream = messages.concat();
    let mut from = 0;
    for (at_ms, message, octets) in ends_within {
        let to = messages[..*message].iter().map(Vec::len).sum::<usize>() + octets;
        trace.tcp(at_ms * MS, ends, first + from as u32, 24, &stream[from..to]);
        from = to;
    }
    assert_eq!(from, stream.len(), "the last segment ends with the last message");
}

/// Registrations and calls with every kind of end that RFC 6076 tells apart; nothing is mirrored, no media.
fn rfc6076() -> Trace {
    let mut trace = Trace::default();
    registrations(&mut trace);
    calls(&mut trace);
    // The capture goes on until 90 s.
    let probe = Dialog { call_id: "probe", ..CALL };
    let options = Turn { method: "OPTIONS", ..INVITE };
    probe.ask(&mut trace, 89_990_000, options, None);
    probe.answer(&mut trace, 90_000_000, options, 200, None);
    trace
}

const MS: i64 = 1000;

fn registrations(trace: &mut Trace) {
    let dialog = |call_id| Dialog { call_id, ..CALL };
    let turn = |number| Turn { method: "REGISTER", number, ..INVITE };
    // Challenged, then accepted: 45 ms.
    let good = dialog("reg-good");
    good.ask(trace, 0, turn(1), None);
    good.answer(trace, 20 * MS, turn(1), 401, None);
    good.ask(trace, 25 * MS, turn(2), None);
    good.answer(trace, 45 * MS, turn(2), 200, None);
    // Refreshed later in the same Call-ID: 15 ms.
    good.ask(trace, 60_000 * MS, turn(3), None);
    good.answer(trace, 60_015 * MS, turn(3), 200, None);
    let refused = dialog("reg-refused");
    refused.ask(trace, 100 * MS, turn(1), None);
    refused.answer(trace, 130 * MS, turn(1), 403, None);
    // Timer E: sent again at 0.5, 1.5, 3.5, 7.5 s; nobody answers within Timer F, 32 s.
    let dead = dialog("reg-dead");
    for after in [0, 500, 1500, 3500, 7500] {
        dead.ask(trace, (200 + after) * MS, turn(1), None);
    }
    // Under way when the capture ends.
    dialog("reg-open").ask(trace, 85_000 * MS, turn(1), None);
}

fn calls(trace: &mut Trace) {
    let dialog = |call_id| Dialog { call_id, ..CALL };
    let again = Turn { number: 2, ..INVITE };
    let good = dialog("call-good");
    good.ask(trace, 1_000 * MS, INVITE, None);
    good.answer(trace, 1_002 * MS, INVITE, 100, None);
    good.answer(trace, 1_200 * MS, INVITE, 180, None);
    good.answer(trace, 2_000 * MS, INVITE, 200, None);
    good.ask(trace, 2_010 * MS, Turn { method: "ACK", inside: true, ..INVITE }, None);
    good.ask(trace, 12_000 * MS, within(true, "BYE", 9), None);
    good.answer(trace, 12_050 * MS, within(true, "BYE", 9), 200, None);
    for (call_id, at, code) in
        [("busy", 3_000, 486), ("overload", 4_000, 503), ("moved", 5_000, 302), ("away", 6_000, 480)]
    {
        let failed = dialog(call_id);
        failed.ask(trace, at * MS, INVITE, None);
        failed.answer(trace, (at + 40) * MS, INVITE, code, None);
        failed.ask(trace, (at + 41) * MS, Turn { method: "ACK", ..INVITE }, None);
    }
    // Challenged, answered, never hung up.
    let open = dialog("challenged");
    open.ask(trace, 7_000 * MS, INVITE, None);
    open.answer(trace, 7_010 * MS, INVITE, 407, None);
    open.ask(trace, 7_015 * MS, again, None);
    open.answer(trace, 7_100 * MS, again, 183, None);
    open.answer(trace, 7_500 * MS, again, 200, None);
    // Timer A: sent again at 0.5, 1.5, 3.5 s … until Timer B, 32 s.
    let dead = dialog("dead");
    for after in [0, 500, 1500, 3500, 7500, 15_500, 31_500] {
        dead.ask(trace, (8_000 + after) * MS, INVITE, None);
    }
    // Answered; its BYE is not.
    let zombie = dialog("zombie");
    zombie.ask(trace, 9_000 * MS, INVITE, None);
    zombie.answer(trace, 9_300 * MS, INVITE, 200, None);
    for after in [0, 500, 1500] {
        zombie.ask(trace, (19_300 + after) * MS, within(true, "BYE", 9), None);
    }
    let declined = dialog("declined");
    declined.ask(trace, 10_000 * MS, INVITE, None);
    declined.answer(trace, 10_100 * MS, INVITE, 180, None);
    declined.answer(trace, 12_100 * MS, INVITE, 603, None);
    let cancelled = dialog("cancelled");
    cancelled.ask(trace, 11_000 * MS, INVITE, None);
    cancelled.answer(trace, 11_100 * MS, INVITE, 180, None);
    cancelled.ask(trace, 13_000 * MS, Turn { method: "CANCEL", ..INVITE }, None);
    cancelled.answer(trace, 13_010 * MS, Turn { method: "CANCEL", ..INVITE }, 200, None);
    cancelled.answer(trace, 13_020 * MS, INVITE, 487, None);
}
