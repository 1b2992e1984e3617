//! The promises of a fleet and its control groups, tried on this kernel with a program that plays a node.

mod support;

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use emulator::fault::damage::{Spoil, Spoiling};
use emulator::fleet::cgroup::{Limits, RunGroup, remove_stale};
use emulator::fleet::{Fleet, FleetError, Heard, Launch, Program};
use emulator::record::event::ExitCause;
use emulator::sandbox::{self, Defects, Sandbox};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use nix::unistd::{gethostname, sethostname};
use node::config::{NodeConfig, RoleConfig, WorkerConfig};
use node::telemetry::{Command, Event, Stamped};
use node::wire::secret::Secret;
use planner::units::ByteSize;
use support::{Actor, Named, PATIENCE, eventually, mark};

fn main() -> ExitCode {
    let tests: &[Named] = &[
        (
            "twenty_nodes_start_in_their_namespaces_and_end_when_asked",
            twenty_nodes_start_in_their_namespaces_and_end_when_asked,
        ),
        ("ends_are_told_apart", ends_are_told_apart),
        (
            "a_node_that_needs_too_much_memory_is_told_from_one_that_was_killed",
            a_node_that_needs_too_much_memory_is_told_from_one_that_was_killed,
        ),
        ("a_paused_node_stands_still_until_it_is_resumed", a_paused_node_stands_still_until_it_is_resumed),
        ("a_node_is_paused_without_control_groups_too", a_node_is_paused_without_control_groups_too),
        ("a_cpu_limit_is_felt", a_cpu_limit_is_felt),
        (
            "a_node_that_is_starved_ends_by_the_kernel_and_comes_back_fed",
            a_node_that_is_starved_ends_by_the_kernel_and_comes_back_fed,
        ),
        ("processors_are_taken_away_and_given_back", processors_are_taken_away_and_given_back),
        ("storage_fills_up_and_closes_and_opens_again", storage_fills_up_and_closes_and_opens_again),
        ("what_a_node_has_stored_is_spoilt_as_told", what_a_node_has_stored_is_spoilt_as_told),
        (
            "a_clock_that_is_ahead_is_seen_by_the_node_alone_until_its_next_start",
            a_clock_that_is_ahead_is_seen_by_the_node_alone_until_its_next_start,
        ),
        ("a_deaf_node_is_killed_and_told_of", a_deaf_node_is_killed_and_told_of),
        (
            "the_next_command_removes_what_a_killed_run_left_and_nothing_else",
            the_next_command_removes_what_a_killed_run_left_and_nothing_else,
        ),
    ];
    support::main(tests, &[("node", play_node), ("run", play_run)])
}

/// Role: a node, which does what its name says.
fn play_node() {
    let config = fs::read(std::env::args().nth(3).expect("a configuration")).expect("it can be read");
    let config: NodeConfig = serde_json::from_slice(&config).expect("it can be understood");
    // SAFETY: it was inherited for this.
    let mut telemetry = UnixStream::from(unsafe { OwnedFd::from_raw_fd(0) });
    let commands = telemetry.try_clone().expect("a descriptor");
    let mut tell = |event| {
        let line = serde_json::to_string(&Stamped { at: node::clock::Instant::now(), event }).expect("an event");
        writeln!(telemetry, "{line}").expect("it is heard");
    };
    fs::write(config.state.join("written"), node::clock::Instant::now().0.to_string())
        .expect("the state folder can be written to");
    println!("{} is up", config.name);
    tell(Event::Ready);
    // An event that can carry words.
    let hostname = gethostname().expect("a hostname").into_string().expect("text");
    let net = fs::read_link("/proc/self/ns/net").expect("a namespace").display().to_string();
    tell(Event::Unplannable { reason: format!("{hostname} {net}") });
    match config.name.trim_end_matches(char::is_numeric) {
        "greedy" => {
            let memory: Vec<Vec<u8>> = (0..128).map(|_| vec![1; 1 << 20]).collect();
            tell(Event::Drained { outstanding: memory.len() as u64 });
        }
        "quitter" => std::process::exit(7),
        "aborter" => std::process::abort(),
        "spinner" => loop {
            std::hint::spin_loop();
        },
        "deaf" => loop {
            std::thread::park();
        },
        _ => {}
    }
    for line in BufReader::new(commands).lines() {
        match serde_json::from_str(&line.expect("a line")).expect("a command") {
            Command::Exit => break,
            Command::Start => tell(Event::Sent { request: 1 }),
            Command::Finish { .. } | Command::Slow { .. } => {}
        }
    }
}

/// Role: a run with a paused node, which waits to be killed.
fn play_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let groups = RunGroup::create();
    let _ = sandbox::run(|sandbox| {
        let mut test = Cluster::new(sandbox, &groups, folder.path());
        let node = test.launch("worker1", Some(0.5), 64);
        test.heard(node, |heard| matches!(heard, Heard::Said(Stamped { event: Event::Ready, .. })));
        test.fleet.pause(node).expect("a pause");
        test.heard(node, |heard| matches!(heard, Heard::Paused(_)));
        println!("paused");
        sandbox.signals().wait().map_or(1, |_| 0)
    });
    groups.remove();
}

/// A fleet, and what it has been heard to say.
struct Cluster<'a> {
    fleet: Fleet<'a>,
    sandbox: &'a Sandbox,
    heard: RefCell<Vec<(usize, Heard)>>,
}

impl<'a> Cluster<'a> {
    fn new(sandbox: &'a Sandbox, groups: &'a RunGroup, folder: &Path) -> Cluster<'a> {
        let program = Program { path: "/proc/self/exe".into(), arguments: vec!["node".to_owned(), mark()] };
        let fleet = Fleet::new(program, folder, sandbox, groups).expect("a fleet");
        Cluster { fleet, sandbox, heard: RefCell::default() }
    }

    /// Launches a node in namespaces of its own, with memory in MiB.
    fn launch(&mut self, name: &str, cpu: Option<f64>, memory: u64) -> usize {
        let (net, uts) = namespaces_for(name);
        self.launch_in(name, cpu, memory, &net, &uts)
    }

    fn launch_in(&mut self, name: &str, cpu: Option<f64>, memory: u64, net: &File, uts: &File) -> usize {
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
            limits: Limits { memory: ByteSize::from_mib(memory), cpu },
            storage: ByteSize::from_mib(1),
            layered: false,
            stored: None,
            net: net.as_fd(),
            uts: uts.as_fd(),
        };
        self.fleet.launch(launch).expect("a node")
    }

    /// Waits until something is heard of a node that `is` it, and takes it.
    fn heard(&mut self, node: usize, is: impl Fn(&Heard) -> bool) -> Heard {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.heard.borrow().iter().position(|(who, heard)| *who == node && is(heard));
            if let Some(found) = found {
                return self.heard.borrow_mut().remove(found).1;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not heard of node {node}; heard: {:?}", self.heard.borrow());
            // The run's loop in small.
            let (fleet, signals) = (self.fleet.as_fd(), self.sandbox.signals().as_fd());
            let mut waiting = [PollFd::new(fleet, PollFlags::POLLIN), PollFd::new(signals, PollFlags::POLLIN)];
            poll(&mut waiting, left.as_millis() as u16).expect("news");
            while self.sandbox.signals().next().expect("signals").is_some() {}
            let hear = |who, heard| self.heard.borrow_mut().push((who, heard));
            self.fleet.service(hear).expect("service");
        }
    }

    fn ready(&mut self, node: usize) {
        self.heard(node, |heard| matches!(heard, Heard::Said(Stamped { event: Event::Ready, .. })));
    }

    fn exit(&mut self, node: usize) -> ExitCause {
        match self.heard(node, |heard| matches!(heard, Heard::Exited(..))) {
            Heard::Exited(_, cause) => cause,
            _ => unreachable!("only exits were asked for"),
        }
    }

    fn teardown(self, patience: Duration) -> (Vec<FleetError>, Vec<ExitCause>) {
        let mut exits = Vec::new();
        let errors = self.fleet.teardown(patience, |_, heard| {
            if let Heard::Exited(_, cause) = heard {
                exits.push(cause);
            }
        });
        (errors, exits)
    }
}

/// A network and a UTS namespace, with that hostname.
fn namespaces_for(name: &str) -> (File, File) {
    std::thread::scope(|scope| {
        let made = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS).expect("namespaces");
            sethostname(name).expect("a hostname");
            ["net", "uts"].map(|kind| File::open(format!("/proc/thread-self/ns/{kind}")).expect("a namespace"))
        });
        made.join().expect("a thread").into()
    })
}

/// Runs a test inside a sandbox, with groups, in a folder that is removed.
fn in_sandbox(test: impl FnOnce(&Sandbox, &RunGroup, &Path)) {
    in_sandbox_with(RunGroup::create(), test);
}

fn in_sandbox_with(groups: RunGroup, test: impl FnOnce(&Sandbox, &RunGroup, &Path)) {
    for warning in groups.warnings() {
        println!("note: {warning}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let code = sandbox::run(|sandbox| {
        test(sandbox, &groups, folder.path());
        0
    });
    let left = groups.remove();
    assert_eq!(code, Ok(0));
    assert!(left.is_empty(), "{left:?}");
}

fn twenty_nodes_start_in_their_namespaces_and_end_when_asked() {
    in_sandbox(|sandbox, groups, folder| {
        let home =
            (gethostname().expect("a hostname"), fs::read_link("/proc/thread-self/ns/net").expect("a namespace"));
        let mut cluster = Cluster::new(sandbox, groups, folder);
        let places: Vec<_> = (1..=20).map(|number| namespaces_for(&format!("worker{number}"))).collect();
        let begin = Instant::now();
        let nodes: Vec<_> = (1..=20)
            .zip(&places)
            .map(|(number, (net, uts))| cluster.launch_in(&format!("worker{number}"), Some(0.5), 64, net, uts))
            .collect();
        let launched = begin.elapsed();
        nodes.iter().for_each(|node| cluster.ready(*node));
        println!("20 processes launched in {launched:.1?}, all ready after {:.1?}", begin.elapsed());
        for node in &nodes {
            let words = cluster
                .heard(*node, |heard| matches!(heard, Heard::Said(Stamped { event: Event::Unplannable { .. }, .. })));
            let words = format!("{words:?}");
            assert!(words.contains(&format!("worker{} ", node + 1)), "it has its hostname: {words}");
            assert!(!words.contains(home.1.to_str().expect("text")), "it is in a network of its own: {words}");
        }
        assert_eq!(gethostname().expect("a hostname"), home.0, "this thread came back");
        assert_eq!(fs::read_link("/proc/thread-self/ns/net").expect("a namespace"), home.1, "this thread came back");
        let (errors, exits) = cluster.teardown(PATIENCE);
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(exits, [ExitCause::Asked; 20]);
        assert_eq!(fs::read_to_string(folder.join("worker3/stdout.log")).expect("a log"), "worker3 is up\n");
        assert!(!folder.join("worker3/state").exists(), "state is gone");
    });
}

fn ends_are_told_apart() {
    in_sandbox(|sandbox, groups, folder| {
        let mut cluster = Cluster::new(sandbox, groups, folder);
        let [worker, quitter, aborter] = ["worker", "quitter", "aborter"].map(|name| cluster.launch(name, None, 64));
        assert_eq!(cluster.exit(quitter), ExitCause::Code(7));
        assert_eq!(cluster.exit(aborter), ExitCause::Signal(Signal::SIGABRT as i32));
        cluster.ready(worker);
        cluster.fleet.kill(worker).expect("killed");
        assert_eq!(cluster.exit(worker), ExitCause::Planned);
        assert!(matches!(cluster.fleet.kill(worker), Err(FleetError::NotRunning { .. })));

        cluster.fleet.restart(worker).expect("a new process");
        assert!(matches!(cluster.fleet.restart(worker), Err(FleetError::Running { .. })));
        cluster.ready(worker);
        assert!(folder.join("worker/state/written").exists(), "what a device has stored outlives its power");
        let log = fs::read_to_string(folder.join("worker/stdout.log")).expect("a log");
        assert_eq!(log, "worker is up\n--- process 2 of this node ---\nworker is up\n");
        let pid = cluster.fleet.pid(worker).expect("a process");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL).expect("a signal");
        assert_eq!(cluster.exit(worker), ExitCause::Signal(Signal::SIGKILL as i32), "nobody planned it");
        assert!(cluster.teardown(PATIENCE).0.is_empty());
    });
}

fn a_clock_that_is_ahead_is_seen_by_the_node_alone_until_its_next_start() {
    in_sandbox(|sandbox, groups, folder| {
        if let Err(reason) = emulator::fleet::try_clock() {
            println!("skipped: no time namespaces: {reason}");
            return;
        }
        let hour = Duration::from_secs(3600);
        let mut cluster = Cluster::new(sandbox, groups, folder);
        let node = cluster.launch("worker", None, 64);
        cluster.ready(node);
        for ahead in [hour, Duration::ZERO] {
            cluster.fleet.kill(node).expect("killed");
            assert_eq!(cluster.exit(node), ExitCause::Planned);
            cluster.fleet.advance(node, ahead);
            let before = node::clock::Instant::now();
            cluster.fleet.restart(node).expect("a new process");
            cluster.heard(node, |heard| match heard {
                Heard::Said(Stamped { at, event: Event::Ready }) => *at > before && at.since(before) < PATIENCE,
                _ => false,
            });
            let its = fs::read_to_string(folder.join("worker/state/written")).expect("what it took for the time");
            let its = node::clock::Instant(its.parse().expect("an instant"));
            assert!(
                its > before + ahead && its.since(before + ahead) < PATIENCE,
                "{its:?} is not {ahead:?} after {before:?}"
            );
        }
        assert!(cluster.teardown(PATIENCE).0.is_empty());
    });
}

fn a_node_that_needs_too_much_memory_is_told_from_one_that_was_killed() {
    in_sandbox(|sandbox, groups, folder| {
        if !groups.limits_memory() {
            println!("skipped: {:?}", groups.warnings());
            return;
        }
        let mut cluster = Cluster::new(sandbox, groups, folder);
        let [greedy, worker] = ["greedy", "worker"].map(|name| cluster.launch(name, None, 32));
        assert_eq!(cluster.exit(greedy), ExitCause::OutOfMemory);
        cluster.ready(worker);
        cluster.fleet.kill(worker).expect("killed");
        assert_eq!(cluster.exit(worker), ExitCause::Planned);
        assert!(cluster.teardown(PATIENCE).0.is_empty());
    });
}

fn a_paused_node_stands_still_until_it_is_resumed() {
    in_sandbox(pausing);
}

fn a_node_is_paused_without_control_groups_too() {
    in_sandbox_with(RunGroup::none(), pausing);
}

fn pausing(sandbox: &Sandbox, groups: &RunGroup, folder: &Path) {
    println!("by the {}", if groups.freezes() { "freezer" } else { "signal" });
    let mut cluster = Cluster::new(sandbox, groups, folder);
    let (spinner, worker) = (cluster.launch("spinner", None, 64), cluster.launch("worker", None, 64));
    for node in [spinner, worker] {
        cluster.ready(node);
        cluster.fleet.pause(node).expect("a pause");
        cluster.heard(node, |heard| matches!(heard, Heard::Paused(_)));
    }
    // It would use all of the time that passes here.
    let before = cpu_time(&cluster, spinner);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(cpu_time(&cluster, spinner), before);
    cluster.fleet.send(worker, &Command::Start).expect("told");
    for node in [spinner, worker] {
        cluster.fleet.resume(node).expect("resumed");
    }
    cluster.heard(worker, |heard| matches!(heard, Heard::Said(Stamped { event: Event::Sent { .. }, .. })));
    eventually("it goes on", || cpu_time(&cluster, spinner) > before);

    // Killed during a pause, and started again: not paused.
    cluster.fleet.pause(worker).expect("a pause");
    cluster.heard(worker, |heard| matches!(heard, Heard::Paused(_)));
    cluster.fleet.kill(worker).expect("killed");
    assert_eq!(cluster.exit(worker), ExitCause::Planned);
    cluster.fleet.restart(worker).expect("a new process");
    cluster.ready(worker);
    cluster.fleet.kill(spinner).expect("killed");
    assert_eq!(cluster.exit(spinner), ExitCause::Planned);

    // Paused when the run ends.
    cluster.fleet.pause(worker).expect("a pause");
    let (errors, exits) = cluster.teardown(PATIENCE);
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(exits, [ExitCause::Asked]);
}

/// Nanoseconds that a node's process has run.
fn cpu_time(cluster: &Cluster<'_>, node: usize) -> u64 {
    let pid = cluster.fleet.pid(node).expect("a process");
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).expect("statistics");
    text.split(' ').next().and_then(|time| time.parse().ok()).expect("a time")
}

fn a_cpu_limit_is_felt() {
    in_sandbox(|sandbox, groups, folder| {
        if !groups.limits_cpu() {
            println!("skipped: {:?}", groups.warnings());
            return;
        }
        let mut cluster = Cluster::new(sandbox, groups, folder);
        let spinner = cluster.launch("spinner", Some(0.1), 64);
        cluster.ready(spinner);
        let throttled = || {
            groups.folders().filter_map(|folder| fs::read_to_string(folder.join("spinner/cpu.stat")).ok()).any(|text| {
                text.lines().any(|line| line.strip_prefix("nr_throttled ").is_some_and(|count| count != "0"))
            })
        };
        eventually("it has to wait", throttled);
        cluster.fleet.kill(spinner).expect("killed");
        cluster.exit(spinner);
        assert!(cluster.teardown(PATIENCE).0.is_empty());
    });
}

fn a_node_that_is_starved_ends_by_the_kernel_and_comes_back_fed() {
    in_sandbox(|sandbox, groups, folder| {
        if !groups.limits_memory() {
            println!("skipped: {:?}", groups.warnings());
            return;
        }
        let mut cluster = Cluster::new(sandbox, groups, folder);
        let [worker, other] = ["worker1", "worker2"].map(|name| cluster.launch(name, None, 64));
        for round in 0..3 {
            cluster.ready(worker);
            cluster.fleet.starve(worker).expect("starved");
            assert_eq!(cluster.exit(worker), ExitCause::Starved, "round {round}");
            cluster.fleet.restart(worker).expect("a new process");
        }
        cluster.ready(worker);
        // Killed before the kernel has ended it, or after: both are known.
        cluster.fleet.starve(worker).expect("starved");
        cluster.fleet.kill(worker).expect("killed");
        assert!(matches!(cluster.exit(worker), ExitCause::Planned));
        cluster.ready(other);
        let (errors, exits) = cluster.teardown(PATIENCE);
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(exits, [ExitCause::Asked], "the other one was not touched");
    });
}

fn processors_are_taken_away_and_given_back() {
    in_sandbox(|sandbox, groups, folder| {
        if !groups.limits_cpu() {
            println!("skipped: {:?}", groups.warnings());
            return;
        }
        let mut cluster = Cluster::new(sandbox, groups, folder);
        let [free, limited] =
            [None, Some(0.5)].map(|cpu| cluster.launch(["a", "b"][usize::from(cpu.is_some())], cpu, 64));
        let quota = |name: &str| {
            let read = |file: &str| {
                let mut found = groups.folders().map(|folder| fs::read_to_string(folder.join(name).join(file)));
                found.find_map(Result::ok).map(|text| text.trim().to_owned())
            };
            read("cpu.cfs_quota_us").or_else(|| read("cpu.max")?.split(' ').next().map(str::to_owned)).expect("a quota")
        };
        let unlimited = |quota: String| matches!(quota.as_str(), "-1" | "max");
        assert!(unlimited(quota("a")) && quota("b") == "5000");
        for node in [free, limited] {
            cluster.fleet.throttle(node, Some(0.2)).expect("throttled");
        }
        assert_eq!((quota("a"), quota("b")), ("2000".to_owned(), "2000".to_owned()));
        cluster.fleet.throttle(limited, Some(4.0)).expect("throttled");
        assert_eq!(quota("b"), "5000", "a fault leaves no more than the node's own limit");
        cluster.fleet.throttle(limited, Some(0.01)).expect("a period longer than others");
        for node in [free, limited] {
            cluster.fleet.throttle(node, None).expect("given back");
        }
        assert!(unlimited(quota("a")) && quota("b") == "5000");
        assert!(cluster.teardown(PATIENCE).0.is_empty());
    });
}

fn storage_fills_up_and_closes_and_opens_again() {
    in_sandbox(|sandbox, groups, folder| {
        let mut cluster = Cluster::new(sandbox, groups, folder);
        let worker = cluster.launch("worker", None, 64);
        cluster.ready(worker);
        let state = folder.join("worker/state");
        let write = |name: &str, size: usize| fs::write(state.join(name), vec![7; size]).map_err(|error| error.kind());
        write("before", 100_000).expect("there is room");
        for (full, read_only) in [(true, false), (true, true), (false, true)] {
            cluster.fleet.set_defects(worker, Defects { full, read_only }).expect("defects");
            let kind = if read_only { ErrorKind::ReadOnlyFilesystem } else { ErrorKind::StorageFull };
            assert_eq!(write("new", 1), Err(kind));
            assert_eq!(write("before", 200_000), Err(kind));
        }
        cluster.fleet.set_defects(worker, Defects::default()).expect("well again");
        write("after", 200_000).expect("there is room again");
        assert_eq!(write("too-much", 1 << 20), Err(ErrorKind::StorageFull), "as much as before");
        fs::remove_file(state.join("too-much")).expect("removed");

        // A file that is open for writing is what keeps it from being closed.
        let open = File::create(state.join("open")).expect("a file");
        let closed = Defects { read_only: true, ..Defects::default() };
        assert!(matches!(cluster.fleet.set_defects(worker, closed), Err(FleetError::State { .. })));
        drop(open);
        cluster.fleet.set_defects(worker, closed).expect("closed");
        assert!(cluster.teardown(PATIENCE).0.is_empty(), "it is no obstacle to teardown");
    });
}

fn what_a_node_has_stored_is_spoilt_as_told() {
    in_sandbox(|sandbox, groups, folder| {
        let mut cluster = Cluster::new(sandbox, groups, folder);
        let worker = cluster.launch("worker", None, 64);
        cluster.ready(worker);
        let state = folder.join("worker/state");
        fs::create_dir(state.join("models")).expect("a folder");
        let (large, small) = (state.join("models/large"), state.join("small"));
        let before = vec![0xAA_u8; 10_000];
        fs::write(&large, &before).expect("a file");
        fs::write(&small, "1234").expect("a file");
        let spoil = |file: Option<&str>, how| Spoil { file: file.map(str::to_owned), how };

        let flip = spoil(None, Spoiling::Flip { seed: u64::MAX - 5 });
        assert_eq!(cluster.fleet.spoil(worker, &flip).expect("spoilt"), Path::new("models/large"));
        let after = fs::read(&large).expect("a file");
        let bits: u32 = before.iter().zip(&after).map(|(a, b)| (a ^ b).count_ones()).sum();
        assert_eq!((after.len(), bits), (before.len(), 1));
        cluster.fleet.spoil(worker, &flip).expect("spoilt");
        assert_eq!(fs::read(&large).expect("a file"), before, "the same seed means the same bit");

        cluster.fleet.spoil(worker, &spoil(Some("small"), Spoiling::Cut { keep: 0.5 })).expect("spoilt");
        assert_eq!(fs::read_to_string(&small).expect("a file"), "12");
        std::os::unix::fs::symlink("/etc/passwd", state.join("link")).expect("a link");
        for name in ["nothing", "link", "models"] {
            let spoilt = cluster.fleet.spoil(worker, &spoil(Some(name), Spoiling::Cut { keep: 0.0 }));
            assert!(matches!(spoilt, Err(FleetError::File { .. })), "{name}");
        }
        fs::remove_dir_all(state.join("models")).expect("removed");
        fs::write(&small, "").expect("emptied");
        fs::write(state.join("written"), "").expect("emptied");
        assert!(matches!(cluster.fleet.spoil(worker, &flip), Err(FleetError::NothingStored { .. })));
        assert!(cluster.teardown(PATIENCE).0.is_empty());
    });
}

fn a_deaf_node_is_killed_and_told_of() {
    in_sandbox(|sandbox, groups, folder| {
        let mut cluster = Cluster::new(sandbox, groups, folder);
        let deaf = cluster.launch("deaf", None, 64);
        cluster.ready(deaf);
        cluster.launch("worker", None, 64);
        let (errors, exits) = cluster.teardown(Duration::from_millis(300));
        assert!(matches!(&errors[..], [FleetError::Deaf { node, .. }] if node == "deaf"), "{errors:?}");
        assert_eq!(exits, [ExitCause::Asked; 2]);
    });
}

fn the_next_command_removes_what_a_killed_run_left_and_nothing_else() {
    let start = || {
        let mut actor = Actor::start("run", |_| {});
        assert_eq!(actor.line(), "paused");
        actor
    };
    let (mut killed, mut living) = (start(), start());
    let groups_of =
        |actor: &Actor| -> Vec<PathBuf> { groups(Path::new("/sys/fs/cgroup"), &format!("emu-{}-", actor.pid())) };
    if groups_of(&killed).is_empty() {
        println!("skipped: no control group can be made here");
        return;
    }
    killed.signal(Signal::SIGKILL);
    killed.code();
    eventually("a paused node ends too", || killed.processes().is_empty());
    assert!(!groups_of(&killed).is_empty(), "groups are what a killed run leaves");
    let (removed, errors) = remove_stale();
    assert!(errors.is_empty(), "{errors:?}");
    assert!(removed > 0);
    assert!(groups_of(&killed).is_empty());
    assert!(!groups_of(&living).is_empty(), "a living run's are left alone");
    living.signal(Signal::SIGTERM);
    assert_eq!(living.code(), Some(0));
    assert!(groups_of(&living).is_empty(), "a run that ends removes its own");
}

fn groups(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders
        .flat_map(|entry| {
            let own = entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix)).then(|| entry.path());
            own.into_iter().chain(groups(&entry.path(), prefix)).collect::<Vec<_>>()
        })
        .collect()
}
