//! Whether a resolved scenario that was read back from a file can be one: what resolving makes sure of, looked at again.
//!
//! Everything that computes from a scenario rests on this. A file may have been damaged or changed by hand since.

use std::time::Duration;

use node::config::Load;

use super::{Role, Scenario};

/// No time of a scenario is longer: a hundred days.
pub const LONGEST: Duration = Duration::from_secs(8_640_000);

impl Scenario {
    /// Why this can't be a scenario that was resolved; `None` if it can.
    pub fn unsound(&self) -> Option<&'static str> {
        let with = |role: Role| self.nodes.iter().filter(|node| node.role == role).count();
        let heartbeat = self.inference().map_or(Duration::ZERO, |inference| inference.plan.heartbeat);
        let times = [self.duration, self.warmup, self.drain, heartbeat];
        let slow = |factor: f64| !(factor > 0.0 && factor.is_finite());
        let hosts = self.nodes.len() + self.network.switches.len();
        let outside = |host: &usize| *host >= hosts;
        let links = self.network.links.iter().flat_map(|link| [link.a, link.b]);
        let media = || self.network.media.iter();
        if let Some(reason) = self.commands().and_then(|commands| commands.unsound(self.nodes.len())) {
            return Some(reason);
        }
        let inference = self.inference().is_some();
        if inference && (with(Role::Client) != 1 || with(Role::Dispatcher) != 1 || with(Role::Worker) == 0) {
            return Some("its nodes are not one client, one dispatcher and workers");
        }
        if times.iter().any(|time| *time > LONGEST) || self.faults.iter().any(|fault| fault.at > LONGEST) {
            return Some("a time in it is longer than a hundred days");
        }
        if self.nodes.iter().any(|node| slow(node.slowdown)) {
            return Some("a node in it computes at no possible speed");
        }
        let nothing = match self.load() {
            Load::Closed { concurrency } => concurrency == 0,
            Load::Open { rate_per_s, .. } => slow(rate_per_s),
        };
        if nothing {
            return Some("its load offers nothing");
        }
        if self.network.nodes != self.nodes.len() {
            return Some("its network has other nodes than it has itself");
        }
        if links.chain(media().flat_map(|medium| medium.members.iter().copied())).any(|host| outside(&host)) {
            return Some("its network joins hosts that there are not");
        }
        let square = |count: usize, rows: &[Vec<super::network::Shape>]| {
            rows.len() == count && rows.iter().all(|row| row.len() == count)
        };
        if media().any(|medium| !square(medium.members.len(), &medium.shapes)) {
            return Some("a medium in it has not a shape for each pair of its members");
        }
        None
    }
}
