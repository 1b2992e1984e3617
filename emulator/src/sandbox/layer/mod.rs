//! A file system in user space over a folder: what is done in the folder passes through here, and can be made slow or fail.
//!
//! ```text
//!   node ── state/ ── kernel ── /dev/fuse ── a thread of the emulator ── state.below/ (tmpfs)
//! ```
//!
//! The kernel's protocol is spoken directly ([`protocol`], a page of it): no library, and the one thing that libraries leave out is needed
//! here, that a request is interrupted. Nothing is cached above the layer, so that every read and write of a node is one here; each
//! moves 128 KiB at most.
//!
//! **Who waits for whom.** The thread touches only the folder below, which is memory, and the emulator itself never looks through the
//! layer: neither can wait for the other. When the emulator ends, by whatever means, its threads' descriptors of the device are
//! closed before the kernel ends the other processes of the sandbox; with the last one the kernel answers all that is still asked with an
//! error. So no process stays that can't be killed, and the mount goes with the mount namespace.

mod mirror;
mod protocol;
mod server;

use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::eventfd::{EfdFlags, EventFd};
use planner::units::Rate;
use serde::{Deserialize, Serialize};

use server::Server;

/// What the kernel offers file systems in user space through.
const DEVICE: &str = "/dev/fuse";

/// A layer could not be made, told something, or taken away.
#[derive(Debug, thiserror::Error)]
#[error("{action}: {source}")]
pub struct LayerError {
    /// What was being done.
    action: String,
    /// The system's answer.
    source: io::Error,
}

/// How a disk is at fault.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trouble {
    /// How long each read, write and sync takes at least.
    pub delay: Duration,
    /// How fast bytes are read and written; `None`: as fast as memory is.
    pub rate: Option<Rate>,
    /// Which operations fail.
    pub errors: Vec<Errors>,
}

/// A sort of errors of a disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Errors {
    /// The share of operations that fail.
    pub share: f64,
    /// Of these.
    pub operations: Vec<Access>,
    /// Says which ones.
    pub seed: u64,
}

/// What is done to a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Reading from a file.
    Read,
    /// Writing to a file.
    Write,
    /// Having a file or folder written through.
    Sync,
}

/// A mounted layer. It is unmounted when dropped; [`Layer::close`] also says whether that worked.
#[derive(Debug)]
pub struct Layer {
    path: PathBuf,
    orders: Option<Sender<Trouble>>,
    bell: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

impl Layer {
    /// Puts a layer on the folder `path`, which is made if needed, so that it shows the folder `below`. Both are absolute.
    pub(super) fn mount(path: &Path, below: &Path) -> Result<Layer, LayerError> {
        let failed = |action: String| move |source| LayerError { action, source };
        fs::create_dir_all(path).map_err(failed(format!("making folder {}", path.display())))?;
        let device = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(DEVICE);
        let device = device.map_err(failed(format!("opening {DEVICE}")))?;
        let bell = EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC);
        let bell = Arc::new(bell.map_err(|errno| failed("making a bell".to_owned())(errno.into()))?);
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0,default_permissions", device.as_raw_fd());
        mount(Some("emu"), path, Some("fuse"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some(options.as_str()))
            .map_err(|errno| failed(format!("mounting a layer on {}", path.display()))(errno.into()))?;
        let (orders, given) = channel();
        let server = Server::new(device, bell.clone(), given, below);
        let thread = thread::Builder::new().name("layer".to_owned()).spawn(move || server.run());
        let mut layer = Layer { path: path.to_owned(), orders: Some(orders), bell, thread: None };
        layer.thread = Some(thread.map_err(failed("making a thread".to_owned()))?);
        Ok(layer)
    }

    /// Makes the disk faulty in this way and in no other.
    ///
    /// # Errors
    /// When nobody serves it any more.
    pub fn set(&self, trouble: Trouble) -> Result<(), LayerError> {
        let gone = || LayerError {
            action: format!("telling the layer on {}", self.path.display()),
            source: io::Error::from(Errno::ENOTCONN),
        };
        self.orders.as_ref().and_then(|orders| orders.send(trouble).ok()).ok_or_else(gone)?;
        self.bell.write(1).map(drop).map_err(|_| gone())
    }

    /// Unmounts it, and removes the folder that is empty now.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn close(mut self) -> Result<(), LayerError> {
        let path = self.path.clone();
        let failed = |action: &str| {
            let action = format!("{action} {}", path.display());
            move |source| LayerError { action, source }
        };
        self.unmount().map_err(|errno| failed("unmounting the layer on")(errno.into()))?;
        fs::remove_dir(&self.path).map_err(failed("removing folder"))
    }

    fn unmount(&mut self) -> Result<(), Errno> {
        // Without orders the thread ends, and with it the connection: whoever still uses the layer gets an error.
        if self.orders.take().is_none() {
            return Ok(());
        }
        let unmounted = umount2(&self.path, MntFlags::MNT_DETACH);
        let _ = self.bell.write(1);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        unmounted
    }
}

/// Looks at a file through a layer.
pub(super) fn trial() -> Result<(), LayerError> {
    let folder = std::env::temp_dir().join(format!("emu-layer-{}", node::clock::Instant::now().0));
    let (below, above) = (folder.join("below"), folder.join("above"));
    let failed = |source| LayerError { action: format!("trying a layer in {}", folder.display()), source };
    let tried = fs::create_dir_all(&below).and_then(|()| fs::write(below.join("file"), "looked at")).map_err(failed);
    let tried = tried.and_then(|()| {
        let layer = Layer::mount(&above, &below)?;
        let seen = fs::read(above.join("file")).map_err(failed);
        layer.close()?;
        match seen?.as_slice() {
            b"looked at" => Ok(()),
            _ => Err(failed(io::Error::from(io::ErrorKind::InvalidData))),
        }
    });
    // It is in the folder for such things.
    let _ = fs::remove_dir_all(&folder);
    tried
}

impl Drop for Layer {
    fn drop(&mut self) {
        // Nobody is left to tell; the mount namespace takes it along at the latest.
        let _ = self.unmount();
    }
}
