//! Commands of this machine: run to their end within a time, and told with what they said.

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::experiment::run::clock::Clock;
use crate::units::Span;

/// How often a command is looked at: its end is an instant of the history.
const LOOK_EVERY: Span = Span(500_000);
/// What a command says is evidence, but not all of it.
const LONGEST_WORDS: usize = 600;
/// What `ssh` exits with when it was not the command that failed but the way to it.
pub(super) const NO_WAY: i32 = 255;

/// A command line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    /// Program and arguments.
    pub(super) words: Vec<String>,
    /// What of it is a success.
    pub(super) expect: Expect,
    /// What people read instead, where the words are quoted beyond that: `ssh root@alpha: ip link set eth0 down`.
    pub(super) shown: Option<String>,
}

/// When a command has done what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Expect {
    /// It exits with 0.
    Zero,
    /// The same, or the node is gone before it can answer.
    ZeroOrSilence,
    /// The node does not answer.
    Silence,
}

/// What came of a command.
#[derive(Clone, Debug)]
pub(super) struct Said {
    line: String,
    /// None: it was ended because it took too long.
    pub(super) status: Option<ExitStatus>,
    took: Span,
    stdout: String,
    stderr: String,
}

impl Line {
    /// A command with its arguments.
    pub(super) fn of(words: &[&str]) -> Line {
        Line { words: words.iter().map(|word| (*word).to_owned()).collect(), expect: Expect::Zero, shown: None }
    }

    /// A script for this machine's shell.
    pub(super) fn here(script: &str) -> Line {
        Line::of(&["sh", "-c", script]).shown_as(format!("here: {script}"))
    }

    /// The same with other words for people.
    pub(super) fn shown_as(self, shown: String) -> Line {
        Line { shown: Some(shown), ..self }
    }

    /// The same with another idea of success.
    pub(super) fn expecting(self, expect: Expect) -> Line {
        Line { expect, ..self }
    }

    /// Runs it; after `patience` it and its process group are ended.
    ///
    /// # Errors
    /// The command, its exit and its words, where it did not do what it should.
    pub(super) fn run(&self, clock: Clock, patience: Span) -> Result<Said, String> {
        let said = self.try_run(clock, patience)?;
        let silent = said.status.is_none_or(|status| status.code() == Some(NO_WAY));
        let good = match self.expect {
            Expect::Zero => said.is_zero(),
            Expect::ZeroOrSilence => said.is_zero() || silent,
            Expect::Silence => silent,
        };
        if good { Ok(said) } else { Err(said.to_string()) }
    }

    /// Runs it, whatever comes of it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn try_run(&self, clock: Clock, patience: Span) -> Result<Said, String> {
        let told = |error: std::io::Error| format!("`{self}` cannot be run: {error}");
        // A pipe would stay open as long as anything that the command left behind; a file does not.
        let mut said = [scratch().map_err(told)?, scratch().map_err(told)?];
        let begun = clock.now();
        let mut child = self.spawn(&said).map_err(told)?;
        let status = wait(&mut child, clock, patience).map_err(told)?;
        let took = clock.now() - begun;
        let [stdout, stderr] = said.each_mut().map(words);
        Ok(Said { line: self.to_string(), status, took, stdout, stderr })
    }

    fn spawn(&self, said: &[File; 2]) -> std::io::Result<Child> {
        let (program, arguments) = self.words.split_first().ok_or_else(|| std::io::Error::other("no program"))?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(said[0].try_clone()?).stderr(said[1].try_clone()?);
        // Ctrl-C at the terminal is for the tool: what it has begun must not be cut off in the middle.
        command.process_group(0).spawn()
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(shown) = &self.shown {
            return f.write_str(shown);
        }
        // Only a NUL cannot be quoted, and no such word can be run.
        f.write_str(&shlex::try_join(self.words.iter().map(String::as_str)).unwrap_or_default())
    }
}

impl Said {
    /// Whether it exited with 0.
    pub(super) fn is_zero(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// What it exited with.
    pub(super) fn code(&self) -> Option<i32> {
        self.status.and_then(|status| status.code())
    }

    /// How long it took.
    pub(super) fn took(&self) -> Span {
        self.took
    }
}

impl fmt::Display for Said {
    /// `` `virsh destroy alpha` exited with 0 after 12 ms; it said: Domain 'alpha' destroyed``
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = match self.status {
            None => "was ended".to_owned(),
            Some(status) => match status.code() {
                Some(code) => format!("exited with {code}"),
                None => format!("was ended by signal {}", status.signal().unwrap_or_default()),
            },
        };
        write!(f, "`{}` {end} after {}", self.line, self.took)?;
        if !self.stdout.is_empty() {
            write!(f, "; it said: {}", self.stdout)?;
        }
        if !self.stderr.is_empty() {
            write!(f, "; it complained: {}", self.stderr)?;
        }
        Ok(())
    }
}

fn scratch() -> std::io::Result<File> {
    Ok(memfd_create("said", MFdFlags::MFD_CLOEXEC)?.into())
}

fn words(file: &mut File) -> String {
    let mut bytes = Vec::new();
    let _unreadable = file.rewind().and_then(|()| file.take(LONGEST_WORDS as u64).read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).trim().replace('\n', "; ")
}

fn wait(child: &mut Child, clock: Clock, patience: Span) -> std::io::Result<Option<ExitStatus>> {
    let deadline = clock.now() + patience;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if clock.now() >= deadline {
            match killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(errno) => return Err(errno.into()),
            }
            child.wait()?;
            return Ok(None);
        }
        clock.sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str, patience: Span) -> Result<Said, String> {
        Line::here(script).run(Clock::start(), patience)
    }

    #[test]
    fn what_failed_is_told_with_its_exit_and_its_words() {
        let told = run("echo seen; echo 'no such unit' >&2; exit 5", Span::from_secs(5)).unwrap_err();
        assert!(told.starts_with("`here: echo seen; echo "), "{told}");
        assert!(told.contains("exited with 5") && told.contains("said: seen"), "{told}");
        assert!(told.ends_with("complained: no such unit"), "{told}");
        let missing = Line::of(&["no-such-program"]).run(Clock::start(), Span::from_secs(1)).unwrap_err();
        assert!(missing.contains("`no-such-program` cannot be run"), "{missing}");
    }

    #[test]
    fn a_command_that_takes_too_long_is_ended_with_its_children() {
        let told = run("sleep 600 & echo $!; wait", Span::from_millis(200)).unwrap_err();
        let pid: u32 = told.rsplit("said: ").next().unwrap().parse().unwrap();
        assert!(told.contains("was ended after"), "{told}");
        // A killed process may be a moment in dying on a busy machine; this one would live ten minutes.
        let (clock, stat) = (Clock::start(), format!("/proc/{pid}/stat"));
        let lives = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
        while lives() {
            assert!(clock.now() < crate::units::RunTime::from_millis(20_000), "the child lives");
            clock.sleep(Span::from_millis(5));
        }
    }

    #[test]
    fn what_is_left_in_the_background_is_not_waited_for() {
        let said = run("sleep 5 & echo done", Span::from_secs(4)).unwrap();
        assert!(said.took() < Span::from_secs(3), "{said}");
    }

    #[test]
    fn silence_is_a_success_only_where_it_is_expected() {
        let clock = Clock::start();
        let silent = Line::here("exit 255");
        assert!(silent.run(clock, Span::from_secs(1)).is_err());
        assert!(silent.clone().expecting(Expect::ZeroOrSilence).run(clock, Span::from_secs(1)).is_ok());
        assert!(silent.expecting(Expect::Silence).run(clock, Span::from_secs(1)).is_ok());
        assert!(Line::here("exit 1").expecting(Expect::ZeroOrSilence).run(clock, Span::from_secs(1)).is_err());
        assert!(Line::here("true").expecting(Expect::Silence).run(clock, Span::from_secs(1)).is_err());
    }
}
