//! Folders of limited size in memory, for the state that a node keeps.

use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statvfs::statvfs;
use planner::units::ByteSize;

/// A folder could not be mounted or given back.
#[derive(Debug, thiserror::Error)]
#[error("{action} {}", path.display())]
pub struct TmpfsError {
    /// What was being done.
    action: &'static str,
    /// To which folder.
    path: PathBuf,
    /// The system's answer.
    source: std::io::Error,
}

/// A mounted file system in memory. What lies in it counts as memory of whichever process wrote it.
/// It is unmounted when dropped; [`Tmpfs::close`] also says whether that worked.
#[derive(Debug)]
pub struct Tmpfs {
    path: PathBuf,
    size: ByteSize,
    /// How many files and folders it may have by itself.
    files: u64,
    mounted: bool,
}

/// How a file system is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Defects {
    /// It takes nothing more than it has.
    pub full: bool,
    /// Nothing in it can be changed.
    pub read_only: bool,
}

/// The kernel's unit of a file system in memory. One that may have none has no limit at all.
const PAGE: u64 = 4096;
const OWN: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV);

impl Tmpfs {
    pub(super) fn mount(path: &Path, size: ByteSize) -> Result<Tmpfs, TmpfsError> {
        let failed = |action| move |source| TmpfsError { action, path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(failed("making folder"))?;
        let options = format!("size={},mode=0755", size.bytes());
        mount(Some("tmpfs"), path, Some("tmpfs"), OWN, Some(options.as_str()))
            .map_err(|errno| failed("mounting a file system in memory on")(errno.into()))?;
        let files = statvfs(path).map_or(0, |usage| usage.files());
        Ok(Tmpfs { path: path.to_owned(), size, files, mounted: true })
    }

    /// Gives it these defects and no others. A full one has the size of what is in it: nothing has to be written to fill
    /// it, and it takes no memory.
    ///
    /// # Errors
    /// When the kernel refuses: nothing becomes read-only in which a file is open for writing.
    pub fn set(&self, defects: Defects) -> Result<(), TmpfsError> {
        let failed = |errno: Errno| TmpfsError { action: "remounting", path: self.path.clone(), source: errno.into() };
        let usage = statvfs(&self.path).map_err(failed)?;
        let (size, files) = if defects.full {
            let used = (usage.blocks() - usage.blocks_free()) * usage.fragment_size();
            (used.max(PAGE), usage.files() - usage.files_free())
        } else {
            (self.size.bytes(), self.files)
        };
        let options = format!("size={size},nr_inodes={files}");
        let flags = if defects.read_only { OWN | MsFlags::MS_RDONLY } else { OWN };
        mount(None::<&str>, &self.path, None::<&str>, flags | MsFlags::MS_REMOUNT, Some(options.as_str()))
            .map_err(failed)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Unmounts it, and removes the folder that is empty now.
    pub fn close(mut self) -> Result<(), TmpfsError> {
        let path = self.path.clone();
        let failed = |action| move |source| TmpfsError { action, path, source };
        self.unmount().map_err(|errno| failed.clone()("unmounting")(errno.into()))?;
        std::fs::remove_dir(&self.path).map_err(failed("removing folder"))
    }

    fn unmount(&mut self) -> Result<(), Errno> {
        if std::mem::take(&mut self.mounted) {
            // Detached, so that a file that is still open can't keep the mount: it goes with its last user.
            umount2(&self.path, MntFlags::MNT_DETACH)?;
        }
        Ok(())
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Nobody is left to tell; the mount namespace takes it along at the latest.
        let _ = self.unmount();
    }
}
