//! The kernel's protocol of file systems in user space, as far as it is spoken here: version 7.31, `linux/fuse.h`. It only grows,
//! and each side uses what both know.

use std::fs::{FileType, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use nix::errno::Errno;
use nix::sys::statvfs::Statvfs;

/// Length of what every request begins with.
const HEADER: usize = 40;
/// Largest piece of a file in one request: what a disk is asked for at once.
pub const PIECE: usize = 128 << 10;
/// Room for any request: the kernel wants a page beside the piece.
pub const LONGEST: usize = PIECE + 4096;
/// The number of the root folder.
pub const ROOT: u64 = 1;

const VERSION: (u32, u32) = (7, 31);
/// That a write may be longer than a page.
const BIG_WRITES: u32 = 1 << 5;
/// That the kernel keeps nothing of an open file: every read and every write comes here.
const DIRECT: u32 = 1;

/// What the kernel asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Lookup,
    Forget,
    Attributes,
    Change,
    ReadLink,
    Symlink,
    MakeNode,
    MakeFolder,
    Unlink,
    RemoveFolder,
    Rename,
    Link,
    Open,
    Read,
    Write,
    Usage,
    Release,
    Sync,
    Initialise,
    OpenFolder,
    ReadFolder,
    ReleaseFolder,
    SyncFolder,
    Create,
    Interrupt,
    Destroy,
    ForgetMany,
    Allocate,
    RenameWith,
    /// The kernel does without, and doesn't ask again where it would ask often.
    Other,
}

impl Operation {
    fn of(number: u32) -> Operation {
        use Operation::*;
        match number {
            1 => Lookup,
            2 => Forget,
            3 => Attributes,
            4 => Change,
            5 => ReadLink,
            6 => Symlink,
            8 => MakeNode,
            9 => MakeFolder,
            10 => Unlink,
            11 => RemoveFolder,
            12 => Rename,
            13 => Link,
            14 => Open,
            15 => Read,
            16 => Write,
            17 => Usage,
            18 => Release,
            20 => Sync,
            26 => Initialise,
            27 => OpenFolder,
            28 => ReadFolder,
            29 => ReleaseFolder,
            30 => SyncFolder,
            35 => Create,
            36 => Interrupt,
            38 => Destroy,
            42 => ForgetMany,
            43 => Allocate,
            45 => RenameWith,
            _ => Other,
        }
    }

    /// Whether the kernel waits for an answer.
    pub fn is_answered(self) -> bool {
        !matches!(self, Operation::Forget | Operation::ForgetMany | Operation::Interrupt)
    }
}

/// What the kernel asks.
#[derive(Debug)]
pub struct Request {
    /// What.
    pub operation: Operation,
    /// Its number.
    pub unique: u64,
    /// The file or folder that it is about.
    pub node: u64,
    body: Vec<u8>,
}

impl Request {
    /// Reads a request; `None`: it is none.
    pub fn parse(bytes: &[u8]) -> Option<Request> {
        let head = bytes.get(..HEADER)?;
        let mut fields = Fields(head);
        let (_length, number) = (fields.u32().ok()?, fields.u32().ok()?);
        let (unique, node) = (fields.u64().ok()?, fields.u64().ok()?);
        Some(Request { operation: Operation::of(number), unique, node, body: bytes[HEADER..].to_vec() })
    }

    /// What it says beside that.
    pub fn fields(&self) -> Fields<'_> {
        Fields(&self.body)
    }
}

/// What a request says, taken from its front. What is missing is an error of the kernel's, and answered as such.
#[derive(Debug)]
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub fn u32(&mut self) -> Result<u32, Errno> {
        let (number, rest) = self.0.split_first_chunk().ok_or(Errno::EINVAL)?;
        self.0 = rest;
        Ok(u32::from_ne_bytes(*number))
    }

    pub fn u64(&mut self) -> Result<u64, Errno> {
        let (number, rest) = self.0.split_first_chunk().ok_or(Errno::EINVAL)?;
        self.0 = rest;
        Ok(u64::from_ne_bytes(*number))
    }

    /// A text that ends with a zero.
    pub fn text(&mut self) -> Result<&'a [u8], Errno> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or(Errno::EINVAL)?;
        let text = &self.0[..end];
        self.0 = &self.0[end + 1..];
        Ok(text)
    }

    /// All that is left.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// The answer to a request: its body, or why there is none.
pub fn answer(unique: u64, outcome: Result<Body, Errno>) -> Vec<u8> {
    let (body, error) = match outcome {
        Ok(Body(bytes)) => (bytes, 0),
        Err(errno) => (Vec::new(), -(errno as i32)),
    };
    let length = (16 + body.len()) as u32;
    let mut answer = [&length.to_ne_bytes()[..], &error.to_ne_bytes(), &unique.to_ne_bytes()].concat();
    answer.extend(body);
    answer
}

/// What an answer says.
#[derive(Debug, Default)]
pub struct Body(pub Vec<u8>);

impl Body {
    fn u32(mut self, number: u32) -> Body {
        self.0.extend(number.to_ne_bytes());
        self
    }

    fn u64(mut self, number: u64) -> Body {
        self.0.extend(number.to_ne_bytes());
        self
    }

    fn zeros(mut self, count: usize) -> Body {
        self.0.resize(self.0.len() + count, 0);
        self
    }

    /// Which version is spoken, to a kernel that speaks `fields`.
    pub fn version(mut fields: Fields<'_>) -> Result<Body, Errno> {
        let (major, minor, read_ahead) = (fields.u32()?, fields.u32()?, fields.u32()?);
        // All that is used here was there by then.
        if (major, minor) < (VERSION.0, 23) {
            return Err(Errno::EPROTO);
        }
        let body = Body::default().u32(VERSION.0).u32(VERSION.1).u32(read_ahead).u32(BIG_WRITES);
        // How much may wait in the background, how large a write may be, how exact times are.
        Ok(body.zeros(4).u32(PIECE as u32).u32(1).zeros(36))
    }

    fn attributes_of(self, data: &Metadata) -> Body {
        let times = |body: Body| body.u64(data.atime() as u64).u64(data.mtime() as u64).u64(data.ctime() as u64);
        let body = times(self.u64(data.ino()).u64(data.size()).u64(data.blocks()));
        let body = body.u32(data.atime_nsec() as u32).u32(data.mtime_nsec() as u32).u32(data.ctime_nsec() as u32);
        let body = body.u32(data.mode()).u32(data.nlink() as u32).u32(data.uid()).u32(data.gid());
        body.u32(data.rdev() as u32).u32(data.blksize() as u32).zeros(4)
    }

    /// What a file is like. Nothing of it is remembered: faults change files, too.
    pub fn attributes(data: &Metadata) -> Body {
        Body::default().zeros(16).attributes_of(data)
    }

    /// A file that was found or made, which has the number `node` from now on.
    pub fn entry(node: u64, data: &Metadata) -> Body {
        Body::default().u64(node).zeros(32).attributes_of(data)
    }

    /// That a file is open, as `handle`; put behind what is there.
    pub fn and_opened(self, handle: u64) -> Body {
        self.u64(handle).u32(DIRECT).zeros(4)
    }

    /// How much was written.
    pub fn written(count: u32) -> Body {
        Body::default().u32(count).zeros(4)
    }

    /// How full the file system is.
    pub fn usage(usage: &Statvfs) -> Body {
        let body = Body::default().u64(usage.blocks()).u64(usage.blocks_free()).u64(usage.blocks_available());
        let body = body.u64(usage.files()).u64(usage.files_free()).u32(usage.block_size() as u32);
        body.u32(usage.name_max() as u32).u32(usage.fragment_size() as u32).zeros(28)
    }

    /// Adds an entry of a folder, if there is room for it in `size` bytes. `next`: what to ask for to get those behind it.
    pub fn listed(&mut self, size: usize, next: u64, inode: u64, kind: u32, name: &[u8]) -> bool {
        let length = (24 + name.len()).next_multiple_of(8);
        if self.0.len() + length > size {
            return false;
        }
        let end = self.0.len() + length;
        let body = std::mem::take(self).u64(inode).u64(next).u32(name.len() as u32).u32(kind);
        self.0 = body.0;
        self.0.extend(name);
        self.0.resize(end, 0);
        true
    }
}

/// The number that folders have for a kind of file.
pub fn kind(of: FileType) -> u32 {
    let kind = match of {
        of if of.is_dir() => libc::DT_DIR,
        of if of.is_symlink() => libc::DT_LNK,
        of if of.is_file() => libc::DT_REG,
        of if of.is_fifo() => libc::DT_FIFO,
        of if of.is_socket() => libc::DT_SOCK,
        _ => libc::DT_UNKNOWN,
    };
    u32::from(kind)
}
