//! The switch: it owns the floating address and lends its sockets to one node at a time.
//!
//! A machine that loses power sends neither FIN nor ICMP, but the kernel sends both when a process dies. So
//! the switch holds every socket of the floating address and a duplicate of every accepted connection: when
//! the owner is killed, datagrams vanish into a queue and connections stand half open. At takeover the queue
//! is emptied (a dead machine lost it), the next node gets the sockets, and a connection of the dead node is
//! reset as soon as its client has something to say, which is what the new owner's kernel would do.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::control::{Channel, FDS_PER_MESSAGE, TcpService, ToNode, ToSwitch};
use crate::evidence::history::What;
use crate::experiment::run::clock::Clock;
use crate::experiment::run::recorder::Recorder;
use crate::units::{RunTime, Span};

/// Port of SIP on the floating address.
pub(super) const SIP_PORT: u16 = 5060;
/// Port of XMPP on the floating address.
pub(super) const XMPP_PORT: u16 = 5222;
/// The client closed its side (Linux; nix does not name it).
const HUNG_UP: PollFlags = PollFlags::from_bits_retain(libc::POLLRDHUP);
/// The loop looks at least this often whether it is told to stop.
const WAIT: Span = Span::from_millis(10);

/// A handle on the switch; dropping it ends the thread.
#[derive(Debug)]
pub(super) struct Switch {
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    clock: Clock,
    recorder: Option<Recorder>,
    sockets: Sockets,
    nodes: Vec<Node>,
    owner: Option<usize>,
    takeovers: Vec<Span>,
    taken: usize,
    due: Option<RunTime>,
    connections: HashMap<u64, Connection>,
    next_connection: u64,
    stop: bool,
}

#[derive(Debug)]
struct Sockets {
    sip_udp: UdpSocket,
    sip_tcp: TcpListener,
    xmpp_tcp: TcpListener,
    /// RTP and RTCP in turn.
    media: Vec<UdpSocket>,
    first_media_port: u16,
}

#[derive(Debug)]
struct Node {
    name: String,
    channel: Option<Channel>,
    pid: Option<Pid>,
    ready: bool,
}

/// A duplicate of an accepted connection.
#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    /// `None`: its node is dead, and it is reset at the client's next octet.
    node: Option<usize>,
}

impl Switch {
    /// Binds the floating address and starts the thread.
    pub(super) fn start(
        address: Ipv4Addr,
        media_ports: std::ops::Range<u16>,
        names: &[String],
        takeovers: Vec<Span>,
        clock: Clock,
    ) -> io::Result<Switch> {
        let state = State {
            clock,
            recorder: None,
            sockets: Sockets::bind(address, media_ports)?,
            nodes: names
                .iter()
                .map(|name| Node { name: name.clone(), channel: None, pid: None, ready: false })
                .collect(),
            owner: None,
            takeovers,
            taken: 0,
            due: None,
            connections: HashMap::new(),
            next_connection: 1,
            stop: false,
        };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let thread = std::thread::Builder::new().name("switch".into()).spawn(move || run(&shared))?;
        Ok(Switch { state, thread: Some(thread) })
    }

    /// From now on owner changes are recorded.
    pub(super) fn observe(&self, recorder: &Recorder) {
        let mut state = self.lock();
        state.recorder = Some(recorder.clone());
        state.tell(state.owner);
    }

    /// Plugs a freshly started node in.
    pub(super) fn plug(&self, node: usize, channel: Channel, pid: Pid) {
        let mut state = self.lock();
        if let Some(node) = state.nodes.get_mut(node) {
            node.channel = Some(channel);
            node.pid = Some(pid);
            node.ready = false;
        }
    }

    /// Whether a node has said that it is up.
    pub(super) fn is_ready(&self, node: usize) -> bool {
        self.lock().nodes.get(node).is_some_and(|node| node.ready)
    }

    /// Gives the address to a node at once: the start of the experiment, or a node that has its own address again.
    pub(super) fn assign(&self, node: usize) {
        let mut state = self.lock();
        state.due = None;
        state.hand_over(node);
    }

    /// The node is gone since `at`. If it owned the address, the next one takes it over the configured delay
    /// later. `keep_connections`: a machine without power closes nothing; a killed server's kernel does.
    pub(super) fn lost(&self, node: usize, keep_connections: bool, at: RunTime) {
        let mut state = self.lock();
        state.unplug(node, keep_connections);
        if state.owner == Some(node) {
            state.tell(None);
        }
        state.schedule_takeover(node, at);
    }

    /// The node hangs since `at`: it keeps what it holds until it is fenced at takeover.
    pub(super) fn hangs(&self, node: usize, at: RunTime) {
        self.lock().schedule_takeover(node, at);
    }

    /// Who owns the address.
    pub(super) fn owner(&self) -> Option<usize> {
        self.lock().owner
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.lock().stop = true;
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sockets {
    fn bind(address: Ipv4Addr, media_ports: std::ops::Range<u16>) -> io::Result<Sockets> {
        let at = |port| SocketAddrV4::new(address, port);
        let named = |what: &str, port, error: io::Error| {
            io::Error::new(error.kind(), format!("{what} {address}:{port} cannot be bound: {error}"))
        };
        let udp = |port| UdpSocket::bind(at(port)).map_err(|error| named("UDP", port, error));
        let tcp = |port| TcpListener::bind(at(port)).map_err(|error| named("TCP", port, error));
        let sockets = Sockets {
            sip_udp: udp(SIP_PORT)?,
            sip_tcp: tcp(SIP_PORT)?,
            xmpp_tcp: tcp(XMPP_PORT)?,
            first_media_port: media_ports.start,
            media: media_ports.map(udp).collect::<io::Result<_>>()?,
        };
        for socket in sockets.media.iter().chain([&sockets.sip_udp]) {
            socket.set_nonblocking(true)?;
        }
        sockets.sip_tcp.set_nonblocking(true)?;
        sockets.xmpp_tcp.set_nonblocking(true)?;
        Ok(sockets)
    }

    /// Throws away what arrived while nobody owned the address.
    fn drain(&self) {
        let mut buffer = [0; 2048];
        for socket in self.media.iter().chain([&self.sip_udp]) {
            while socket.recv_from(&mut buffer).is_ok() {}
        }
    }
}

impl State {
    fn unplug(&mut self, node: usize, keep_connections: bool) {
        if let Some(gone) = self.nodes.get_mut(node) {
            gone.channel = None;
            gone.pid = None;
            gone.ready = false;
        }
        if keep_connections {
            for connection in self.connections.values_mut().filter(|connection| connection.node == Some(node)) {
                connection.node = None;
            }
        } else {
            self.connections.retain(|_, connection| connection.node != Some(node));
        }
    }

    fn schedule_takeover(&mut self, lost: usize, at: RunTime) {
        if self.owner != Some(lost) || self.due.is_some() {
            return;
        }
        let delay = self.takeovers.get(self.taken).or(self.takeovers.last()).copied().unwrap_or(Span::ZERO);
        self.taken += 1;
        self.due = Some(at + delay);
    }

    /// The next node that is up, after the owner in the configured order.
    fn successor(&self) -> Option<usize> {
        let count = self.nodes.len();
        let after = self.owner.map_or(0, |owner| owner + 1);
        (0..count).map(|step| (after + step) % count).find(|node| Some(*node) != self.owner && self.nodes[*node].ready)
    }

    fn take_over(&mut self) {
        self.due = None;
        let next = self.successor();
        // Fencing: whoever owned the address must not answer any more, not even when it is continued later.
        if let Some(old) = self.owner {
            if let Some(pid) = self.nodes.get_mut(old).and_then(|node| node.pid) {
                let _dead_already = kill(pid, Signal::SIGKILL);
            }
            self.unplug(old, true);
        }
        match next {
            Some(node) => self.hand_over(node),
            None => {
                self.owner = None;
                self.tell(None);
            }
        }
    }

    fn hand_over(&mut self, node: usize) {
        self.sockets.drain();
        self.owner = Some(node);
        if let Some(channel) = self.nodes.get(node).and_then(|node| node.channel.as_ref()) {
            // A node that dies at this instant is noticed by the next fault or health check.
            let _node_gone = self.sockets.lend(channel);
        }
        self.tell(Some(node));
    }

    fn tell(&self, owner: Option<usize>) {
        if let Some(recorder) = &self.recorder {
            let name = owner.and_then(|owner| self.nodes.get(owner)).map(|node| node.name.clone());
            recorder.record(What::Owner { nodes: name.into_iter().collect() });
        }
    }

    fn accept(&mut self, service: TcpService) {
        let Some(owner) = self.owner.filter(|_| self.due.is_none()) else { return };
        let listener = match service {
            TcpService::Sip => &self.sockets.sip_tcp,
            TcpService::Xmpp => &self.sockets.xmpp_tcp,
        };
        let Ok((stream, from)) = listener.accept() else { return };
        let number = self.next_connection;
        self.next_connection += 1;
        let Some(channel) = self.nodes.get(owner).and_then(|node| node.channel.as_ref()) else { return };
        let message = ToNode::Connection { number, service, from };
        if channel.send(&message, &[stream.as_raw_fd()]).is_ok() {
            self.connections.insert(number, Connection { stream, node: Some(owner) });
        }
    }

    fn hear(&mut self, node: usize) {
        let Some(channel) = self.nodes[node].channel.as_ref() else { return };
        let mut closed = Vec::new();
        let mut ready = false;
        while let Ok(Some((message, _))) = channel.receive::<ToSwitch>(false) {
            match message {
                ToSwitch::Ready => ready = true,
                ToSwitch::Closed { number } => closed.push(number),
            }
        }
        self.nodes[node].ready |= ready;
        for number in closed {
            self.connections.remove(&number);
        }
    }
}

impl Sockets {
    fn lend(&self, channel: &Channel) -> io::Result<()> {
        channel.send(&ToNode::Sip, &[self.sip_udp.as_raw_fd()])?;
        for (index, chunk) in self.media.chunks(FDS_PER_MESSAGE).enumerate() {
            let fds: Vec<RawFd> = chunk.iter().map(AsRawFd::as_raw_fd).collect();
            let first_port = self.first_media_port + (index * FDS_PER_MESSAGE) as u16;
            channel.send(&ToNode::Media { first_port }, &fds)?;
        }
        channel.send(&ToNode::Serve, &[])
    }
}

/// What a descriptor in the poll set belongs to.
#[derive(Clone, Copy)]
enum Source {
    Listener(TcpService),
    Node(usize),
    Orphan(u64),
    Lent(u64),
}

fn run(shared: &Mutex<State>) {
    loop {
        let (clock, wake, sources, fds) = {
            let state = lock(shared);
            if state.stop {
                return;
            }
            let (sources, fds) = watched(&state);
            let now = state.clock.now();
            (state.clock, state.due.unwrap_or(now + WAIT).min(now + WAIT), sources, fds)
        };
        let ready = wait(&fds, wake - clock.now());
        let mut state = lock(shared);
        // The last millisecond is slept precisely: the takeover is the planted truth.
        if let Some(due) = state.due.filter(|due| *due <= state.clock.now() + Span::from_millis(1)) {
            clock.sleep_until(due);
            state.take_over();
            continue;
        }
        for (source, events) in sources.into_iter().zip(ready) {
            serve(&mut state, source, events);
        }
    }
}

type Watched = (Vec<Source>, Vec<(std::os::fd::OwnedFd, PollFlags)>);

/// Duplicates of the descriptors to watch: the lock is not held while waiting.
fn watched(state: &State) -> Watched {
    let mut sources = Vec::new();
    let mut fds = Vec::new();
    let mut watch = |source, fd: std::os::fd::BorrowedFd<'_>, flags| {
        if let Ok(fd) = fd.try_clone_to_owned() {
            sources.push(source);
            fds.push((fd, flags));
        }
    };
    if state.due.is_none() && state.owner.is_some() {
        watch(Source::Listener(TcpService::Sip), state.sockets.sip_tcp.as_fd(), PollFlags::POLLIN);
        watch(Source::Listener(TcpService::Xmpp), state.sockets.xmpp_tcp.as_fd(), PollFlags::POLLIN);
    }
    for (index, node) in state.nodes.iter().enumerate() {
        if let Some(channel) = &node.channel {
            watch(Source::Node(index), channel.as_fd(), PollFlags::POLLIN);
        }
    }
    for (number, connection) in &state.connections {
        match connection.node {
            // Before the takeover nobody answers: the client's segments would simply be repeated.
            None if state.due.is_some() => {}
            None => watch(Source::Orphan(*number), connection.stream.as_fd(), PollFlags::POLLIN),
            Some(_) => watch(Source::Lent(*number), connection.stream.as_fd(), HUNG_UP),
        }
    }
    (sources, fds)
}

fn wait(fds: &[(std::os::fd::OwnedFd, PollFlags)], timeout: Span) -> Vec<PollFlags> {
    let mut set: Vec<PollFd<'_>> = fds.iter().map(|(fd, flags)| PollFd::new(fd.as_fd(), *flags)).collect();
    let millis = u16::try_from(timeout.as_nanos().max(0) / 1_000_000).unwrap_or(10);
    let _interrupted = poll(&mut set, PollTimeout::from(millis));
    set.iter().map(|fd| fd.revents().unwrap_or(PollFlags::empty())).collect()
}

fn serve(state: &mut State, source: Source, events: PollFlags) {
    if events.is_empty() {
        return;
    }
    match source {
        Source::Listener(service) => state.accept(service),
        Source::Node(node) if events.contains(PollFlags::POLLIN) => state.hear(node),
        Source::Node(node) => state.nodes[node].ready = false,
        Source::Orphan(number) => reset(state, number),
        Source::Lent(number) => {
            // The client is gone; the node has its own descriptor.
            state.connections.remove(&number);
        }
    }
}

/// Closes with RST, as the kernel of a machine that never knew the connection.
fn reset(state: &mut State, number: u64) {
    if let Some(connection) = state.connections.remove(&number) {
        let _closed_already = socket2::SockRef::from(&connection.stream).set_linger(Some(std::time::Duration::ZERO));
    }
}

/// The floating SIP address.
pub(super) fn sip_address(address: Ipv4Addr) -> SocketAddr {
    SocketAddr::V4(SocketAddrV4::new(address, SIP_PORT))
}

/// The floating XMPP address.
pub(super) fn xmpp_address(address: Ipv4Addr) -> SocketAddr {
    SocketAddr::V4(SocketAddrV4::new(address, XMPP_PORT))
}
