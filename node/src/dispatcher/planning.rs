//! The planner's thread: a plan may take longer to find than a heartbeat may be late.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use planner::onnx::{self, ModelError};
use planner::profile::Segment;
use planner::strategy::Problem;

use super::core::exchange::{Input, Question};
use super::{Happening, Shared};

/// How long a plan may be improved or proven.
const PATIENCE: Duration = Duration::from_millis(250);

/// A thread that answers questions; of those that wait, only the newest.
///
/// # Errors
/// When no thread can be made.
pub fn spawn(shared: Arc<Shared>, sender: Sender<Happening>) -> io::Result<Sender<Question>> {
    let (questions, asked) = channel::<Question>();
    let answer = move || {
        for question in &asked {
            let Question { attempt, excluded, severed, current } = asked.try_iter().last().unwrap_or(question);
            let config = &shared.config;
            let problem = Problem {
                profile: &shared.profile,
                cluster: &config.cluster,
                codec: config.codec,
                objective: config.objective,
                replicas: config.replicas,
                excluded: &excluded,
                severed: &severed,
                current: current.as_ref(),
            };
            let begun = Instant::now();
            // While a plan is sought nothing flows, or only what other chains take; a proof is worth less than time.
            let stop = || begun.elapsed() > PATIENCE;
            let found = config.strategy.plan(&problem, config.seed, &stop);
            let happening = Happening::Input(Input::PlanFound { attempt, found, took: begun.elapsed() });
            if sender.send(happening).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("planner".to_owned()).spawn(answer)?;
    Ok(questions)
}

/// The segment as an ONNX file, cut out of the model file.
///
/// # Errors
/// When the model file can't be read or cut.
pub fn segment_file(shared: &Shared, segment: Segment) -> Result<Vec<u8>, ModelError> {
    let mut file = Vec::new();
    onnx::write_segment(&shared.config.model, &shared.profile, segment, &mut file)?;
    Ok(file)
}
