//! Live capture of an interface in another network namespace, with the kernel's stamps.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_indextoname;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::sockopt::{RcvBufForce, ReceiveTimestampns};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recvmsg,
    setsockopt, socket,
};
use nix::sys::time::TimeSpec;
use pcap_file::DataLink;

use super::pcapng::{PcapngFile, Way};
use crate::experiment::cluster::CapturePoint;
use crate::experiment::run::clock::Clock;
use crate::units::{RunTime, Span};
use crate::wire::totem::{self, Totem};
use crate::wire::{heartbeat, vrrp};

/// What a crash of the tool may lose at most.
const FLUSH_EVERY: Span = Span::from_millis(200);

/// How soon the thread notices that it shall stop.
const IDLE_MS: u16 = 20;

/// Kernel buffer: some seconds of a gigabit link, so that a busy disk costs no frame.
const KERNEL_BUFFER: usize = 64 << 20;

/// Longest frame: veth passes on TCP segments of up to 64 KiB unsplit.
const LONGEST_FRAME: usize = 65_536 + 256;

/// What a capture saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaptureStats {
    /// Frames in the file.
    pub frames: u64,
    /// Frames that the kernel dropped because the buffer was full.
    pub drops: u64,
}

/// A comment and the Unix time in nanoseconds at which it was made.
type Mark = (i64, String);

/// Comments that wait for a frame.
struct Marks {
    receiver: Receiver<Mark>,
    next: Option<Mark>,
}

impl Marks {
    /// The next comment that was made at `unix_ns` or before: one made later is for a later frame, though
    /// this one is only read now.
    fn due(&mut self, unix_ns: i64) -> Option<String> {
        let next = self.next.take().or_else(|| self.receiver.try_recv().ok());
        match next {
            Some((made, comment)) if made <= unix_ns => Some(comment),
            waiting => {
                self.next = waiting;
                None
            }
        }
    }
}

/// A capture that runs.
#[derive(Debug)]
pub struct PacketCapture {
    clock: Clock,
    marks: Sender<Mark>,
    stop: Arc<AtomicBool>,
    /// Unix time of the last beat of a cluster engine in nanoseconds; 0: none.
    beat: Arc<AtomicI64>,
    thread: Option<JoinHandle<io::Result<CaptureStats>>>,
}

/// Starts to capture `point` into `file`; when this returns, frames are being received.
///
/// # Errors
/// When the namespace or the interface is not there, without CAP_NET_RAW, or when the file cannot be made.
pub fn start(point: &CapturePoint, file: &Path) -> io::Result<PacketCapture> {
    let clock = Clock::start();
    let stop = Arc::new(AtomicBool::new(false));
    let (marks, receiver) = mpsc::channel();
    let waiting = Marks { receiver, next: None };
    let (ready, started) = mpsc::channel();
    let beat = Arc::new(AtomicI64::new(0));
    let (point, path, stopping, seen) = (point.clone(), file.to_owned(), Arc::clone(&stop), Arc::clone(&beat));
    let work = move || {
        let opened = Capture::open(&point, &path, clock, waiting);
        match opened {
            Ok(capture) => {
                // The starter waits for this; when it is gone, nobody wants the frames.
                let _nobody = ready.send(Ok(()));
                capture.run(&stopping, &seen)
            }
            Err(error) => {
                let _nobody = ready.send(Err(at(&point, &error)));
                Ok(CaptureStats::default())
            }
        }
    };
    let thread = thread::Builder::new().name("capture".into()).spawn(work)?;
    started.recv().unwrap_or_else(|_| Err(io::Error::other("the capture thread ended at once")))?;
    Ok(PacketCapture { clock, marks, stop, beat, thread: Some(thread) })
}

fn at(point: &CapturePoint, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("capturing {} in {}: {error}", point.interface, point.netns.display()))
}

impl PacketCapture {
    /// Puts a comment on the first frame that is received from now on.
    pub fn mark(&self, comment: String) {
        // A capture that died of a full disk says so when it is stopped.
        let _dead = self.marks.send((self.clock.wall_now(), comment));
    }

    /// When the last beat of a cluster engine (VRRP advert, Corosync token, Heartbeat message) was received, Unix time in
    /// nanoseconds; none so far: absent.
    #[must_use]
    pub fn last_beat(&self) -> Option<i64> {
        Some(self.beat.load(Ordering::Relaxed)).filter(|at| *at > 0)
    }

    /// Takes what the kernel still holds, ends, and says how much was seen.
    ///
    /// # Errors
    /// The first error of the file or the socket; what was whole before it is in the file.
    pub fn stop(mut self) -> io::Result<CaptureStats> {
        self.stop.store(true, Ordering::Release);
        let Some(thread) = self.thread.take() else { return Ok(CaptureStats::default()) };
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the capture thread panicked")))
    }
}

impl Drop for PacketCapture {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// The thread's own state.
struct Capture {
    clock: Clock,
    socket: OwnedFd,
    /// Index of the one interface that is wanted; none: every port of a switch.
    only: Option<usize>,
    file: PcapngFile,
    /// Kernel index → number in the file; none: not wanted.
    interfaces: HashMap<usize, Option<u32>>,
    frames: Vec<u64>,
    marks: Marks,
}

impl Capture {
    fn open(point: &CapturePoint, file: &Path, clock: Clock, marks: Marks) -> io::Result<Capture> {
        setns(File::open(&point.netns)?, CloneFlags::CLONE_NEWNET)?;
        let all_ports = point.interface == CapturePoint::ALL_PORTS;
        let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll)?;
        setsockopt(&socket, RcvBufForce, &KERNEL_BUFFER)?;
        setsockopt(&socket, ReceiveTimestampns, &true)?;
        let mut only = None;
        if all_ports {
            // What a port sends was received at another port before.
            ignore_outgoing(&socket)?;
        } else {
            let address = link_address(&point.interface)?;
            bind(socket.as_raw_fd(), &address)?;
            only = Some(address.ifindex());
        }
        let file = PcapngFile::create(file)?;
        let (interfaces, frames) = (HashMap::new(), Vec::new());
        let mut capture = Capture { clock, socket, only, file, interfaces, frames, marks };
        // An interface that never sees a frame is in the file all the same.
        if let Some(index) = capture.only {
            capture.number_of(index)?;
        }
        Ok(capture)
    }

    fn run(mut self, stop: &AtomicBool, beat: &AtomicI64) -> io::Result<CaptureStats> {
        let mut buffer = vec![0; LONGEST_FRAME];
        let mut flush_at = self.clock.now() + FLUSH_EVERY;
        loop {
            let last_round = stop.load(Ordering::Acquire);
            let idle = !self.receive(&mut buffer, beat)?;
            if idle && last_round {
                return self.finish();
            }
            flush_at = self.flush_when_due(flush_at);
            if idle {
                let mut wait = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
                // Woken early or late: the loop looks again.
                let _again = poll(&mut wait, PollTimeout::from(IDLE_MS));
            }
        }
    }

    /// Takes one frame; false when there is none.
    fn receive(&mut self, buffer: &mut [u8], beat: &AtomicI64) -> io::Result<bool> {
        let mut control = nix::cmsg_space!(TimeSpec);
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
        let mut parts = [IoSliceMut::new(buffer)];
        let message = recvmsg::<LinkAddr>(self.socket.as_raw_fd(), &mut parts, Some(&mut control), flags);
        let (length, from, stamp) = match message {
            Ok(message) => (message.bytes, message.address, stamp_of(message.cmsgs()?)),
            Err(Errno::EAGAIN) => return Ok(false),
            // The interface went down: that is what a capture of faults is for.
            Err(Errno::EINTR | Errno::ENETDOWN) => return Ok(true),
            Err(error) => return Err(error.into()),
        };
        let Some(from) = from else { return Ok(true) };
        let Some(number) = self.number_of(from.ifindex())? else { return Ok(true) };
        let unix_ns = stamp.unwrap_or_else(|| self.clock.wall_now());
        self.attach_marks(unix_ns);
        let outgoing = from.pkttype() == libc::PACKET_OUTGOING;
        let way = if outgoing { Way::Outbound } else { Way::Inbound };
        let seen = buffer.get(..length).unwrap_or(buffer);
        if is_beat(seen) {
            beat.store(unix_ns, Ordering::Relaxed);
        }
        self.file.packet(number, unix_ns, way, seen, u32::try_from(length).unwrap_or(u32::MAX))?;
        if let Some(count) = self.frames.get_mut(number as usize) {
            *count += 1;
        }
        Ok(true)
    }

    /// The number of an interface in the file, which is told of it when it is first seen: a node that boots
    /// again has a new one.
    fn number_of(&mut self, index: usize) -> io::Result<Option<u32>> {
        if let Some(number) = self.interfaces.get(&index) {
            return Ok(*number);
        }
        let name = if_indextoname(index as u32).ok().and_then(|name| name.into_string().ok());
        let name = name.unwrap_or_else(|| format!("interface {index}"));
        // What a bridge itself receives came in by a port.
        let wanted = self.only.map_or_else(|| !is_bridge(&name), |only| only == index);
        let number = wanted.then_some(self.frames.len() as u32);
        if wanted {
            self.file.interface(DataLink::ETHERNET, &name)?;
            self.frames.push(0);
        }
        self.interfaces.insert(index, number);
        Ok(number)
    }

    fn attach_marks(&mut self, unix_ns: i64) {
        while let Some(comment) = self.marks.due(unix_ns) {
            self.file.comment(comment);
        }
    }

    fn flush_when_due(&mut self, due: RunTime) -> RunTime {
        let now = self.clock.now();
        if now < due {
            return due;
        }
        self.file.flush();
        now + FLUSH_EVERY
    }

    fn finish(mut self) -> io::Result<CaptureStats> {
        let drops = kernel_drops(&self.socket)?;
        let now = self.clock.wall_now();
        self.attach_marks(i64::MAX);
        for (number, frames) in self.frames.iter().enumerate() {
            // The kernel counts for the socket: all drops stand with the first interface.
            let lost = if number == 0 { drops } else { 0 };
            self.file.statistics(number as u32, now, *frames, lost)?;
        }
        self.file.finish()?;
        Ok(CaptureStats { frames: self.frames.iter().sum(), drops })
    }
}

fn stamp_of<'a>(controls: impl Iterator<Item = ControlMessageOwned> + 'a) -> Option<i64> {
    controls.into_iter().find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(stamp) => Some(stamp.tv_sec() * 1_000_000_000 + stamp.tv_nsec()),
        _ => None,
    })
}

fn link_address(interface: &str) -> io::Result<LinkAddr> {
    getifaddrs()?
        .filter(|entry| entry.interface_name == interface)
        .find_map(|entry| entry.address?.as_link_addr().copied())
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such interface"))
}

/// Whether the interface is the bridge itself or the loopback, by convention: /sys cannot be asked, for it
/// shows the namespace in which it was mounted.
fn is_bridge(name: &str) -> bool {
    matches!(name, "br0" | "lo")
}

/// Whether an Ethernet frame carries a beat of a cluster engine in IPv4 without options: a VRRP advert, Corosync's token or
/// a message of Heartbeat.
fn is_beat(frame: &[u8]) -> bool {
    const UDP: u8 = 17;
    if frame.get(12..14) != Some(&[8, 0]) {
        return false;
    }
    let port = || frame.get(36..38).map(|octets| u16::from_be_bytes([octets[0], octets[1]]));
    match frame.get(23) {
        Some(&vrrp::PROTOCOL) => true,
        Some(&UDP) if port() == Some(heartbeat::PORT) => true,
        Some(&UDP) if port() == Some(totem::PORT) => frame.get(42..).and_then(Totem::parse) == Some(Totem::Token),
        _ => false,
    }
}

fn ignore_outgoing(socket: &OwnedFd) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option takes one int, which lives through the call, and its length is given.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_IGNORE_OUTGOING,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    Errno::result(done).map(drop).map_err(io::Error::from)
}

/// Frames that the kernel dropped since the socket was made: reading clears it, so it is read once.
fn kernel_drops(socket: &OwnedFd) -> io::Result<u64> {
    let mut statistics = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
    let mut length = size_of_val(&statistics) as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` octets into a struct of that length, which lives through the call.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut statistics).cast(),
            &raw mut length,
        )
    };
    Errno::result(done)?;
    Ok(u64::from(statistics.tp_drops))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_goes_to_the_first_frame_received_after_it_was_made() {
        let (sender, receiver) = mpsc::channel();
        let mut marks = Marks { receiver, next: None };
        sender.send((100, "fault".to_owned())).unwrap();
        sender.send((200, "heal".to_owned())).unwrap();
        assert_eq!(marks.due(99), None);
        assert_eq!(marks.due(150).as_deref(), Some("fault"));
        assert_eq!(marks.due(150), None);
        assert_eq!(marks.due(i64::MAX).as_deref(), Some("heal"));
        assert_eq!(marks.due(i64::MAX), None);
    }

    /// An Ethernet header, and an IPv4 header whose protocol is VRRP, TCP; then UDP headers with payloads.
    #[test]
    fn beats_are_told_from_other_frames() {
        let frame = |protocol: u8| {
            let mut octets = vec![0u8; 14 + 20];
            (octets[12], octets[14], octets[23]) = (8, 0x45, protocol);
            octets
        };
        assert!(is_beat(&frame(112)) && !is_beat(&frame(6)) && !is_beat(&frame(112)[..20]));
        let udp = |port: u16, payload: &[u8]| {
            let [high, low] = port.to_be_bytes();
            [&frame(17)[..], &[0, 0, high, low, 0, 0, 0, 0], payload].concat()
        };
        assert!(is_beat(&udp(694, b"###\n")) && !is_beat(&udp(5060, b"OPTIONS")));
        assert!(is_beat(&udp(5405, &[0x70, 0xc0, 3, 0])) && !is_beat(&udp(5405, &[0x70, 0xc0, 3, 3])));
    }

    #[test]
    fn what_cannot_be_captured_is_said_with_its_place() {
        let point = |netns: &str| CapturePoint { name: "x".into(), netns: netns.into(), interface: "eth0".into() };
        let error = start(&point("/no/such/netns"), Path::new("/no/such/file")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("eth0 in /no/such/netns"), "{error}");
    }
}
