//! The nodes' configuration files, from templates.

use std::fs;
use std::io;
use std::path::Path;

use super::layout::{DOMAIN, Layout, Node, PASSWORD_PREFIX, STORE, VIP};
use crate::units::Span;

/// File name and text with `{{name}}` where a value goes.
const TEMPLATES: [(&str, &str); 4] = [
    ("kamailio.cfg", include_str!("templates/kamailio.cfg")),
    ("rtpengine.conf", include_str!("templates/rtpengine.conf")),
    ("keepalived.conf", include_str!("templates/keepalived.conf")),
    ("prosody.cfg.lua", include_str!("templates/prosody.cfg.lua")),
];

/// Writes every file of `node` into `directory`.
///
/// # Errors
/// When the directory cannot be written.
pub(super) fn write(layout: &Layout, node: &Node, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let values = values(layout, node);
    TEMPLATES.iter().try_for_each(|(name, template)| fs::write(directory.join(name), fill(template, &values)))
}

fn values(layout: &Layout, node: &Node) -> Vec<(&'static str, String)> {
    vec![
        ("node", node.name.clone()),
        ("address", node.address().to_string()),
        ("vip", VIP.to_string()),
        ("domain", DOMAIN.to_owned()),
        ("password_prefix", PASSWORD_PREFIX.to_owned()),
        ("priority", node.priority().to_string()),
        ("advert_s", advert(layout.advert)),
        ("dmq_peers", dmq_peers(layout, node)),
        ("redis", redis(layout, node)),
        ("track_file", if layout.watch_sip { "track_file {\n        sip\n    }".to_owned() } else { String::new() }),
    ]
}

fn fill(template: &str, values: &[(&str, String)]) -> String {
    values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value))
}

/// Seconds with the two digits that VRRPv3 can carry.
fn advert(interval: Span) -> String {
    format!("{:.2}", interval.as_secs_f64())
}

fn peers<'a>(layout: &'a Layout, node: &Node) -> impl Iterator<Item = &'a Node> {
    let own = node.index;
    layout.nodes.iter().filter(move |peer| peer.index != own)
}

fn dmq_peers(layout: &Layout, node: &Node) -> String {
    let line = |peer: &Node| format!("modparam(\"dmq\", \"notification_address\", \"sip:{}:5060\")", peer.address());
    peers(layout, node).map(line).collect::<Vec<_>>().join("\n")
}

/// Each relay writes its calls into its own database and listens to those of its peers.
fn redis(layout: &Layout, node: &Node) -> String {
    if !layout.redis {
        return String::new();
    }
    let others: Vec<_> = peers(layout, node).map(|peer| peer.database().to_string()).collect();
    format!(
        "redis = {STORE}:6379/{}\nsubscribe-keyspace = {}\nno-redis-required = true\nredis-num-threads = 2\n\
         redis-connect-timeout = 500\nredis-cmd-timeout = 500",
        node.database(),
        others.join(";")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(redis: bool, file: &str) -> String {
        let names: Vec<_> = ["alpha", "beta", "charlie"].map(String::from).into();
        let layout = Layout::of(&names, Span::from_millis(250), redis).unwrap();
        let (_, template) = TEMPLATES.iter().find(|(name, _)| *name == file).unwrap();
        fill(template, &values(&layout, &layout.nodes[1]))
    }

    #[test]
    fn no_placeholder_is_left_in_any_file() {
        for (name, _) in TEMPLATES {
            for redis in [true, false] {
                let text = rendered(redis, name);
                assert!(!text.contains("{{") && !text.contains("}}"), "{name}: {text}");
            }
        }
    }

    #[test]
    fn beta_replicates_with_its_peers_and_not_with_itself() {
        let text = rendered(true, "kamailio.cfg");
        assert!(text.contains("notification_address\", \"sip:10.77.0.11:5060\""));
        assert!(text.contains("notification_address\", \"sip:10.77.0.13:5060\""));
        assert!(!text.contains("notification_address\", \"sip:10.77.0.12:5060\""));
        assert!(text.contains("append_to_reply(\"X-Node: beta\\r\\n\")"));
    }

    #[test]
    fn keepalived_gets_the_interval_in_seconds_and_the_rank() {
        let text = rendered(true, "keepalived.conf");
        assert!(text.contains("advert_int 0.25\n"), "{text}");
        assert!(text.contains("priority 140\n"));
    }

    #[test]
    fn keepalived_watches_the_sip_server_only_when_it_is_told_to() {
        let names: Vec<_> = ["alpha", "beta"].map(String::from).into();
        let watching = Layout::of(&names, Span::from_millis(100), false).unwrap();
        let blind = Layout { watch_sip: false, ..watching.clone() };
        let rendered = |layout: &Layout| fill(TEMPLATES[2].1, &values(layout, &layout.nodes[0]));
        assert!(rendered(&watching).contains("track_file {\n        sip\n"));
        assert!(!rendered(&blind).contains("track_file {"));
    }

    #[test]
    fn only_the_variant_with_a_store_names_it() {
        assert!(rendered(true, "rtpengine.conf").contains("redis = 10.77.0.20:6379/2\nsubscribe-keyspace = 1;3\n"));
        assert!(!rendered(false, "rtpengine.conf").contains("redis"));
    }
}
