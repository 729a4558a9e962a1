//! From figures to what people read: terminal, JSON, HTML, PNG/SVG, CSV, JUnit.

mod assemble;
pub mod engine_words;
mod estimates;
mod figures;
pub mod html;
pub mod junit;
pub mod model;
#[cfg(feature = "parquet")]
pub mod parquet;
mod render;
pub mod signalling;
pub mod tables;
pub mod terminal;
pub mod words;

pub use assemble::assemble;
pub use figures::{Cost, budget_figure};
pub use render::{RenderError, render_all};

#[cfg(test)]
pub(crate) mod fixture;
