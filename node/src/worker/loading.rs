//! Loading a segment, in a thread of its own: the core goes on meanwhile.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use planner::profile::Segment;

use super::core::Input;
use super::engine::{Engine, EngineError, Loader};
use crate::clock::Instant;
use crate::memory;

/// What came of loading a segment.
pub struct Loaded {
    /// The segment.
    pub segment: Segment,
    /// Its engine.
    pub engine: Result<Box<dyn Engine>, EngineError>,
    /// Time it took.
    pub took: Duration,
}

/// How a segment is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Somebody waits for it.
    Urgent,
    /// Nobody does.
    Background {
        /// A stage is at work meanwhile.
        beside_a_stage: bool,
    },
}

/// Loads `segment`; the core is told what came of it.
pub fn load(loader: &Arc<dyn Loader>, segment: Segment, file: Option<Vec<u8>>, pace: Pace, core: &Sender<Input>) {
    let (loader, sender) = (loader.clone(), core.clone());
    let load = move || {
        let began = Instant::now();
        if let Pace::Background { .. } = pace {
            memory::step_back();
        }
        let load = AssertUnwindSafe(|| loader.load(segment, file));
        let load = || catch_unwind(load).unwrap_or_else(|_| Err(EngineError::Panicked("while loading".to_owned())));
        let engine = match pace {
            // What is loaded goes into this thread's heap: the stage's own has no holes of it.
            Pace::Background { beside_a_stage: true } => {
                let engine = load();
                memory::trim();
                engine
            }
            _ => memory::while_loading(load),
        };
        // The core ends only with the process.
        let _ = sender.send(Input::Loaded(Loaded { segment, engine, took: Instant::now().since(began) }));
    };
    if let Err(error) = thread::Builder::new().name("load".into()).spawn(load) {
        let _ = core.send(Input::Loaded(Loaded { segment, engine: Err(error.into()), took: Duration::ZERO }));
    }
}
