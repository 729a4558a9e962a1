use super::*;

const GOOD: &str = r#"
name = "t"
question = "does it parse?"
window = "20s"
thresholds = ["outage.media.median < 1s", "loss.before <= 0.5%"]
[cluster.reference]
nodes = ["alpha", "beta"]
address = "127.0.77.10"
takeover = ["700ms"]
[traffic.standing_calls]
count = 2
[[fault]]
power_off = { target = "vip-owner", at = "5s" }
"#;

#[test]
fn a_good_scenario_parses() {
    let scenario = Scenario::parse("t.toml", GOOD).unwrap();
    assert_eq!(scenario.faults[0].get_ref().kind(), "power_off");
    assert!((scenario.thresholds[1].get_ref().value - 0.5).abs() < 1e-12);
}

/// Each wrong text, the place where the complaint must point, and a word of the message or help.
#[test]
fn a_wrong_scenario_is_told_with_its_place() {
    let cases = [
        ("count = 2", "cuont = 2", "count"),
        ("\"20s\"", "\"20 parsecs\"", "no duration"),
        ("\"20s\"", "20", "string"),
        ("at = \"5s\"", "at = \"50s\"", "outside the window"),
        ("vip-owner", "gamma", "no node"),
        ("127.0.77.10", "10.0.0.1", "float"),
        ("outage.media.median < 1s", "outage.medium.median < 1s", "did you mean `outage.media.median`?"),
        ("outage.media.median < 1s", "messages.lost == 0", "needs [traffic.chat]"),
        ("at = \"5s\"", "at = \"500ms\"", "baseline"),
        ("outage.media.median < 1s", "outage.media.median < 1", "no duration"),
        ("power_off", "black_hole", "no link"),
        ("power_off", "engine_stop", "cannot do engine_stop"),
        ("power_off", "power_of", "did you mean `power_off`?"),
        ("[traffic.standing_calls]", "[traffic.video_calls]\nkey_interval = \"7s\"", "no clip has key frames"),
        ("[traffic.standing_calls]", "[traffic.video_calls]\npicture = \"vga\"\ncodec=\"vp8\"", "no VP8 clip"),
        ("[traffic.standing_calls]", "[traffic.video_calls]\npacketization_mode = 0\npicture=\"vga\"", "cannot cut"),
        ("[traffic.standing_calls]", "[traffic.video_calls]\nresolution = \"large\"", "write it as"),
        ("[traffic.standing_calls]", "[traffic.video_calls]\nresolution = \"641x480\"", "even numbers"),
        ("[traffic.standing_calls]", "[traffic.video_calls]\nframe_rate = 7", "use one of 5, 8"),
        // 640 × 480 × 25 pixels a second are 7,680,000: a fortieth of a bit for each is 192 kbit/s.
        ("[traffic.standing_calls]", "[traffic.video_calls]\nbitrate_kbps = 100\npicture = \"vga\"", "use 192 to 7680"),
        (
            "[traffic.standing_calls]",
            "[traffic.video_calls]\nbitrate_kbps = 100\ncodec=\"vp8\"",
            "VP8 cannot be encoded",
        ),
        ("[traffic.standing_calls]", "[traffic.video_calls]\npacketization_mode = 0\nbitrate_kbps = 100", "cannot cut"),
        (
            "[traffic.standing_calls]",
            "[traffic.video_calls]\nkey_interval = \"2m\"\nbitrate_kbps = 100",
            "use one frame",
        ),
    ];
    for (right, wrong, word) in cases {
        let text = GOOD.replacen(right, wrong, 1);
        let error = Scenario::parse("t.toml", &text).unwrap_err();
        let (line, _) = error.place().expect("a place");
        let report = format!("{:?}", miette::Report::new_boxed(error));
        let wanted = text[..text.find(wrong).unwrap()].matches('\n').count() + 1;
        assert!(line.abs_diff(wanted) <= 1, "{wrong}: line {line}, not {wanted}");
        assert!(report.contains(word), "{wrong}: {report}");
    }
}

/// What is not named comes from the picture.
#[test]
fn any_key_of_an_encoding_makes_one() {
    let encoding = |keys: &str| {
        let text = GOOD.replace("[traffic.standing_calls]", &format!("[traffic.video_calls]\n{keys}"));
        Scenario::parse("t.toml", &text).unwrap().traffic.video_calls.unwrap().encoding()
    };
    let of = |width, height, frame_rate, bitrate_kbps| {
        Some(Encoding { resolution: Resolution { width, height }, frame_rate, bitrate_kbps })
    };
    assert_eq!(encoding("picture = \"vga\""), None);
    assert_eq!(encoding("picture = \"vga\"\nframe_rate = 15"), of(640, 480, 15, 300));
    assert_eq!(encoding("bitrate_kbps = 200\nkey_interval = \"10s\""), of(320, 240, 15, 200));
    let all = "resolution = \"1280x720\"\nframe_rate = 30\nbitrate_kbps = 1500";
    assert_eq!(encoding(all), of(1280, 720, 30, 1500));
}

const LAB: &str = r#"
name = "t"
question = "does it parse?"
window = "30s"
[cluster.lab]
profile = "kamailio-rtpengine-redis-prosody-keepalived"
nodes = ["alpha", "beta"]
advert_interval = "100ms"
sip = "kamailio"
redis = true
garp_refresh = "2s"
[[fault]]
degraded_path = { target = "backup", loss_percent = 2.5, at = "5s" }
[[fault]]
link_flap = { target = "alpha", at = "10s", down = "500ms", up = "1s", times = 3 }
"#;

#[test]
fn a_flap_is_read_as_single_faults() {
    let scenario = Scenario::parse("t.toml", LAB).unwrap();
    let times: Vec<_> =
        scenario.faults.iter().map(|fault| (fault.get_ref().kind(), fault.get_ref().times().0)).collect();
    let down = |ms| ("link_down", Span::from_millis(ms));
    assert_eq!(times, [("degraded_path", Span::from_secs(5)), down(10_000), down(11_500), down(13_000)]);
}

#[test]
fn a_lab_without_a_profile_is_the_first_one_and_old_keys_are_held_against_it() {
    let without = LAB.replace("profile = \"kamailio-rtpengine-redis-prosody-keepalived\"\n", "");
    let Cluster::Lab(lab) = Scenario::parse("t.toml", &without).unwrap().cluster else { panic!("no lab") };
    assert!(lab.has("rtpengine") && lab.shares_calls());
    let other = LAB.replace("kamailio-rtpengine-redis-prosody-keepalived", "asterisk-prosody-keepalived");
    let told = |text: &str| format!("{:?}", miette::Report::new_boxed(Scenario::parse("t.toml", text).unwrap_err()));
    assert!(told(&other).contains("has no kamailio"));
    assert!(told(&other.replace("sip = \"kamailio\"\n", "")).contains("has no redis"));
}

#[test]
fn a_wrong_lab_is_told_with_a_remedy() {
    let cases = [
        (
            "kamailio-rtpengine-redis-prosody-keepalived",
            "asterisk-prosody-keepalive",
            "did you mean `asterisk-prosody-keepalived`?",
        ),
        ("profile =", "profil =", "did you mean `profile`?"),
        ("sip = \"kamailio\"", "sip = \"kamalio\"", "did you mean `kamailio`?"),
        ("garp_refresh = \"2s\"", "garp_refresh = \"2500ms\"", "whole seconds"),
        ("percent = 2.5", "percent = 0.0", "no share of the packets"),
        ("times = 3", "times = 0", "no flap"),
        ("\"backup\"", "\"back-up\"", "vip-owner, backup"),
    ];
    for (right, wrong, word) in cases {
        let error = Scenario::parse("t.toml", &LAB.replacen(right, wrong, 1)).unwrap_err();
        let report = format!("{:?}", miette::Report::new_boxed(error));
        // The terminal wraps long lines.
        let flat = report.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(word), "{wrong}: {report}");
    }
}

/// By hand: one call in 5 s falls half a time before a fault at 2.5 s; three are asked for.
#[test]
fn traffic_that_is_too_thin_to_judge_is_refused_before_the_run() {
    let thin = |rate: &str| {
        GOOD.replace("[[fault]]", &format!("[traffic.new_calls]\nrate_per_s = {rate}\nhold = \"1s\"\n[[fault]]"))
    };
    let message = |rate: &str| Scenario::parse("t.toml", &thin(rate)).map_err(|error| error.to_string());
    assert!(message("0.2").unwrap_err().contains("only 1.0 new calls fall before the first fault"));
    assert!(message("0.6").is_ok());
}

#[test]
fn a_design_has_defaults_and_its_own_values() {
    let design = |text: &str| {
        Scenario::parse("t.toml", &GOOD.replace("[cluster", &format!("{text}\n[cluster"))).map(|s| s.design)
    };
    assert_eq!(*design("").unwrap().repeats.get_ref(), 2);
    let given = design("[design]\nwarm_up = \"2s\"\ncool_down = \"0s\"\nrepeats = 0").unwrap();
    assert_eq!((given.warm_up.0, given.cool_down.0, *given.repeats.get_ref()), (Span::from_secs(2), Span::ZERO, 0));
    assert!(design("[design]\nwarmup = \"2s\"").is_err());
    assert!(design("[design]\nrepeats = 101").is_err());
}

#[test]
fn a_wrong_threshold_is_told_at_its_own_place() {
    let text = GOOD.replace("thresholds = [", "thresholds = [\n  \"messages.lots == 0\",\n  ");
    let error = Scenario::parse("t.toml", &text).unwrap_err();
    assert_eq!(error.place(), Some((6, 3)));
    assert!(error.to_string().contains("did you mean `messages.lost`?"), "{error}");
}

const PHONES: &str = r#"
name = "t"
question = "which phones find the survivor?"
window = "30s"
[cluster.reference]
nodes = ["alpha", "beta"]
address = "127.0.78.10"
srv = [{ node = "alpha", priority = 10 }, { node = "beta", priority = 20 }]
[traffic.idle_phones]
phone = [{ profile = "pjsua", weight = 2 }, "mine"]
phones = 3
[phone.mine]
family = "f"
about = "a"
[phone.mine.keepalive]
ping = "options"
interval = "5s"
source = "our choice"
[[fault]]
power_off = { target = "alpha", at = "10s" }
"#;

#[test]
fn wrong_phones_and_records_are_told_with_a_remedy() {
    assert!(Scenario::parse("t.toml", PHONES).is_ok());
    let cases = [
        ("\"pjsua\"", "\"pjusa\"", "did you mean `pjsua`?"),
        ("weight = 2 }, \"mine\"", "weight = 0 }", "a mix of no phones"),
        ("phone = [{ profile = \"pjsua\", weight = 2 }, \"mine\"]", "phone = 3", "write a profile's name"),
        ("phones = 3", "phones = 0", "use 1 to 200"),
        ("phones = 3", "phones = 3\nexpires = \"20ms\"", "the lifetime is too short"),
        ("interval = \"5s\"\n", "", "a keepalive needs its interval"),
        ("source = \"our choice\"\n", "", "missing field `source`"),
        ("ping = \"options\"", "ping = \"option\"", "did you mean `options`?"),
        ("{ node = \"beta\", priority = 20 }", "{ node = \"gamma\" }", "there is no node `gamma`"),
        ("target = \"alpha\"", "target = \"vip-owner\"", "there is no owner"),
        ("srv = [", "takeover = [\"1s\"]\nsrv = [", "nothing is taken over"),
        ("[[fault]]", "[traffic.options]\ninterval = \"10ms\"\n[[fault]]", "know one address"),
    ];
    for (right, wrong, word) in cases {
        let Err(error) = Scenario::parse("t.toml", &PHONES.replacen(right, wrong, 1)) else {
            panic!("{wrong} was taken");
        };
        let report = format!("{:?}", miette::Report::new_boxed(error));
        let flat = report.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(word), "{wrong}: {report}");
    }
}
