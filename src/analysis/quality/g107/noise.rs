//! Noise sources, ITU-T G.107 (06/2015) §7.2.

use super::Connection;

pub(super) struct Noise {
    pub no: f64,
    pub nos: f64,
    pub pre: f64,
    pub nor: f64,
    pub nfo: f64,
}

pub(super) fn noise(c: &Connection) -> Noise {
    let olr = c.slr + c.rlr;
    let nos = c.ps - c.slr - c.ds - 100.0 + 0.004 * (c.ps - olr - c.ds - 14.0).powi(2);
    let pre = c.pr + 10.0 * (1.0 + power((10.0 - c.lstr) / 10.0)).log10();
    let nor = c.rlr - 121.0 + pre + 0.008 * (pre - 35.0).powi(2);
    let nfo = c.nfor + c.rlr;
    let sum: f64 = [c.nc, nos, nor, nfo].iter().map(|level| power(level / 10.0)).sum();
    Noise { no: 10.0 * sum.log10(), nos, pre, nor, nfo }
}

/// No with the default connection except for the noise floor at the receive side.
pub(crate) fn noise_sum(nfor: f64) -> f64 {
    noise(&Connection { nfor, ..Connection::default() }).no
}

fn power(exponent: f64) -> f64 {
    10_f64.powf(exponent)
}
