//! ITU-T G.1030 (02/2014): waiting time to MOS, as a named option for chat.
//!
//! No ITU model rates instant messaging. This mapping was made for web browsing; what it says about a message is
//! provisional and must carry the name of the mapping and the expectation that it assumes. Latency, loss,
//! duplicates and order are the findings; this is an illustration.

use std::fmt;

use serde::Serialize;

use super::input::{Input, check_all};
use super::{Provenance, QualityError, Validity};

/// Model name that results carry.
pub const MODEL: &str = "ITU-T G.1030 (02/2014) logarithmic mapping";

/// What the user waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Waiting {
    /// One event, as the arrival of a message.
    SingleEvent,
    /// One web page.
    OnePage,
    /// Two web pages.
    TwoPages,
}

impl Waiting {
    /// The shortest noticeable time for an expectation of `max_s`, s.
    fn min_s(self, max_s: f64) -> f64 {
        match self {
            Waiting::SingleEvent => 0.003 * max_s + 0.12,
            Waiting::OnePage => 0.005 * max_s + 0.24,
            Waiting::TwoPages => 0.011 * max_s + 0.47,
        }
    }

    /// The expectations for which the mapping was made, s.
    fn recommended_max_s(self) -> (f64, f64) {
        match self {
            Waiting::SingleEvent => (3.0, 50.0),
            Waiting::OnePage => (5.0, 100.0),
            Waiting::TwoPages => (10.0, 200.0),
        }
    }
}

/// A mapped waiting time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WaitingScore {
    /// The mapping.
    pub model: &'static str,
    /// What was waited for.
    pub waiting: Waiting,
    /// The longest time that the user expects, s.
    pub max_s: f64,
    /// The shortest time that matters, s.
    pub min_s: f64,
    /// MOS, 1 to 5: not on the scale of the E-models.
    pub mos: f64,
    /// Provisional.
    pub provenance: Provenance,
    /// Whether the expectation lay within the mapping's range.
    pub validity: Validity,
}

/// Maps a response time: `MOS = 4 / ln(Min/Max) · (ln t − ln Min) + 5`, clamped to [1, 5].
///
/// # Errors
/// [`QualityError::OutOfRange`] if the time is negative or the expectation is not between 1 s and 1,000 s.
///
/// ```
/// use fivenines::analysis::quality::g1030::{rate, Waiting};
/// let score = rate(Waiting::SingleEvent, 1.7, 6.0)?;
/// assert_eq!(format!("{:.3}", score.mos), "2.337");
/// # Ok::<(), fivenines::analysis::quality::QualityError>(())
/// ```
pub fn rate(waiting: Waiting, time_s: f64, max_s: f64) -> Result<WaitingScore, QualityError> {
    let input = |name, value, computable, recommended| Input {
        name,
        unit: "s",
        value,
        computable,
        recommended,
        provisional: false,
    };
    let inputs = [
        input("response time", time_s, (0.0, 1e9), (0.0, 1e9)),
        input("Max", max_s, (1.0, 1000.0), waiting.recommended_max_s()),
    ];
    let validity = Validity::from_reasons(check_all(MODEL, &inputs)?);
    let min_s = waiting.min_s(max_s);
    let mos = (4.0 / (min_s / max_s).ln() * (time_s.max(min_s) / min_s).ln() + 5.0).clamp(1.0, 5.0);
    Ok(WaitingScore { model: MODEL, waiting, max_s, min_s, mos, provenance: Provenance::Provisional, validity })
}

/// Bands for the delivery of a chat message. They are this project's own, after the G.1010 targets for transactions
/// (2 s preferred, 4 s limit) and the usual 0.5 s and 10 s of interaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatBand {
    /// Up to 0.5 s.
    Excellent,
    /// Up to 2 s.
    Good,
    /// Up to 4 s.
    Fair,
    /// Up to 10 s.
    Poor,
    /// Later, or never.
    Bad,
}

impl ChatBand {
    /// The band of a delivery time in s; `None` stands for a message that never came.
    #[must_use]
    pub fn of(delivery_s: Option<f64>) -> ChatBand {
        match delivery_s {
            Some(s) if s <= 0.5 => ChatBand::Excellent,
            Some(s) if s <= 2.0 => ChatBand::Good,
            Some(s) if s <= 4.0 => ChatBand::Fair,
            Some(s) if s <= 10.0 => ChatBand::Poor,
            _ => ChatBand::Bad,
        }
    }
}

impl fmt::Display for ChatBand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChatBand::Excellent => "excellent",
            ChatBand::Good => "good",
            ChatBand::Fair => "fair",
            ChatBand::Poor => "poor",
            ChatBand::Bad => "bad",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mos(waiting: Waiting, time_s: f64, max_s: f64) -> f64 {
        rate(waiting, time_s, max_s).unwrap().mos
    }

    /// Independent calculation.
    #[test]
    fn mapped_times() {
        use Waiting::{OnePage, SingleEvent, TwoPages};
        type Row<'a> = (Waiting, f64, &'a [(f64, f64)]);
        let golden: [Row; 5] = [
            (
                SingleEvent,
                6.0,
                &[(0.2, 4.607), (0.5, 3.635), (1.0, 2.900), (1.7, 2.337), (2.0, 2.165), (4.0, 1.430), (6.0, 1.0)],
            ),
            (SingleEvent, 15.0, &[(0.5, 4.017), (1.0, 3.402), (1.7, 2.931), (2.0, 2.787), (4.0, 2.172)]),
            (SingleEvent, 60.0, &[(0.5, 4.614), (1.0, 4.091), (1.7, 3.690), (2.0, 3.568), (4.0, 3.044)]),
            (OnePage, 6.0, &[(0.5, 4.205), (1.0, 3.311), (2.0, 2.417), (4.0, 1.523)]),
            (TwoPages, 15.0, &[(1.0, 4.426), (2.0, 3.549), (4.0, 2.672), (6.0, 2.159)]),
        ];
        for (waiting, max_s, points) in golden {
            for (time_s, want) in points {
                let got = mos(waiting, *time_s, max_s);
                assert!((got - want).abs() < 5e-4, "{waiting:?} {time_s} of {max_s} s: {got} instead of {want}");
            }
        }
    }

    #[test]
    fn the_expectation_has_a_range() {
        assert!(rate(Waiting::SingleEvent, 1.0, 60.0).unwrap().validity.outside_validity);
        assert!(!rate(Waiting::SingleEvent, 1.0, 6.0).unwrap().validity.outside_validity);
        assert!(rate(Waiting::SingleEvent, -1.0, 6.0).is_err());
        assert!(rate(Waiting::SingleEvent, f64::NAN, 6.0).is_err());
        assert_eq!(mos(Waiting::SingleEvent, 0.0, 6.0), 5.0);
    }

    #[test]
    fn chat_bands() {
        let bands = [Some(0.5), Some(1.7), Some(3.0), Some(10.0), Some(11.0), None].map(ChatBand::of);
        use ChatBand::{Bad, Excellent, Fair, Good, Poor};
        assert_eq!(bands, [Excellent, Good, Fair, Poor, Bad, Bad]);
    }

    proptest! {
        #[test]
        fn waiting_longer_never_raises_the_score(time_s in 0.0f64..100.0, more in 0.0f64..10.0, max_s in 3.0f64..50.0) {
            let score = |t| mos(Waiting::SingleEvent, t, max_s);
            prop_assert!(score(time_s + more) <= score(time_s) && (1.0..=5.0).contains(&score(time_s)));
        }
    }
}
