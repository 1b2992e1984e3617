//! The promises of a fleet and its control groups, tried on this kernel with a program that plays a node.

mod cluster;
mod limits;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cluster::{Cluster, in_sandbox, in_sandbox_with, namespaces_for};
use emulator::fleet::cgroup::{RunGroup, remove_stale};
use emulator::fleet::{FleetError, Heard};
use emulator::record::event::ExitCause;
use emulator::sandbox::{self, Sandbox};
use limits::cpu_time;
use nix::sys::signal::Signal;
use nix::unistd::gethostname;
use node::config::NodeConfig;
use node::telemetry::{Command, Event, Stamped};
use support::{Actor, Named, PATIENCE, eventually};

fn main() -> ExitCode {
    let tests: &[Named] = &[
        (
            "twenty_nodes_start_in_their_namespaces_and_end_when_asked",
            twenty_nodes_start_in_their_namespaces_and_end_when_asked,
        ),
        ("ends_are_told_apart", ends_are_told_apart),
        (
            "a_node_that_needs_too_much_memory_is_told_from_one_that_was_killed",
            limits::a_node_that_needs_too_much_memory_is_told_from_one_that_was_killed,
        ),
        ("a_paused_node_stands_still_until_it_is_resumed", a_paused_node_stands_still_until_it_is_resumed),
        ("a_node_is_paused_without_control_groups_too", a_node_is_paused_without_control_groups_too),
        ("a_cpu_limit_is_felt", limits::a_cpu_limit_is_felt),
        (
            "a_node_that_is_starved_ends_by_the_kernel_and_comes_back_fed",
            limits::a_node_that_is_starved_ends_by_the_kernel_and_comes_back_fed,
        ),
        ("processors_are_taken_away_and_given_back", limits::processors_are_taken_away_and_given_back),
        ("storage_fills_up_and_closes_and_opens_again", limits::storage_fills_up_and_closes_and_opens_again),
        ("what_a_node_has_stored_is_spoilt_as_told", limits::what_a_node_has_stored_is_spoilt_as_told),
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
            Command::Finish { .. } | Command::Slow { .. } | Command::Settled => {}
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
