//! SCRAM-SHA-1 and SCRAM-SHA-256 (RFC 5802, RFC 7677), server side, by crate `sasl`.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use sasl::common::scram::{Sha1, Sha256};
use sasl::common::{ChannelBinding, Identity};
use sasl::impl_validator_using_provider;
use sasl::secret::{Pbkdf2Sha1, Pbkdf2Sha256};
use sasl::server::mechanisms::Scram;
use sasl::server::{Mechanism, Provider, ProviderError};
use tokio_xmpp::parsers::sasl::Mechanism as MechanismName;

/// The least that RFC 7677 §4 allows.
const ITERATIONS: u32 = 4096;

/// The accounts and their salted secrets, derived at the first login and kept: a crowd that comes back after
/// a takeover must not wait for key derivation on our side.
#[derive(Clone)]
pub(super) struct Accounts(Arc<Inner>);

struct Inner {
    users: HashSet<String>,
    password_prefix: String,
    sha1: Mutex<HashMap<String, Pbkdf2Sha1>>,
    sha256: Mutex<HashMap<String, Pbkdf2Sha256>>,
}

impl Accounts {
    pub(super) fn new(users: Vec<String>, password_prefix: String) -> Accounts {
        let users = users.into_iter().collect();
        Accounts(Arc::new(Inner { users, password_prefix, sha1: Mutex::default(), sha256: Mutex::default() }))
    }

    /// The server's side of one login. It offers no channel binding, so it wants the client's "y"
    /// (RFC 5802 §6): "I could, but you cannot".
    pub(super) fn mechanism(&self, name: &MechanismName) -> Option<Box<dyn Mechanism + Send>> {
        let binding = ChannelBinding::Unsupported;
        match name {
            MechanismName::ScramSha1 => Some(Box::new(Scram::<Sha1, _>::new(self.clone(), binding))),
            MechanismName::ScramSha256 => Some(Box::new(Scram::<Sha256, _>::new(self.clone(), binding))),
            _ => None,
        }
    }

    /// Name, password and salt of a known user.
    fn secret_of(&self, identity: &Identity) -> Result<(String, String, Vec<u8>), ProviderError> {
        match identity {
            Identity::Username(user) if self.0.users.contains(user) => {
                let password = format!("{}{user}", self.0.password_prefix);
                Ok((user.clone(), password, format!("fivenines {user}").into_bytes()))
            }
            Identity::Username(_) | Identity::None => Err(ProviderError::AuthenticationFailed),
        }
    }
}

impl Provider<Pbkdf2Sha1> for Accounts {
    fn provide(&self, identity: &Identity) -> Result<Pbkdf2Sha1, ProviderError> {
        let (user, password, salt) = self.secret_of(identity)?;
        kept(&self.0.sha1, user, || Ok(Pbkdf2Sha1::derive(&password, &salt, ITERATIONS)?))
    }
}

impl Provider<Pbkdf2Sha256> for Accounts {
    fn provide(&self, identity: &Identity) -> Result<Pbkdf2Sha256, ProviderError> {
        let (user, password, salt) = self.secret_of(identity)?;
        kept(&self.0.sha256, user, || Ok(Pbkdf2Sha256::derive(&password, &salt, ITERATIONS)?))
    }
}

impl_validator_using_provider!(Accounts, Pbkdf2Sha1);
impl_validator_using_provider!(Accounts, Pbkdf2Sha256);

fn kept<S: Clone>(
    secrets: &Mutex<HashMap<String, S>>,
    user: String,
    derive: impl FnOnce() -> Result<S, ProviderError>,
) -> Result<S, ProviderError> {
    let mut secrets = secrets.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(secret) = secrets.get(&user) {
        return Ok(secret.clone());
    }
    let secret = derive()?;
    secrets.insert(user, secret.clone());
    Ok(secret)
}
