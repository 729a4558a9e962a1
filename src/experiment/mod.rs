//! The half that acts: it plans, places calls and messages, breaks servers, captures, and leaves evidence.

pub mod agent;
pub mod capture;
pub mod cluster;
pub mod fault;
pub mod plan;
pub mod run;
