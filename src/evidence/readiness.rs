//! Whether a cluster and its users were ready: recorded by the run, judged the same way by the run (which repeats a
//! trial that is void) and by the measurement (which voids it).

use serde::{Deserialize, Serialize};

/// When it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// The traffic was given time to settle, and it was over.
    NotSettled,
    /// Right before the first fault.
    BeforeFault,
    /// After the last heal and the time that the cluster is given to be healthy again.
    AfterHeal,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// When.
    pub moment: Moment,
    /// Who holds the floating address; absent where nobody could be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owners: Option<Vec<String>>,
    /// There is no floating address to hold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_floating: bool,
    /// Phones.
    pub phones: usize,
    /// Of them, those registered (after a heal: registered since).
    pub registered: usize,
    /// Standing calls.
    pub standing: usize,
    /// Of them, those that are up.
    pub talking: usize,
    /// Ends of calls that heard media in the last fifth of a second, those of new calls included.
    pub hearing: usize,
    /// Whether every chatter has been logged in.
    pub chatting: bool,
}

impl Readiness {
    /// What is not as it must be, in words; empty: ready. After a heal only the cluster is asked, not the calls, which
    /// were hung up.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let mut all: Vec<String> = self.owner_complaint().into_iter().collect();
        if self.registered < self.phones {
            all.push(format!("{} of {} phones were registered", self.registered, self.phones));
        }
        if self.moment == Moment::AfterHeal {
            return all;
        }
        if self.talking < self.standing {
            all.push(format!("{} of {} standing calls were up", self.talking, self.standing));
        }
        if self.hearing < 2 * self.standing {
            all.push(format!("media was heard at {} of {} ends of calls", self.hearing, 2 * self.standing));
        }
        if !self.chatting {
            all.push("not every chatter was logged in".to_owned());
        }
        all
    }

    fn owner_complaint(&self) -> Option<String> {
        match self.owners.as_deref() {
            _ if self.no_floating => None,
            None => Some("the nodes could not be asked who holds the floating address".to_owned()),
            Some([]) => Some("no node held the floating address".to_owned()),
            Some([_]) => None,
            Some(several) => Some(format!("{} held the floating address at once", several.join(" and "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(moment: Moment) -> Readiness {
        Readiness {
            moment,
            owners: Some(vec!["alpha".into()]),
            no_floating: false,
            phones: 4,
            registered: 4,
            standing: 2,
            talking: 2,
            hearing: 5,
            chatting: true,
        }
    }

    #[test]
    fn each_thing_that_is_missing_is_named() {
        assert!(ready(Moment::BeforeFault).complaints().is_empty());
        let broken = |change: fn(&mut Readiness)| {
            let mut of = ready(Moment::BeforeFault);
            change(&mut of);
            of.complaints().join("; ")
        };
        assert_eq!(
            broken(|of| of.owners = Some(vec!["alpha".into(), "beta".into()])),
            "alpha and beta held the floating address at once"
        );
        assert_eq!(broken(|of| of.owners = Some(Vec::new())), "no node held the floating address");
        assert!(broken(|of| of.owners = None).contains("could not be asked"));
        assert_eq!(broken(|of| of.registered = 3), "3 of 4 phones were registered");
        assert_eq!(broken(|of| of.talking = 1), "1 of 2 standing calls were up");
        assert_eq!(broken(|of| of.hearing = 3), "media was heard at 3 of 4 ends of calls");
        assert_eq!(broken(|of| of.chatting = false), "not every chatter was logged in");
    }

    #[test]
    fn calls_that_were_hung_up_are_not_missed_after_the_heal() {
        let mut of = ready(Moment::AfterHeal);
        (of.talking, of.hearing) = (0, 0);
        assert!(of.complaints().is_empty());
        of.registered = 2;
        assert_eq!(of.complaints(), ["2 of 4 phones were registered"]);
    }
}
