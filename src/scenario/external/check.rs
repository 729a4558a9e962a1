//! What an external cluster must satisfy beyond its grammar.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::Deserialize;
use serde_spanned::Spanned;

use super::{ExternalCluster, ExternalNode};
use crate::scenario::error::Complaint;
use crate::scenario::{Fault, Scenario};
use crate::units::Span;

type Checked = Result<(), Complaint>;

/// Checks nodes, hooks, the interval and the load.
pub(in crate::scenario) fn check(cluster: &ExternalCluster, scenario: &Scenario) -> Checked {
    cluster.nodes.iter().try_for_each(check_node)?;
    let different: BTreeSet<_> = cluster.nodes.iter().map(|node| node.get_ref().address).collect();
    if different.len() < cluster.nodes.len() || different.contains(&cluster.address) {
        let help = "give each node its own address; the floating one is `address` of [cluster.external]";
        return complain(0..0, "two nodes, or a node and the floating address, are the same".into(), "", help);
    }
    cluster.hooks.keys().try_for_each(check_hook)?;
    if let Some(interval) = &cluster.advert_interval
        && !(Span::from_millis(10)..=Span::from_secs(255)).contains(&interval.get_ref().0)
    {
        let message = format!("VRRP does not advertise every {}", interval.get_ref().0);
        return complain(interval.span(), message, "from 10ms to 255s", "use what the engine is set to, as 1s");
    }
    check_load(cluster, scenario)
}

fn complain(span: Range<usize>, message: String, label: &str, help: &str) -> Checked {
    Err(Complaint { span, message, label: label.to_owned(), help: help.to_owned() })
}

fn check_node(node: &Spanned<ExternalNode>) -> Checked {
    let (span, of) = (node.span(), node.get_ref());
    let ways = [of.local, of.namespace.is_some(), of.ssh.is_some(), of.docker.is_some()];
    let shells = ways.into_iter().filter(|way| *way).count();
    if shells > 1 || (shells == 0 && of.virsh.is_none()) {
        let message = format!("{} ways to run commands on {}", if shells == 0 { "no" } else { "several" }, of.name);
        let help =
            "give it one of: local = true, namespace = \"…\", ssh = \"root@host\", docker = \"…\"; or virsh = \"…\"";
        return complain(span, message, "this node", help);
    }
    if of.virsh.is_some() && of.docker.is_some() {
        let message = format!("{} is a container and a guest at once", of.name);
        return complain(span, message, "this node", "leave docker or virsh out");
    }
    let of_ssh = of.port.is_some() || of.key.is_some() || !of.options.is_empty();
    if of.ssh.is_none() && of_ssh {
        let message = format!("{} has options of ssh and no ssh", of.name);
        return complain(span, message, "this node", "add ssh = \"root@host\"");
    }
    let target = of.ssh.iter().chain(&of.docker).chain(&of.virsh).chain(&of.namespace);
    match target.into_iter().find(|name| name.is_empty() || name.starts_with('-')) {
        Some(name) => complain(span, format!("`{name}` is no name of a host or guest"), "this node", "write its name"),
        None => Ok(()),
    }
}

/// A hook is for a kind of fault that there is.
fn check_hook(kind: &Spanned<String>) -> Checked {
    let name = kind.get_ref();
    let table = toml::Table::from_iter([(name.clone(), toml::Value::Table(toml::Table::new()))]);
    let error = Fault::deserialize(table).err().map(|error| error.message().to_owned()).unwrap_or_default();
    if !error.starts_with("unknown variant") {
        return Ok(());
    }
    let known = error.split('`').skip(3).step_by(2);
    let near = known.max_by(|a, b| strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b)));
    let help = format!("did you mean `{}`? A hook has the name of the fault that it does", near.unwrap_or("power_off"));
    complain(kind.span(), format!("there is no fault `{name}`"), "here", &help)
}

fn check_load(cluster: &ExternalCluster, scenario: &Scenario) -> Checked {
    let (traffic, limits) = (&scenario.traffic, &cluster.limits);
    let each = |interval: Span| 1.0 / interval.as_secs_f64().max(1e-9);
    let voice = traffic.standing_calls.as_ref().map_or(0, |calls| calls.count);
    let video = traffic.video_calls.as_ref().map_or(0, |calls| calls.count);
    let registrations = traffic.registrations.as_ref();
    let registrations = registrations.map_or(0.0, |of| f64::from(of.phones) * each(of.interval.get_ref().0));
    let asked = [
        ("standing_calls", f64::from(voice) + f64::from(video), f64::from(limits.standing_calls)),
        (
            "new_calls_per_s",
            traffic.new_calls.as_ref().map_or(0.0, |of| of.get_ref().rate_per_s),
            limits.new_calls_per_s,
        ),
        ("registrations_per_s", registrations, limits.registrations_per_s),
        (
            "options_per_s",
            traffic.options.as_ref().map_or(0.0, |of| each(of.interval.get_ref().0)),
            limits.options_per_s,
        ),
        ("messages_per_s", traffic.chat.as_ref().map_or(0.0, |of| *of.messages_per_s.get_ref()), limits.messages_per_s),
    ];
    match asked.into_iter().find(|(_, asked, limit)| *asked > limit * (1.0 + 1e-9)) {
        None => Ok(()),
        Some((name, asked, limit)) => {
            let message =
                format!("the scenario asks for {name} = {asked:.1}, and an external cluster gets {limit} at most");
            let help = format!("ask for less, or allow it: [cluster.external.limits] {name} = {asked:.0}");
            complain(0..0, message, "", &help)
        }
    }
}
