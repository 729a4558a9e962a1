//! ITU-T Y.1541 (12/2011) network QoS classes.

use serde::Serialize;

use super::super::Provenance;

/// Objectives of one class. `None` means unspecified ("U").
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Y1541Class {
    /// Class number.
    pub class: u8,
    /// Mean one-way transfer delay IPTD, ms.
    pub iptd_ms: Option<f64>,
    /// Delay variation IPDV (99.9 % quantile minus minimum), ms.
    pub ipdv_ms: Option<f64>,
    /// Loss ratio IPLR.
    pub iplr: Option<f64>,
    /// How far the numbers can be trusted: only those of class 0 were read in a source that states them.
    pub provenance: Provenance,
}

/// What a path does, in the terms of Y.1540.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct IpPerformance {
    /// Mean one-way delay, ms.
    pub iptd_ms: f64,
    /// 99.9 % quantile minus minimum of the one-way delay, ms.
    pub ipdv_ms: f64,
    /// Loss ratio in [0, 1].
    pub iplr: f64,
}

const fn class(class: u8, iptd_ms: f64, ipdv_ms: Option<f64>, iplr: f64) -> Y1541Class {
    let provenance = if class == 0 { Provenance::PublishedOneSource } else { Provenance::Provisional };
    Y1541Class { class, iptd_ms: Some(iptd_ms), ipdv_ms, iplr: Some(iplr), provenance }
}

/// The classes in order.
pub const CLASSES: [Y1541Class; 8] = [
    class(0, 100.0, Some(50.0), 1e-3),
    class(1, 400.0, Some(50.0), 1e-3),
    class(2, 100.0, None, 1e-3),
    class(3, 400.0, None, 1e-3),
    class(4, 1000.0, None, 1e-3),
    Y1541Class { class: 5, iptd_ms: None, ipdv_ms: None, iplr: None, provenance: Provenance::Provisional },
    class(6, 100.0, Some(50.0), 1e-5),
    class(7, 400.0, Some(50.0), 1e-5),
];

/// The classes whose objectives the path meets; class 5 is always met, for it has none.
pub fn classes_met(path: IpPerformance) -> impl Iterator<Item = Y1541Class> {
    let within = |value: f64, limit: Option<f64>| limit.is_none_or(|limit| value <= limit);
    CLASSES.into_iter().filter(move |class| {
        within(path.iptd_ms, class.iptd_ms) && within(path.ipdv_ms, class.ipdv_ms) && within(path.iplr, class.iplr)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(iptd_ms: f64, ipdv_ms: f64, iplr: f64) -> Vec<u8> {
        classes_met(IpPerformance { iptd_ms, ipdv_ms, iplr }).map(|class| class.class).collect()
    }

    #[test]
    fn objectives_are_met_together_or_not_at_all() {
        assert_eq!(met(20.0, 5.0, 0.0), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(met(100.0, 50.0, 1e-3), [0, 1, 2, 3, 4, 5]);
        assert_eq!(met(200.0, 80.0, 1e-4), [3, 4, 5]);
        assert_eq!(met(20.0, 5.0, 0.03), [5]);
        assert_eq!(met(f64::NAN, 5.0, 0.0), [5]);
    }
}
