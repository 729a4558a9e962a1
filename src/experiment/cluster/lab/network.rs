//! The switch, the clients and the store as named network namespaces.

use std::fs;
use std::path::Path;

use super::journal;
use super::layout::{CLIENTS, CLIENTS_NETNS, Node, STORE, STORE_NETNS, SWITCH_NETNS};
use super::tools::{run, run_with_input};
use crate::scenario::Way;

/// Namespaces in the order in which they are made.
const NAMESPACES: [&str; 3] = [SWITCH_NETNS, CLIENTS_NETNS, STORE_NETNS];

/// Makes the switch with the ports of clients and store.
///
/// # Errors
/// The command that failed.
pub(super) fn up() -> Result<(), String> {
    for namespace in NAMESPACES {
        run("ip", &["netns", "add", namespace])?;
        let quiet = "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 || true";
        run("ip", &["netns", "exec", namespace, "sh", "-c", quiet])?;
        run("ip", &["-n", namespace, "link", "set", "lo", "up"])?;
    }
    // No learning delay and no multicast snooping: adverts reach every port at once.
    let bridge = "link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0\nlink set br0 up\n";
    batch(SWITCH_NETNS, bridge)?;
    leaf("clients", CLIENTS_NETNS, &CLIENTS.to_string(), "02:00:00:77:00:64")?;
    leaf("store", STORE_NETNS, &STORE.to_string(), "02:00:00:77:00:14")
}

/// A port of the switch with a named namespace behind it.
fn leaf(port: &str, namespace: &str, address: &str, mac: &str) -> Result<(), String> {
    batch(
        SWITCH_NETNS,
        &format!(
            "link add {port} type veth peer name eth0 address {mac} netns {namespace}\n\
             link set {port} master br0 up\n"
        ),
    )?;
    batch(namespace, &format!("addr add {address}/24 brd + dev eth0\nlink set eth0 up\n"))
}

fn batch(namespace: &str, lines: &str) -> Result<(), String> {
    run_with_input("ip", &["-n", namespace, "-batch", "-"], lines).map(drop)
}

/// Plugs a node, whose PID 1 is `pid1`, into its port.
///
/// # Errors
/// The command that failed.
pub(super) fn plug(node: &Node, pid1: u32) -> Result<(), String> {
    let (port, mac) = (&node.name, node.mac());
    // The kernel may still be taking down the port of the node's last life.
    let _none = run("ip", &["-n", SWITCH_NETNS, "link", "del", port]);
    batch(
        SWITCH_NETNS,
        &format!(
            "link add {port} type veth peer name eth0 address {mac} netns {pid1}\nlink set {port} master br0 up\n"
        ),
    )?;
    let lines = format!("link set lo up\naddr add {}/24 brd + dev eth0\nlink set eth0 up\n", node.address());
    let pid1 = pid1.to_string();
    run_with_input("nsenter", &["-t", &pid1, "-n", "ip", "-batch", "-"], &lines).map(drop)
}

/// Gives a machine its port: a tap device that the emulator opens.
///
/// # Errors
/// The command that failed.
pub(super) fn plug_machine(node: &Node) -> Result<(), String> {
    let port = &node.name;
    // It stays when its machine loses power.
    let _none = run("ip", &["-n", SWITCH_NETNS, "link", "del", port]);
    run("ip", &["-n", SWITCH_NETNS, "tuntap", "add", "dev", port, "mode", "tap"])?;
    batch(SWITCH_NETNS, &format!("link set {port} master br0 up\n"))
}

/// Whether the switch has the port and it is not down.
pub(super) fn port_is_up(port: &str) -> bool {
    run("ip", &["-n", SWITCH_NETNS, "-br", "link", "show", port]).is_ok_and(|line| !line.contains(" DOWN "))
}

/// Sets the port up or down.
///
/// # Errors
/// The command that failed.
pub(super) fn set_port(port: &str, state: &str) -> Result<(), String> {
    run("ip", &["-n", SWITCH_NETNS, "link", "set", port, state]).map(drop)
}

/// One line about the node's own interface: state and flags.
///
/// # Errors
/// When the node cannot be asked.
pub(super) fn link_seen_by_node(pid1: u32) -> Result<String, String> {
    run("nsenter", &["-t", &pid1.to_string(), "-n", "ip", "-br", "link", "show", "dev", "eth0"])
        .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
}

/// Whether the node holds the address.
///
/// # Errors
/// When the node cannot be asked.
pub(super) fn node_has_address(pid1: u32, address: &str) -> Result<bool, String> {
    let text = run("nsenter", &["-t", &pid1.to_string(), "-n", "ip", "-4", "-o", "addr", "show", "dev", "eth0"])?;
    Ok(text.contains(&format!(" {address}/")))
}

/// Takes the address off the node's interface.
///
/// # Errors
/// The command that failed.
pub(super) fn drop_address(pid1: u32, address: &str) -> Result<String, String> {
    change_address(pid1, "del", address).map(|()| format!("{address} removed from eth0 of the node"))
}

/// Puts the address on the node's interface.
///
/// # Errors
/// The command that failed.
pub(super) fn add_address(pid1: u32, address: &str) -> Result<(), String> {
    change_address(pid1, "add", address)
}

fn change_address(pid1: u32, change: &str, address: &str) -> Result<(), String> {
    let (pid1, address) = (pid1.to_string(), format!("{address}/24"));
    run("nsenter", &["-t", &pid1, "-n", "ip", "addr", change, &address, "dev", "eth0"]).map(drop)
}

/// Sets the queue of frames to the node (at its switch port) or from it (at its own interface).
///
/// # Errors
/// The command that failed.
pub(super) fn set_queue(way: Way, port: &str, pid1: u32, queue: &str) -> Result<(), String> {
    qdisc(way, port, pid1, &format!("replace dev DEVICE root {queue}")).map(drop)
}

/// That queue, in tc's words.
///
/// # Errors
/// The command that failed.
pub(super) fn queue(way: Way, port: &str, pid1: u32) -> Result<String, String> {
    qdisc(way, port, pid1, "show dev DEVICE").map(|text| text.trim().to_owned())
}

/// Gives it the usual queue back.
///
/// # Errors
/// The command that failed.
pub(super) fn reset_queue(way: Way, port: &str, pid1: u32) -> Result<(), String> {
    qdisc(way, port, pid1, "del dev DEVICE root").map(drop)
}

fn qdisc(way: Way, port: &str, pid1: u32, line: &str) -> Result<String, String> {
    let words = |device: &'static str| line.split(' ').map(move |word| if word == "DEVICE" { device } else { word });
    match way {
        Way::FromNode => {
            let pid1 = pid1.to_string();
            let enter = ["-t", &pid1, "-n", "tc", "qdisc"];
            run("nsenter", &enter.into_iter().chain(words("eth0")).collect::<Vec<_>>())
        }
        Way::ToNode => {
            let line = ["-n", SWITCH_NETNS, "qdisc"].into_iter();
            let words = line.chain(words("DEVICE")).map(|word| if word == "DEVICE" { port } else { word });
            run("tc", &words.collect::<Vec<_>>())
        }
    }
}

/// Rules of the switch about one port.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'a> {
    /// `hole`, `split` …; one port has one set of a kind.
    pub(super) kind: &'a str,
    /// The port.
    pub(super) port: &'a str,
}

impl Rules<'_> {
    /// Puts the rules in force.
    ///
    /// # Errors
    /// The command that failed.
    pub(super) fn put(self, lines: &[String]) -> Result<(), String> {
        nft(&["-f", "-"], &self.table(lines)).map(drop)
    }

    fn table(self, lines: &[String]) -> String {
        let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
        format!(
            "table bridge {} {{\nchain forward {{\ntype filter hook forward priority 0;\n{lines}}}\n}}\n",
            self.name()
        )
    }

    fn name(self) -> String {
        format!("{}_{}", self.kind, self.port)
    }

    /// Lets frames through again.
    ///
    /// # Errors
    /// The command that failed.
    pub(super) fn remove(self) -> Result<(), String> {
        nft(&["delete", "table", "bridge", &self.name()], "").map(drop)
    }

    /// Frames that each rule swallowed.
    ///
    /// # Errors
    /// When there are no such rules.
    pub(super) fn swallowed(self) -> Result<Vec<u64>, String> {
        nft(&["list", "table", "bridge", &self.name()], "").map(|listing| packet_counts(&listing))
    }
}

fn packet_counts(listing: &str) -> Vec<u64> {
    let words: Vec<_> = listing.split_ascii_whitespace().collect();
    words.windows(2).filter(|pair| pair[0] == "packets").filter_map(|pair| pair[1].parse().ok()).collect()
}

fn nft(arguments: &[&str], input: &str) -> Result<String, String> {
    let line = [&["netns", "exec", SWITCH_NETNS, "nft"], arguments].concat();
    run_with_input("ip", &line, input)
}

/// Removes every namespace of the lab, and the mount that the first of them needed if it was ours.
pub(super) fn down(mounted_netns: bool) {
    for namespace in NAMESPACES {
        // Not there is what is wanted.
        let _none = run("ip", &["netns", "del", namespace]);
    }
    let directory = Path::new("/run/netns");
    let is_empty = fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none());
    if mounted_netns && is_empty && journal::is_mount_point(directory) {
        let _busy = nix::mount::umount(directory);
        let _busy = fs::remove_dir(directory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_a_hole_are_read_in_order() {
        let listing = "table bridge hole_alpha {\n chain forward {\n  iifname \"alpha\" counter packets 12 bytes 648 drop\n\
                       oifname \"alpha\" counter packets 0 bytes 0 drop\n }\n}\n";
        assert_eq!(packet_counts(listing), [12, 0]);
        assert!(packet_counts("").is_empty());
    }

    #[test]
    fn rules_of_one_kind_have_a_table_of_their_own() {
        let table = Rules { kind: "loss", port: "beta" }.table(&["oifname \"beta\" counter drop".to_owned()]);
        assert!(table.starts_with("table bridge loss_beta {") && table.contains("\noifname \"beta\" counter drop\n"));
    }
}
