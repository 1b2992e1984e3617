//! What can go wrong with a process.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;

use super::cgroup::CgroupError;
use super::storage::StorageError;

/// Something could not be done to the processes.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// A file of a node could not be written.
    #[error("writing {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The process could not be started.
    #[error("starting the process of {node}: {source}")]
    Start {
        /// Whose.
        node: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The node's namespaces could not be entered or left.
    #[error("entering the namespaces of {node}: {errno}")]
    Namespace {
        /// Whose.
        node: String,
        /// The system's answer.
        errno: Errno,
    },
    /// The node's control group could not be made, used or removed.
    #[error("limits of {node}: {source}")]
    Limits {
        /// Whose.
        node: String,
        /// What was refused.
        source: CgroupError,
    },
    /// The node's state folder could not be made or removed.
    #[error("state folder of {node}: {source}")]
    State {
        /// Whose.
        node: String,
        /// What was refused.
        source: StorageError,
    },
    /// The node has no process at this moment.
    #[error("{node} has no process at this moment")]
    NotRunning {
        /// Which.
        node: String,
    },
    /// The node has a process already.
    #[error("{node} has a process already")]
    Running {
        /// Which.
        node: String,
    },
    /// Nothing limits what the node uses.
    #[error("nothing limits the {what} of {node} here")]
    Unlimited {
        /// Whose.
        node: String,
        /// What of it.
        what: &'static str,
    },
    /// The node has no file that could be spoilt.
    #[error("{node} has stored nothing")]
    NothingStored {
        /// Which.
        node: String,
    },
    /// A signal could not be sent.
    #[error("sending a signal to {node}: {errno}")]
    Signal {
        /// To which.
        node: String,
        /// The system's answer.
        errno: Errno,
    },
    /// A command could not be sent.
    #[error("sending a command to {node}: {source}")]
    Command {
        /// To which.
        node: String,
        /// The system's answer; [`io::ErrorKind::WouldBlock`] if it has long not read.
        source: io::Error,
    },
    /// News of processes could not be waited for.
    #[error("waiting for processes: {0}")]
    Wait(Errno),
    /// Asked to end, a process did not, and was killed.
    #[error("{node} did not end within {} ms when asked, and was killed", patience.as_millis())]
    Deaf {
        /// Which.
        node: String,
        /// How long it had.
        patience: Duration,
    },
    /// A process is still there after it was killed.
    #[error("the process of {node} is still there after SIGKILL")]
    Undead {
        /// Whose.
        node: String,
    },
}
