//! What faults act on, for real: the fleet and the fabric of this run.

use crate::fabric::{Fabric, FabricError};
use crate::fault::Ground;
use crate::fleet::{Fleet, FleetError};
use crate::scenario::network::{Direction, Shape};

/// Processes and network together.
pub(super) struct Testbed<'a, 'f> {
    pub(super) fleet: &'a mut Fleet<'f>,
    pub(super) fabric: &'a Fabric,
    /// Nodes that were started again, to be written down.
    pub(super) started: Vec<usize>,
}

impl Ground for Testbed<'_, '_> {
    fn kill(&mut self, node: usize) -> Result<(), FleetError> {
        self.fleet.kill(node)
    }

    fn start(&mut self, node: usize) -> Result<(), FleetError> {
        self.fleet.restart(node)?;
        self.started.push(node);
        Ok(())
    }

    fn freeze(&mut self, node: usize, frozen: bool) -> Result<(), FleetError> {
        if frozen { self.fleet.pause(node) } else { self.fleet.resume(node) }
    }

    fn shape(&mut self, direction: Direction, shape: &Shape) -> Result<(), FabricError> {
        self.fabric.set_shape(direction, shape).map(|_| ())
    }

    fn block(&mut self, from: usize, to: usize, blocked: bool) -> Result<(), FabricError> {
        if blocked { self.fabric.block(from, to) } else { self.fabric.unblock(from, to) }
    }
}
