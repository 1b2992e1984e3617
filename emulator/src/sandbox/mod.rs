//! A private set of namespaces in which everything a run makes lives and dies.
//!
//! [`run`] puts its closure into a process of its own that is the first of a new pid namespace, inside new
//! network, mount and UTS namespaces and, when the caller may not make those, a user namespace in which
//! it is root. The kernel is the garbage collector: when that process or the waiting caller ends, by
//! whatever means, the kernel ends every process inside and with them goes every interface and mount.
//!
//! ```text
//! emu (waits, forwards signals, returns the exit code)
//!  └─ first process of the sandbox (does the run) ── dies with emu: PR_SET_PDEATHSIG
//!      ├─ node a ┐
//!      ├─ node b ├ die with the first process: it is PID 1 of their pid namespace
//!      └─ …      ┘
//! ```
//!
//! Nothing is named on the host, so any number of sandboxes live side by side. What survives a killed
//! run are only control groups, see [`crate::fleet::cgroup`].

mod enter;
mod error;
pub mod layer;
pub mod probe;
mod signals;
mod tmpfs;
mod wait;

pub use enter::{run, run_attended, try_user_namespace};
pub use error::{Refusal, SandboxError, Step};
pub use layer::{Layer, LayerError};
pub use signals::{Held, Signals};
pub use tmpfs::{Defects, Tmpfs, TmpfsError};
pub use wait::{Attendance, Keys, typed};

use nix::errno::Errno;

/// The sandbox, seen from inside.
#[derive(Debug)]
pub struct Sandbox {
    rootless: bool,
    warnings: Vec<SandboxWarning>,
    signals: Signals,
}

impl Sandbox {
    /// Whether it has a user namespace of its own: the caller is root only in here, and some things
    /// (real-time priority, large socket buffers) stay out of reach.
    pub fn rootless(&self) -> bool {
        self.rootless
    }

    /// What the sandbox could not have, and what that means.
    pub fn warnings(&self) -> &[SandboxWarning] {
        &self.warnings
    }

    /// Signals for the run's loop: interrupts that were forwarded from outside, and ends of children.
    pub fn signals(&self) -> &Signals {
        &self.signals
    }

    /// Mounts an empty file system in memory that holds at most `size` on the folder `path`, which is made if needed.
    pub fn tmpfs(&self, path: &std::path::Path, size: planner::units::ByteSize) -> Result<Tmpfs, TmpfsError> {
        Tmpfs::mount(path, size)
    }

    /// Puts a layer on the folder `path`, which is made if needed, so that it shows what is in `below`. Both are absolute.
    pub fn layer(&self, path: &std::path::Path, below: &std::path::Path) -> Result<Layer, LayerError> {
        Layer::mount(path, below)
    }

    /// Whether a layer works here, found out by using one.
    pub fn try_layer(&self) -> Result<(), LayerError> {
        layer::trial()
    }
}

/// Something that the sandbox could not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SandboxWarning {
    /// `/proc` shows the processes of the host.
    #[error(
        "/proc can't be mounted afresh ({0}; a container that hides parts of /proc refuses it), so nodes see the host's processes there"
    )]
    HostProc(Errno),
}
