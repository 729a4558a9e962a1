//! Figures for papers and for the page: planned as data, laid out once, drawn as PNG, SVG or in the page.

mod budget;
pub(super) mod data;
mod draw;
mod fates;
mod font;
mod frames;
pub(super) mod layout;
mod listening;
mod outages;
mod phases;
mod png;
mod seconds;
mod timeline;

use std::path::PathBuf;

use super::model::{Report, Trial};
pub use budget::Cost;
use data::FigureData;

pub(super) use frames::of_capture as frames_of_capture;
pub(super) use listening::of_capture;
pub(super) use timeline::every_lane;

/// The figures that have something to show.
#[must_use]
pub(super) fn plan(report: &Report) -> Vec<FigureData> {
    let all = [
        timeline::of_services(report),
        frames::timeline(report),
        outages::by_service(report),
        seconds::mos(report),
        seconds::delay_and_loss(report),
        fates::fates(report),
        phases::phases(report),
        budget::of_report(report),
    ];
    all.into_iter().filter(FigureData::has_data).collect()
}

/// Each figure as `figures/NAME.png` and `figures/NAME.svg`.
#[must_use]
pub(super) fn render(report: &Report) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for figure in plan(report) {
        let laid = layout::lay_out(&figure, layout::COLUMN);
        let path = |extension: &str| PathBuf::from(format!("figures/{}.{extension}", figure.name));
        files.extend(draw::png(&laid).map(|bytes| (path("png"), bytes)));
        files.extend(draw::svg(&laid).map(|bytes| (path("svg"), bytes)));
    }
    files
}

/// The budget curve by itself, as PNG or SVG by the extension of the file's name; `None` for another extension.
#[must_use]
pub fn budget_figure(costs: &[Cost], basis: &str, extension: &str) -> Option<Vec<u8>> {
    let laid =
        layout::lay_out(&budget::budget(&super::assemble::availability::targets(), costs, basis), layout::COLUMN);
    match extension {
        "png" => draw::png(&laid),
        "svg" => draw::svg(&laid),
        _ => None,
    }
}

/// `trial 1 of 6`, where a figure can show only one; empty for a run of one trial.
fn which_trial(report: &Report, trial: &Trial) -> String {
    if report.trials.len() > 1 { format!("Trial {} of {}. ", trial.number, report.trials.len()) } else { String::new() }
}

#[cfg(test)]
mod frames_tests;
#[cfg(test)]
mod tests;
