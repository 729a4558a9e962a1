//! The layers of ARCHITECTURE.md, held against what the sources really import, and the size of files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A file longer than this has more than one purpose.
const MOST_LINES: usize = 600;

/// Each layer and what it may use beside itself. `units` may be used by all.
const LAYERS: [(&str, &[&str]); 18] = [
    ("units", &[]),
    ("wire", &[]),
    ("scenario", &[]),
    ("evidence", &["scenario", "wire"]),
    ("experiment::plan", &["scenario"]),
    // The events of the history are an agent's output.
    ("experiment::agent", &["wire", "evidence"]),
    ("experiment::cluster", &["experiment::agent", "evidence", "scenario", "wire"]),
    // Where to capture is the cluster's to say.
    ("experiment::capture", &["evidence", "wire", "experiment::cluster::CapturePoint"]),
    ("experiment::fault", &["experiment::cluster", "evidence", "scenario"]),
    ("experiment::run", &["experiment", "evidence", "scenario", "wire"]),
    ("analysis::stats", &[]),
    ("analysis::quality", &[]),
    ("analysis::theory", &[]),
    // What was asked (validation time, intervals, de-jitter profile) decides how evidence is read.
    (
        "analysis::measure",
        &["analysis::stats", "analysis::quality", "analysis::theory", "evidence", "scenario", "wire"],
    ),
    ("analysis::verdict", &["analysis::measure", "analysis::stats", "scenario"]),
    (
        "analysis::report",
        &["analysis::verdict", "analysis::measure", "analysis::stats", "analysis::theory", "evidence", "scenario"],
    ),
    ("analysis::compare", &["analysis::report", "analysis::measure", "analysis::stats", "evidence"]),
    (
        "analysis::availability",
        &["analysis::compare", "analysis::report", "analysis::measure", "analysis::stats", "evidence"],
    ),
];

/// These tell what happens as it happens: they hold the recorder of the run and its clock, and ask the machine for
/// real-time priority.
const RECORDS: [&str; 3] = ["experiment::capture", "experiment::cluster", "experiment::fault"];
const RECORDING: [&str; 3] = ["experiment::run::recorder", "experiment::run::clock", "experiment::run::machine"];

fn sources() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut open = vec![root.join("src"), root.join("tests")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// `src/analysis/measure/track.rs` is in `analysis::measure`.
fn layer_of(path: &Path) -> Option<&'static str> {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).ok()?;
    let module = inside.with_extension("").to_string_lossy().replace('/', "::");
    longest(&module)
}

/// The layer that a module path lies in.
fn longest(module: &str) -> Option<&'static str> {
    let inside = |layer: &&str| module == *layer || module.starts_with(&format!("{layer}::"));
    LAYERS.iter().map(|(layer, _)| *layer).filter(inside).max_by_key(|layer| layer.len())
}

/// Every `crate::…` path of a source text, comments left out; `use crate::{a, b::c}` gives both.
fn imports(text: &str) -> BTreeSet<String> {
    let code: String = text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join(" ");
    let mut found = BTreeSet::new();
    for (at, word) in code.match_indices("crate::") {
        // `$crate::` and names that merely end so are no paths of ours.
        let before = code[..at].chars().next_back();
        if before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '$') {
            expand("", &code[at + word.len()..], &mut found);
        }
    }
    found
}

/// Reads one path or one group in braces, and returns what follows it.
fn expand<'a>(prefix: &str, text: &'a str, found: &mut BTreeSet<String>) -> &'a str {
    let Some(mut rest) = text.trim_start().strip_prefix('{') else {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(text.len());
        let (path, rest) = text.split_at(end);
        let whole = format!("{prefix}{path}");
        if path.ends_with("::") && rest.starts_with('{') {
            return expand(&whole, rest, found);
        }
        found.insert(whole.trim_end_matches("::").to_owned());
        return rest;
    };
    loop {
        rest = expand(prefix, rest.trim_start(), found).trim_start();
        // Skips `as other` and whatever else stands before the next member.
        let Some(end) = rest.find([',', '}']) else { return rest };
        let closes = rest[end..].starts_with('}');
        rest = rest[end + 1..].trim_start();
        if closes || rest.starts_with('}') {
            return rest.strip_prefix('}').filter(|_| !closes).unwrap_or(rest);
        }
    }
}

fn allowed(layer: &str, import: &str) -> bool {
    let within = |of: &str| import == of || import.starts_with(&format!("{of}::"));
    let (_, may) = LAYERS.iter().find(|(name, _)| *name == layer).unwrap();
    let records = RECORDS.contains(&layer) && RECORDING.iter().any(|of| within(of));
    within("units") || within(layer) || records || may.iter().any(|of| within(of))
}

#[test]
fn every_layer_uses_only_what_it_may() {
    let mut wrong = Vec::new();
    for path in sources() {
        let Some(layer) = layer_of(&path) else { continue };
        for import in imports(&fs::read_to_string(&path).unwrap()) {
            if !allowed(layer, &import) {
                wrong.push(format!("{}: {layer} may not use crate::{import}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_file_has_grown_out_of_hand() {
    let lines = |path: &PathBuf| fs::read_to_string(path).unwrap().lines().count();
    let long: Vec<_> = sources().into_iter().filter(|path| lines(path) > MOST_LINES).collect();
    assert!(long.is_empty(), "more than {MOST_LINES} lines: {long:?}");
}

#[test]
fn the_test_itself_sees_what_is_imported() {
    let text = "use crate::units::{RunTime, Span};\nuse crate::{wire::rtp, analysis::{stats, measure::model as m}};\n\
                // crate::hidden::comment\nfn f() -> crate::scenario::Scenario { $crate::not_ours!() }";
    let expected = [
        "analysis::measure::model",
        "analysis::stats",
        "scenario::Scenario",
        "units::RunTime",
        "units::Span",
        "wire::rtp",
    ];
    assert_eq!(imports(text).into_iter().collect::<Vec<_>>(), expected);
    assert!(!allowed("analysis::stats", "experiment::run::clock") && allowed("wire", "units::Span"));
    assert!(!allowed("analysis::report", "experiment"));
}
