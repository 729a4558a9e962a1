//! The figures that a threshold can judge, with their units and what they need of a scenario.

/// A figure that can be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Metric {
    /// `outage.SERVICE.median`: over trials and faults, of each trial's median affected user.
    OutageMedian(String),
    /// `outage.SERVICE.p50`, `.p90` or `.p95`: quantile (type 7) over trials of the trial's median affected user; `p50`
    /// is the median.
    OutageQuantile(String, Percent),
    /// `outage.SERVICE.worst`: the longest of any user; censored ones are infinite.
    OutageWorst(String),
    /// `outage.SERVICE.censored`: how many had not recovered by the end of the window.
    OutageCensored(String),
    /// `media.gap.max`: the longest silence of any call in any direction; one that did not end is infinite.
    MediaGapMax,
    /// `calls.FATE`: number of calls of that fate over all trials.
    Calls(String),
    /// `messages.FATE`: number of messages of that fate over all trials.
    Messages(String),
    /// `messages.lost`: messages that nobody got, whether the server had acknowledged them or not.
    MessagesLost,
    /// `delay.PERIOD.p95`.
    DelayP95(Period),
    /// `jitter.PERIOD.p95`.
    JitterP95(Period),
    /// `loss.PERIOD`: of the packets that were due.
    Loss(Period),
    /// `mos.PERIOD`, `mos.voice.PERIOD.median`: median MOS-CQE of the calls.
    Mos(Period),
    /// `mos.voice.PERIOD.min`: MOS-CQE of the worst call of any trial.
    MosMin(Period),
    /// `coverage.lower95`: lower 95 % limit (one-sided, Clopper–Pearson) of the probability that after a failover
    /// every user has every service back.
    CoverageLower95,
}

/// Percentiles of outages that can be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Percent {
    /// The median.
    P50,
    /// Nine of ten.
    P90,
    /// Nineteen of twenty.
    P95,
}

/// Parts of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// From the start of the window to the first fault.
    Before,
    /// From each fault's effect on the media until all media are back.
    During,
    /// After the last recovery.
    After,
}

/// In what a figure is counted and a threshold written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A duration: written `700ms`, held in milliseconds.
    Milliseconds,
    /// Written `1%`, held as percent.
    Percent,
    /// A number of users, calls or messages.
    Count,
    /// MOS, 1 to 5.
    Mos,
    /// A probability, 0 to 1.
    Probability,
}

/// Traffic without which a figure is undefined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: the cluster itself tells.
    Nothing,
    /// `[traffic.options]`.
    Options,
    /// `[traffic.registrations]`.
    Registrations,
    /// `[traffic.new_calls]`.
    NewCalls,
    /// `[traffic.idle_phones]`.
    IdlePhones,
    /// Calls of any kind.
    Calls,
    /// `[traffic.video_calls]`.
    VideoCalls,
    /// `[traffic.chat]`.
    Chat,
}

impl Percent {
    /// As a probability.
    #[must_use]
    pub const fn probability(self) -> f64 {
        match self {
            Percent::P50 => 0.5,
            Percent::P90 => 0.9,
            Percent::P95 => 0.95,
        }
    }
}

impl Period {
    /// All, in order of time.
    pub const ALL: [Period; 3] = [Period::Before, Period::During, Period::After];

    /// Name as in the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Period::Before => "before",
            Period::During => "during",
            Period::After => "after",
        }
    }
}

impl Unit {
    /// How a value is written in a scenario.
    #[must_use]
    pub const fn example(self) -> &'static str {
        match self {
            Unit::Milliseconds => "700ms",
            Unit::Percent => "1%",
            Unit::Count => "0",
            Unit::Mos => "3.1",
            Unit::Probability => "0.8",
        }
    }
}

impl Metric {
    /// The unit of its values.
    #[must_use]
    pub fn unit(&self) -> Unit {
        match self {
            Metric::OutageMedian(_)
            | Metric::OutageQuantile(..)
            | Metric::OutageWorst(_)
            | Metric::MediaGapMax
            | Metric::DelayP95(_)
            | Metric::JitterP95(_) => Unit::Milliseconds,
            Metric::Loss(_) => Unit::Percent,
            Metric::OutageCensored(_) | Metric::Calls(_) | Metric::Messages(_) | Metric::MessagesLost => Unit::Count,
            Metric::Mos(_) | Metric::MosMin(_) => Unit::Mos,
            Metric::CoverageLower95 => Unit::Probability,
        }
    }

    /// The traffic that defines it.
    #[must_use]
    pub fn need(&self) -> Need {
        match self {
            Metric::OutageMedian(service)
            | Metric::OutageQuantile(service, _)
            | Metric::OutageWorst(service)
            | Metric::OutageCensored(service) => need_of(service),
            Metric::MediaGapMax
            | Metric::Calls(_)
            | Metric::DelayP95(_)
            | Metric::JitterP95(_)
            | Metric::Loss(_)
            | Metric::Mos(_)
            | Metric::MosMin(_) => Need::Calls,
            Metric::Messages(_) | Metric::MessagesLost => Need::Chat,
            Metric::CoverageLower95 => Need::Nothing,
        }
    }

    /// Whether it is defined only when something breaks.
    #[must_use]
    pub fn needs_fault(&self) -> bool {
        matches!(
            self,
            Metric::OutageMedian(_)
                | Metric::OutageQuantile(..)
                | Metric::OutageWorst(_)
                | Metric::OutageCensored(_)
                | Metric::CoverageLower95
                | Metric::DelayP95(Period::During)
                | Metric::JitterP95(Period::During)
                | Metric::Loss(Period::During)
                | Metric::Mos(Period::During)
                | Metric::MosMin(Period::During)
        )
    }
}

fn need_of(service: &str) -> Need {
    match service {
        "sip_answer" => Need::Options,
        "register" => Need::Registrations,
        "new_call" => Need::NewCalls,
        "media" => Need::Calls,
        "idle_registered" | "idle_can_call" | "idle_can_be_called" => Need::IdlePhones,
        "video" | "picture" => Need::VideoCalls,
        "chat_session" | "chat_delivery" => Need::Chat,
        _ => Need::Nothing,
    }
}
