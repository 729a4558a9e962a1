//! The sockets around a node's SIP server.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::EventFd;

use super::control::{Channel, ToSwitch};
use super::relay::RelayOrder;
use super::sip::{Input, Output, RelayCommand, Server};
use crate::experiment::run::clock::Clock;

const INBOX: u64 = 0;
const SIP_UDP: u64 = 1;
const REPLICA: u64 = 2;
const FIRST_CONNECTION: u64 = 16;
/// What a node that has just started asks its peers: everything that you know.
const HELLO: &[u8] = b"hello";

/// What the loop is told.
#[derive(Debug)]
pub(super) enum SipOrder {
    /// The floating address's UDP socket.
    Socket(UdpSocket),
    /// The address is ours now.
    Serve,
    /// A client connected.
    Connection { number: u64, stream: TcpStream },
}

pub(super) struct SipLoop {
    pub clock: Clock,
    pub server: Server,
    pub inbox: Receiver<SipOrder>,
    pub wake: Arc<EventFd>,
    pub replica: UdpSocket,
    pub peers: Vec<SocketAddr>,
    pub relay: Sender<RelayOrder>,
    pub channel: Channel,
}

struct Running {
    parts: SipLoop,
    epoll: Epoll,
    udp: Option<UdpSocket>,
    connections: HashMap<u64, TcpStream>,
    buffer: Vec<u8>,
}

impl SipLoop {
    /// Serves until the inbox's other end is gone.
    pub(super) fn run(self) -> io::Result<()> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(self.wake.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, INBOX))?;
        epoll.add(&self.replica, EpollEvent::new(EpollFlags::EPOLLIN, REPLICA))?;
        let mut running =
            Running { parts: self, epoll, udp: None, connections: HashMap::new(), buffer: vec![0; 65536] };
        running.serve()
    }
}

impl Running {
    fn serve(&mut self) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); 64];
        self.replicate(HELLO);
        loop {
            self.flush();
            let now = self.parts.clock.now();
            let wait = self.parts.server.wake_at().map_or(100, |at| ((at - now).as_nanos() / 1_000_000).clamp(0, 100));
            let timeout = EpollTimeout::from(u16::try_from(wait).unwrap_or(100));
            let ready = self.epoll.wait(&mut events, timeout).unwrap_or(0);
            for event in &events[..ready] {
                match event.data() {
                    INBOX => {
                        if !self.take_orders()? {
                            return Ok(());
                        }
                    }
                    SIP_UDP => self.read_datagrams(),
                    REPLICA => self.read_replicas(),
                    number => self.read_stream(number),
                }
            }
            self.parts.server.tick(self.parts.clock.now());
        }
    }

    /// False when the node ends.
    fn take_orders(&mut self) -> io::Result<bool> {
        let _counter = self.parts.wake.read();
        loop {
            match self.parts.inbox.try_recv() {
                Ok(SipOrder::Socket(socket)) => {
                    self.epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, SIP_UDP))?;
                    self.udp = Some(socket);
                }
                Ok(SipOrder::Serve) => self.parts.server.activate(self.parts.clock.now()),
                Ok(SipOrder::Connection { number, stream }) => {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    self.epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, FIRST_CONNECTION + number))?;
                    self.connections.insert(number, stream);
                }
                Err(TryRecvError::Empty) => return Ok(true),
                Err(TryRecvError::Disconnected) => return Ok(false),
            }
        }
    }

    fn read_datagrams(&mut self) {
        let Some(socket) = &self.udp else { return };
        while let Ok((length, from)) = socket.recv_from(&mut self.buffer) {
            let input = Input::Datagram { from, bytes: &self.buffer[..length] };
            self.parts.server.handle(self.parts.clock.now(), input);
        }
    }

    fn read_replicas(&mut self) {
        while let Ok((length, from)) = self.parts.replica.recv_from(&mut self.buffer) {
            let bytes = &self.buffer[..length];
            if bytes == HELLO {
                for record in self.parts.server.snapshot() {
                    let _peer_down = self.parts.replica.send_to(&record, from);
                }
            } else {
                self.parts.server.handle(self.parts.clock.now(), Input::Replica { bytes });
            }
        }
    }

    fn replicate(&self, bytes: &[u8]) {
        for peer in &self.parts.peers {
            let _peer_down = self.parts.replica.send_to(bytes, peer);
        }
    }

    fn read_stream(&mut self, key: u64) {
        let conn = key - FIRST_CONNECTION;
        let Some(stream) = self.connections.get_mut(&conn) else { return };
        match stream.read(&mut self.buffer) {
            Ok(0) => self.close(conn),
            Ok(length) => {
                let input = Input::Stream { conn, bytes: &self.buffer[..length] };
                self.parts.server.handle(self.parts.clock.now(), input);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.close(conn),
        }
    }

    fn close(&mut self, conn: u64) {
        self.connections.remove(&conn);
        self.parts.server.handle(self.parts.clock.now(), Input::Closed { conn });
        let _switch_gone = self.parts.channel.send(&ToSwitch::Closed { number: conn }, &[]);
    }

    fn flush(&mut self) {
        while let Some(output) = self.parts.server.poll() {
            match output {
                Output::Datagram { to, bytes } => {
                    if let Some(socket) = &self.udp {
                        let _unreachable = socket.send_to(&bytes, to);
                    }
                }
                Output::Stream { conn, bytes } => {
                    let written = self.connections.get_mut(&conn).map(|stream| stream.write_all(&bytes));
                    if let Some(Err(_)) = written {
                        self.close(conn);
                    }
                }
                Output::Relay(RelayCommand::Open { session, pairs }) => {
                    let pairs = pairs.into_iter().map(|legs| legs.map(|leg| (leg.port, leg.remote))).collect();
                    let _relay_gone = self.parts.relay.send(RelayOrder::Open { session, pairs });
                }
                Output::Relay(RelayCommand::Close { session }) => {
                    let _relay_gone = self.parts.relay.send(RelayOrder::Close { session });
                }
                Output::Replicate(bytes) => self.replicate(&bytes),
            }
        }
    }
}
