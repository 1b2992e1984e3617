//! What faults act on, for real: the fleet and the fabric of this run.

use std::time::Duration;

use node::telemetry::Command;

use crate::fabric::{Fabric, FabricError};
use crate::fault::Ground;
use crate::fault::damage::{Death, Spoil};
use crate::fleet::{Fleet, FleetError};
use crate::sandbox::Defects;
use crate::sandbox::layer::Trouble;
use crate::scenario::network::{Direction, Shape};

/// Processes and network together.
pub(super) struct Testbed<'a, 'f> {
    pub(super) fleet: &'a mut Fleet<'f>,
    pub(super) fabric: &'a Fabric,
    /// Nodes that were started again, to be written down.
    pub(super) started: Vec<usize>,
}

impl Ground for Testbed<'_, '_> {
    fn kill(&mut self, node: usize, how: Death) -> Result<(), FleetError> {
        match how {
            Death::Signal => self.fleet.kill(node),
            Death::Memory => self.fleet.starve(node),
        }
    }

    fn start(&mut self, node: usize) -> Result<(), FleetError> {
        self.fleet.restart(node)?;
        self.started.push(node);
        Ok(())
    }

    fn advance(&mut self, node: usize, ahead: Duration) {
        self.fleet.advance(node, ahead);
    }

    fn freeze(&mut self, node: usize, frozen: bool) -> Result<(), FleetError> {
        if frozen { self.fleet.pause(node) } else { self.fleet.resume(node) }
    }

    fn slow(&mut self, node: usize, factor: f64) -> Result<(), FleetError> {
        self.fleet.send(node, &Command::Slow { factor })
    }

    fn throttle(&mut self, node: usize, cores: Option<f64>) -> Result<(), FleetError> {
        self.fleet.throttle(node, cores)
    }

    fn store(&mut self, node: usize, defects: Defects) -> Result<(), FleetError> {
        self.fleet.set_defects(node, defects)
    }

    fn trouble(&mut self, node: usize, trouble: Trouble) -> Result<(), FleetError> {
        self.fleet.set_trouble(node, trouble)
    }

    fn spoil(&mut self, node: usize, spoil: &Spoil) -> Result<(), FleetError> {
        self.fleet.spoil(node, spoil).map(drop)
    }

    fn shape(&mut self, direction: Direction, shape: &Shape) -> Result<(), FabricError> {
        self.fabric.set_shape(direction, shape).map(|_| ())
    }

    fn block(&mut self, from: usize, to: usize, blocked: bool) -> Result<(), FabricError> {
        if blocked { self.fabric.block(from, to) } else { self.fabric.unblock(from, to) }
    }
}
