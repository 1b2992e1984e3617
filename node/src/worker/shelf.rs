//! Segments that are loaded and not at work: those that were prepared, and that of a stage which has ended.

use std::collections::BTreeMap;

use planner::profile::Segment;

use super::engine::Engine;
use crate::wire::message::Wanted;

/// What lies ready, and what is still to be loaded.
#[derive(Default)]
pub struct Shelf {
    held: BTreeMap<Segment, Box<dyn Engine>>,
    /// What the dispatcher wants to lie here; what a stage has taken is no longer among it.
    wanted: Vec<Wanted>,
    order: u64,
}

impl Shelf {
    /// The number of the newest `Prepare`, counted from one; zero when none was sent in this session.
    pub fn order(&self) -> u64 {
        self.order
    }

    /// From now on the dispatcher wants these. Drops what else lies here; tells whether there was any.
    pub fn want(&mut self, order: u64, wanted: Vec<Wanted>) -> bool {
        (self.order, self.wanted) = (order, wanted);
        self.tidy()
    }

    /// The dispatcher that wanted something is gone: what comes is no answer to another one.
    pub fn end_session(&mut self) {
        self.order = 0;
    }

    /// Drops what is not wanted; tells whether there was any.
    pub fn tidy(&mut self) -> bool {
        let (before, wanted) = (self.held.len(), &self.wanted);
        self.held.retain(|segment, _| wanted.iter().any(|wanted| wanted.segment == *segment));
        self.held.len() < before
    }

    /// Drops everything, and nothing is wanted any more; tells whether there was any.
    pub fn clear(&mut self) -> bool {
        self.wanted.clear();
        !std::mem::take(&mut self.held).is_empty()
    }

    /// A segment lies here from now on.
    pub fn put(&mut self, segment: Segment, engine: Box<dyn Engine>) {
        self.held.insert(segment, engine);
    }

    /// A stage takes a segment, which is wanted here no longer.
    pub fn take(&mut self, segment: Segment) -> Option<Box<dyn Engine>> {
        self.give_up(segment);
        self.held.remove(&segment)
    }

    /// A segment is not wanted any more.
    pub fn give_up(&mut self, segment: Segment) {
        self.wanted.retain(|wanted| wanted.segment != segment);
    }

    /// Whether a segment is wanted.
    pub fn wants(&self, segment: Segment) -> bool {
        self.wanted.iter().any(|wanted| wanted.segment == segment)
    }

    /// The first segment that is wanted and does not lie here, with its file.
    pub fn missing(&mut self) -> Option<Wanted> {
        let missing = self.wanted.iter_mut().find(|wanted| !self.held.contains_key(&wanted.segment))?;
        Some(Wanted { segment: missing.segment, file: missing.file.take() })
    }

    /// What lies here.
    pub fn segments(&self) -> impl Iterator<Item = Segment> {
        self.held.keys().copied()
    }
}
