//! Accounts on a cluster that is not ours to furnish.

use std::path::PathBuf;

use serde::Deserialize;

/// `[cluster.external.accounts]`: who the phones and chatters are, and how their passwords are found.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Accounts {
    /// SIP users, one a phone: names, or `1001..1040` for a row of numbers with both ends. Empty: `1001`, `1002` ….
    pub phones: Vec<Users>,
    /// XMPP users, two a chat pair: who writes, then who reads. Empty: `chat00a`, `chat00b` ….
    pub chatters: Vec<Users>,
    /// Every password, with `{user}` for the name of the user, as `secret-{user}`. The scenario goes into the
    /// evidence: real passwords belong into `file`.
    pub password: Option<String>,
    /// File with a line `user,password` for each user who has not the password above.
    pub file: Option<PathBuf>,
}

/// One user, or a row of numbered ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Users(Vec<String>);

/// A longer row is a slip of the pen.
const LONGEST_ROW: u64 = 10_000;

impl Users {
    /// Reads `alice` or `1001..1040`; leading zeros are kept.
    fn parse(text: &str) -> Result<Users, String> {
        let Some((first, last)) = text.split_once("..") else { return Ok(Users(vec![text.to_owned()])) };
        let row = first.parse::<u64>().ok().zip(last.parse::<u64>().ok());
        match row {
            Some((from, to)) if from <= to && to - from < LONGEST_ROW => {
                let width = first.len();
                Ok(Users((from..=to).map(|number| format!("{number:0width$}")).collect()))
            }
            _ => Err(format!("`{text}` is no row of users; write it as \"1001..1040\"")),
        }
    }
}

impl<'de> Deserialize<'de> for Users {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Users::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl Accounts {
    /// SIP users in order.
    pub fn sip_users(&self) -> impl Iterator<Item = &String> {
        self.phones.iter().flat_map(|users| &users.0)
    }

    /// XMPP users in order.
    pub fn xmpp_users(&self) -> impl Iterator<Item = &String> {
        self.chatters.iter().flat_map(|users| &users.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_both_ends_and_keeps_its_zeros() {
        assert_eq!(Users::parse("0098..0101").unwrap().0, ["0098", "0099", "0100", "0101"]);
        assert_eq!(Users::parse("alice").unwrap().0, ["alice"]);
        for wrong in ["1..", "9..1", "a..b", "1..99999999"] {
            assert!(Users::parse(wrong).unwrap_err().contains("1001..1040"), "{wrong}");
        }
    }
}
