//! `slow`: a node's disk takes its time, as a worn flash memory or a disk that is resyncing does. Every read, write and sync takes
//! `delay` at least, and what is read and written passes at `rate`; the disk does one thing after the other.
//!
//! It needs a layer over the node's state folder ([`crate::sandbox::layer`]).

use super::catalogue::{Entry, Need};
use super::damage::Harm;
use super::steps::at_once;
use super::target::Aim;
use super::{FaultError, Hit};
use crate::scenario::{DiskPace, NodeTarget};

/// What there is to say of it.
pub const ENTRY: Entry = Entry {
    kind: "slow",
    happens: "each read, write and sync in the node's state folder takes `delay`, and bytes pass at `rate`; one after the other",
    healed: "the pace it had",
    notice: "the file operations take longer; what waits for them, too",
    needs: Need::Fuse,
    of_a_node: true,
    simulated: false,
};

/// What it does if it fires now.
pub fn aim(aim: &Aim<'_>, target: &NodeTarget, pace: DiskPace) -> Result<Hit, FaultError> {
    let node = aim.node(target)?;
    Ok(Hit::of_a_node(aim, node, at_once(vec![Harm::SlowDisk(node, pace)])))
}
