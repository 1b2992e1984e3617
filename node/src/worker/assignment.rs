//! What becomes of segments and the stage: assigned, loaded, connected, at work, over; and what is prepared beside it.
//!
//! One segment is loaded at a time. That of a stage comes first; a load that is under way is waited for, since the memory
//! that it takes is given back only then.

use std::collections::BTreeSet;
use std::io;
use std::net::TcpStream;
use std::time::Duration;

use planner::profile::Segment;

use super::core::{Loading, Running, State, no_such};
use super::engine::{Engine, EngineError};
use super::loading::{self, Loaded, Pace};
use super::outbound;
use super::stage::{Role, Stage};
use super::unread::Source;
use crate::memory;
use crate::planted;
use crate::telemetry::Event;
use crate::wire::frame::Frame;
use crate::wire::message::{NextHop, ToDispatcher, Wanted};

/// Within this a connection to the next stage is made at least: a lost SYN is repeated after one second.
const CONNECT_LIMIT: Duration = Duration::from_millis(1500);

impl Running {
    pub(super) fn assign(&mut self, role: Role, segment: Segment, file: Option<Vec<u8>>, next: Vec<NextHop>) {
        planted::leak(role.epoch);
        self.attempts += 1;
        let (worker, missed) = self.greeted();
        let limit = (self.core.interval.get() * missed).max(CONNECT_LIMIT);
        // First of all, as what follows may wait for a computation to end.
        for hop in &next {
            let hello = Frame::hello(role.epoch, worker);
            outbound::connect((self.core.own, &self.core.secret), hop, limit, hello, self.attempts, &self.core.sender);
        }
        self.enter(role.epoch);
        let engine = self.shelf.take(segment);
        let dropped = match engine {
            Some(_) => self.shelf.tidy(),
            // What was prepared was to lie beside another segment: there may be no room for it beside this one.
            None => self.shelf.clear(),
        };
        self.loading.iter_mut().for_each(|loading| loading.kept = loading.segment == segment);
        let loaded = engine.is_none();
        let source = file.map_or(Source::Storage, Source::Sent);
        self.state = State::Connecting { role, segment, engine, source, loaded, hops: next, made: Vec::new() };
        if dropped {
            memory::trim();
        }
        self.load_next();
        self.start_if_ready();
    }

    pub(super) fn release(&mut self, epoch: u32) {
        self.enter(epoch);
        self.shelf.tidy();
        self.forget_loading();
        memory::trim();
    }

    pub(super) fn prepare(&mut self, order: u64, wanted: Vec<Wanted>) {
        let at_work = self.segment();
        let (known, unknown) = wanted.into_iter().partition(|wanted| self.exists(wanted.segment));
        let (theirs, known): (Vec<Wanted>, Vec<Wanted>) =
            Vec::into_iter(known).partition(|wanted| Some(wanted.segment) == at_work);
        let dropped = self.shelf.want(order, known);
        self.forget_loading();
        for Wanted { segment, .. } in Vec::into_iter(unknown) {
            self.answer(&ToDispatcher::Unprepared { order, segment, reason: no_such(segment) });
        }
        for segment in theirs.into_iter().map(|wanted| wanted.segment) {
            let reason = "its stage holds that segment".to_owned();
            self.answer(&ToDispatcher::Unprepared { order, segment, reason });
        }
        for segment in self.shelf.segments().collect::<Vec<_>>() {
            self.answer(&ToDispatcher::Prepared { order, segment });
        }
        if dropped {
            memory::trim();
        }
        self.load_next();
    }

    /// What is being loaded for a stage that is over is not kept any more.
    fn forget_loading(&mut self) {
        self.loading.iter_mut().for_each(|loading| loading.kept = false);
    }

    /// Loads the stage's segment, or else what is to be prepared and fits.
    pub(super) fn load_next(&mut self) {
        if self.loading.is_some() {
            return;
        }
        let (loader, sender) = (self.core.loader.clone(), self.core.sender.clone());
        if let State::Connecting { segment, engine: None, source, .. } = &mut self.state {
            let file = match source {
                Source::Storage => None,
                Source::Sent(file) => Some(std::mem::take(file)),
                // Nothing is put beside a segment that is about to come.
                Source::Asked { .. } => return,
            };
            self.loading = Some(Loading { segment: *segment, kept: true });
            return loading::load(&loader, *segment, file, Pace::Urgent, &sender);
        }
        while let Some(Wanted { segment, file }) = self.shelf.missing() {
            match self.room_for(segment) {
                Ok(()) => {
                    let pace = Pace::Background { beside_a_stage: self.segment().is_some() };
                    self.loading = Some(Loading { segment, kept: false });
                    return loading::load(&loader, segment, file, pace, &sender);
                }
                Err(reason) => self.unprepared(segment, reason),
            }
        }
    }

    /// Whether a segment fits beside the stage's and those that lie ready.
    fn room_for(&self, segment: Segment) -> Result<(), String> {
        let Some(limit) = self.core.limit else { return Ok(()) };
        let together: Vec<Segment> = self.shelf.segments().chain(self.segment()).chain([segment]).collect();
        let need = self.core.profile.memory_together(&together);
        if need <= limit { Ok(()) } else { Err(format!("{need} would be needed together, and there are {limit}")) }
    }

    fn unprepared(&mut self, segment: Segment, reason: String) {
        tracing::warn!(?segment, reason, "a segment is not prepared");
        self.shelf.give_up(segment);
        self.answer(&ToDispatcher::Unprepared { order: self.shelf.order(), segment, reason });
    }

    pub(super) fn loaded(&mut self, Loaded { segment, engine, took }: Loaded) {
        let kept = self.loading.take().is_some_and(|loading| loading.kept);
        match (engine, &mut self.state) {
            (Ok(loaded), State::Connecting { role, segment: awaited, engine: engine @ None, .. })
                if *awaited == segment =>
            {
                let Role { epoch, stage, .. } = *role;
                *engine = Some(loaded);
                self.core.telemetry.tell(Event::SegmentLoaded { epoch, stage, took, resident: memory::resident() });
                self.start_if_ready();
            }
            (Err(error), State::Connecting { segment: awaited, engine: None, source: Source::Storage, .. })
                if *awaited == segment && error.is_of_the_file() =>
            {
                self.ask(error.to_string());
            }
            (Err(error), State::Connecting { role, segment: awaited, engine: None, .. }) if *awaited == segment => {
                let epoch = role.epoch;
                self.state = State::None;
                let shortage = if let EngineError::TooLarge(shortage) = error { Some(shortage) } else { None };
                self.refuse(epoch, shortage, error.to_string());
            }
            (Ok(engine), _) if self.shelf.wants(segment) => {
                self.shelf.put(segment, engine);
                self.core.telemetry.tell(Event::Prepared { segment, took, resident: memory::resident() });
                self.answer(&ToDispatcher::Prepared { order: self.shelf.order(), segment });
            }
            (Ok(engine), _) if kept => self.shelf.put(segment, engine),
            (Ok(engine), _) => {
                drop(engine);
                memory::trim();
            }
            (Err(error), _) if self.shelf.wants(segment) => self.unprepared(segment, error.to_string()),
            (Err(error), _) => tracing::info!(?segment, %error, "a segment that nobody waits for can't be loaded"),
        }
        self.load_next();
    }

    pub(super) fn connected(&mut self, next: u32, stream: Option<TcpStream>) {
        let State::Connecting { role, hops, made, .. } = &mut self.state else { return };
        let epoch = role.epoch;
        let hop = hops.iter().position(|hop| hop.node == next).map(|hop| hops.swap_remove(hop));
        let Some((hop, stream)) = hop.zip(stream) else {
            self.stop();
            return self.answer(&ToDispatcher::NextLost { epoch, next });
        };
        made.push((hop, stream));
        self.start_if_ready();
    }

    /// Starts the stage if everything is loaded and connected.
    fn start_if_ready(&mut self) {
        let (role, segment, loaded, engine, outputs) = match std::mem::replace(&mut self.state, State::None) {
            State::Connecting { role, segment, engine: Some(engine), loaded, hops, made, .. } if hops.is_empty() => {
                (role, segment, loaded, engine, made)
            }
            other => return self.state = other,
        };
        let epoch = role.epoch;
        match self.run(role, engine, outputs) {
            Ok(mut stage) => {
                let (ours, others) = std::mem::take(&mut self.waiting).into_iter().partition(|it| it.epoch == epoch);
                self.waiting = others;
                Vec::into_iter(ours).for_each(|inbound| stage.take_from(inbound));
                self.state = State::Running { segment, stage, lost: BTreeSet::new() };
                self.answer(&ToDispatcher::Loaded { epoch, loaded, resident: memory::resident() });
            }
            Err(error) => self.refuse(epoch, None, format!("the stage could not be started: {error}")),
        }
    }

    fn run(&self, role: Role, engine: Box<dyn Engine>, outputs: Vec<(NextHop, TcpStream)>) -> io::Result<Stage> {
        let watched: Vec<(u32, TcpStream)> =
            outputs.iter().map(|(hop, stream)| Ok((hop.node, stream.try_clone()?))).collect::<io::Result<_>>()?;
        let sender = &self.core.sender;
        let (own, telemetry) = ((&self.core.processor, &self.identity), self.core.telemetry.clone());
        let stage = Stage::start(role, engine, outputs, own, sender.clone(), telemetry)?;
        let (_, missed) = self.greeted();
        let watched = watched.into_iter();
        match outbound::watch(watched, role.epoch, self.core.interval.get(), missed, sender) {
            Ok(()) => Ok(stage),
            Err(error) => {
                // Or its threads would wait for ever.
                drop(stage.stop());
                Err(error)
            }
        }
    }

    /// The segment of the stage, if there is one.
    fn segment(&self) -> Option<Segment> {
        match &self.state {
            State::None => None,
            State::Connecting { segment, .. } | State::Running { segment, .. } => Some(*segment),
        }
    }

    /// A new epoch begins: what belongs to older ones ends.
    fn enter(&mut self, epoch: u32) {
        self.stop();
        self.epoch = epoch;
        self.identity.enter(epoch);
        self.waiting.retain(|inbound| inbound.epoch >= epoch);
    }

    /// Ends the stage; its segment stays loaded.
    pub(super) fn stop(&mut self) {
        let left = match std::mem::replace(&mut self.state, State::None) {
            State::None => None,
            State::Connecting { segment, engine, .. } => Some(segment).zip(engine),
            State::Running { segment, stage, .. } => Some(segment).zip(stage.stop()),
        };
        if let Some((segment, engine)) = left {
            self.shelf.put(segment, engine);
        }
    }
}
