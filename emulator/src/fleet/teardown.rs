//! The end of a fleet: every process is asked, waited for and if need be killed; every failure is told, none stops the rest.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use node::telemetry::Command;

use super::process::Ending;
use super::{Fleet, FleetError, Heard};

/// How long a killed process may take to go: it may be in the middle of writing to a slow disk.
const DYING: Duration = Duration::from_secs(5);

impl Fleet<'_> {
    /// Asks every process to end, kills those that have not within `patience`, and removes the nodes' limits and state
    /// folders. Returns everything that went wrong; folders and logs stay.
    pub fn teardown(mut self, patience: Duration, mut hear: impl FnMut(usize, Heard)) -> Vec<FleetError> {
        let mut errors = Vec::new();
        for number in 0..self.nodes.len() {
            if self.nodes[number].process.is_some() {
                errors.extend(self.resume(number).err());
                // Who can't be told is found at the deadline.
                let _ = self.send(number, &Command::Exit);
            }
            if let Some(process) = &mut self.nodes[number].process
                && process.ending == Ending::Nothing
            {
                process.ending = Ending::Asked;
            }
        }
        self.wait_until(Instant::now() + patience, &mut hear, &mut errors);
        for node in &self.nodes {
            if let Some(process) = &node.process {
                errors.push(FleetError::Deaf { node: node.name.clone(), patience });
                let killed = process.signal(Signal::SIGKILL);
                errors.extend(killed.err().map(|errno| FleetError::Signal { node: node.name.clone(), errno }));
            }
        }
        self.wait_until(Instant::now() + DYING, &mut hear, &mut errors);
        for node in self.nodes {
            if node.process.is_some() {
                errors.push(FleetError::Undead { node: node.name.clone() });
            }
            let name = node.name;
            let groups = node.group.remove().into_iter();
            errors.extend(groups.map(|source| FleetError::Limits { node: name.clone(), source }));
            errors.extend(node.state.close().err().map(|source| FleetError::State { node: name.clone(), source }));
        }
        errors
    }

    fn wait_until(&mut self, deadline: Instant, hear: &mut impl FnMut(usize, Heard), errors: &mut Vec<FleetError>) {
        while self.running() > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            let done = self.wait(left).and_then(|()| self.service(&mut *hear));
            if let Err(error) = done {
                errors.push(error);
                return;
            }
            if left.is_zero() {
                return;
            }
        }
    }
}
