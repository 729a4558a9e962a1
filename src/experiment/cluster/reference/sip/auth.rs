//! Who may register and call: digest challenges, SHA-256 before MD5 (RFC 8760 §2.3).

use sha2::{Digest, Sha256};

use super::Server;
use crate::units::{RunTime, Span};
use crate::wire::sip::Message;
use crate::wire::sip::digest::{Algorithm, Answer, Challenge, hex};

/// How long a nonce is good.
const LIFETIME: Span = Span::from_secs(300);

/// Digits of the instant, and of its proof, in a nonce.
const DIGITS: usize = 16;

/// Nonces that prove their own age (RFC 7616 §3.3), so that none is stored. The secret is the node's own:
/// after a takeover every nonce is unknown and costs a round more.
#[derive(Debug)]
pub(super) struct Nonces {
    secret: String,
}

impl Nonces {
    pub(super) fn new(secret: String) -> Nonces {
        Nonces { secret }
    }

    fn make(&self, now: RunTime) -> String {
        let instant = format!("{:016x}", now.as_nanos());
        let proof = hex(&Sha256::digest(format!("{instant}:{}", self.secret)));
        instant + &proof[..DIGITS]
    }

    fn is_good(&self, nonce: &str, now: RunTime) -> bool {
        let instant = nonce.get(..DIGITS).and_then(|digits| i64::from_str_radix(digits, 16).ok());
        let Some(made) = instant.map(RunTime) else { return false };
        self.make(made) == nonce && now - made <= LIFETIME
    }
}

impl Server {
    /// Whether the request proves that `user` sent it; if not, it is challenged.
    pub(super) fn authorized(&mut self, now: RunTime, server: u64, request: &Message<'_>, user: &str) -> bool {
        let password = format!("{}{user}", self.config.password_prefix);
        let answer = request.all("Authorization").filter_map(|value| Answer::parse(&value));
        let answer = answer.into_iter().find(|answer| answer.realm == self.config.domain && answer.user == user);
        let method = request.method().unwrap_or_default();
        let proved = answer.filter(|answer| answer.proves(&password, method));
        if proved.as_ref().is_some_and(|answer| self.nonces.is_good(&answer.nonce, now)) {
            return true;
        }
        self.challenge(now, server, request, proved.is_some());
        false
    }

    fn challenge(&mut self, now: RunTime, server: u64, request: &Message<'_>, stale: bool) {
        let nonce = self.nonces.make(now);
        let tag = self.tokens.name();
        let mut draft = self.reply(request, 401, &tag);
        for algorithm in [Algorithm::Sha256, Algorithm::Md5] {
            let (realm, nonce) = (self.config.domain.clone(), nonce.clone());
            let challenge = Challenge { realm, nonce, opaque: None, algorithm, qop_auth: true, stale };
            draft = draft.raw("WWW-Authenticate", &challenge.to_value());
        }
        self.layer.respond(now, server, draft);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_ages_and_is_the_nodes_own() {
        let (alpha, beta) = (Nonces::new("a".into()), Nonces::new("b".into()));
        let made = RunTime::from_millis(1234);
        let nonce = alpha.make(made);
        assert!(alpha.is_good(&nonce, made + LIFETIME));
        assert!(!alpha.is_good(&nonce, made + LIFETIME + Span(1)));
        assert!(!beta.is_good(&nonce, made));
        assert!(!alpha.is_good("ü", made) && !alpha.is_good("", made));
    }
}
