//! An external cluster, driven by commands: the test keeps a reference cluster up, whose takeover is planted, and the
//! program knows nothing of it but an address and commands that ask the test through two named pipes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

use fivenines::experiment::cluster::reference::Reference;
use fivenines::experiment::cluster::{Action, Cluster};
use fivenines::scenario::{self, Scenario};
use nix::sys::stat::Mode;
use serde_json::Value;

const SCENARIO: &str = r#"
name = "own"
question = "does an external cluster that is broken by commands measure what was planted?"
window = "9s"
[cluster.external]
i_own_this_cluster = true
address = "127.0.NET.10"
domain = "fivenines.test"
ca = "DIR/ca.pem"
owner = { command = "echo owner $FIVENINES_NODE > DIR/ask; [ $(cat DIR/answer) = yes ]" }
accounts = { phones = ["1001..1008"], chatters = ["alice", "bob"], password = "secret-{user}" }
[[cluster.external.node]]
name = "alpha"
address = "127.0.NET.11"
local = true
[[cluster.external.node]]
name = "beta"
address = "127.0.NET.12"
local = true
[cluster.external.hooks.power_off]
inject = "echo inject $FIVENINES_NODE > DIR/ask; cat DIR/answer"
verify = "echo verify $FIVENINES_NODE > DIR/ask; cat DIR/answer | grep state"
heal = "echo heal $FIVENINES_NODE > DIR/ask; cat DIR/answer"
[traffic.standing_calls]
count = 4
[traffic.options]
interval = "10ms"
[traffic.chat]
pairs = 1
messages_per_s = 4
ping_interval = "300ms"
[[fault]]
power_off = { target = "vip-owner", at = "3s" }
"#;

/// The same cluster as the reference cluster itself is told of.
const REFERENCE: &str = r#"
name = "truth"
question = "what was planted?"
window = "9s"
[cluster.reference]
nodes = ["alpha", "beta"]
address = "127.0.NET.10"
takeover = ["1s"]
"#;

/// Stand-ins for docker and virsh: no daemon is here. They note their arguments, do what those mean to the test's cluster,
/// and refuse anything else; so what is proved is which commands are run and what is made of their answers.
const DOCKER: &str = r#"#!/bin/sh
echo "docker $1 $2 $3" >> DIR/calls
ask() { echo "$1 alpha" > DIR/ask; cat DIR/answer; }
case "$*" in
    "kill pbx") ask inject ;;
    "start pbx") ask heal ;;
    "inspect -f {{.State.Running}} pbx") case $(ask verify) in *"state Z"*) echo false ;; *) echo true ;; esac ;;
    "exec pbx sh -c "*) shift 2; exec "$@" ;;
    *) echo "fake docker: unknown: $*" >&2; exit 64 ;;
esac
"#;
const VIRSH: &str = r#"#!/bin/sh
echo "virsh $*" >> DIR/calls
ask() { echo "$1 beta" > DIR/ask; cat DIR/answer; }
case "$*" in
    "-c test:///own destroy guest") ask inject; touch DIR/off ;;
    "-c test:///own start guest") ask heal; rm DIR/off ;;
    "-c test:///own domstate guest") if [ -e DIR/off ]; then echo "shut off"; else echo running; fi; echo ;;
    *) echo "fake virsh: unknown: $*" >&2; exit 64 ;;
esac
"#;

/// A cluster kept up by a thread of the test, and a directory with the pipes to it.
struct World {
    directory: PathBuf,
    net: u8,
    asked: Receiver<String>,
    thread: Option<JoinHandle<()>>,
}

impl World {
    fn new(name: &str, net: u8) -> World {
        let directory = std::env::temp_dir().join(format!("fivenines-external-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        for pipe in ["ask", "answer"] {
            nix::unistd::mkfifo(&directory.join(pipe), Mode::S_IRWXU).unwrap();
        }
        let text = REFERENCE.replace("NET", &net.to_string());
        let scenario::Cluster::Reference(config) = Scenario::parse("truth.toml", &text).unwrap().cluster else {
            panic!("no reference cluster")
        };
        let mut cluster = Reference::new(&config, env!("CARGO_BIN_EXE_fivenines").into(), 16).unwrap();
        let mut users: Vec<String> = (1001..=1008).map(|user| user.to_string()).collect();
        users.extend(["alice".to_owned(), "bob".to_owned()]);
        cluster.up(&users).unwrap();
        fs::write(directory.join("ca.pem"), cluster.endpoints().ca_pem).unwrap();
        let (tell, asked) = channel();
        let place = directory.clone();
        let thread = std::thread::spawn(move || {
            loop {
                let question = fs::read_to_string(place.join("ask")).unwrap();
                let question = question.trim();
                if question == "stop" {
                    return cluster.down();
                }
                // What a command asks twice at the same time would be torn; none does.
                let answer = answer(&mut cluster, question);
                tell.send(question.to_owned()).unwrap();
                fs::write(place.join("answer"), answer + "\n").unwrap();
            }
        });
        World { directory, net, asked, thread: Some(thread) }
    }

    fn scenario(&self, change: impl Fn(String) -> String) -> PathBuf {
        let text = SCENARIO.replace("NET", &self.net.to_string()).replace("DIR", text(&self.directory));
        let path = self.directory.join("scenario.toml");
        fs::write(&path, change(text)).unwrap();
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fivenines"));
        let path = format!("{}:{}", self.directory.display(), std::env::var("PATH").unwrap_or_default());
        command.args(arguments).env("XDG_STATE_HOME", self.directory.join("state")).env("PATH", path);
        command
    }

    fn fivenines(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.directory.join(name);
        fs::write(&path, script.replace("DIR", text(&self.directory))).unwrap();
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }

    fn journal(&self) -> PathBuf {
        self.directory.join(format!("state/fivenines/external-127.0.{}.10.json", self.net))
    }

    /// What the commands have asked so far, but for the owner.
    fn breaking(&self) -> Vec<String> {
        self.asked.try_iter().filter(|asked| !asked.starts_with("owner")).collect()
    }

    fn wait_for(&self, wanted: &str) {
        let patience = std::time::Duration::from_secs(60);
        while self.asked.recv_timeout(patience).expect("the run comes so far") != wanted {}
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            if !thread.is_finished() {
                let _stopped = fs::write(self.directory.join("ask"), "stop\n");
            }
            let _panicked = thread.join();
        }
        let _gone = fs::remove_dir_all(&self.directory);
    }
}

fn answer(cluster: &mut Reference, question: &str) -> String {
    let (verb, node) = question.split_once(' ').unwrap_or_default();
    match verb {
        "owner" => (if cluster.owners().unwrap() == [node] { "yes" } else { "no" }).to_owned(),
        "inject" => cluster.inject(node, Action::PowerOff).unwrap(),
        "verify" => cluster.verify(node, Action::PowerOff).unwrap(),
        "heal" => cluster.heal(node, Action::PowerOff).map(|()| "booted".to_owned()).unwrap(),
        _ => format!("`{question}` is no question"),
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn commands_break_an_external_cluster_and_the_planted_outage_is_measured() {
    let world = World::new("planted", 91);
    let (scenario, out) = (world.scenario(|text| text), world.directory.join("run"));
    let done = world.fivenines(&["run", text(&scenario), "--out", text(&out), "--json"]);
    assert_eq!(done.status.code(), Some(0), "{}", complaint(&done));
    // On a busy machine a trial may be void and repeated; then it hits whoever holds the address by then.
    let asked = world.breaking();
    let expected = ["alpha", "beta"].map(|node| ["inject", "verify", "heal"].map(|verb| format!("{verb} {node}")));
    asked.chunks(3).zip(expected.iter().cycle()).for_each(|(asked, expected)| assert_eq!(asked, expected));
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(report["run"]["cluster"], "external: alpha (local), beta (local) behind 127.0.91.10");
    let caveats = report["caveats"].to_string();
    assert!(caveats.contains("nothing was captured at its servers"), "{caveats}");

    // The planted second runs from the kill to the hand-over; the probe asks every 10 ms.
    let trial = report["trials"].as_array().unwrap().len();
    assert!(!asked.is_empty());
    let outages = report["trials"][trial - 1]["measured"]["outages"].as_array().unwrap();
    let answer = outages.iter().find(|outage| outage["service"] == "sip_answer").unwrap();
    let ms = answer["duration_ms"].as_f64().unwrap();
    assert!((990.0..1500.0).contains(&ms), "{answer}");

    // The command, its exit and its words are evidence, between the two instants of the history.
    let history = fs::read_to_string(out.join(format!("trials/{trial:03}/history.jsonl"))).unwrap();
    let steps: Vec<Value> = history.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let step = |name: &str| steps.iter().find(|event| event["event"] == "fault" && event["step"] == name).unwrap();
    let ended = step("command_end");
    assert!(ended["detail"].as_str().unwrap().contains("exited with 0 after"), "{ended}");
    assert!(ended["detail"].as_str().unwrap().contains("it said: SIGKILL to process"), "{ended}");
    assert!(step("command_start")["t_ns"].as_i64() < ended["t_ns"].as_i64());
    assert!(step("verified")["detail"].as_str().unwrap().contains("is in state Z"));
    assert!(!world.journal().exists(), "nothing is broken any more");
}

#[test]
fn what_a_killed_run_left_broken_is_healed_by_the_next() {
    let world = World::new("killed", 92);
    let scenario = world.scenario(|text| text);
    let mut child: Child = world
        .command(&["run", text(&scenario), "--out", text(&world.directory.join("killed"))])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    world.wait_for("verify alpha");
    // The answer is on its way: the command's end comes next, and the fault stays open until the end of the window.
    std::thread::yield_now();
    child.kill().unwrap();
    child.wait().unwrap();
    let journal = fs::read_to_string(world.journal()).unwrap();
    assert!(journal.contains("power_off") && journal.contains("heal $FIVENINES_NODE"), "{journal}");
    let told = world.fivenines(&["doctor", text(&scenario)]);
    assert_eq!(told.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&told.stdout).contains("in force: power_off of alpha"));

    world.breaking();
    let out = world.directory.join("next");
    let done = world.fivenines(&["run", text(&scenario), "--out", text(&out)]);
    assert_eq!(done.status.code(), Some(0), "{}", complaint(&done));
    assert!(complaint(&done).contains("power_off of alpha was in force: healing it"), "{}", complaint(&done));
    // beta owns the address since. A trial that was void on a busy machine is followed by another one.
    assert_eq!(world.breaking()[..4], ["heal alpha", "inject beta", "verify beta", "heal beta"]);
    assert!(!world.journal().exists());
}

#[test]
fn a_failing_hook_ends_the_run_with_its_command_and_is_healed() {
    let world = World::new("failing", 93);
    let failing = |text: String| {
        text.lines()
            .map(|line| if line.starts_with("inject") { "inject = \"echo no PDU >&2; exit 7\"" } else { line })
            .collect::<Vec<_>>()
            .join("\n")
    };
    let (scenario, out) = (world.scenario(failing), world.directory.join("run"));
    let done = world.fivenines(&["run", text(&scenario), "--out", text(&out)]);
    let told = complaint(&done);
    assert_eq!(done.status.code(), Some(3), "{told}");
    assert!(
        told.contains("exited with 7") && told.contains("complained: no PDU") && told.contains("remedy: "),
        "{told}"
    );
    assert_eq!(world.breaking(), ["heal alpha"]);
}

#[test]
fn nothing_is_sent_without_the_owners_word_and_a_plan_shows_what_would_be_run() {
    let world = World::new("consent", 94);
    let without = |text: String| text.replace("i_own_this_cluster = true", "");
    let (scenario, out) = (world.scenario(without), world.directory.join("run"));
    let done = world.fivenines(&["run", text(&scenario), "--out", text(&out)]);
    assert_eq!(done.status.code(), Some(3));
    assert!(complaint(&done).contains("i_own_this_cluster = true"), "{}", complaint(&done));
    assert!(!out.exists());
    let plan = world.fivenines(&["plan", text(&scenario)]);
    let plan = String::from_utf8_lossy(&plan.stdout).into_owned();
    assert!(plan.contains("if it hits beta:") && plan.contains("inject  here: export FIVENINES_NODE=beta"), "{plan}");
    assert!(plan.contains("`run` will refuse"), "{plan}");
    assert!(world.breaking().is_empty());
    let doctor = world.fivenines(&["doctor", text(&scenario), "--json"]);
    let findings: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let found = |what: &str| {
        let all = findings["findings"].as_array().unwrap();
        all.iter().find(|finding| finding["what"] == what).unwrap_or_else(|| panic!("{what}: {findings:#}")).clone()
    };
    assert_eq!(found("consent")["ok"], false);
    assert_eq!(found("alpha: owner")["told"], "holds the floating address");
    assert_eq!(found("route")["told"], "phones bind 127.0.0.1");
    assert_eq!(found("SIP 127.0.94.10:5060")["told"], "SIP/2.0 200 OK");
    assert!(world.breaking().is_empty(), "a doctor only asks");
}

#[test]
fn a_container_and_a_guest_are_switched_off_and_on_by_docker_and_virsh() {
    let world = World::new("power", 95);
    world.program("docker", DOCKER);
    world.program("virsh", VIRSH);
    let by_power = |text: String| {
        let (head, _) = text.split_once("[cluster.external.hooks.power_off]").unwrap();
        let (_, traffic) = text.split_once("[traffic.standing_calls]").unwrap();
        let head = head.replacen("local = true", "docker = \"pbx\"", 1);
        let head = head.replacen("local = true", "virsh = \"guest\"\nconnect = \"test:///own\"", 1);
        let traffic = traffic.replace("at = \"3s\"", "at = \"3s\", heal_at = \"6s\"");
        let again = "[[fault]]\npower_off = { target = \"vip-owner\", at = \"8s\" }\n";
        format!("{head}[traffic.standing_calls]{traffic}{again}").replace("window = \"9s\"", "window = \"13s\"")
    };
    let (scenario, out) = (world.scenario(by_power), world.directory.join("run"));
    let done = world.fivenines(&["run", text(&scenario), "--out", text(&out), "--json"]);
    assert_eq!(done.status.code(), Some(0), "{}", complaint(&done));
    let asked = ["inject alpha", "verify alpha", "heal alpha", "inject beta", "heal beta"];
    // A void trial is repeated, and each ends with alpha as the owner again.
    let broken = world.breaking();
    broken.chunks(asked.len()).for_each(|trial| assert_eq!(trial, asked));
    let trials = broken.len() / asked.len();
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    let last = report["trials"].as_array().unwrap().last().unwrap();
    for fault in last["measured"]["faults"].as_array().unwrap() {
        assert_eq!(fault["verified"], true, "{fault:#}");
    }
    let calls = fs::read_to_string(world.directory.join("calls")).unwrap();
    for call in [
        "docker kill pbx",
        "docker start pbx",
        "virsh -c test:///own destroy guest",
        "virsh -c test:///own start guest",
    ] {
        assert_eq!(calls.lines().filter(|line| line.trim() == call).count(), trials, "{call}: {calls}");
    }
}
