//! What the stories share: `emu` run as a user runs it, in a folder of its own.

#![allow(dead_code)] // each story file uses its part

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The account that owns nothing.
pub const NOBODY: u32 = 65534;

/// A user with a shell in an empty folder.
pub struct User {
    folder: TempDir,
    uid: Option<u32>,
}

/// A process that ends with the test, however that ends.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How a command ended, and what it said.
pub struct Outcome {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl User {
    /// Whoever runs the tests.
    pub fn new() -> User {
        User { folder: tempfile::tempdir().expect("a temporary folder"), uid: None }
    }

    /// Somebody without rights; `None` when the tests don't run as root and so can't become another.
    pub fn unprivileged() -> Option<User> {
        if !nix::unistd::geteuid().is_root() {
            return None;
        }
        let user = User { uid: Some(NOBODY), ..User::new() };
        let owner = Some(nix::unistd::Uid::from_raw(NOBODY));
        nix::unistd::chown(user.path(), owner, None).expect("a folder can be given away");
        Some(user)
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A command `emu …`, not started yet.
    pub fn emu(&self, arguments: &[&str]) -> Command {
        self.command(&self.program(), arguments)
    }

    /// The same with another program in place of `emu`.
    pub fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.path()).env("NO_COLOR", "1").stdin(Stdio::null());
        // One cache for all stories, unless the environment names one: a model is made and profiled once.
        let cache = match (self.uid, std::env::var_os("EMU_CACHE")) {
            (Some(_), _) => self.path().join("cache"),
            (None, Some(cache)) => cache.into(),
            (None, None) => Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"),
        };
        command.env("EMU_CACHE", cache);
        if let Some(uid) = self.uid {
            command.uid(uid).gid(uid);
        }
        command
    }

    /// Runs `emu …` to its end.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        User::end(&mut self.emu(arguments))
    }

    /// Runs a command to its end.
    pub fn end(command: &mut Command) -> Outcome {
        let output = command.output().expect("emu starts");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Outcome { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Starts `emu …` and leaves it running, its output in files.
    pub fn start(&self, arguments: &[&str]) -> Child {
        let file = |name: &str| fs::File::create(self.path().join(name)).expect("a file in an own folder");
        let mut command = self.emu(arguments);
        command.stdout(file("stdout")).stderr(file("stderr"));
        command.spawn().expect("emu starts")
    }

    /// A file of this user's.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).expect("a file in an own folder");
        path
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The program; an unprivileged user gets a copy, because the folder it was built in may be private.
    fn program(&self) -> PathBuf {
        let built = PathBuf::from(env!("CARGO_BIN_EXE_emu"));
        if self.uid.is_none() {
            return built;
        }
        let copy = self.path().join("emu");
        if !copy.exists() {
            fs::copy(built, &copy).expect("emu can be copied");
        }
        copy
    }
}

impl Outcome {
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// What `--json` printed.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("standard output is not JSON: {error}\n{}\n{}", self.stdout, self.stderr))
    }

    #[track_caller]
    pub fn expect(self, code: i32) -> Outcome {
        assert_eq!(self.code(), Some(code), "standard error was:\n{}", self.stderr);
        self
    }
}

/// A scenario that ships.
pub fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(format!("{name}.toml"));
    path.canonicalize().expect("a shipped scenario").to_string_lossy().into_owned()
}

/// Fails unless the run lost nothing, delivered nothing twice and nothing wrong.
#[track_caller]
pub fn nothing_lost_twice_or_wrong(summary: &Value) {
    let requests = &summary["requests"];
    for count in ["lost", "duplicated", "wrong"] {
        assert_eq!(requests[count], 0, "{count}: {requests:#}");
    }
    assert!(requests["completed"].as_u64() > Some(0), "nothing was completed: {requests:#}");
}

/// Processes of the host whose command line has `word` in it, by id.
pub fn processes_with(word: &str) -> Vec<i32> {
    let entries = fs::read_dir("/proc").expect("/proc");
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_string_lossy().parse::<i32>().ok())
        .filter(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(word)
        })
        .collect()
}
