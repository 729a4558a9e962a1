//! Accounts of an external cluster, dealt to phones and chatters in order.

use super::Plan;
use crate::scenario::{Accounts, Cluster, Scenario};

/// Names the users as the cluster knows them. Where it names none, they keep their own names.
pub(super) fn assign(plan: &mut Plan, scenario: &Scenario) {
    let Some(accounts) = of(scenario) else { return };
    for (phone, user) in plan.phones.iter_mut().zip(accounts.sip_users()) {
        phone.user.clone_from(user);
    }
    let mut chatters = accounts.xmpp_users();
    for pair in &mut plan.pairs {
        let (Some(sender), Some(receiver)) = (chatters.next(), chatters.next()) else { return };
        pair.sender.clone_from(sender);
        pair.receiver.clone_from(receiver);
    }
}

/// How many accounts are missing, in words.
pub(super) fn missing(plan: &Plan, scenario: &Scenario) -> Option<String> {
    let accounts = of(scenario)?;
    let phones = ("phones", plan.phones.len(), accounts.sip_users().count());
    let chatters = ("chatters", 2 * plan.pairs.len(), accounts.xmpp_users().count());
    let short = |(_, wanted, named): &(&str, usize, usize)| *named > 0 && named < wanted;
    let (key, wanted, named) = [phones, chatters].into_iter().find(short)?;
    Some(format!("the traffic needs {wanted} accounts, and accounts.{key} names {named}"))
}

fn of(scenario: &Scenario) -> Option<&Accounts> {
    match &scenario.cluster {
        Cluster::External(external) => Some(&external.accounts),
        Cluster::Lab(_) | Cluster::Reference(_) => None,
    }
}
