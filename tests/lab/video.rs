//! Video: calls over real servers, and the codecs and payloads of somebody else on the other end.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use fivenines::evidence::history::Direction;
use fivenines::experiment::agent::media::Feed;
use fivenines::experiment::agent::video::{Clip, Pacing, VideoConfig, VideoReceiver, VideoSender};
use fivenines::experiment::run::clock::Clock;
use fivenines::units::{RunTime, Span};
use fivenines::wire::video::Codec;
use fivenines::wire::video::h264::Mode;

use super::{Scratch, ms, outages, report, scenario, standing_calls};

#[test]
#[ignore = "needs root and Debian's servers; tests/run runs it"]
fn a_video_call_survives_and_its_picture_comes_back_with_a_key_frame_that_was_asked_for() {
    let scratch = Scratch::new("video");
    let report = report(&scenario("lab-kamailio-video.toml"), &scratch);
    let standing = standing_calls(&report);
    assert!(standing.iter().all(|call| call["fate"] == "gap_recovered"), "{standing:#?}");
    let (packets, pictures) = (outages(&report, "video"), outages(&report, "picture"));
    let videos = report["trials"][0]["measured"]["videos"].as_array().unwrap();
    assert_eq!(videos.len(), 2 * standing.len());
    for video in videos {
        let same = |outage: &&&serde_json::Value| {
            outage["scope"] == format!("call {}", video["call"]) && outage["direction"] == video["direction"]
        };
        let first = |of: &[&'_ serde_json::Value]| of.iter().find(same).map(|outage| ms(outage)).unwrap();
        let (packets, picture) = (first(&packets), first(&pictures));
        // The picture needs a key frame on top: within a request, its way through the relay, and a few frames.
        assert!(picture >= packets - 40.0 && picture <= packets + 1_000.0, "{picture} after {packets}");
        let freeze = video["freezes"].as_array().unwrap().iter().find(|freeze| freeze["fault"] == 0).unwrap();
        assert_eq!(freeze["ended_by_key_frame"], true, "{freeze:#?}");
        assert!(video["pli"].as_u64().unwrap() >= 1, "the relay passes requests on");
        assert_eq!(video["frames"]["expected"].as_u64().unwrap(), sum_of(&video["frames"]));
    }
}

#[test]
#[ignore = "needs root and Debian's servers; tests/run runs it"]
fn a_video_call_through_asterisk_is_whole_until_its_pbx_dies_and_then_gone() {
    let scratch = Scratch::new("asterisk-video");
    let report = report(&scenario("lab-asterisk-video.toml"), &scratch);
    let standing = standing_calls(&report);
    assert_eq!(standing.len(), 4);
    assert!(standing.iter().all(|call| call["fate"] == "zombie"), "the next PBX knows nothing of it: {standing:#?}");
    assert_eq!(outages(&report, "sip_answer")[0]["censored"], false);
    for service in ["video", "picture"] {
        let outages = outages(&report, service);
        assert_eq!(outages.len(), 2 * standing.len());
        assert!(outages.iter().all(|outage| outage["censored"] == true), "{service}: {outages:#?}");
    }
    for video in report["trials"][0]["measured"]["videos"].as_array().unwrap() {
        let (before, frames) = (&video["periods"][0], &video["frames"]);
        // As many pictures as were sent, and every one that was decoded is one.
        assert!((before["frame_rate"].as_f64().unwrap() - 25.0).abs() < 0.5, "{before:#?}");
        assert!(video["decoded"]["frames"].as_u64() > Some(0) && video["decoded"]["failed"] == 0, "{video:#?}");
        assert_eq!(frames["expected"].as_u64().unwrap(), sum_of(frames));
    }
}

/// Asterisk strips `rtcp-fb` from what it offers and turns a phone's PLI into a request of its own on the other leg.
#[test]
#[ignore = "needs root and Debian's servers; tests/run runs it"]
fn a_request_for_a_key_frame_gets_through_asterisk_for_both_codecs() {
    let text = scenario("lab-asterisk-video.toml");
    let power_off = text.lines().find(|line| line.starts_with("power_off")).unwrap();
    let loss = "degraded_path = { target = \"vip-owner\", loss_percent = 3.0, at = \"5s\", heal_at = \"15s\" }";
    let text = text.replace(power_off, loss);
    for codec in ["codec = \"h264\"\npicture = \"vga\"", "codec = \"vp8\"\npicture = \"qvga\""] {
        let text = text.replace("codec = \"h264\"\npicture = \"vga\"", codec);
        let report = report(&text, &Scratch::new("asterisk-requests"));
        let videos = report["trials"][0]["measured"]["videos"].as_array().unwrap();
        assert_eq!(videos.len(), 8);
        let (mut key, mut frozen) = (0, Vec::new());
        for video in videos {
            assert!(video["pli"].as_u64().unwrap() >= 1, "{video:#?}");
            key += video["frames"]["key"].as_u64().unwrap();
            let freezes = video["freezes"].as_array().unwrap();
            assert!(freezes.iter().all(|freeze| freeze["ended_by_key_frame"] == true), "{freezes:#?}");
            frozen.extend(freezes.iter().map(|freeze| freeze["duration_ms"].as_f64().unwrap()));
        }
        // Planned are one in 4 s, so six in the time of a call; unasked, the mean freeze would be longer than 2 s.
        assert!(key > 6 * 8, "{codec}: {key} key frames");
        let mean = frozen.iter().sum::<f64>() / frozen.len() as f64;
        assert!(frozen.len() >= 8 && mean < 1_500.0, "{codec}: {mean} ms over {frozen:?}");
    }
}

fn sum_of(frames: &serde_json::Value) -> u64 {
    ["shown", "undecodable", "incomplete", "missing"].iter().map(|key| frames[key].as_u64().unwrap()).sum()
}

/// A GStreamer pipeline that is killed if it does not end by itself.
struct Pipeline(Child);

impl Pipeline {
    fn start(description: &str) -> Pipeline {
        let words = description.split_whitespace();
        let child = Command::new("gst-launch-1.0").arg("-q").args(words).stdout(Stdio::null()).spawn();
        Pipeline(child.expect("gst-launch-1.0 of gstreamer1.0-tools"))
    }

    /// Whether it ended well by `deadline`.
    fn ended(&mut self, clock: &Clock, deadline: RunTime) -> bool {
        loop {
            match self.0.try_wait().unwrap() {
                Some(status) => return status.success(),
                None if clock.now() > deadline => return false,
                None => clock.sleep(Span::from_millis(20)),
            }
        }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        let _ended_already = (self.0.kill(), self.0.wait());
    }
}

fn listens(port: u16) -> bool {
    std::fs::read_to_string("/proc/net/udp").unwrap().contains(&format!(":{port:04X} "))
}

fn sender(codec: Codec, height: u32, mode: Mode, remote: SocketAddr) -> VideoSender {
    let clip = Arc::new(Clip::of(codec, height).unwrap());
    let key_interval = Span::from_secs(clip.frames.len() as i64 / i64::from(clip.frame_rate));
    let config = VideoConfig {
        stream: 1,
        call: 1,
        direction: Direction::ToCallee,
        clip,
        payload_type: 99,
        mode,
        pacing: Pacing::Burst,
        key_interval,
        local: "127.0.0.1:0".parse().unwrap(),
        remote,
        seed: 1,
    };
    VideoSender::new(config, RunTime::ZERO)
}

/// The packets of one clip, each with the instant at which it is due.
fn packets(mut sender: VideoSender, length: Span) -> Vec<(RunTime, Vec<u8>)> {
    let (mut all, mut buffer) = (Vec::new(), [0; 1500]);
    while sender.due() < RunTime::ZERO + length {
        let due = sender.due();
        let octets = sender.packet(&mut buffer).unwrap();
        all.push((due, buffer[..octets].to_vec()));
    }
    all
}

/// Our stream with its marks, depayloaded and decoded by GStreamer (libav, libvpx), is pixel for pixel the clip.
#[test]
#[ignore = "needs GStreamer; tests/run runs it"]
fn gstreamer_decodes_what_we_send() {
    let scratch = Scratch::new("gst-in");
    let clock = Clock::start();
    let cases = [
        (Codec::H264, 480, Mode::NonInterleaved, "rtph264depay ! avdec_h264"),
        (Codec::H264, 240, Mode::SingleUnit, "rtph264depay ! avdec_h264"),
        (Codec::Vp8, 240, Mode::NonInterleaved, "rtpvp8depay ! vp8dec"),
    ];
    for (codec, height, mode, decoder) in cases {
        let out = scratch.0.join("received.yuv");
        let _none_yet = std::fs::remove_file(&out);
        let probe = UdpSocket::bind("127.0.0.1:0").unwrap();
        let remote = probe.local_addr().unwrap();
        drop(probe);
        let clip = Clip::of(codec, height).unwrap();
        let length = Span::from_secs(clip.frames.len() as i64 / i64::from(clip.frame_rate));
        let packets = packets(sender(codec, height, mode, remote), length);
        let caps =
            format!("application/x-rtp,media=video,clock-rate=90000,encoding-name={},payload=99", codec.encoding());
        let mut pipeline = Pipeline::start(&format!(
            "udpsrc address=127.0.0.1 port={} num-buffers={} buffer-size=4000000 caps={caps} ! {decoder} ! \
             videoconvert ! video/x-raw,format=I420 ! filesink location={}",
            remote.port(),
            packets.len(),
            out.display()
        ));
        let deadline = clock.now() + Span::from_secs(30);
        while !listens(remote.port()) {
            assert!(clock.now() < deadline, "GStreamer does not listen");
            clock.sleep(Span::from_millis(20));
        }
        let (socket, zero) = (UdpSocket::bind("127.0.0.1:0").unwrap(), clock.now());
        for (due, packet) in packets {
            // Four times as fast as it was made for.
            clock.sleep_until(zero + Span((due - RunTime::ZERO).as_nanos() / 4));
            socket.send_to(&packet, remote).unwrap();
        }
        assert!(pipeline.ended(&clock, deadline), "{codec:?} {height} {mode:?} did not end");
        assert!(decoded(&clip, &scratch.0) == std::fs::read(&out).unwrap(), "{codec:?} {height} {mode:?} differs");
    }
}

/// The pictures of a clip as GStreamer decodes them from a file.
fn decoded(clip: &Clip, folder: &Path) -> Vec<u8> {
    let (file, out) = (folder.join("clip"), folder.join("clip.yuv"));
    let bytes = std::fs::read(clip_file(clip)).unwrap();
    std::fs::write(&file, bytes).unwrap();
    let parse = if clip.codec == Codec::H264 { "h264parse ! avdec_h264" } else { "ivfparse ! vp8dec" };
    let mut pipeline = Pipeline::start(&format!(
        "filesrc location={} ! {parse} ! videoconvert ! video/x-raw,format=I420 ! filesink location={}",
        file.display(),
        out.display()
    ));
    let clock = Clock::start();
    assert!(pipeline.ended(&clock, clock.now() + Span::from_secs(30)));
    std::fs::read(out).unwrap()
}

fn clip_file(clip: &Clip) -> std::path::PathBuf {
    let name = match (clip.codec, clip.size.1) {
        (Codec::H264, 480) => "h264-640x480-25.h264",
        (Codec::H264, _) => "h264-320x240-15.h264",
        (Codec::Vp8, _) => "vp8-320x240-15.ivf",
    };
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/experiment/agent/video/clips").join(name)
}

/// What GStreamer encodes and payloads (OpenH264, libvpx) is put together and could be shown, every frame of it.
#[test]
#[ignore = "needs GStreamer; tests/run runs it"]
fn we_show_what_gstreamer_sends() {
    let cases = [
        (
            Codec::H264,
            "openh264enc gop-size=20 bitrate=400000 ! h264parse ! rtph264pay config-interval=-1 aggregate-mode=1",
        ),
        (Codec::Vp8, "vp8enc deadline=1 keyframe-max-dist=20 target-bitrate=400000 ! rtpvp8pay picture-id-mode=2"),
    ];
    for (codec, encoder) in cases {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let clock = Clock::start();
        let mut pipeline = Pipeline::start(&format!(
            "videotestsrc num-buffers=60 pattern=snow ! video/x-raw,width=160,height=120,framerate=30/1 ! {encoder} mtu=1200 \
             pt=99 ! udpsink host=127.0.0.1 port={}",
            socket.local_addr().unwrap().port()
        ));
        let (mut receiver, mut buffer, mut packets) = (VideoReceiver::new(codec, None), [0; 2048], 0);
        let deadline = clock.now() + Span::from_secs(30);
        while receiver.shown() < 60 && clock.now() < deadline {
            if let Ok(octets) = socket.recv(&mut buffer) {
                packets += 1;
                receiver.rtp(clock.now(), &buffer[..octets]);
            }
        }
        assert_eq!(receiver.shown(), 60, "{codec:?}: {packets} packets");
        assert!(packets > 120, "noise takes several packets a frame: {packets}");
        assert!(pipeline.ended(&clock, deadline));
    }
}
