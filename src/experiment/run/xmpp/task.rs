//! One chatter's task: carries out what its [`Chatter`] wants and tells it what happened.

use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, Sink, StreamExt};
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};
use tokio_xmpp::minidom::Element;
use tokio_xmpp::xmlstream::ReadError;

use super::login::{DialError, Dialled, Wire, words};
use super::{Account, Crew};
use crate::evidence::history::{SessionState, What};
use crate::experiment::agent::chat::{Chatter, Input, Output, Resumption};
use crate::units::RunTime;

/// How long a server may take to let us say goodbye.
const GOODBYE: Duration = Duration::from_millis(500);

/// What the driver wants of all chatters; the channel's end means stop.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Orders {
    /// When the plan begins.
    pub(super) begin: Option<RunTime>,
}

/// Lives one chatter's life until the orders' end.
pub(super) async fn live(chatter: Chatter, account: Account, crew: Crew) {
    let mut task = Task { chatter, account, link: Link::Down, crew, was_up: false };
    loop {
        task.carry_out().await;
        if task.chatter.is_over() {
            return;
        }
        let input = task.wait().await;
        task.chatter.handle(task.crew.recorder.clock().now(), input);
    }
}

struct Task {
    chatter: Chatter,
    account: Account,
    link: Link,
    crew: Crew,
    was_up: bool,
}

impl Task {
    async fn carry_out(&mut self) {
        while let Some(output) = self.chatter.poll() {
            match output {
                Output::Record(what) => self.record(what),
                Output::Connect(resumption) => self.dial(resumption),
                Output::Abandon => self.link = Link::Down,
                Output::Close => std::mem::replace(&mut self.link, Link::Down).close().await,
                Output::Send(element) => {
                    if let Err(error) = self.link.send(&element) {
                        let now = self.crew.recorder.clock().now();
                        self.chatter.handle(now, Input::Broken(words(&error)));
                    }
                }
            }
        }
    }

    async fn wait(&mut self) -> Input {
        let clock = self.crew.recorder.clock();
        let wake_at = self.chatter.wake_at();
        let wake = async {
            match wake_at {
                Some(at) => sleep_until(clock.tokio_deadline(at)).await,
                None => pending().await,
            }
        };
        tokio::select! {
            // What the server said before an instant counts before what is due at it.
            biased;
            input = self.link.happen() => input,
            order = next_order(&mut self.crew.orders) => order,
            () = wake => Input::Tick,
        }
    }

    fn record(&mut self, what: What) {
        if let What::Session(session) = &what
            && session.state == SessionState::Up
            && !std::mem::replace(&mut self.was_up, true)
        {
            self.crew.never_up.fetch_sub(1, Ordering::AcqRel);
        }
        self.crew.recorder.record(what);
    }

    fn dial(&mut self, resumption: Option<Resumption>) {
        let (dialer, account) = (self.crew.dialer.clone(), self.account.clone());
        self.link = Link::Dialling(async move { dialer.dial(&account, resumption).await }.boxed());
    }
}

async fn next_order(orders: &mut watch::Receiver<Orders>) -> Input {
    loop {
        if orders.changed().await.is_err() {
            return Input::Stop;
        }
        if let Some(begin) = orders.borrow_and_update().begin {
            return Input::Begin(begin);
        }
    }
}

/// The connection of one chatter.
enum Link {
    Down,
    Dialling(BoxFuture<'static, Result<Dialled, DialError>>),
    Open { wire: Box<Wire>, early: VecDeque<Element> },
}

impl Link {
    /// The next thing that happens to the connection. May be dropped and called again at any time.
    async fn happen(&mut self) -> Input {
        match self {
            Link::Down => pending().await,
            Link::Dialling(dialling) => match dialling.await {
                Ok(Dialled { wire, login, early }) => {
                    *self = Link::Open { wire: Box::new(wire), early: early.into() };
                    Input::LoggedIn(login)
                }
                Err(error) => {
                    *self = Link::Down;
                    Input::LoginFailed(error.to_string())
                }
            },
            Link::Open { wire, early } => match early.pop_front() {
                Some(element) => Input::Received(element),
                None => poll_fn(|cx| poll_wire(wire, cx)).await,
            },
        }
    }

    /// Hands `element` to the stream; [`Link::happen`] flushes. It never waits: a connection that takes no
    /// more octets must not stop the chatter's clock.
    fn send(&mut self, element: &Element) -> io::Result<()> {
        match self {
            Link::Open { wire, .. } => Pin::new(&mut **wire).start_send(element),
            Link::Down | Link::Dialling(_) => Ok(()),
        }
    }

    async fn close(self) {
        if let Link::Open { mut wire, .. } = self {
            let _dead_anyway = timeout(GOODBYE, wire.shutdown()).await;
        }
    }
}

fn poll_wire(wire: &mut Wire, cx: &mut Context<'_>) -> Poll<Input> {
    if let Poll::Ready(Err(error)) = <Wire as Sink<&Element>>::poll_flush(Pin::new(wire), cx) {
        return Poll::Ready(Input::Broken(words(&error)));
    }
    loop {
        let broken = match ready!(wire.poll_next_unpin(cx)) {
            Some(Ok(element)) => return Poll::Ready(Input::Received(element)),
            Some(Err(ReadError::SoftTimeout)) => continue,
            Some(Err(ReadError::HardError(error))) => words(&error),
            Some(Err(ReadError::ParseError(error))) => error.to_string(),
            Some(Err(ReadError::StreamFooterReceived)) | None => "stream closed by the server".to_owned(),
        };
        return Poll::Ready(Input::Broken(broken));
    }
}
