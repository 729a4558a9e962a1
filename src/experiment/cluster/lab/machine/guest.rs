//! Words with the agent inside a machine: over a virtio port, so that no fault of the network touches them, and none
//! of them is seen on the network.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nix::fcntl::{Flock, FlockArg};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::experiment::run::clock::Clock;
use crate::units::Span;

/// Tells our questions from those of an earlier process.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// The way to one agent.
#[derive(Debug)]
pub(super) struct Guest {
    directory: PathBuf,
    clock: Clock,
    /// The boot that was greeted last, as its kernel names it.
    boot: RefCell<String>,
}

/// What a command in the machine did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Answer {
    /// Exit code.
    pub(in super::super) code: i32,
    /// What it printed, both streams.
    pub(in super::super) output: String,
}

impl Guest {
    /// The agent whose pipes are in `directory`.
    pub(super) fn at(directory: PathBuf, clock: Clock) -> Guest {
        Guest { directory, clock, boot: RefCell::new(String::new()) }
    }

    /// Makes the pipes. QEMU opens both ends of each, so that the port looks plugged in all the time.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub(super) fn make_pipes(directory: &Path) -> Result<(), String> {
        ["agent.in", "agent.out"].into_iter().try_for_each(|name| {
            let path = directory.join(name);
            let mode = Mode::S_IRUSR | Mode::S_IWUSR;
            mkfifo(&path, mode).map_err(|errno| format!("{}: {errno}", path.display()))
        })
    }

    /// Waits until the agent answers. What is asked afterwards is asked of this boot alone.
    ///
    /// # Errors
    /// When no answer comes in time.
    pub(super) fn greet(&self, patience: Span) -> Result<(), String> {
        let boot = self.exchange("cat /proc/sys/kernel/random/boot_id", patience)?;
        self.boot.replace(boot.output.trim().to_owned());
        Ok(())
    }

    /// Runs a command and returns what it printed, if it succeeded.
    ///
    /// # Errors
    /// When no answer comes in time, or the command's own words.
    pub(super) fn run(&self, line: &str, patience: Span) -> Result<String, String> {
        let answer = self.ask(line, patience)?;
        if answer.code == 0 {
            return Ok(answer.output);
        }
        Err(format!("{line}: {} (exit code {})", answer.output.trim().replace('\n', "; "), answer.code))
    }

    /// Runs a command.
    ///
    /// # Errors
    /// When no answer comes in time.
    pub(super) fn ask(&self, line: &str, patience: Span) -> Result<Answer, String> {
        if self.boot.borrow().is_empty() {
            self.greet(patience)?;
        }
        self.exchange(&self.of_this_boot(line), patience)
    }

    /// What a machine that is down was asked waits in the pipe, and must not be done when it is up again.
    fn of_this_boot(&self, line: &str) -> String {
        format!("read boot </proc/sys/kernel/random/boot_id; [ $boot = {} ] || exit 99; {line}", self.boot.borrow())
    }

    fn exchange(&self, line: &str, patience: Span) -> Result<Answer, String> {
        let _alone = self.lock()?;
        let id = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut answers = self.open("agent.out", true)?;
        drain(&mut answers);
        self.write(&id, line)?;
        let answer = self.wait(&mut answers, &id, patience);
        answer.ok_or_else(|| format!("{line}: no answer from the machine within {patience}"))
    }

    /// Tells the agent to do something that leaves nobody to answer.
    ///
    /// # Errors
    /// When the pipe does not take it.
    pub(super) fn tell(&self, line: &str) -> Result<(), String> {
        let _alone = self.lock()?;
        self.write("0", &self.of_this_boot(line))
    }

    fn write(&self, id: &str, line: &str) -> Result<(), String> {
        let mut questions = self.open("agent.in", false)?;
        questions.write_all(format!("{id} {line}\n").as_bytes()).map_err(|error| format!("{line}: {error}"))
    }

    fn wait(&self, answers: &mut File, id: &str, patience: Span) -> Option<Answer> {
        let deadline = self.clock.now() + patience;
        let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            match answers.read(&mut buffer) {
                // Nobody holds the other end: the machine is off.
                Ok(0) => return None,
                Ok(length) => text.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() != ErrorKind::WouldBlock => return None,
                Err(_) => {}
            }
            if let Some(answer) = find(&text, id) {
                return Some(answer);
            }
            let left = (deadline - self.clock.now()).as_nanos() / 1_000_000;
            let left = u16::try_from(left).unwrap_or(u16::MAX);
            if left == 0 || self.clock.now() >= deadline {
                return None;
            }
            let _interrupted = poll(&mut [PollFd::new(answers.as_fd(), PollFlags::POLLIN)], PollTimeout::from(left));
        }
    }

    fn open(&self, name: &str, read: bool) -> Result<File, String> {
        let path = self.directory.join(name);
        let opened = OpenOptions::new().read(read).write(!read).custom_flags(libc::O_NONBLOCK).open(&path);
        opened.map_err(|error| format!("{}: {error}", path.display()))
    }

    /// One question at a time, over all processes that use the lab.
    fn lock(&self) -> Result<Flock<File>, String> {
        let path = self.directory.join("agent.lock");
        let file = File::create(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| format!("{}: {errno}", path.display()))
    }
}

/// Takes what is left of former answers.
fn drain(pipe: &mut File) {
    let mut buffer = [0; 4096];
    while pipe.read(&mut buffer).is_ok_and(|length| length > 0) {}
}

/// The answer with that number, once its line is whole.
fn find(text: &[u8], id: &str) -> Option<Answer> {
    let text = String::from_utf8_lossy(text);
    let whole = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    whole.filter_map(|line| line.split_once(' ')).find(|(of, _)| *of == id).and_then(|(_, rest)| {
        let (code, output) = rest.split_once(' ').unwrap_or((rest, ""));
        let output = STANDARD.decode(output.trim()).ok()?;
        Some(Answer { code: code.parse().ok()?, output: String::from_utf8_lossy(&output).into_owned() })
    })
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn an_answer_is_found_by_its_number_when_its_line_is_whole() {
        // base64 of "up\n" is dXAK.
        let text = b"7-1 0 \n7-2 1 dXAK\n7-3 0 dXA";
        assert_eq!(find(text, "7-1"), Some(Answer { code: 0, output: String::new() }));
        assert_eq!(find(text, "7-2"), Some(Answer { code: 1, output: "up\n".into() }));
        assert_eq!(find(text, "7-3"), None, "its end is still to come");
        assert_eq!(find(text, "7"), None);
    }

    fn guest(name: &str) -> Guest {
        let directory = std::env::temp_dir().join(format!("fivenines-guest-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        Guest::make_pipes(&directory).unwrap();
        Guest::at(directory, Clock::start())
    }

    /// Both ends open, as QEMU has them.
    fn held(guest: &Guest, name: &str) -> File {
        OpenOptions::new().read(true).write(true).open(guest.directory.join(name)).unwrap()
    }

    #[test]
    fn what_a_dead_machine_was_asked_is_not_done_by_the_next_boot() {
        let guest = guest("down");
        let (mut questions, _answers) = (held(&guest, "agent.in"), held(&guest, "agent.out"));
        guest.boot.replace("an-earlier-boot".into());
        assert!(guest.run("echo done", Span::from_millis(30)).unwrap_err().contains("no answer"));
        let mut buffer = [0; 512];
        let length = questions.read(&mut buffer).unwrap();
        let line = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let (_, command) = line.trim().split_once(' ').unwrap();
        let late = std::process::Command::new("sh").args(["-c", command]).output().unwrap();
        assert_eq!((late.status.code(), late.stdout.len()), (Some(99), 0));
        std::fs::remove_dir_all(&guest.directory).unwrap();
    }

    #[test]
    fn a_machine_that_is_off_is_told_at_once() {
        let guest = guest("off");
        let said = guest.run("true", Span::from_secs(60)).unwrap_err();
        assert!(said.contains("agent.in") || said.contains("true"), "{said}");
        std::fs::remove_dir_all(&guest.directory).unwrap();
    }

    #[test]
    fn an_old_answer_is_not_taken_for_the_new_one() {
        let guest = guest("old");
        let (mut questions, mut answers) = (held(&guest, "agent.in"), held(&guest, "agent.out"));
        guest.boot.replace("this-boot".into());
        answers.write_all(b"0 0 c3RhbGU=\n").unwrap();
        let agent = thread::spawn(move || {
            let mut buffer = [0; 256];
            let length = questions.read(&mut buffer).unwrap();
            let line = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let id = line.split(' ').next().unwrap().to_owned();
            answers.write_all(format!("{id} 0 {}\n", STANDARD.encode("alpha")).as_bytes()).unwrap();
            line
        });
        assert_eq!(guest.run("hostname", Span::from_secs(5)).unwrap(), "alpha");
        assert!(agent.join().unwrap().ends_with(" hostname\n"));
        std::fs::remove_dir_all(&guest.directory).unwrap();
    }
}
