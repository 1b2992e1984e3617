//! Whether a model can fit into a cluster's memory at all, whatever the plan.

use planner::profile::{Cut, ModelProfile, Segment};
use planner::units::ByteSize;

use crate::scenario::{Role, Scenario};

/// Memory that is missing. What is not found here may still have no plan; what is found has none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Shortage {
    /// The model is larger than all workers together.
    #[error(
        "{model} can't fit: its weights are {}, and the {workers} workers have room for {}",
        mib(*.need), mib(*.room)
    )]
    Whole {
        /// The model.
        model: String,
        /// The size of its weights.
        need: ByteSize,
        /// Memory of all workers, without what their processes need for themselves.
        room: ByteSize,
        /// How many workers there are.
        workers: usize,
    },
    /// A part that can't be cut is larger than the largest worker.
    #[error(
        "{model} can't fit: its part between {from:?} and {to:?} can't be cut and needs {} ({operators}), and no worker has more than {}",
        mib(*.need), mib(*.most)
    )]
    Part {
        /// The model.
        model: String,
        /// The tensor before it.
        from: String,
        /// The tensor behind it.
        to: String,
        /// Its operators, in words.
        operators: String,
        /// What it needs, the process included.
        need: ByteSize,
        /// The largest memory of a worker.
        most: ByteSize,
    },
}

impl Shortage {
    /// How to put it right.
    pub fn help(&self) -> String {
        match self {
            Shortage::Whole { .. } => "give the nodes more memory, or the cluster more nodes".to_owned(),
            Shortage::Part { need, .. } => {
                format!("give at least one worker {} or more", ByteSize::from_mib(need.bytes().div_ceil(1 << 20)))
            }
        }
    }
}

fn mib(size: ByteSize) -> String {
    format!("{:.1} MiB", size.mib())
}

/// What makes it impossible to hold `profile`'s model on the workers of `scenario`; empty if nothing does.
pub fn check_capacity(scenario: &Scenario, profile: &ModelProfile) -> Vec<Shortage> {
    let workers = scenario.nodes.iter().filter(|node| node.role == Role::Worker);
    // Where more is claimed than there is, what there is counts.
    let workers: Vec<ByteSize> =
        workers.map(|node| node.claims.map_or(node.memory, |claims| claims.min(node.memory))).collect();
    let most = workers.iter().copied().max().unwrap_or_default();
    let own = profile.process_memory.bytes();
    let room: ByteSize = workers.iter().map(|memory| ByteSize::from_bytes(memory.bytes().saturating_sub(own))).sum();
    let need: ByteSize = profile.pieces.iter().map(|piece| piece.parameters).sum();
    let model = profile.model.clone();
    let mut shortages = Vec::new();
    if need > room {
        shortages.push(Shortage::Whole { model: model.clone(), need, room, workers: workers.len() });
    }
    let tensor = |cut: usize| profile.cuts.get(cut).map(Cut::name).unwrap_or_default();
    let largest = (0..profile.pieces.len())
        .map(|piece| (profile.memory(Segment { from: piece, to: piece + 1 }), piece))
        .max_by_key(|(memory, _)| *memory);
    if let Some((need, piece)) = largest.filter(|(need, _)| *need > most) {
        let operators = profile.pieces[piece].named();
        shortages.push(Shortage::Part { model, from: tensor(piece), to: tensor(piece + 1), operators, need, most });
    }
    shortages
}
