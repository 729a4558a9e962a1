//! Delayed impairments Id, ITU-T G.107 (06/2015) §7.4.

use serde::Serialize;

use super::Connection;

/// How sensitive a conversation is to delay (G.107 (06/2015) §7.4: sT and mT).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DelaySensitivity {
    /// sT 1, mT 100 ms: the classic curve.
    #[default]
    Default,
    /// sT 0.55, mT 120 ms: everyday conversation.
    Low,
    /// sT 0.4, mT 150 ms: conversations with little interaction.
    VeryLow,
}

impl DelaySensitivity {
    /// The sensitivity sT and the minimum perceivable delay mT in ms.
    #[must_use]
    pub const fn st_and_mt_ms(self) -> (f64, f64) {
        match self {
            DelaySensitivity::Default => (1.0, 100.0),
            DelaySensitivity::Low => (0.55, 120.0),
            DelaySensitivity::VeryLow => (0.4, 150.0),
        }
    }
}

pub(super) struct Delayed {
    pub idte: f64,
    pub idle: f64,
    pub idd: f64,
}

pub(super) fn delayed(c: &Connection, no: f64, ro: f64, ist: f64) -> Delayed {
    Delayed {
        idte: talker_echo(c, no, ist),
        idle: listener_echo(c, ro),
        idd: absolute_delay_impairment(c.ta_ms, c.sensitivity),
    }
}

/// Idte. Slightly negative just above T = 1 ms: so says the formula.
fn talker_echo(c: &Connection, no: f64, ist: f64) -> f64 {
    let roe = -1.5 * (no - c.rlr);
    let masked = if c.stmr < 9.0 { ist / 2.0 } else { 0.0 };
    let terv = c.telr + echo_weight(c.t_ms) + masked;
    let re = 80.0 + 2.5 * (terv - 14.0);
    let idte = if c.t_ms < 1.0 { 0.0 } else { (smooth_difference(roe, re, 100.0) - 1.0) * (1.0 - (-c.t_ms).exp()) };
    if c.stmr > 20.0 { idte.hypot(ist) } else { idte }
}

/// The part of TERV that depends on the echo's delay.
pub(crate) fn echo_weight(t_ms: f64) -> f64 {
    -40.0 * ((1.0 + t_ms / 10.0) / (1.0 + t_ms / 150.0)).log10() + 6.0 * (-0.3 * t_ms * t_ms).exp()
}

fn listener_echo(c: &Connection, ro: f64) -> f64 {
    smooth_difference(ro, loudness_of_listener_echo(c.wepl, c.tr_ms), 169.0)
}

/// Rle of the listener echo.
pub(crate) fn loudness_of_listener_echo(wepl: f64, tr_ms: f64) -> f64 {
    10.5 * (wepl + 7.0) * (tr_ms + 1.0).powf(-0.25)
}

/// `(a−b)/2 + √((a−b)²/4 + bend)`: what is left of a − b, smoothly not below 0.
pub(crate) fn smooth_difference(a: f64, b: f64, bend: f64) -> f64 {
    let half = (a - b) / 2.0;
    half + (half * half + bend).sqrt()
}

/// Idd, on the narrowband scale; 0 up to mT.
///
/// The exponent is the product 6·sT: a widely copied listing subtracts instead.
#[must_use]
pub fn absolute_delay_impairment(ta_ms: f64, sensitivity: DelaySensitivity) -> f64 {
    let (st, mt_ms) = sensitivity.st_and_mt_ms();
    if ta_ms <= mt_ms {
        return 0.0;
    }
    let x = (ta_ms / mt_ms).log2();
    let order = 6.0 * st;
    let bend = |x: f64| (1.0 + x.powf(order)).powf(1.0 / order);
    25.0 * (bend(x) - 3.0 * bend(x / 3.0) + 2.0)
}
