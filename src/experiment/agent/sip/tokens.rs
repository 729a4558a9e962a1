//! Seeded names: tags, branches and Call-IDs.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Makes names that no one else makes, the same ones for the same seed.
#[derive(Debug)]
pub struct Tokens(StdRng);

impl Tokens {
    /// A source for `owner`: owners with the same seed still get different names.
    #[must_use]
    pub fn new(seed: u64, owner: &str) -> Tokens {
        // FNV-1a, so that the names do not depend on the standard library's hasher.
        let owner = owner
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, octet| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3));
        Tokens(StdRng::seed_from_u64(seed ^ owner))
    }

    /// A new name: 16 hexadecimal digits.
    pub fn name(&mut self) -> String {
        format!("{:016x}", self.number())
    }

    /// A share: 0 up to 1.
    pub fn share(&mut self) -> f64 {
        self.number() as f64 / u64::MAX as f64
    }

    /// A new number.
    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }
}
