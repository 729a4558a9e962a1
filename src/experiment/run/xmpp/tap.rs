//! A stream that records what passes: laid over TLS, so that the evidence has the stanzas in clear.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::experiment::run::recorder::{Recorder, TapPacket, TapTransport};
use crate::units::RunTime;

/// Records the octets that are read from and written to `inner`.
///
/// A read is stamped when TLS hands it over, for the kernel's stamp belongs to the ciphertext.
pub(super) struct Tap<S> {
    inner: S,
    recorder: Recorder,
    local: SocketAddr,
    remote: SocketAddr,
}

impl<S> Tap<S> {
    pub(super) fn new(inner: S, recorder: Recorder, local: SocketAddr, remote: SocketAddr) -> Tap<S> {
        Tap { inner, recorder, local, remote }
    }

    fn record(&self, t: RunTime, outbound: bool, octets: &[u8]) {
        if octets.is_empty() {
            return;
        }
        let (src, dst) = if outbound { (self.local, self.remote) } else { (self.remote, self.local) };
        let payload = octets.to_vec();
        self.recorder.tap(TapPacket { t, outbound, transport: TapTransport::Tcp, src, dst, payload });
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        self.record(self.recorder.clock().now(), false, buf.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let t = self.recorder.clock().now();
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, octets))?;
        self.record(t, true, octets.get(..written).unwrap_or_default());
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
