//! An external cluster by ssh: a real sshd on each node of a lab that was put up by hand, and the program in the clients'
//! namespace, which knows of the cluster what an engineer would write down. The same fault by the lab itself stands beside.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::{Scratch, fivenines, ms, nothing_is_left, outages, report};

/// Both take the link of the owner away and give it back five seconds later.
const TRAFFIC: &str = r#"
window = "14s"
validate = "500ms"
[traffic.standing_calls]
count = 2
[traffic.options]
interval = "10ms"
[[fault]]
link_down = { target = "vip-owner", at = "3s", heal_at = "8s" }
"#;

const LAB: &str = r#"
[cluster.lab]
nodes = ["alpha", "beta", "charlie"]
advert_interval = "100ms"
"#;

const EXTERNAL: &str = r#"
[cluster.external]
i_own_this_cluster = true
address = "10.77.0.10"
domain = "DOMAIN"
accounts = { phones = ["1001..1004"], password = "secret-{user}" }
capture = ["eth0"]
advert_interval = "100ms"
health = "pgrep -x kamailio"
services = { engine = { process = { name = "keepalived", start = "false" } } }
"#;

fn node(name: &str, number: u8, scratch: &Path) -> String {
    let scratch = scratch.display();
    format!(
        "[[cluster.external.node]]\nname = \"{name}\"\naddress = \"10.77.0.{number}\"\nssh = \"root@10.77.0.{number}\"\n\
         port = 2222\nkey = \"{scratch}/key\"\n\
         options = [\"StrictHostKeyChecking=accept-new\", \"UserKnownHostsFile={scratch}/known\"]\n"
    )
}

fn scenario(name: &str, cluster: &str) -> String {
    format!(
        "name = \"{name}\"\nquestion = \"how long is a service gone when the owner loses its link?\"\n{TRAFFIC}{cluster}"
    )
}

/// A lab that stands, and is gone with this.
struct Standing;

impl Standing {
    fn up() -> Standing {
        let up = fivenines(&["lab", "up", "--users", "1001,1002,1003,1004"]);
        assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
        Standing
    }

    fn exec(node: &str, script: &str) -> String {
        let done = fivenines(&["lab", "exec", node, "--", "sh", "-c", script]);
        assert!(done.status.success(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// An sshd with a host key that was made for it and lets only the test's key in.
    fn start_sshd(node: &str, public_key: &str) {
        let script = format!(
            "mkdir -p /run/sshd /run/t && chmod 755 /run/sshd && ssh-keygen -q -t ed25519 -N '' -f /run/t/host && \
             echo '{public_key}' > /run/t/authorized && /usr/sbin/sshd -f /dev/null -p 2222 -h /run/t/host \
             -o AuthorizedKeysFile=/run/t/authorized -o StrictModes=no -o UsePAM=no -o PermitRootLogin=yes \
             -o PasswordAuthentication=no -o PidFile=/run/t/pid"
        );
        Standing::exec(node, &script);
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        let _told_by_the_check_for_leftovers = fivenines(&["lab", "down"]);
    }
}

/// The program where the clients stand: an engineer's machine in the cluster's network.
fn among_clients(scratch: &Scratch, arguments: &[&str]) -> Output {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", "fn-clients", env!("CARGO_BIN_EXE_fivenines")]).args(arguments);
    command.env("XDG_STATE_HOME", scratch.0.join("state")).output().unwrap()
}

fn keys(scratch: &Scratch) -> String {
    let key = scratch.0.join("key");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status().unwrap();
    assert!(made.success());
    std::fs::read_to_string(scratch.0.join("key.pub")).unwrap().trim().to_owned()
}

#[test]
#[ignore = "needs root, Debian's servers and openssh-server; tests/run runs it"]
fn a_failover_by_ssh_is_as_long_as_the_labs_own() {
    let scratch = Scratch::new("ssh");
    let by_lab = report(&scenario("by-lab", LAB), &scratch);
    let lab_ms = ms(outages(&by_lab, "sip_answer")[0]);

    let lab = Standing::up();
    let public = keys(&scratch);
    let names = [("alpha", 11), ("beta", 12), ("charlie", 13)];
    names.iter().for_each(|(name, _)| Standing::start_sshd(name, &public));
    let nodes: String = names.iter().map(|(name, number)| node(name, *number, &scratch.0)).collect();
    let domain = Standing::exec("alpha", "hostname -d || true");
    let domain = if domain.trim().is_empty() { "lab.test" } else { domain.trim() };
    let file = scratch.0.join("external.toml");
    let text = scenario("by-ssh", &(EXTERNAL.replace("DOMAIN", domain) + &nodes));
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();

    let doctor = among_clients(&scratch, &["doctor", file]);
    let told = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(told.contains("alpha has it") && told.contains("phones bind 10.77.0.100"), "{told}");

    let out = scratch.0.join("by-ssh");
    let done = among_clients(&scratch, &["run", file, "--out", out.to_str().unwrap(), "--json"]);
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(matches!(done.status.code(), Some(0 | 1)), "{told}");
    let by_ssh: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{error}: {told}"));
    let fault = &by_ssh["trials"][0]["measured"]["faults"][0];
    assert_eq!((&fault["node"], &fault["verified"]), (&Value::from("alpha"), &Value::from(true)), "{fault:#}");
    assert!(fault["healed_ns"].is_number(), "the node gives itself its link back: {fault:#}");
    let ssh_ms = ms(outages(&by_ssh, "sip_answer")[0]);
    eprintln!("SIP was gone for {lab_ms:.0} ms by the lab and {ssh_ms:.0} ms by ssh");

    // After a silence of three adverts and a skew below one, at 100 ms each, counted from the last one: the last advert
    // is up to one interval old when the link goes. The two faults drew different phases of it.
    assert!(lab_ms >= 200.0 && ssh_ms >= 200.0, "{lab_ms} {ssh_ms}");
    assert!((lab_ms - ssh_ms).abs() < 500.0, "{lab_ms} {ssh_ms}");
    let address = &outages(&by_ssh, "address")[0];
    assert!(ms(address) >= 200.0, "the wire tells when the address moved: {address:#}");

    // The engineer's boxes are left as they were.
    assert!(!Standing::exec("alpha", "ip link show eth0").contains("state DOWN"));
    assert_eq!(Standing::exec("alpha", "ls /run/fivenines* 2>/dev/null || true"), "");
    drop(lab);
    nothing_is_left();
}

/// A node that is this machine: its recipes are tried on the kernel, in namespaces of their own.
const HERE: &str = r#"
name = "recipes"
question = "does every recipe bite, and does its heal undo it?"
window = "60s"
[cluster.external]
address = "10.9.0.10"
domain = "example.net"
services = { engine = { process = { name = "engine", start = "DIR/engine 600" } } }
[[cluster.external.node]]
name = "alpha"
address = "10.9.0.11"
local = true
[[cluster.external.node]]
name = "beta"
address = "10.9.0.12"
local = true
"#;

/// An interface with both addresses, a route through it, and a process to hit. Then for each fault: inject, datagrams that a
/// filter can swallow, look until it bites, heal, look again. `verify` must succeed before the heal and fail after it.
const BENCH: &str = r#"
mount -t tmpfs t /run && ip link set lo up && ip link add eth0 type veth peer name eth1 && ip link set eth1 up &&
ip addr add 10.9.0.11/24 dev eth0 && ip addr add 10.9.0.10/24 dev eth0 && ip link set eth0 up &&
ip neigh add 10.9.0.12 lladdr 02:00:00:00:00:12 dev eth0 && ip route add 10.8.0.0/16 via 10.9.0.12 || exit 90
cp /bin/sleep DIR/engine; DIR/engine 600 & trap 'pkill -x engine' EXIT
before=$(ip -o -4 addr show; ip route)
try() {
    sh -c "$2" || { echo "$1: inject failed"; exit 91; }
    bit=; for i in 1 2 3 4 5 6 7 8 9 10; do
        for n in 1 2 3 4 5 6 7 8 9 10; do echo x > /dev/udp/10.9.0.12/9; done 2>/dev/null
        sh -c "$3" && bit=1 && break; sleep 0.1
    done
    [ "$bit" ] || { echo "$1: never bit"; exit 92; }
    healed=; for i in 1 2 3 4 5 6 7 8 9 10; do
        sh -c "$4"; sleep 0.1; sh -c "$3" || { healed=1; break; }
    done
    [ "$healed" ] || { echo "$1: still in force after its heal"; exit 93; }
}
"#;

#[test]
#[ignore = "needs root: a network of its own; tests/run runs it"]
fn every_recipe_bites_a_real_kernel_and_its_heal_undoes_it() {
    let scratch = Scratch::new("recipes");
    let faults = [
        "black_hole = { target = \"alpha\", at = \"2s\" }",
        "one_way = { target = \"alpha\", dropped = \"from_node\", at = \"2s\" }",
        "split = { target = \"alpha\", at = \"2s\" }",
        "address_loss = { target = \"alpha\", at = \"2s\" }",
        "link_down = { target = \"alpha\", at = \"2s\" }",
        "engine_stop = { target = \"alpha\", at = \"2s\" }",
        "engine_kill = { target = \"alpha\", at = \"2s\" }",
        "engine_hang = { target = \"alpha\", at = \"2s\" }",
    ];
    let faults: String = faults.iter().map(|fault| format!("[[fault]]\n{fault}\n")).collect();
    let file = scratch.0.join("scenario.toml");
    let directory = scratch.0.display().to_string();
    std::fs::write(&file, HERE.replace("DIR", &directory) + &faults).unwrap();
    let planned = fivenines(&["plan", file.to_str().unwrap(), "--json"]);
    let plan: Value = serde_json::from_slice(&planned.stdout).unwrap();
    let mut bench = BENCH.replace("DIR", &directory);
    let quoted = |command: &Value| {
        let script = command.as_str().unwrap().strip_prefix("local: ").unwrap();
        format!("'{}'", script.replace('\'', "'\\''"))
    };
    for fault in plan["commands"].as_array().unwrap() {
        let of = &fault["commands"][0];
        let [inject, verify, heal] = ["inject", "verify", "heal"].map(|step| quoted(&of[step]));
        bench +=
            &format!("try {} {inject} {verify} {heal}\n", quoted(&Value::from(format!("local: {}", fault["what"]))));
    }
    bench += "[ \"$before\" = \"$(ip -o -4 addr show; ip route)\" ] || { echo 'not as before'; ip addr; ip route; exit 94; }\n\
              [ -z \"$(nft list ruleset)\" ] || { echo 'rules are left'; exit 95; }\n";
    let script = scratch.0.join("bench");
    std::fs::write(&script, bench).unwrap();
    let done = Command::new("unshare")
        .args(["--net", "--mount", "--pid", "--fork", "--mount-proc", "bash"])
        .arg(script)
        .output()
        .unwrap();
    let told = [done.stdout, done.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(done.status.success(), "{}: {told}", done.status);
}
