//! QEMU's machine protocol: one JSON object a line (docs/interop/qmp-spec.rst of QEMU).

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

/// How long QEMU may take to answer. It answers at once unless the machine is overloaded.
const PATIENCE: Duration = Duration::from_secs(5);

/// The monitor of one machine.
#[derive(Clone, Debug)]
pub(super) struct Monitor {
    socket: PathBuf,
}

/// A line of QEMU.
#[derive(Clone, Debug, PartialEq)]
enum Line {
    /// The answer to the last command.
    Done(Value),
    /// The last command failed.
    Failed(String),
    /// Something happened to the machine.
    Event(String),
    /// The greeting, or what a later QEMU may say.
    Other,
}

impl Monitor {
    /// The monitor at `socket`.
    pub(super) fn at(socket: PathBuf) -> Monitor {
        Monitor { socket }
    }

    /// Does `command` and returns what QEMU returned.
    ///
    /// # Errors
    /// When QEMU cannot be reached or refuses.
    pub(super) fn execute(&self, command: &str, arguments: &Value) -> Result<Value, String> {
        self.talk(command, arguments, None)
    }

    /// Does `command` and waits for `event`, which tells that it took effect.
    ///
    /// # Errors
    /// As [`Monitor::execute`], or when the event does not come.
    pub(super) fn execute_until(&self, command: &str, event: &str) -> Result<(), String> {
        self.talk(command, &json!({}), Some(event)).map(drop)
    }

    fn talk(&self, command: &str, arguments: &Value, event: Option<&str>) -> Result<Value, String> {
        let told = |error: std::io::Error| format!("{command}: QEMU at {}: {error}", self.socket.display());
        let mut lines = Conversation::open(&self.socket).map_err(told)?;
        lines.send("qmp_capabilities", &json!({})).map_err(told)?;
        lines.answer(None)?;
        lines.send(command, arguments).map_err(told)?;
        lines.answer(event).map_err(|said| format!("{command}: {said}"))
    }
}

struct Conversation {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
}

impl Conversation {
    fn open(socket: &Path) -> std::io::Result<Conversation> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Conversation { lines: BufReader::new(stream.try_clone()?), stream })
    }

    fn send(&mut self, command: &str, arguments: &Value) -> std::io::Result<()> {
        let line = json!({ "execute": command, "arguments": arguments });
        self.stream.write_all(format!("{line}\n").as_bytes())
    }

    /// Reads until the answer is there, and the event if one is wanted: either may come first.
    fn answer(&mut self, event: Option<&str>) -> Result<Value, String> {
        let (mut done, mut happened) = (None, event.is_none());
        loop {
            let mut text = String::new();
            let length = self.lines.read_line(&mut text).map_err(|error| format!("no answer: {error}"))?;
            if length == 0 {
                return Err("QEMU ended".into());
            }
            match read(&text) {
                Line::Done(value) => done = Some(value),
                Line::Failed(said) => return Err(said),
                Line::Event(name) => happened |= event == Some(name.as_str()),
                Line::Other => {}
            }
            if happened && let Some(value) = done.take() {
                return Ok(value);
            }
        }
    }
}

fn read(text: &str) -> Line {
    let Ok(value) = serde_json::from_str::<Value>(text) else { return Line::Other };
    if let Some(value) = value.get("return") {
        return Line::Done(value.clone());
    }
    if let Some(error) = value.get("error") {
        return Line::Failed(error["desc"].as_str().unwrap_or("it failed").to_owned());
    }
    value["event"].as_str().map_or(Line::Other, |event| Line::Event(event.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    /// Lines as QEMU 7.2 sent them.
    #[test]
    fn lines_of_the_protocol_are_told_apart() {
        assert_eq!(read(r#"{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}}}}"#), Line::Other);
        assert_eq!(read(r#"{"return": {"status": "paused"}}"#), Line::Done(json!({ "status": "paused" })));
        assert_eq!(
            read(r#"{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "RESET", "data": {"guest": false}}"#),
            Line::Event("RESET".into())
        );
        let refused = r#"{"error": {"class": "CommandNotFound", "desc": "The command x has not been found"}}"#;
        assert_eq!(read(refused), Line::Failed("The command x has not been found".into()));
        assert_eq!(read("torn {"), Line::Other);
    }

    /// A QEMU that says `lines` after each command.
    fn qemu(name: &str, answers: &'static [&'static str]) -> (Monitor, thread::JoinHandle<Vec<String>>) {
        let path = std::env::temp_dir().join(format!("fivenines-qmp-{name}-{}", std::process::id()));
        let _none = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let serve = move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            stream.write_all(b"{\"QMP\": {}}\n").unwrap();
            let mut heard = Vec::new();
            for answer in answers {
                let mut line = String::new();
                lines.read_line(&mut line).unwrap();
                heard.push(line);
                stream.write_all(answer.as_bytes()).unwrap();
            }
            heard
        };
        (Monitor::at(path), thread::spawn(serve))
    }

    #[test]
    fn the_event_may_come_before_or_after_the_answer() {
        for answers in [
            &["{\"return\": {}}\n", "{\"event\": \"RESET\"}\n{\"return\": {}}\n"],
            &["{\"return\": {}}\n", "{\"return\": {}}\n{\"event\": \"STOP\"}\n{\"event\": \"RESET\"}\n"],
        ] {
            let (monitor, server) = qemu("reset", answers);
            monitor.execute_until("system_reset", "RESET").unwrap();
            let heard = server.join().unwrap();
            assert!(heard[0].contains("qmp_capabilities") && heard[1].contains("system_reset"), "{heard:?}");
        }
    }

    #[test]
    fn an_answer_without_its_event_is_no_success() {
        let (monitor, server) = qemu("ended", &["{\"return\": {}}\n", "{\"return\": {}}\n"]);
        let told = monitor.execute_until("system_reset", "RESET").unwrap_err();
        assert!(told.contains("system_reset") && told.contains("QEMU ended"), "{told}");
        server.join().unwrap();
    }
}
