//! What can be done to a machine: inject, check that it bit, heal. What the switch does to its frames is not here.

use std::fs;

use serde_json::json;

use super::super::VIP;
use super::super::layout::Layout;
use super::super::profile::service_name;
use super::units::unit;
use super::{ASK_PATIENCE, Files, GLANCE, Machine};
use crate::experiment::cluster::{Action, ClusterError, Degradation, netem};
use crate::experiment::run::clock::Clock;
use crate::scenario::Way;
use crate::units::Span;

/// Connections of SIP and XMPP clients, as ss(8) filters them.
const CLIENTS: &str = "state established '( sport = :5060 or sport = :5222 )'";

/// The files that take all room, one on each disk.
const FILL: &str = "for d in / /run/lab; do \
    fallocate -l $(( $(stat -f -c '%f * %S' $d) - 8388608 )) $d/ballast; \
    cat /dev/zero >$d/ballast2 2>/dev/null; done; sync; true";

/// Succeeds when no disk takes 64 KiB more. The blocks that are free by statfs(2) do not tell: ext4 counts those among
/// them that it keeps for its own metadata (`reserved_clusters`, 16 MiB and more).
const NO_ROOM: &str = "for d in / /run/lab; do dd if=/dev/zero of=$d/probe bs=4096 count=16 conv=fsync 2>&1; r=$?; \
    rm -f $d/probe; [ $r -ne 0 ] || exit 1; done";

/// How far a stepped clock may be off: a question takes a moment.
const CLOCK_SLACK_S: f64 = 2.0;

/// Does the action; what was done, in words.
pub(in super::super) fn inject(machine: &Machine, layout: &Layout, action: Action) -> Result<String, String> {
    machine.mark.set(console_length(machine));
    machine.struck.set(true);
    match action {
        Action::PowerOff => {
            machine.kill();
            Ok(format!("SIGKILL to QEMU ({}): what the kernel had not written to its disk is lost", machine.qemu.pid))
        }
        Action::Reset => {
            machine.monitor.execute_until("system_reset", "RESET")?;
            Ok("QEMU: system_reset, event RESET".into())
        }
        Action::MachinePause => {
            machine.monitor.execute_until("stop", "STOP")?;
            Ok("QEMU: stop, event STOP".into())
        }
        Action::LinkDown => {
            set_link(machine, false)?;
            Ok("QEMU: the card's link is down".into())
        }
        Action::KernelPanic(after) => {
            let line = panic_line(after);
            machine.guest.tell(&line)?;
            Ok(line)
        }
        _ => {
            let line = strike_line(layout, action)?;
            machine.guest.run(&line, ASK_PATIENCE).map(|said| format!("{line}{}", answered(&said)))
        }
    }
}

fn answered(said: &str) -> String {
    if said.trim().is_empty() { String::new() } else { format!(": {}", said.trim().replace('\n', "; ")) }
}

/// `kernel.panic` is 0 for "wait for ever" (Linux, Documentation/admin-guide/sysctl/kernel.rst).
fn panic_line(after: Option<Span>) -> String {
    let seconds = after.map_or(0, whole_seconds);
    format!("echo {seconds} >/proc/sys/kernel/panic; echo c >/proc/sysrq-trigger")
}

fn whole_seconds(span: Span) -> i64 {
    span.as_nanos() / 1_000_000_000
}

/// The shell's words for an action inside the machine.
fn strike_line(layout: &Layout, action: Action) -> Result<String, String> {
    let kill = |units: &str, signal: &str, whom: &str| format!("systemctl kill -s {signal} --kill-whom={whom} {units}");
    Ok(match action {
        Action::ServiceKill(service) => kill(&unit(service_name(service)), "KILL", "all"),
        Action::ServiceHang(service) => kill(&unit(service_name(service)), "STOP", "all"),
        Action::EngineKill => kill(&engine(layout), "KILL", "all"),
        Action::EngineHang => kill(&engine(layout), "STOP", "all"),
        Action::EngineStop => kill(&engine(layout), &layout.profile.engine.resigns_on, "main"),
        Action::Freeze => format!("systemctl freeze {}", all_units(layout)),
        Action::AddressLoss => format!("ip addr del {VIP}/24 dev eth0"),
        Action::ConnectionsReset => format!("ss -K -H -t -n {CLIENTS} | grep ."),
        Action::DiskFull => FILL.into(),
        Action::ClockStep(by) => format!("date -s '{:+} seconds'", whole_seconds(by)),
        Action::CpuExhaustion => "systemd-run -q --unit=lab-hog sh -c \
             'for i in $(seq $(( 2 * $(nproc) ))); do while :; do :; done & done; wait'"
            .into(),
        Action::Degrade(of) => degrade_line(of),
        _ => return Err(format!("a machine cannot do {action:?}")),
    })
}

/// The machine's own netem: frames to it pass a second card on their way in.
fn degrade_line(of: Degradation) -> String {
    let queue = netem::words(of.impairment);
    let inward = format!(
        "modprobe ifb numifbs=1; ip link set ifb0 up; tc qdisc replace dev eth0 ingress; \
         tc filter replace dev eth0 parent ffff: pref 1 handle 1 matchall action mirred egress redirect dev ifb0; \
         tc qdisc replace dev ifb0 root {queue}; "
    );
    let outward = format!("tc qdisc replace dev eth0 root {queue}");
    let part = |way, line: String| if of.hits(way) { line } else { String::new() };
    format!("set -e; {}{}", part(Way::ToNode, inward), part(Way::FromNode, outward))
}

fn engine(layout: &Layout) -> String {
    layout.profile.engine_services().iter().map(|service| unit(&service.name)).collect::<Vec<_>>().join(" ")
}

fn all_units(layout: &Layout) -> String {
    layout.profile.processes().map(|service| unit(&service.name)).collect::<Vec<_>>().join(" ")
}

/// Looks whether the action bit: evidence in words.
pub(in super::super) fn verify(
    machine: &Machine,
    layout: &Layout,
    action: Action,
    clock: Clock,
) -> Result<String, String> {
    let told = |bit: bool, evidence: String| if bit { Ok(evidence) } else { Err(evidence) };
    match action {
        Action::PowerOff => {
            let on = machine.is_on();
            told(!on, format!("QEMU ({}) {}", machine.qemu.pid, if on { "still runs" } else { "is gone" }))
        }
        Action::Reset => told(machine.guest.run("true", GLANCE).is_err(), "no answer from the system inside".into()),
        Action::MachinePause => machine.status().and_then(|status| told(status == "paused", format!("QEMU: {status}"))),
        Action::KernelPanic(_) => {
            let line = panic_of(&console_since(machine));
            told(line.is_some(), line.unwrap_or_else(|| "the console tells of no panic".into()))
        }
        Action::ConnectionsReset => Ok("the kernel listed the connections that it closed".into()),
        Action::ClockStep(by) => {
            let ahead = clock_ahead_s(machine, clock)?;
            let off = (ahead - by.as_secs_f64()).abs();
            told(off < CLOCK_SLACK_S, format!("its clock is {ahead:.1} s ahead of this machine's"))
        }
        _ => {
            let said = machine.guest.ask(&look_line(layout, action)?, ASK_PATIENCE)?;
            told(said.code == 0, said.output.trim().replace('\n', "; "))
        }
    }
}

/// The shell's words that succeed when an action bit, and print what they saw.
fn look_line(layout: &Layout, action: Action) -> Result<String, String> {
    let slice = "/sys/fs/cgroup/system.slice";
    let states = |units: &str| {
        format!(
            "s=$(for u in {units}; do for p in $(cat {slice}/$u/cgroup.procs 2>/dev/null); do \
             sed 's/.*) //; s/ .*//' /proc/$p/stat; done; done | tr -d '\\n'); echo \"process states ${{s:-none}}\"; "
        )
    };
    Ok(match action {
        Action::ServiceKill(service) => states(&unit(service_name(service))) + "[ -z \"$s\" ]",
        Action::EngineKill | Action::EngineStop => states(&engine(layout)) + "[ -z \"$s\" ]",
        Action::ServiceHang(service) => {
            states(&unit(service_name(service))) + "[ -n \"$s\" ] && [ -z \"$(echo $s | tr -d T)\" ]"
        }
        Action::EngineHang => states(&engine(layout)) + "[ -n \"$s\" ] && [ -z \"$(echo $s | tr -d T)\" ]",
        Action::Freeze => format!(
            "cd {slice}; ls -d lab-*.service; n=0; for u in {}; do [ ! -e $u ] || grep -q 'frozen 1' $u/cgroup.events || n=1; \
             done; [ $n = 0 ]",
            all_units(layout)
        ),
        Action::AddressLoss => format!("ip -br addr show dev eth0; ! ip addr show dev eth0 | grep -q ' {VIP}/'"),
        Action::LinkDown => "ip -br link show dev eth0; [ \"$(cat /sys/class/net/eth0/carrier)\" = 0 ]".into(),
        Action::CpuExhaustion => format!(
            "a=$(grep usage_usec {slice}/lab-hog.service/cpu.stat | cut -d' ' -f2); sleep 0.5; \
             b=$(grep usage_usec {slice}/lab-hog.service/cpu.stat | cut -d' ' -f2); \
             echo \"$(( b - a )) microseconds of processor in half a second\"; [ $(( b - a )) -gt 100000 ]"
        ),
        Action::DiskFull => NO_ROOM.into(),
        Action::Degrade(_) => "tc qdisc show | grep netem".into(),
        _ => return Err(format!("a machine cannot do {action:?}")),
    })
}

/// Undoes the action. What was switched off is booted by the lab; this waits for what boots by itself.
///
/// # Errors
/// When the machine does not come back.
pub(in super::super) fn mend(
    machine: &Machine,
    layout: &Layout,
    action: Action,
    clock: Clock,
) -> Result<(), ClusterError> {
    let failed = |reason: String| super::super::fault::failed("heal", &machine.node.name, reason);
    machine.struck.set(false);
    let monitor = |command: &str, event: &str| machine.monitor.execute_until(command, event).map_err(failed);
    match action {
        Action::Reset | Action::KernelPanic(Some(_)) => machine.wait_up(clock),
        // Somebody comes and presses the button.
        Action::KernelPanic(None) => monitor("system_reset", "RESET").and_then(|()| machine.wait_up(clock)),
        Action::MachinePause => monitor("cont", "RESUME"),
        Action::LinkDown => set_link(machine, true).map_err(failed),
        Action::ConnectionsReset => Ok(()),
        _ => machine.guest.run(&mend_line(layout, action).map_err(failed)?, ASK_PATIENCE).map(drop).map_err(failed),
    }
}

fn mend_line(layout: &Layout, action: Action) -> Result<String, String> {
    let go_on = |units: &str| format!("systemctl kill -s CONT --kill-whom=all {units}");
    Ok(match action {
        Action::ServiceHang(service) => go_on(&unit(service_name(service))),
        Action::EngineHang => go_on(&engine(layout)),
        Action::Freeze => format!("systemctl thaw {}", all_units(layout)),
        Action::AddressLoss => format!("ip addr add {VIP}/24 dev eth0"),
        Action::DiskFull => "rm -f /ballast /ballast2 /run/lab/ballast /run/lab/ballast2".into(),
        Action::ClockStep(by) => format!("date -s '{:+} seconds'", -whole_seconds(by)),
        Action::CpuExhaustion => "systemctl stop lab-hog.service".into(),
        Action::Degrade(_) => {
            "tc qdisc del dev eth0 ingress; tc qdisc del dev ifb0 root; tc qdisc del dev eth0 root; ! tc qdisc show | grep netem".into()
        }
        _ => return Err(format!("a machine cannot do {action:?}")),
    })
}

fn set_link(machine: &Machine, up: bool) -> Result<(), String> {
    machine.monitor.execute("set_link", &json!({ "name": "n0", "up": up })).map(drop)
}

/// How far the machine's clock is ahead of this one's.
fn clock_ahead_s(machine: &Machine, clock: Clock) -> Result<f64, String> {
    let said = machine.guest.run("date +%s.%N", ASK_PATIENCE)?;
    let theirs: f64 = said.trim().parse().map_err(|_| format!("date said `{said}`"))?;
    Ok(theirs - clock.wall_now() as f64 / 1e9)
}

fn console_length(machine: &Machine) -> u64 {
    fs::metadata(Files::of(&machine.node).console()).map_or(0, |file| file.len())
}

/// What the console said since the fault was injected.
fn console_since(machine: &Machine) -> String {
    let text = fs::read(Files::of(&machine.node).console()).unwrap_or_default();
    let from = usize::try_from(machine.mark.get()).unwrap_or(usize::MAX).min(text.len());
    String::from_utf8_lossy(&text[from..]).into_owned()
}

/// The kernel's own line about its end.
fn panic_of(console: &str) -> Option<String> {
    let line = console.lines().find(|line| line.contains("Kernel panic - not syncing"))?;
    Some(line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::super::layout::EngineOptions;
    use super::*;
    use crate::scenario::{LAB_PROFILES, Service};

    fn layout() -> Layout {
        let names = ["alpha".to_owned(), "beta".to_owned()];
        Layout::of(&names, LAB_PROFILES[0], EngineOptions::default(), None).unwrap()
    }

    #[test]
    fn every_fault_inside_the_machine_can_be_done_looked_for_and_undone() {
        let layout = layout();
        for action in [
            Action::Freeze,
            Action::AddressLoss,
            Action::EngineHang,
            Action::CpuExhaustion,
            Action::DiskFull,
            Action::ServiceHang(Service::Media),
            Action::Degrade(Degradation::default()),
        ] {
            assert!(strike_line(&layout, action).is_ok(), "{action:?}");
            assert!(look_line(&layout, action).is_ok(), "{action:?}");
            assert!(mend_line(&layout, action).is_ok(), "{action:?}");
        }
        assert!(strike_line(&layout, Action::Split).is_err(), "that is the switch's");
    }

    #[test]
    fn the_agent_reads_one_line_so_no_command_has_a_second() {
        let layout = layout();
        for action in [Action::DiskFull, Action::CpuExhaustion, Action::ServiceKill(Service::Sip)] {
            assert!(!strike_line(&layout, action).unwrap().contains('\n'), "{action:?}");
        }
        assert!(!look_line(&layout, Action::ServiceKill(Service::Sip)).unwrap().contains('\n'));
    }

    #[test]
    fn a_kernel_that_shall_not_reboot_waits_for_ever() {
        assert!(panic_line(None).starts_with("echo 0 >/proc/sys/kernel/panic;"));
        assert!(panic_line(Some(Span::from_secs(10))).starts_with("echo 10 >"));
    }

    #[test]
    fn a_step_back_is_healed_by_a_step_forward() {
        let back = Action::ClockStep(Span::from_secs(-90));
        assert_eq!(strike_line(&layout(), back).unwrap(), "date -s '-90 seconds'");
        assert_eq!(mend_line(&layout(), back).unwrap(), "date -s '+90 seconds'");
    }

    #[test]
    fn the_kernels_own_words_are_the_proof_of_a_panic() {
        let console = "alpha login: [  42.0] sysrq: Trigger a crash\n[   42.1] Kernel panic - not syncing: sysrq triggered crash\n";
        assert_eq!(panic_of(console).unwrap(), "[   42.1] Kernel panic - not syncing: sysrq triggered crash");
        assert_eq!(panic_of("alpha login: "), None);
    }
}
