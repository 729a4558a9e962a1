//! The tables of ITU-T G.113 Appendix I, IV and V, one row a codec and condition.

use serde::Serialize;

use super::super::{Bandwidth, Provenance};

/// One codec and condition.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Name for look-ups.
    pub key: &'static str,
    /// Codec, rate and condition.
    pub condition: &'static str,
    /// The scale on which the values hold.
    pub bandwidth: Bandwidth,
    /// Equipment impairment without loss.
    pub ie: f64,
    /// Packet-loss robustness, where one is published.
    pub bpl: Option<f64>,
    /// Packet size for which Bpl holds, ms.
    pub ptime_ms: Option<f64>,
    /// Delay of the encoder beyond the packet itself, ms, where it is known: a part of Ta.
    pub look_ahead_ms: Option<f64>,
    /// How far the values can be trusted.
    pub provenance: Provenance,
    /// Recommendation and table.
    pub source: &'static str,
}

const NB_LOSS: &str = "ITU-T G.113 Appendix I, Table I.4";
const NB_IE: &str = "ITU-T G.113 Appendix I";
const WB: &str = "ITU-T G.113 Appendix IV";
const FB: &str = "ITU-T G.113 Appendix V";

const fn nb(key: &'static str, condition: &'static str, ie: f64) -> Row {
    let (bandwidth, provenance) = (Bandwidth::Narrowband, Provenance::Published);
    Row { key, condition, bandwidth, ie, bpl: None, ptime_ms: None, look_ahead_ms: None, provenance, source: NB_IE }
}

const fn nb_loss(key: &'static str, condition: &'static str, ie: f64, bpl: f64, ptime_ms: f64) -> Row {
    Row { bpl: Some(bpl), ptime_ms: Some(ptime_ms), source: NB_LOSS, ..nb(key, condition, ie) }
}

const fn wb(key: &'static str, condition: &'static str, ie: f64, bpl: Option<f64>) -> Row {
    let (bandwidth, provenance) = (Bandwidth::Wideband, Provenance::PublishedOneSource);
    Row { bandwidth, provenance, bpl, source: WB, ..nb(key, condition, ie) }
}

const fn fb(key: &'static str, condition: &'static str, ie: f64, bpl: f64) -> Row {
    let (bandwidth, provenance) = (Bandwidth::Fullband, Provenance::PublishedOneSource);
    Row { bandwidth, provenance, bpl: Some(bpl), source: FB, ..nb(key, condition, ie) }
}

const fn but(row: Row, provenance: Provenance, source: &'static str) -> Row {
    Row { provenance, source, ..row }
}

/// The same row with the encoder's look-ahead (G.729 5 ms, G.723.1 7.5 ms; G.711 takes one sample).
const fn ahead(row: Row, ms: f64) -> Row {
    Row { look_ahead_ms: Some(ms), ..row }
}

/// All rows. Monotic and diotic wideband values are different conditions: a Bpl is published for diotic only.
pub const ROWS: &[Row] = &[
    ahead(nb_loss("g711", "G.711 with Appendix I concealment", 0.0, 25.1, 10.0), 0.125),
    ahead(nb_loss("g711-noplc", "G.711 without concealment", 0.0, 4.3, 10.0), 0.125),
    ahead(nb_loss("g711-repeat", "G.711, repeat one packet, then silence", 0.0, 4.8, 20.0), 0.125),
    ahead(nb_loss("g729a", "G.729A with VAD, 8 kbit/s", 11.0, 19.0, 20.0), 5.0),
    ahead(nb_loss("g729e", "G.729E, 11.8 kbit/s", 4.0, 8.1, 20.0), 5.0),
    ahead(nb_loss("g7231", "G.723.1 with VAD, 6.3 kbit/s", 15.0, 16.1, 30.0), 7.5),
    nb_loss("gsm-efr", "GSM-EFR, 12.2 kbit/s", 5.0, 10.0, 20.0),
    but(
        nb_loss("amr-12.2", "AMR at 12.2 kbit/s", 5.0, 10.0, 20.0),
        Provenance::Derived,
        "ITU-T G.113 Appendix I for GSM-EFR, which AMR at 12.2 kbit/s reproduces bit by bit",
    ),
    ahead(nb("g729", "G.729, 8 kbit/s", 10.0), 5.0),
    ahead(nb("g7231-5.3", "G.723.1, 5.3 kbit/s", 19.0), 7.5),
    nb("g726-40", "G.726, 40 kbit/s", 2.0),
    nb("g726-32", "G.726, 32 kbit/s", 7.0),
    nb("g726-24", "G.726, 24 kbit/s", 25.0),
    nb("g726-16", "G.726, 16 kbit/s", 50.0),
    nb("g728", "G.728, 16 kbit/s", 7.0),
    nb("g728-12.8", "G.728, 12.8 kbit/s", 20.0),
    nb("gsm-fr", "GSM full rate, 13 kbit/s", 20.0),
    nb("gsm-hr", "GSM half rate, 5.6 kbit/s", 23.0),
    nb("is-54", "IS-54, 8 kbit/s", 20.0),
    nb("is-641", "IS-641, 7.4 kbit/s", 10.0),
    nb("is-96", "IS-96-A, 8 kbit/s", 21.0),
    nb("is-127", "IS-127, 8 kbit/s", 6.0),
    nb("pdc-vselp", "PDC VSELP, 6.7 kbit/s", 24.0),
    wb("amr-wb-23.85", "AMR-WB 23.85 kbit/s, diotic", 10.0, Some(4.9)),
    wb("amr-wb-23.05", "AMR-WB 23.05 kbit/s, diotic", 8.0, Some(4.6)),
    wb("amr-wb-15.85", "AMR-WB 15.85 kbit/s, diotic", 17.0, None),
    wb("amr-wb-12.65", "AMR-WB 12.65 kbit/s, diotic", 20.0, Some(4.3)),
    wb("amr-wb-8.85", "AMR-WB 8.85 kbit/s, diotic", 41.0, None),
    wb("amr-wb-6.6", "AMR-WB 6.6 kbit/s, diotic", 56.0, None),
    wb("amr-wb-23.85-monotic", "AMR-WB 23.85 kbit/s, monotic", 8.0, None),
    wb("amr-wb-23.05-monotic", "AMR-WB 23.05 kbit/s, monotic", 1.0, None),
    wb("amr-wb-19.85-monotic", "AMR-WB 19.85 kbit/s, monotic", 3.0, None),
    wb("amr-wb-18.25-monotic", "AMR-WB 18.25 kbit/s, monotic", 5.0, None),
    wb("amr-wb-15.85-monotic", "AMR-WB 15.85 kbit/s, monotic", 7.0, None),
    wb("amr-wb-14.25-monotic", "AMR-WB 14.25 kbit/s, monotic", 10.0, None),
    wb("amr-wb-12.65-monotic", "AMR-WB 12.65 kbit/s, monotic", 13.0, None),
    wb("amr-wb-8.85-monotic", "AMR-WB 8.85 kbit/s, monotic", 26.0, None),
    wb("amr-wb-6.6-monotic", "AMR-WB 6.6 kbit/s, monotic", 41.0, None),
    wb("g722", "G.722, 64 kbit/s", 13.0, None),
    but(wb("g722-56", "G.722, 56 kbit/s", 20.0, None), Provenance::Provisional, "unconfirmed"),
    but(wb("g722-48", "G.722, 48 kbit/s", 31.0, None), Provenance::Provisional, "unconfirmed"),
    fb("evs-48", "EVS, 48 kbit/s", 10.2, 9.6),
    fb("evs-32", "EVS, 32 kbit/s", 8.7, 9.3),
    fb("evs-24.4", "EVS, 24.4 kbit/s", 7.2, 11.4),
    fb("evs-16.4", "EVS, 16.4 kbit/s", 10.8, 10.3),
    fb("evs-13.2", "EVS, 13.2 kbit/s", 17.1, 11.7),
    fb("evs-9.6", "EVS, 9.6 kbit/s", 22.7, 13.0),
];

/// Other names, in lower case without punctuation, and the canonical key that each stands for.
pub(super) const ALIASES: &[(&str, &str)] = &[
    ("pcmu", "g711"),
    ("pcma", "g711"),
    ("g711u", "g711"),
    ("g711a", "g711"),
    ("g711plc", "g711"),
    ("g729ab", "g729a"),
    ("g723", "g7231"),
    ("gsm", "gsmfr"),
];

/// A codec that is known to have no values, with the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Name for look-ups.
    pub key: &'static str,
    /// How its makers write it.
    pub name: &'static str,
    /// Why there is no value.
    pub reason: &'static str,
    /// Whether another codec may stand in for it under the name of a proxy: audio without values may have one, video
    /// and names that only lack their bit rate may not.
    pub proxy: bool,
}

const fn none(key: &'static str, name: &'static str, reason: &'static str) -> Refused {
    Refused { key, name, reason, proxy: true }
}

const fn by_rate(key: &'static str, name: &'static str, reason: &'static str) -> Refused {
    Refused { key, name, reason, proxy: false }
}

const fn video(key: &'static str, name: &'static str) -> Refused {
    Refused { key, name, reason: VIDEO, proxy: false }
}

const NOTHING: &str = "there is no ITU Ie or Bpl for it";
const VIDEO: &str = "there is no ITU Ie for video; see G.1070 for video quality";

/// All refused names.
pub const REFUSED: &[Refused] = &[
    none("opus", "Opus", "there is no ITU Ie or Bpl for Opus"),
    none("silk", "SILK", NOTHING),
    none("celt", "CELT", NOTHING),
    none("speex", "Speex", NOTHING),
    none("ilbc", "iLBC", "there is no ITU Bpl for iLBC"),
    none("isac", "iSAC", NOTHING),
    none("lc3", "LC3", NOTHING),
    none("g719", "G.719", NOTHING),
    none("g7221", "G.722.1", NOTHING),
    none("amr", "AMR", "there is no ITU value for AMR as such; at 12.2 kbit/s amr-12.2 follows from GSM-EFR"),
    by_rate("amrwb", "AMR-WB", "its values depend on the bit rate: name one, as amr-wb-12.65"),
    by_rate("evs", "EVS", "its values depend on the bit rate: name one, as evs-24.4"),
    by_rate("g726", "G.726", "its values depend on the bit rate: name one, as g726-32"),
    video("vp8", "VP8"),
    video("vp9", "VP9"),
    video("h264", "H.264"),
    video("h265", "H.265"),
    video("av1", "AV1"),
];
