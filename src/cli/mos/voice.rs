//! Voice: the E-model of the connection's bandwidth.

use std::fmt::Write as _;

use serde::Serialize;

use super::args::{Band, Sensitivity, VoiceArgs};
use super::{json, write_validity, write_wrapped};
use crate::analysis::quality::g107::{self, Connection, Opinion, Satisfaction};
use crate::analysis::quality::g107_1::{self, WidebandComponents, WidebandConnection};
use crate::analysis::quality::g107_2::{self, FullbandComponents, FullbandConnection};
use crate::analysis::quality::g113::{self, Equipment};
use crate::analysis::quality::{
    Bandwidth, Fullband, Narrowband, Provenance, QualityError, Scale, Score, Validity, Wideband,
};

/// The score of a voice connection.
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
    pub condition: String,
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
    fn formula(&self) -> &'static str {
        match self {
            Terms::Narrowband(_) => "R = Ro - Is - Id - Ie,eff + A",
            Terms::Wideband(_) => "R = Ro - Id - Ie,eff",
            Terms::Fullband(_) => "R = Ro - Idd - Ie,eff",
        }
    }

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

/// Rates what the arguments describe: the text or the JSON to print.
///
/// # Errors
/// [`QualityError`] for inputs outside of the model and for codecs without published values.
pub fn run(args: &VoiceArgs, as_json: bool) -> Result<String, QualityError> {
    let answer = answer(args)?;
    Ok(if as_json { json(&answer) } else { text(&answer) })
}

/// Rates what the arguments describe.
///
/// # Errors
/// As [`run`].
pub fn answer(args: &VoiceArgs) -> Result<MosAnswer, QualityError> {
    match args.band() {
        Band::Nb => narrowband(args).map_err(|error| with_ways_out::<Narrowband>(args, error)),
        Band::Wb => wideband(args).map_err(|error| with_ways_out::<Wideband>(args, error)),
        Band::Fb => fullband(args).map_err(|error| with_ways_out::<Fullband>(args, error)),
    }
}

fn wideband(args: &VoiceArgs) -> Result<MosAnswer, QualityError> {
    narrowband_only(args, g107_1::MODEL)?;
    let connection = WidebandConnection::with_delay(args.delay, equipment(args)?);
    let score = g107_1::assess(&WidebandConnection { ppl: args.loss, ..connection })?;
    Ok(assemble(args, score, Terms::Wideband, None))
}

fn fullband(args: &VoiceArgs) -> Result<MosAnswer, QualityError> {
    narrowband_only(args, g107_2::MODEL)?;
    let connection = FullbandConnection { ta_ms: args.delay, equipment: equipment(args)?, ppl: args.loss };
    Ok(assemble(args, g107_2::assess(&connection)?, Terms::Fullband, None))
}

fn narrowband(args: &VoiceArgs) -> Result<MosAnswer, QualityError> {
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
fn narrowband_only(args: &VoiceArgs, model: &str) -> Result<(), QualityError> {
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

/// Ie and Bpl of the codec, of its proxy, or as given.
pub(super) fn equipment<S: Scale>(args: &VoiceArgs) -> Result<Equipment<S>, QualityError> {
    let (codec, ptime) = (args.codec.as_deref().unwrap_or_default(), Some(packet_size(args.ptime)?));
    match (args.ie, args.bpl, args.proxy.as_deref()) {
        (Some(ie), Some(bpl), _) => Ok(Equipment::given(ie, bpl)),
        (_, _, Some(proxy)) => g113::proxy(codec, proxy, ptime),
        _ => g113::lookup(codec, ptime),
    }
}

/// The packet size in ms, which decides whether a tabulated Bpl was measured with it.
fn packet_size(value: f64) -> Result<f64, QualityError> {
    let (parameter, low, high, unit, model) = ("--ptime", 1.0, 1000.0, "ms", "ITU-T G.113");
    if value >= low && value <= high {
        return Ok(value);
    }
    Err(QualityError::OutOfRange { parameter, value, low, high, unit, model })
}

/// Where a codec has no value, the options that lead on.
pub(super) fn with_ways_out<S: Scale>(args: &VoiceArgs, error: QualityError) -> QualityError {
    let codec = args.codec.as_deref().unwrap_or_default();
    if args.bandwidth.is_none() && args.proxy.is_none() && g113::is_unknown(codec) {
        return QualityError::Unsupported {
            what: format!("{codec:?}"),
            reason: "it is not in the tables of G.113; `fivenines mos --list` names the codecs of all scales"
                .to_owned(),
        };
    }
    let may_have_proxy = args.proxy.is_none() && args.codec.as_deref().is_some_and(g113::may_have_proxy::<S>);
    let proxy = match S::BANDWIDTH {
        Bandwidth::Narrowband => "g711",
        Bandwidth::Wideband => "amr-wb-23.85",
        Bandwidth::Fullband => "evs-24.4",
    };
    match error {
        QualityError::Unsupported { what, reason } if may_have_proxy => {
            let reason = format!("{reason} (--ie IE --bpl BPL, or a stand-in as --proxy {proxy})");
            QualityError::Unsupported { what, reason }
        }
        error => error,
    }
}

fn assemble<S: Scale, C>(
    args: &VoiceArgs,
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
        equipment: Impairment { condition: condition.into_owned(), ie, bpl, bpl_ptime_ms, provenance, source },
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
    let _ = writeln!(out, "\n  {}", answer.components.formula());
    for (name, value) in answer.components.rows() {
        let _ = writeln!(out, "  {name:<8}  {value:8.3}");
    }
    if let Terms::Wideband(terms) = &answer.components {
        let _ = writeln!(out, "  Roe       {:8.3}   by Corrigendum 1 ({})", terms.roe, Provenance::PublishedOneSource);
    }
    out.push('\n');
    write_wrapped(&mut out, &format!("Ie {}, Bpl {bpl}{ptime}: {}, {}", codec.ie, codec.provenance, codec.source));
    write_validity(&mut out, &answer.validity);
    out
}
