//! Questions to the servers, asked from where the clients stand.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};

use super::layout::{CLIENTS, CLIENTS_NETNS, DOMAIN, netns_path};

/// How long one question waits for its answer.
const PATIENCE: Duration = Duration::from_millis(100);

/// Runs `work` on a thread of its own inside a network namespace: a thread that entered never comes back.
///
/// # Errors
/// When the namespace cannot be entered, or `work`'s own error.
pub(super) fn in_netns<T: Send>(netns: &Path, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    let enter = || {
        setns(File::open(netns)?, CloneFlags::CLONE_NEWNET)?;
        work()
    };
    thread::scope(|scope| scope.spawn(enter).join())
        .unwrap_or_else(|_| Err(io::Error::other("the thread in the namespace panicked")))
}

/// Asks for OPTIONS and returns the node that answered; none without an answer in time.
pub(super) fn sip_answer(server: Ipv4Addr) -> Option<String> {
    in_netns(&netns_path(CLIENTS_NETNS), || {
        let socket = UdpSocket::bind((CLIENTS, 0))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let port = socket.local_addr()?.port();
        socket.send_to(options(server, port).as_bytes(), (server, 5060))?;
        let mut buffer = [0; 2048];
        let length = socket.recv(&mut buffer)?;
        node_of(&String::from_utf8_lossy(&buffer[..length])).ok_or_else(|| io::Error::other("not a 200"))
    })
    .ok()
}

fn options(server: Ipv4Addr, port: u16) -> String {
    // One socket for each question: the port tells questions apart.
    format!(
        "OPTIONS sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/UDP {CLIENTS}:{port};rport;branch=z9hG4bKhealth{port}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:health@{DOMAIN}>;tag=h{port}\r\nTo: <sip:{DOMAIN}>\r\n\
         Call-ID: health-{port}@{server}\r\nCSeq: 1 OPTIONS\r\nContact: <sip:health@{CLIENTS}:{port}>\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

fn node_of(reply: &str) -> Option<String> {
    let mut lines = reply.split("\r\n");
    lines.next().filter(|status| status.starts_with("SIP/2.0 200 "))?;
    // A proxy says it in a header of its own, a user agent in the one that names it (RFC 3261, section 20.35).
    let mut named = lines.filter_map(|line| line.strip_prefix("X-Node: ").or(line.strip_prefix("Server: ")));
    named.next().map(|node| node.trim().to_owned())
}

/// Whether a TCP connection can be made.
pub(super) fn tcp_open(server: Ipv4Addr, port: u16) -> bool {
    let address = SocketAddr::from((server, port));
    in_netns(&netns_path(CLIENTS_NETNS), || TcpStream::connect_timeout(&address, PATIENCE)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_200_that_names_its_node_is_an_answer() {
        assert_eq!(node_of("SIP/2.0 200 OK\r\nX-Node: beta\r\n\r\n").as_deref(), Some("beta"));
        assert_eq!(node_of("SIP/2.0 200 OK\r\nServer: beta\r\n\r\n").as_deref(), Some("beta"));
        assert_eq!(node_of("SIP/2.0 503 Busy\r\nX-Node: beta\r\n\r\n"), None);
        assert_eq!(node_of("SIP/2.0 200 OK\r\n\r\n"), None);
        assert_eq!(node_of(""), None);
    }
}
