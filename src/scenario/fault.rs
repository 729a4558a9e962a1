//! `[[fault]]`: what breaks, where, when, and for how long.

use serde::{Deserialize, Serialize};
use serde_spanned::Spanned;

use super::{Duration, PathFault};
use crate::units::Span;

/// What breaks. Externally tagged: `[[fault]]` `power_off = { target = "vip-owner", at = "10s" }`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The node is gone at once: link first, then everything on it.
    PowerOff(NodeFault),
    /// SIGKILL of one server process; the node lives on.
    ServiceKill(ServiceFault),
    /// SIGSTOP of one server process.
    ServiceHang(ServiceFault),
    /// The cluster engine is stopped in order: it resigns, as for maintenance.
    EngineStop(NodeFault),
    /// SIGKILL of the cluster engine: the address stays behind on the node.
    EngineKill(NodeFault),
    /// SIGSTOP of the cluster engine.
    EngineHang(NodeFault),
    /// Every process of the node stands still; its kernel goes on answering ARP, ping and TCP.
    NodeFreeze(NodeFault),
    /// The node's switch port goes down.
    LinkDown(NodeFault),
    /// The port goes down and up again several times; stands for as many `link_down`s.
    LinkFlap(FlapFault),
    /// The switch drops the node's frames while its link stays up.
    BlackHole(NodeFault),
    /// The switch drops the node's frames in one direction.
    OneWay(OneWayFault),
    /// The nodes of the cluster do not see this one, and it does not see them; clients see all.
    Split(NodeFault),
    /// The floating address is taken off the node's interface while its engine goes on.
    AddressLoss(NodeFault),
    /// Delay, jitter, loss, reordering and a limited rate on the node's path.
    DegradedPath(PathFault),
    /// The node's disk is full.
    DiskFull(NodeFault),
    /// The node's TCP connections with clients are reset.
    ConnectionsReset(NodeFault),
    /// SIGKILL of the store that media relays share.
    StoreKill(StoreFault),
    /// The machine is reset: firmware, kernel, init and services start again.
    Reset(NodeFault),
    /// The node's kernel panics.
    KernelPanic(PanicFault),
    /// The node's clock jumps.
    ClockStep(ClockFault),
    /// The whole machine stands still: firmware, kernel, clock and network, as when its hypervisor pauses it.
    MachinePause(NodeFault),
    /// The node's processors are busy with something else.
    CpuExhaustion(NodeFault),
}

/// A fault of a node.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeFault {
    /// A node's name, `vip-owner` or `backup` (the first healthy node that does not hold the address).
    pub target: String,
    /// When, from the start of the window.
    pub at: Duration,
    /// When it is healed; absent: at the end of the window.
    pub heal_at: Option<Duration>,
}

/// A fault of a service on a node.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceFault {
    /// See [`NodeFault::target`].
    pub target: String,
    /// Which server.
    pub service: Service,
    /// When, from the start of the window.
    pub at: Duration,
    /// When it is healed; absent: at the end of the window.
    pub heal_at: Option<Duration>,
}

/// A node that is cut off in one direction.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneWayFault {
    /// See [`NodeFault::target`].
    pub target: String,
    /// Which frames are dropped.
    pub dropped: Way,
    /// When, from the start of the window.
    pub at: Duration,
    /// When it is healed; absent: at the end of the window.
    pub heal_at: Option<Duration>,
}

/// Direction of frames at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// What others send to it.
    ToNode,
    /// What it sends: it hears everybody and nobody hears it.
    FromNode,
}

/// A port that goes down and up.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlapFault {
    /// See [`NodeFault::target`]. A role is looked up at each flap, so a flap may follow the address.
    pub target: String,
    /// When it goes down first, from the start of the window.
    pub at: Duration,
    /// How long it stays down.
    pub down: Duration,
    /// How long it then stays up.
    pub up: Duration,
    /// How often.
    pub times: Spanned<u32>,
}

/// A panic of the node's kernel.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PanicFault {
    /// See [`NodeFault::target`].
    pub target: String,
    /// How long the kernel waits until it starts the machine again, in whole seconds (`kernel.panic`). Absent: for
    /// ever, as Debian has it; somebody must come and press reset, which is the heal.
    pub reboot_after: Option<Spanned<Duration>>,
    /// When, from the start of the window.
    pub at: Duration,
    /// When it is healed; absent: at the end of the window.
    pub heal_at: Option<Duration>,
}

/// A jump of the node's clock.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockFault {
    /// See [`NodeFault::target`].
    pub target: String,
    /// How far, in whole seconds; `"-90s"` goes back.
    pub by: Spanned<Step>,
    /// When, from the start of the window.
    pub at: Duration,
    /// When it is healed; absent: at the end of the window.
    pub heal_at: Option<Duration>,
}

/// A span that may go back: a duration behind a `-`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step(pub Span);

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (sign, size) = text.strip_prefix('-').map_or((1, text.as_str()), |size| (-1, size));
        let span = humantime::parse_duration(size).map(|size| Span(sign * Span::from(size).as_nanos()));
        span.map(Step).map_err(|error| {
            serde::de::Error::custom(format!("`{text}` is no step ({error}); write it as \"90s\" or \"-90s\""))
        })
    }
}

/// A fault of the store.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreFault {
    /// When, from the start of the window.
    pub at: Duration,
    /// When it is healed; absent: at the end of the window.
    pub heal_at: Option<Duration>,
}

/// Servers on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// The SIP server.
    Sip,
    /// The media relay.
    Media,
    /// The XMPP server.
    Xmpp,
}

/// What every fault has.
struct Frame<'a> {
    kind: &'static str,
    target: &'a str,
    at: Duration,
    heal_at: Option<Duration>,
}

impl NodeFault {
    /// The node that holds the floating address when the fault is due.
    pub const OWNER: &str = "vip-owner";
    /// The first healthy node that does not hold it.
    pub const BACKUP: &str = "backup";
    /// The store, which is no node.
    pub const STORE: &str = "store";

    fn frame(&self, kind: &'static str) -> Frame<'_> {
        Frame { kind, target: &self.target, at: self.at, heal_at: self.heal_at }
    }
}

impl Fault {
    /// Name as in the scenario and the history.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.frame().kind
    }

    /// The node's name, or its role: `vip-owner`, `backup`, `store`.
    #[must_use]
    pub fn target(&self) -> &str {
        self.frame().target
    }

    /// When it is injected and when healed, from the start of the window.
    #[must_use]
    pub fn times(&self) -> (Span, Option<Span>) {
        let frame = self.frame();
        (frame.at.0, frame.heal_at.map(|at| at.0))
    }

    /// The service that it hits, where it hits one.
    #[must_use]
    pub fn service(&self) -> Option<Service> {
        match self {
            Fault::ServiceKill(fault) | Fault::ServiceHang(fault) => Some(fault.service),
            _ => None,
        }
    }

    fn frame(&self) -> Frame<'_> {
        match self {
            Fault::PowerOff(node) => node.frame("power_off"),
            Fault::ServiceKill(of) => of.frame("service_kill"),
            Fault::ServiceHang(of) => of.frame("service_hang"),
            Fault::EngineStop(node) => node.frame("engine_stop"),
            Fault::EngineKill(node) => node.frame("engine_kill"),
            Fault::EngineHang(node) => node.frame("engine_hang"),
            Fault::NodeFreeze(node) => node.frame("node_freeze"),
            Fault::LinkDown(node) => node.frame("link_down"),
            Fault::LinkFlap(of) => Frame { kind: "link_flap", target: &of.target, at: of.at, heal_at: Some(of.end()) },
            Fault::BlackHole(node) => node.frame("black_hole"),
            Fault::OneWay(of) => Frame { kind: "one_way", target: &of.target, at: of.at, heal_at: of.heal_at },
            Fault::Split(node) => node.frame("split"),
            Fault::AddressLoss(node) => node.frame("address_loss"),
            Fault::DegradedPath(of) => {
                Frame { kind: "degraded_path", target: &of.target, at: of.at, heal_at: of.heal_at }
            }
            Fault::DiskFull(node) => node.frame("disk_full"),
            Fault::ConnectionsReset(node) => node.frame("connections_reset"),
            Fault::StoreKill(of) => {
                Frame { kind: "store_kill", target: NodeFault::STORE, at: of.at, heal_at: of.heal_at }
            }
            Fault::Reset(node) => node.frame("reset"),
            Fault::KernelPanic(of) => {
                Frame { kind: "kernel_panic", target: &of.target, at: of.at, heal_at: of.heal_at }
            }
            Fault::ClockStep(of) => Frame { kind: "clock_step", target: &of.target, at: of.at, heal_at: of.heal_at },
            Fault::MachinePause(node) => node.frame("machine_pause"),
            Fault::CpuExhaustion(node) => node.frame("cpu_exhaustion"),
        }
    }
}

impl ServiceFault {
    fn frame(&self, kind: &'static str) -> Frame<'_> {
        Frame { kind, target: &self.target, at: self.at, heal_at: self.heal_at }
    }
}

impl FlapFault {
    fn end(&self) -> Duration {
        let each = self.down.0 + self.up.0;
        Duration(self.at.0 + Span(each.as_nanos().saturating_mul(i64::from(*self.times.get_ref()))))
    }

    /// One `link_down` for each time.
    fn flaps(&self) -> impl Iterator<Item = Fault> + '_ {
        let each = (self.down.0 + self.up.0).as_nanos();
        (0..i64::from(*self.times.get_ref())).map(move |time| {
            let at = self.at.0 + Span(each.saturating_mul(time));
            let heal_at = Some(Duration(at + self.down.0));
            Fault::LinkDown(NodeFault { target: self.target.clone(), at: Duration(at), heal_at })
        })
    }
}

/// Puts the single faults in the place of those that stand for several.
pub(super) fn expand(faults: &mut Vec<Spanned<Fault>>) {
    let of = |fault: Spanned<Fault>| {
        let span = fault.span();
        let single: Vec<Fault> = match fault.into_inner() {
            Fault::LinkFlap(flap) => flap.flaps().collect(),
            other => vec![other],
        };
        single.into_iter().map(move |fault| Spanned::new(span.clone(), fault))
    };
    *faults = std::mem::take(faults).into_iter().flat_map(of).collect();
}
