//! The reference cluster: small SIP and XMPP nodes of our own behind a floating address whose takeover delay
//! is configured, so that the true outage is known.

pub mod xmpp;
