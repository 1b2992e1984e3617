//! The planner's thread: a plan may take longer to find than a heartbeat may be late. It also measures the
//! cluster before the first plan, if the dispatcher is told to: then nothing else goes on.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use planner::cluster::{Cluster, Path};
use planner::onnx::{self, ModelError};
use planner::profile::Segment;
use planner::strategy::Problem;

use super::core::exchange::{Input, Question};
use super::{Happening, Shared};
use crate::config::{Bandwidth, PROBE_LIMIT};
use crate::probe::Measured;
use crate::probe::survey::survey;
use crate::program::read_json;
use crate::telemetry::{Event, Telemetry};

/// How long a plan may be improved or proven.
const PATIENCE: Duration = Duration::from_millis(250);

/// A thread that answers questions; of those that wait, only the newest.
///
/// # Errors
/// When no thread can be made.
pub fn spawn(shared: Arc<Shared>, telemetry: Telemetry, sender: Sender<Happening>) -> io::Result<Sender<Question>> {
    let (questions, asked) = channel::<Question>();
    let answer = move || {
        let config = &shared.config;
        let mut cluster: Option<Cluster> = None;
        for question in &asked {
            let cluster = cluster.get_or_insert_with(|| match shared.own.bandwidth {
                Bandwidth::Configured => config.cluster.clone(),
                // The process before has measured them while nothing else went on; now requests are under way.
                Bandwidth::Probed => remembered(&shared).unwrap_or_else(|| {
                    let cluster = probe(&shared, &question.excluded, &telemetry);
                    remember(&shared, &cluster);
                    cluster
                }),
            });
            let Question { attempt, excluded, severed, current } = asked.try_iter().last().unwrap_or(question);
            let problem = Problem {
                profile: &shared.profile,
                cluster,
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
