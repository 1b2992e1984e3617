//! Folders of limited size in memory, for the state that a node keeps.

use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
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
    mounted: bool,
}

impl Tmpfs {
    pub(super) fn mount(path: &Path, size: ByteSize) -> Result<Tmpfs, TmpfsError> {
        let failed = |action| move |source| TmpfsError { action, path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(failed("making folder"))?;
        let options = format!("size={},mode=0755", size.bytes());
        mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some(options.as_str()))
            .map_err(|errno| failed("mounting a file system in memory on")(errno.into()))?;
        Ok(Tmpfs { path: path.to_owned(), mounted: true })
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
