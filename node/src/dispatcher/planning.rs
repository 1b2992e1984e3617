//! The planner's threads: a plan may take longer to find than a heartbeat may be late. It also measures the
//! cluster before the first plan, if the dispatcher is told to: then nothing else goes on.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use planner::cluster::{Cluster, Path};
use planner::onnx::{self, ModelError};
use planner::plan::Plan;
use planner::profile::Segment;
use planner::strategy::{self, MARGIN, PlanError, Problem, Stop, substituted};

use super::core::exchange::{Input, Question};
use super::{Happening, Shared};
use crate::config::{Bandwidth, PROBE_LIMIT};
use crate::memory;
use crate::probe::Measured;
use crate::probe::survey::survey;
use crate::program::read_json;
use crate::telemetry::{Event, Telemetry};

/// How long a plan may be improved or proven.
const PATIENCE: Duration = Duration::from_millis(250);

/// Two threads that answer questions; of those that wait, only the newest.
pub struct Planner {
    /// Answered as soon as possible.
    pub questions: Sender<Question>,
    /// Answered when there is time.
    pub rehearsals: Sender<Question>,
}

/// Starts the threads.
///
/// # Errors
/// When no thread can be made.
pub fn spawn(shared: Arc<Shared>, telemetry: Telemetry, sender: Sender<Happening>) -> io::Result<Planner> {
    let (questions, asked) = channel::<Question>();
    let (rehearsals, rehearsed) = channel::<Question>();
    let known: Arc<OnceLock<Cluster>> = Arc::default();
    let background = rehearse(shared.clone(), known.clone(), rehearsed, sender.clone());
    let answer = move || {
        for question in &asked {
            let cluster = known.get_or_init(|| match shared.own.bandwidth {
                Bandwidth::Configured => shared.config.cluster.clone(),
                // The process before has measured them while nothing else went on; now requests are under way.
                Bandwidth::Probed => remembered(&shared).unwrap_or_else(|| {
                    let cluster = probe(&shared, &question.excluded, &telemetry);
                    remember(&shared, &cluster);
                    cluster
                }),
            });
            let question = asked.try_iter().last().unwrap_or(question);
            let begun = Instant::now();
            // While a plan is sought nothing flows, or only what other chains take; a proof is worth less than time.
            let stop = || begun.elapsed() > PATIENCE;
            let cluster = question.lessons.applied_to(cluster);
            let found = find(&shared, &cluster, &question, &stop);
            let gain = found.as_ref().map_or(0.0, |plan| plan.gain(&problem(&shared, &cluster, &question)));
            let input = Input::PlanFound { attempt: question.attempt, found, gain, took: begun.elapsed() };
            if sender.send(Happening::Input(input)).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("planner".to_owned()).spawn(answer)?;
    thread::Builder::new().name("rehearsal".to_owned()).spawn(background)?;
    Ok(Planner { questions, rehearsals })
}

fn problem<'a>(shared: &'a Shared, cluster: &'a Cluster, question: &'a Question) -> Problem<'a> {
    Problem {
        profile: &shared.profile,
        cluster,
        codec: shared.config.codec,
        objective: shared.config.objective,
        replicas: shared.config.replicas,
        excluded: &question.excluded,
        severed: &question.severed,
        current: question.current.as_ref(),
    }
}

/// A plan; the one in force with what lies ready in place of what was lost, if that is good enough.
fn find(shared: &Shared, cluster: &Cluster, question: &Question, stop: Stop<'_>) -> Result<Plan, PlanError> {
    let problem = problem(shared, cluster, question);
    let found = shared.config.strategy.plan(&problem, shared.config.seed, stop);
    let current = problem.current.filter(|_| !question.ready.is_empty());
    let warm = current.and_then(|current| substituted(&problem, current, &question.ready));
    let good = |warm: &Plan| {
        let longest = |found: &Plan| found.prediction.bottleneck.as_secs_f64() * MARGIN;
        found.as_ref().map_or(true, |found| warm.prediction.bottleneck.as_secs_f64() <= longest(found))
    };
    match warm.filter(good) {
        Some(warm) => Ok(warm),
        None => found,
    }
}

/// What answers questions about what may happen.
fn rehearse(
    shared: Arc<Shared>,
    known: Arc<OnceLock<Cluster>>,
    asked: Receiver<Question>,
    sender: Sender<Happening>,
) -> impl FnOnce() {
    move || {
        memory::step_back();
        for question in &asked {
            let question = asked.try_iter().last().unwrap_or(question);
            // There is no plan to be lost before there is a cluster.
            let Some(cluster) = known.get() else { continue };
            let (begun, config) = (Instant::now(), &shared.config);
            let stop = |losses| begun.elapsed() > PATIENCE * losses;
            let problem = problem(&shared, cluster, &question);
            let rehearsal =
                strategy::rehearse(config.strategy, &problem, &question.ready, config.spares, config.seed, &stop);
            let input = Input::Rehearsed { attempt: question.attempt, rehearsal };
            if sender.send(Happening::Input(input)).is_err() {
                return;
            }
        }
    }
}

/// The cluster with the paths that are measured between all nodes but those that are `down`.
fn probe(shared: &Shared, down: &BTreeSet<usize>, telemetry: &Telemetry) -> Cluster {
    let (config, begun) = (&shared.config, Instant::now());
    let nodes: Vec<usize> = (0..config.addresses.len()).filter(|node| !down.contains(node)).collect();
    let measured = survey(shared.own.address, &config.addresses, &nodes, PROBE_LIMIT);
    let path = |from: usize, to: usize, measured: &Measured| {
        // Whether the pair is in the way of others is not measured.
        let air = config.cluster.path(from, to).and_then(|path| path.air);
        Path { rate: measured.rate, delay: measured.delay, air }
    };
    let row = |(from, row): (usize, &Vec<Option<Measured>>)| -> Vec<Option<Path>> {
        row.iter().enumerate().map(|(to, measured)| measured.as_ref().map(|found| path(from, to, found))).collect()
    };
    let paths: Vec<Vec<Option<Path>>> = measured.iter().enumerate().map(row).collect();
    for (node, paths) in config.cluster.nodes.iter().zip(&paths) {
        telemetry.tell(Event::Measured { from: node.name.clone(), paths: paths.clone() });
    }
    let took = begun.elapsed();
    tracing::info!(?took, nodes = nodes.len(), "measured");
    telemetry.tell(Event::Probed { took });
    Cluster { paths, ..config.cluster.clone() }
}

/// Where what was measured lies.
fn memory(shared: &Shared) -> PathBuf {
    shared.own.state.join("measured.json")
}

/// The cluster as the process before measured it.
fn remembered(shared: &Shared) -> Option<Cluster> {
    let paths: Vec<Vec<Option<Path>>> = read_json(&memory(shared)).ok()?;
    let nodes = shared.config.addresses.len();
    let fits = paths.len() == nodes && paths.iter().all(|row| row.len() == nodes);
    fits.then(|| Cluster { paths, ..shared.config.cluster.clone() })
}

/// Keeps what was measured; where that fails, it is measured again next time.
fn remember(shared: &Shared, cluster: &Cluster) {
    let written = serde_json::to_vec(&cluster.paths).map_err(std::io::Error::other);
    let unfinished = memory(shared).with_extension("new");
    let kept = written.and_then(|text| std::fs::write(&unfinished, text));
    if let Err(error) = kept.and_then(|()| std::fs::rename(&unfinished, memory(shared))) {
        tracing::warn!(%error, "what was measured can't be kept");
    }
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
