//! A fleet of played nodes, in a sandbox.

use std::cell::RefCell;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::{PATIENCE, mark};
use emulator::fleet::cgroup::{Limits, RunGroup};
use emulator::fleet::{Fleet, FleetError, Heard, Launch, Program};
use emulator::record::event::ExitCause;
use emulator::sandbox::{self, Sandbox};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::sethostname;
use node::config::{NodeConfig, RoleConfig, WorkerConfig};
use node::telemetry::{Event, Stamped};
use node::wire::secret::Secret;
use planner::units::ByteSize;

/// A fleet, and what it has been heard to say.
pub struct Cluster<'a> {
    pub fleet: Fleet<'a>,
    pub sandbox: &'a Sandbox,
    pub heard: RefCell<Vec<(usize, Heard)>>,
}

impl<'a> Cluster<'a> {
    pub fn new(sandbox: &'a Sandbox, groups: &'a RunGroup, folder: &Path) -> Cluster<'a> {
        let program = Program { path: "/proc/self/exe".into(), arguments: vec!["node".to_owned(), mark()] };
        let fleet = Fleet::new(program, folder, sandbox, groups).expect("a fleet");
        Cluster { fleet, sandbox, heard: RefCell::default() }
    }

    /// Launches a node in namespaces of its own, with memory in MiB.
    pub fn launch(&mut self, name: &str, cpu: Option<f64>, memory: u64) -> usize {
        let (net, uts) = namespaces_for(name);
        self.launch_in(name, cpu, memory, &net, &uts)
    }

    pub fn launch_in(&mut self, name: &str, cpu: Option<f64>, memory: u64, net: &File, uts: &File) -> usize {
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
    pub fn heard(&mut self, node: usize, is: impl Fn(&Heard) -> bool) -> Heard {
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

    pub fn ready(&mut self, node: usize) {
        self.heard(node, |heard| matches!(heard, Heard::Said(Stamped { event: Event::Ready, .. })));
    }

    pub fn exit(&mut self, node: usize) -> ExitCause {
        match self.heard(node, |heard| matches!(heard, Heard::Exited(..))) {
            Heard::Exited(_, cause) => cause,
            _ => unreachable!("only exits were asked for"),
        }
    }

    pub fn teardown(self, patience: Duration) -> (Vec<FleetError>, Vec<ExitCause>) {
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
pub fn namespaces_for(name: &str) -> (File, File) {
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
pub fn in_sandbox(test: impl FnOnce(&Sandbox, &RunGroup, &Path)) {
    in_sandbox_with(RunGroup::create(), test);
}

pub fn in_sandbox_with(groups: RunGroup, test: impl FnOnce(&Sandbox, &RunGroup, &Path)) {
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
