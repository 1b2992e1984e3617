//! Requests: from the client into the chains, and back.

use bytes::Bytes;

use super::Core;
use super::exchange::Output;
use super::ledger::{Admission, Answer, Sending};
use super::order::Order;
use crate::planted::{self, Bug};
use crate::telemetry::Event;

impl Core {
    pub(super) fn client_connected(&mut self, client: u64) {
        self.client = Some(client);
        self.credit = 0;
        self.order.iter_mut().for_each(Order::clear);
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
        self.order.iter_mut().for_each(|order| order.enter(request));
        if let Admission::Answered(answer) = admission {
            self.answer(request, answer);
        }
    }

    /// Passes an answer on if its request was sent last in that very epoch and chain.
    pub(super) fn settle(&mut self, request: u64, epoch: u32, chain: u16, answer: Answer) {
        let Some(client) = self.ledger.settle(request, (epoch, chain), &answer) else {
            return self.report(Event::StaleDropped { request, epoch });
        };
        if epoch == self.epoch {
            self.chains.done(chain, self.now);
        }
        // Should its client be gone, it asks again when it comes back.
        if self.client == Some(client) {
            self.answer(request, answer);
        }
    }

    /// Gives the client an answer, now or when those before it have theirs.
    fn answer(&mut self, request: u64, answer: Answer) {
        let free = match &mut self.order {
            Some(order) => order.answered(request, answer),
            None => vec![(request, answer)],
        };
        self.outputs.extend(free.into_iter().map(|(request, answer)| Output::Answer { request, answer }));
    }

    /// Fills the chains up to their windows: first with what has to be sent again.
    pub(super) fn feed(&mut self) {
        let (epoch, now) = (self.epoch, self.now);
        let (mut feeds, mut replayed) = (Vec::new(), Vec::new());
        while let Some((chain, node)) = self.chains.pick().and_then(|chain| Some((chain, self.chains.first(chain)?))) {
            let fresh = self.may_run_ahead();
            let Some(Sending { request, payload, again }) = self.ledger.send_next(epoch, chain, fresh) else { break };
            if again && planted::has(Bug::DroppedReplay) {
                continue;
            }
            self.chains.sent(chain, now);
            if again {
                replayed.push(request);
            }
            feeds.push(Output::Feed { epoch, node, chain, request, payload });
        }
        if !replayed.is_empty() {
            self.report(Event::Replayed { epoch, requests: replayed });
        }
        self.outputs.extend(feeds);
    }

    /// Whether requests may be sent that were not before: no more answers are held back than the windows hold. But
    /// what the others wait for must get its turn.
    fn may_run_ahead(&self) -> bool {
        let Some(order) = &self.order else { return true };
        order.held() < self.chains.window() || order.head().is_some_and(|head| self.ledger.is_waiting(head))
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
