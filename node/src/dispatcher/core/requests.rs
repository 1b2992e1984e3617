//! Requests: from the client into the chains, and back.

use bytes::Bytes;

use super::exchange::Output;
use super::ledger::{Admission, Answer, Sending};
use super::order::Order;
use super::{Core, Phase};
use crate::dispatcher::journal::record::Record;
use crate::planted::{self, Bug};
use crate::telemetry::Event;

/// A client's requests are numbered below this; tickets of the first client are its requests' own numbers.
pub const REQUESTS: u64 = 1 << 40;
/// How many requests may be on their way to be refused.
pub const TO_REFUSE: usize = 8;

impl Core {
    pub(super) fn client_connected(&mut self, client: u64, session: u64, floor: u64) {
        self.client = Some(client);
        self.credit = 0;
        self.order.iter_mut().for_each(Order::clear);
        self.promises.forget_client();
        if self.standing.sessions > 0 && self.standing.session == session {
            for ticket in self.ledger.acknowledge_below(self.ticket(floor.min(REQUESTS))) {
                self.record(Record::Settled { ticket });
            }
        } else {
            // Another client: the one before it, which knew of its requests, has ended.
            self.standing.session = session;
            self.standing.sessions += 1;
            self.ledger.clear();
            self.begin_journal();
        }
    }

    pub(super) fn client_lost(&mut self, client: u64) {
        if self.client == Some(client) {
            self.client = None;
        }
    }

    /// A request's number among those of all clients.
    fn ticket(&self, request: u64) -> u64 {
        self.standing.sessions.saturating_sub(1).saturating_mul(REQUESTS) + request
    }

    pub(super) fn request(&mut self, client: u64, request: u64, payload: Bytes) {
        if self.client != Some(client) {
            return;
        }
        self.credit = self.credit.saturating_sub(1);
        if let Some(reason) = self.reason_to_refuse(request) {
            // It was not admitted: it has no place in the line, and nothing to be remembered.
            return self.outputs.push(Output::Answer { request, answer: Answer::Refused { reason } });
        }
        let ticket = self.ticket(request);
        let admission = self.ledger.admit(client, ticket, payload.clone());
        match admission {
            Admission::Old => return,
            Admission::Waits => self.record(Record::Accepted { ticket, payload }),
            Admission::Known | Admission::Answered(_) => {}
        }
        self.promise(client, request);
        self.order.iter_mut().for_each(|order| order.enter(ticket));
        if let Admission::Answered(answer) = admission {
            self.answer(ticket, answer);
        }
    }

    fn reason_to_refuse(&self, request: u64) -> Option<String> {
        if request >= REQUESTS {
            return Some(format!("requests are numbered below {REQUESTS}"));
        }
        let (waiting, queue) = (self.ledger.waiting(), self.settings.queue);
        if waiting < queue || !self.ledger.is_new(self.ticket(request)) {
            return None;
        }
        match &self.phase {
            Phase::Stranded { reason } => {
                Some(format!("no plan is possible ({reason}), and {queue} requests wait for one already"))
            }
            // It was let come to be refused, and a plan is sought again: that may happen once, not again and again.
            _ => (waiting >= queue + TO_REFUSE).then(|| format!("{waiting} requests wait for a plan already")),
        }
    }

    /// The client has an answer.
    pub(super) fn acknowledged(&mut self, client: u64, request: u64) {
        if self.client == Some(client) && request < REQUESTS {
            let ticket = self.ticket(request);
            if self.ledger.acknowledge(ticket) {
                self.record(Record::Settled { ticket });
            }
        }
    }

    /// Passes an answer on if its request was sent last in that very epoch and chain.
    pub(super) fn settle(&mut self, ticket: u64, epoch: u32, chain: u16, answer: Answer) {
        let Some(settlement) = self.ledger.settle(ticket, (epoch, chain), &answer) else {
            return self.report(Event::StaleDropped { request: ticket, epoch });
        };
        if epoch == self.epoch {
            self.chains.done(chain, self.now.since_boot());
        }
        let Some(client) = settlement.client else { return };
        self.record(Record::Answered { ticket, answer: answer.clone() });
        for ticket in settlement.dropped {
            self.record(Record::Settled { ticket });
        }
        // Should its client be gone, it asks again when it comes back.
        if self.client == Some(client) {
            self.answer(ticket, answer);
        }
    }

    /// Gives the client an answer, now or when those before it have theirs.
    fn answer(&mut self, ticket: u64, answer: Answer) {
        let free = match &mut self.order {
            Some(order) => order.answered(ticket, answer),
            None => vec![(ticket, answer)],
        };
        let request = |ticket: u64| ticket % REQUESTS;
        let outputs = free.into_iter().map(|(ticket, answer)| Output::Answer { request: request(ticket), answer });
        self.outputs.extend(outputs);
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
            self.chains.sent(chain, now.since_boot());
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

    /// Lets the client send as much as the queue has room for; without a plan, a few more, to be refused. What waits
    /// for the journal counts as well, so that a slow disk holds the client back.
    pub(super) fn grant_credit(&mut self) {
        let taken = self.ledger.waiting().max(self.promises.awaited()) + self.credit;
        let mut room = self.settings.queue.saturating_sub(taken);
        if let Phase::Stranded { .. } = self.phase {
            room = room.max(TO_REFUSE.saturating_sub(self.credit));
        }
        if self.client.is_some() && room > 0 {
            self.credit += room;
            self.outputs.push(Output::Credit { requests: room });
        }
    }
}
