//! What becomes of the journal, and of the dispatcher's process, which only that survives.

use super::*;

impl World {
    /// The disk takes some of what is on its way there, or fails.
    pub(super) fn write_journal(&mut self) -> bool {
        let count = 1 + self.choose(self.jobs.len());
        let (written, mark) = (self.take_jobs(count), self.disk.newest);
        match (written, self.disk_torn) {
            (false, _) => return false,
            (true, true) => self.input(Input::JournalFailed { mark, reason: "no space".to_owned() }),
            (true, false) => self.input(Input::Journaled { mark }),
        }
        true
    }

    /// So many jobs reach the disk, or are lost if it fails; `newest` is the mark of the last.
    pub(super) fn take_jobs(&mut self, count: usize) -> bool {
        let jobs: Vec<_> = self.jobs.drain(..count.min(self.jobs.len())).collect();
        let any = !jobs.is_empty();
        for (mark, job) in jobs {
            match job {
                _ if self.disk_fails => self.disk_torn = true,
                // A journal that has failed takes nothing until it is begun anew.
                Job::Append(_) if self.disk_torn => {}
                Job::Append(record) => self.disk.take(record),
                Job::Begin(known) => (self.disk, self.disk_torn) = (known, false),
            }
            self.disk.newest = mark;
        }
        any
    }

    pub fn journal_failed(&self) -> bool {
        self.journal_failed
    }

    /// Whether a request needs no memory but the disk's.
    pub(super) fn survives(&self, request: u64) -> bool {
        let disk = &self.disk;
        disk.open.contains_key(&request) || disk.answered.contains_key(&request) || !self.unanswered.contains(&request)
    }

    /// The dispatcher's process ends and another begins. Of what was on its way to the disk, some is there.
    pub fn dispatcher_crashes(&mut self) {
        // What it had learned is forgotten with it.
        self.refused.clear();
        self.client_leaves();
        let written = self.choose(self.jobs.len() + 1);
        self.take_jobs(written);
        self.jobs.clear();
        for request in &self.promised {
            assert!(self.survives(*request), "{request} was promised and is gone");
        }
        (self.question, self.rehearsal, self.crashes) = (None, None, self.crashes + 1);
        self.feeds.clear();
        self.feed_inputs.clear();
        for it in self.nodes.iter_mut().skip(1) {
            // Its heartbeats to the process before count, but they stop while it changes over, which may take it long here.
            it.blameless = false;
            it.outbox.clear();
            it.inbox.clear();
            it.inbox.extend(it.session.map(ToNode::Closed));
            it.established = None;
            it.cut = true;
        }
        if self.journal_failed {
            // Nothing says that the next one's epochs are higher, but those that are over are fenced off.
            self.tensors.clear();
            self.plans.retain(|epoch, _| *epoch <= self.disk.standing.epoch);
        }
        (self.journal_failed, self.disk_torn) = (false, false);
        self.core = Core::new(self.settings.clone(), self.now, &self.disk);
    }
}
