//! From evidence to figures: pure, and the same whether the evidence is ours or a foreign capture.

pub mod model;
