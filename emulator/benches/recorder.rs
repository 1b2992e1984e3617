//! What recording costs: `cargo bench --bench recorder`.
//!
//! Three processes tell what client, dispatcher and worker tell of five thousand requests a second, each event when it
//! happens, through the telemetry of a real node. What hears them is the fleet of a real run, and what writes them down the event
//! log. Nothing is inferred, so the rate is reached on two cores. The figure is the processor time of the recording thread alone.

#[path = "../tests/support/mod.rs"]
mod support;

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use emulator::fleet::cgroup::{Limits, RunGroup};
use emulator::fleet::{Fleet, Heard, Launch, Program};
use emulator::record::event::Entry;
use emulator::record::log::{LogReader, LogWriter};
use emulator::sandbox::{self, Sandbox};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use node::clock::Instant;
use node::config::{NodeConfig, RoleConfig, WorkerConfig};
use node::telemetry::{Command, Event, Stamped, Telemetry};
use node::wire::secret::Secret;
use planner::units::ByteSize;
use support::mark;

/// Requests per second.
const RATE: u64 = 5_000;
/// For how many seconds.
const LASTS: u64 = 20;
const REQUESTS: u64 = RATE * LASTS;
/// Events that each request has.
const EACH: u64 = 7;
const NODES: [&str; 3] = ["client", "dispatcher", "worker"];

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("node") {
        return play_node();
    }
    let folder = tempfile::tempdir().expect("a folder");
    let groups = RunGroup::create();
    let ended = sandbox::run(|sandbox| measure(sandbox, &groups, folder.path()));
    groups.remove();
    ExitCode::from(ended.map_or(1, |code| code))
}

/// Tells of each request what a node of this name tells, each at its own instant.
fn play_node() -> ExitCode {
    let config = fs::read(std::env::args().nth(3).expect("a configuration")).expect("it can be read");
    let config: NodeConfig = serde_json::from_slice(&config).expect("it can be understood");
    // SAFETY: it was inherited for this.
    let socket = unsafe { OwnedFd::from_raw_fd(0) };
    let (sender, commands) = channel();
    let telemetry = Telemetry::open(socket, sender).expect("telemetry");
    telemetry.tell(Event::Ready);
    let begun = commands.iter().any(|command| command == Command::Start);
    assert!(begun, "the testbed has gone");
    let start = Instant::now();
    let digest = "91b1d8a2c33e77f0".to_owned();
    let told: Vec<Box<dyn Fn(u64, Instant) -> Event + Send>> = match config.name.as_str() {
        "client" => vec![
            Box::new(|request, scheduled| Event::Offered { request, input: (request % 8) as u32, scheduled }),
            Box::new(|request, _| Event::Sent { request }),
            Box::new(|request, _| Event::Accepted { request }),
            Box::new(move |request, _| Event::Completed { request, epoch: 1, digest: digest.clone() }),
        ],
        "dispatcher" => vec![
            Box::new(|request, _| Event::Fed { request, epoch: 1, chain: 0 }),
            Box::new(|request, _| Event::Arrived { request, epoch: 1, chain: 0 }),
        ],
        _ => vec![Box::new(|request, at| Event::Processed {
            request,
            epoch: 1,
            stage: 0,
            received: at,
            started: at,
            finished: at,
            sent: at,
            late: Duration::ZERO,
        })],
    };
    let share = told.len() as u32;
    let period = Duration::from_secs(1) / RATE as u32;
    // A thread for each kind, as in a node, spread over the period: so events come one by one.
    let threads: Vec<_> = (0..share)
        .zip(told)
        .map(|(number, event)| {
            let telemetry = telemetry.clone();
            thread::spawn(move || {
                for request in 0..REQUESTS {
                    let due = start + Duration::from_nanos(request * 1_000_000_000 / RATE) + period * number / share;
                    thread::sleep(due.since(Instant::now()));
                    telemetry.tell(event(request, due));
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("all is told"));
    telemetry.flush();
    ExitCode::SUCCESS
}

/// Hears them all, writes everything down, and says what that took.
fn measure(sandbox: &Sandbox, groups: &RunGroup, folder: &Path) -> u8 {
    let program = Program { path: "/proc/self/exe".into(), arguments: vec!["node".to_owned(), mark()] };
    let mut fleet = Fleet::new(program, folder, sandbox, groups).expect("a fleet");
    for name in NODES {
        launch(&mut fleet, name);
    }
    let path = folder.join("events.jsonl");
    let mut log = LogWriter::create(&path).expect("a log");
    let (mut ready, mut ended, mut events) = (0, 0, 0u64);
    let mut began = None;
    while ended < NODES.len() {
        if ready == NODES.len() && began.is_none() {
            (0..NODES.len()).for_each(|node| fleet.send(node, &Command::Start).expect("a command"));
            began = Some((Instant::now(), processor_time()));
        }
        {
            let (fleet, signals) = (fleet.as_fd(), sandbox.signals().as_fd());
            let mut waiting = [PollFd::new(fleet, PollFlags::POLLIN), PollFd::new(signals, PollFlags::POLLIN)];
            poll(&mut waiting, 100u16).expect("news");
        }
        while sandbox.signals().next().expect("signals").is_some() {}
        let hear = |node: usize, heard| match heard {
            Heard::Said(Stamped { event: Event::Ready, .. }) => ready += 1,
            Heard::Said(Stamped { at, event }) => {
                events += 1;
                log.append(&Entry::Node { at, node: NODES[node].to_owned(), event }).expect("a disk");
            }
            Heard::Exited(..) => ended += 1,
            other => panic!("{other:?}"),
        };
        fleet.service(hear).expect("service");
    }
    log.flush().expect("a disk");
    let (began, before) = began.expect("all were ready");
    let (took, worked) = (Instant::now().since(began).as_secs_f64(), processor_time() - before);
    fleet.teardown(Duration::from_secs(1), |_, _| {});
    let recorded = LogReader::open(&path).expect("a log").filter(|entry| entry.is_ok()).count() as u64;
    let expected = REQUESTS * EACH;
    println!(
        "{RATE} requests/s for {took:.1} s: {events} of {expected} events heard, {recorded} recorded; \
         {:.3} cores, {:.2} us per event, {} bytes per request",
        worked.as_secs_f64() / took,
        worked.as_secs_f64() * 1e6 / events as f64,
        fs::metadata(&path).map_or(0, |file| file.len()) / REQUESTS
    );
    // What is measured comes out in numbers; only a loss is a failure.
    u8::from(recorded != expected)
}

fn launch(fleet: &mut Fleet<'_>, name: &str) {
    let open = |kind: &str| File::open(format!("/proc/thread-self/ns/{kind}")).expect("a namespace");
    let (net, uts) = (open("net"), open("uts"));
    let worker = WorkerConfig { model: PathBuf::new(), profile: PathBuf::new(), slowdown: 1.0, memory: None };
    let launch = Launch {
        config: NodeConfig {
            name: name.to_owned(),
            address: [10, 0, 0, 1].into(),
            secret: Secret::draw().expect("random bytes"),
            state: PathBuf::new(),
            bandwidth: Default::default(),
            role: RoleConfig::Worker(worker),
        },
        limits: Limits { memory: ByteSize::from_mib(64), cpu: None },
        storage: ByteSize::from_mib(1),
        layered: false,
        stored: None,
        net: net.as_fd(),
        uts: uts.as_fd(),
    };
    fleet.launch(launch).expect("a node");
    // A line for whoever waits.
    let _ = writeln!(std::io::stderr(), "{name} is started");
}

/// Processor time of this thread so far.
fn processor_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).expect("it can be asked");
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(micros.unsigned_abs())
}
