//! A small testbed on loopback addresses: one real `emu-node` process per node, each with its configuration
//! file and its telemetry socket.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command as Program, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use node::clock;
use node::config::{ClientConfig, Deploy, DispatcherConfig, Load, NodeConfig, RoleConfig, WorkerConfig};
use node::digest::digest;
use node::telemetry::{Command, Event, Stamped};
use node::wire::codec::{Tensor, encode_all};
use node::wire::secret::Secret;
use planner::cluster::{Cluster, Device, Energy, Path};
use planner::codec::Codec;
use planner::plan::Plan;
use planner::profile::{ModelProfile, measure, reference};
use planner::strategy::{Replicas, Spares, StrategyKind};
use planner::units::ByteSize;

/// Nothing in these tests takes so long unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);
pub const CLIENT: usize = 0;
pub const DISPATCHER: usize = 1;
pub const SEED: u64 = 7;
const INPUTS: u32 = 5;

/// What a test wants to differ.
pub struct Wanted {
    /// Third octet of the addresses 127.0.x.y: tests run side by side.
    pub net: u8,
    /// An ONNX file.
    pub model: Vec<u8>,
    pub workers: usize,
    pub load: Load,
    pub deploy: Deploy,
    pub slowdown: f64,
    /// Whether a worker has a byte less than the whole model needs.
    pub split: bool,
    /// How many chains a plan may have.
    pub replicas: Replicas,
    /// How many segments are held ready beside the stages.
    pub spares: Spares,
    /// Whether answers must come in the order of the requests.
    pub order: bool,
}

struct Process {
    child: Child,
    commands: UnixStream,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The running nodes. Node 0 is the client, 1 the dispatcher, the others are workers.
pub struct Testbed {
    processes: BTreeMap<usize, Process>,
    configs: Vec<NodeConfig>,
    folder: tempfile::TempDir,
    sender: Sender<(usize, Stamped)>,
    told: Receiver<(usize, Stamped)>,
    /// Everything the nodes have told so far.
    pub events: Vec<(usize, Stamped)>,
    /// The digest of what the unsplit model makes of each input.
    pub expected: Vec<String>,
}

impl Testbed {
    /// Measures the model, writes configurations, starts every process and waits until all are ready.
    pub fn start(wanted: &Wanted) -> Testbed {
        let folder = tempfile::tempdir().unwrap();
        let (model, profile_file) = (folder.path().join("model.onnx"), folder.path().join("profile.json"));
        std::fs::write(&model, &wanted.model).unwrap();
        let encoder = |cut: &[planner::onnx::Activation]| {
            let mut buffer = Vec::new();
            let tensors: Result<Vec<Tensor>, _> =
                cut.iter().map(|value| Tensor::new(value.element, value.shape.clone(), value.data.clone())).collect();
            encode_all(&tensors.unwrap(), Codec::Raw, &mut buffer).unwrap();
            buffer.len()
        };
        let profile = measure(&model, "model", None, &[(Codec::Raw, &encoder)]).unwrap();
        std::fs::write(&profile_file, serde_json::to_vec(&profile).unwrap()).unwrap();
        let expected = reference(&model, &profile, INPUTS, SEED).unwrap();
        let expected = expected.iter().map(|output| format!("{:016x}", digest(&output.data))).collect();

        let (sender, told) = channel();
        let configs = configs(wanted, &profile, &profile_file, &model, folder.path().to_owned());
        let mut testbed =
            Testbed { processes: BTreeMap::new(), configs, folder, sender, told, events: Vec::new(), expected };
        for node in 0..testbed.configs.len() {
            testbed.spawn(node);
        }
        let mut starting = testbed.configs.len();
        testbed.wait_for("all are ready", |_, event| {
            starting -= usize::from(matches!(event, Event::Ready));
            starting == 0
        });
        testbed
    }

    /// Starts (or restarts) a node's process.
    pub fn spawn(&mut self, node: usize) {
        let file = self.folder.path().join(format!("{node}.json"));
        std::fs::write(&file, serde_json::to_vec(&self.configs[node]).unwrap()).unwrap();
        let (own, theirs) = UnixStream::pair().unwrap();
        fcntl(&theirs, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        let child = Program::new(env!("CARGO_BIN_EXE_emu-node"))
            .arg(&file)
            .args(["--telemetry-fd", &theirs.as_raw_fd().to_string()])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        drop(theirs);
        let (lines, sender) = (BufReader::new(own.try_clone().unwrap()), self.sender.clone());
        thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                // A killed process may leave half a line.
                let Ok(event) = serde_json::from_str(&line) else { continue };
                if sender.send((node, event)).is_err() {
                    return;
                }
            }
        });
        self.processes.insert(node, Process { child, commands: own });
    }

    pub fn command(&mut self, node: usize, command: Command) {
        let mut line = serde_json::to_vec(&command).unwrap();
        line.push(b'\n');
        self.processes[&node].commands.try_clone().unwrap().write_all(&line).unwrap();
    }

    pub fn begin(&mut self) {
        self.command(CLIENT, Command::Start);
    }

    /// Ends the load and waits until nothing is outstanding.
    pub fn finish(&mut self) {
        self.command(CLIENT, Command::Finish { wait: Duration::from_secs(30) });
        self.wait_for("drained", |_, event| matches!(event, Event::Drained { .. }));
    }

    /// A node's address.
    pub fn address(&self, node: usize) -> IpAddr {
        self.configs[node].address
    }

    /// A node's state folder.
    pub fn state(&self, node: usize) -> PathBuf {
        self.configs[node].state.clone()
    }

    /// The largest resident memory that a node's process has had, in KiB.
    pub fn peak_memory(&self, node: usize) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.processes[&node].child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Kills a node's process and waits until it is gone.
    pub fn kill(&mut self, node: usize) {
        drop(self.processes.remove(&node));
    }

    /// Sends a signal to a node's process; tells when.
    pub fn signal(&self, node: usize, signal: Signal) -> clock::Instant {
        kill(Pid::from_raw(self.processes[&node].child.id() as i32), signal).unwrap();
        clock::Instant::now()
    }

    /// Waits for an event, beginning with those that have been told since the last one waited for.
    pub fn wait_for(&mut self, what: &str, mut wanted: impl FnMut(usize, &Event) -> bool) -> Stamped {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok((node, stamped)) = self.told.recv_timeout(left) else {
                let last: Vec<_> = self.events.iter().rev().take(30).collect();
                panic!("waited in vain until {what}; last events, newest first: {last:#?}");
            };
            let found = wanted(node, &stamped.event);
            self.events.push((node, stamped.clone()));
            if found {
                return stamped;
            }
        }
    }

    /// Waits until so many requests have been completed.
    pub fn wait_completed(&mut self, count: usize) {
        let mut completed = self.completed().len();
        if completed < count {
            self.wait_for("requests were completed", |_, event| {
                completed += usize::from(matches!(event, Event::Completed { .. }));
                completed >= count
            });
        }
    }

    /// Request, epoch and digest of each completion, with its instant.
    pub fn completed(&self) -> Vec<(u64, u32, String, clock::Instant)> {
        let completed = self.events.iter().filter_map(|(_, Stamped { at, event })| match event {
            Event::Completed { request, epoch, digest } => Some((*request, *epoch, digest.clone(), *at)),
            _ => None,
        });
        completed.collect()
    }

    /// The plans so far, with their epochs and reasons.
    pub fn plans(&self) -> Vec<(u32, String, Plan)> {
        let plans = self.events.iter().filter_map(|(_, stamped)| match &stamped.event {
            Event::Planned { epoch, reason, plan, .. } => Some((*epoch, reason.clone(), plan.clone())),
            _ => None,
        });
        plans.collect()
    }

    /// Every request that was offered was completed, once, with the bits of the unsplit model. Returns how many.
    pub fn assert_nothing_lost_nothing_twice(&self) -> usize {
        let mut offered = BTreeMap::new();
        for (_, stamped) in &self.events {
            match &stamped.event {
                Event::Offered { request, input, .. } => {
                    assert_eq!(offered.insert(*request, *input), None);
                }
                Event::Errored { request, reason } => panic!("request {request}: {reason}"),
                _ => {}
            }
        }
        let mut answers: BTreeMap<u64, String> = BTreeMap::new();
        for (request, _, digest, _) in self.completed() {
            assert_eq!(digest, self.expected[offered[&request] as usize], "request {request} differs");
            assert_eq!(answers.insert(request, digest), None, "request {request} came twice");
        }
        assert!(answers.keys().eq(offered.keys()), "some request was lost");
        answers.len()
    }
}

fn configs(
    wanted: &Wanted,
    profile: &ModelProfile,
    profile_file: &std::path::Path,
    model: &std::path::Path,
    state: PathBuf,
) -> Vec<NodeConfig> {
    let nodes = wanted.workers + 2;
    let address = |node: usize| IpAddr::V4(Ipv4Addr::new(127, 0, wanted.net, node as u8 + 1));
    let name = |node: usize| match node {
        CLIENT => "client".to_owned(),
        DISPATCHER => "dispatcher".to_owned(),
        worker => format!("worker{}", worker - 1),
    };
    let whole = profile.memory(profile.whole()).bytes();
    let memory = ByteSize::from_bytes(if wanted.split { whole - 1 } else { whole });
    let device = |node| Device {
        name: name(node),
        worker: node > DISPATCHER,
        memory,
        slowdown: wanted.slowdown,
        energy: Energy::default(),
    };
    let path = |from, to| (from != to).then_some(Path { rate: None, delay: Duration::from_micros(50), air: None });
    let cluster = Cluster {
        nodes: (0..nodes).map(device).collect(),
        paths: (0..nodes).map(|from| (0..nodes).map(|to| path(from, to)).collect()).collect(),
        client: CLIENT,
        dispatcher: DISPATCHER,
    };
    let role = |node: usize| match node {
        CLIENT => RoleConfig::Client(ClientConfig {
            dispatcher: address(DISPATCHER),
            input_shape: profile.cuts[0].tensors[0].shape.clone(),
            input_element: profile.cuts[0].tensors[0].element,
            codec: Codec::Raw,
            inputs: INPUTS,
            seed: SEED,
            load: wanted.load,
        }),
        DISPATCHER => RoleConfig::Dispatcher(Box::new(DispatcherConfig {
            cluster: cluster.clone(),
            addresses: (0..nodes).map(address).collect(),
            profile: profile_file.to_owned(),
            model: model.to_owned(),
            deploy: wanted.deploy,
            codec: Codec::Raw,
            strategy: StrategyKind::Optimal,
            objective: planner::strategy::Objective::Throughput,
            replicas: wanted.replicas,
            spares: wanted.spares,
            seed: SEED,
            heartbeat: Duration::from_millis(100),
            missed_heartbeats: 5,
            window: None,
            order: wanted.order,
            queue: 32,
            straggler: None,
        })),
        _ => RoleConfig::Worker(WorkerConfig {
            // With segments over the network, the device has no model of its own.
            model: if wanted.deploy == Deploy::Network { state.join("none") } else { model.to_owned() },
            profile: profile_file.to_owned(),
            slowdown: wanted.slowdown,
            memory: None,
        }),
    };
    let secret = Secret::draw().unwrap();
    let config = |node| NodeConfig {
        name: name(node),
        address: address(node),
        secret: secret.clone(),
        state: state.join(node.to_string()),
        bandwidth: Default::default(),
        role: role(node),
    };
    (0..nodes).map(config).collect()
}
