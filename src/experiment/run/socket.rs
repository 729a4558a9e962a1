//! UDP sockets whose datagrams come with the kernel's receive time.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};

use super::clock::Clock;
use crate::units::RunTime;

/// Enough for a second of silence on our side at any rate that we send.
const RECEIVE_BUFFER: usize = 1 << 20;

/// A non-blocking UDP socket with kernel receive stamps and a drop counter.
#[derive(Debug)]
pub struct StampedSocket {
    socket: UdpSocket,
    local: SocketAddr,
    drops: AtomicU32,
    /// Whether it tells which datagrams could not be delivered.
    tells_unreachable: bool,
}

/// A datagram as it came.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    /// When the kernel got it.
    pub at: RunTime,
    /// From whom.
    pub from: SocketAddr,
    /// Octets in the buffer.
    pub length: usize,
}

impl StampedSocket {
    /// Binds `address` in the calling thread's network namespace.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub fn bind(address: SocketAddr) -> io::Result<StampedSocket> {
        let socket = UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        setsockopt(&socket, sockopt::RxqOvfl, &1)?;
        // The kernel caps it at rmem_max; what it drops all the same is counted.
        setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
        let local = socket.local_addr()?;
        Ok(StampedSocket { socket, local, drops: AtomicU32::new(0), tells_unreachable: false })
    }

    /// From now on [`StampedSocket::unreachable`] tells which datagrams could not be delivered.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn tell_unreachable(&mut self) -> io::Result<()> {
        setsockopt(&self.socket, sockopt::Ipv4RecvErr, &true)?;
        self.tells_unreachable = true;
        Ok(())
    }

    /// The next address to which a datagram of ours could not be delivered, as ICMP says (ip(7), IP_RECVERR).
    #[must_use]
    pub fn unreachable(&self) -> Option<SocketAddr> {
        if !self.tells_unreachable {
            return None;
        }
        let mut space = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in, libc::timespec, u32);
        let mut quoted = [0; 64];
        let mut slices = [IoSliceMut::new(&mut quoted)];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_ERRQUEUE;
        let message = recvmsg::<SockaddrStorage>(self.socket.as_raw_fd(), &mut slices, Some(&mut space), flags).ok()?;
        message.address.as_ref().and_then(socket_address)
    }

    /// Binds an even port and the odd one above it (RFC 3550 §11) on `ip`.
    ///
    /// # Errors
    /// When no pair is free after many tries.
    pub fn bind_pair(ip: IpAddr) -> io::Result<(StampedSocket, StampedSocket)> {
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..64 {
            let first = StampedSocket::bind(SocketAddr::new(ip, 0))?;
            let even = first.local.port() & !1;
            drop(first);
            let pair = StampedSocket::bind(SocketAddr::new(ip, even))
                .and_then(|rtp| Ok((rtp, StampedSocket::bind(SocketAddr::new(ip, even + 1))?)));
            match pair {
                Ok(pair) => return Ok(pair),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The bound address.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Datagrams that the kernel dropped for want of room, as of the last receive.
    #[must_use]
    pub fn drops(&self) -> u32 {
        self.drops.load(Ordering::Relaxed)
    }

    /// Sends a datagram.
    ///
    /// # Errors
    /// What the kernel says; an ICMP error of an earlier datagram is not one of them.
    pub fn send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        let send = || self.socket.send_to(bytes, to).map(|_| ());
        // Where errors are told, an earlier one is told here as well, once, in place of sending.
        if self.tells_unreachable { send().or_else(|_| send()) } else { send() }
    }

    /// The next datagram, if there is one.
    ///
    /// # Errors
    /// What the kernel says, but for "nothing there".
    pub fn receive(&self, clock: &Clock, buffer: &mut [u8]) -> io::Result<Option<Received>> {
        let mut space = nix::cmsg_space!(libc::timespec, u32);
        let mut slices = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let message = match recvmsg::<SockaddrStorage>(self.socket.as_raw_fd(), &mut slices, Some(&mut space), flags) {
            Ok(message) => message,
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut at = None;
        for control in message.cmsgs()? {
            match control {
                ControlMessageOwned::ScmTimestampns(time) => {
                    at = Some(clock.from_wall(time.tv_sec() * 1_000_000_000 + time.tv_nsec()));
                }
                ControlMessageOwned::RxqOvfl(drops) => self.drops.store(drops, Ordering::Relaxed),
                _ => {}
            }
        }
        let from = message.address.as_ref().and_then(socket_address).unwrap_or(self.local);
        Ok(Some(Received { at: at.unwrap_or_else(|| clock.now()), from, length: message.bytes }))
    }
}

impl AsFd for StampedSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::new(IpAddr::V4(v4.ip()), v4.port()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::new(IpAddr::V6(v6.ip()), v6.port())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_comes_with_a_stamp_between_send_and_receive() {
        let clock = Clock::start();
        let (rtp, rtcp) = StampedSocket::bind_pair("127.0.0.1".parse().unwrap()).unwrap();
        assert_eq!(rtp.local().port() + 1, rtcp.local().port());
        let before = clock.now();
        rtcp.send_to(b"hello", rtp.local()).unwrap();
        let mut buffer = [0; 64];
        let received = rtp.receive(&clock, &mut buffer).unwrap().unwrap();
        assert_eq!((&buffer[..received.length], received.from), (&b"hello"[..], rtcp.local()));
        // The two clocks are sampled within microseconds of each other.
        let slack = crate::units::Span::from_millis(1);
        assert!(received.at > before - slack && received.at < clock.now() + slack);
    }

    #[test]
    fn a_closed_port_is_told_and_takes_no_later_datagram_with_it() {
        let mut socket = StampedSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        socket.tell_unreachable().unwrap();
        let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let open = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(b"x", closed).unwrap();
        socket.send_to(b"y", open.local_addr().unwrap()).unwrap();
        let mut buffer = [0; 8];
        assert_eq!(open.recv(&mut buffer).unwrap(), 1);
        assert_eq!(socket.unreachable(), Some(closed));
        assert_eq!(socket.unreachable(), None);
    }
}
