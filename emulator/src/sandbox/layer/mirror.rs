//! A folder as the kernel asks for it: every operation is done to the folder below.
//!
//! The kernel names a file by a number that it was given when it looked the file up, and forgets it in the end. Here a number stands
//! for a path, which follows when something is renamed.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirEntryExt, FileExt, MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, FallocateFlags, OFlag, RenameFlags, fallocate, open, renameat2};
use nix::sys::stat::{Mode, SFlag, UtimensatFlags, mknod, utimensat};
use nix::sys::statvfs::statvfs;
use nix::sys::time::TimeSpec;

use super::protocol::{Body, Operation, PIECE, ROOT, Request, kind};

// What a request to change a file has values for.
mod valid {
    pub const MODE: u32 = 1;
    pub const USER: u32 = 1 << 1;
    pub const GROUP: u32 = 1 << 2;
    pub const SIZE: u32 = 1 << 3;
    pub const READ: u32 = 1 << 4;
    pub const WRITTEN: u32 = 1 << 5;
    pub const HANDLE: u32 = 1 << 6;
    pub const READ_NOW: u32 = 1 << 7;
    pub const WRITTEN_NOW: u32 = 1 << 8;
}

/// The folder below, and what the kernel knows of it.
#[derive(Debug)]
pub struct Mirror {
    known: HashMap<u64, Known>,
    numbers: HashMap<PathBuf, u64>,
    newest: u64,
    open: HashMap<u64, File>,
    folders: HashMap<u64, Vec<(OsString, u64, u32)>>,
    handles: u64,
}

#[derive(Debug)]
struct Known {
    /// Nothing once it was removed.
    path: Option<PathBuf>,
    lookups: u64,
}

type Outcome = Result<Body, Errno>;

impl Mirror {
    /// The folder `below`, which is absolute.
    pub fn new(below: &Path) -> Mirror {
        let root = Known { path: Some(below.to_owned()), lookups: 1 };
        Mirror {
            known: HashMap::from([(ROOT, root)]),
            numbers: HashMap::from([(below.to_owned(), ROOT)]),
            newest: ROOT,
            open: HashMap::new(),
            folders: HashMap::new(),
            handles: 0,
        }
    }

    /// Does what is asked.
    ///
    /// # Errors
    /// What the folder below answers.
    pub fn serve(&mut self, request: &Request) -> Outcome {
        let (node, mut fields) = (request.node, request.fields());
        match request.operation {
            Operation::Initialise => Body::version(fields),
            Operation::Lookup => self.found(self.inside(node, fields.text()?)?),
            Operation::Forget => {
                self.forget(node, fields.u64()?);
                Ok(Body::default())
            }
            Operation::ForgetMany => {
                let count = fields.u32()?;
                fields.u32()?;
                for _ in 0..count {
                    self.forget(fields.u64()?, fields.u64()?);
                }
                Ok(Body::default())
            }
            Operation::Attributes => {
                let (with_handle, _, handle) = (fields.u32()? & 1 != 0, fields.u32()?, fields.u64()?);
                let data = match self.open.get(&handle).filter(|_| with_handle) {
                    Some(file) => file.metadata(),
                    None => self.path(node)?.symlink_metadata(),
                };
                Ok(Body::attributes(&data.map_err(errno)?))
            }
            Operation::Change => self.change(request),
            Operation::ReadLink => {
                let target = fs::read_link(self.path(node)?).map_err(errno)?;
                Ok(Body(target.into_os_string().as_bytes().to_vec()))
            }
            Operation::Symlink => {
                let path = self.inside(node, fields.text()?)?;
                symlink(OsStr::from_bytes(fields.text()?), &path).map_err(errno)?;
                self.found(path)
            }
            Operation::MakeNode => {
                let (mode, device) = (fields.u32()?, fields.u32()?);
                let (_umask, _) = (fields.u32()?, fields.u32()?);
                let path = self.inside(node, fields.text()?)?;
                let (kind, rights) = (SFlag::from_bits_truncate(mode & libc::S_IFMT), Mode::from_bits_truncate(mode));
                mknod(&path, kind, rights, u64::from(device))?;
                self.found(path)
            }
            Operation::MakeFolder => {
                let (mode, _umask) = (fields.u32()?, fields.u32()?);
                let path = self.inside(node, fields.text()?)?;
                fs::create_dir(&path).map_err(errno)?;
                fs::set_permissions(&path, Permissions::from_mode(mode)).map_err(errno)?;
                self.found(path)
            }
            Operation::Unlink => self.remove(node, fields.text()?, |path| fs::remove_file(path)),
            Operation::RemoveFolder => self.remove(node, fields.text()?, |path| fs::remove_dir(path)),
            Operation::Rename => {
                let folder = fields.u64()?;
                self.rename((node, fields.text()?), (folder, fields.text()?), RenameFlags::empty())
            }
            Operation::RenameWith => {
                let (folder, flags, _) = (fields.u64()?, fields.u32()?, fields.u32()?);
                let flags = RenameFlags::from_bits(flags).ok_or(Errno::EINVAL)?;
                self.rename((node, fields.text()?), (folder, fields.text()?), flags)
            }
            Operation::Link => {
                let of = self.path(fields.u64()?)?.to_owned();
                let path = self.inside(node, fields.text()?)?;
                fs::hard_link(of, &path).map_err(errno)?;
                self.found(path)
            }
            Operation::Open => {
                let file = opened(fields.u32()?, None, self.path(node)?)?;
                Ok(Body::default().and_opened(self.keep(file)))
            }
            Operation::Create => {
                let (flags, mode) = (fields.u32()?, fields.u32()?);
                let (_umask, _) = (fields.u32()?, fields.u32()?);
                let path = self.inside(node, fields.text()?)?;
                let file = opened(flags, Some(mode), &path)?;
                let entry = self.found(path)?;
                Ok(entry.and_opened(self.keep(file)))
            }
            Operation::Read => {
                let (handle, offset, size) = (fields.u64()?, fields.u64()?, fields.u32()?);
                let mut bytes = vec![0; (size as usize).min(PIECE)];
                let count = self.file(handle)?.read_at(&mut bytes, offset).map_err(errno)?;
                bytes.truncate(count);
                Ok(Body(bytes))
            }
            Operation::Write => {
                let (handle, offset, size) = (fields.u64()?, fields.u64()?, fields.u32()?);
                for _ in 0..5 {
                    fields.u32()?;
                }
                let bytes = fields.rest().get(..size as usize).ok_or(Errno::EINVAL)?;
                let count = self.file(handle)?.write_at(bytes, offset).map_err(errno)?;
                Ok(Body::written(count as u32))
            }
            Operation::Sync => {
                let (handle, flags) = (fields.u64()?, fields.u32()?);
                let file = self.file(handle)?;
                let synced = if flags & 1 != 0 { file.sync_data() } else { file.sync_all() };
                synced.map(|()| Body::default()).map_err(errno)
            }
            Operation::Allocate => {
                let (handle, offset, length, mode) = (fields.u64()?, fields.u64()?, fields.u64()?, fields.u32()?);
                let mode = FallocateFlags::from_bits(mode as i32).ok_or(Errno::EOPNOTSUPP)?;
                fallocate(self.file(handle)?, mode, offset as i64, length as i64)?;
                Ok(Body::default())
            }
            Operation::Release => {
                self.open.remove(&fields.u64()?);
                Ok(Body::default())
            }
            Operation::OpenFolder => {
                let entries = listed(self.path(node)?)?;
                self.handles += 1;
                self.folders.insert(self.handles, entries);
                Ok(Body::default().and_opened(self.handles))
            }
            Operation::ReadFolder => {
                let (handle, from, size) = (fields.u64()?, fields.u64()?, fields.u32()?);
                let entries = self.folders.get(&handle).ok_or(Errno::EBADF)?;
                let mut body = Body::default();
                for (index, (name, inode, kind)) in entries.iter().enumerate().skip(from as usize) {
                    if !body.listed(size as usize, index as u64 + 1, *inode, *kind, name.as_bytes()) {
                        break;
                    }
                }
                Ok(body)
            }
            Operation::ReleaseFolder => {
                self.folders.remove(&fields.u64()?);
                Ok(Body::default())
            }
            Operation::SyncFolder | Operation::Destroy | Operation::Interrupt => Ok(Body::default()),
            Operation::Usage => Ok(Body::usage(&statvfs(self.path(ROOT)?)?)),
            Operation::Other => Err(Errno::ENOSYS),
        }
    }

    fn path(&self, node: u64) -> Result<&Path, Errno> {
        self.known.get(&node).and_then(|known| known.path.as_deref()).ok_or(Errno::ENOENT)
    }

    fn inside(&self, folder: u64, name: &[u8]) -> Result<PathBuf, Errno> {
        Ok(self.path(folder)?.join(OsStr::from_bytes(name)))
    }

    fn file(&self, handle: u64) -> Result<&File, Errno> {
        self.open.get(&handle).ok_or(Errno::EBADF)
    }

    fn keep(&mut self, file: File) -> u64 {
        self.handles += 1;
        self.open.insert(self.handles, file);
        self.handles
    }

    /// The answer for a file that is there; the kernel knows it from then on.
    fn found(&mut self, path: PathBuf) -> Outcome {
        let data = path.symlink_metadata().map_err(errno)?;
        let number = *self.numbers.entry(path.clone()).or_insert_with(|| {
            self.newest += 1;
            self.known.insert(self.newest, Known { path: Some(path), lookups: 0 });
            self.newest
        });
        if let Some(known) = self.known.get_mut(&number) {
            known.lookups += 1;
        }
        Ok(Body::entry(number, &data))
    }

    fn forget(&mut self, node: u64, lookups: u64) {
        let Some(known) = self.known.get_mut(&node).filter(|_| node != ROOT) else { return };
        known.lookups = known.lookups.saturating_sub(lookups);
        if known.lookups == 0
            && let Some(Known { path: Some(path), .. }) = self.known.remove(&node)
        {
            self.numbers.remove(&path);
        }
    }

    /// There is nothing at this path any more.
    fn vanished(&mut self, path: &Path) {
        if let Some(known) = self.numbers.remove(path).and_then(|number| self.known.get_mut(&number)) {
            known.path = None;
        }
    }

    fn remove(&mut self, folder: u64, name: &[u8], remove: impl Fn(&Path) -> io::Result<()>) -> Outcome {
        let path = self.inside(folder, name)?;
        remove(&path).map_err(errno)?;
        self.vanished(&path);
        Ok(Body::default())
    }

    fn rename(&mut self, from: (u64, &[u8]), to: (u64, &[u8]), flags: RenameFlags) -> Outcome {
        let (from, to) = (self.inside(from.0, from.1)?, self.inside(to.0, to.1)?);
        renameat2(AT_FDCWD, &from, AT_FDCWD, &to, flags)?;
        if !flags.contains(RenameFlags::RENAME_EXCHANGE) {
            self.vanished(&to);
        }
        for (number, known) in &mut self.known {
            let Some(path) = &mut known.path else { continue };
            let moved = match (path.strip_prefix(&from), path.strip_prefix(&to)) {
                (Ok(rest), _) => to.join(rest),
                (_, Ok(rest)) if flags.contains(RenameFlags::RENAME_EXCHANGE) => from.join(rest),
                _ => continue,
            };
            // `join` with nothing would end in a slash.
            *path = moved.components().collect();
            self.numbers.insert(path.clone(), *number);
        }
        self.numbers.retain(|path, number| {
            self.known.get(number).is_some_and(|known| known.path.as_deref() == Some(path.as_path()))
        });
        Ok(Body::default())
    }

    /// Changes what is said to be valid of mode, owner, size and times.
    fn change(&mut self, request: &Request) -> Outcome {
        let mut fields = request.fields();
        let (valid, _, handle, size, _) = (fields.u32()?, fields.u32()?, fields.u64()?, fields.u64()?, fields.u64()?);
        let (read, written, _) = (fields.u64()?, fields.u64()?, fields.u64()?);
        let (read_nanos, written_nanos, _) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let (mode, _, user, group) = (fields.u32()?, fields.u32()?, fields.u32()?, fields.u32()?);
        let has = |bit: u32| valid & bit != 0;
        let open = self.open.get(&handle).filter(|_| has(valid::HANDLE));
        if has(valid::SIZE) {
            match open {
                Some(file) => file.set_len(size),
                None => {
                    OpenOptions::new().write(true).open(self.path(request.node)?).and_then(|file| file.set_len(size))
                }
            }
            .map_err(errno)?;
        }
        if has(valid::MODE) {
            fs::set_permissions(self.path(request.node)?, Permissions::from_mode(mode)).map_err(errno)?;
        }
        if has(valid::USER) || has(valid::GROUP) {
            lchown(self.path(request.node)?, has(valid::USER).then_some(user), has(valid::GROUP).then_some(group))
                .map_err(errno)?;
        }
        if has(valid::READ) || has(valid::WRITTEN) {
            let time = |set: u32, now: u32, seconds: u64, nanos: u32| match (has(set), has(now)) {
                (true, true) => TimeSpec::UTIME_NOW,
                (true, false) => TimeSpec::new(seconds as i64, i64::from(nanos)),
                (false, _) => TimeSpec::UTIME_OMIT,
            };
            let times = [
                time(valid::READ, valid::READ_NOW, read, read_nanos),
                time(valid::WRITTEN, valid::WRITTEN_NOW, written, written_nanos),
            ];
            utimensat(AT_FDCWD, self.path(request.node)?, &times[0], &times[1], UtimensatFlags::NoFollowSymlink)?;
        }
        let data = match self.open.get(&handle).filter(|_| has(valid::HANDLE)) {
            Some(file) => file.metadata(),
            None => self.path(request.node)?.symlink_metadata(),
        };
        Ok(Body::attributes(&data.map_err(errno)?))
    }
}

/// Opens a file as the kernel was asked to; with a mode, makes it.
fn opened(flags: u32, mode: Option<u32>, path: &Path) -> Result<File, Errno> {
    // The kernel has followed links already, and keeps what it asks of a terminal or a lock to itself.
    let kept = OFlag::O_ACCMODE | OFlag::O_APPEND | OFlag::O_TRUNC | OFlag::O_EXCL;
    let flags = OFlag::from_bits_truncate(flags as i32) & kept | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let made = if mode.is_some() { OFlag::O_CREAT } else { OFlag::empty() };
    open(path, flags | made, Mode::from_bits_truncate(mode.unwrap_or_default())).map(File::from)
}

/// What is in a folder, as it is at this moment.
fn listed(folder: &Path) -> Result<Vec<(OsString, u64, u32)>, Errno> {
    let own = folder.symlink_metadata().map_err(errno)?.ino();
    let mut entries: Vec<_> = [".", ".."].map(|name| (name.into(), own, u32::from(libc::DT_DIR))).into();
    for entry in fs::read_dir(folder).map_err(errno)? {
        let entry = entry.map_err(errno)?;
        let kind = entry.file_type().map_or(u32::from(libc::DT_UNKNOWN), kind);
        entries.push((entry.file_name(), entry.ino(), kind));
    }
    Ok(entries)
}

fn errno(error: io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}
