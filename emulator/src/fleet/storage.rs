//! The state folders of nodes, and what faults do to them.
//!
//! A state folder is a file system in memory. Where its disk is to be slow or to fail, a layer lies over it, through which the node
//! looks; what is done to the folder by faults is done below the layer.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use planner::units::ByteSize;

use super::{Fleet, FleetError, Node};
use crate::fault::damage::{Spoil, Spoiling};
use crate::sandbox::layer::Trouble;
use crate::sandbox::{Defects, Layer, LayerError, Sandbox, Tmpfs, TmpfsError};

/// How deep folders are looked into.
const DEEPEST: usize = 8;

/// A state folder.
#[derive(Debug)]
pub(super) struct Storage {
    /// Goes first.
    layer: Option<Layer>,
    files: Tmpfs,
}

/// Something could not be done to a state folder.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// To what is stored.
    #[error(transparent)]
    Files(#[from] TmpfsError),
    /// To the layer over it.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// There is no layer over it.
    #[error("there is no layer over it")]
    NoLayer,
}

impl Storage {
    /// Mounts a state folder on `path`, which is absolute.
    pub fn mount(sandbox: &Sandbox, path: &Path, size: ByteSize, layered: bool) -> Result<Storage, StorageError> {
        if !layered {
            return Ok(Storage { layer: None, files: sandbox.tmpfs(path, size)? });
        }
        let files = sandbox.tmpfs(&path.with_extension("below"), size)?;
        let layer = Some(sandbox.layer(path, files.path())?);
        Ok(Storage { layer, files })
    }

    /// Where its files are: below the layer, if there is one.
    pub fn files(&self) -> &Path {
        self.files.path()
    }

    /// Unmounts it.
    pub fn close(self) -> Result<(), StorageError> {
        let layer = self.layer.map_or(Ok(()), Layer::close);
        self.files.close()?;
        Ok(layer?)
    }
}

impl Fleet<'_> {
    /// Gives a node's state folder these defects and no others.
    pub fn set_defects(&mut self, number: usize, defects: Defects) -> Result<(), FleetError> {
        let Node { name, state, .. } = &self.nodes[number];
        state.files.set(defects).map_err(|source| FleetError::State { node: name.clone(), source: source.into() })
    }

    /// Makes a node's disk slow and faulty in this way and in no other.
    pub fn set_trouble(&mut self, number: usize, trouble: Trouble) -> Result<(), FleetError> {
        let Node { name, state, .. } = &self.nodes[number];
        let set = match &state.layer {
            Some(layer) => layer.set(trouble).map_err(StorageError::from),
            None => Err(StorageError::NoLayer),
        };
        set.map_err(|source| FleetError::State { node: name.clone(), source })
    }

    /// Spoils a file in a node's state folder: the one that is named, or the largest. Returns its name there.
    pub fn spoil(&mut self, number: usize, spoil: &Spoil) -> Result<PathBuf, FleetError> {
        let Node { name, state, .. } = &self.nodes[number];
        let folder = state.files();
        let file = match &spoil.file {
            Some(file) => folder.join(file),
            None => largest(folder).ok_or_else(|| FleetError::NothingStored { node: name.clone() })?,
        };
        let spoilt = spoil_file(&file, spoil);
        spoilt.map_err(|source| FleetError::File { path: file.clone(), source })?;
        Ok(file.strip_prefix(folder).unwrap_or(&file).to_owned())
    }
}

fn spoil_file(path: &Path, spoil: &Spoil) -> io::Result<()> {
    // What a node has linked to somewhere else is not its own.
    let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOFOLLOW).open(path)?;
    let length = file.metadata()?.len();
    match spoil.how {
        Spoiling::Flip { seed } => {
            if length == 0 {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "an empty file has no bit to flip"));
            }
            let (at, mut byte) = (seed % length, [0]);
            file.read_exact_at(&mut byte, at)?;
            // What is left of the seed once it has chosen the byte.
            byte[0] ^= 1 << (seed / length % 8);
            file.write_all_at(&byte, at)
        }
        Spoiling::Cut { keep } => file.set_len((length as f64 * keep) as u64),
    }
}

/// The largest file in a folder; of several, the first by name.
fn largest(folder: &Path) -> Option<PathBuf> {
    let mut files = Vec::new();
    list(folder, DEEPEST, &mut files);
    files.sort_by(|(a, a_length), (b, b_length)| b_length.cmp(a_length).then_with(|| a.cmp(b)));
    files.into_iter().next().map(|(path, _)| path)
}

/// The files that have something in them. Some may vanish meanwhile: the node is at work.
fn list(folder: &Path, depth: usize, files: &mut Vec<(PathBuf, u64)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.metadata() {
            Ok(data) if data.is_dir() && depth > 0 => list(&entry.path(), depth - 1, files),
            Ok(data) if data.is_file() && data.len() > 0 => files.push((entry.path(), data.len())),
            _ => {}
        }
    }
}
