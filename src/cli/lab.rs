//! `fivenines lab`: the lab by hand.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::experiment::cluster::lab::Lab;
use crate::experiment::cluster::{Cluster, ClusterError};
use crate::scenario::LAB_PROFILES;
use crate::units::Span;

/// Arguments of `fivenines lab`.
#[derive(Clone, Debug, Args)]
pub struct LabArgs {
    #[command(subcommand)]
    command: LabCommand,
}

/// What to do with the lab.
#[derive(Clone, Debug, Subcommand)]
enum LabCommand {
    /// Put up three nodes with a floating address, and leave them standing
    Up(UpArgs),
    /// Make the root file system (or disk) that a profile needs, once; `up` and `run` do it by themselves
    Build(BuildArgs),
    /// Say what runs and who holds the floating address
    Status,
    /// Run a command inside a node
    Exec(ExecArgs),
    /// End everything and remove every trace
    Down,
}

/// Arguments of `lab build`.
#[derive(Clone, Debug, Args)]
struct BuildArgs {
    /// Which servers
    #[arg(value_name = "PROFILE", value_parser = LAB_PROFILES)]
    profile: String,
    /// The disk of nodes that are machines of their own, instead
    #[arg(long)]
    vm: bool,
}

/// Arguments of `lab up`.
#[derive(Clone, Debug, Args)]
struct UpArgs {
    /// Which servers run on a node
    #[arg(long, value_name = "PROFILE", default_value = LAB_PROFILES[0], value_parser = LAB_PROFILES)]
    profile: String,
    /// Let media relays share their calls through redis (default)
    #[arg(long, overrides_with = "no_redis")]
    redis: bool,
    /// Without redis: media of standing calls does not survive
    #[arg(long)]
    no_redis: bool,
    /// keepalived's advertisement interval, 100ms where nothing is said; an address moves after about three of them
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    advert: Option<Span>,
    /// A timer of the engine, as [cluster.lab.engine] has it: token=1s, deadtime=2s
    #[arg(long = "timer", value_name = "NAME=DURATION", value_parser = timer)]
    timers: Vec<(String, Span)>,
    /// Nodes that are machines of their own (QEMU guests): alpha,beta
    #[arg(long, value_name = "NODE", value_delimiter = ',', value_parser = ["alpha", "beta", "charlie"])]
    vm: Vec<String>,
    /// Accounts; each one's password is `secret-` and the name
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "1001,1002")]
    users: Vec<String>,
}

/// Arguments of `lab exec`.
#[derive(Clone, Debug, Args)]
struct ExecArgs {
    /// Node name
    node: String,
    /// Command and its arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Runs `fivenines lab …`.
#[must_use]
pub fn run(args: &LabArgs) -> ExitCode {
    let done = match &args.command {
        LabCommand::Up(args) => up(args),
        LabCommand::Build(args) => build(args),
        LabCommand::Status => status(),
        LabCommand::Exec(args) => exec(args),
        LabCommand::Down => down(),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(3)
    })
}

fn up(args: &UpArgs) -> Result<ExitCode, ClusterError> {
    let advert = args.advert.map(|advert| ("advert_interval".to_owned(), advert));
    let timers: Vec<_> = args.timers.iter().cloned().chain(advert).collect();
    let mut lab = Lab::by_hand(&args.profile, &timers, !args.no_redis)?.with_machines(&args.vm);
    lab.ready()?;
    lab.prepare(&mut |step| eprintln!("{step}"))?;
    let interrupts = Interrupts::hold().map_err(|error| failed("hold signals", &error))?;
    lab.up(&args.users)?;
    let endpoints = lab.endpoints();
    let text = format!(
        "{}sip {} (UDP, TCP)  xmpp {}  domain {}\nusers {}; password: {} and the name\n\
         clients stand in a namespace: ip netns exec fn-clients COMMAND\n",
        describe(&mut lab)?,
        endpoints.sip,
        endpoints.xmpp,
        endpoints.domain,
        args.users.join(" "),
        endpoints.passwords.of("")
    );
    if interrupts.came() {
        eprintln!("interrupted: taking the lab down");
        return Ok(ExitCode::from(130));
    }
    lab.leave_standing()?;
    print(&text);
    Ok(ExitCode::SUCCESS)
}

fn build(args: &BuildArgs) -> Result<ExitCode, ClusterError> {
    let machines: &[String] = if args.vm { &["alpha", "beta", "charlie"].map(String::from) } else { &[] };
    let mut lab = Lab::by_hand(&args.profile, &[], true)?.with_machines(machines);
    lab.ready()?;
    lab.prepare(&mut |step| eprintln!("{step}"))?;
    let used = if args.vm { lab.image() } else { lab.root() };
    print(&format!("{}: nodes use {}\n", args.profile, used.display()));
    Ok(ExitCode::SUCCESS)
}

fn status() -> Result<ExitCode, ClusterError> {
    let Some(mut lab) = Lab::standing()? else {
        print("no lab is standing\n");
        return Ok(ExitCode::from(3));
    };
    print(&describe(&mut lab)?);
    Ok(ExitCode::SUCCESS)
}

fn describe(lab: &mut Lab) -> Result<String, ClusterError> {
    let owners = lab.owners()?;
    let mut text = format!("{}\n", lab.describe());
    for node in lab.nodes() {
        let owns = if owners.contains(&node) { "  holds the floating address" } else { "" };
        text.push_str(&format!("{node:<15} {}{owns}\n", lab.state(&node)));
    }
    let answering = lab.answering().unwrap_or_else(|| "no answer".into());
    text.push_str(&format!("SIP at the floating address: {answering}\n"));
    Ok(text)
}

/// Ctrl-C and SIGTERM, held back while namespaces are being made: they are looked at when the lab can be
/// taken down in order.
struct Interrupts(SignalFd);

impl Interrupts {
    fn hold() -> nix::Result<Interrupts> {
        let mut signals = SigSet::empty();
        [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().for_each(|signal| signals.add(signal));
        signals.thread_block()?;
        SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).map(Interrupts)
    }

    fn came(&self) -> bool {
        matches!(self.0.read_signal(), Ok(Some(_)))
    }
}

/// Prints; a reader that closed the pipe is not an error of the lab.
fn print(text: &str) {
    let _closed = std::io::stdout().write_all(text.as_bytes());
}

fn failed(action: &str, error: &impl ToString) -> ClusterError {
    ClusterError::Failed { action: action.to_owned(), node: "lab".to_owned(), reason: error.to_string() }
}

/// Becomes the command, so that its exit status and its terminal are the user's.
fn exec(args: &ExecArgs) -> Result<ExitCode, ClusterError> {
    let Some(lab) = Lab::standing()? else {
        print("no lab is standing\n");
        return Ok(ExitCode::from(3));
    };
    if let Some(done) = lab.exec_in_machine(&args.node, &args.command) {
        let (code, output) = done?;
        print(&format!("{}\n", output.trim_end()));
        return Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)));
    }
    let error = lab.exec(&args.node, &args.command)?.exec();
    Err(failed("exec", &error))
}

fn down() -> Result<ExitCode, ClusterError> {
    let found = Lab::remove_standing()?;
    print(if found { "the lab is down, nothing of it is left\n" } else { "no lab was standing\n" });
    Ok(ExitCode::SUCCESS)
}

fn timer(text: &str) -> Result<(String, Span), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=DURATION, for example token=1s")?;
    duration(value).map(|value| (name.to_owned(), value))
}

fn duration(text: &str) -> Result<Span, String> {
    humantime::parse_duration(text).map(Span::from).map_err(|error| format!("{error}; write it as 100ms or 1s"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        lab: LabArgs,
    }

    fn parsed(line: &[&str]) -> Result<LabCommand, clap::Error> {
        Line::try_parse_from([&["lab"], line].concat()).map(|line| line.lab.command)
    }

    #[test]
    fn up_reads_the_interval_and_the_variant() {
        let Ok(LabCommand::Up(args)) = parsed(&["up", "--no-redis", "--advert", "250ms"]) else { panic!("not up") };
        assert_eq!((args.no_redis, args.advert), (true, Some(Span::from_millis(250))));
        let Ok(LabCommand::Up(args)) = parsed(&["up"]) else { panic!("not up") };
        assert_eq!((args.no_redis, args.advert, args.users.len()), (false, None, 2));
        let Ok(LabCommand::Up(args)) = parsed(&["up", "--timer", "token=1s", "--timer", "join=80ms"]) else {
            panic!("not up")
        };
        assert_eq!(args.timers[1], ("join".to_owned(), Span::from_millis(80)));
        assert!(parsed(&["up", "--timer", "token"]).is_err());
        assert!(parsed(&["up", "--advert", "fast"]).is_err());
    }

    #[test]
    fn exec_wants_a_command_behind_two_dashes() {
        let Ok(LabCommand::Exec(args)) = parsed(&["exec", "alpha", "--", "ip", "-br", "addr"]) else {
            panic!("not exec")
        };
        assert_eq!((args.node.as_str(), args.command.len()), ("alpha", 3));
        assert!(parsed(&["exec", "alpha"]).is_err());
    }
}
