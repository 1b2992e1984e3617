//! Whom a fault hits: names and roles become hosts at the moment it fires.

use std::time::Duration;

use super::{FaultError, Holders};
use crate::scenario::network::{Direction, Network};
use crate::scenario::{NodeTarget, PairTarget};

/// What is known when a fault fires.
pub struct Aim<'a> {
    /// Names of the hosts: nodes, then switches.
    pub names: &'a [String],
    /// The network as it was built.
    pub network: &'a Network,
    /// Who holds what.
    pub holders: &'a dyn Holders,
    /// How long the fault can last: until it is healed, or the run ends.
    pub span: Duration,
    /// Whether it is healed then.
    pub heals: bool,
}

impl Aim<'_> {
    /// A host by name.
    pub fn host(&self, name: &str) -> Result<usize, FaultError> {
        let found = self.names.iter().position(|known| known == name);
        found.ok_or_else(|| FaultError::NoTarget(format!("there was no host {name:?}")))
    }

    /// The node that is meant.
    pub fn node(&self, target: &NodeTarget) -> Result<usize, FaultError> {
        match target {
            NodeTarget::Node(name) => self.host(name),
            NodeTarget::Stage(stage) => self.holder(*stage),
            NodeTarget::Spare => {
                self.holders.spare().ok_or_else(|| FaultError::NoTarget("no worker was without a stage".to_owned()))
            }
        }
    }

    /// The ordered pair that is meant.
    pub fn pair(&self, target: &PairTarget) -> Result<Direction, FaultError> {
        match target {
            PairTarget::Nodes(from, to) => Ok(Direction { from: self.host(from)?, to: self.host(to)? }),
            PairTarget::AfterStage(stage) => {
                let from = self.holder(*stage)?;
                let to = self.holders.behind(*stage).ok_or_else(|| nobody(*stage))?;
                Ok(Direction { from, to })
            }
        }
    }

    /// The pair, if it has a link or a medium of its own.
    pub fn neighbours(&self, target: &PairTarget) -> Result<Direction, FaultError> {
        let pair = self.pair(target)?;
        if self.network.directions().any(|(direction, _)| direction == pair) {
            return Ok(pair);
        }
        let (from, to) = (&self.names[pair.from], &self.names[pair.to]);
        Err(FaultError::NoTarget(format!("no link joined {from} and {to}")))
    }

    /// Whether what goes in a direction takes time besides its transmission, as the network was built.
    pub fn has_delay(&self, way: Direction) -> bool {
        self.network.directions().any(|(direction, shape)| direction == way && !shape.delay.is_zero())
    }

    /// `from→to`, or `from↔to` for both ways.
    pub fn arrow(&self, pair: Direction, both: bool) -> String {
        let arrow = if both { '↔' } else { '→' };
        format!("{}{arrow}{}", self.names[pair.from], self.names[pair.to])
    }

    fn holder(&self, stage: u16) -> Result<usize, FaultError> {
        self.holders.stage(stage).ok_or_else(|| nobody(stage))
    }
}

fn nobody(stage: u16) -> FaultError {
    FaultError::NoTarget(format!("nobody held stage {stage}"))
}

/// A direction and, if wanted, the other way.
pub fn ways(pair: Direction, both: bool) -> impl Iterator<Item = Direction> {
    [Some(pair), both.then(|| pair.reversed())].into_iter().flatten()
}
