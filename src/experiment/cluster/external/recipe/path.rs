//! The node's own network: its link, its packet filter, its queue, its address.

use super::super::command::{Expect, Line};
use super::super::node::Node;
use super::Recipe;
use crate::experiment::cluster::{Action, netem};
use crate::scenario::{ExternalCluster, Way};
use crate::units::Span;

/// Where the routes of a link that is down are kept.
const ROUTES: &str = "/run/fivenines.routes";
/// Where a lost address is kept, as `ip addr add` wants it.
const ADDRESS: &str = "/run/fivenines.address";
/// The command must have answered before its own link goes down.
const LINK_DELAY: &str = "0.1";

/// What a packet filter on the node cannot do.
const FILTERED: &str = "by the node's own packet filter: ARP and the SSH connection of this tool still pass";
/// What a queue on the node cannot do.
const ONLY_SENT: &str = "a node's own queue degrades what it sends: give way = \"from_node\"";

pub(super) fn recipe(cluster: &ExternalCluster, node: &Node, action: Action, due: Span) -> Result<Recipe, String> {
    match action {
        Action::LinkDown => match (node.virsh(), &node.spec.virsh_interface) {
            (Some((virsh, domain)), Some(interface)) => {
                Ok(guest_link(&virsh, &domain, &shlex::try_quote(interface).unwrap_or_default()))
            }
            _ => link(node, due),
        },
        Action::AddressLoss => address(node),
        Action::ConnectionsReset => connections(cluster, node),
        Action::Degrade(of) if of.way == Some(Way::FromNode) => queue(node, &netem::words(of.impairment)),
        Action::Degrade(_) => Err(format!("{ONLY_SENT}; or {}", super::needs_hook(action))),
        Action::BlackHole => {
            filter(node, "hole", "iifname \\\"$IF\\\" counter drop;", "oifname \\\"$IF\\\" counter drop;")
        }
        Action::OneWay(Way::ToNode) => filter(node, "oneway", "iifname \\\"$IF\\\" counter drop;", ""),
        Action::OneWay(Way::FromNode) => filter(node, "oneway", "", "oifname \\\"$IF\\\" counter drop;"),
        Action::Split => split(cluster, node),
        _ => Err(super::needs_hook(action)),
    }
}

/// Rules for what comes in and what goes out, before everybody else's. The connection by which the rules came is let
/// through: they could not be taken back otherwise.
fn filter(node: &Node, name: &str, inward: &str, outward: &str) -> Result<Recipe, String> {
    let table = format!("fivenines_{name}");
    let keep = "IN=; OUT=; set -- $SSH_CONNECTION; case \"$1\" in *:*) F=ip6;; *) F=ip;; esac; \
        if [ $# -eq 4 ]; then IN=\"$F saddr $1 tcp dport $4 accept;\"; OUT=\"$F daddr $1 tcp sport $4 accept;\"; fi";
    let chain = |hook: &str, keep: &str, rules: &str| {
        format!("chain {hook} {{ type filter hook {hook} priority -300; {keep} {rules} }};")
    };
    let chains = format!("{} {}", chain("input", "$IN", inward), chain("output", "$OUT", outward));
    let inject = format!("{}; {keep}; nft \"table inet {table} {{ {chains} }}\"", node.interface());
    // A hole bites with the first packet that falls into it.
    let verify = format!("nft list table inet {table} | grep 'counter packets [1-9]'");
    let heal = format!("nft delete table inet {table} 2>/dev/null; ! nft list table inet {table} >/dev/null 2>&1");
    Ok(Recipe {
        inject: node.shell(&inject)?,
        verify: Some(node.shell(&verify)?),
        heal: node.shell(&heal)?,
        heal_if_held: None,
        remark: Some(FILTERED),
    })
}

/// Adverts go to a group (RFC 5798), and everything else of an engine from node to node.
fn split(cluster: &ExternalCluster, node: &Node) -> Result<Recipe, String> {
    let peers = cluster.nodes.iter().map(|peer| peer.get_ref().address).filter(|peer| *peer != node.spec.address);
    let (v4, v6): (Vec<_>, Vec<_>) = peers.partition(std::net::IpAddr::is_ipv4);
    let set = |family: &str, side: &str, peers: &[std::net::IpAddr]| {
        let list = peers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        if list.is_empty() { String::new() } else { format!("{family} {side} {{ {list} }} counter drop; ") }
    };
    let rules = |side: &str| format!("{}{}", set("ip", side, &v4), set("ip6", side, &v6));
    let groups = "ip daddr 224.0.0.18 counter drop; ip6 daddr ff02::12 counter drop;";
    filter(node, "split", &rules("saddr"), &format!("{}{groups}", rules("daddr")))
}

fn queue(node: &Node, queue: &str) -> Result<Recipe, String> {
    let of_interface = node.interface();
    let shown = "tc qdisc show dev \"$IF\" root | grep '^qdisc netem '";
    Ok(Recipe {
        inject: node.shell(&format!("{of_interface}; tc qdisc replace dev \"$IF\" root {queue}"))?,
        verify: Some(node.shell(&format!("{of_interface}; {shown}"))?),
        heal: node.shell(&format!("{of_interface}; tc qdisc del dev \"$IF\" root 2>/dev/null; ! {shown}"))?,
        heal_if_held: None,
        remark: Some("by the netem of the node's own kernel"),
    })
}

/// The link goes down a moment after the command has answered, and comes up by itself when the heal is due: whoever
/// came by this link cannot come back to do it.
fn link(node: &Node, due: Span) -> Result<Recipe, String> {
    let up = format!(
        "ip link set \"$IF\" up; while read -r r; do ip route replace $r dev \"$IF\"; done < {ROUTES}; rm -f {ROUTES}"
    );
    let later = format!("sleep {LINK_DELAY}; ip link set \"$IF\" down; sleep {:.3}; {up}", due.as_secs_f64());
    let (later, of_interface) = (shlex::try_quote(&later).unwrap_or_default().into_owned(), node.interface());
    let inject = format!(
        "{of_interface}; export IF; ip route show dev \"$IF\" | grep -v 'proto kernel' > {ROUTES}; \
         setsid sh -c {later} </dev/null >/dev/null 2>&1 & echo $! > {ROUTES}.pid; echo \"down in {LINK_DELAY} s\""
    );
    let verify = format!("{of_interface}; ip -br link show dev \"$IF\" | grep ' DOWN '");
    let heal = format!(
        "{of_interface}; [ ! -e {ROUTES}.pid ] || kill \"$(cat {ROUTES}.pid)\" 2>/dev/null; rm -f {ROUTES}.pid; \
         if [ -e {ROUTES} ]; then {up}; else ip link set \"$IF\" up; fi"
    );
    Ok(Recipe {
        inject: node.shell(&inject)?,
        verify: Some(node.shell(&verify)?.expecting(Expect::ZeroOrSilence)),
        heal: node.shell(&heal)?,
        heal_if_held: None,
        remark: Some("the node's own interface is set down, a tenth of a second after the command"),
    })
}

fn guest_link(virsh: &str, domain: &str, interface: &str) -> Recipe {
    let set = |state: &str| Line::here(&format!("{virsh} domif-setlink {domain} {interface} {state}"));
    let shown = Line::here(&format!("{virsh} domif-getlink {domain} {interface} | grep ' down$'"));
    Recipe { inject: set("down"), verify: Some(shown), heal: set("up"), heal_if_held: None, remark: None }
}

fn address(node: &Node) -> Result<Recipe, String> {
    let floating = node.floating;
    let take = format!(
        "set -- $(ip -o addr show to {floating}); [ $# -gt 3 ] || {{ echo 'the node does not hold {floating}' >&2; exit 1; }}; \
         echo \"$4 dev $2\" > {ADDRESS}; ip addr del \"$4\" dev \"$2\" && echo \"$4 taken off $2\""
    );
    let give = format!("[ ! -e {ADDRESS} ] || {{ ip addr add $(cat {ADDRESS}) && rm -f {ADDRESS}; }}");
    Ok(Recipe {
        inject: node.shell(&take)?,
        verify: Some(node.shell(&format!("! ip -o addr show to {floating} | grep ."))?),
        heal: node.shell(&give)?,
        // Whoever took it meanwhile keeps it; else it goes back where it was.
        heal_if_held: Some(node.shell(&format!("rm -f {ADDRESS}"))?),
        remark: None,
    })
}

fn connections(cluster: &ExternalCluster, node: &Node) -> Result<Recipe, String> {
    let (sip, xmpp) = (cluster.sip_port, cluster.xmpp_port);
    Ok(Recipe {
        inject: node.shell(&format!("ss -K -t state established '( sport = :{sip} or sport = :{xmpp} )'"))?,
        verify: None,
        heal: node.shell("true")?,
        heal_if_held: None,
        remark: None,
    })
}
