//! The model of a run: its file, its profile, and the outputs that its results are held against.
//!
//! Making a model, profiling it and running it unsplit takes far more memory than the testbed may
//! need, so a child process does it, once: what it finds is kept in a cache folder and read from there.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::fcntl::{Flock, FlockArg};
use node::wire::codec::{Tensor, encode_all};
use planner::codec::Codec;
use planner::onnx::Activation;
use planner::profile::{self, ModelProfile, PROFILE_VERSION};
use serde::{Deserialize, Serialize};

use crate::scenario::ModelSource;

/// Seed of the weights of zoo models: the same everywhere, so that figures can be compared.
const ZOO_SEED: u64 = 1;

/// The variable that names the cache folder.
const CACHE: &str = "EMU_CACHE";

/// Everything a run needs to know of its model.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The ONNX file.
    pub model: PathBuf,
    /// The file that `profile` was read from.
    pub profile_path: PathBuf,
    /// What the model's parts cost.
    pub profile: ModelProfile,
    /// Digest of the unsplit model's output for each input, in hexadecimal.
    pub reference: Vec<String>,
}

/// Which inputs a run uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// How many different ones.
    pub count: u32,
    /// Their seed.
    pub seed: u64,
}

/// Why a model can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file or folder of the cache, or the model file.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file of the cache can't be written as JSON.
    #[error("{path}: {error}")]
    Cache {
        /// Which.
        path: PathBuf,
        /// Why.
        error: serde_json::Error,
    },
    /// A model of the zoo can't be written.
    #[error(transparent)]
    Zoo(#[from] planner::zoo::ZooError),
    /// The model can't be read, cut or run.
    #[error(transparent)]
    Model(#[from] planner::onnx::ModelError),
    /// The child process failed; its message.
    #[error("{0}")]
    Child(String),
    /// The cache folder can't be found out.
    #[error("no folder for cached models: set EMU_CACHE, XDG_CACHE_HOME or HOME to one that can be written")]
    NoCache,
}

/// The cache folder: `$EMU_CACHE`, `$XDG_CACHE_HOME/emu`, `$HOME/.cache/emu`, whichever can be made first.
///
/// # Errors
/// [`ModelError::NoCache`] when none can.
pub fn cache_folder() -> Result<PathBuf, ModelError> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let candidates = [
        variable(CACHE),
        variable("XDG_CACHE_HOME").map(|folder| folder.join("emu")),
        variable("HOME").map(|folder| folder.join(".cache/emu")),
        // For accounts without a home, such as `nobody`.
        Some(std::env::temp_dir().join(format!("emu-cache-{}", nix::unistd::geteuid()))),
    ];
    let writable = |folder: &PathBuf| {
        fs::create_dir_all(folder).is_ok()
            && nix::unistd::access(folder, nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK).is_ok()
    };
    candidates.into_iter().flatten().find(writable).ok_or(ModelError::NoCache)
}

/// The model's profile, if the cache has it.
pub fn cached_profile(source: &ModelSource) -> Option<ModelProfile> {
    Entry::of(&cache_folder().ok()?, source).ok()?.profile().ok()?
}

/// Finds the model in the cache, or lets a child process of this program (`emu model prepare`) put it there.
///
/// # Errors
/// When the model can't be read, made, cut, profiled or run, or the cache can't be used.
pub fn prepare(program: &Path, source: &ModelSource, inputs: Inputs) -> Result<Prepared, ModelError> {
    prepare_in(&cache_folder()?, program, source, inputs)
}

/// As [`prepare`], with another cache than the user's.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_in(cache: &Path, program: &Path, source: &ModelSource, inputs: Inputs) -> Result<Prepared, ModelError> {
    let entry = Entry::of(cache, source)?;
    if let Some(prepared) = entry.read(inputs)? {
        return Ok(prepared);
    }
    let output = Command::new(program)
        .args(["model", "prepare", "--inputs", &inputs.count.to_string(), "--seed", &inputs.seed.to_string()])
        .args(match source {
            ModelSource::Zoo(name) => vec![OsString::from(name)],
            ModelSource::File { path, shape: None } => vec!["--file".into(), path.into()],
            ModelSource::File { path, shape: Some(shape) } => {
                vec!["--file".into(), "--shape".into(), joined(shape, ",").into(), path.into()]
            }
        })
        .env(CACHE, cache)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| ModelError::File { path: program.to_owned(), error })?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(ModelError::Child(text.trim().trim_start_matches("error: ").to_owned()));
    }
    entry.read(inputs)?.ok_or_else(|| ModelError::Child("the model was prepared but is not in the cache".to_owned()))
}

/// What `emu model prepare` does: makes whatever of the model is not in the cache yet.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_here(source: &ModelSource, inputs: Inputs) -> Result<Prepared, ModelError> {
    let entry = Entry::of(&cache_folder()?, source)?;
    // Two runs that start side by side must not both measure: the second waits, then reads.
    let lock = File::create(entry.folder.join("lock")).map_err(|error| in_file(&entry.folder, error))?;
    let _held = Flock::lock(lock, FlockArg::LockExclusive)
        .map_err(|(_, errno)| in_file(&entry.folder, io::Error::from(errno)))?;
    if let ModelSource::Zoo(name) = source
        && !entry.model.exists()
    {
        planner::zoo::write(name, ZOO_SEED, &entry.model)?;
    }
    if entry.profile()?.is_none() {
        let sizes = Codec::ALL.map(|codec| move |cut: &[Activation]| encoded_size(cut, codec));
        let encoders: Vec<profile::Encoder<'_>> = Codec::ALL
            .into_iter()
            .zip(&sizes)
            .map(|(codec, size)| (codec, size as &dyn Fn(&[Activation]) -> usize))
            .collect();
        let shape = match source {
            ModelSource::Zoo(_) => None,
            ModelSource::File { shape, .. } => shape.as_deref(),
        };
        let profile = profile::measure(&entry.model, &entry.name, shape, &encoders)?;
        write_json(&entry.profile_path(), &profile)?;
    }
    if let Some(mut profile) = entry.profile()?.filter(|profile| !profile.is_sealed()) {
        planner::onnx::seal(&entry.model, &mut profile)?;
        write_json(&entry.profile_path(), &profile)?;
    }
    if entry.reference(inputs)?.is_none() {
        let profile = entry.profile()?.ok_or_else(|| ModelError::Child("the profile has vanished".to_owned()))?;
        let outputs = profile::reference(&entry.model, &profile, inputs.count, inputs.seed)?;
        let digests: Vec<String> =
            outputs.iter().map(|output| format!("{:016x}", node::digest::digest(&output.data))).collect();
        write_json(&entry.reference_path(inputs), &digests)?;
    }
    entry.read(inputs)?.ok_or_else(|| ModelError::Child("the cache lost what was just written to it".to_owned()))
}

/// Where a model lies, so that it can be taken elsewhere.
#[derive(Debug)]
pub struct Files {
    /// The model's file.
    pub model: PathBuf,
    /// Where it is looked for, relative to a cache folder; the user's own files are not kept in one.
    pub kept: Option<PathBuf>,
    /// The profile of this version of `emu`, relative to a cache folder.
    pub profile: PathBuf,
}

/// Where a model lies that was prepared before.
///
/// # Errors
/// When it can't be read.
pub fn files(source: &ModelSource) -> Result<Files, ModelError> {
    let cache = cache_folder()?;
    let entry = Entry::of(&cache, source)?;
    let inside = |path: &Path| path.strip_prefix(&cache).unwrap_or(path).to_owned();
    let kept = matches!(source, ModelSource::Zoo(_)).then(|| inside(&entry.model));
    Ok(Files { profile: inside(&entry.profile_path()), kept, model: entry.model })
}

/// One model's place in the cache.
struct Entry {
    folder: PathBuf,
    name: String,
    model: PathBuf,
}

impl Entry {
    fn of(cache: &Path, source: &ModelSource) -> Result<Entry, ModelError> {
        let (name, key) = match source {
            ModelSource::Zoo(name) => (name.clone(), format!("{name}-{ZOO_SEED}")),
            ModelSource::File { path, shape } => {
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let shape = shape.as_ref().map_or(String::new(), |shape| format!("-{}", joined(shape, "x")));
                let key = format!("{name}-{:016x}{shape}", digest_of_file(path)?);
                (name, key)
            }
        };
        let folder = cache.join("models").join(key);
        fs::create_dir_all(&folder).map_err(|error| in_file(&folder, error))?;
        let model = match source {
            ModelSource::Zoo(_) => folder.join("model.onnx"),
            ModelSource::File { path, .. } => fs::canonicalize(path).map_err(|error| in_file(path, error))?,
        };
        Ok(Entry { folder, name, model })
    }

    fn profile_path(&self) -> PathBuf {
        self.folder.join(format!("profile-{PROFILE_VERSION}.json"))
    }

    fn reference_path(&self, inputs: Inputs) -> PathBuf {
        self.folder.join(format!("reference-{}-{}.json", inputs.seed, inputs.count))
    }

    fn profile(&self) -> Result<Option<ModelProfile>, ModelError> {
        let profile: Option<ModelProfile> = read_json(&self.profile_path())?;
        Ok(profile.filter(|profile| profile.unsound().is_none()))
    }

    fn reference(&self, inputs: Inputs) -> Result<Option<Vec<String>>, ModelError> {
        read_json(&self.reference_path(inputs))
    }

    /// What the cache has of it, if that is everything.
    fn read(&self, inputs: Inputs) -> Result<Option<Prepared>, ModelError> {
        let profile = self.profile()?.filter(ModelProfile::is_sealed);
        let reference = self.reference(inputs)?;
        Ok(profile.zip(reference).filter(|_| self.model.exists()).map(|(profile, reference)| Prepared {
            model: self.model.clone(),
            profile_path: self.profile_path(),
            profile,
            reference,
        }))
    }
}

/// How the open dimensions of an input are asked for: those that are known, 1 for the batch, `?` for the others.
pub fn shape_to_fill_in(known: &[Option<usize>]) -> String {
    let dim = |(axis, known): (usize, &Option<usize>)| match (axis, known) {
        (_, Some(dim)) => dim.to_string(),
        (0, None) => "1".to_owned(),
        (_, None) => "?".to_owned(),
    };
    if known.is_empty() {
        "?, ?, …".to_owned()
    } else {
        joined(&known.iter().enumerate().map(dim).collect::<Vec<_>>(), ", ")
    }
}

fn joined(items: &[impl ToString], between: &str) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
}

/// Bytes of a cut's tensors as they cross the network; of what can't be sent, as it is in memory.
fn encoded_size(cut: &[Activation], codec: Codec) -> usize {
    let mut buffer = Vec::new();
    let tensor = |tensor: &Activation| Tensor::new(tensor.element, tensor.shape.clone(), tensor.data.clone());
    let tensors = cut.iter().map(tensor).collect::<Result<Vec<Tensor>, _>>();
    match tensors.and_then(|tensors| encode_all(&tensors, codec, &mut buffer)) {
        Ok(()) => buffer.len(),
        Err(_) => cut.iter().map(|tensor| tensor.data.len()).sum(),
    }
}

fn in_file(path: &Path, error: io::Error) -> ModelError {
    ModelError::File { path: path.to_owned(), error }
}

/// Digest of a file, read in pieces: mapping a large model would count as this process's memory.
fn digest_of_file(path: &Path) -> Result<u64, ModelError> {
    let mut file = File::open(path).map_err(|error| in_file(path, error))?;
    let mut buffer = vec![0; 1 << 16];
    let mut digest = node::digest::Digest::default();
    loop {
        match file.read(&mut buffer).map_err(|error| in_file(path, error))? {
            0 => return Ok(digest.value()),
            length => digest.update(&buffer[..length]),
        }
    }
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>, ModelError> {
    match fs::read(path) {
        // What was damaged is not there: it is made again.
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(in_file(path, error)),
    }
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), ModelError> {
    let text = serde_json::to_vec_pretty(value).map_err(|error| ModelError::Cache { path: path.to_owned(), error })?;
    let partial = path.with_extension(format!("{}.partial", std::process::id()));
    fs::write(&partial, text).and_then(|()| fs::rename(&partial, path)).map_err(|error| in_file(path, error))
}
