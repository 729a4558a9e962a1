//! One score from the fates of packets: the E-model with the clamps that evidence needs.

use super::model::Mos;
use crate::analysis::quality::bursts::{Runs, Slot};
use crate::analysis::quality::g107::{self, Connection};
use crate::analysis::quality::{Narrowband, Rating, Scale, g113};
use crate::units::Span;

/// Score of a stretch of a stream.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Score {
    pub(super) mos: f64,
    r: f64,
    model: &'static str,
    pub(super) valid: bool,
    reasons: Vec<String>,
}

/// The connection of a codec without loss and delay; `None` where nothing is published for it.
pub(super) fn connection(codec: &str, interval: Span) -> Option<Connection> {
    let equipment = g113::lookup::<Narrowband>(codec, Some(interval.as_millis_f64())).ok()?;
    Some(Connection { equipment, ..Connection::default() })
}

/// Scores packets by their fates; `None` when there are none.
pub(super) fn score(base: &Connection, slots: impl IntoIterator<Item = Slot>, ta_ms: f64) -> Option<Score> {
    let runs = Runs::count(slots);
    let (ppl, burst_r) = (runs.ppl()?, runs.model_burst_r());
    let connection = Connection { ppl, burst_r, ta_ms, t_ms: ta_ms, tr_ms: 2.0 * ta_ms, ..base.clone() };
    let score = g107::assess(&connection).ok()?;
    // Beyond its range the loss term exceeds what silence itself is worth.
    let impairment = score.components.ie_eff;
    let most = if ppl >= 100.0 { Narrowband::LOSS_CEILING } else { impairment.min(Narrowband::LOSS_CEILING) };
    let r: Rating<Narrowband> = Rating::new(score.r.value() + impairment - most);
    let validity = score.validity;
    let (mos, r, valid) = (r.mos().value(), r.value(), !validity.outside_validity);
    Some(Score { mos, r, model: score.model, valid, reasons: validity.reasons })
}

impl Score {
    /// The score with its provenance.
    pub(super) fn with_source(self, base: &Connection, delay: &str) -> Mos {
        let (equipment, ie) = (&base.equipment, base.equipment.ie);
        let bpl = equipment.bpl.map(|bpl| format!(", Bpl {bpl}")).unwrap_or_default();
        let source = format!("{}: Ie {ie}{bpl}, {}, {}", equipment.condition, equipment.provenance, equipment.source);
        let notes = self.reasons.into_iter().chain([source, delay.to_owned()]).filter(|note| !note.is_empty());
        let note = notes.collect::<Vec<_>>().join("; ");
        Mos { value: self.mos, model: self.model.to_owned(), r: self.r, valid: self.valid, note }
    }
}
