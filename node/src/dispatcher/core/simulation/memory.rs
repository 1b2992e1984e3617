//! What a simulated worker has loaded. It is the worker's own rules in a few lines: a mistake in either shows as a segment that the
//! dispatcher takes for held and is not.

use std::collections::{BTreeMap, BTreeSet};

use planner::profile::Segment;

use crate::wire::message::ToDispatcher;

/// Segments that fit into a worker's memory.
const ROOM: usize = 2;

pub struct Held {
    pub epoch: u32,
    pub stage: u16,
    pub segment: Segment,
    /// The node that is next on each chain.
    pub next: BTreeMap<u16, usize>,
    /// Whether its segment is there.
    pub ready: bool,
    /// Whether that had to be loaded.
    pub cold: bool,
    /// Whether it can't be read from the worker's own storage.
    pub unreadable: bool,
    /// Whether it is asked of the dispatcher.
    pub waits: bool,
    /// Whether it has said so, and takes tensors.
    pub loaded: bool,
    pub lost: BTreeSet<usize>,
}

#[derive(Default)]
pub struct Memory {
    pub stage: Option<Held>,
    shelf: BTreeSet<Segment>,
    wanted: Vec<Segment>,
    order: u64,
    loading: Option<Segment>,
}

impl Memory {
    pub fn is_ready(&self) -> bool {
        self.stage.as_ref().is_some_and(|held| held.ready)
    }

    pub fn is_loading(&self) -> bool {
        self.loading.is_some()
    }

    fn check(&self) {
        let all = self.shelf.len() + usize::from(self.is_ready()) + usize::from(self.is_loading());
        assert!(all <= ROOM, "{all} segments in memory");
    }

    fn stop(&mut self) {
        if let Some(Held { segment, ready: true, .. }) = self.stage.take() {
            self.shelf.insert(segment);
        }
    }

    fn tidy(&mut self) {
        self.shelf.retain(|segment| self.wanted.contains(segment));
    }

    pub fn drop_all(&mut self) {
        self.stop();
        self.shelf.clear();
        self.wanted.clear();
    }

    pub fn end_session(&mut self) {
        self.stop();
        self.order = 0;
    }

    pub fn release(&mut self) {
        self.stop();
        self.tidy();
    }

    /// Makes room for a segment; tells whether it has to be loaded.
    pub fn assign(&mut self, segment: Segment) -> bool {
        self.stop();
        self.wanted.retain(|other| *other != segment);
        let held = self.shelf.remove(&segment);
        if held {
            self.tidy();
        } else {
            self.drop_all();
        }
        !held
    }

    pub fn prepare(&mut self, order: u64, wanted: Vec<Segment>) -> Vec<ToDispatcher> {
        assert!(order > self.order, "orders rise");
        let own = self.stage.as_ref().map(|held| held.segment);
        assert!(wanted.iter().all(|segment| Some(*segment) != own), "its stage has that");
        (self.order, self.wanted) = (order, wanted);
        self.tidy();
        self.shelf.iter().map(|segment| ToDispatcher::Prepared { order, segment: *segment }).collect()
    }

    /// The segment that was asked for has come.
    pub fn receive(&mut self, epoch: u32) {
        if let Some(held) = self.stage.as_mut().filter(|held| held.epoch == epoch) {
            held.waits = false;
        }
    }

    /// What it says of segments that it does not load.
    pub fn load_next(&mut self, mut refuses: impl FnMut(Segment) -> bool) -> Vec<ToDispatcher> {
        let mut said = Vec::new();
        if self.loading.is_some() {
            return said;
        }
        match &self.stage {
            Some(Held { waits: true, .. }) => return said,
            Some(Held { segment, ready: false, .. }) => self.loading = Some(*segment),
            _ => {}
        }
        while self.loading.is_none() {
            let Some(segment) = self.wanted.iter().copied().find(|segment| !self.shelf.contains(segment)) else {
                break;
            };
            if self.shelf.len() + usize::from(self.stage.is_some()) < ROOM && !refuses(segment) {
                self.loading = Some(segment);
            } else {
                self.wanted.retain(|other| *other != segment);
                said.push(ToDispatcher::Unprepared { order: self.order, segment, reason: "no".to_owned() });
            }
        }
        self.check();
        said
    }

    /// The segment that is being loaded is there.
    pub fn loaded(&mut self) -> Option<ToDispatcher> {
        let segment = self.loading.take()?;
        if let Some(held) = self.stage.as_mut().filter(|held| held.segment == segment && !held.ready) {
            if std::mem::take(&mut held.unreadable) {
                held.waits = true;
                return Some(ToDispatcher::Unreadable { epoch: held.epoch });
            }
            held.ready = true;
            return None;
        }
        let wanted = self.wanted.contains(&segment);
        if wanted {
            self.shelf.insert(segment);
        }
        self.check();
        wanted.then_some(ToDispatcher::Prepared { order: self.order, segment })
    }
}
