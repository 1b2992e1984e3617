//! The folder in which a run's files land: `results/<scenario>/<UTC time>-<id>/`.
//!
//! While the run goes on, the folder is called `.<name>.partial`, so that no reader takes an
//! unfinished run for a finished one; [`Folder::finish`] gives it its name and points `latest` at it.
//! A run that is killed leaves the `.partial` folder with the events until then.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use jiff::Timestamp;
use node::digest::digest;

/// Why a run's folder can't be made, filled or finished.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder can't be made.
    #[error("can't make the results folder {path}: {source}; choose another with --results")]
    Create {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of the run can't be written.
    #[error("can't write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The finished run can't be given its name.
    #[error("can't rename {path} to its final name: {source}; the run's files stay where they are")]
    Rename {
        /// The folder's name for the time of the run.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The folder of a run that goes on.
#[derive(Debug)]
pub struct Folder {
    /// `results/<scenario>`, absolute.
    parent: PathBuf,
    /// `<UTC time>-<id>`.
    name: String,
    partial: PathBuf,
}

impl Folder {
    /// Makes the folder of a run of `scenario` that began `now`, under its temporary name.
    ///
    /// # Errors
    /// [`FolderError::Create`].
    pub fn create(results: &Path, scenario: &str, now: Timestamp) -> Result<Folder, FolderError> {
        let parent = results.join(file_name(scenario));
        let create = |path: &Path, source| FolderError::Create { path: path.to_owned(), source };
        fs::create_dir_all(&parent).map_err(|source| create(&parent, source))?;
        // Absolute, for a run may change its working directory or its mounts.
        let parent = fs::canonicalize(&parent).map_err(|source| create(&parent, source))?;
        let seconds = now.strftime("%Y-%m-%dT%H-%M-%SZ");
        let mut attempt = 0u32;
        loop {
            // The id only tells runs apart that begin in one second.
            let unique = format!("{} {} {attempt}", now.as_nanosecond(), std::process::id());
            let name = format!("{seconds}-{:06x}", digest(unique.as_bytes()) & 0xff_ffff);
            let partial = parent.join(format!(".{name}.partial"));
            match fs::create_dir(&partial) {
                Ok(()) if !parent.join(&name).exists() => return Ok(Folder { parent, name, partial }),
                Ok(()) => fs::remove_dir(&partial).map_err(|source| create(&partial, source))?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(create(&partial, source)),
            }
            attempt += 1;
        }
    }

    /// Where the files are while the run goes on.
    pub fn path(&self) -> &Path {
        &self.partial
    }

    /// Where they will be.
    pub fn final_path(&self) -> PathBuf {
        self.parent.join(&self.name)
    }

    /// Makes the folder for a node's logs: `nodes/<name>`.
    ///
    /// # Errors
    /// [`FolderError::Create`].
    pub fn node(&self, name: &str) -> Result<PathBuf, FolderError> {
        let path = self.partial.join("nodes").join(file_name(name));
        fs::create_dir_all(&path).map_err(|source| FolderError::Create { path: path.clone(), source })?;
        Ok(path)
    }

    /// Writes a whole file of the run.
    ///
    /// # Errors
    /// [`FolderError::Write`].
    pub fn write(&self, file: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Result<(), FolderError> {
        let path = self.partial.join(file);
        fs::write(&path, content).map_err(|source| FolderError::Write { path, source })
    }

    /// Writes a file into a folder of the run, under the name that a scenario has for it, less what of that leads elsewhere.
    ///
    /// # Errors
    /// [`FolderError::Create`], [`FolderError::Write`].
    pub fn write_inside(&self, folder: &str, name: &str, content: &str) -> Result<(), FolderError> {
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_)).then(|| part.as_os_str().to_owned());
        let file = Path::new(folder).join(Path::new(name).components().filter_map(plain).collect::<PathBuf>());
        let path = self.partial.join(&file);
        let around = path.parent().unwrap_or(&self.partial);
        fs::create_dir_all(around).map_err(|source| FolderError::Create { path: around.to_owned(), source })?;
        self.write(file, content)
    }

    /// Gives the folder its name and points `latest` beside it at it; returns where it is.
    ///
    /// # Errors
    /// [`FolderError::Rename`]; and [`FolderError::Write`] when `latest` can't be replaced, by which
    /// time the folder has its name.
    pub fn finish(self) -> Result<PathBuf, FolderError> {
        let path = self.final_path();
        fs::rename(&self.partial, &path)
            .map_err(|source| FolderError::Rename { path: self.partial.clone(), source })?;
        let latest = self.parent.join("latest");
        let next = self.parent.join(format!(".latest-{}", self.name));
        // A rename replaces the old link at once: there is always one, and it always leads somewhere.
        symlink(&self.name, &next)
            .and_then(|()| fs::rename(&next, &latest))
            .map_err(|source| FolderError::Write { path: latest, source })?;
        Ok(path)
    }
}

/// `name` as the name of a file: no way out of the folder, and not hidden.
fn file_name(name: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || "-_.+".contains(c) { c } else { '_' };
    let name: String = name.chars().map(plain).collect();
    if name.is_empty() || name.starts_with('.') { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_its_name_only_when_it_is_finished_and_latest_follows() {
        let results = tempfile::tempdir().unwrap();
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let first = Folder::create(results.path(), "story", now).unwrap();
        let second = Folder::create(results.path(), "story", now).unwrap();
        assert_ne!(first.path(), second.path());
        first.write("summary.json", "1").unwrap();
        second.write("summary.json", "2").unwrap();
        assert!(first.node("n1").unwrap().is_dir());
        let latest = results.path().join("story/latest");
        let read = || fs::read_to_string(latest.join("summary.json")).ok();
        assert_eq!(read(), None);
        let first = first.finish().unwrap();
        assert_eq!(read().as_deref(), Some("1"));
        assert!(first.file_name().unwrap().to_str().unwrap().starts_with("2027-01-15T08-00-00Z-"));
        second.finish().unwrap();
        assert_eq!(read().as_deref(), Some("2"));
        let hidden = fs::read_dir(results.path().join("story")).unwrap();
        assert!(!hidden.flatten().any(|entry| entry.file_name().to_str().unwrap().starts_with('.')));
    }

    #[test]
    fn a_scenario_name_never_leads_out_of_the_results() {
        for (name, file) in [("../x", "_.._x"), ("", "_"), (".hidden", "_.hidden"), ("a b/c", "a_b_c")] {
            assert_eq!(file_name(name), file);
        }
    }
}
