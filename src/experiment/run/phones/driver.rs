//! The thread's loop: wishes that are due, octets that came, timers that fired.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::EventFd;

use super::calls::{Call, Calls};
use super::equip::equip;
use super::media;
use super::transport::{Heard, Link};
use super::{Order, Progress, Setting, Tally};
use crate::evidence::history::{Direction, Op, OpKind, Step, What};
use crate::experiment::agent::media::SenderConfig;
use crate::experiment::agent::sip::phone::{Command, Input, MediaCommand, Output, Phone, PhoneConfig, Transport};
use crate::experiment::agent::sip::transaction::Timers;
use crate::experiment::plan::{Intent, Part, PlannedCall, PlannedPhone, Question, Wish};
use crate::experiment::run::clock::Clock;
use crate::experiment::run::netns;
use crate::experiment::run::recorder::{TapPacket, TapTransport};
use crate::units::{RunTime, Span};

const INBOX: u64 = u64::MAX;
/// An answer to OPTIONS that takes longer is none: a frozen server that answers late was gone for its users.
const OPTIONS_DEADLINE: Span = Span::from_millis(500);
/// Registrations outlast every trial, so that only planned ones are seen.
const EXPIRES_S: u32 = 3600;
/// Ports of an ended call stay open for packets that are under way.
const LINGER: Span = Span::from_millis(300);
const RING: Span = Span::from_millis(100);

/// Something that is due in this thread.
#[derive(Debug)]
enum Task {
    Wish(Wish),
    HangUp { call: u64 },
    ClosePorts { call: u64 },
}

pub(super) struct Driver {
    setting: Setting,
    clock: Clock,
    orders: Receiver<Order>,
    wake: Arc<EventFd>,
    progress: Arc<Progress>,
    epoll: Epoll,
    phones: Vec<Phone>,
    links: Vec<Link>,
    calls: Calls,
    /// Due instants, and the tasks by them; the second number keeps equal instants in order.
    queue: BinaryHeap<Reverse<(RunTime, u64)>>,
    tasks: BTreeMap<u64, Task>,
    next_task: u64,
    registered: HashSet<String>,
    /// Phones whose question is not answered yet.
    asking: HashSet<usize>,
    /// Calls that only ask, and have no media.
    questions: HashSet<u64>,
    tally: Tally,
    buffer: Vec<u8>,
}

impl Driver {
    pub(super) fn new(
        setting: Setting,
        orders: Receiver<Order>,
        wake: Arc<EventFd>,
        progress: Arc<Progress>,
    ) -> io::Result<Driver> {
        netns::enter(setting.endpoints.client_netns.as_deref())?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&*wake, EpollEvent::new(EpollFlags::EPOLLIN, INBOX))?;
        let mut driver = Driver {
            clock: setting.recorder.clock(),
            setting,
            orders,
            wake,
            progress,
            epoll,
            phones: Vec::new(),
            links: Vec::new(),
            calls: Calls::default(),
            queue: BinaryHeap::new(),
            tasks: BTreeMap::new(),
            next_task: 0,
            registered: HashSet::new(),
            asking: HashSet::new(),
            questions: HashSet::new(),
            tally: Tally::default(),
            buffer: vec![0; 65536],
        };
        // The probe is one more phone that only sends OPTIONS.
        let probe = PlannedPhone { name: "probe".into(), user: "probe".into(), tcp: false, part: Part::User };
        for phone in driver.setting.phones.clone().iter().chain([&probe]) {
            driver.add_phone(phone)?;
        }
        Ok(driver)
    }

    fn add_phone(&mut self, planned: &PlannedPhone) -> io::Result<()> {
        let key = self.phones.len() as u64;
        let ip = self.setting.endpoints.client;
        let profiled = matches!(planned.part, Part::Profiled(_));
        let link = Link::open(planned.tcp, profiled, ip, &self.epoll, key)?;
        let mut config = PhoneConfig {
            name: planned.name.clone(),
            user: planned.user.clone(),
            password: self.setting.endpoints.passwords.of(&planned.user),
            domain: self.setting.endpoints.domain.clone(),
            server: self.setting.endpoints.sip,
            local: link.local(ip),
            transport: if planned.tcp { Transport::Tcp } else { Transport::Udp },
            ring: RING,
            timers: Timers::default(),
            seed: self.setting.seed.wrapping_add(key).wrapping_mul(0x9e37_79b9_7f4a_7c15),
            op_base: (1 << 32) + (key << 16),
            behaviour: None,
            everywhere: Vec::new(),
            register_kind: OpKind::Register,
        };
        let profile = match &planned.part {
            Part::Profiled(name) => self.setting.profiles.get(name),
            _ => None,
        };
        equip(&mut config, &planned.part, profile, &self.setting.endpoints.targets);
        self.phones.push(Phone::new(config));
        self.links.push(link);
        Ok(())
    }

    pub(super) fn run(mut self) -> Tally {
        let mut events = [EpollEvent::empty(); 64];
        loop {
            self.do_due();
            self.flush_all();
            let ready = self.epoll.wait(&mut events, self.timeout()).unwrap_or(0);
            for event in &events[..ready] {
                match event.data() {
                    INBOX => {
                        if !self.take_orders() {
                            return self.finish();
                        }
                    }
                    key => self.hear(key as usize),
                }
            }
            let now = self.clock.now();
            for phone in self.phones.iter_mut().filter(|phone| phone.wake_at().is_some_and(|at| at <= now)) {
                phone.tick(now);
            }
        }
    }

    /// Rounded down: the loop would rather spin once than be a millisecond late.
    fn timeout(&self) -> EpollTimeout {
        let now = self.clock.now();
        let timers = self.phones.iter().filter_map(Phone::wake_at).min();
        let due = self.queue.peek().map(|Reverse((due, _))| *due);
        let next = timers.into_iter().chain(due).min().unwrap_or(now + Span::from_millis(100));
        let millis = ((next - now).as_nanos() / 1_000_000).clamp(0, 100);
        EpollTimeout::from(u16::try_from(millis).unwrap_or(0))
    }

    /// False when told to stop.
    fn take_orders(&mut self) -> bool {
        let _counter = self.wake.read();
        loop {
            match self.orders.try_recv() {
                Ok(Order::Schedule(zero, intents)) => self.schedule(zero, intents),
                Ok(Order::RegisterAgain(zero, intents)) => {
                    self.registered.clear();
                    self.progress.registered.store(0, Ordering::Relaxed);
                    self.schedule(zero, intents);
                }
                Ok(Order::EndCalls) => self.end_calls(),
                Ok(Order::Stop) | Err(TryRecvError::Disconnected) => return false,
                Err(TryRecvError::Empty) => return true,
            }
        }
    }

    fn schedule(&mut self, zero: RunTime, intents: Vec<Intent>) {
        for Intent { at_ns, wish } in intents {
            self.add_task(zero + at_ns, Task::Wish(wish));
        }
    }

    fn add_task(&mut self, at: RunTime, task: Task) {
        self.next_task += 1;
        self.queue.push(Reverse((at, self.next_task)));
        self.tasks.insert(self.next_task, task);
    }

    fn do_due(&mut self) {
        while let Some(Reverse((due, number))) = self.queue.peek().copied() {
            let now = self.clock.now();
            if due > now {
                return;
            }
            self.queue.pop();
            match self.tasks.remove(&number) {
                Some(Task::Wish(wish)) => {
                    self.tally.start_late_max_ns = self.tally.start_late_max_ns.max((now - due).as_nanos());
                    self.fulfil(now, due, wish);
                }
                Some(Task::HangUp { call }) => self.hang_up(now, due, call),
                Some(Task::ClosePorts { call }) => self.close_ports(call),
                None => {}
            }
        }
    }

    fn fulfil(&mut self, now: RunTime, planned: RunTime, wish: Wish) {
        match wish {
            Wish::Register { phone, patience_ns } => {
                let op = self.setting.recorder.next_number();
                let command = Command::Register { op, planned, expires_s: EXPIRES_S, patience: patience_ns };
                self.command(now, phone, command);
            }
            Wish::Options => {
                let op = self.setting.recorder.next_number();
                let probe = self.phones.len() - 1;
                self.command(now, probe, Command::Options { op, planned, deadline: OPTIONS_DEADLINE });
            }
            // A user who still waits for an answer does not dial again.
            Wish::Call(call) if call.question.is_some() && !self.asking.insert(call.caller) => {}
            Wish::Call(call) => self.place(now, planned, &call),
            Wish::Message { .. } | Wish::Inject { .. } | Wish::Heal { .. } => {}
        }
    }

    fn command(&mut self, now: RunTime, phone: usize, command: Command) {
        if let Some(phone) = self.phones.get_mut(phone) {
            phone.handle(now, Input::Command(command));
        }
        self.flush(phone);
    }

    fn place(&mut self, now: RunTime, planned: RunTime, call: &PlannedCall) {
        let op = self.setting.recorder.next_number();
        let kind = kind(call);
        let ip = self.setting.endpoints.client;
        let opened =
            if call.question.is_some() { Ok(media::none(ip)) } else { media::open(&self.setting.media, ip, call) };
        let (ports, video) = match opened {
            Ok(opened) => opened,
            Err(error) => return self.not_started(op, kind, planned, call, &error.to_string()),
        };
        let (caller, callee) = (call.caller, call.callee);
        let [ours, theirs] = [0, 1].map(|side| media::of(call, ports[side], video.as_ref(), side));
        if call.question.is_some() {
            self.questions.insert(call.call);
        }
        self.calls.insert(call.call, Call { caller, hold: call.hold_ns, ports, video, talking: false });
        let from_user = self.setting.phones[caller].user.clone();
        self.command(now, callee, Command::Expect { call: call.call, from_user, media: theirs });
        let callee = self.setting.phones[callee].user.clone();
        let patience = call.patience_ns;
        let command = Command::Call { op, call: call.call, kind, planned, callee, media: ours, patience };
        self.command(now, caller, command);
    }

    fn not_started(&mut self, op: u64, kind: OpKind, planned: RunTime, call: &PlannedCall, reason: &str) {
        self.tally.not_started += 1;
        let actor = self.setting.phones[call.caller].name.clone();
        self.setting.recorder.record(What::Op(Op {
            op,
            kind,
            step: Step::NotStarted,
            actor,
            planned_ns: planned,
            call: Some(call.call),
            code: None,
            status_ns: None,
            node: None,
            retransmissions: None,
            reason: Some(reason.to_owned()),
        }));
    }

    fn hang_up(&mut self, now: RunTime, planned: RunTime, call: u64) {
        let Some(known) = self.calls.get(call).filter(|known| known.talking) else { return };
        let op = self.setting.recorder.next_number();
        self.command(now, known.caller, Command::HangUp { op, call, planned });
    }

    fn end_calls(&mut self) {
        let now = self.clock.now();
        // Wishes that are not due yet belong to the window that has ended.
        self.queue.clear();
        self.tasks.clear();
        for call in self.calls.talking() {
            self.hang_up(now, now, call);
        }
    }

    fn close_ports(&mut self, call: u64) {
        if let Some(call) = self.calls.remove(call) {
            let ports = call.ports.into_iter().chain(call.video.iter().flat_map(|video| video.ports));
            ports.for_each(|port| self.setting.media.close(port));
        }
    }

    fn hear(&mut self, phone: usize) {
        let ip = self.setting.endpoints.client;
        loop {
            let Some(link) = self.links.get_mut(phone) else { return };
            let (local, remote) = (link.local(ip), link.remote());
            let heard = link.hear(&self.clock, &self.epoll, phone as u64, &mut self.buffer);
            let now = self.clock.now();
            match heard {
                Heard::Nothing => break,
                Heard::Datagram { at, from, length } => {
                    self.tap(at, false, TapTransport::Udp, from, local, self.buffer[..length].to_vec());
                    self.phones[phone].handle(at, Input::Datagram { from, bytes: &self.buffer[..length] });
                }
                Heard::Stream { length } => {
                    let from = remote.unwrap_or(self.setting.endpoints.sip);
                    self.tap(now, false, TapTransport::Tcp, from, local, self.buffer[..length].to_vec());
                    self.phones[phone].handle(now, Input::Stream { bytes: &self.buffer[..length] });
                }
                Heard::Unreachable { to } => self.phones[phone].handle(now, Input::Unreachable { to }),
                Heard::Connected { local } => self.phones[phone].handle(now, Input::Connected { local }),
                Heard::Disconnected { reason } => {
                    self.phones[phone].handle(now, Input::Disconnected { reason: &reason });
                }
            }
            self.flush(phone);
        }
        self.flush(phone);
    }

    fn flush_all(&mut self) {
        (0..self.phones.len()).for_each(|phone| self.flush(phone));
    }

    fn flush(&mut self, phone: usize) {
        while let Some(output) = self.phones.get_mut(phone).and_then(Phone::poll) {
            self.put_out(phone, output);
        }
    }

    fn put_out(&mut self, phone: usize, output: Output) {
        let ip = self.setting.endpoints.client;
        let now = self.clock.now();
        let local = self.links[phone].local(ip);
        match output {
            Output::Datagram { to, bytes } => {
                // An unreachable server is for the transaction's timers to find out.
                let _unreachable = self.links[phone].send_to(&bytes, to);
                self.tap(now, true, TapTransport::Udp, local, to, bytes);
            }
            Output::Stream { bytes } => {
                let to = self.links[phone].remote().unwrap_or(self.setting.endpoints.sip);
                // A dead connection is heard of when it is read.
                let _dead = self.links[phone].write(&bytes);
                self.tap(now, true, TapTransport::Tcp, local, to, bytes);
            }
            Output::Connect { to } => {
                if let Err(error) = self.links[phone].connect(ip, to, &self.epoll, phone as u64) {
                    self.phones[phone].handle(now, Input::Disconnected { reason: &error.to_string() });
                }
            }
            Output::Event { t, what } => {
                self.note(t, &what);
                self.setting.recorder.record_at(t, what);
            }
            Output::Media(command) => self.media(phone, command),
        }
    }

    fn tap(
        &self,
        t: RunTime,
        outbound: bool,
        transport: TapTransport,
        src: SocketAddr,
        dst: SocketAddr,
        payload: Vec<u8>,
    ) {
        self.setting.recorder.tap(TapPacket { t, outbound, transport, src, dst, payload });
    }

    /// Draws the consequences of what a phone tells: holds, ports, progress.
    fn note(&mut self, t: RunTime, what: &What) {
        let What::Op(op) = what else { return };
        match (op.kind, op.step, op.call) {
            (OpKind::Register | OpKind::OwnRegister, Step::Ok, _) if self.registered.insert(op.actor.clone()) => {
                self.progress.registered.store(self.registered.len(), Ordering::Relaxed);
            }
            (OpKind::StandingCall | OpKind::NewCall, Step::Ok, Some(call)) => {
                self.progress.talking.fetch_add(1, Ordering::Relaxed);
                if op.kind == OpKind::StandingCall {
                    self.progress.standing.fetch_add(1, Ordering::Relaxed);
                }
                if let Some(hold) = self.calls.answered(call).and_then(|call| call.hold) {
                    self.add_task(t + hold, Task::HangUp { call });
                }
            }
            (OpKind::IdleCall | OpKind::CallToIdle, Step::Ok, Some(call)) => {
                if let Some(hold) = self.calls.answered(call).and_then(|call| call.hold) {
                    self.add_task(t + hold, Task::HangUp { call });
                }
            }
            (OpKind::IdleCall | OpKind::CallToIdle, Step::Fail | Step::Info, Some(call)) => self.forget(call),
            (OpKind::StandingCall | OpKind::NewCall, Step::Fail | Step::Info, Some(call)) => {
                self.add_task(t + LINGER, Task::ClosePorts { call });
            }
            (OpKind::Bye, Step::Ok | Step::Fail | Step::Info, Some(call)) | (_, Step::RemoteEnd, Some(call))
                if self.questions.contains(&call) =>
            {
                self.forget(call);
            }
            (OpKind::Bye, Step::Ok | Step::Fail | Step::Info, Some(call)) | (_, Step::RemoteEnd, Some(call))
                if self.calls.ended(call) =>
            {
                self.progress.talking.fetch_sub(1, Ordering::Relaxed);
                if self.calls.get(call).is_some_and(|call| call.hold.is_none()) {
                    self.progress.standing.fetch_sub(1, Ordering::Relaxed);
                }
                self.add_task(t + LINGER, Task::ClosePorts { call });
            }
            _ => {}
        }
    }

    /// A question was answered, one way or the other.
    fn forget(&mut self, call: u64) {
        if let Some(call) = self.calls.remove(call) {
            self.asking.remove(&call.caller);
        }
    }

    fn media(&mut self, phone: usize, command: MediaCommand) {
        if self.questions.contains(&command.call()) {
            return;
        }
        let engine = &self.setting.media;
        match command {
            MediaCommand::Start { call, direction, local, remote, codec, payload_type, ptime_ms, video } => {
                let seed = self.setting.seed;
                engine.send(SenderConfig {
                    stream: media::stream(call, direction),
                    call,
                    direction,
                    codec,
                    payload_type,
                    ptime: Span::from_millis(i64::from(ptime_ms)),
                    local,
                    remote,
                    seed,
                });
                let planned = self.calls.get(call).and_then(|call| call.video);
                if let Some(((agreed, remote), planned)) = video.zip(planned) {
                    engine.send_video(media::video_config((call, direction), agreed, remote, planned, seed));
                }
            }
            MediaCommand::Update { call, remote, video } => {
                if let Some(direction) = self.calls.direction(call, phone) {
                    engine.redirect(media::stream(call, direction), remote);
                    if let Some(remote) = video {
                        engine.redirect(media::video_stream(call, direction), remote);
                    }
                }
            }
            MediaCommand::KeyFrame { call } => {
                let side = usize::from(self.calls.direction(call, phone) == Some(Direction::ToCaller));
                if let Some(video) = self.calls.get(call).and_then(|call| call.video) {
                    engine.want_key_frame(video.ports[side]);
                }
            }
            MediaCommand::Stop { call } => {
                if let Some(direction) = self.calls.direction(call, phone) {
                    engine.stop(media::stream(call, direction));
                    engine.stop(media::video_stream(call, direction));
                }
            }
        }
    }

    fn finish(mut self) -> Tally {
        // What is in flight has no end in the history: its outcome is unknown.
        self.tally.socket_drops = self.links.iter().map(Link::drops).sum();
        self.tally
    }
}

fn kind(call: &PlannedCall) -> OpKind {
    match (call.question, call.hold_ns) {
        (Some(Question::CanCall), _) => OpKind::IdleCall,
        (Some(Question::CanBeCalled), _) => OpKind::CallToIdle,
        (None, Some(_)) => OpKind::NewCall,
        (None, None) => OpKind::StandingCall,
    }
}
