//! What a fault is to hit, as scenarios write it.

use crate::scenario::{FaultKind, NodeTarget, PairTarget};

/// What a fault is to hit, before that is known: `stage:1`, `n03→n07`.
pub fn asked(kind: &FaultKind) -> String {
    match kind {
        FaultKind::Kill { target }
        | FaultKind::Restart { target }
        | FaultKind::Pause { target }
        | FaultKind::CrashLoop { target, .. }
        | FaultKind::Clock { target, .. }
        | FaultKind::Oom { target }
        | FaultKind::Cpu { target, .. }
        | FaultKind::Straggler { target, .. }
        | FaultKind::Intermittent { target, .. }
        | FaultKind::DiskFull { target }
        | FaultKind::ReadOnly { target }
        | FaultKind::Slow { target, .. }
        | FaultKind::Eio { target, .. }
        | FaultKind::BitFlip { target, .. }
        | FaultKind::Truncate { target, .. } => node(target),
        FaultKind::Down { target } | FaultKind::Flap { target, .. } => pair(target, true),
        FaultKind::Blackhole { target, both }
        | FaultKind::Degrade { target, both, .. }
        | FaultKind::LossBurst { target, both, .. }
        | FaultKind::Reorder { target, both, .. }
        | FaultKind::Duplicate { target, both, .. }
        | FaultKind::Corrupt { target, both, .. }
        | FaultKind::Trace { target, both, .. } => pair(target, *both),
        FaultKind::Partition { groups, one_way } => {
            let between = if *one_way { " → " } else { " | " };
            groups.iter().map(|group| group.join(",")).collect::<Vec<_>>().join(between)
        }
    }
}

fn node(target: &NodeTarget) -> String {
    match target {
        NodeTarget::Node(name) => name.clone(),
        NodeTarget::Stage(stage) => format!("stage:{stage}"),
        NodeTarget::Spare => "spare".to_owned(),
    }
}

fn pair(target: &PairTarget, both: bool) -> String {
    match target {
        PairTarget::Nodes(from, to) => format!("{from}{}{to}", if both { "↔" } else { "→" }),
        PairTarget::AfterStage(stage) => format!("after stage:{stage}"),
    }
}
