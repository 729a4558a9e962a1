//! The path to a node: what the switch does to its frames.

use super::super::layout::Layout;
use super::super::network::Rules;
use crate::experiment::cluster::Action;
use crate::scenario::Way;

/// Whether the action is done by rules at the switch port.
pub(super) fn is_of(action: Action) -> bool {
    rules_kind(action).is_some()
}

fn rules_kind(action: Action) -> Option<&'static str> {
    match action {
        Action::BlackHole => Some("hole"),
        Action::OneWay(_) => Some("oneway"),
        Action::Split => Some("split"),
        _ => None,
    }
}

/// Makes the path to the node worse.
pub(super) fn spoil(layout: &Layout, port: &str, action: Action) -> Result<String, String> {
    let lines = rules(layout, port, action);
    let kind = rules_kind(action).unwrap_or_default();
    Rules { kind, port }.put(&lines)?;
    Ok(format!("switch: {}", lines.join("; ")))
}

fn rules(layout: &Layout, port: &str, action: Action) -> Vec<String> {
    let (from, to) = (format!("iifname \"{port}\""), format!("oifname \"{port}\""));
    match action {
        Action::OneWay(Way::FromNode) => vec![format!("{from} counter drop")],
        Action::OneWay(Way::ToNode) => vec![format!("{to} counter drop")],
        Action::Split => {
            let peers: Vec<_> = layout.names().into_iter().filter(|name| name != port).collect();
            let peers = peers.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
            vec![
                format!("{from} oifname {{ {peers} }} counter drop"),
                format!("iifname {{ {peers} }} {to} counter drop"),
            ]
        }
        _ => vec![format!("{from} counter drop"), format!("{to} counter drop")],
    }
}

/// Whether the path is worse.
pub(super) fn spoilt(port: &str, action: Action) -> Result<String, String> {
    let kind = rules_kind(action).unwrap_or_default();
    let counts = Rules { kind, port }.swallowed()?;
    let bit = counts.iter().any(|count| *count > 0);
    super::told(bit, format!("frames swallowed by each rule: {counts:?}"))
}

/// Makes the path good again.
pub(super) fn repair(port: &str, action: Action) -> Result<(), String> {
    Rules { kind: rules_kind(action).unwrap_or_default(), port }.remove()
}

#[cfg(test)]
mod tests {
    use super::super::super::layout::EngineOptions;
    use super::*;
    use crate::scenario::LAB_PROFILES;

    fn lines(action: Action) -> Vec<String> {
        let names = ["alpha", "beta", "charlie"].map(String::from);
        let layout = Layout::of(&names, LAB_PROFILES[0], EngineOptions::default(), None).unwrap();
        rules(&layout, "beta", action)
    }

    #[test]
    fn a_hole_swallows_both_ways_and_one_way_only_one() {
        assert_eq!(lines(Action::BlackHole), ["iifname \"beta\" counter drop", "oifname \"beta\" counter drop"]);
        assert_eq!(lines(Action::OneWay(Way::ToNode)), ["oifname \"beta\" counter drop"]);
    }

    #[test]
    fn a_split_cuts_the_node_from_its_peers_and_not_from_the_clients() {
        let cut = lines(Action::Split);
        assert_eq!(cut[0], "iifname \"beta\" oifname { \"alpha\", \"charlie\" } counter drop");
        assert_eq!(cut[1], "iifname { \"alpha\", \"charlie\" } oifname \"beta\" counter drop");
        assert!(!cut.concat().contains("clients"));
    }
}
