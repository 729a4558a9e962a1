//! Worlds with a picture: H.264 (RFC 6184) and VP8 (RFC 7741) as others send them, with sender reports or without.

use super::talk::{CALL, PCMA, Sdp, Voice, noise, rtp};
use super::trace::{EPOCH_S, File, Trace};

/// From the years of NTP to those of Unix, in seconds (RFC 5905 figure 4).
const NTP_TO_UNIX: i64 = 2_208_988_800;
const CALLER: &str = "10.0.0.1:4000";
const CALLEE: &str = "10.0.0.2:4002";
const SOUND: Voice = Voice { start_us: 110_000, ..PCMA };

/// A sender of video: all packets of a frame at one instant.
#[derive(Clone, Copy)]
struct Camera {
    from: &'static str,
    to: &'static str,
    ssrc: u32,
    payload_type: u8,
    /// Timestamp of frame 0.
    timestamp: u32,
    /// Timestamp units and microseconds from frame to frame.
    step: u32,
    interval_us: i64,
    /// When frame 0 is captured.
    start_us: i64,
    /// Every so many frames one needs no other.
    group: i64,
    payloads: fn(i64, bool) -> Vec<Vec<u8>>,
}

/// 25 frames a second, the first at 100 ms.
const H264: Camera = Camera {
    from: "10.0.0.1:4006",
    to: "10.0.0.2:4008",
    ssrc: 0x2640_0001,
    payload_type: 96,
    timestamp: 4_294_900_000,
    step: 3600,
    interval_us: 40_000,
    start_us: 100_000,
    group: 25,
    payloads: h264,
};

/// 20 frames a second, 30 ms later than the sender's clock would have them.
const VP8: Camera = Camera {
    from: "10.0.0.1:5006",
    to: "10.0.0.2:5008",
    ssrc: 0x0800_0001,
    payload_type: 100,
    timestamp: 90_000,
    step: 4500,
    interval_us: 50_000,
    start_us: 130_000,
    group: 40,
    payloads: vp8,
};

pub fn worlds() -> Vec<File> {
    let pcap = |name, trace: Trace| File { name, octets: trace.pcap() };
    vec![
        pcap("video-alone.pcap", video_alone()),
        pcap("video-alone-vp8.pcap", video_alone_vp8()),
        pcap("video-call.pcap", video_call()),
        pcap("video-sets-in-sdp.pcap", video_sets_in_sdp()),
    ]
}

impl Camera {
    /// Frames 0 to `frames`, but for those packets that are lost.
    fn film(&self, trace: &mut Trace, frames: i64, lost: impl Fn(i64, usize) -> bool) {
        let mut sequence = 65_500u16;
        for k in 0..frames {
            let payloads = (self.payloads)(k, k % self.group == 0);
            let last = payloads.len() - 1;
            for (piece, payload) in payloads.into_iter().enumerate() {
                if !lost(k, piece) {
                    let stamp = self.timestamp.wrapping_add(self.step.wrapping_mul(k as u32));
                    let octets = rtp((self.payload_type, piece == last), sequence, stamp, self.ssrc, &payload);
                    trace.udp(self.start_us + k * self.interval_us, self.from, self.to, &octets);
                }
                sequence = sequence.wrapping_add(1);
            }
        }
    }
}

/// A key frame of four packets: its parameter sets (640 × 480) in an aggregate, its slice in three fragments. Another frame
/// of two fragments.
fn h264(k: i64, key: bool) -> Vec<Vec<u8>> {
    let sets = [&[0x78, 0, 9, 0x67, 66, 0, 30, 0xda, 0x02, 0x80, 0xf6, 0x40, 0, 4, 0x68, 0xce, 0x3c, 0x80][..]];
    let (kind, length) = if key { (0x65, 1200) } else { (0x41, 100) };
    let slice = [&[0x88][..], &noise(k.cast_unsigned(), length - 1)].concat();
    let pieces = slice.chunks(if key { 400 } else { 50 });
    let last = pieces.len() - 1;
    let fragment = |(number, piece): (usize, &[u8])| {
        let place = if number == 0 { 0x80 } else { 0 } | if number == last { 0x40 } else { 0 };
        [&[kind & 0xe0 | 28, place | kind & 0x1f], piece].concat()
    };
    let sets = sets.iter().filter(|_| key).map(|set| set.to_vec());
    sets.chain(pieces.enumerate().map(fragment)).collect()
}

/// A key frame of 320 × 240 in two packets, another frame in one.
fn vp8(k: i64, key: bool) -> Vec<Vec<u8>> {
    let head: &[u8] = if key { &[0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00] } else { &[0x11, 0, 0] };
    let frame = [head, &noise(k.cast_unsigned(), if key { 690 } else { 57 })].concat();
    let [high, low] = (k as u16 | 0x8000).to_be_bytes();
    let start = |number: usize| if number == 0 { 0x90 } else { 0x80 };
    let pieces = frame.chunks(400).enumerate();
    pieces.map(|(number, piece)| [&[start(number), 0x80, high, low], piece].concat()).collect()
}

/// A sender report and the canonical name (RFC 3550 §6.4.1, §6.5.1), captured `late_us` after `second` of the sender's
/// clock, which began with the world's first frame at 100 ms.
fn report(second: i64, (ssrc, timestamp): (u32, u32), name: &str) -> Vec<u8> {
    let ntp = (EPOCH_S + NTP_TO_UNIX + second) as u32;
    let mut octets = vec![0x80, 200, 0, 6];
    for word in [ssrc, ntp, 0, timestamp, 0, 0] {
        octets.extend(word.to_be_bytes());
    }
    let mut chunk = [&ssrc.to_be_bytes()[..], &[1, name.len() as u8], name.as_bytes(), &[0]].concat();
    chunk.resize(chunk.len().next_multiple_of(4), 0);
    octets.extend([0x81, 202, 0, (chunk.len() / 4) as u8]);
    octets.extend(chunk);
    octets
}

/// 200 frames without any SIP: 60 to 77 are gone, one packet of frame 110 and one of the key frame 150. Beside it sound of a
/// dynamic payload type, as Opus has it.
fn video_alone() -> Trace {
    let mut trace = Trace::default();
    H264.film(&mut trace, 200, |k, piece| (60..78).contains(&k) || (k, piece) == (110, 1) || (k, piece) == (150, 2));
    let opus = Voice { payload_type: 111, step: 960, length: 80, start_us: 105_000, ..PCMA };
    opus.talk(&mut trace, 0..100);
    trace
}

/// The same without SIP for VP8, with sound and the reports of both: frames 50 to 63 are gone, then the picture comes from
/// a new source, 60 ms later.
fn video_alone_vp8() -> Trace {
    let mut trace = Trace::default();
    VP8.film(&mut trace, 50, |_, _| false);
    let again = Camera { ssrc: 0x0800_0002, timestamp: 3_000_000_000, start_us: VP8.start_us + 60_000, ..VP8 };
    again.film(&mut trace, 120, |k, _| k < 64);
    let sound = Voice { from: "10.0.0.1:5000", to: "10.0.0.2:5002", ..SOUND };
    sound.talk(&mut trace, 0..125);
    sound.talk(&mut trace, 160..300);
    for second in [1, 2, 4, 5] {
        let (camera, late) = if second < 3 { (VP8, 30_000) } else { (again, 90_000) };
        let at = 100_000 + second * 1_000_000;
        let stamp = camera.timestamp.wrapping_add(90_000 * second as u32);
        trace.udp(at + late, "10.0.0.1:5007", "10.0.0.2:5009", &report(second, (camera.ssrc, stamp), "alice@host"));
        let stamp = sound.timestamp + 8000 * second as u32;
        trace.udp(at + 10_000, "10.0.0.1:5001", "10.0.0.2:5003", &report(second, (sound.ssrc, stamp), "alice@host"));
    }
    trace
}

/// A video call with an outage of 700 ms both ways. To the callee the next key frame comes; to the caller none comes any
/// more, though the packets do.
fn video_call() -> Trace {
    const FORMATS: &str = "a=rtpmap:8 PCMA/8000\r\nm=video PORT RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n";
    let mut trace = Trace::default();
    let (caller, callee) = (FORMATS.replace("PORT", "4006"), FORMATS.replace("PORT", "4008"));
    let sdp = |address, attributes| Sdp { address, formats: "8", attributes };
    CALL.set_up(&mut trace, 0, sdp(CALLER, &caller), sdp(CALLEE, &callee));
    let gone = |k: i64, _: usize| (60..78).contains(&k);
    H264.film(&mut trace, 150, gone);
    let back = Camera {
        from: "10.0.0.2:4008",
        to: "10.0.0.1:4006",
        ssrc: 0x2640_0002,
        payloads: h264_until_the_outage,
        ..H264
    };
    back.film(&mut trace, 150, gone);
    let heard = Voice { from: CALLEE, to: CALLER, ssrc: 0x2222_2222, sequence: 5000, ..SOUND };
    for voice in [SOUND, heard] {
        voice.talk(&mut trace, 0..120);
        voice.talk(&mut trace, 155..300);
    }
    for second in [1, 2, 4, 5] {
        let at = 100_000 + second * 1_000_000;
        let stamp = H264.timestamp.wrapping_add(90_000 * second as u32);
        trace.udp(at, "10.0.0.1:4007", "10.0.0.2:4009", &report(second, (H264.ssrc, stamp), "alice@host"));
        let stamp = SOUND.timestamp + 8000 * second as u32;
        trace.udp(at, "10.0.0.1:4001", "10.0.0.2:4003", &report(second, (SOUND.ssrc, stamp), "alice@host"));
    }
    CALL.hang_up(&mut trace, 6_100_000);
    trace
}

/// Neither side sends parameter sets with its pictures: the caller has them in its session description, the callee nowhere.
fn video_sets_in_sdp() -> Trace {
    const SETS: &str = "a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0IAHtoCgPZA,aM48gA==\r\n";
    const FORMATS: &str = "a=rtpmap:8 PCMA/8000\r\nm=video PORT RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n";
    let mut trace = Trace::default();
    let (caller, callee) = (FORMATS.replace("PORT", "4006") + SETS, FORMATS.replace("PORT", "4008"));
    let sdp = |address, attributes| Sdp { address, formats: "8", attributes };
    CALL.set_up(&mut trace, 0, sdp(CALLER, &caller), sdp(CALLEE, &callee));
    let caller = Camera { payloads: h264_without_sets, ..H264 };
    caller.film(&mut trace, 100, |_, _| false);
    let callee = Camera { from: "10.0.0.2:4008", to: "10.0.0.1:4006", ssrc: 0x2640_0002, ..caller };
    callee.film(&mut trace, 100, |_, _| false);
    let heard = Voice { from: CALLEE, to: CALLER, ssrc: 0x2222_2222, sequence: 5000, ..SOUND };
    [SOUND, heard].into_iter().for_each(|voice| voice.talk(&mut trace, 0..200));
    CALL.hang_up(&mut trace, 4_110_000);
    trace
}

fn h264_without_sets(k: i64, key: bool) -> Vec<Vec<u8>> {
    h264(k, key).into_iter().skip(usize::from(key)).collect()
}

fn h264_until_the_outage(k: i64, key: bool) -> Vec<Vec<u8>> {
    h264(k, key && k < 60)
}
