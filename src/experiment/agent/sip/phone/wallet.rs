//! The phone's side of digest authentication: the last challenge is used again until it is refused.
//!
//! After a failover the new server usually does not know the nonce, which costs one round more; that is
//! part of what is measured.

use crate::wire::sip::Message;
use crate::wire::sip::digest::{Challenge, Credentials};

/// How often a stale nonce may be replaced within one operation before the server is held to be mad.
const MOST_ROUNDS: u8 = 3;

/// The last challenge and how often it was answered.
#[derive(Debug, Default)]
pub(super) struct Wallet {
    challenge: Option<Challenge>,
    by_proxy: bool,
    uses: u32,
}

impl Wallet {
    /// Header name and value for a request, once a challenge is known.
    pub(super) fn header(
        &mut self,
        who: Credentials<'_>,
        method: &str,
        uri: &str,
        client_nonce: &str,
    ) -> Option<(&'static str, String)> {
        let challenge = self.challenge.as_ref()?;
        self.uses += 1;
        let name = if self.by_proxy { "Proxy-Authorization" } else { "Authorization" };
        Some((name, challenge.answer(who, method, uri, client_nonce, self.uses)))
    }

    /// Takes the challenge of a 401 or 407; `false` if answering it makes no sense. `rounds` counts the
    /// challenges of one operation.
    pub(super) fn learn(&mut self, code: u16, response: &Message<'_>, rounds: &mut u8) -> bool {
        if code != 401 && code != 407 {
            return false;
        }
        let Some(challenge) = Challenge::of(response) else { return false };
        // The first challenge of an operation may refuse an old nonce without saying so; a second one that
        // is not about staleness means that the password is wrong.
        if *rounds >= MOST_ROUNDS || (*rounds > 0 && !challenge.stale) {
            self.challenge = None;
            return false;
        }
        *rounds += 1;
        (self.challenge, self.by_proxy, self.uses) = (Some(challenge), code == 407, 0);
        true
    }
}
