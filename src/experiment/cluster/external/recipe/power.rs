//! The whole machine: switched off, reset, stopped.

use super::super::command::{Expect, Line};
use super::super::node::Node;
use super::{Recipe, kind};
use crate::experiment::cluster::Action;

/// Nobody may reset the machine on which this program runs, nor a host through its container: a namespace or container has
/// not the first PID namespace of a kernel, whose number is fixed (`PROC_PID_INIT_INO` of proc_ns.h).
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

pub(super) fn recipe(node: &Node, action: Action) -> Result<Recipe, String> {
    if let (Action::KernelPanic(_), Some(_)) = (action, &node.spec.ssh) {
        return panic(node);
    }
    if let Some((virsh, domain)) = node.virsh() {
        return guest(&virsh, &domain, action).ok_or_else(|| no_way(node, action));
    }
    if let Some(container) = &node.spec.docker {
        let quoted = shlex::try_quote(container).unwrap_or_default();
        return self::container(&quoted, action).ok_or_else(|| no_way(node, action));
    }
    match action {
        Action::PowerOff | Action::Reset if node.spec.ssh.is_some() => reset(node),
        _ => Err(no_way(node, action)),
    }
}

fn no_way(node: &Node, action: Action) -> String {
    let (name, way, kind) = (&node.spec.name, node.way(), kind(action));
    let why = match action {
        Action::Freeze => "who stops every process of a machine stops the one that shall wake it",
        _ => "it would be this machine, or nobody could switch it on again",
    };
    format!(
        "{name} is reached by {way}, which cannot do {kind}: {why}. Give it virsh or docker, \
         or commands of your own in [cluster.external.hooks.{kind}]"
    )
}

/// Exits with 0 when `question` answers `state`, and prints the answer.
fn state(question: &str, state: &str) -> Line {
    Line::here(&format!("{question} | grep -x '{state}'"))
}

/// `change`, unless the answer is `state` already.
fn until(question: &str, state: &str, change: &str) -> Line {
    Line::here(&format!("{question} | grep -qx '{state}' || {change}"))
}

fn guest(virsh: &str, domain: &str, action: Action) -> Option<Recipe> {
    let domstate = format!("{virsh} domstate {domain}");
    let to = |command: &str| Line::here(&format!("{virsh} {command} {domain}"));
    let start = until(&domstate, "running", &format!("{virsh} start {domain}"));
    Some(match action {
        Action::PowerOff => Recipe {
            inject: to("destroy"),
            verify: Some(state(&domstate, "shut off")),
            heal: start,
            heal_if_held: None,
            remark: None,
        },
        Action::Freeze => Recipe {
            inject: to("suspend"),
            verify: Some(state(&domstate, "paused")),
            heal: until(&domstate, "running", &format!("{virsh} resume {domain}")),
            heal_if_held: None,
            remark: None,
        },
        Action::Reset => Recipe { inject: to("reset"), verify: None, heal: start, heal_if_held: None, remark: None },
        _ => return None,
    })
}

fn container(name: &str, action: Action) -> Option<Recipe> {
    let is = |what: &str| format!("docker inspect -f '{{{{.State.{what}}}}}' {name}");
    let to = |command: &str| Line::here(&format!("docker {command} {name}"));
    let start = to("start");
    let a_container = Some("a container has no kernel: its network goes away in order, with its processes");
    Some(match action {
        Action::PowerOff => Recipe {
            inject: to("kill"),
            verify: Some(state(&is("Running"), "false")),
            heal: start,
            heal_if_held: None,
            remark: a_container,
        },
        Action::Freeze => Recipe {
            inject: to("pause"),
            verify: Some(state(&is("Paused"), "true")),
            heal: until(&is("Paused"), "false", &format!("docker unpause {name}")),
            heal_if_held: None,
            remark: None,
        },
        Action::Reset => {
            Recipe { inject: to("restart -t 0"), verify: None, heal: start, heal_if_held: None, remark: a_container }
        }
        _ => return None,
    })
}

/// Through SSH a machine can be reset, and then boots by itself; switched off, nobody could switch it on.
fn reset(node: &Node) -> Result<Recipe, String> {
    let script = format!("{}; echo b > /proc/sysrq-trigger", guard());
    Ok(Recipe {
        inject: node.shell(&script)?.expecting(Expect::ZeroOrSilence),
        verify: Some(node.shell("true")?.expecting(Expect::Silence)),
        heal: node.shell("true")?,
        heal_if_held: None,
        remark: Some(
            "by ssh a machine is reset and boots again by itself: a power cut until then, and the return is in the window \
             if it boots fast",
        ),
    })
}

/// The guest of a hypervisor is reset from there; another machine must be set to do it itself.
fn panic(node: &Node) -> Result<Recipe, String> {
    let (again, heal) = match node.virsh() {
        Some((virsh, domain)) => (String::new(), Line::here(&format!("{virsh} reset {domain}"))),
        None => {
            let refusal = "echo 'kernel.panic is 0: it would never boot again (sysctl kernel.panic=1)' >&2; exit 97";
            (format!("[ \"$(cat /proc/sys/kernel/panic)\" -gt 0 ] || {{ {refusal}; }}; "), node.shell("true")?)
        }
    };
    let script = format!("{}; {again}echo c > /proc/sysrq-trigger", guard());
    Ok(Recipe {
        inject: node.shell(&script)?.expecting(Expect::ZeroOrSilence),
        verify: Some(node.shell("true")?.expecting(Expect::Silence)),
        heal,
        heal_if_held: None,
        remark: None,
    })
}

/// Stops the script where the kernel is not the node's own.
fn guard() -> String {
    let ours = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let ours = ours.trim();
    format!(
        "[ \"$(readlink /proc/self/ns/pid)\" = '{FIRST_PID_NAMESPACE}' ] || \
         {{ echo 'the node is a container: its kernel is not its own' >&2; exit 97; }}; \
         [ \"$(cat /proc/sys/kernel/random/boot_id)\" != '{ours}' ] || \
         {{ echo 'the node is the machine that fivenines runs on' >&2; exit 97; }}"
    )
}
