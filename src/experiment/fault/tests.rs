use super::*;
use crate::evidence::history::Event;
use crate::experiment::cluster::{CapturePoint, Endpoints};
use crate::experiment::run::clock::Clock;
use crate::experiment::run::recorder::Record;
use crate::scenario::NodeFault;
use crate::units::Span;
use std::sync::{Arc, Mutex};

/// A cluster that notes what is done to it.
#[derive(Default)]
struct Paper {
    done: Arc<Mutex<Vec<String>>>,
    bites: bool,
}

impl Cluster for Paper {
    fn describe(&self) -> String {
        "paper".into()
    }
    fn versions(&self) -> Vec<(String, String)> {
        Vec::new()
    }
    fn nodes(&self) -> Vec<String> {
        vec!["alpha".into(), "beta".into()]
    }
    fn supports(&self, _: Action) -> Result<(), String> {
        Ok(())
    }
    fn up(&mut self, _: &[String]) -> Result<(), ClusterError> {
        Ok(())
    }
    fn endpoints(&self) -> Endpoints {
        unreachable!("a paper cluster has no address")
    }
    fn capture_points(&self) -> Vec<CapturePoint> {
        Vec::new()
    }
    fn owners(&mut self) -> Result<Vec<String>, ClusterError> {
        Ok(vec!["alpha".into()])
    }
    fn inject(&mut self, node: &str, _: Action) -> Result<String, ClusterError> {
        self.done.lock().unwrap().push(format!("inject {node}"));
        Ok("done".into())
    }
    fn verify(&mut self, node: &str, action: Action) -> Result<String, ClusterError> {
        let error =
            ClusterError::Failed { action: format!("{action:?}"), node: node.into(), reason: "it lives".into() };
        if self.bites { Ok("dead".into()) } else { Err(error) }
    }
    fn heal(&mut self, node: &str, _: Action) -> Result<(), ClusterError> {
        self.done.lock().unwrap().push(format!("heal {node}"));
        Ok(())
    }
    fn configured_takeover(&self, _: usize) -> Option<Span> {
        None
    }
    fn down(&mut self) {}
}

fn power_off() -> Fault {
    Fault::PowerOff(NodeFault { target: "vip-owner".into(), at: crate::scenario::Duration::default(), heal_at: None })
}

fn steps(records: std::sync::mpsc::Receiver<Record>) -> Vec<FaultStep> {
    let step = |record| match record {
        Record::Event(Event { what: What::Fault(mark), .. }) => Some(mark.step),
        _ => None,
    };
    records.try_iter().filter_map(step).collect()
}

#[test]
fn a_fault_is_healed_even_when_the_run_panics() {
    let (recorder, records) = Recorder::new(Clock::start());
    let mut cluster = Paper { bites: true, ..Paper::default() };
    let done = Arc::clone(&cluster.done);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut injector = Injector::new(&mut cluster, recorder, 1);
        assert_eq!(injector.inject(0, &power_off()).unwrap(), "alpha");
        panic!("the run dies");
    }));
    assert!(panicked.is_err());
    assert_eq!(*done.lock().unwrap(), ["inject alpha", "heal alpha"]);
    use FaultStep::{CommandEnd, CommandStart, HealEnd, HealStart, Verified};
    assert_eq!(steps(records), [CommandStart, CommandEnd, Verified, HealStart, HealEnd]);
}

#[test]
fn the_backup_is_the_first_node_that_is_neither_owner_nor_hit() {
    let (recorder, _records) = Recorder::new(Clock::start());
    let mut cluster = Paper { bites: true, ..Paper::default() };
    let mut injector = Injector::new(&mut cluster, recorder, 1);
    let backup = Fault::NodeFreeze(NodeFault {
        target: "backup".into(),
        at: crate::scenario::Duration::default(),
        heal_at: None,
    });
    assert_eq!(injector.inject(0, &backup).unwrap(), "beta");
    assert!(injector.inject(1, &backup).unwrap_err().to_string().contains("hit by a fault already"));
}

#[test]
fn a_fault_that_did_not_bite_is_told() {
    let (recorder, records) = Recorder::new(Clock::start());
    let mut cluster = Paper::default();
    Injector::new(&mut cluster, recorder, 1).inject(0, &power_off()).unwrap();
    assert!(steps(records).contains(&FaultStep::NotVerified));
}
