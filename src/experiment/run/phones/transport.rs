//! The sockets of one phone: a UDP socket with kernel stamps, or a TCP connection opened when it is needed.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use socket2::{Domain, Protocol, Socket, Type};

use crate::experiment::run::clock::Clock;
use crate::experiment::run::socket::StampedSocket;
use crate::units::RunTime;

/// One phone's way to the server.
#[derive(Debug)]
pub(super) enum Link {
    /// Datagrams.
    Udp(StampedSocket),
    /// A connection, when there is one.
    Tcp(Option<Connection>),
}

/// A TCP connection, perhaps not yet established.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    local: SocketAddr,
    remote: SocketAddr,
    established: bool,
    unsent: Vec<u8>,
}

/// What reading a link gave.
#[derive(Debug)]
pub(super) enum Heard {
    /// A datagram in the buffer.
    Datagram { at: RunTime, from: SocketAddr, length: usize },
    /// Octets of the stream in the buffer.
    Stream { length: usize },
    /// The connection is up.
    Connected { local: SocketAddr },
    /// The connection is gone.
    Disconnected { reason: String },
    /// Nobody is where a datagram went.
    Unreachable { to: SocketAddr },
    /// Nothing more for now.
    Nothing,
}

impl Link {
    /// A link of the right kind; UDP is bound and watched under `key` at once. `errors`: whether it tells of datagrams
    /// that could not be delivered.
    pub(super) fn open(tcp: bool, errors: bool, ip: IpAddr, epoll: &Epoll, key: u64) -> io::Result<Link> {
        if tcp {
            return Ok(Link::Tcp(None));
        }
        let mut socket = StampedSocket::bind(SocketAddr::new(ip, 0))?;
        if errors && ip.is_ipv4() {
            socket.tell_unreachable()?;
        }
        epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, key))?;
        Ok(Link::Udp(socket))
    }

    /// Our address: of the connection for TCP, where there is one.
    pub(super) fn local(&self, ip: IpAddr) -> SocketAddr {
        match self {
            Link::Udp(socket) => socket.local(),
            Link::Tcp(connection) => connection.as_ref().map_or(SocketAddr::new(ip, 0), |connection| connection.local),
        }
    }

    /// The peer of the connection.
    pub(super) fn remote(&self) -> Option<SocketAddr> {
        match self {
            Link::Tcp(Some(connection)) => Some(connection.remote),
            _ => None,
        }
    }

    /// Datagrams that the kernel dropped.
    pub(super) fn drops(&self) -> u64 {
        match self {
            Link::Udp(socket) => u64::from(socket.drops()),
            Link::Tcp(_) => 0,
        }
    }

    /// Starts to connect; what came of it is heard later.
    pub(super) fn connect(&mut self, ip: IpAddr, to: SocketAddr, epoll: &Epoll, key: u64) -> io::Result<()> {
        let Link::Tcp(place) = self else { return Ok(()) };
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        socket.bind(&SocketAddr::new(ip, 0).into())?;
        match socket.connect(&to.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            Err(error) => return Err(error),
        }
        let stream = TcpStream::from(socket);
        let local = stream.local_addr()?;
        epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT, key))?;
        *place = Some(Connection { stream, local, remote: to, established: false, unsent: Vec::new() });
        Ok(())
    }

    /// Sends a datagram.
    pub(super) fn send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        match self {
            Link::Udp(socket) => socket.send_to(bytes, to),
            Link::Tcp(_) => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Writes to the connection; what the kernel does not take now is kept for when it can.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Link::Tcp(Some(connection)) = self else { return Err(io::ErrorKind::NotConnected.into()) };
        connection.unsent.extend_from_slice(bytes);
        connection.flush()
    }

    /// The next thing on the link.
    pub(super) fn hear(&mut self, clock: &Clock, epoll: &Epoll, key: u64, buffer: &mut [u8]) -> Heard {
        match self {
            Link::Udp(socket) => match socket.receive(clock, buffer) {
                Ok(Some(got)) => Heard::Datagram { at: got.at, from: got.from, length: got.length },
                Ok(None) | Err(_) => socket.unreachable().map_or(Heard::Nothing, |to| Heard::Unreachable { to }),
            },
            Link::Tcp(place) => {
                let Some(connection) = place else { return Heard::Nothing };
                let heard = connection.hear(epoll, key, buffer);
                if matches!(heard, Heard::Disconnected { .. }) {
                    *place = None;
                }
                heard
            }
        }
    }
}

impl Connection {
    fn hear(&mut self, epoll: &Epoll, key: u64, buffer: &mut [u8]) -> Heard {
        if !self.established {
            return self.finish_connecting(epoll, key);
        }
        if let Err(error) = self.flush() {
            return gone(&error);
        }
        match self.stream.read(buffer) {
            Ok(0) => Heard::Disconnected { reason: "closed by the server".into() },
            Ok(length) => Heard::Stream { length },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Heard::Nothing,
            Err(error) => gone(&error),
        }
    }

    fn finish_connecting(&mut self, epoll: &Epoll, key: u64) -> Heard {
        match self.stream.take_error() {
            Ok(Some(error)) | Err(error) => return gone(&error),
            Ok(None) => {}
        }
        if self.stream.peer_addr().is_err() {
            return Heard::Nothing;
        }
        self.established = true;
        let _watched = epoll.modify(&self.stream, &mut EpollEvent::new(EpollFlags::EPOLLIN, key));
        Heard::Connected { local: self.local }
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn gone(error: &io::Error) -> Heard {
    let reason = match error.kind() {
        io::ErrorKind::ConnectionReset => "connection reset".into(),
        io::ErrorKind::ConnectionRefused => "connection refused".into(),
        _ => error.to_string(),
    };
    Heard::Disconnected { reason }
}
