//! What the client does: asks, asks again, leaves and comes back.

use super::*;

impl World {
    pub(super) fn pump_client(&mut self) -> bool {
        let Some(client) = self.client else { return false };
        if let (0, Some(request)) = (self.choose(2), self.acks.pop_front()) {
            self.input(Input::Acknowledged { client, request });
            return true;
        }
        let Some(request) = self.to_client.pop_front() else { return false };
        *self.answers.entry(request).or_default() += 1;
        assert_eq!(self.answers[&request], 1, "request {request} was answered twice");
        self.unanswered.remove(&request);
        self.acks.push_back(request);
        true
    }

    /// The client sends what it has to send again, or else a new request.
    pub fn request_next(&mut self) {
        let request = self.resend.front().copied().unwrap_or(self.offered);
        if self.request(request) {
            self.resend.pop_front();
        }
    }

    /// A message comes once more.
    pub fn repeat(&mut self) {
        let Some(client) = self.client else { return };
        if !self.sent.is_empty() && self.credit > 0 {
            self.credit -= 1;
            let index = self.choose(self.sent.len());
            let request = self.sent[index];
            self.input(Input::Request { client, request, payload: request.to_le_bytes().to_vec().into() });
            if self.answers.contains_key(&request) {
                self.input(Input::Acknowledged { client, request });
            }
        }
        self.input(Input::Journaled { mark: 0 });
        let node = 1 + self.choose(NODES - 1);
        if let Some(said @ Input::Said { .. }) = self.nodes[node].outbox.front().cloned() {
            self.nodes[node].outbox.push_front(said);
        }
    }

    pub fn request(&mut self, request: u64) -> bool {
        let (Some(client), true) = (self.client, self.credit > 0) else { return false };
        self.credit -= 1;
        self.in_order.iter_mut().for_each(|line| line.push_back(request));
        self.offered = self.offered.max(request + 1);
        self.unanswered.insert(request);
        self.sent.push(request);
        self.input(Input::Request { client, request, payload: request.to_le_bytes().to_vec().into() });
        true
    }

    pub fn client_leaves(&mut self) {
        if let Some(client) = self.client.take() {
            self.to_client.clear();
            self.sent.clear();
            self.acks.clear();
            self.in_order.iter_mut().for_each(VecDeque::clear);
            self.credit = 0;
            self.input(Input::ClientLost { client });
        }
    }

    pub fn client_returns(&mut self) {
        if self.client.is_none() {
            self.clients += 1;
            (self.client, self.credit) = (Some(self.clients), 0);
            self.resend = self.unanswered.iter().copied().collect();
            let floor = self.resend.front().copied().unwrap_or(self.offered);
            self.acks = self.answers.keys().copied().filter(|request| *request >= floor).collect();
            self.input(Input::ClientConnected { client: self.clients, session: SESSION, floor });
        }
    }
}
