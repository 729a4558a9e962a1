use super::*;
use crate::scenario::{Cluster, Scenario};

const GOOD: &str = r#"
name = "t"
question = "does it parse?"
window = "20s"
[cluster.external]
address = "192.0.2.10"
domain = "example.net"
advert_interval = "1s"
owner = { command = "pcs status | grep -q alpha" }
[cluster.external.hooks.power_off]
inject = "pdu off"
heal = "pdu on"
[[cluster.external.node]]
name = "alpha"
address = "192.0.2.11"
ssh = "root@192.0.2.11"
[[cluster.external.node]]
name = "beta"
address = "192.0.2.12"
docker = "beta"
owner = "arp"
[traffic.standing_calls]
count = 2
[[fault]]
power_off = { target = "vip-owner", at = "5s" }
"#;

#[test]
fn a_cluster_has_defaults_that_send_nothing_and_a_timer_only_if_it_says_so() {
    let scenario = Scenario::parse("t.toml", GOOD).unwrap();
    assert_eq!(scenario.timer(), Some(Span::from_secs(1)));
    let Cluster::External(external) = &scenario.cluster else { panic!("not external") };
    assert!(!external.i_own_this_cluster);
    assert_eq!(external.sip().to_string(), "192.0.2.10:5060");
    assert_eq!(external.names(), ["alpha", "beta"]);
    assert_eq!(external.nodes[1].get_ref().owner, Some(Owner::Arp));
    assert!(matches!(&external.owner, Owner::Command(command) if command.starts_with("pcs")));
    assert!(external.hook("power_off").is_some() && external.hook("split").is_none());
    let silent = GOOD.replace("advert_interval = \"1s\"\n", "");
    assert_eq!(Scenario::parse("t.toml", &silent).unwrap().timer(), None);
}

#[test]
fn a_wrong_cluster_is_told_with_a_remedy() {
    let cases = [
        ("hooks.power_off", "hooks.power_of", "did you mean `power_off`?"),
        ("docker = \"beta\"", "docker = \"beta\"\nlocal = true", "several ways to run commands on beta"),
        ("docker = \"beta\"", "sudo = true", "no ways to run commands on beta"),
        ("docker = \"beta\"", "docker = \"beta\"\nport = 22", "options of ssh and no ssh"),
        ("docker = \"beta\"", "docker = \"-v\"", "no name of a host or guest"),
        ("docker = \"beta\"", "dokcer = \"beta\"", "did you mean `docker`?"),
        ("\"192.0.2.12\"", "\"192.0.2.10\"", "are the same"),
        ("advert_interval = \"1s\"", "advert_interval = \"1ms\"", "does not advertise"),
        ("count = 2", "count = 200", "[cluster.external.limits] standing_calls = 200"),
        ("heal = \"pdu on\"", "", "missing field `heal`"),
        ("target = \"vip-owner\"", "target = \"gamma\"", "no node `gamma`"),
        ("owner = \"arp\"", "owner = \"ndp\"", "unknown variant `ndp`"),
    ];
    for (right, wrong, word) in cases {
        let error = Scenario::parse("t.toml", &GOOD.replacen(right, wrong, 1)).unwrap_err();
        let report = format!("{:?}", miette::Report::new_boxed(error));
        // The terminal wraps long lines.
        let flat = report.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
        assert!(flat.contains(word), "{wrong}: {report}");
    }
}

#[test]
fn the_committed_template_can_be_planned() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/external.toml");
    let scenario = Scenario::parse("external.toml", &std::fs::read_to_string(path).unwrap()).unwrap();
    let Cluster::External(external) = &scenario.cluster else { panic!("not external") };
    assert!(!external.i_own_this_cluster, "nobody shall run a template by mistake");
}
