//! Templates of the nodes' files, and how they are filled in.

use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

/// Name and text. Values stand as `{{ name }}`; the syntax is Jinja's.
const TEMPLATES: [(&str, &str); 22] = [
    ("kamailio.cfg", include_str!("templates/kamailio.cfg")),
    ("rtpengine.conf", include_str!("templates/rtpengine.conf")),
    ("keepalived.conf", include_str!("templates/keepalived.conf")),
    ("corosync.conf", include_str!("templates/corosync.conf")),
    ("pacemaker/cib.xml", include_str!("templates/pacemaker/cib.xml")),
    ("pacemaker/sip-agent.sh", include_str!("templates/pacemaker/sip-agent.sh")),
    ("heartbeat/ha.cf", include_str!("templates/heartbeat/ha.cf")),
    ("heartbeat/authkeys", include_str!("templates/heartbeat/authkeys")),
    ("heartbeat/haresources", include_str!("templates/heartbeat/haresources")),
    ("ejabberd/ejabberd.yml", include_str!("templates/ejabberd/ejabberd.yml")),
    ("ejabberd/inetrc", include_str!("templates/ejabberd/inetrc")),
    ("ejabberd/accounts.xml", include_str!("templates/ejabberd/accounts.xml")),
    ("prosody.cfg.lua", include_str!("templates/prosody.cfg.lua")),
    ("prosody-account.dat", include_str!("templates/prosody-account.dat")),
    ("asterisk/asterisk.conf", include_str!("templates/asterisk/asterisk.conf")),
    ("asterisk/modules.conf", include_str!("templates/asterisk/modules.conf")),
    ("asterisk/pjsip.conf", include_str!("templates/asterisk/pjsip.conf")),
    ("asterisk/extensions.conf", include_str!("templates/asterisk/extensions.conf")),
    ("asterisk/rtp.conf", include_str!("templates/asterisk/rtp.conf")),
    ("asterisk/logger.conf", include_str!("templates/asterisk/logger.conf")),
    ("asterisk/general.conf", include_str!("templates/asterisk/general.conf")),
    ("asterisk/off.conf", include_str!("templates/asterisk/off.conf")),
];

/// What fills templates in.
pub(super) struct Templates(Environment<'static>);

impl Templates {
    /// All templates, read.
    ///
    /// # Errors
    /// When one is broken.
    pub(super) fn read() -> Result<Templates, String> {
        let mut all = Environment::new();
        // A value that is not there is a mistake, not an empty word in a configuration.
        all.set_undefined_behavior(UndefinedBehavior::Strict);
        all.set_trim_blocks(true);
        all.set_lstrip_blocks(true);
        all.set_keep_trailing_newline(true);
        all.add_filter("percent", |name: String| percent(&name));
        for (name, text) in TEMPLATES {
            all.add_template(name, text).map_err(told)?;
        }
        Ok(Templates(all))
    }

    /// The text of a template with `values`.
    ///
    /// # Errors
    /// When there is no such template, or it wants a value that is not there.
    pub(super) fn fill(&self, name: &str, values: &impl Serialize) -> Result<String, String> {
        self.0.get_template(name).and_then(|template| template.render(values)).map_err(told)
    }

    /// The text of a line that is a template itself.
    ///
    /// # Errors
    /// As [`Templates::fill`].
    pub(super) fn line(&self, line: &str, values: &impl Serialize) -> Result<String, String> {
        self.0.render_str(line, values).map_err(told)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where a closure of map_err is wanted")]
fn told(error: minijinja::Error) -> String {
    format!("{error:#}")
}

/// Prosody's file names: every octet but letters and digits as `%xx`.
fn percent(name: &str) -> String {
    let octet = |octet: u8| match octet {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(octet).to_string(),
        other => format!("%{other:02x}"),
    };
    name.bytes().map(octet).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_files_are_named_as_prosody_names_them() {
        // '.' is 0x2e, '-' 0x2d, '_' 0x5f.
        assert_eq!(percent("lab.test"), "lab%2etest");
        assert_eq!(percent("chat-03_a"), "chat%2d03%5fa");
    }

    #[test]
    fn a_value_that_is_not_there_is_an_error_with_its_place() {
        let templates = Templates::read().unwrap();
        let nothing = std::collections::BTreeMap::<String, String>::new();
        let error = templates.fill("keepalived.conf", &nothing).unwrap_err();
        assert!(error.contains("keepalived.conf"), "{error}");
        assert!(templates.fill("nothing.conf", &nothing).is_err());
    }
}
