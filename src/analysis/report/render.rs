//! All derived files of a run, as bytes.

use std::path::PathBuf;

use super::model::Report;
use super::{estimates, figures, html, junit, tables};

/// Why a derived file could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// `report.json`.
    #[error("report.json cannot be written: {0}")]
    Json(#[from] serde_json::Error),
    /// One of `tables/*.csv`.
    #[error("a table cannot be written as CSV: {0}")]
    Csv(#[from] csv::Error),
    /// `junit.xml`.
    #[error("junit.xml cannot be written: {0}")]
    Junit(#[from] quick_junit::SerializeError),
}

/// Every derived file: its path inside the run directory, and its bytes. The same report gives the same bytes.
///
/// # Errors
/// When a format cannot hold a value of the report; nothing is written then.
pub fn render_all(report: &Report) -> Result<Vec<(PathBuf, Vec<u8>)>, RenderError> {
    let mut json = serde_json::to_vec_pretty(report)?;
    json.push(b'\n');
    let mut files = vec![
        (PathBuf::from("report.json"), json),
        (PathBuf::from("report.html"), html::html(report).into_bytes()),
        (PathBuf::from("junit.xml"), junit::junit(report)?),
    ];
    files.extend(tables::tables(report)?);
    files.push(estimates::csv(report)?);
    files.extend(figures::render(report));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::report::fixture;
    use crate::evidence::rundir::RunDir;

    #[test]
    fn the_files_have_the_names_of_the_run_directory() {
        let run = RunDir::at("RUN");
        let files = render_all(&fixture::quickstart(1)).unwrap();
        let has = |path: PathBuf| files.iter().any(|(file, bytes)| run.path().join(file) == path && !bytes.is_empty());
        assert!(has(run.report_json()) && has(run.report_html()) && has(run.junit()));
        assert!(has(run.tables().join("outages.csv")) && has(run.figures().join("timeline.png")));
        assert!(files.iter().all(|(file, _)| file.is_relative()));
    }

    #[test]
    fn the_same_report_gives_the_same_bytes() {
        let report = fixture::quickstart(1);
        assert_eq!(render_all(&report).unwrap(), render_all(&report).unwrap());
    }

    /// `cargo test --lib -- --ignored for_the_eye` leaves whole reports in target/report-for-the-eye.
    #[test]
    #[ignore = "writes reports for a person to look at"]
    fn reports_for_the_eye() {
        for trials in [0, 1, 6] {
            let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("target/report-for-the-eye/{trials}"));
            for (path, bytes) in render_all(&fixture::quickstart(trials)).unwrap() {
                let path = root.join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, bytes).unwrap();
            }
        }
    }
}
