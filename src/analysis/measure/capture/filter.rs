//! Which part of a capture is measured: some calls, sources, addresses, or a span of time.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::analysis::measure::MeasureError;
use crate::analysis::measure::model::StreamMeasured;
use crate::units::{RunTime, Span};

/// The part of a capture that is measured. Of several values of one kind any may match, of several kinds all must.
///
/// Calls, sources and addresses choose what is shown: streams, their outages, calls, the SIP of those calls, and who
/// held the floating addresses that these came from or went to, or that were asked for. A span of time decides what is measured: figures are those of the span, while what SIP said earlier is still known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Call-IDs as in the messages.
    pub call_ids: Vec<String>,
    /// SSRCs; a logical stream matches with any of its own.
    pub ssrcs: Vec<Ssrc>,
    /// Addresses of either end, of media or SIP.
    pub addresses: Vec<Address>,
    /// Nothing earlier is measured.
    pub from: Option<Instant>,
    /// Nothing later is measured.
    pub to: Option<Instant>,
}

/// An SSRC, written as `0x1a2b3c4d` or in decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ssrc(pub u32);

/// A host, a network or a socket, written as `10.0.0.1`, `10.0.0.0/24`, `10.0.0.1:4000`, `[fd00::1]:4000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    ip: IpAddr,
    /// Bits that count.
    prefix: u8,
    port: Option<u16>,
}

/// An instant, written as seconds after the first packet (`2.5`) or in UTC (`2026-01-05T00:00:02.5Z`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instant {
    /// After the first packet of the capture, as in Wireshark's `frame.time_relative`.
    AfterStart(Span),
    /// Unix time.
    At(RunTime),
}

impl FromStr for Ssrc {
    type Err = String;

    fn from_str(text: &str) -> Result<Ssrc, String> {
        let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        let number = hexadecimal.map_or_else(|| text.parse(), |digits| u32::from_str_radix(digits, 16));
        number.map(Ssrc).map_err(|_| "no SSRC: write 0x1a2b3c4d, or decimal up to 4294967295".to_owned())
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        let whole = |ip: IpAddr| if ip.is_ipv4() { 32 } else { 128 };
        if let Ok(socket) = text.parse::<SocketAddr>() {
            return Ok(Address { ip: socket.ip(), prefix: whole(socket.ip()), port: Some(socket.port()) });
        }
        let (ip, prefix) = text.split_once('/').map_or((text, None), |(ip, prefix)| (ip, Some(prefix)));
        let wrong = || "no address: write 10.0.0.1, 10.0.0.0/24, 10.0.0.1:4000 or [fd00::1]:4000".to_owned();
        let ip: IpAddr = ip.parse().map_err(|_| wrong())?;
        let prefix = prefix.map_or(Ok(whole(ip)), str::parse).map_err(|_| wrong())?;
        if prefix > whole(ip) {
            return Err(format!("no network: /{prefix} is longer than the address (/{})", whole(ip)));
        }
        Ok(Address { ip, prefix, port: None })
    }
}

impl FromStr for Instant {
    type Err = String;

    fn from_str(text: &str) -> Result<Instant, String> {
        let seconds = text.strip_suffix('s').unwrap_or(text).parse::<f64>();
        if let Some(seconds) = seconds.ok().filter(|seconds| seconds.is_finite() && (0.0..1e9).contains(seconds)) {
            return Ok(Instant::AfterStart(Span::from_secs_f64(seconds)));
        }
        let at = humantime::parse_rfc3339_weak(text).ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        at.and_then(|since| i64::try_from(since.as_nanos()).ok()).map(|ns| Instant::At(RunTime(ns))).ok_or_else(|| {
            "no instant: write seconds after the first packet (2.5) or UTC (2026-01-05T00:00:02.5Z)".to_owned()
        })
    }
}

impl Instant {
    pub(super) fn after(self, first: RunTime) -> RunTime {
        match self {
            Instant::AfterStart(span) => first + span,
            Instant::At(at) => at,
        }
    }
}

impl Address {
    pub(super) fn covers(&self, socket: SocketAddr) -> bool {
        self.port.is_none_or(|port| port == socket.port()) && self.covers_host(socket.ip())
    }

    fn covers_host(&self, ip: IpAddr) -> bool {
        let same = |own: u128, other: u128, bits: u32| {
            let free = bits.saturating_sub(u32::from(self.prefix));
            own.checked_shr(free) == other.checked_shr(free)
        };
        match (self.ip, ip) {
            (IpAddr::V4(own), IpAddr::V4(other)) => same(own.to_bits().into(), other.to_bits().into(), 32),
            (IpAddr::V6(own), IpAddr::V6(other)) => same(own.to_bits(), other.to_bits(), 128),
            _ => false,
        }
    }
}

impl Filter {
    /// Whether it lets everything through.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Filter::default()
    }

    /// Whether calls, sources or addresses are chosen.
    pub(super) fn chooses(&self) -> bool {
        !(self.call_ids.is_empty() && self.ssrcs.is_empty() && self.addresses.is_empty())
    }

    pub(super) fn wants_address(&self, ends: [SocketAddr; 2]) -> bool {
        self.addresses.is_empty() || ends.iter().any(|end| self.addresses.iter().any(|address| address.covers(*end)))
    }

    /// Whether an address that was asked for covers this host.
    pub(super) fn names_host(&self, ip: IpAddr) -> bool {
        self.addresses.iter().any(|address| address.covers_host(ip))
    }

    pub(super) fn wants_call_id(&self, call_id: &str) -> bool {
        self.call_ids.is_empty() || self.call_ids.iter().any(|wanted| wanted == call_id)
    }

    /// Whether a stream is shown; `call_id` is that of its call.
    pub(super) fn wants(&self, stream: &StreamMeasured, call_id: Option<&str>) -> bool {
        let ssrcs = || std::iter::once(&stream.ssrc).chain(&stream.more_ssrcs);
        let ends: Vec<SocketAddr> = [&stream.src, &stream.dst].iter().filter_map(|end| end.parse().ok()).collect();
        let address = ends.iter().any(|end| self.addresses.iter().any(|address| address.covers(*end)));
        (self.ssrcs.is_empty() || ssrcs().any(|ssrc| self.ssrcs.contains(&Ssrc(*ssrc))))
            && (self.call_ids.is_empty() || call_id.is_some_and(|call_id| self.wants_call_id(call_id)))
            && (self.addresses.is_empty() || address)
    }

    /// What it says, for the reader of the figures; `None` when it lets everything through.
    pub(super) fn described(&self, span: (Option<RunTime>, Option<RunTime>)) -> Option<String> {
        let mut parts: Vec<String> = self.call_ids.iter().map(|call_id| format!("Call-ID {call_id}")).collect();
        parts.extend(self.ssrcs.iter().map(Ssrc::to_string));
        parts.extend(self.addresses.iter().map(Address::to_string));
        parts.extend(span.0.map(|from| format!("from {}", utc(from))));
        parts.extend(span.1.map(|to| format!("to {}", utc(to))));
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// Refuses names that the capture does not have.
    pub(super) fn check(&self, call_ids: &[&str], streams: &[&StreamMeasured]) -> Result<(), MeasureError> {
        for wanted in &self.call_ids {
            if !call_ids.contains(&wanted.as_str()) {
                let known = call_ids.iter().map(|id| (*id).to_owned());
                return Err(nothing(format!("Call-ID {wanted}"), wanted, known));
            }
        }
        let ssrcs = || streams.iter().flat_map(|of| std::iter::once(of.ssrc).chain(of.more_ssrcs.iter().copied()));
        for wanted in &self.ssrcs {
            if !ssrcs().any(|ssrc| ssrc == wanted.0) {
                let wanted = wanted.to_string();
                return Err(nothing(wanted.clone(), &wanted, ssrcs().map(|ssrc| Ssrc(ssrc).to_string())));
            }
        }
        Ok(())
    }
}

impl std::fmt::Display for Ssrc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SSRC 0x{:08x}", self.0)
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}", SocketAddr::new(self.ip, port)),
            None if self.ip.is_ipv4() && self.prefix == 32 || self.prefix == 128 => write!(f, "{}", self.ip),
            None => write!(f, "{}/{}", self.ip, self.prefix),
        }
    }
}

/// An instant of a capture as people write it.
pub(super) fn utc(at: RunTime) -> String {
    let since = std::time::Duration::from_nanos(at.as_nanos().max(0).cast_unsigned());
    humantime::format_rfc3339_millis(std::time::UNIX_EPOCH + since).to_string()
}

/// Nothing of that name, and what comes nearest to it.
pub(super) fn nothing(what: String, wanted: &str, known: impl Iterator<Item = String>) -> MeasureError {
    let mut known: Vec<String> = known.collect();
    known.sort();
    known.dedup();
    let scored = known.iter().map(|name| (strsim::jaro_winkler(wanted, name), name));
    let remedy = match scored.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((score, name)) if score > 0.8 => format!("did you mean {name}?"),
        Some((_, name)) => format!("it has {} of that kind, as {name}; `--json` names all", known.len()),
        None => "it has nothing of that kind".to_owned(),
    };
    MeasureError::NothingMatches { what, remedy }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_engineers_write_is_read() {
        assert_eq!("0xDEADbeef".parse(), Ok(Ssrc(0xdead_beef)));
        assert_eq!("3735928559".parse(), Ok(Ssrc(0xdead_beef)));
        let covers = |text: &str, socket: &str| text.parse::<Address>().unwrap().covers(socket.parse().unwrap());
        assert!(covers("10.0.0.0/24", "10.0.0.7:1") && !covers("10.0.0.0/24", "10.0.1.7:1"));
        assert!(covers("10.0.0.1:4000", "10.0.0.1:4000") && !covers("10.0.0.1:4000", "10.0.0.1:4002"));
        assert!(
            covers("fd00::/16", "[fd00::9]:4000") && covers("0.0.0.0/0", "1.2.3.4:5") && !covers("::/0", "1.2.3.4:5")
        );
        let first = RunTime::from_millis(1000);
        assert_eq!("2.5".parse::<Instant>().unwrap().after(first), RunTime::from_millis(3500));
        assert_eq!("1970-01-01T00:00:02.5Z".parse::<Instant>().unwrap().after(first), RunTime::from_millis(2500));
        for wrong in ["10.0.0.300", "10.0.0.1/33", "10.0.0.1:70000", ""] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
        assert!(
            "-1".parse::<Instant>().is_err() && "nan".parse::<Instant>().is_err() && "0x1g".parse::<Ssrc>().is_err()
        );
    }

    #[test]
    fn what_the_capture_lacks_is_answered_with_what_comes_nearest() {
        let known = ["golden-1".to_owned(), "probe".to_owned()];
        let told = |wanted: &str| nothing(format!("Call-ID {wanted}"), wanted, known.clone().into_iter()).to_string();
        assert!(told("golden-2").contains("did you mean golden-1?"));
        assert!(told("xyz").contains("it has 2 of that kind"));
    }
}
