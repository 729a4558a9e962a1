//! One server or the engine: by its systemd unit, or by its processes.

use super::super::node::Node;
use super::Recipe;
use crate::scenario::{Daemon, Processes, Role};

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blow {
    /// In order, as for maintenance.
    Stop,
    /// SIGKILL.
    Kill,
    /// SIGSTOP.
    Hang,
}

/// Numbers of the processes called `$1` in the node's network namespace, without the dead: in a namespace of this machine
/// `pgrep` sees those of its neighbours as well.
const PIDS: &str = "pids() { for p in $(pgrep -x -- \"$1\"); do \
    [ \"$(readlink /proc/$p/ns/net)\" = \"$(readlink /proc/self/ns/net)\" ] || continue; \
    grep -q '^State:.Z' /proc/$p/status || echo $p; done; }";

pub(super) fn recipe(node: &Node, role: Role, blow: Blow) -> Result<Recipe, String> {
    let word = role.word();
    let [inject, verify, heal] = match node.services.get(&role) {
        Some(Daemon::Unit(unit)) => of_unit(&quoted(unit), word, blow),
        Some(Daemon::Process(processes)) => of_processes(processes, blow),
        None => {
            return Err(format!(
                "{} does not say what its {word} is: add [cluster.external.services] {word} = {{ unit = \"…\" }}",
                node.spec.name
            ));
        }
    };
    let unit = matches!(node.services.get(&role), Some(Daemon::Unit(_)));
    let restarts = "systemd starts a killed unit again if it has Restart=: the outage is then until it is ready";
    Ok(Recipe {
        inject: node.shell(&inject)?,
        verify: Some(node.shell(&verify)?),
        heal: node.shell(&heal)?,
        heal_if_held: None,
        remark: (unit && blow == Blow::Kill).then_some(restarts),
    })
}

fn quoted(word: &str) -> String {
    shlex::try_quote(word).map(|quoted| quoted.into_owned()).unwrap_or_default()
}

/// The main process is noted before it is hit: the unit may have another one a moment later.
fn of_unit(unit: &str, word: &str, blow: Blow) -> [String; 3] {
    let note = format!("/run/fivenines.{word}");
    let main = format!("systemctl show -p MainPID --value {unit}");
    let noted =
        format!("p=$({main}); [ \"${{p:-0}}\" != 0 ] || {{ echo 'it does not run' >&2; exit 1; }}; echo $p > {note}");
    let start = format!("systemctl start {unit}; s=$?; rm -f {note}; exit $s");
    match blow {
        Blow::Stop => [
            format!("systemctl stop {unit}"),
            format!("! systemctl is-active {unit}"),
            format!("systemctl start {unit}"),
        ],
        Blow::Kill => [
            format!("{noted}; systemctl kill --signal=KILL {unit} && echo \"SIGKILL to main process $p\""),
            format!(
                "p=$({main}); [ \"$p\" != \"$(cat {note})\" ] && echo \"the main process is now ${{p:-none}} (0: none)\""
            ),
            start,
        ],
        Blow::Hang => [
            format!("{noted}; systemctl kill --signal=STOP {unit} && echo \"SIGSTOP to main process $p\""),
            format!("grep '^State:.T' /proc/$(cat {note})/status"),
            format!("systemctl kill --signal=CONT {unit}; {start}"),
        ],
    }
}

fn of_processes(processes: &Processes, blow: Blow) -> [String; 3] {
    let name = quoted(&processes.name);
    let found = format!(
        "{PIDS}; p=$(pids {name}); [ -n \"$p\" ] || {{ echo 'no process is called so' >&2; exit 1; }}; echo $p"
    );
    let gone = format!("{PIDS}; [ -z \"$(pids {name})\" ] && echo gone");
    let start = quoted(&processes.start);
    let again = format!("{PIDS}; [ -n \"$(pids {name})\" ] || setsid sh -c {start} </dev/null >/dev/null 2>&1 &");
    // The children that a server forks may stop one after the other.
    let stopped = format!("{PIDS}; for p in $(pids {name}); do grep '^State:.T' /proc/$p/status || exit 1; done");
    match blow {
        Blow::Stop => [format!("{found}; kill -TERM $p"), gone, again],
        Blow::Kill => [format!("{found}; kill -KILL $p"), gone, again],
        Blow::Hang => [
            format!("{found}; kill -STOP $p"),
            stopped,
            format!("{PIDS}; for p in $(pids {name}); do kill -CONT $p; done; true"),
        ],
    }
}
