//! Whether the cluster and its users are ready: before the first fault, and after the last heal.

use super::STEP;
use super::stages::Stages;
use crate::evidence::history::What;
use crate::evidence::readiness::{Moment, Readiness};
use crate::experiment::fault::Injector;
use crate::experiment::plan::{Intent, Wish};
use crate::units::Span;

/// Media is heard where a packet came in within this.
const HEARD_WITHIN: Span = Span::from_millis(200);
/// Distance of the REGISTERs with which the phones ask whether they are known again.
const REGISTER_STEP: Span = Span::from_millis(5);
/// Phones that were not registered by then try again together with all.
const ROUND: Span = Span::from_secs(5);
/// How often the nodes are asked for the owner: on real nodes it is a command for each.
const OWNER_STEP: Span = Span::from_millis(200);

impl Stages<'_> {
    /// What is known of the users now; who owns the address is for the caller to ask.
    pub(super) fn readiness(&self, moment: Moment, owners: Option<Vec<String>>) -> Readiness {
        let progress = self.traffic.phones.progress();
        let before = self.plan.intents.iter().filter(|intent| intent.at_ns < Span::ZERO);
        Readiness {
            moment,
            owners,
            no_floating: false,
            phones: self.plan.phones.len(),
            registered: progress.registered(),
            standing: before.filter(|intent| matches!(intent.wish, Wish::Call(_))).count(),
            talking: progress.standing(),
            hearing: self.traffic.media.hearing(HEARD_WITHIN),
            chatting: self.traffic.chat.as_ref().is_none_or(|chat| chat.all_up()),
        }
    }

    /// Whether the users have what they need, whoever owns the address.
    pub(super) fn users_ready(&self, state: &Readiness) -> bool {
        state.talking == state.standing && state.hearing >= self.ends() && state.chatting
    }

    /// Ends at which media of standing calls is heard: two a call, and two more for its video.
    fn ends(&self) -> usize {
        let before = self.plan.intents.iter().filter(|intent| intent.at_ns < Span::ZERO);
        let ends = before.map(|intent| match &intent.wish {
            Wish::Call(call) => 2 + 2 * usize::from(call.video.is_some()),
            _ => 0,
        });
        ends.sum()
    }

    /// Asks cluster and users, and records the answer.
    pub(super) fn ask(&mut self, moment: Moment, injector: &mut Injector<'_>) -> Readiness {
        let owners = injector.cluster().owners().ok();
        let no_floating = !injector.cluster().floats();
        let readiness = Readiness { no_floating, ..self.readiness(moment, owners) };
        self.traffic.recorder.record(What::Readiness(readiness.clone()));
        readiness
    }

    /// Waits until one node owns the address and every phone could register again, and records what was reached.
    pub(super) fn cool_down(&mut self, injector: &mut Injector<'_>) {
        let limit = self.scenario.design.cool_down.0;
        if limit == Span::ZERO {
            return;
        }
        let clock = self.traffic.recorder.clock();
        let deadline = clock.now() + limit;
        let (mut register_at, mut ask_at) = (clock.now(), clock.now());
        while clock.now() < deadline && !self.interrupt.seen() {
            if clock.now() >= register_at {
                self.traffic.phones.register_again(clock.now(), self.register_all());
                register_at += ROUND;
            }
            let registered = self.traffic.phones.progress().registered() == self.plan.phones.len();
            if registered && clock.now() >= ask_at {
                ask_at = clock.now() + OWNER_STEP;
                if !injector.cluster().floats() || injector.cluster().owners().is_ok_and(|owners| owners.len() == 1) {
                    break;
                }
            }
            self.traffic.sample();
            clock.sleep(STEP);
        }
        let _told = self.ask(Moment::AfterHeal, injector);
    }

    fn register_all(&self) -> Vec<Intent> {
        let wish = |phone: usize| Intent {
            at_ns: Span(REGISTER_STEP.as_nanos() * phone as i64),
            wish: Wish::Register { phone, patience_ns: ROUND },
        };
        (0..self.plan.phones.len()).map(wish).collect()
    }
}
