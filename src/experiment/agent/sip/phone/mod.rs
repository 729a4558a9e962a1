//! Phone (placeholder doc).
