//! ITU-T G.114 and G.1010, and the ITU loss grades that theses quote.

use serde::Serialize;

use super::super::Provenance;
use super::{Category, graded};

/// One-way delay by ITU-T G.114 (05/2003): up to 150 ms fine for most applications, up to 400 ms acceptable if
/// planned for. `None` for NaN or a negative delay.
#[must_use]
pub fn g114(one_way_ms: f64) -> Option<Category> {
    // The limits themselves belong to the better grade.
    let rows =
        [(150.0_f64.next_up(), "good", None), (400.0_f64.next_up(), "acceptable", None), (f64::INFINITY, "poor", None)];
    graded("ITU-T G.114 (05/2003)", Provenance::Published, one_way_ms, &rows)
}

/// Packet loss in % by the grades that Indonesian theses attribute to the ITU: up to 0.5 very good, up to 1.5 good.
/// `None` for NaN or a negative loss.
#[must_use]
pub fn loss_as_theses_cite(loss_percent: f64) -> Option<Category> {
    let rows =
        [(0.5_f64.next_up(), "very good", None), (1.5_f64.next_up(), "good", None), (f64::INFINITY, "bad", None)];
    graded("ITU-T packet loss (as cited in Indonesian theses)", Provenance::Provisional, loss_percent, &rows)
}

/// A service of ITU-T G.1010 (11/2001).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum G1010Service {
    /// Conversational voice.
    Voice,
    /// Videophone.
    Videophone,
    /// Transactions; the nearest to instant messaging, which G.1010 does not list.
    Transaction,
    /// Command and control.
    Command,
    /// Access to an e-mail server.
    Mail,
    /// Web page.
    Web,
}

/// Performance targets of a G.1010 service. Provisional: from secondary sources.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct G1010Target {
    /// Preferred one-way delay or response time, ms, where one is named.
    pub preferred_ms: Option<f64>,
    /// Limit of one-way delay or response time, ms.
    pub limit_ms: f64,
    /// Limit of packet loss, %, where the service tolerates any.
    pub loss_percent: Option<f64>,
    /// Limit of delay variation or of lip synchronisation, ms.
    pub variation_ms: Option<f64>,
    /// How far the numbers can be trusted.
    pub provenance: Provenance,
}

/// The targets of a service by ITU-T G.1010 (11/2001).
#[must_use]
pub fn g1010(service: G1010Service) -> G1010Target {
    let target = |preferred_ms, limit_ms, loss_percent, variation_ms| G1010Target {
        preferred_ms,
        limit_ms,
        loss_percent,
        variation_ms,
        provenance: Provenance::Provisional,
    };
    match service {
        G1010Service::Voice => target(Some(150.0), 400.0, Some(3.0), Some(1.0)),
        G1010Service::Videophone => target(Some(150.0), 400.0, Some(1.0), Some(80.0)),
        G1010Service::Transaction | G1010Service::Mail | G1010Service::Web => target(Some(2000.0), 4000.0, None, None),
        G1010Service::Command => target(None, 250.0, None, None),
    }
}

/// One-way delay of a conversation against the targets of G.1010. `None` for NaN or a negative delay.
#[must_use]
pub fn g1010_voice_delay(one_way_ms: f64) -> Option<Category> {
    let target = g1010(G1010Service::Voice);
    let preferred = target.preferred_ms.map(|ms| (ms.next_up(), "preferred", None));
    let rows: Vec<_> = preferred.into_iter().chain(within_or_over(target.limit_ms)).collect();
    graded(G1010_VOICE, target.provenance, one_way_ms, &rows)
}

/// Packet loss in % of a conversation against the limit of G.1010. `None` for NaN or a negative loss.
#[must_use]
pub fn g1010_voice_loss(loss_percent: f64) -> Option<Category> {
    let target = g1010(G1010Service::Voice);
    graded(G1010_VOICE, target.provenance, loss_percent, &within_or_over(target.loss_percent?))
}

const G1010_VOICE: &str = "ITU-T G.1010 (11/2001), conversational voice";

fn within_or_over(limit: f64) -> [(f64, &'static str, Option<u8>); 2] {
    [(limit.next_up(), "within the limit", None), (f64::INFINITY, "over the limit", None)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// G.114: 150 and 400 ms.
    #[test]
    fn delay_grades() {
        for (ms, grade) in
            [(0.0, "good"), (150.0, "good"), (150.1, "acceptable"), (400.0, "acceptable"), (401.0, "poor")]
        {
            assert_eq!(g114(ms).unwrap().grade, grade, "{ms} ms");
        }
        assert_eq!(g114(f64::NAN), None);
        assert_eq!(g114(-1.0), None);
        assert_eq!(g114(f64::INFINITY).unwrap().grade, "poor");
    }

    #[test]
    fn loss_grades_carry_the_name_of_the_citation() {
        for (loss, grade) in [(0.5, "very good"), (1.0, "good"), (1.6, "bad")] {
            let category = loss_as_theses_cite(loss).unwrap();
            assert_eq!(category.grade, grade);
            assert!(category.table.contains("as cited"));
        }
    }

    /// G.1010: 150 ms preferred, 400 ms and 3 % are the limits.
    #[test]
    fn a_conversation_against_its_targets() {
        let delay = |ms| g1010_voice_delay(ms).unwrap().grade;
        assert_eq!(
            [150.0, 151.0, 400.0, 401.0].map(delay),
            ["preferred", "within the limit", "within the limit", "over the limit"]
        );
        let loss = |percent| g1010_voice_loss(percent).unwrap().grade;
        assert_eq!([0.0, 3.0, 3.1].map(loss), ["within the limit", "within the limit", "over the limit"]);
        assert_eq!((g1010_voice_delay(f64::NAN), g1010_voice_loss(-1.0)), (None, None));
    }

    #[test]
    fn targets_are_provisional() {
        assert_eq!(g1010(G1010Service::Voice).preferred_ms, Some(150.0));
        assert_eq!(g1010(G1010Service::Transaction).limit_ms, 4000.0);
        assert_eq!(g1010(G1010Service::Web).provenance, Provenance::Provisional);
    }
}
