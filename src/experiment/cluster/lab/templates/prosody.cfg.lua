-- {{ node }}: one of several equal XMPP servers behind the floating address.
-- Accounts are the same everywhere; sessions, rosters and offline messages stay on the node.
pidfile = "/run/prosody/prosody.pid"
data_path = "/run/lab/prosody"
interfaces = { "{{ vip }}", "{{ address }}" }
local_interfaces = { "127.0.0.1" }
modules_enabled = { "roster", "saslauth", "tls", "disco", "ping", "time", "version", "smacks", "offline", "posix" }
modules_disabled = { "s2s" }
authentication = "internal_plain"
storage = "internal"
c2s_require_encryption = true
smacks_hibernation_time = 300
limits = { }
network_settings = { tcp_backlog = 512 }
log = { info = "*console" }
certificates = "/run/lab/etc"
ssl = { key = "/run/lab/etc/lab.key"; certificate = "/run/lab/etc/lab.crt" }
VirtualHost "{{ domain }}"
