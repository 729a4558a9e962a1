//! From figures to what people read: terminal, JSON, HTML, PNG/SVG, CSV, JUnit.

mod assemble;
pub mod model;
pub mod terminal;
pub mod words;

pub use assemble::assemble;

#[cfg(test)]
pub(crate) mod fixture;
