//! A node of the reference cluster: a process that waits for the floating address and then serves.

use std::io;
use std::net::{TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc;

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::prctl;
use nix::sys::signal::Signal;

use super::control::{Channel, NodeConfig, TcpService, ToNode, ToSwitch};
use super::relay::{self, RelayOrder};
use super::sip::{Server, ServerConfig};
use super::sip_loop::{SipLoop, SipOrder};
use super::xmpp;
use crate::experiment::run::clock::Clock;

/// Where the node's threads are reached.
struct Threads {
    sip: mpsc::Sender<SipOrder>,
    sip_wake: Arc<EventFd>,
    relay: mpsc::Sender<RelayOrder>,
    xmpp: tokio::sync::mpsc::UnboundedSender<(u64, TcpStream)>,
}

/// The process's main function: the control channel is its standard input. Returns the exit code.
#[must_use]
pub fn main() -> u8 {
    match serve() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("node failed: {error}");
            1
        }
    }
}

fn serve() -> io::Result<()> {
    // A stopped node cannot notice that the switch is gone; the kernel ends it.
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    let channel = Channel::from_fd(super::standard_input()?);
    let Some((ToNode::Begin(config), _)) = channel.receive(true)? else {
        return Err(io::Error::other("this is started by the reference cluster, not by hand"));
    };
    let threads = start(&config, &channel)?;
    channel.send(&ToSwitch::Ready, &[])?;
    while let Some((message, fds)) = channel.receive::<ToNode>(true)? {
        obey(&threads, message, fds)?;
    }
    Ok(())
}

fn obey(threads: &Threads, message: ToNode, fds: Vec<OwnedFd>) -> io::Result<()> {
    let sip = |order| {
        let _node_ends = threads.sip.send(order);
        threads.sip_wake.write(1).map(|_| ()).map_err(io::Error::from)
    };
    let mut fds = fds.into_iter();
    match message {
        ToNode::Begin(_) => Err(io::Error::other("begun twice")),
        ToNode::Sip => fds.next().map_or(Ok(()), |fd| sip(SipOrder::Socket(UdpSocket::from(fd)))),
        ToNode::Media { first_port } => {
            let _node_ends = threads.relay.send(RelayOrder::Sockets { first_port, sockets: fds.collect() });
            Ok(())
        }
        ToNode::Serve => sip(SipOrder::Serve),
        ToNode::Connection { number, service, .. } => {
            let Some(fd) = fds.next() else { return Ok(()) };
            let stream = TcpStream::from(fd);
            match service {
                TcpService::Sip => sip(SipOrder::Connection { number, stream }),
                TcpService::Xmpp => {
                    let _node_ends = threads.xmpp.send((number, stream));
                    Ok(())
                }
            }
        }
    }
}

fn start(config: &NodeConfig, channel: &Channel) -> io::Result<Threads> {
    let (relay, relay_orders) = mpsc::channel();
    let seed = config.seed;
    spawn("relay", move || relay::run(&relay_orders, seed))?;
    let (sip, inbox) = mpsc::channel();
    let sip_wake = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
    let replica = UdpSocket::bind(config.own)?;
    replica.set_nonblocking(true)?;
    let sip_loop = SipLoop {
        clock: Clock::with_epoch(config.monotonic_epoch_ns),
        server: Server::new(ServerConfig {
            node: config.name.clone(),
            domain: config.domain.clone(),
            address: config.address,
            password_prefix: config.password_prefix.clone(),
            share_registrations: config.share_registrations,
            media_ports: config.media_ports.0..config.media_ports.1,
            seed,
        }),
        inbox,
        wake: Arc::clone(&sip_wake),
        replica,
        peers: config.peers.clone(),
        relay: relay.clone(),
        channel: channel.try_clone()?,
    };
    spawn("sip", move || sip_loop.run())?;
    let xmpp = start_xmpp(config, channel.try_clone()?)?;
    Ok(Threads { sip, sip_wake, relay, xmpp })
}

/// A thread whose failure ends the process: a node without one of its services is no node.
fn spawn(name: &str, work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    let told = name.to_owned();
    std::thread::Builder::new().name(name.into()).spawn(move || {
        if let Err(error) = work() {
            eprintln!("{told} failed: {error}");
            std::process::exit(1);
        }
    })?;
    Ok(())
}

type Connections = tokio::sync::mpsc::UnboundedSender<(u64, TcpStream)>;

fn start_xmpp(config: &NodeConfig, channel: Channel) -> io::Result<Connections> {
    let server = xmpp::Server::new(xmpp::ServerConfig {
        domain: config.domain.clone(),
        users: config.users.clone(),
        password_prefix: config.password_prefix.clone(),
        certificate_pem: config.cert_pem.clone(),
        key_pem: config.key_pem.clone(),
        stream_management: true,
        wall_now: || Clock::start().wall_now(),
    })?;
    let (connections, mut accepted) = tokio::sync::mpsc::unbounded_channel::<(u64, TcpStream)>();
    let channel = Arc::new(channel);
    spawn("xmpp", move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        runtime.block_on(async move {
            while let Some((number, stream)) = accepted.recv().await {
                stream.set_nonblocking(true)?;
                let stream = tokio::net::TcpStream::from_std(stream)?;
                let (server, channel) = (server.clone(), Arc::clone(&channel));
                tokio::spawn(async move {
                    // How a session ended is the client's business; here the switch only lets go of it.
                    let _ended = xmpp::serve(stream, server).await;
                    let _switch_gone = channel.send(&ToSwitch::Closed { number }, &[]);
                });
            }
            Ok(())
        })
    })?;
    Ok(connections)
}
