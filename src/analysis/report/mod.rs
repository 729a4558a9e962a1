//! From figures to what people read: terminal, JSON, HTML, PNG/SVG, CSV, JUnit.

pub mod model;
