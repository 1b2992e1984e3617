//! What this host can do, found out by doing it.
//!
//! `unsafe` is here for `sched_setscheduler`, which no crate in use wraps.

use std::error::Error;
use std::io;

use nix::errno::Errno;
use planner::units::ByteSize;
use serde::Serialize;

use super::{Sandbox, SandboxError, SandboxWarning, try_user_namespace};
use crate::fabric::{CarrierChoice, Fabric, probe};
use crate::fleet::cgroup::{LimitWarning, RunGroup};
use crate::scenario::network::{Link, Network, Shape};

/// Something that a run can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// A user namespace in which the caller is root.
    UserNamespace,
    /// Everything that [`super::run`] makes.
    Sandbox,
    /// A `/proc` that shows only the sandbox.
    OwnProc,
    /// State folders of limited size.
    StateFolders,
    /// Links carried by software: pairs of interfaces, packet sockets that carry super-frames.
    SoftwareLinks,
    /// Links carried by the kernel's netem.
    NetemLinks,
    /// Media carried by netem below HTB classes with filters.
    NetemMedia,
    /// Memory limits by control groups.
    MemoryLimits,
    /// CPU limits by control groups.
    CpuLimits,
    /// The freezer of control groups version 2.
    Freezer,
    /// Real-time priority for the thread that forwards packets.
    RealTime,
    /// File systems in user space.
    Fuse,
    /// Processes with clocks of their own.
    Clocks,
}

impl Capability {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Capability; 13] = {
        use Capability::*;
        [
            UserNamespace,
            Sandbox,
            OwnProc,
            StateFolders,
            SoftwareLinks,
            NetemLinks,
            NetemMedia,
            MemoryLimits,
            CpuLimits,
            Freezer,
            RealTime,
            Fuse,
            Clocks,
        ]
    };

    /// What is tried, in words.
    pub fn title(self) -> &'static str {
        match self {
            Capability::UserNamespace => "user namespace, root inside",
            Capability::Sandbox => "pid, network, mount and UTS namespaces",
            Capability::OwnProc => "new /proc",
            Capability::StateFolders => "tmpfs of limited size",
            Capability::SoftwareLinks => "software links: veth, AF_PACKET with vnet_hdr",
            Capability::NetemLinks => "netem links",
            Capability::NetemMedia => "netem media: htb, u32",
            Capability::MemoryLimits => "memory limits, faults of kind oom: cgroup",
            Capability::CpuLimits => "CPU limits, faults of kind cpu: cgroup",
            Capability::Freezer => "freezer: cgroup v2",
            Capability::RealTime => "real-time priority: SCHED_FIFO",
            Capability::Fuse => "file systems in user space, faults of kind slow and eio: /dev/fuse",
            Capability::Clocks => "time namespaces, faults of kind clock",
        }
    }

    /// What can be done when it is missing, or what a run does without it.
    pub(crate) fn fix(self) -> &'static str {
        match self {
            Capability::UserNamespace => "run as root, or allow user namespaces",
            Capability::Sandbox => "run as root, or allow user namespaces",
            Capability::OwnProc => "not needed; in a container: --security-opt systempaths=unconfined",
            Capability::StateFolders => "in a container: --privileged, or --security-opt apparmor=unconfined",
            Capability::SoftwareLinks => {
                "use a kernel with CONFIG_VETH and CONFIG_PACKET (sudo modprobe veth af_packet)"
            }
            Capability::NetemLinks => {
                "sudo modprobe sch_netem (Debian, Ubuntu: in linux-modules-extra), or --links software"
            }
            Capability::NetemMedia => "sudo modprobe sch_netem sch_htb cls_u32, or --links software",
            Capability::MemoryLimits | Capability::CpuLimits => {
                "run as root, or: systemd-run --user --scope -p Delegate=yes emu run …"
            }
            Capability::Freezer => "not needed: SIGSTOP serves as well",
            Capability::RealTime => {
                "run as root, or add \"<user> - rtprio 1\" to /etc/security/limits.conf and log in again"
            }
            Capability::Fuse => "sudo modprobe fuse; sudo chmod 666 /dev/fuse; in a container: --device /dev/fuse",
            Capability::Clocks => "use a kernel of at least 5.6 with CONFIG_TIME_NS",
        }
    }
}

/// What trying a capability has shown.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// What was tried.
    pub capability: Capability,
    /// What came of it.
    #[serde(flatten)]
    pub state: State,
}

/// What came of a trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum State {
    /// It works.
    Works,
    /// It does not.
    Missing {
        /// The system's reason, with causes.
        reason: String,
        /// What can be done, or what a run does without.
        fix: String,
    },
    /// It could not be tried, because the sandbox is missing.
    Untried,
}

impl Finding {
    /// Whether it works.
    pub fn works(&self) -> bool {
        self.state == State::Works
    }

    fn new<E: Error>(capability: Capability, tried: Result<(), E>) -> Finding {
        let state = match tried {
            Ok(()) => State::Works,
            Err(error) => State::Missing { reason: with_causes(&error), fix: capability.fix().to_owned() },
        };
        Finding { capability, state }
    }

    /// A sandbox knows best what would lift its refusal.
    fn of_sandbox(capability: Capability, tried: Result<(), SandboxError>) -> Finding {
        match tried {
            Err(SandboxError::Refused { refusal }) => {
                Finding { capability, state: State::Missing { reason: refusal.to_string(), fix: refusal.fix() } }
            }
            tried => Finding::new(capability, tried),
        }
    }
}

/// Tries what is tried outside the sandbox. `groups` are those of a run, made for this.
pub fn outside(groups: &RunGroup) -> Vec<Finding> {
    let memory = groups.warnings().iter().find(|warning| matches!(warning, LimitWarning::Memory(_)));
    let cpu = groups.warnings().iter().find(|warning| matches!(warning, LimitWarning::Cpu(_)));
    let freezer = if groups.freezes() { Ok(()) } else { Err(io::Error::from(io::ErrorKind::Unsupported)) };
    vec![
        Finding::of_sandbox(Capability::UserNamespace, try_user_namespace()),
        Finding::new(Capability::MemoryLimits, memory.map_or(Ok(()), Err)),
        Finding::new(Capability::CpuLimits, cpu.map_or(Ok(()), Err)),
        Finding::new(Capability::Freezer, freezer),
    ]
}

/// Tries what is tried inside.
pub fn inside(sandbox: &Sandbox) -> Vec<Finding> {
    let proc = sandbox.warnings().iter().find(|warning| matches!(warning, SandboxWarning::HostProc(_)));
    let folder = std::env::temp_dir().join(format!("emu-trial-{}", node::clock::Instant::now().0));
    let state = sandbox.tmpfs(&folder, ByteSize::from_mib(1)).and_then(super::Tmpfs::close);
    let software = software_links();
    let (links, media, real_time) = (probe::netem(false), probe::netem(true), real_time());
    vec![
        Finding { capability: Capability::Sandbox, state: State::Works },
        Finding::new(Capability::OwnProc, proc.map_or(Ok(()), Err)),
        Finding::new(Capability::StateFolders, state),
        Finding::new(Capability::Fuse, sandbox.try_layer()),
        Finding::new(Capability::Clocks, crate::fleet::try_clock()),
        Finding::new(Capability::SoftwareLinks, software),
        Finding::new(Capability::NetemLinks, links),
        Finding::new(Capability::NetemMedia, media),
        Finding::new(Capability::RealTime, real_time),
    ]
}

/// What there is to say when the sandbox was refused.
pub fn refused(error: SandboxError) -> Vec<Finding> {
    vec![Finding::of_sandbox(Capability::Sandbox, Err(error))]
}

/// All findings in order, those that were not tried among them.
pub fn complete(found: Vec<Finding>) -> Vec<Finding> {
    let finding = |capability| {
        let found = found.iter().find(|finding: &&Finding| finding.capability == capability);
        found.cloned().unwrap_or(Finding { capability, state: State::Untried })
    };
    Capability::ALL.into_iter().map(finding).collect()
}

/// Builds two hosts and a software link between them.
fn software_links() -> Result<(), crate::fabric::FabricError> {
    let link = Link { a: 0, b: 1, a_to_b: Shape::default(), b_to_a: Shape::default() };
    let network = Network { nodes: 2, links: vec![link], ..Network::default() };
    let next_hops = [vec![None, Some(1)], vec![Some(0), None]];
    let names = ["a", "b"].map(str::to_owned);
    Fabric::build(&network, &names, &next_hops, CarrierChoice::Software, 0).map(drop)
}

/// Gives a thread real-time priority, and ends it.
fn real_time() -> Result<(), Errno> {
    let tried = std::thread::spawn(|| {
        let parameters = libc::sched_param { sched_priority: 1 };
        // SAFETY: the structure lives as long as the call; zero is the calling thread.
        Errno::result(unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) }).map(drop)
    });
    tried.join().unwrap_or(Err(Errno::UnknownErrno))
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Some errors repeat their cause themselves.
        let reason = error.to_string();
        if !text.contains(&reason) {
            text = format!("{text}: {reason}");
        }
        cause = error.source();
    }
    text
}
