//! Requests: from the client into the pipeline, and back.

use bytes::Bytes;

use super::exchange::Output;
use super::ledger::{Admission, Answer};
use super::{Core, Phase};
use crate::telemetry::Event;

impl Core {
    pub(super) fn client_connected(&mut self, client: u64) {
        self.client = Some(client);
        self.credit = 0;
    }

    pub(super) fn client_lost(&mut self, client: u64) {
        if self.client == Some(client) {
            self.client = None;
        }
    }

    pub(super) fn request(&mut self, client: u64, request: u64, payload: Bytes) {
        if self.client != Some(client) {
            return;
        }
        self.credit = self.credit.saturating_sub(1);
        let admission = self.ledger.admit(client, request, payload);
        self.outputs.push(Output::Accepted { request });
        if let Admission::Answered(answer) = admission {
            self.outputs.push(Output::Answer { request, answer });
        }
    }

    pub(super) fn failed(&mut self, epoch: u32, request: u64, reason: String) {
        self.settle(request, epoch, Answer::Refused { reason });
    }

    /// Passes an answer on if its request is in flight in that very epoch.
    pub(super) fn settle(&mut self, request: u64, epoch: u32, answer: Answer) {
        match self.ledger.settle(request, epoch, &answer) {
            None => self.report(Event::StaleDropped { request, epoch }),
            Some(client) if self.client == Some(client) => self.outputs.push(Output::Answer { request, answer }),
            // Its client is gone. If it comes back it asks again.
            Some(_) => {}
        }
    }

    /// Sends again what was in flight when the epoch began.
    pub(super) fn replay(&mut self) {
        let epoch = self.epoch;
        let replayed = self.ledger.replay(epoch);
        if replayed.is_empty() {
            return;
        }
        let requests = replayed.iter().map(|(request, _)| *request).collect();
        self.report(Event::Replayed { epoch, requests });
        self.outputs.extend(replayed.into_iter().map(|(request, payload)| Output::Feed { epoch, request, payload }));
    }

    /// Fills the pipeline up to its window.
    pub(super) fn feed(&mut self) {
        if !matches!(self.phase, Phase::Serving) {
            return;
        }
        let stages = self.plan.as_ref().map_or(0, |plan| plan.stages.len());
        let window = self.settings.window.map_or(2 * stages + 2, |window| window.max(1) as usize);
        while self.ledger.in_flight() < window {
            let Some((request, payload)) = self.ledger.send_next(self.epoch) else { break };
            self.outputs.push(Output::Feed { epoch: self.epoch, request, payload });
        }
    }

    /// Lets the client send as much as the queue has room for.
    pub(super) fn grant_credit(&mut self) {
        let room = self.settings.queue.saturating_sub(self.ledger.waiting() + self.credit);
        if self.client.is_some() && room > 0 {
            self.credit += room;
            self.outputs.push(Output::Credit { requests: room });
        }
    }
}
