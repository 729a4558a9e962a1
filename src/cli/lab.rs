//! `fivenines lab`: the lab by hand.

use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::experiment::cluster::lab::Lab;
use crate::experiment::cluster::{Cluster, ClusterError};
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
    /// Say what runs and who holds the floating address
    Status,
    /// Run a command inside a node
    Exec(ExecArgs),
    /// End everything and remove every trace
    Down,
}

/// Arguments of `lab up`.
#[derive(Clone, Debug, Args)]
struct UpArgs {
    /// Let media relays share their calls through redis (default)
    #[arg(long, overrides_with = "no_redis")]
    redis: bool,
    /// Without redis: media of standing calls does not survive
    #[arg(long)]
    no_redis: bool,
    /// VRRP advertisement interval; an address moves after about three of them
    #[arg(long, value_name = "DURATION", default_value = "100ms", value_parser = advert)]
    advert: Span,
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
    let mut lab = Lab::by_hand(args.advert, !args.no_redis)?;
    lab.up(&args.users)?;
    println!("{}", lab.describe());
    print_nodes(&mut lab)?;
    let endpoints = lab.endpoints();
    println!("sip {} (UDP, TCP)  xmpp {}  domain {}", endpoints.sip, endpoints.xmpp, endpoints.domain);
    println!("users {}; password: {} and the name", args.users.join(" "), endpoints.password_prefix);
    println!("clients stand in the namespace: ip netns exec fn-clients COMMAND");
    lab.leave_standing()?;
    Ok(ExitCode::SUCCESS)
}

fn status() -> Result<ExitCode, ClusterError> {
    let Some(mut lab) = Lab::standing()? else {
        println!("no lab is standing");
        return Ok(ExitCode::from(3));
    };
    println!("{}", lab.describe());
    print_nodes(&mut lab)?;
    Ok(ExitCode::SUCCESS)
}

fn print_nodes(lab: &mut Lab) -> Result<(), ClusterError> {
    let owners = lab.owners()?;
    for node in lab.nodes() {
        let owns = if owners.contains(&node) { "  holds the floating address" } else { "" };
        match lab.pid1(&node) {
            Some(pid1) => println!("{node:<10} on, PID 1 is {pid1}{owns}"),
            None => println!("{node:<10} off"),
        }
    }
    println!("SIP at the floating address: {}", lab.answering().unwrap_or_else(|| "no answer".into()));
    Ok(())
}

/// Becomes the command, so that its exit status and its terminal are the user's.
fn exec(args: &ExecArgs) -> Result<ExitCode, ClusterError> {
    let Some(lab) = Lab::standing()? else {
        println!("no lab is standing");
        return Ok(ExitCode::from(3));
    };
    let error = lab.exec(&args.node, &args.command)?.exec();
    Err(ClusterError::Failed { action: "exec".into(), node: args.node.clone(), reason: error.to_string() })
}

fn down() -> Result<ExitCode, ClusterError> {
    let found = Lab::remove_standing()?;
    println!("{}", if found { "the lab is down, nothing of it is left" } else { "no lab was standing" });
    Ok(ExitCode::SUCCESS)
}

fn advert(text: &str) -> Result<Span, String> {
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
        assert_eq!((args.no_redis, args.advert), (true, Span::from_millis(250)));
        let Ok(LabCommand::Up(args)) = parsed(&["up"]) else { panic!("not up") };
        assert_eq!((args.no_redis, args.advert, args.users.len()), (false, Span::from_millis(100), 2));
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
