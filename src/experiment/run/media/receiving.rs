//! The receiving thread: kernel stamp, tap, and the phone's own RTCP statistics.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use nix::sys::epoll::{EpollEvent, EpollTimeout};

use super::{Port, Shared, lock};
use crate::experiment::run::recorder::{TapPacket, TapTransport};
use crate::experiment::run::socket::{Received, StampedSocket};

/// The stop flag is looked at this often.
const WAIT_MS: u16 = 50;

pub(super) fn run(shared: &Shared) {
    let mut events = [EpollEvent::empty(); 64];
    let mut buffer = vec![0; 65536];
    while !shared.stop.load(Ordering::Relaxed) {
        let ready = shared.epoll.wait(&mut events, EpollTimeout::from(WAIT_MS)).unwrap_or(0);
        for event in &events[..ready] {
            let port = lock(&shared.by_number).get(&(event.data() >> 1)).cloned();
            if let Some(port) = port {
                drain(shared, &port, event.data() & 1 == 1, &mut buffer);
            }
        }
    }
}

fn drain(shared: &Shared, port: &Arc<Port>, rtcp: bool, buffer: &mut [u8]) {
    let clock = shared.recorder.clock();
    let socket = if rtcp { &port.rtcp } else { &port.rtp };
    // An error is an ICMP answer to something that we sent; the socket lives on.
    while let Ok(Some(received)) = socket.receive(&clock, buffer) {
        let bytes = &buffer[..received.length];
        tap(shared, socket, received, bytes);
        if rtcp {
            note_report(port, received, bytes);
        } else {
            port.heard(received.at);
            lock(&port.reception).rtp(received.at, bytes);
            ask_for_key_frame(shared, port, received, bytes);
        }
    }
}

/// A receiver that cannot show what came asks the sender at once (RFC 4585 §3.5.1, immediate feedback).
fn ask_for_key_frame(shared: &Shared, port: &Port, received: Received, bytes: &[u8]) {
    let cname = port.rtcp.local().ip().to_string();
    let wanted = port.video.as_ref().and_then(|video| video.rtp(received.at, bytes, &cname));
    let Some((request, remote)) = wanted else { return };
    if port.rtcp.send_to(&request, remote).is_ok() {
        shared.recorder.tap(TapPacket {
            t: shared.recorder.clock().now(),
            outbound: true,
            transport: TapTransport::Udp,
            src: port.rtcp.local(),
            dst: remote,
            payload: request,
        });
    }
}

fn note_report(port: &Port, received: Received, bytes: &[u8]) {
    if let Some(video) = &port.video {
        video.rtcp(bytes);
    }
    let Ok(compound) = rtcp_types::Compound::parse(bytes) else { return };
    for packet in compound.into_iter().flatten() {
        if let Ok(report) = packet.try_as::<rtcp_types::SenderReport<'_>>() {
            lock(&port.reception).sender_report(received.at, report.ntp_timestamp());
        }
    }
}

fn tap(shared: &Shared, socket: &StampedSocket, received: Received, bytes: &[u8]) {
    shared.recorder.tap(TapPacket {
        t: received.at,
        outbound: false,
        transport: TapTransport::Udp,
        src: received.from,
        dst: socket.local(),
        payload: bytes.to_vec(),
    });
}
