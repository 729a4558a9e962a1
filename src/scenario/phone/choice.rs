//! Which profiles a workload's phones have: one, or a mix by weight.

use serde::Deserialize;

/// `phone = "pjsua"`, `phone = ["pjsua", "linphone"]` or `phone = [{ profile = "pjsua", weight = 2 }, …]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "write a profile's name, or a mix as [{ profile = \"pjsua\", weight = 2 }]")]
pub enum PhoneChoice {
    /// All of them.
    One(String),
    /// A mix.
    Mix(Vec<PhoneShare>),
}

/// One profile of a mix.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "write a profile's name, or { profile = \"pjsua\", weight = 2 }")]
pub enum PhoneShare {
    /// With weight 1.
    Name(String),
    /// With its weight.
    Weighted {
        /// The profile.
        profile: String,
        /// Its share among the sum of all weights.
        weight: u32,
    },
}

impl PhoneShare {
    fn pair(&self) -> (&str, u32) {
        match self {
            PhoneShare::Name(name) => (name, 1),
            PhoneShare::Weighted { profile, weight } => (profile, *weight),
        }
    }
}

impl PhoneChoice {
    /// Profiles with their weights.
    #[must_use]
    pub fn shares(&self) -> Vec<(&str, u32)> {
        match self {
            PhoneChoice::One(name) => vec![(name.as_str(), 1)],
            PhoneChoice::Mix(shares) => shares.iter().map(PhoneShare::pair).collect(),
        }
    }

    /// Deals `count` phones: after each of them every profile is within one phone of its share. Empty without any
    /// weight.
    #[must_use]
    pub fn deal(&self, count: u32) -> Vec<&str> {
        let shares = self.shares();
        let sum: u64 = shares.iter().map(|(_, weight)| u64::from(*weight)).sum();
        if sum == 0 {
            return Vec::new();
        }
        let mut dealt = vec![0u64; shares.len()];
        let mut hand = Vec::new();
        for index in 1..=u64::from(count) {
            // The one that is furthest behind its share; the first of several.
            let behind = |at: &usize| i128::from(index * u64::from(shares[*at].1)) - i128::from(dealt[*at] * sum);
            let next = (0..shares.len()).rev().max_by_key(behind).unwrap_or(0);
            dealt[next] += 1;
            hand.push(shares[next].0);
        }
        hand
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_is_dealt_by_weight() {
        let weighted = |profile: &str, weight| PhoneShare::Weighted { profile: profile.to_owned(), weight };
        let mix = PhoneChoice::Mix(vec![weighted("a", 3), PhoneShare::Name("b".to_owned())]);
        assert_eq!(mix.deal(8), ["a", "a", "b", "a", "a", "a", "b", "a"]);
        assert_eq!(PhoneChoice::One("c".to_owned()).deal(2), ["c", "c"]);
        assert!(PhoneChoice::Mix(vec![weighted("a", 0)]).deal(3).is_empty());
    }
}
