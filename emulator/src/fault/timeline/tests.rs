//! The timeline, on a ground that does nothing.

use super::*;
use crate::fabric::FabricError;
use crate::fault::damage::{Death, Spoil};
use crate::fleet::FleetError;
use crate::record::fixture;
use crate::sandbox::Defects;
use crate::sandbox::layer::Trouble;
use crate::scenario::network::{Direction, Shape};
use crate::scenario::{FaultKind, NodeTarget};

/// What was done to processes, in order; everything else is taken as it comes.
#[derive(Debug, Default)]
struct Done(Vec<&'static str>);

impl Ground for Done {
    fn kill(&mut self, _: usize, _: Death) -> Result<(), FleetError> {
        self.0.push("kill");
        Ok(())
    }
    fn start(&mut self, _: usize) -> Result<(), FleetError> {
        self.0.push("start");
        Ok(())
    }
    fn advance(&mut self, _: usize, ahead: Duration) {
        self.0.push(if ahead.is_zero() { "clock right" } else { "clock ahead" });
    }
    fn freeze(&mut self, _: usize, frozen: bool) -> Result<(), FleetError> {
        self.0.push(if frozen { "freeze" } else { "thaw" });
        Ok(())
    }
    fn slow(&mut self, _: usize, _: f64) -> Result<(), FleetError> {
        Ok(())
    }
    fn throttle(&mut self, _: usize, _: Option<f64>) -> Result<(), FleetError> {
        Err(FleetError::Unlimited { node: "n4".to_owned(), what: "CPU" })
    }
    fn store(&mut self, _: usize, _: Defects) -> Result<(), FleetError> {
        Ok(())
    }
    fn trouble(&mut self, _: usize, _: Trouble) -> Result<(), FleetError> {
        Ok(())
    }
    fn spoil(&mut self, _: usize, _: &Spoil) -> Result<(), FleetError> {
        Ok(())
    }
    fn shape(&mut self, _: Direction, _: &Shape) -> Result<(), FabricError> {
        Ok(())
    }
    fn block(&mut self, _: usize, _: usize, _: bool) -> Result<(), FabricError> {
        Ok(())
    }
}

impl Holders for Done {
    fn stage(&self, _: u16) -> Option<usize> {
        None
    }
    fn behind(&self, _: u16) -> Option<usize> {
        None
    }
    fn spare(&self) -> Option<usize> {
        None
    }
}

/// The timeline of these faults, all of whose instants have passed.
fn overdue(kinds: Vec<FaultKind>) -> Timeline {
    let faults =
        kinds.into_iter().map(|kind| FaultSpec { at: Duration::ZERO, lasting: Some(SECOND), optional: false, kind });
    let mut timeline = Timeline::new(&Scenario { faults: faults.collect(), ..fixture::crashes().scenario });
    timeline.begin(Instant(1));
    timeline
}

fn turn(timeline: &mut Timeline, ground: &mut Done) -> Vec<&'static str> {
    let events = timeline.turn(ground, &Done::default()).into_iter();
    let name = |(_, event)| match event {
        RunEvent::FaultFired { .. } => "fired",
        RunEvent::FaultEffective { .. } => "effective",
        RunEvent::FaultStepped { .. } => "stepped",
        RunEvent::FaultHealed { .. } => "healed",
        RunEvent::FaultFailed { .. } => "failed",
        other => panic!("{other:?}"),
    };
    events.map(name).collect()
}

const SECOND: Duration = Duration::from_secs(1);

fn n4() -> NodeTarget {
    NodeTarget::Node("n4".to_owned())
}

#[test]
fn a_process_is_not_started_before_it_was_seen_to_end_however_late_it_is() {
    let half = SECOND / 2;
    let mut timeline = overdue(vec![FaultKind::CrashLoop { target: n4(), up: half / 2, down: half / 2 }]);
    let node = fixture::crashes().scenario.nodes.iter().position(|node| node.name == "n4").unwrap();
    let mut done = Done::default();
    assert_eq!(turn(&mut timeline, &mut done), ["fired"]);
    for round in 0..2 {
        assert_eq!(timeline.next(), None, "there is nothing to be done before it has ended");
        assert!(turn(&mut timeline, &mut done).is_empty());
        let seen = timeline.ended(node);
        assert_eq!(seen.len(), usize::from(round == 0), "an effect is seen once: {seen:?}");
        assert_eq!(turn(&mut timeline, &mut done), ["stepped"]);
        if round == 0 {
            assert_eq!(turn(&mut timeline, &mut done), ["stepped"]);
        }
    }
    assert_eq!(turn(&mut timeline, &mut done), ["healed"]);
    assert_eq!(done.0, ["kill", "start", "kill", "start"]);
    assert_eq!(timeline.next(), None);
}

#[test]
fn a_fault_that_is_refused_ends_and_leaves_others_alone() {
    let cpu = FaultKind::Cpu { target: n4(), cores: 0.5, from: 1.0, over: Duration::ZERO };
    let mut timeline =
        overdue(vec![cpu, FaultKind::Pause { target: n4() }, FaultKind::Kill { target: NodeTarget::Spare }]);
    let mut done = Done::default();
    assert_eq!(turn(&mut timeline, &mut done), ["fired", "failed", "fired", "failed"]);
    let node = fixture::crashes().scenario.nodes.iter().position(|node| node.name == "n4").unwrap();
    assert_eq!(timeline.paused(node), [RunEvent::FaultEffective { fault: 1 }]);
    assert_eq!(turn(&mut timeline, &mut done), ["healed"]);
    assert_eq!(done.0, ["freeze", "thaw"]);
}
