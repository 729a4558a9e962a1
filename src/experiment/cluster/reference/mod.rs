//! The reference cluster: small servers inside the tool, whose takeover delay is configured and therefore known.

pub mod sip;
