//! A SIP phone (RFC 3261) without sockets: transactions, dialogs, and the user on top.
//!
//! The transaction layer and the dialogs also carry the reference cluster's SIP server.

pub mod dialog;
pub mod phone;
mod tokens;
pub mod transaction;

pub use tokens::Tokens;
