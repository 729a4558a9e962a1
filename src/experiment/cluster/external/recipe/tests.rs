use std::collections::BTreeMap;

use super::*;
use crate::experiment::cluster::{Degradation, Impairment, Loss};
use crate::scenario::{Cluster, Scenario, Service};

/// One node of each way. What each must answer is what the manual pages of ssh(1), virsh(1) and docker(1) say.
const NODES: &str = r#"
name = "t"
question = "q"
window = "20s"
[cluster.external]
address = "192.0.2.10"
domain = "example.net"
services = { sip = { unit = "asterisk" }, engine = { process = { name = "keepalived", start = "keepalived -D" } } }
[[cluster.external.node]]
name = "ssh"
address = "192.0.2.11"
ssh = "admin@192.0.2.11"
port = 2222
sudo = true
[[cluster.external.node]]
name = "both"
address = "192.0.2.12"
ssh = "root@192.0.2.12"
virsh = "guest 1"
connect = "qemu+ssh://host/system"
virsh_interface = "vnet0"
[[cluster.external.node]]
name = "box"
address = "192.0.2.13"
docker = "pbx"
[[cluster.external.node]]
name = "here"
address = "192.0.2.14"
local = true
[[cluster.external.node]]
name = "ns"
address = "2001:db8::1"
namespace = "blue"
[[cluster.external.node]]
name = "far"
address = "192.0.2.16"
virsh = "far"
HOOKS
"#;

fn cluster(hooks: &str) -> ExternalCluster {
    let scenario = Scenario::parse("t.toml", &NODES.replace("HOOKS", hooks)).unwrap();
    let Cluster::External(external) = scenario.cluster else { panic!("not external") };
    *external
}

fn recipe_in(cluster: &ExternalCluster, name: &str, action: Action) -> Result<Recipe, String> {
    let nodes: BTreeMap<String, Node> =
        Node::all(cluster).into_iter().map(|node| (node.spec.name.clone(), node)).collect();
    of(cluster, &nodes[name], action, Span::from_secs(7))
}

fn recipe(name: &str, action: Action) -> Result<Recipe, String> {
    recipe_in(&cluster(""), name, action)
}

/// Injection and heal as they are shown.
fn shown(name: &str, action: Action) -> (String, String) {
    let recipe = recipe(name, action).unwrap();
    (recipe.inject.to_string(), recipe.heal.to_string())
}

#[test]
fn a_guest_is_switched_by_its_hypervisor_and_a_container_by_docker() {
    let (off, on) = shown("both", Action::PowerOff);
    assert_eq!(off, "here: virsh -c qemu+ssh://host/system destroy 'guest 1'");
    assert!(on.contains("domstate 'guest 1' | grep -qx 'running' ||") && on.ends_with("start 'guest 1'"), "{on}");
    assert_eq!(shown("box", Action::PowerOff), ("here: docker kill pbx".into(), "here: docker start pbx".into()));
    assert_eq!(shown("box", Action::Freeze).0, "here: docker pause pbx");
    assert_eq!(shown("far", Action::Freeze).0, "here: virsh suspend far");
    assert!(shown("both", Action::LinkDown).0.contains("domif-setlink 'guest 1' vnet0 down"));
}

#[test]
fn this_machine_is_never_switched_off() {
    for node in ["here", "ns"] {
        for action in [Action::PowerOff, Action::Reset, Action::KernelPanic(None), Action::Freeze] {
            let why = recipe(node, action).unwrap_err();
            assert!(why.contains("cluster.external.hooks."), "{node} {action:?}: {why}");
        }
    }
    // By ssh only behind the guard, which stops where the kernel is this machine's own: the script exits before the
    // request is written. Here the guard is run alone.
    let script = recipe("ssh", Action::PowerOff).unwrap().inject.to_string();
    let script = script.strip_prefix("ssh admin@192.0.2.11: ").unwrap();
    let (guard, request) = script.rsplit_once("; ").unwrap();
    assert_eq!(request, "echo b > /proc/sysrq-trigger");
    let said = std::process::Command::new("sh").args(["-c", guard]).output().unwrap();
    assert_eq!(said.status.code(), Some(97), "{guard}");
}

#[test]
fn what_cannot_be_done_says_what_would_help() {
    let cases = [
        ("ssh", Action::Freeze, "would stop"),
        ("ssh", Action::DiskFull, "[cluster.external.hooks.disk_full]"),
        ("far", Action::ServiceKill(Service::Sip), "give it ssh"),
        ("here", Action::ServiceKill(Service::Media), "media = { unit"),
        ("box", Action::KernelPanic(None), "hooks.kernel_panic"),
    ];
    for (node, action, word) in cases {
        let why = recipe(node, action).unwrap_err();
        assert!(
            why.contains(word) || (word == "would stop" && why.contains("stops the one that shall wake it")),
            "{why}"
        );
    }
}

#[test]
fn a_command_for_a_node_goes_its_way_and_is_quoted_for_it() {
    let words = |name: &str| recipe(name, Action::EngineStop).unwrap().inject.words;
    let ssh = words("ssh");
    assert_eq!(ssh[0], "ssh");
    assert!(
        ssh.windows(2).any(|pair| pair == ["-o", "BatchMode=yes"]) && ssh.windows(2).any(|pair| pair == ["-p", "2222"])
    );
    assert_eq!(ssh[ssh.len() - 2], "admin@192.0.2.11");
    assert!(ssh[ssh.len() - 1].starts_with("sudo -n env SSH_CONNECTION=\"$SSH_CONNECTION\" sh -c "));
    assert_eq!(words("box")[..5], ["docker", "exec", "pbx", "sh", "-c"]);
    assert_eq!(words("ns")[..6], ["ip", "netns", "exec", "blue", "sh", "-c"]);
    assert_eq!(words("here")[..2], ["sh", "-c"]);
    // What a remote shell makes of the last word is the script again.
    let remote = &ssh[ssh.len() - 1];
    let local = &words("here")[2];
    assert!(shlex::split(remote).unwrap().last() == Some(local), "{remote}");
}

#[test]
fn a_filter_lets_the_connection_through_that_must_take_it_back() {
    let (hole, heal) = shown("ssh", Action::BlackHole);
    assert!(
        hole.contains("saddr $1 tcp dport $4 accept") && hole.contains("iifname \\\"$IF\\\" counter drop"),
        "{hole}"
    );
    assert!(heal.contains("nft delete table inet fivenines_hole"), "{heal}");
    let split = shown("ssh", Action::Split).0;
    assert!(split.contains("ip daddr { 192.0.2.12, 192.0.2.13, 192.0.2.14, 192.0.2.16 }"), "{split}");
    assert!(split.contains("ip6 saddr { 2001:db8::1 }") && split.contains("224.0.0.18"), "{split}");
    let link = shown("ssh", Action::LinkDown).0;
    assert!(link.contains("sleep 7.000"), "the link comes back by itself when the heal is due: {link}");
}

#[test]
fn the_users_own_commands_stand_in_and_know_what_is_meant() {
    let hooks =
        "[cluster.external.hooks.degraded_path]\ninject = \"tc $FIVENINES_NETEM\"\nheal = \"keep\"\non_node = true";
    let done = recipe_in(&cluster(hooks), "box", degrade(None)).unwrap();
    let inject = done.inject.to_string();
    assert!(inject.starts_with("docker pbx: export FIVENINES_NODE=box FIVENINES_NODE_ADDRESS=192.0.2.13"), "{inject}");
    assert!(inject.contains("FIVENINES_FAULT=degraded_path FIVENINES_WAY=both"), "{inject}");
    assert!(inject.contains("FIVENINES_NETEM='netem limit 65536 loss random 2.5%'; tc $FIVENINES_NETEM"), "{inject}");
    assert!(done.verify.is_none() && done.heal.to_string().ends_with("; keep"));
}

fn degrade(way: Option<Way>) -> Action {
    let impairment = Impairment { loss: Loss::Random { ppm: 25_000 }, ..Impairment::default() };
    Action::Degrade(Degradation { impairment, way, seed: 0 })
}

#[test]
fn a_queue_degrades_what_a_node_sends_and_nothing_else() {
    let refused = recipe_in(&cluster(""), "ssh", degrade(None)).unwrap_err();
    assert!(refused.contains("from_node") && refused.contains("hooks.degraded_path"), "{refused}");
    let done = recipe_in(&cluster(""), "ssh", degrade(Some(Way::FromNode))).unwrap();
    assert!(done.inject.to_string().contains("root netem limit 65536 loss random 2.5%"), "{}", done.inject);
}

/// Every script is at least read by a shell.
#[test]
fn every_script_is_a_shells_language() {
    let actions = [
        Action::PowerOff,
        Action::ServiceKill(Service::Sip),
        Action::ServiceHang(Service::Sip),
        Action::EngineStop,
        Action::EngineKill,
        Action::EngineHang,
        Action::LinkDown,
        Action::BlackHole,
        Action::OneWay(Way::FromNode),
        Action::Split,
        Action::AddressLoss,
        degrade(Some(Way::FromNode)),
        Action::ConnectionsReset,
        Action::Reset,
        Action::KernelPanic(None),
    ];
    let recipes = actions.into_iter().flat_map(|action| ["ssh", "both", "box"].map(|node| recipe(node, action)));
    let lines = recipes.flatten().flat_map(|recipe| [Some(recipe.inject), recipe.verify, Some(recipe.heal)]);
    let mut read = 0;
    for line in lines.flatten() {
        let script = line.words.last().unwrap();
        let said = std::process::Command::new("sh").args(["-n", "-c", script]).output().unwrap();
        assert!(said.status.success(), "{line}: {}", String::from_utf8_lossy(&said.stderr));
        read += 1;
    }
    assert!(read > 100, "{read}");
}
