//! A run in one archive, with all that is needed to repeat it elsewhere.
//!
//! A gzipped tar of
//!
//! | path | what it is |
//! |---|---|
//! | `bundle.json` | which run it is ([`Content`]); the first entry |
//! | `run/` | the run's folder, as it is |
//! | `cache/` | a cache folder that has the profile the run planned with and, if the model is of the zoo, the model |
//! | `model/` | the model's file, if it is the user's own |
//!
//! Unpacked, it lies in the user's cache under the archive's digest, and is used from there: so the model has the costs that it
//! had in the run, and gets the same plan. What an unsplit model computes differs between processors and is computed anew.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use nix::fcntl::{Flock, FlockArg};
use planner::digest::digest_file;
use planner::profile::ModelProfile;
use planner::units::ByteSize;
use serde::{Deserialize, Serialize};

use crate::exit::Exit;
use crate::model::{self, ModelError};
use crate::record::env::ModelId;
use crate::record::outputs::{PROFILE, RESOLVED};
use crate::scenario::{ModelSource, Scenario, Workload};
use crate::shell::runs::Run;

/// Names in the archive.
const CONTENT: &str = "bundle.json";
const RUN: &str = "run";
const CACHE: &str = "cache";
const MODEL: &str = "model";

/// Which run an archive is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Of this layout.
    pub bundle_version: u32,
    /// Version of `emu` that packed it.
    pub emu: String,
    /// The run's scenario and name.
    pub run: String,
    /// Its model.
    pub model: ModelId,
}

const VERSION: u32 = 1;

/// An archive that was unpacked.
#[derive(Debug)]
pub struct Unpacked {
    /// Which run it is of.
    pub content: Content,
    /// The run's folder.
    pub run: PathBuf,
    /// The cache folder that came with it.
    pub cache: PathBuf,
    /// The model's file, if it is not one of the zoo.
    pub model: Option<PathBuf>,
}

/// Why a run can't be packed or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Its files still change.
    #[error("{0} still goes on; wait for its end, then pack it")]
    Alive(String),
    /// It has no model.
    #[error("{0} was of programs that are not emu's: those and what they read can't be packed")]
    Programs(String),
    /// A file of the run can't be used.
    #[error("{}: {reason}", path.display())]
    Run {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The model of the run is gone.
    #[error("the model of the run can't be packed: {0}")]
    Model(#[from] ModelError),
    /// The model is not what it was.
    #[error("{run} was of the model {} with digest {}, and {} has digest {now}; put that file back", was.name, was.digest, path.display())]
    OtherModel {
        /// The run.
        run: String,
        /// Its model.
        was: ModelId,
        /// The file that is there now.
        path: PathBuf,
        /// Its digest.
        now: String,
    },
    /// A file can't be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is not one of ours, or it is not whole.
    #[error("{} can't be unpacked: {reason}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl BundleError {
    /// The way of ending that this error means.
    pub fn exit(&self) -> Exit {
        match self {
            BundleError::File { .. } => Exit::SetupFailed,
            _ => Exit::Usage,
        }
    }
}

fn in_file(path: &Path) -> impl FnOnce(io::Error) -> BundleError {
    move |error| BundleError::File { path: path.to_owned(), error }
}

/// Packs a run that is over into an archive; returns the archive's size. It has its name only when it is whole.
///
/// # Errors
/// See [`BundleError`].
pub fn pack(run: &Run, out: &Path) -> Result<ByteSize, BundleError> {
    if run.is_alive() {
        return Err(BundleError::Alive(run.title()));
    }
    let scenario: Scenario = read(&run.folder.join(RESOLVED))?;
    let inference = scenario.inference().ok_or_else(|| BundleError::Programs(run.title()))?;
    let profile: ModelProfile = read(&run.folder.join(PROFILE))?;
    let files = model::files(&inference.model.source)?;
    let now = digest_file(&files.model).map_err(in_file(&files.model))?;
    let model = ModelId { name: profile.model, digest: profile.digest };
    if now != model.digest {
        return Err(BundleError::OtherModel { run: run.title(), was: model, path: files.model, now });
    }
    let content =
        Content { bundle_version: VERSION, emu: env!("CARGO_PKG_VERSION").to_owned(), run: run.title(), model };
    let model = match &files.kept {
        Some(kept) => Path::new(CACHE).join(kept),
        None => Path::new(MODEL).join(files.model.file_name().unwrap_or_default()),
    };
    let mut partial = out.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let packed = archive(
        &partial,
        &content,
        run,
        &[(&files.model, &model), (&run.folder.join(PROFILE), &Path::new(CACHE).join(&files.profile))],
    );
    let named = packed.and_then(|size| fs::rename(&partial, out).map(|()| size));
    named.map_err(|error| {
        // What is left of it is nothing worth.
        let _ = fs::remove_file(&partial);
        in_file(out)(error)
    })
}

fn archive(path: &Path, content: &Content, run: &Run, more: &[(&Path, &Path)]) -> io::Result<ByteSize> {
    // Weights and events: the first hardly get smaller with more effort, the second do at once.
    let mut tar = tar::Builder::new(GzEncoder::new(File::create(path)?, Compression::fast()));
    let text = serde_json::to_vec_pretty(content)?;
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    tar.append_data(&mut header, CONTENT, &text[..])?;
    tar.follow_symlinks(false);
    tar.append_dir_all(RUN, &run.folder)?;
    // A model may be a link to where models are kept.
    tar.follow_symlinks(true);
    for (file, name) in more {
        tar.append_path_with_name(file, name)?;
    }
    let mut file = tar.into_inner()?.finish()?;
    file.flush()?;
    file.sync_all()?;
    Ok(ByteSize::from_bytes(file.metadata()?.len()))
}

/// Unpacks an archive into the cache, if it is not there yet.
///
/// # Errors
/// See [`BundleError`].
pub fn unpack(archive: &Path) -> Result<Unpacked, BundleError> {
    let digest = digest_file(archive).map_err(in_file(archive))?;
    let bundles = model::cache_folder()?.join("bundles");
    fs::create_dir_all(&bundles).map_err(in_file(&bundles))?;
    // Two may want the same, and one that was killed has left a part.
    let lock = bundles.join("lock");
    let file = File::create(&lock).map_err(in_file(&lock))?;
    let _held = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| in_file(&lock)(errno.into()))?;
    let folder = bundles.join(&digest);
    if !folder.exists() {
        let partial = bundles.join("partial");
        let emptied = if partial.exists() { fs::remove_dir_all(&partial) } else { Ok(()) };
        emptied.and_then(|()| fs::create_dir(&partial)).map_err(in_file(&partial))?;
        let unpacked = extract(archive, &partial);
        if unpacked.is_err() {
            // The next one would remove it, too.
            let _ = fs::remove_dir_all(&partial);
        }
        unpacked?;
        fs::rename(&partial, &folder).map_err(in_file(&folder))?;
    }
    let content: Content = read(&folder.join(CONTENT))?;
    let model = fs::read_dir(folder.join(MODEL)).ok().and_then(|mut files| Some(files.next()?.ok()?.path()));
    Ok(Unpacked { content, run: folder.join(RUN), cache: folder.join(CACHE), model })
}

/// Takes out files and folders alone, and none that would lie elsewhere.
fn extract(archive: &Path, folder: &Path) -> Result<(), BundleError> {
    let refuse = |reason: String| BundleError::Archive { path: archive.to_owned(), reason };
    let mut tar = tar::Archive::new(GzDecoder::new(File::open(archive).map_err(in_file(archive))?));
    tar.set_preserve_permissions(false);
    tar.set_preserve_mtime(false);
    let broken = |error: io::Error| refuse(format!("{error}; it is damaged, or was not made by emu bundle"));
    let mut first = true;
    for entry in tar.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let path = entry.path().map_err(broken)?.into_owned();
        if std::mem::take(&mut first) && path != Path::new(CONTENT) {
            return Err(refuse("it was not made by emu bundle".to_owned()));
        }
        // The run's `latest` and the like are nothing that a repetition needs.
        if !(entry.header().entry_type().is_file() || entry.header().entry_type().is_dir()) {
            continue;
        }
        if !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(refuse(format!("it would write to {}", path.display())));
        }
        entry.unpack_in(folder).map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::PermissionDenied => in_file(folder)(error),
            _ => broken(error),
        })?;
        if path == Path::new(CONTENT) {
            check(&read(&folder.join(CONTENT))?).map_err(refuse)?;
        }
    }
    if first {
        return Err(refuse("it is empty".to_owned()));
    }
    // The checksum comes last.
    io::copy(&mut tar.into_inner(), &mut io::sink()).map(drop).map_err(broken)
}

fn check(content: &Content) -> Result<(), String> {
    match content.bundle_version {
        VERSION => Ok(()),
        other => Err(format!("it has layout {other}, of emu {}; this one knows {VERSION}", content.emu)),
    }
}

/// The scenario of an unpacked run, with its model where that lies now.
pub fn relocated(mut scenario: Scenario, model: Option<&Path>) -> Scenario {
    if let (Workload::Inference(inference), Some(model)) = (&mut scenario.workload, model)
        && let ModelSource::File { path, .. } = &mut inference.model.source
    {
        *path = model.to_owned();
    }
    scenario
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, BundleError> {
    let because = |reason: String| BundleError::Run { path: path.to_owned(), reason };
    let text = fs::read(path).map_err(|error| because(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| because(error.to_string()))
}
