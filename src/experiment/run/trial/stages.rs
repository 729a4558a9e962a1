//! The stages of a trial: settle, warm-up, window, faults.

use super::{STEP, Traffic};
use crate::evidence::history::{FaultPhase, TrialStage, What};
use crate::evidence::readiness::Moment;
use crate::experiment::fault::Injector;
use crate::experiment::plan::{Intent, Plan, Wish};
use crate::experiment::run::interrupt::Interrupt;
use crate::experiment::run::{Ears, RunError};
use crate::scenario::Scenario;
use crate::units::{RunTime, Span};

/// Traffic that is not steady by then never will be.
const STEADY_TIMEOUT: Span = Span::from_secs(60);
/// How long hanging up and the last deliveries may take after the window.
const ENDING: Span = Span::from_secs(4);
/// The cluster and its users are asked so long before the first fault: asking real nodes takes a moment.
const ASK_BEFORE: Span = Span::from_millis(300);

/// How far a stage came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// To its end.
    End,
    /// The user wants no more.
    Interrupted,
    /// The cluster or its users were not ready: going on would measure something else.
    Unready,
}

/// What every stage works with.
pub(super) struct Stages<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) plan: &'a Plan,
    pub(super) traffic: &'a mut Traffic,
    pub(super) interrupt: &'a mut Interrupt,
    pub(super) ears: &'a mut dyn Ears,
}

impl Stages<'_> {
    /// Waits until everybody is registered, every standing call talks both ways and every chatter is logged in.
    pub(super) fn settle(&mut self, injector: &mut Injector<'_>) -> Result<Reached, RunError> {
        let before: Vec<Intent> =
            self.plan.intents.iter().filter(|intent| intent.at_ns < Span::ZERO).cloned().collect();
        let lead = before.first().map_or(Span::ZERO, |intent| -intent.at_ns);
        let clock = self.traffic.recorder.clock();
        let zero = clock.now() + lead;
        self.traffic.phones.schedule(zero, &before);
        let deadline = zero + STEADY_TIMEOUT;
        let mut all_registered = false;
        loop {
            self.traffic.sample();
            let state = self.readiness(Moment::NotSettled, Some(Vec::new()));
            if state.registered == state.phones && !std::mem::replace(&mut all_registered, true) {
                self.traffic.recorder.record(What::Stage { stage: TrialStage::Registered });
            }
            self.ears.settling(state.registered, state.phones, state.talking, state.standing);
            if all_registered && self.users_ready(&state) {
                return Ok(Reached::End);
            }
            if self.interrupt.seen() {
                return Ok(Reached::Interrupted);
            }
            if clock.now() > deadline {
                let _told = self.ask(Moment::NotSettled, injector);
                return Ok(Reached::Unready);
            }
            clock.sleep(STEP);
        }
    }

    /// Warm-up and the measured window with its faults.
    pub(super) fn window(&mut self, injector: &mut Injector<'_>) -> Result<Reached, RunError> {
        let clock = self.traffic.recorder.clock();
        let zero = clock.now() + self.scenario.design.warm_up.0;
        let inside: Vec<Intent> =
            self.plan.intents.iter().filter(|intent| intent.at_ns >= Span::ZERO).cloned().collect();
        self.traffic.phones.schedule(zero, &inside);
        if let Some(chat) = &self.traffic.chat {
            chat.begin(zero);
        }
        self.traffic.recorder.record_at(zero, What::Stage { stage: TrialStage::Steady });
        let reached = self.disturbed(zero, inside, injector)?;
        // A window that was cut short has no end: what it shows is void, and the measurement says so.
        if reached == Reached::End {
            self.traffic.recorder.record(What::Stage { stage: TrialStage::WindowEnd });
        }
        self.wind_down();
        Ok(reached)
    }

    /// Breaks and heals at the planned instants, until the window ends.
    fn disturbed(
        &mut self,
        zero: RunTime,
        inside: Vec<Intent>,
        injector: &mut Injector<'_>,
    ) -> Result<Reached, RunError> {
        let clock = self.traffic.recorder.clock();
        let end = zero + self.plan.window_ns;
        let is_fault = |intent: &&Intent| matches!(intent.wish, Wish::Inject { .. });
        let breaking = |intent: &Intent| matches!(intent.wish, Wish::Inject { .. } | Wish::Heal { .. });
        let mut ask_at = inside.iter().find(is_fault).map(|fault| (zero + fault.at_ns - ASK_BEFORE).max(zero));
        let mut due = inside.into_iter().filter(breaking).peekable();
        while clock.now() < end {
            if ask_at.is_some_and(|at| at <= clock.now()) {
                ask_at = None;
                if !self.ask(Moment::BeforeFault, injector).complaints().is_empty() {
                    return Ok(Reached::Unready);
                }
            }
            let next = due.peek().map_or(end, |intent| zero + intent.at_ns);
            if next <= clock.now() {
                if let Some(intent) = due.next() {
                    self.disturb(&intent.wish, injector)?;
                }
                continue;
            }
            self.traffic.sample();
            self.ears.running(clock.now() - zero, self.plan.window_ns, self.traffic.phones.progress().talking());
            clock.sleep_until(next.min(ask_at.unwrap_or(next)).min(clock.now() + STEP));
            if self.interrupt.seen() {
                return Ok(Reached::Interrupted);
            }
        }
        Ok(Reached::End)
    }

    fn disturb(&mut self, wish: &Wish, injector: &mut Injector<'_>) -> Result<(), RunError> {
        match wish {
            Wish::Inject { fault, phase_ns } => {
                let Some(spec) = self.scenario.faults.get(*fault) else { return Ok(()) };
                if let Some((drawn, interval)) = phase_ns.zip(self.scenario.timer()) {
                    self.await_phase(*fault, drawn, interval);
                }
                injector.cluster().heal_due(self.plan.heal_after(*fault));
                let node = injector.inject(*fault, spec.get_ref()).map_err(RunError::Cluster)?;
                let told = format!("{} of {node}", spec.get_ref().kind());
                self.traffic.captures.iter().for_each(|capture| capture.mark(format!("fault {fault}: {told}")));
                self.ears.broken(&told);
            }
            Wish::Heal { fault } => match injector.heal(*fault) {
                Ok(()) => self.ears.broken(&format!("fault {fault} healed")),
                Err(error) => self.ears.broken(&format!("fault {fault} could not be healed: {error}")),
            },
            _ => {}
        }
        Ok(())
    }

    /// Waits for the next tick of the cluster's timer and the drawn part of its interval.
    fn await_phase(&mut self, fault: usize, drawn: Span, interval: Span) {
        let clock = self.traffic.recorder.clock();
        let (now, tick) = (clock.now(), self.traffic.last_tick());
        let at = next_tick(now, tick, interval) + drawn;
        while clock.now() < at {
            self.traffic.sample();
            clock.sleep_until(at.min(clock.now() + STEP));
        }
        let phase = FaultPhase { fault, interval_ns: interval.as_nanos(), drawn_ns: drawn.as_nanos(), tick_ns: tick };
        self.traffic.recorder.record(What::Phase(phase));
    }

    /// Hangs up and lets the last answers and deliveries come.
    fn wind_down(&mut self) {
        let clock = self.traffic.recorder.clock();
        let deadline = clock.now() + ENDING;
        let least = clock.now() + Span::from_secs(1);
        self.traffic.phones.end_calls();
        while clock.now() < deadline && (clock.now() < least || self.traffic.phones.progress().talking() > 0) {
            self.traffic.sample();
            clock.sleep(STEP);
        }
    }
}

/// The first tick from `now` on of a timer that ticked at `tick`; now, where no tick was ever seen.
fn next_tick(now: RunTime, tick: Option<RunTime>, interval: Span) -> RunTime {
    let Some(tick) = tick.filter(|_| interval > Span::ZERO) else { return now };
    let since = (now - tick).as_nanos().max(0);
    let ticks = since.div_euclid(interval.as_nanos()) + i64::from(since % interval.as_nanos() > 0);
    tick + Span(ticks * interval.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: ticks at 40, 140, 240 … ms.
    #[test]
    fn the_next_tick_is_on_the_grid_of_the_last_one() {
        let ms = RunTime::from_millis;
        let interval = Span::from_millis(100);
        for (now, next) in [(40, 40), (41, 140), (140, 140), (239, 240), (1_040, 1_040)] {
            assert_eq!(next_tick(ms(now), Some(ms(40)), interval), ms(next), "{now}");
        }
        assert_eq!(next_tick(ms(7), None, interval), ms(7));
        assert_eq!(next_tick(ms(7), Some(ms(3)), Span::ZERO), ms(7));
    }
}
