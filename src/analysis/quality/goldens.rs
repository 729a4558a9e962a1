//! The models held against tables: whole-call scores of outages, delay, examples that others printed, G.113 itself.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::g107::{Connection, assess};
use super::g113::{ROWS, lookup};
use super::{Narrowband, Rating, Wideband};

fn table<T: DeserializeOwned>(text: &str) -> T {
    toml::from_str(text).unwrap()
}

#[derive(Deserialize)]
struct Outages {
    outage: Vec<Outage>,
}

#[derive(Deserialize)]
struct Outage {
    s: f64,
    lost: f64,
    due: f64,
    no_plc: (f64, f64),
    no_plc_burst: (f64, f64),
    plc: (f64, f64),
    plc_burst: (f64, f64),
}

/// Random loss at Ppl < 20 % is inside the model; the outage with its own BurstR never is.
#[test]
fn outages_in_whole_calls() {
    let Outages { outage } = table(include_str!("goldens/outages.toml"));
    for Outage { s, lost, due, no_plc, no_plc_burst, plc, plc_burst } in outage {
        let ppl = 100.0 * lost / due;
        let own = lost * (1.0 - lost / due);
        let cases = [
            ("g711-noplc", 1.0, no_plc),
            ("g711-noplc", own, no_plc_burst),
            ("g711", 1.0, plc),
            ("g711", own, plc_burst),
        ];
        for (codec, burst_r, (r, mos)) in cases {
            let equipment = lookup(codec, None).unwrap();
            let score = assess(&Connection { equipment, ppl, burst_r, ..Connection::default() }).unwrap();
            let at =
                format!("{codec}, {s} s in {due} packets, BurstR {burst_r}: {} {}", score.r.value(), score.mos.value());
            assert!((score.r.value() - r).abs() <= 5.01e-3 && (score.mos.value() - mos).abs() <= 5.01e-4, "{at}");
            assert_eq!(score.validity.outside_validity, burst_r > 1.0 || ppl > 20.0, "{at}");
        }
    }
}

#[derive(Deserialize)]
struct Delays {
    delay: Vec<Delay>,
}

#[derive(Deserialize)]
struct Delay {
    ms: f64,
    without_echo: f64,
    shortcut: f64,
}

#[test]
fn delay_without_echo_and_the_usual_shortcut() {
    let Delays { delay } = table(include_str!("goldens/delay.toml"));
    for Delay { ms, without_echo, shortcut } in delay {
        let score = assess(&Connection::with_delay(ms)).unwrap();
        assert!((93.2 - score.components.idd - without_echo).abs() <= 5.01e-4, "{ms} ms: {:?}", score.components);
        let above = score.r.value() - shortcut;
        assert!(if ms <= 300.0 { above.abs() <= 0.25 } else { above > 3.0 }, "{ms} ms: {above}");
    }
}

#[derive(Deserialize)]
struct Examples {
    example: Vec<Example>,
}

#[derive(Deserialize)]
struct Example {
    codec: String,
    ppl: f64,
    burst_r: f64,
    delay_ms: f64,
    r: Option<f64>,
    mos: Option<f64>,
    ie_eff: Option<f64>,
    ie_eff_digits: Option<f64>,
}

#[test]
fn printed_examples() {
    let Examples { example } = table(include_str!("goldens/published.toml"));
    for of in example {
        let Example { ppl, burst_r, delay_ms, .. } = of;
        let equipment = lookup(&of.codec, None).unwrap();
        let score = assess(&Connection { equipment, ppl, burst_r, ..Connection::with_delay(delay_ms) }).unwrap();
        let got = [score.r.value(), score.mos.value(), score.components.ie_eff];
        for ((got, want), digits) in
            got.into_iter().zip([of.r, of.mos, of.ie_eff]).zip([Some(0.05), Some(0.005), of.ie_eff_digits])
        {
            let close = want.is_none_or(|want| (got - want).abs() <= digits.unwrap_or(0.0));
            assert!(close, "{} at {ppl} %: {got} instead of {want:?}", of.codec);
        }
    }
}

#[test]
fn every_row_of_g113() {
    let tables: BTreeMap<String, BTreeMap<String, Vec<f64>>> = table(include_str!("goldens/g113.toml"));
    let typed: usize = tables.values().map(BTreeMap::len).sum();
    assert_eq!(typed, ROWS.len());
    for row in ROWS {
        let values = &tables[&row.bandwidth.to_string()][row.key];
        assert_eq!((values.first(), values.get(1)), (Some(&row.ie), row.bpl.as_ref()), "{}", row.key);
    }
}

/// 129 − 13 = 116, MOS 4.337: AMR-WB 12.65 heard with one ear, without delay or echo terms.
#[test]
fn one_ear_hears_less_impairment() {
    let monotic = lookup::<Wideband>("AMR-WB-12.65-monotic", Some(20.0)).unwrap();
    let rating = Rating::<Wideband>::new(129.0 - monotic.effective(0.0, 1.0).unwrap());
    assert_eq!(rating.value(), 116.0);
    assert!((rating.mos().value() - 4.337).abs() <= 5e-4);
    assert!(monotic.effective(1.0, 1.0).is_err(), "a diotic Bpl must not be mixed in");
    assert!(lookup::<Narrowband>("AMR-WB-12.65-monotic", None).is_err());
}
