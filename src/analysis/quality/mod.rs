//! The ITU's parametric quality models, as pure functions.
//!
//! Every score names its model and edition, carries its components, the provenance of its inputs, and
//! whether the inputs lay where the model was validated. The narrowband, wideband and fullband scales are
//! different types ([`Rating`]): a wideband R of 93 is not a narrowband R of 93.
//!
//! A whole-call score hides an outage: 1.701 s of silence in 60 s of G.711 with concealment still scores
//! MOS 4.1. Report the outage itself, and the score per second ([`time_series`]), beside it.
//!
//! The Recommendations are known here through open implementations, lecture notes and the tables that they quote;
//! formulas on which several agree are taken as published, what rests on less is marked
//! [`Provenance::Provisional`]. Two readings of G.107.1 exist, and the one used is recorded.
//!
//! | question | module |
//! |---|---|
//! | narrowband R and MOS with every component | [`g107`] |
//! | wideband, fullband | [`g107_1`], [`g107_2`] |
//! | Ie and Bpl of a codec, or why there is none | [`g113`] |
//! | a codec by the model of its own scale | [`codec`] |
//! | how losses cluster | [`bursts`] |
//! | what a de-jitter buffer makes of arrivals | [`dejitter`] |
//! | R and MOS second by second | [`time_series`], [`clark`] |
//! | video quality; freezes and key frames | [`g1070`], [`freeze`] |
//! | waiting times of chat, as a named option | [`g1030`] |
//! | category names, each with its table | [`categories`] |

pub mod bursts;
pub mod categories;
pub mod clark;
pub mod codec;
pub mod dejitter;
pub mod freeze;
pub mod g1030;
pub mod g107;
pub mod g1070;
pub mod g107_1;
pub mod g107_2;
pub mod g113;
#[cfg(test)]
mod goldens;
mod input;
mod scale;
mod score;
pub mod time_series;

pub use input::QualityError;
pub use scale::{Bandwidth, Fullband, Mos, Narrowband, Rating, Scale, Wideband};
pub use score::{Provenance, Score, Validity};
