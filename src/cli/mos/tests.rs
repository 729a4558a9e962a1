//! Every mode, as typed.

use clap::Parser;

use super::voice::answer;
use super::*;
use crate::analysis::quality::Bandwidth;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: MosArgs,
}

fn given(line: &str) -> MosArgs {
    Line::try_parse_from(std::iter::once("mos").chain(line.split_whitespace())).unwrap().args
}

/// Published lecture example: G.729A+VAD, 2 %, 150 ms give R 70.5 and MOS 3.62.
#[test]
fn the_published_example_in_text() {
    let out = run(&given("--codec g729a --loss 2 --delay 150")).unwrap();
    for part in ["70.54", "3.62   some users dissatisfied", "Ie,eff      19.000", "published, ITU-T G.113", "within"] {
        assert!(out.contains(part), "no {part:?} in:\n{out}");
    }
}

#[test]
fn json_holds_the_same() {
    let out = run(&given("--codec g729a --loss 2 --delay 150 --json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["schema"], "fivenines.mos.v1");
    assert!((json["mos"].as_f64().unwrap() - 3.6222).abs() < 5e-5);
    assert_eq!(json["satisfaction"], "some_dissatisfied");
    assert_eq!(json["equipment"]["provenance"], "published");
    assert_eq!(json["validity"]["outside_validity"], false);
    assert!(json["components"]["ie_eff"].is_number());
}

#[test]
fn bursty_loss_is_flagged() {
    let out = run(&given("--codec PCMU --loss 3 --burst-r 80")).unwrap();
    assert!(out.contains("OUTSIDE") && out.contains("long outage") && out.contains("for another packet size"), "{out}");
}

#[test]
fn the_other_scales() {
    let wide = answer(&given("--codec AMR-WB-12.65 --bandwidth wb --loss 1").voice).unwrap();
    assert_eq!((wide.bandwidth, wide.mos_label, wide.satisfaction), (Bandwidth::Wideband, "MOS-CQEW", None));
    let full = answer(&given("--codec EVS-24.4 --bandwidth fb --loss 1").voice).unwrap();
    assert!((full.r - 130.735).abs() < 5e-4);
    assert!(answer(&given("--codec EVS-24.4 --bandwidth fb --burst-r 2").voice).is_err());
}

#[test]
fn what_cannot_be_rated_is_an_error() {
    let message = |line: &str| run(&given(line)).unwrap_err().to_string();
    assert!(message("--codec opus").contains("no ITU Ie or Bpl"));
    assert!(message("--codec PCMU --loss 120").contains("Ppl (--loss) is 120"));
    assert!(message("--codec PCMU --delay NaN").contains("T (--delay) is NaN"));
    assert!(run(&given("--ie 0 --bpl 25.1 --loss 1")).unwrap().contains("given by the caller, no table"));
    assert!(Line::try_parse_from(["mos", "--ie", "3"]).is_err());
}

#[test]
fn a_proxy_is_named_in_text_and_json() {
    let out = run(&given("--codec opus --proxy g711 --loss 1")).unwrap();
    assert!(out.contains("proxy: G.711 with Appendix I concealment (no ITU value for Opus)"), "{out}");
    assert!(out.contains("Bpl 25.1 at 10 ms: proxy,"), "{out}");
    let wide = answer(&given("--codec opus --proxy amr-wb-12.65 --bandwidth wb --loss 1").voice).unwrap();
    assert_eq!(serde_json::to_value(&wide).unwrap()["equipment"]["provenance"], "proxy");
    let lacks_bpl = answer(&given("--codec g722 --proxy amr-wb-23.85 --bandwidth wb --loss 1").voice).unwrap();
    assert!(lacks_bpl.equipment.condition.contains("no ITU Bpl for g722"), "{lacks_bpl:?}");
    assert!(answer(&given("--codec opus --proxy evs-24.4 --bandwidth fb").voice).is_ok());
}

#[test]
fn a_proxy_is_for_what_has_no_values() {
    let message = |line: &str| run(&given(line)).unwrap_err().to_string();
    assert!(message("--codec opus --loss 1").contains("--proxy g711"));
    assert!(message("--codec g722 --bandwidth wb --loss 1").contains("--proxy amr-wb-23.85"));
    assert!(message("--codec pcmu --proxy g729a").contains("has its own"));
    assert!(message("--codec vp8 --proxy g711").contains("video"));
    assert!(message("--codec opsu --proxy g711").contains("not in the tables"));
    assert!(message("--codec opus --proxy g711 --bandwidth wb").contains("no wideband ones"));
    assert!(!message("--codec opsu").contains("--proxy"));
}

#[test]
fn trust_in_the_values_is_said() {
    let source = |line: &str| answer(&given(line).voice).unwrap().equipment.provenance.to_string();
    assert_eq!(source("--codec evs-24.4 --bandwidth fb --loss 1"), "published (one source read)");
    assert_eq!(source("--codec amr-wb-12.65 --bandwidth wb"), "published (one source read)");
    assert_eq!(source("--codec g722-56 --bandwidth wb"), "provisional");
    let far = run(&given("--ie 50 --bpl 25 --delay 600")).unwrap();
    assert!(far.contains("Ie 50 is outside 0 to 40 (provisional range)") && far.contains("T 600 ms"), "{far}");
}

/// Vectors of G.1070 sets 6 and 1 and of MMq; Sq of G.711 with concealment at 150 ms is 4.3482.
#[test]
fn video_calls() {
    let out = run(&given("--video h264bp-vga-6 --kbps 1000 --fps 30")).unwrap();
    assert!(out.contains("3.87   ITU-T G.1070 (06/2018), set 6: published\n") && out.contains("no MMq"), "{out}");
    assert!(run(&given("--video 1 --kbps 512 --fps 15")).unwrap().contains("trained is not known"));
    let line = "--video 1 --kbps 512 --fps 15 --video-loss 1 --codec pcmu --delay 150 --json";
    let call: serde_json::Value = serde_json::from_str(&run(&given(line)).unwrap()).unwrap();
    assert!((call["video"]["vq"].as_f64().unwrap() - 3.2527).abs() < 5e-5);
    assert!((call["speech"]["sq"].as_f64().unwrap() - 4.3482).abs() < 5e-5);
    assert_eq!(call["multimedia"]["provenance"], "published_one_source");
    assert!(run(&given("--video 9 --kbps 256 --fps 60")).unwrap().contains("OUTSIDE the validated range: Br 256"));
    let proxy = run(&given("--video vp8 --video-proxy 6 --kbps 512 --fps 15")).unwrap();
    assert!(
        proxy.contains("proxy: h264bp-vga-6 (no ITU coefficients for vp8)") && proxy.contains(": proxy\n"),
        "{proxy}"
    );
}

#[test]
fn video_that_cannot_be_rated_is_an_error() {
    let message = |line: &str| run(&given(&format!("{line} --fps 30"))).unwrap_err().to_string();
    assert!(message("--video vp8 --kbps 512").contains("--video-proxy"));
    assert!(message("--video h264 --kbps 512").contains("h264hp-1080p-65"));
    assert!(message("--video 300 --kbps 512").contains("set 300: the Recommendation has sets 1 to 21"));
    assert!(message("--video 6 --kbps NaN").contains("Br (--kbps) is NaN"));
    assert!(message("--video 6 --kbps 512 --video-loss -1").contains("PplV (--video-loss) is -1"));
    assert!(message("--video 6 --kbps 512 --codec opus --loss 1").contains("--proxy g711"));
    assert!(message("--video 6 --kbps 512 --codec evs-48 --bandwidth fb").contains("nb or wb"));
    assert!(message("--video 6 --kbps 512 --loss 2").contains("--video-loss"));
    assert!(message("--video 6 --kbps 512 --codec pcmu --video-delay 5").contains("2.1 and 4.2 inches"));
    assert!(message("--video h264 --video-proxy 6 --kbps 512").contains("has its own"));
}

/// G.1030 single event with a context of 6 s: 0.5 s is 3.635.
#[test]
fn chat_is_labelled_with_its_context() {
    let out = run(&given("--chat-latency 0.5 --context 6")).unwrap();
    for part in ["expect at most 6 s", "3.63", "G.1030", "provisional", "no ITU model", "excellent"] {
        assert!(out.contains(part), "no {part:?} in:\n{out}");
    }
    assert!(run(&given("--chat-latency 1 --context 60")).unwrap().contains("OUTSIDE"));
    let message = run(&given("--chat-latency -1 --context 6")).unwrap_err().to_string();
    assert!(message.contains("response time (--chat-latency) is -1"), "{message}");
}

#[test]
fn the_list_names_every_row_and_every_refusal() {
    let out = run(&given("--list")).unwrap();
    for part in ["g729a", "evs-24.4", "amr-wb-12.65", "provisional: unconfirmed", "Opus", "h264hp-1080p-65", "VP8"] {
        assert!(out.contains(part), "no {part:?} in:\n{out}");
    }
    let json: serde_json::Value = serde_json::from_str(&run(&given("--list --json")).unwrap()).unwrap();
    assert_eq!(json["video"].as_array().unwrap().len(), 21);
    assert_eq!(json["video"][5]["name"], "h264bp-vga-6");
}

#[test]
fn no_line_is_wider_than_a_terminal() {
    for line in [
        "--list",
        "--codec PCMU --loss 3 --burst-r 80 --delay 900",
        "--codec g722-56",
        "--chat-latency 1 --context 60",
        "--video 6 --kbps 512 --fps 15 --codec pcmu",
    ] {
        let out = run(&given(line)).unwrap();
        for text in out.lines() {
            assert!(text.chars().count() <= 80, "{line}: {text}");
        }
    }
}

#[test]
fn the_scale_is_that_of_the_values() {
    let label = |line: &str| answer(&given(line).voice).unwrap().mos_label;
    assert_eq!(label("--codec G722"), "MOS-CQEW");
    assert_eq!(label("--codec evs-24.4 --loss 1"), "MOS-CQEF");
    assert_eq!(label("--codec opus --proxy evs-24.4"), "MOS-CQEF");
    assert_eq!(label("--codec opus --proxy g711"), "MOS-CQEN");
    let message = |line: &str| run(&given(line)).unwrap_err().to_string();
    assert!(message("--codec g722 --bandwidth nb").contains("not comparable"));
    assert!(message("--codec mp3").contains("fivenines mos --list"));
    assert!(message("--codec mp3 --bandwidth fb").contains("known are evs-48"));
    assert!(message("--codec opus --proxy evs-24.4 --bandwidth nb").contains("no narrowband ones"));
}

#[test]
fn units_may_be_written() {
    let voice = |line: &str| given(line).voice;
    assert_eq!(voice("--codec pcmu --loss 2% --delay 150ms").delay, 150.0);
    assert_eq!(voice("--codec pcmu --loss 2% --delay 0.15s").loss, 2.0);
    for line in ["--loss two", "--delay 1m", "--delay s", "--loss %"] {
        let typed = std::iter::once("mos").chain(["--codec", "pcmu"]).chain(line.split_whitespace());
        assert!(Line::try_parse_from(typed).unwrap_err().to_string().contains("write it as"), "{line}");
    }
    let far = run(&given("--codec pcmu --delay 30s")).unwrap_err().to_string();
    assert!(far.contains("T (--delay) is 30000"), "{far}");
    assert!(run(&given("--codec pcmu --delay 12s")).unwrap().contains("OUTSIDE"));
}

#[test]
fn modes_do_not_mix() {
    for line in [
        "",
        "--list --codec g711",
        "--list --loss 2",
        "--chat-latency 1",
        "--chat-latency 1 --context 6 --loss 2",
        "--context 6 --codec g711",
        "--video 6 --fps 30",
        "--video 6 --fps 30 --kbps 512 --burst-r 2 --codec g711",
        "--codec g711 --kbps 512",
        "--codec g711 --ie 0 --bpl 4.3",
        "--ie 0 --bpl 4.3 --proxy g711",
    ] {
        let typed = std::iter::once("mos").chain(line.split_whitespace());
        assert!(Line::try_parse_from(typed).is_err(), "{line}");
    }
}
