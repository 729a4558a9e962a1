//! The channel between the switch and a node: JSON messages that may carry file descriptors.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg, socketpair,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Descriptors in one message; the kernel's limit is 253.
pub(super) const FDS_PER_MESSAGE: usize = 128;
const LONGEST: usize = 64 * 1024;

/// What a node is told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToNode {
    /// Who it is; the first message.
    Begin(Box<NodeConfig>),
    /// The floating address is yours; with the UDP socket for SIP.
    Sip,
    /// Sockets of relay ports, RTP and RTCP in turn, from this RTP port on.
    Media { first_port: u16 },
    /// All sockets are handed over: serve.
    Serve,
    /// A TCP connection to one of your services, with its socket.
    Connection { number: u64, service: TcpService, from: std::net::SocketAddr },
}

/// What a node says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToSwitch {
    /// Up, and waiting.
    Ready,
    /// It has closed this connection.
    Closed { number: u64 },
}

/// TCP services of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TcpService {
    /// SIP.
    Sip,
    /// XMPP.
    Xmpp,
}

/// Who a node is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct NodeConfig {
    pub name: String,
    pub domain: String,
    /// Floating SIP address.
    pub address: std::net::SocketAddr,
    /// Whether registrations are told to the other nodes.
    pub share_registrations: bool,
    /// Own address for replication.
    pub own: std::net::SocketAddr,
    /// The other nodes' addresses for replication.
    pub peers: Vec<std::net::SocketAddr>,
    pub password_prefix: String,
    /// First and one past the last relay port.
    pub media_ports: (u16, u16),
    pub users: Vec<String>,
    pub cert_pem: String,
    pub key_pem: String,
    pub seed: u64,
    /// CLOCK_MONOTONIC at the cluster's epoch: instants that nodes tell each other are on one clock.
    pub monotonic_epoch_ns: i64,
}

/// One end of the channel.
#[derive(Debug)]
pub(super) struct Channel {
    socket: OwnedFd,
}

impl Channel {
    /// Both ends.
    pub(super) fn pair() -> io::Result<(Channel, OwnedFd)> {
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        Ok((Channel { socket: ours }, theirs))
    }

    /// The end that a child process was given.
    pub(super) fn from_fd(socket: OwnedFd) -> Channel {
        Channel { socket }
    }

    /// Another handle on the same end.
    pub(super) fn try_clone(&self) -> io::Result<Channel> {
        Ok(Channel { socket: self.socket.try_clone()? })
    }

    /// Sends a message with descriptors.
    pub(super) fn send<M: Serialize>(&self, message: &M, fds: &[RawFd]) -> io::Result<()> {
        let text = serde_json::to_vec(message)?;
        let slices = [IoSlice::new(&text)];
        let rights = [ControlMessage::ScmRights(fds)];
        let controls: &[ControlMessage<'_>] = if fds.is_empty() { &[] } else { &rights };
        sendmsg::<()>(self.socket.as_raw_fd(), &slices, controls, MsgFlags::MSG_NOSIGNAL, None)?;
        Ok(())
    }

    /// The next message; `None` when the other end is gone (or, not waiting, when there is none).
    pub(super) fn receive<M: DeserializeOwned>(&self, wait: bool) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
        let mut buffer = vec![0; LONGEST];
        let mut space = nix::cmsg_space!([RawFd; FDS_PER_MESSAGE]);
        let flags = if wait { MsgFlags::MSG_CMSG_CLOEXEC } else { MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT };
        let mut slices = [IoSliceMut::new(&mut buffer)];
        let message = loop {
            match recvmsg::<()>(self.socket.as_raw_fd(), &mut slices, Some(&mut space), flags) {
                Ok(message) => break message,
                Err(nix::errno::Errno::EINTR) => {}
                Err(nix::errno::Errno::EAGAIN) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        };
        let mut fds = Vec::new();
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(raw) = control {
                // SAFETY: the kernel made these descriptors for this process and nobody else owns them.
                fds.extend(raw.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
            }
        }
        let length = message.bytes;
        if length == 0 {
            return Ok(None);
        }
        Ok(Some((serde_json::from_slice(&buffer[..length])?, fds)))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn a_message_carries_a_descriptor() {
        let (ours, theirs) = Channel::pair().unwrap();
        let theirs = Channel::from_fd(theirs);
        let (mut reader, writer) = std::io::pipe().unwrap();
        ours.send(&ToNode::Media { first_port: 5 }, &[writer.as_raw_fd()]).unwrap();
        drop(writer);
        let (message, fds) = theirs.receive::<ToNode>(true).unwrap().unwrap();
        assert!(matches!(message, ToNode::Media { first_port: 5 }));
        let mut file = std::fs::File::from(fds.into_iter().next().unwrap());
        file.write_all(b"x").unwrap();
        drop(file);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
        drop(theirs);
        assert!(ours.receive::<ToSwitch>(true).unwrap().is_none());
    }
}
