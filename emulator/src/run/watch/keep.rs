//! The time after the load, while a cluster is kept up for somebody to look around in.
//!
//! The record of the run is complete by then: what nodes say now, and what a visitor does to them, is not written into it.

use std::os::fd::AsFd;

use nix::sys::signal::Signal;
use node::clock::Instant;

use super::{BEAT, Watch, wait};
use crate::fleet::{Fleet, Heard};
use crate::record::event::RunEvent;
use crate::record::summary::words::in_words;
use crate::run::RunError;

impl Watch<'_> {
    /// Leaves everything up until the user presses Enter or interrupts.
    pub(in crate::run) fn keep(&mut self, fleet: &mut Fleet<'_>, failed: Option<&RunError>) -> Result<(), RunError> {
        if let Some(error) = failed {
            self.progress.line(&format!("the run has failed: {error}"));
        }
        self.results.flush();
        let run = self.results.title();
        self.progress.line(&format!(
            "the cluster stays up: `emu shell {run} NODE`, `emu exec {run} NODE -- COMMAND`, `emu top {run}`; \
             Enter or Ctrl-C ends it"
        ));
        self.progress.phase("kept");
        loop {
            wait([fleet.as_fd(), self.sandbox.signals().as_fd()].into_iter(), Instant::now() + BEAT * 10);
            while let Ok(Some(signal)) = self.sandbox.signals().next() {
                if matches!(signal, Signal::SIGINT | Signal::SIGTERM | Signal::SIGUSR1) {
                    return Ok(());
                }
            }
            let mut ended = Vec::new();
            fleet.service(|node, what| {
                if let Heard::Exited(_, cause) = what {
                    ended.push((node, cause));
                }
            })?;
            for (node, cause) in ended {
                self.progress.line(&format!("{} ended: {}", self.scenario.nodes[node].name, in_words(cause)));
                self.results.show(RunEvent::NodeExited { node: self.scenario.nodes[node].name.clone(), cause });
            }
        }
    }
}
