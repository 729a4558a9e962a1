//! Video calls: G.1070, with speech and multimedia quality where a voice codec is named.

use std::fmt::Write as _;

use serde::Serialize;

use super::args::{Band, MosArgs, VoiceArgs};
use super::voice::{equipment, with_ways_out};
use super::{json, write_validity, write_wrapped};
use crate::analysis::quality::g113::Equipment;
use crate::analysis::quality::g1070::{
    self, CoefficientSet, Multimedia, MultimediaScore, Screen, SpeechScore, Video, VideoScore,
};
use crate::analysis::quality::{Narrowband, Provenance, QualityError, Scale, Validity, Wideband};

/// Echo loudness with the default telephones, dB.
const TELR: f64 = 65.0;

/// The score of a video call.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VideoAnswer {
    /// `fivenines.mos.video.v1`.
    pub schema: &'static str,
    /// Name of the coefficient set; for a proxy, what it stands in for.
    pub set: String,
    /// Codec, picture size and screen for which the set was made.
    pub made_for: &'static CoefficientSet,
    /// Bit rates for which the set was trained, kbit/s; absent where they are not known.
    pub trained_kbps: Option<(f64, f64)>,
    /// What was rated.
    pub input: Video,
    /// Video quality with its terms.
    pub video: VideoScore,
    /// Speech quality, where a voice codec was named.
    pub speech: Option<Speech>,
    /// Multimedia quality, where speech was rated and the screen has coefficients.
    pub multimedia: Option<MultimediaScore>,
    /// Why there is no multimedia quality.
    pub no_multimedia: Option<&'static str>,
    /// What the model does not see.
    pub caution: &'static str,
}

/// Speech quality on whichever scale.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Speech {
    /// Name of the scale.
    pub scale: &'static str,
    /// The rating Q on it.
    pub q: f64,
    /// Speech quality Sq, 1 to 4.5.
    pub sq: f64,
    /// Codec and condition.
    pub condition: String,
    /// How far Ie and Bpl can be trusted.
    pub provenance: Provenance,
    /// Whether delay and loss were in range.
    pub validity: Validity,
}

const CAUTION: &str = "a freeze until the next key frame, which is what a failover does, is in no model: measure it";

pub(super) fn run(set: &str, args: &MosArgs) -> Result<String, QualityError> {
    let answer = answer(set, args)?;
    Ok(if args.json { json(&answer) } else { text(&answer) })
}

fn answer(name: &str, args: &MosArgs) -> Result<VideoAnswer, QualityError> {
    let (set, label) = coefficients(name, args.video.video_proxy.as_deref())?;
    let (bitrate_kbps, frame_rate) = (args.video.kbps.unwrap_or(f64::NAN), args.video.fps.unwrap_or(f64::NAN));
    let input = Video { bitrate_kbps, frame_rate, ppl: args.video.video_loss };
    let mut video = g1070::video_quality(set, &input)?;
    if args.video.video_proxy.is_some() {
        video.provenance = Provenance::Proxy;
    }
    let speech = speech(&args.voice)?;
    let screen = screen(set);
    let multimedia = match (&speech, screen) {
        (Some(speech), Some(screen)) => Some(multimedia(screen, speech, &video, args)?),
        _ => None,
    };
    let no_multimedia = match (&speech, screen) {
        (None, _) => Some("name a voice --codec for speech and multimedia quality"),
        (_, None) => Some("MMq has coefficients for screens of 2.1 and 4.2 inches only"),
        _ => None,
    };
    if let (Some(_), Some(reason)) = (args.video.video_delay, no_multimedia) {
        return Err(useless("--video-delay", format!("it enters the multimedia quality only: {reason}")));
    }
    let (schema, made_for, trained_kbps) = ("fivenines.mos.video.v1", set, set.format.trained_kbps());
    Ok(VideoAnswer {
        schema,
        set: label,
        made_for,
        trained_kbps,
        input,
        video,
        speech,
        multimedia,
        no_multimedia,
        caution: CAUTION,
    })
}

/// The set and how it is called in the answer.
fn coefficients(name: &str, proxy: Option<&str>) -> Result<(&'static CoefficientSet, String), QualityError> {
    let Some(proxy) = proxy else {
        let set = g1070::set_named(name).map_err(|error| with_video_proxy(name, error))?;
        return Ok((set, set.name()));
    };
    let has_sets = g1070::set_named(name).is_ok() || g1070::sets_for(name).is_ok();
    if has_sets {
        return Err(QualityError::Unsupported {
            what: format!("{name:?} by a proxy"),
            reason: "a proxy is for codecs without coefficients, and this one has its own; leave --video-proxy out"
                .into(),
        });
    }
    let set = g1070::set_named(proxy)?;
    Ok((set, format!("proxy: {} (no ITU coefficients for {})", set.name(), name.escape_debug())))
}

fn with_video_proxy(name: &str, error: QualityError) -> QualityError {
    match error {
        QualityError::Unsupported { what, reason } if g1070::sets_for(name).is_err() && !is_number(name) => {
            QualityError::Unsupported { what, reason: format!("{reason} (a stand-in as --video-proxy h264bp-vga-6)") }
        }
        error => error,
    }
}

fn screen(set: &CoefficientSet) -> Option<Screen> {
    match set.number {
        1 => Some(Screen::Inch4_2),
        2 => Some(Screen::Inch2_1),
        _ => None,
    }
}

/// An option without effect: refusing beats ignoring.
fn useless(option: &str, reason: String) -> QualityError {
    QualityError::Unsupported { what: format!("{option} here"), reason }
}

/// Options of the voice connection make no sense without one.
fn voice_less(voice: &VoiceArgs) -> Result<(), QualityError> {
    let given =
        [("--loss", voice.loss != 0.0), ("--delay", voice.delay != 0.0), ("--bandwidth", voice.bandwidth.is_some())];
    match given.iter().find(|(_, given)| *given) {
        Some((option, _)) => {
            let reason = "it is of the voice connection: name its --codec, or give --video-loss for the video";
            Err(useless(option, reason.to_owned()))
        }
        None => Ok(()),
    }
}

fn speech(voice: &VoiceArgs) -> Result<Option<Speech>, QualityError> {
    if voice.codec.is_none() && voice.ie.is_none() {
        return voice_less(voice).map(|()| None);
    }
    let (delay, loss) = (voice.delay, voice.loss);
    match voice.band() {
        Band::Nb => equipment::<Narrowband>(voice)
            .and_then(|codec| Ok(heard(&g1070::speech_quality_nb(delay, TELR, &codec, loss)?, codec)))
            .map_err(|error| with_ways_out::<Narrowband>(voice, error)),
        Band::Wb => equipment::<Wideband>(voice)
            .and_then(|codec| Ok(heard(&g1070::speech_quality_wb(delay, TELR, &codec, loss)?, codec)))
            .map_err(|error| with_ways_out::<Wideband>(voice, error)),
        Band::Fb => Err(QualityError::Unsupported {
            what: "fullband speech of a video call".to_owned(),
            reason: "G.1070 rates narrowband and wideband speech: give --bandwidth nb or wb".to_owned(),
        }),
    }
    .map(Some)
}

fn heard<S: Scale>(score: &SpeechScore<S>, codec: Equipment<S>) -> Speech {
    let (condition, provenance) = (codec.condition.into_owned(), codec.provenance);
    let (q, sq, validity) = (score.q.value(), score.sq.value(), score.validity.clone());
    Speech { scale: S::NAME, q, sq, condition, provenance, validity }
}

fn multimedia(
    screen: Screen,
    speech: &Speech,
    video: &VideoScore,
    args: &MosArgs,
) -> Result<MultimediaScore, QualityError> {
    let speech_ms = args.voice.delay;
    let video_ms = args.video.video_delay.unwrap_or(speech_ms);
    g1070::multimedia_quality(screen, &Multimedia { sq: speech.sq, vq: video.vq, speech_ms, video_ms })
}

fn text(answer: &VideoAnswer) -> String {
    let VideoAnswer { set, input, video, .. } = answer;
    let Video { bitrate_kbps, frame_rate, ppl } = *input;
    let mut out = format!("video {set}: {bitrate_kbps} kbit/s, {frame_rate} frames/s, {ppl} % loss\n");
    // Writing to a string cannot fail.
    let _ = writeln!(out, "  Vq   {:5.2}   {}, set {}: {}", video.vq, video.model, video.set, video.provenance);
    let _ = writeln!(
        out,
        "       Icoding {:.3}, Ofr {:.2}, IOfr {:.3}, DFr {:.3}, DPpl {:.3}",
        video.icoding, video.ofr, video.iofr, video.dfr, video.dppl
    );
    write_video_validity(&mut out, answer);
    if let Some(speech) = &answer.speech {
        let Speech { scale, q, sq, condition, provenance, validity } = speech;
        let _ = writeln!(out, "  Sq   {sq:5.2}   Q {q:.2} {scale}");
        write_wrapped(&mut out, &format!("{condition}: {provenance}"));
        write_validity(&mut out, validity);
    }
    if let Some(both) = &answer.multimedia {
        let MultimediaScore { mmq, sv, t, provenance, .. } = both;
        let _ = writeln!(out, "  MMq  {mmq:5.2}   SV {sv:.2}, T {t:.2}: {provenance}");
    }
    if let Some(reason) = answer.no_multimedia {
        let _ = writeln!(out, "  no MMq: {reason}");
    }
    write_wrapped(&mut out, answer.caution);
    out
}

/// Being inside of a range is claimed only where the range is known.
fn write_video_validity(out: &mut String, answer: &VideoAnswer) {
    if answer.trained_kbps.is_some() || answer.video.validity.outside_validity {
        write_validity(out, &answer.video.validity);
    }
    if answer.trained_kbps.is_none() {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  for which bit rates this set was trained is not known");
    }
}

fn is_number(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_digit())
}
