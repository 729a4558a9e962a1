//! The command line program; everything is in the library.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use fivenines::cli::lab::{self, LabArgs};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Real servers in namespaces of this machine, by hand (root)
    Lab(LabArgs),
    /// PID 1 of a lab node
    #[command(hide = true)]
    LabInit { arguments: Vec<String> },
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Lab(args) => lab::run(&args),
        Command::LabInit { arguments } => fivenines::experiment::cluster::lab::init::main(&arguments),
    }
}
