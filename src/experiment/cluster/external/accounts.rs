//! Passwords of accounts that exist already.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::not_ready;
use crate::experiment::cluster::{ClusterError, Passwords};
use crate::scenario::Accounts;

/// The passwords of `users`, as the scenario says where to find them.
///
/// # Errors
/// When the file cannot be read, or a user has no password.
pub(super) fn passwords(accounts: &Accounts, users: &[String]) -> Result<Passwords, ClusterError> {
    let around = accounts.password.as_ref().map(|pattern| match pattern.split_once("{user}") {
        Some((before, behind)) => Passwords::Around(before.to_owned(), behind.to_owned()),
        None => Passwords::Each(users.iter().map(|user| (user.clone(), pattern.clone())).collect()),
    });
    let Some(file) = &accounts.file else {
        let remedy = "say accounts.password or accounts.file under [cluster.external]";
        return around.ok_or_else(|| not_ready("the accounts have no passwords".to_owned(), remedy));
    };
    let mut each = read(file)?;
    if let Some(around) = around {
        users.iter().for_each(|user| {
            each.entry(user.clone()).or_insert_with(|| around.of(user));
        });
    }
    match users.iter().find(|user| !each.contains_key(*user)) {
        None => Ok(Passwords::Each(each)),
        Some(user) => {
            let what = format!("{} has no password of `{user}`", file.display());
            Err(not_ready(what, &format!("add a line `{user},PASSWORD`, or say accounts.password")))
        }
    }
}

fn read(file: &Path) -> Result<BTreeMap<String, String>, ClusterError> {
    let remedy = "write one line `user,password` for each account";
    let text = fs::read_to_string(file)
        .map_err(|error| not_ready(format!("cannot read the accounts in {}: {error}", file.display()), remedy))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let pair = |(number, line): (usize, &str)| {
        let (user, password) = line
            .split_once(',')
            .ok_or_else(|| not_ready(format!("line {} of {} is no account", number + 1, file.display()), remedy))?;
        Ok((user.trim().to_owned(), password.to_owned()))
    };
    lines.map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users() -> Vec<String> {
        vec!["1001".to_owned(), "1002".to_owned()]
    }

    #[test]
    fn a_pattern_has_the_user_anywhere_or_nowhere() {
        let of = |pattern: &str| {
            let accounts = Accounts { password: Some(pattern.to_owned()), ..Accounts::default() };
            passwords(&accounts, &users()).unwrap().of("1002")
        };
        assert_eq!((of("a-{user}-z").as_str(), of("same").as_str()), ("a-1002-z", "same"));
        assert!(passwords(&Accounts::default(), &users()).unwrap_err().to_string().contains("accounts.password"));
    }

    #[test]
    fn a_file_goes_before_the_pattern_and_must_know_everybody_without_one() {
        let path = std::env::temp_dir().join(format!("fivenines-accounts-{}", std::process::id()));
        fs::write(&path, "# of the test\n1001,pass,word\n").unwrap();
        let with = |password: Option<&str>| {
            let accounts =
                Accounts { password: password.map(str::to_owned), file: Some(path.clone()), ..Accounts::default() };
            passwords(&accounts, &users())
        };
        let both = with(Some("{user}!")).unwrap();
        assert_eq!((both.of("1001").as_str(), both.of("1002").as_str()), ("pass,word", "1002!"));
        assert!(with(None).unwrap_err().to_string().contains("no password of `1002`"));
        fs::write(&path, "1001 secret\n").unwrap();
        assert!(with(None).unwrap_err().to_string().contains("line 1 of"));
        fs::remove_file(path).unwrap();
    }
}
