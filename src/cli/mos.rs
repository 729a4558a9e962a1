//! `fivenines mos`: rates a connection with the E-model of its bandwidth.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::analysis::quality::g107::{self, Connection, DelaySensitivity, Opinion, Satisfaction};
use crate::analysis::quality::g107_1::{self, WidebandComponents, WidebandConnection};
use crate::analysis::quality::g107_2::{self, FullbandComponents, FullbandConnection};
use crate::analysis::quality::g113::{Equipment, lookup};
use crate::analysis::quality::{Bandwidth, Provenance, QualityError, Scale, Score, Validity};

/// Arguments of `fivenines mos`.
#[derive(Args, Clone, Debug)]
pub struct MosArgs {
    /// Codec by its name in SDP or the Recommendation: PCMU, g729a, AMR-WB-12.65, EVS-24.4 …
    #[arg(long, required_unless_present = "ie")]
    pub codec: Option<String>,
    /// Packet loss with what the de-jitter buffer discarded, in %
    #[arg(long, default_value_t = 0.0, value_name = "PERCENT")]
    pub loss: f64,
    /// One-way delay from mouth to ear, in ms
    #[arg(long, default_value_t = 0.0, value_name = "MS")]
    pub delay: f64,
    /// Burst ratio: 1 for random loss (narrowband only)
    #[arg(long, default_value_t = 1.0, value_name = "RATIO")]
    pub burst_r: f64,
    /// Which of the three scales
    #[arg(long, value_enum, default_value_t = Band::Nb)]
    pub bandwidth: Band,
    /// Packet size in ms, to tell whether the published Bpl was measured with it
    #[arg(long, default_value_t = 20.0, value_name = "MS")]
    pub ptime: f64,
    /// Advantage factor A (narrowband only)
    #[arg(long, default_value_t = 0.0, value_name = "A")]
    pub advantage: f64,
    /// Your own equipment impairment instead of a codec's
    #[arg(long, requires = "bpl", conflicts_with = "codec")]
    pub ie: Option<f64>,
    /// Your own packet-loss robustness
    #[arg(long, requires = "ie")]
    pub bpl: Option<f64>,
    /// How sensitive the conversation is to delay (narrowband only)
    #[arg(long, value_enum, default_value_t = Sensitivity::Default)]
    pub sensitivity: Sensitivity,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// The scale to rate on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Band {
    /// Narrowband, G.107
    Nb,
    /// Wideband, G.107.1
    Wb,
    /// Fullband, G.107.2
    Fb,
}

/// Delay sensitivity class of G.107.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sensitivity {
    /// The classic curve
    Default,
    /// Everyday conversation
    Low,
    /// Little interaction
    VeryLow,
}

impl From<Sensitivity> for DelaySensitivity {
    fn from(class: Sensitivity) -> DelaySensitivity {
        match class {
            Sensitivity::Default => DelaySensitivity::Default,
            Sensitivity::Low => DelaySensitivity::Low,
            Sensitivity::VeryLow => DelaySensitivity::VeryLow,
        }
    }
}

/// What the command answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MosAnswer {
    /// `fivenines.mos.v1`.
    pub schema: &'static str,
    /// Standard and edition.
    pub model: &'static str,
    /// The scale of `r`.
    pub bandwidth: Bandwidth,
    /// Transmission rating on that scale.
    pub r: f64,
    /// MOS in [1, 4.5].
    pub mos: f64,
    /// P.800.1 label of the MOS.
    pub mos_label: &'static str,
    /// Band of user satisfaction; narrowband only, for there is no such table on the other scales.
    pub satisfaction: Option<Satisfaction>,
    /// Good or better, poor or worse; narrowband only.
    pub opinion: Option<Opinion>,
    /// What was rated.
    pub input: MosInput,
    /// Ie and Bpl with source.
    pub equipment: Impairment,
    /// The terms of R.
    pub components: Terms,
    /// Whether the model was inside its validated range.
    pub validity: Validity,
}

/// What was rated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MosInput {
    /// Packet loss, %.
    pub loss_percent: f64,
    /// Burst ratio.
    pub burst_r: f64,
    /// One-way delay, ms.
    pub delay_ms: f64,
    /// Packet size, ms.
    pub ptime_ms: f64,
}

/// Ie and Bpl with source, whatever the scale.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Impairment {
    /// Codec and condition.
    pub condition: &'static str,
    /// Equipment impairment.
    pub ie: f64,
    /// Packet-loss robustness.
    pub bpl: Option<f64>,
    /// Packet size of the published Bpl, ms.
    pub bpl_ptime_ms: Option<f64>,
    /// How far the values can be trusted.
    pub provenance: Provenance,
    /// Recommendation and table.
    pub source: &'static str,
}

/// The terms of R on each scale.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Terms {
    /// G.107.
    Narrowband(g107::Components),
    /// G.107.1.
    Wideband(WidebandComponents),
    /// G.107.2.
    Fullband(FullbandComponents),
}

impl Terms {
    fn rows(&self) -> Vec<(&'static str, f64)> {
        match self {
            Terms::Narrowband(c) => vec![
                ("Ro", c.ro),
                ("Is", c.is),
                ("  Iolr", c.iolr),
                ("  Ist", c.ist),
                ("  Iq", c.iq),
                ("Id", c.id),
                ("  Idte", c.idte),
                ("  Idle", c.idle),
                ("  Idd", c.idd),
                ("Ie,eff", c.ie_eff),
                ("A", c.advantage),
            ],
            Terms::Wideband(c) => vec![
                ("Ro", c.ro),
                ("Id", c.id),
                ("  Idte", c.idte),
                ("  Idle", c.idle),
                ("  Idd", c.idd),
                ("Ie,eff", c.ie_eff),
            ],
            Terms::Fullband(c) => vec![("Ro", c.ro), ("Idd", c.idd), ("Ie,eff", c.ie_eff)],
        }
    }
}

/// Runs the command: the text or the JSON to print.
///
/// # Errors
/// [`QualityError`] for inputs outside of the model and for codecs without published values.
pub fn run(args: &MosArgs) -> Result<String, QualityError> {
    let answer = answer(args)?;
    Ok(if args.json { super::json(&answer) } else { text(&answer) })
}

/// Rates what the arguments describe.
///
/// # Errors
/// As [`run`].
pub fn answer(args: &MosArgs) -> Result<MosAnswer, QualityError> {
    match args.bandwidth {
        Band::Nb => narrowband(args),
        Band::Wb => {
            narrowband_only(args, g107_1::MODEL)?;
            let connection = WidebandConnection::with_delay(args.delay, equipment(args)?);
            let score = g107_1::assess(&WidebandConnection { ppl: args.loss, ..connection })?;
            Ok(assemble(args, score, Terms::Wideband, None))
        }
        Band::Fb => {
            narrowband_only(args, g107_2::MODEL)?;
            let connection = FullbandConnection { ta_ms: args.delay, equipment: equipment(args)?, ppl: args.loss };
            Ok(assemble(args, g107_2::assess(&connection)?, Terms::Fullband, None))
        }
    }
}

fn narrowband(args: &MosArgs) -> Result<MosAnswer, QualityError> {
    let score = g107::assess(&Connection {
        equipment: equipment(args)?,
        ppl: args.loss,
        burst_r: args.burst_r,
        advantage: args.advantage,
        sensitivity: args.sensitivity.into(),
        ..Connection::with_delay(args.delay)
    })?;
    let opinion = (Satisfaction::of(score.r), Opinion::of(score.r));
    Ok(assemble(args, score, Terms::Narrowband, Some(opinion)))
}

/// The longer scales have none of these terms: refusing beats ignoring.
fn narrowband_only(args: &MosArgs, model: &str) -> Result<(), QualityError> {
    let given = [
        ("--burst-r", args.burst_r != 1.0),
        ("--advantage", args.advantage != 0.0),
        ("--sensitivity", args.sensitivity != Sensitivity::Default),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(QualityError::Unsupported {
            what: format!("{option} with {model}"),
            reason: "that model has no such term; leave the option out".to_owned(),
        }),
        None => Ok(()),
    }
}

fn equipment<S: Scale>(args: &MosArgs) -> Result<Equipment<S>, QualityError> {
    match (args.ie, args.bpl) {
        (Some(ie), Some(bpl)) => Ok(Equipment::given(ie, bpl)),
        _ => lookup(args.codec.as_deref().unwrap_or_default(), Some(args.ptime)),
    }
}

fn assemble<S: Scale, C>(
    args: &MosArgs,
    score: Score<S, C>,
    terms: impl FnOnce(C) -> Terms,
    opinion: Option<(Satisfaction, Opinion)>,
) -> MosAnswer {
    let Equipment { condition, ie, bpl, bpl_ptime_ms, provenance, source, .. } = score.equipment;
    MosAnswer {
        schema: "fivenines.mos.v1",
        model: score.model,
        bandwidth: S::BANDWIDTH,
        r: score.r.value(),
        mos: score.mos.value(),
        mos_label: score.mos_label,
        satisfaction: opinion.map(|(band, _)| band),
        opinion: opinion.map(|(_, shares)| shares),
        input: MosInput { loss_percent: args.loss, burst_r: args.burst_r, delay_ms: args.delay, ptime_ms: args.ptime },
        equipment: Impairment { condition, ie, bpl, bpl_ptime_ms, provenance, source },
        components: terms(score.components),
        validity: score.validity,
    }
}

fn text(answer: &MosAnswer) -> String {
    let (input, codec) = (&answer.input, &answer.equipment);
    let mut out = String::new();
    let bpl = codec.bpl.map_or_else(|| "none published".to_owned(), |bpl| bpl.to_string());
    let ptime = codec.bpl_ptime_ms.map(|ptime| format!(" at {ptime} ms")).unwrap_or_default();
    let band = answer.satisfaction.map(|band| format!("   {band}")).unwrap_or_default();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{}: {} % loss, {} ms one way", codec.condition, input.loss_percent, input.delay_ms);
    let _ = writeln!(out, "  R         {:8.2}   {}, {}", answer.r, answer.bandwidth, answer.model);
    let _ = writeln!(out, "  {}  {:8.2}{band}", answer.mos_label, answer.mos);
    if let Some(shares) = &answer.opinion {
        let _ = writeln!(out, "  GoB, PoW  {:6.1} %, {:.1} % (provisional)", shares.gob_percent, shares.pow_percent);
    }
    let _ = writeln!(out, "\n  R = Ro - Is - Id - Ie,eff + A");
    for (name, value) in answer.components.rows() {
        let _ = writeln!(out, "  {name:<8}  {value:8.3}");
    }
    let _ = writeln!(out, "\n  Ie {}, Bpl {bpl}{ptime}: {}, {}", codec.ie, codec.provenance, codec.source);
    if !answer.validity.outside_validity {
        let _ = writeln!(out, "  within the validated range of the model");
    }
    for reason in &answer.validity.reasons {
        let _ = writeln!(out, "  OUTSIDE the validated range: {reason}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: MosArgs,
    }

    fn given(line: &str) -> MosArgs {
        Line::try_parse_from(std::iter::once("mos").chain(line.split_whitespace())).unwrap().args
    }

    /// Published lecture example: G.729A+VAD, 2 %, 150 ms give R 70.5 and MOS 3.62.
    #[test]
    fn the_published_example_in_text() {
        let out = run(&given("--codec g729a --loss 2 --delay 150")).unwrap();
        for part in
            ["70.54", "3.62   some users dissatisfied", "Ie,eff      19.000", ": published, ITU-T G.113", "within"]
        {
            assert!(out.contains(part), "no {part:?} in:\n{out}");
        }
    }

    #[test]
    fn json_holds_the_same() {
        let out = run(&given("--codec g729a --loss 2 --delay 150 --json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(json["schema"], "fivenines.mos.v1");
        assert!((json["mos"].as_f64().unwrap() - 3.6222).abs() < 5e-5);
        assert_eq!(json["satisfaction"], "some_dissatisfied");
        assert_eq!(json["equipment"]["provenance"], "published");
        assert_eq!(json["validity"]["outside_validity"], false);
        assert!(json["components"]["ie_eff"].is_number());
    }

    #[test]
    fn bursty_loss_is_flagged() {
        let out = run(&given("--codec PCMU --loss 3 --burst-r 80")).unwrap();
        assert!(
            out.contains("OUTSIDE") && out.contains("long outage") && out.contains("for another packet size"),
            "{out}"
        );
    }

    #[test]
    fn the_other_scales() {
        let wide = answer(&given("--codec AMR-WB-12.65 --bandwidth wb --loss 1")).unwrap();
        assert_eq!((wide.bandwidth, wide.mos_label, wide.satisfaction), (Bandwidth::Wideband, "MOS-CQEW", None));
        let full = answer(&given("--codec EVS-24.4 --bandwidth fb --loss 1")).unwrap();
        assert!((full.r - 130.735).abs() < 5e-4);
        assert!(answer(&given("--codec EVS-24.4 --bandwidth fb --burst-r 2")).is_err());
    }

    #[test]
    fn what_cannot_be_rated_is_an_error() {
        let message = |line: &str| run(&given(line)).unwrap_err().to_string();
        assert!(message("--codec opus").contains("no ITU Ie or Bpl"));
        assert!(message("--codec PCMU --loss 120").contains("Ppl is 120"));
        assert!(message("--codec PCMU --delay NaN").contains("T is NaN"));
        assert!(run(&given("--ie 0 --bpl 25.1 --loss 1")).unwrap().contains("given by the caller, no table"));
        assert!(Line::try_parse_from(["mos", "--ie", "3"]).is_err());
    }
}
