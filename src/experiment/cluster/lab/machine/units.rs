//! What makes a Debian system a node of the lab: systemd's units from the profile's services, and three scripts.

use super::super::profile::{Profile, Ready, ServiceFile, words};

/// A file of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GuestFile {
    /// Absolute.
    pub(super) path: String,
    /// Its text.
    pub(super) text: String,
    /// Whether it can be executed.
    pub(super) program: bool,
}

/// Name of the unit of a service.
pub(super) fn unit(service: &str) -> String {
    format!("lab-{service}.service")
}

/// Units that the image starts by itself.
pub(super) const ENABLED: [&str; 2] = ["lab-agent.service", "lab-node.service"];

const AGENT: &str = "[Unit]\nDescription=obeys the lab\n[Service]\nExecStart=/usr/local/sbin/lab-agent\n\
                     [Install]\nWantedBy=multi-user.target\n";

const NODE: &str = "[Unit]\nDescription=name and address of this node\nRequiresMountsFor=/run/lab\n\
    Requires=sys-subsystem-net-devices-eth0.device\n\
    After=sys-subsystem-net-devices-eth0.device systemd-tmpfiles-setup.service\n\
    [Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/local/sbin/lab-node\n\
    [Install]\nWantedBy=multi-user.target\n";

/// The root and the disk that the lab gives each node.
const FSTAB: &str = "/dev/vda1 / ext4 defaults 0 1\nLABEL=lab /run/lab ext4 defaults 0 2\n";

/// Everything that the image has beside Debian's packages.
pub(super) fn files(profile: &Profile) -> Vec<GuestFile> {
    let plain = |path: &str, text: &str| GuestFile { path: path.into(), text: text.into(), program: false };
    let script = |path: &str, text: &str| GuestFile { program: true, ..plain(path, text) };
    let mut files = vec![
        script("/usr/local/sbin/lab-agent", include_str!("guest/agent.sh")),
        script("/usr/local/sbin/lab-node", include_str!("guest/node.sh")),
        script("/usr/local/sbin/lab-ready", include_str!("guest/ready.sh")),
        plain("/boot/grub/grub.cfg", include_str!("guest/grub.cfg")),
        plain("/etc/fstab", FSTAB),
        plain("/etc/tmpfiles.d/lab.conf", &directories(profile)),
        plain("/etc/systemd/system/lab-agent.service", AGENT),
        plain("/etc/systemd/system/lab-node.service", NODE),
        plain("/etc/systemd/system/lab.target", &target(profile)),
    ];
    let mut before: Vec<String> = Vec::new();
    for service in profile.processes() {
        files.push(plain(&format!("/etc/systemd/system/{}", unit(&service.name)), &service_unit(service, &before)));
        before.push(unit(&service.name));
    }
    files
}

/// What servers want to find under `/run` (tmpfiles.d(5)).
fn directories(profile: &Profile) -> String {
    let line = |path: &str, owner: Option<&str>| format!("d {path} 0755 {0} {0}\n", owner.unwrap_or("root"));
    let all = profile.processes().flat_map(|service| &service.directories);
    all.map(|of| line(&of.path, of.owner.as_deref())).collect()
}

fn target(profile: &Profile) -> String {
    let all: Vec<_> = profile.processes().map(|service| unit(&service.name)).collect();
    // The engine of a server that stands alone has nothing to do; its unit looks at that by itself.
    format!("[Unit]\nDescription=the servers of this node\nWants={}\n", all.join(" "))
}

/// One server. It is up when it works, so that the next one finds it; when it dies it stays dead, as on a node in
/// namespaces: the heal starts it again.
fn service_unit(service: &ServiceFile, before: &[String]) -> String {
    let after = ["lab-node.service"].into_iter().chain(before.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
    let mut text = format!("[Unit]\nDescription=lab: {}\nRequires=lab-node.service\nAfter={after}\n", service.name);
    if service.ready.is_none() {
        text.push_str("ConditionPathExists=!/run/lab/alone\n");
    }
    text.push_str(&format!("[Service]\nExecStart={}\n", command(&service.command)));
    if let Some(user) = &service.user {
        text.push_str(&format!("User={user}\nGroup={user}\n"));
    }
    text.push_str(&format!("StandardOutput=append:/run/lab/log/{0}.log\nStandardError=inherit\n", service.name));
    text.push_str("TimeoutStartSec=300\n");
    if let Some(ready) = &service.ready {
        text.push_str(&format!("ExecStartPost=/usr/local/sbin/lab-ready {}\n", waits_for(ready)));
    }
    if service.name == "sip" {
        text.push_str("ExecStartPost=+/bin/sh -c 'echo 0 >/run/lab-sip-down'\n");
        text.push_str("ExecStopPost=+/bin/sh -c 'echo 1 >/run/lab-sip-down'\n");
    }
    text
}

fn waits_for(ready: &Ready) -> String {
    match ready {
        Ready::UdpPort(port) => format!("udp {port}"),
        Ready::TcpPort(port) => format!("tcp {port}"),
        Ready::Options => "udp 5060".into(),
        Ready::Command(line) => format!("command {}", command(line)),
    }
}

/// A command line as systemd.service(5) reads it; it looks for programs itself.
fn command(line: &str) -> String {
    let quoted = |word: String| match word.contains(' ') || word.is_empty() {
        true => format!("'{word}'"),
        false => word,
    };
    words(line).into_iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::LAB_PROFILES;

    fn text(files: &[GuestFile], name: &str) -> String {
        files.iter().find(|file| file.path.ends_with(name)).unwrap_or_else(|| panic!("no {name}")).text.clone()
    }

    #[test]
    fn every_service_of_the_profile_is_a_unit_that_waits_for_those_before_it() {
        let files = files(&Profile::named(LAB_PROFILES[0]).unwrap());
        let sip = text(&files, "lab-sip.service");
        assert!(sip.contains("After=lab-node.service lab-media.service\n"), "{sip}");
        assert!(sip.contains("ExecStart=kamailio -DD -E -m 128 -M 16 -f /run/lab/etc/kamailio.cfg"), "{sip}");
        assert!(sip.contains("ExecStartPost=/usr/local/sbin/lab-ready udp 5060\n"), "{sip}");
        assert!(sip.contains("echo 1 >/run/lab-sip-down"), "keepalived must hear of its end: {sip}");
        let xmpp = text(&files, "lab-xmpp.service");
        assert!(xmpp.contains("User=prosody\n") && xmpp.contains("lab-ready tcp 5222\n"), "{xmpp}");
        assert!(text(&files, "lab.target").contains("Wants=lab-media.service lab-sip.service lab-xmpp.service lab-ha"));
        assert!(text(&files, "tmpfiles.d/lab.conf").contains("d /run/prosody 0755 prosody prosody\n"));
        assert!(text(&files, "lab-ha.service").contains("ConditionPathExists=!/run/lab/alone\n"));
    }

    #[test]
    fn a_command_with_blanks_stays_one_word() {
        assert_eq!(
            command("asterisk -f @etc/a.conf -rx 'core show'"),
            "asterisk -f /run/lab/etc/a.conf -rx 'core show'"
        );
    }
}
