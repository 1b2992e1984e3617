//! The groups of one run: one in each hierarchy that has something to offer, and in those one for each node.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use planner::units::ByteSize;

use super::folder::{Folder, remove_tree};
use super::{CgroupError, Cpu, Freezer, LimitWarning, Memory, Quota, Unavailable, hunger, stale, v1, v2, write};
use node::memory::hierarchy::{Hierarchy, hierarchies};

/// How long processes that were just killed are waited for when groups are removed.
const DYING: Duration = Duration::from_secs(2);

/// What a node may use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Memory.
    pub memory: ByteSize,
    /// Cores of this host (0.5 is half a core); `None`: no limit.
    pub cpu: Option<f64>,
}

/// What a run's group in one hierarchy is good for.
pub(super) struct Offer {
    pub folder: Folder,
    pub memory: Option<&'static dyn Memory>,
    pub cpu: Option<&'static dyn Cpu>,
    pub freezer: Option<&'static dyn Freezer>,
    /// Controllers that had to be switched on in the group around it (version 2).
    pub switched: Vec<&'static str>,
}

impl Offer {
    /// Whether this process had to move into it, out of the group around it.
    fn holds_us(&self) -> bool {
        self.folder.path.join(v2::SELF).exists()
    }

    /// Whether there is no other group in the group around it: switching off a controller there harms nobody.
    fn is_only_child(&self) -> bool {
        let around = self.folder.path.parent().and_then(|parent| fs::read_dir(parent).ok());
        around.is_some_and(|entries| {
            let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            folders.count() == 1
        })
    }
}

/// The groups of one run. Make them before the sandbox is entered, keep them outside, and remove them when it
/// has ended: that way they are removed too when the sandbox was killed.
pub struct RunGroup {
    offers: Vec<Offer>,
    warnings: Vec<LimitWarning>,
}

impl RunGroup {
    /// Makes the run's groups wherever it may, and tries each limit with a process. What can't be had is in
    /// [`RunGroup::warnings`]; this never fails as a whole.
    pub fn create() -> RunGroup {
        RunGroup::create_in(&hierarchies(), &stale::name(std::process::id(), start_time()))
    }

    /// No groups: nothing is limited, and pauses are by SIGSTOP.
    pub fn none() -> RunGroup {
        RunGroup { offers: Vec::new(), warnings: Vec::new() }
    }

    /// Limits that can't be enforced, and why.
    pub fn warnings(&self) -> &[LimitWarning] {
        &self.warnings
    }

    /// Where limits and the freezer come from, for people: hierarchies in use.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        self.offers.iter().map(|offer| offer.folder.path.as_path())
    }

    /// Whether memory limits are enforced.
    pub fn limits_memory(&self) -> bool {
        self.offers.iter().any(|offer| offer.memory.is_some())
    }

    /// Whether CPU limits are enforced.
    pub fn limits_cpu(&self) -> bool {
        self.offers.iter().any(|offer| offer.cpu.is_some())
    }

    /// Whether a node is paused by the kernel's freezer (else it is by SIGSTOP, which serves as well).
    pub fn freezes(&self) -> bool {
        self.offers.iter().any(|offer| offer.freezer.is_some())
    }

    /// Makes the group of a node and sets its limits.
    pub fn node(&self, name: &str, limits: &Limits) -> Result<NodeGroup, CgroupError> {
        let mut group = NodeGroup { folders: Vec::new(), limits: *limits, memory: None, cpu: None, freezer: None };
        let made = self.offers.iter().try_for_each(|offer| {
            let path = offer.folder.path.join(name);
            fs::create_dir(&path).map_err(|source| CgroupError::Make { path: path.clone(), source })?;
            group.folders.push(path.clone());
            if let Some(memory) = offer.memory {
                memory.limit(&path, limits.memory)?;
                group.memory = Some((path.clone(), memory));
            }
            if let Some(cpu) = offer.cpu {
                if let Some(cores) = limits.cpu {
                    cpu.limit(&path, Some(Quota::of(cores)))?;
                }
                group.cpu = Some((path.clone(), cpu));
            }
            group.freezer = group.freezer.take().or(offer.freezer.map(|freezer| (path, freezer)));
            Ok(())
        });
        match made {
            Ok(()) => Ok(group),
            Err(error) => {
                group.remove();
                Err(error)
            }
        }
    }

    /// Removes the run's groups, when nothing runs in them any more; goes on after a failure and returns all of them.
    pub fn remove(self) -> Vec<CgroupError> {
        let deadline = Instant::now() + DYING;
        let removed = self.offers.iter().filter(|offer| {
            if offer.holds_us() && offer.is_only_child() {
                v2::switch_back(&offer.folder.path, &offer.switched);
            }
            // Where other groups came to need what was switched on, we can't move back: a later command removes it.
            !offer.holds_us() || is_left(&offer.folder.path.join(v2::SELF))
        });
        removed.filter_map(|offer| remove_tree(&offer.folder.path, deadline).err()).collect()
    }

    fn create_in(hierarchies: &[Hierarchy], name: &str) -> RunGroup {
        let mut offers: Vec<Offer> = Vec::new();
        let (mut memory, mut cpu) = (None, None);
        for hierarchy in hierarchies {
            let wants = (
                offers.iter().all(|offer| offer.memory.is_none()) && hierarchy.has("memory"),
                offers.iter().all(|offer| offer.cpu.is_none()) && hierarchy.has("cpu"),
            );
            let offered = match hierarchy.controllers {
                None => v2::offer(hierarchy, name, wants),
                Some(_) if wants == (false, false) => continue,
                Some(_) => v1::offer(hierarchy, name, wants),
            };
            let refusal = offered.refusal.map(Arc::new);
            memory = memory.or(refusal.clone().filter(|_| wants.0));
            cpu = cpu.or(refusal.filter(|_| wants.1));
            offers.extend(offered.offer);
        }
        let mut run = RunGroup { offers, warnings: Vec::new() };
        let why = |refusal: Option<Arc<CgroupError>>| refusal.map_or(Unavailable::NoController, Unavailable::Refused);
        let memory = (!run.limits_memory()).then(|| LimitWarning::Memory(why(memory)));
        let cpu = (!run.limits_cpu()).then(|| LimitWarning::Cpu(why(cpu)));
        run.warnings.extend(memory.into_iter().chain(cpu));
        run
    }
}

/// The groups of one node.
pub struct NodeGroup {
    folders: Vec<PathBuf>,
    limits: Limits,
    memory: Option<(PathBuf, &'static dyn Memory)>,
    cpu: Option<(PathBuf, &'static dyn Cpu)>,
    freezer: Option<(PathBuf, &'static dyn Freezer)>,
}

impl NodeGroup {
    /// Puts a process into the groups; its threads come along. `process` is numbered as this process sees it.
    pub fn join(&self, process: Pid) -> Result<(), CgroupError> {
        self.folders.iter().try_for_each(|path| write(path.join("cgroup.procs"), &process.to_string()))
    }

    /// How many of its processes the kernel has ended for want of memory; `None` if nobody counts.
    pub fn kills(&self) -> Option<u64> {
        self.memory.as_ref().and_then(|(path, memory)| memory.kills(path).ok())
    }

    /// Lowers its memory limit as far as it goes and asks for more than that, in a process that somebody must wait for:
    /// the kernel ends what else is in it, now or when this is done again. `None`: nobody limits memory.
    pub fn starve(&self) -> Option<Result<Pid, CgroupError>> {
        let (path, memory) = self.memory.as_ref()?;
        Some(memory.squeeze(path).and_then(|()| hunger::guest(path)))
    }

    /// Gives it the memory back that [`NodeGroup::starve`] took away.
    pub fn feed(&self) -> Result<(), CgroupError> {
        self.memory.as_ref().map_or(Ok(()), |(path, memory)| memory.limit(path, self.limits.memory))
    }

    /// Leaves it so many cores, or what its own limit leaves it if that is less. `None`: nobody limits the CPU.
    pub fn throttle(&self, cores: Option<f64>) -> Option<Result<(), CgroupError>> {
        let (path, cpu) = self.cpu.as_ref()?;
        let cores = [cores, self.limits.cpu].into_iter().flatten().reduce(f64::min);
        Some(cpu.limit(path, cores.map(Quota::of)))
    }

    /// Freezes or thaws every process in it. `None`: there is no freezer.
    pub fn freeze(&self, frozen: bool) -> Option<Result<(), CgroupError>> {
        self.freezer.as_ref().map(|(path, freezer)| freezer.set(path, frozen))
    }

    /// Whether every process in it is frozen.
    pub fn is_frozen(&self) -> Result<bool, CgroupError> {
        self.freezer.as_ref().map_or(Ok(false), |(path, freezer)| freezer.is_frozen(path))
    }

    /// A file to poll for priority events: it has one when [`NodeGroup::is_frozen`] may tell something else.
    pub(in super::super) fn news(&self) -> Result<File, CgroupError> {
        let group = self.freezer.as_ref().map(|(path, _)| path.as_path()).unwrap_or(Path::new(""));
        let path = group.join("cgroup.events");
        File::open(&path).map_err(|source| CgroupError::Read { path, source })
    }

    /// Removes it when nothing runs in it any more; returns every failure.
    pub fn remove(self) -> Vec<CgroupError> {
        let deadline = Instant::now() + DYING;
        self.folders.iter().filter_map(|path| remove_tree(path, deadline).err()).collect()
    }
}

/// Whether this process is not in the group.
fn is_left(group: &Path) -> bool {
    let own = std::process::id().to_string();
    super::read(group.join("cgroup.procs")).is_ok_and(|processes| processes.lines().all(|line| line != own))
}

/// When this process was started, in ticks since boot (proc(5): field 22 of stat).
fn start_time() -> u64 {
    crate::procfs::Stat::of(std::process::id() as i32).map_or(0, |stat| stat.started)
}
