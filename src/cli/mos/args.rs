//! What `fivenines mos` may be asked.

use clap::{Args, ValueEnum};

use crate::analysis::quality::Bandwidth;
use crate::analysis::quality::g107::DelaySensitivity;
use crate::analysis::quality::g113;
use crate::analysis::quality::g1030::Waiting;

/// Arguments of `fivenines mos`: a voice connection, or one of the other models.
#[derive(Args, Clone, Debug)]
pub struct MosArgs {
    /// The voice connection.
    #[command(flatten)]
    pub voice: VoiceArgs,
    /// The video stream.
    #[command(flatten)]
    pub video: VideoArgs,
    /// The wait of a chatter.
    #[command(flatten)]
    pub chat: ChatArgs,
    /// List the codecs and video sets that have values, and those that are refused
    #[arg(long, conflicts_with_all = ["VoiceArgs", "VideoArgs", "ChatArgs"], help_heading = "Options")]
    pub list: bool,
    /// Print JSON
    #[arg(long, help_heading = "Options")]
    pub json: bool,
}

/// The voice connection to rate.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Voice (E-model)")]
pub struct VoiceArgs {
    /// Codec by its name in SDP or the Recommendation: PCMU, g729a, amr-wb-12.65, evs-24.4 … (see --list)
    #[arg(long, required_unless_present_any = ["ie", "list", "chat_latency", "video"])]
    pub codec: Option<String>,
    /// A codec whose values stand in for those that --codec does not have; the answer says so
    #[arg(long, requires = "codec", conflicts_with = "ie", value_name = "CODEC")]
    pub proxy: Option<String>,
    /// Packet loss with what the de-jitter buffer discarded, in %
    #[arg(long, default_value_t = 0.0, value_name = "PERCENT", allow_negative_numbers = true, value_parser = percent)]
    pub loss: f64,
    /// One-way delay from mouth to ear, in ms
    #[arg(long, default_value_t = 0.0, value_name = "MS", allow_negative_numbers = true, value_parser = millis)]
    pub delay: f64,
    /// Burst ratio: 1 for random loss (narrowband only)
    #[arg(long, default_value_t = 1.0, value_name = "RATIO", allow_negative_numbers = true)]
    pub burst_r: f64,
    /// Which of the three scales; by default the one on which the codec, or its proxy, has values
    #[arg(long, value_enum)]
    pub bandwidth: Option<Band>,
    /// Packet size in ms, to tell whether the published Bpl was measured with it
    #[arg(long, default_value_t = 20.0, value_name = "MS", allow_negative_numbers = true, value_parser = millis)]
    pub ptime: f64,
    /// Advantage factor A (narrowband only)
    #[arg(long, default_value_t = 0.0, value_name = "A", allow_negative_numbers = true)]
    pub advantage: f64,
    /// Your own equipment impairment instead of a codec's
    #[arg(long, requires = "bpl", conflicts_with = "codec", allow_negative_numbers = true)]
    pub ie: Option<f64>,
    /// Your own packet-loss robustness
    #[arg(long, requires = "ie", allow_negative_numbers = true)]
    pub bpl: Option<f64>,
    /// How sensitive the conversation is to delay (narrowband only)
    #[arg(long, value_enum, default_value_t = Sensitivity::Default)]
    pub sensitivity: Sensitivity,
}

impl VoiceArgs {
    /// The scale that was asked for, else that of the values.
    #[must_use]
    pub fn band(&self) -> Band {
        let of = |codec: &Option<String>| g113::scale_of(codec.as_deref()?);
        let scale = of(&self.proxy).or_else(|| of(&self.codec));
        self.bandwidth.unwrap_or(match scale {
            None | Some(Bandwidth::Narrowband) => Band::Nb,
            Some(Bandwidth::Wideband) => Band::Wb,
            Some(Bandwidth::Fullband) => Band::Fb,
        })
    }
}

/// `2` or `2%`.
fn percent(text: &str) -> Result<f64, String> {
    number(text.trim().trim_end_matches('%'), "a percentage", "2 or 2%")
}

/// `150`, `150ms` or `0.15s`.
fn millis(text: &str) -> Result<f64, String> {
    let (digits, factor) = match text.trim() {
        text if text.ends_with("ms") => (text.trim_end_matches("ms"), 1.0),
        // `s` alone is of seconds; `ms` is gone.
        text => text.strip_suffix('s').map_or((text, 1.0), |seconds| (seconds, 1000.0)),
    };
    number(digits, "a time", "150, 150ms or 0.15s").map(|value| value * factor)
}

fn number(digits: &str, what: &str, example: &str) -> Result<f64, String> {
    digits.trim().parse().map_err(|_| format!("it is not {what}: write it as {example}"))
}

/// The video stream to rate, with the voice connection beside it where a codec is named.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Video (G.1070); with --codec, --loss and --delay also speech and multimedia quality")]
pub struct VideoArgs {
    /// Coefficient set by number or name: 6, h264bp-vga-6 … (see --list)
    #[arg(long, value_name = "SET", requires_all = ["kbps", "fps"], conflicts_with_all = ["burst_r", "advantage", "sensitivity"])]
    pub video: Option<String>,
    /// A set that stands in for a codec without one; the answer says so
    #[arg(long, value_name = "SET", requires = "video")]
    pub video_proxy: Option<String>,
    /// Video bit rate, in kbit/s
    #[arg(long, requires = "video", value_name = "KBIT_PER_S", allow_negative_numbers = true)]
    pub kbps: Option<f64>,
    /// Frame rate, in frames/s
    #[arg(long, requires = "video", value_name = "FRAMES_PER_S", allow_negative_numbers = true)]
    pub fps: Option<f64>,
    /// Loss of video packets, in %
    #[arg(long, requires = "video", default_value_t = 0.0, value_name = "PERCENT", allow_negative_numbers = true, value_parser = percent)]
    pub video_loss: f64,
    /// One-way delay of video, in ms; that of speech where not given
    #[arg(long, requires = "video", value_name = "MS", allow_negative_numbers = true, value_parser = millis)]
    pub video_delay: Option<f64>,
}

/// The wait of a chatter.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Chat (G.1030 mapping; no ITU model rates chat)")]
pub struct ChatArgs {
    /// Time from sending to delivery, in s
    #[arg(long, requires = "context", value_name = "S", conflicts_with_all = ["VoiceArgs", "VideoArgs"], allow_negative_numbers = true)]
    pub chat_latency: Option<f64>,
    /// The longest wait that users expect, in s: 6, 15 and 60 are the usual contexts
    #[arg(long, requires = "chat_latency", value_name = "S", conflicts_with_all = ["VoiceArgs", "VideoArgs"], allow_negative_numbers = true)]
    pub context: Option<f64>,
    /// What the wait is like
    #[arg(long, value_enum, requires = "chat_latency", default_value_t = Event::Single, conflicts_with_all = ["VoiceArgs", "VideoArgs"])]
    pub event: Event,
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

/// The event waited for, by G.1030.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Event {
    /// One event, as the arrival of a message
    Single,
    /// A web page
    Page,
    /// Two web pages
    Pages,
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

impl From<Event> for Waiting {
    fn from(event: Event) -> Waiting {
        match event {
            Event::Single => Waiting::SingleEvent,
            Event::Page => Waiting::OnePage,
            Event::Pages => Waiting::TwoPages,
        }
    }
}
