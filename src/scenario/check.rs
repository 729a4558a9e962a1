//! What a scenario must satisfy beyond its grammar.

use std::net::Ipv4Addr;
use std::ops::Range;

use serde_spanned::Spanned;

use super::error::Complaint;
use super::external;
use super::phone::{self, PhoneChoice};
use super::{
    Cluster, Duration, Encoding, Fault, LAB_PROFILES, LabCluster, NodeFault, ReferenceCluster, Resolution, Scenario,
    VideoCalls, VideoCodec,
};
use super::{design, engine, node};
use crate::units::Span;

/// Frame rates whose interval is a whole number of ticks of the 90 kHz clock (RFC 6184 §5.1).
const FRAME_RATES: [u32; 11] = [5, 8, 10, 12, 15, 20, 24, 25, 30, 50, 60];
/// A whole group is encoded before the run and held in memory: this bounds both.
const LONGEST_GROUP: Span = Span::from_secs(60);

pub(super) type Checked = Result<(), Complaint>;

/// Runs every check; the first complaint wins.
pub(super) fn check(scenario: &Scenario) -> Checked {
    check_name(scenario)?;
    check_counts(scenario)?;
    check_traffic(scenario)?;
    check_phones(scenario)?;
    let nodes = match &scenario.cluster {
        Cluster::Reference(cluster) => check_reference(cluster)?.to_vec(),
        Cluster::Lab(cluster) => check_lab(cluster)?.to_vec(),
        Cluster::External(cluster) => {
            check_nodes(&cluster.names(), 2)?;
            external::check(cluster, scenario)?;
            cluster.names()
        }
    };
    check_srv(scenario)?;
    scenario.faults.iter().try_for_each(|fault| check_fault(scenario, &nodes, fault))?;
    design::check(scenario)?;
    design::check_thresholds(scenario)
}

pub(super) fn complain(span: Range<usize>, message: String, label: &str, help: &str) -> Checked {
    Err(Complaint { span, message, label: label.to_owned(), help: help.to_owned() })
}

fn check_name(scenario: &Scenario) -> Checked {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if scenario.name.is_empty() || !scenario.name.chars().all(plain) {
        let message = format!("the name `{}` cannot name a directory", scenario.name);
        return complain(0..0, message, "", "use letters, digits, - and _");
    }
    Ok(())
}

fn check_counts(scenario: &Scenario) -> Checked {
    if *scenario.trials.get_ref() == 0 {
        return complain(
            scenario.trials.span(),
            "no trial at all".into(),
            "must be at least 1",
            "one trial is the least",
        );
    }
    if scenario.window.get_ref().0 < Span::from_secs(2) {
        let message = format!("a window of {} is too short to see a failover", scenario.window.get_ref().0);
        return complain(scenario.window.span(), message, "at least 2 s", "give the slowest service time to come back");
    }
    Ok(())
}

fn check_traffic(scenario: &Scenario) -> Checked {
    let traffic = &scenario.traffic;
    if let Some(calls) = &traffic.standing_calls {
        check_ptime(&calls.ptime)?;
        check_share(&calls.tcp_share)?;
    }
    if let Some(calls) = &traffic.video_calls {
        check_video(calls)?;
    }
    if let Some(registrations) = &traffic.registrations {
        check_positive(&registrations.interval)?;
        check_share(&registrations.tcp_share)?;
    }
    if let Some(calls) = &traffic.new_calls {
        let rate = calls.get_ref().rate_per_s;
        if !(rate > 0.0 && rate <= 1000.0) {
            return complain(
                calls.span(),
                format!("{rate} calls a second cannot be placed"),
                "rate_per_s",
                "use more than 0 and at most 1000",
            );
        }
        calls.get_ref().register_interval.as_ref().map_or(Ok(()), check_positive)?;
    }
    if let Some(options) = &traffic.options {
        check_positive(&options.interval)?;
    }
    if let Some(chat) = &traffic.chat {
        let rate = *chat.messages_per_s.get_ref();
        if !(rate > 0.0 && rate <= 10_000.0) {
            return complain(
                chat.messages_per_s.span(),
                format!("{rate} messages a second cannot be sent"),
                "messages_per_s",
                "use more than 0 and at most 10000",
            );
        }
    }
    Ok(())
}

/// Phone profiles: the scenario's own, and those that the traffic names.
fn check_phones(scenario: &Scenario) -> Checked {
    for profile in scenario.phones.values() {
        if let Some((message, help)) = profile.get_ref().complaint() {
            return complain(profile.span(), message, "this profile", help);
        }
    }
    let traffic = &scenario.traffic;
    if let Some(idle) = &traffic.idle_phones {
        let of = idle.get_ref();
        if of.phones == 0 || of.phones > 200 {
            let message = format!("{} idle phones for each question", of.phones);
            return complain(idle.span(), message, "phones", "use 1 to 200");
        }
        check_positive(&of.interval)?;
        of.expires.as_ref().map_or(Ok(()), |expires| {
            let short = expires.get_ref().0 < Span::from_secs(1);
            let help = "registrations count in seconds: use 1s or more";
            if short { complain(expires.span(), "the lifetime is too short".into(), "expires", help) } else { Ok(()) }
        })?;
    }
    let of_idle = traffic.idle_phones.iter().map(|idle| &idle.get_ref().phone);
    let of_calls = traffic.new_calls.iter().filter_map(|calls| calls.get_ref().phone.as_ref());
    of_idle.chain(of_calls).try_for_each(|choice| check_choice(scenario, choice))
}

fn check_choice(scenario: &Scenario, choice: &Spanned<PhoneChoice>) -> Checked {
    let shares = choice.get_ref().shares();
    if shares.iter().all(|(_, weight)| *weight == 0) {
        return complain(
            choice.span(),
            "a mix of no phones".into(),
            "no weight",
            "give a profile a weight of 1 or more",
        );
    }
    for (name, _) in shares {
        if phone::find(&scenario.phones, name).is_none() {
            let own = scenario.phones.keys().map(String::as_str);
            let names: Vec<&str> = own.chain(phone::profile_names()).collect();
            let near = |of: &&&str| strsim::jaro_winkler(name, of);
            let best = names.iter().max_by(|a, b| near(a).total_cmp(&near(b))).copied().unwrap_or_default();
            let help = format!("did you mean `{best}`? There are: {}, or write [phone.{name}]", names.join(", "));
            return complain(choice.span(), format!("there is no phone profile `{name}`"), "here", &help);
        }
    }
    Ok(())
}

/// What cannot be had without a floating address.
fn check_srv(scenario: &Scenario) -> Checked {
    let Cluster::Reference(cluster) = &scenario.cluster else { return Ok(()) };
    let Some(first) = cluster.srv.first() else { return Ok(()) };
    for record in &cluster.srv {
        if !cluster.nodes.contains(&record.get_ref().node) {
            let message = format!("there is no node `{}`", record.get_ref().node);
            return complain(record.span(), message, "node", &format!("use one of {}", cluster.nodes.join(", ")));
        }
    }
    let said = |message: &str, help: &str| complain(first.span(), message.to_owned(), "srv", help);
    if !cluster.takeover.is_empty() {
        return said("with SRV records nothing is taken over", "leave takeover out, or srv");
    }
    if scenario.traffic.chat.is_some() || scenario.traffic.options.is_some() {
        return said(
            "chatters and the OPTIONS train know one address",
            "leave [traffic.chat] and [traffic.options] out",
        );
    }
    let roles = [NodeFault::OWNER, NodeFault::BACKUP];
    match scenario.faults.iter().find(|fault| roles.contains(&fault.get_ref().target())) {
        Some(fault) => {
            let help = format!("name a node: {}", cluster.nodes.join(", "));
            complain(fault.span(), "without a floating address there is no owner".into(), "this fault", &help)
        }
        None => Ok(()),
    }
}

fn check_video(calls: &VideoCalls) -> Checked {
    check_ptime(&calls.ptime)?;
    check_share(&calls.tcp_share)?;
    if let Some(encoding) = calls.encoding() {
        return check_encoding(calls, &encoding);
    }
    let Some(length) = calls.picture.get_ref().length(calls.codec) else {
        let message = format!("there is no {} clip of this picture", calls.codec.sdp_name());
        return complain(calls.picture.span(), message, "picture", "use qvga, or codec = \"h264\"");
    };
    let interval = calls.key_interval.get_ref().0;
    if *calls.packetization_mode.get_ref() > 1 {
        let message = format!("packetization mode {} is not supported", calls.packetization_mode.get_ref());
        return complain(calls.packetization_mode.span(), message, "packetization_mode", "use 0 or 1");
    }
    if *calls.packetization_mode.get_ref() == 0 && !calls.picture.get_ref().fits_single_units(calls.codec) {
        let message = "packetization mode 0 cannot cut the slices of this picture".to_owned();
        return complain(
            calls.packetization_mode.span(),
            message,
            "packetization_mode",
            "use 1, or picture = \"qvga\"",
        );
    }
    let frame = Span(1_000_000_000 / i64::from(calls.picture.get_ref().frame_rate()));
    if interval < frame || interval > length {
        let message = format!("no clip has key frames {interval} apart");
        let help = format!("use one frame ({frame}) to {length}, or have pictures encoded: bitrate_kbps = 300");
        return complain(calls.key_interval.span(), message, "key_interval", &help);
    }
    Ok(())
}

/// The first of the keys that ask for an encoding.
fn asked_at(calls: &VideoCalls) -> Range<usize> {
    let resolution = calls.resolution.as_ref().map(Spanned::span);
    let rates = [&calls.frame_rate, &calls.bitrate_kbps].into_iter().flatten().map(Spanned::span);
    resolution.into_iter().chain(rates).next().unwrap_or_default()
}

/// What the encoder can do, and what a phone would.
fn check_encoding(calls: &VideoCalls, encoding: &Encoding) -> Checked {
    if calls.codec != VideoCodec::H264 {
        let help = "use codec = \"h264\", or leave resolution, frame_rate and bitrate_kbps out";
        return complain(asked_at(calls), "VP8 cannot be encoded for a run".into(), "video_calls", help);
    }
    if *calls.packetization_mode.get_ref() != 1 {
        let message = "pictures encoded for a run have one slice a frame: packetization mode 0 cannot cut it".into();
        let help = "use 1, or the clip of picture = \"qvga\" alone";
        return complain(calls.packetization_mode.span(), message, "packetization_mode", help);
    }
    let Resolution { width, height } = encoding.resolution;
    let span = |key: Option<Range<usize>>| key.unwrap_or_else(|| asked_at(calls));
    if !(128..=1920).contains(&width) || !(90..=1088).contains(&height) || width % 2 + height % 2 > 0 {
        let message = format!("no picture of {width}x{height} is encoded");
        let help = "use even numbers from 128x90 to 1920x1088";
        return complain(span(calls.resolution.as_ref().map(Spanned::span)), message, "resolution", help);
    }
    if !FRAME_RATES.contains(&encoding.frame_rate) {
        let message = format!("{} frames a second are no whole steps of the 90 kHz clock", encoding.frame_rate);
        let help = format!("use one of {}", FRAME_RATES.map(|rate| rate.to_string()).join(", "));
        return complain(span(calls.frame_rate.as_ref().map(Spanned::span)), message, "frame_rate", &help);
    }
    check_bitrate(calls, encoding)?;
    let interval = calls.key_interval.get_ref().0;
    let frame = Span(1_000_000_000 / i64::from(encoding.frame_rate));
    if interval < frame || interval > LONGEST_GROUP {
        let message = format!("key frames cannot be {interval} apart");
        let help = format!("use one frame ({frame}) to {LONGEST_GROUP}");
        return complain(calls.key_interval.span(), message, "key_interval", &help);
    }
    Ok(())
}

/// Below about a fiftieth of a bit for a pixel the encoder came no lower with this picture (561 kbit/s for 1280x720 at
/// 30/s); above one bit it is not video.
fn check_bitrate(calls: &VideoCalls, encoding: &Encoding) -> Checked {
    let Encoding { resolution, frame_rate, bitrate_kbps } = *encoding;
    let pixels = resolution.width * resolution.height * frame_rate;
    let (least, most) = (pixels.div_ceil(40_000), pixels / 1_000);
    if (least..=most).contains(&bitrate_kbps) {
        return Ok(());
    }
    let message =
        format!("{}x{} at {frame_rate}/s is not encoded at {bitrate_kbps} kbit/s", resolution.width, resolution.height);
    let span = calls.bitrate_kbps.as_ref().map_or_else(|| asked_at(calls), Spanned::span);
    complain(span, message, "bitrate_kbps", &format!("use {least} to {most}"))
}

fn check_positive(interval: &Spanned<Duration>) -> Checked {
    if interval.get_ref().0 < Span::from_millis(1) {
        return complain(interval.span(), "the interval is too short".into(), "at least 1ms", "use 1ms or more");
    }
    Ok(())
}

fn check_share(share: &Spanned<f64>) -> Checked {
    if !(0.0..=1.0).contains(share.get_ref()) {
        let message = format!("{} is no share", share.get_ref());
        return complain(share.span(), message, "between 0 and 1", "0.25 means every fourth");
    }
    Ok(())
}

fn check_ptime(ptime: &Spanned<Duration>) -> Checked {
    if ![10, 20, 30, 40, 60].map(Span::from_millis).contains(&ptime.get_ref().0) {
        let message = format!("G.711 is not sent in packets of {}", ptime.get_ref().0);
        return complain(ptime.span(), message, "ptime", "use 10ms, 20ms, 30ms, 40ms or 60ms");
    }
    Ok(())
}

fn check_nodes(nodes: &[String], least: usize) -> Checked {
    let mut seen = std::collections::BTreeSet::new();
    let good = |name: &String| {
        !name.is_empty() && name.len() <= 12 && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    if nodes.len() < least || nodes.len() > 8 || !nodes.iter().all(|name| good(name) && seen.insert(name)) {
        return complain(
            0..0,
            format!("the nodes {nodes:?} make no cluster"),
            "",
            "name two to eight different nodes (a lab may have one) in lower-case letters and digits, 12 at most",
        );
    }
    Ok(())
}

fn check_reference(cluster: &ReferenceCluster) -> Result<&[String], Complaint> {
    check_nodes(&cluster.nodes, 2)?;
    let address: &Ipv4Addr = cluster.address.get_ref();
    if !address.is_loopback() || address.octets()[3] > 200 {
        let message = format!("{address} cannot float on loopback");
        complain(cluster.address.span(), message, "in 127.0.0.0/8, last octet at most 200", "use 127.0.77.10")?;
    }
    if cluster.takeover.is_empty() && cluster.srv.is_empty() {
        let help = "write takeover = [\"700ms\"], or srv records";
        complain(0..0, "no takeover delay is configured".into(), "", help)?;
    }
    Ok(&cluster.nodes)
}

fn check_lab(cluster: &LabCluster) -> Result<&[String], Complaint> {
    check_nodes(&cluster.nodes, 1)?;
    check_profile(cluster)?;
    node::check(cluster)?;
    engine::check(cluster)?;
    Ok(&cluster.nodes)
}

fn check_profile(cluster: &LabCluster) -> Checked {
    let profile = cluster.profile.get_ref().as_str();
    if !LAB_PROFILES.contains(&profile) {
        let near = |name: &&str| strsim::jaro_winkler(profile, name);
        let best = LAB_PROFILES.into_iter().max_by(|a, b| near(a).total_cmp(&near(b))).unwrap_or_default();
        let help = format!("did you mean `{best}`? There are: {}", LAB_PROFILES.join(", "));
        return complain(cluster.profile.span(), format!("the lab has no profile `{profile}`"), "here", &help);
    }
    let sip = cluster.sip.as_ref().map(|sip| (sip.get_ref().word(), sip.span()));
    let xmpp = cluster.xmpp.as_ref().map(|xmpp| (xmpp.get_ref().word(), xmpp.span()));
    let redis = cluster.redis.as_ref().filter(|redis| *redis.get_ref()).map(|redis| ("redis", redis.span()));
    let shared = cluster.share_registrations.as_ref().map(|shared| ("kamailio", shared.span()));
    for (server, span) in [sip, xmpp, redis, shared].into_iter().flatten() {
        if !cluster.has(server) {
            let message = format!("the profile `{profile}` has no {server}");
            let others = LAB_PROFILES.into_iter().filter(|name| name.split('-').any(|word| word == server));
            let help = format!("leave the key out, or use {}", others.collect::<Vec<_>>().join(" or "));
            return complain(span, message, "not in the profile", &help);
        }
    }
    Ok(())
}

fn check_fault(scenario: &Scenario, nodes: &[String], fault: &Spanned<Fault>) -> Checked {
    let (at, heal_at) = fault.get_ref().times();
    let target = fault.get_ref().target();
    let window = scenario.window.get_ref().0;
    let roles = [NodeFault::OWNER, NodeFault::BACKUP, NodeFault::STORE];
    if !roles.contains(&target) && !nodes.iter().any(|node| node == target) {
        let help = format!("use vip-owner, backup or one of {}", nodes.join(", "));
        return complain(fault.span(), format!("there is no node `{target}`"), "this fault", &help);
    }
    check_strength(scenario, fault)?;
    node::check_fault(scenario, fault)?;
    let latest = at + scenario.phase_jitter.0;
    if latest >= window {
        let message = format!("the fault at {latest} lies outside the window of {window}");
        return complain(fault.span(), message, "this fault", "lengthen the window or inject earlier");
    }
    if heal_at.is_some_and(|heal_at| heal_at <= latest || heal_at >= window) {
        return complain(
            fault.span(),
            "the fault is not healed between its injection and the end of the window".into(),
            "heal_at",
            "choose a later heal_at inside the window, or leave it out: it is then healed at the end",
        );
    }
    let by_reference = matches!(
        fault.get_ref(),
        Fault::PowerOff(_) | Fault::ServiceKill(_) | Fault::ServiceHang(_) | Fault::DegradedPath(_)
    );
    if matches!(scenario.cluster, Cluster::Reference(_)) && !by_reference {
        let kind = fault.get_ref().kind();
        let message = format!("the reference cluster cannot do {kind}: its nodes have no link and no engine");
        return complain(
            fault.span(),
            message,
            "this fault",
            "use power_off, service_kill, service_hang or degraded_path, or a lab",
        );
    }
    Ok(())
}

/// How much of it: shares, rates and times that cannot be meant.
fn check_strength(scenario: &Scenario, fault: &Spanned<Fault>) -> Checked {
    match fault.get_ref() {
        Fault::DegradedPath(of) => of.check(fault.span()),
        Fault::LinkFlap(of) if !(1..=20).contains(of.times.get_ref()) => {
            complain(of.times.span(), "that is no flap".into(), "from 1 to 20 times", "use 3")
        }
        Fault::LinkFlap(of) if of.down.0 <= scenario.phase_jitter.0 => {
            let help = "each flap is moved by up to phase_jitter: let it stay down for longer than that";
            complain(fault.span(), "a flap may be healed before it is injected".into(), "down", help)
        }
        _ => Ok(()),
    }
}
