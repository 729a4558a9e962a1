//! Simultaneous impairments Is, ITU-T G.107 (06/2015) §7.3.

use super::Connection;

pub(super) struct Simultaneous {
    pub xolr: f64,
    pub iolr: f64,
    pub stmro: f64,
    pub ist: f64,
    pub iq: f64,
}

pub(super) fn simultaneous(c: &Connection, no: f64, ro: f64) -> Simultaneous {
    let xolr = c.slr + c.rlr + 0.2 * (64.0 + no - c.rlr);
    let iolr = 20.0 * ((1.0 + (xolr / 8.0).powi(8)).powf(1.0 / 8.0) - xolr / 8.0);
    let echo = (-c.t_ms / 4.0).exp() * 10_f64.powf(-c.telr / 10.0);
    let stmro = -10.0 * (10_f64.powf(-c.stmr / 10.0) + echo).log10();
    Simultaneous { xolr, iolr, stmro, ist: sidetone(stmro), iq: quantisation(c.qdu, ro) }
}

fn sidetone(stmro: f64) -> f64 {
    let bend = |x: f64, order: i32| (1.0 + x.powi(order)).powf(1.0 / f64::from(order));
    12.0 * bend((stmro - 13.0) / 6.0, 8) - 28.0 * bend((stmro + 1.0) / 19.4, 35) - 13.0 * bend((stmro - 3.0) / 33.0, 13)
        + 29.0
}

fn quantisation(qdu: f64, ro: f64) -> f64 {
    let q = 37.0 - 15.0 * qdu.log10();
    let g = 1.07 + 0.258 * q + 0.0602 * q * q;
    let y = (ro - 100.0) / 15.0 + 46.0 / 8.4 - g / 9.0;
    let z = 46.0 / 30.0 - g / 40.0;
    15.0 * (1.0 + 10_f64.powf(y) + 10_f64.powf(z)).log10()
}
