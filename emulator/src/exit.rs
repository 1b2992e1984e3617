//! How `emu` ends. Exit codes are public: scripts and CI rely on them (see the README).

use std::process::ExitCode;

/// How a command ended; the number is the process's exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It did what was asked, and everything that was expected held.
    Success = 0,
    /// Something in `[expect]` did not hold, or an invariant was broken.
    ExpectFailed = 1,
    /// The command line or the scenario is wrong.
    Usage = 2,
    /// The host lacks a capability that is needed.
    HostLacks = 3,
    /// Setting up the emulation failed.
    SetupFailed = 4,
    /// A node died that no fault killed.
    NodeDied = 5,
    /// Teardown left something behind.
    LeftBehind = 6,
    /// The emulation was not what the scenario describes (`--strict`).
    Unfaithful = 7,
    /// Interrupted (SIGINT).
    Interrupted = 130,
    /// Terminated (SIGTERM).
    Terminated = 143,
}

impl Exit {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The way of ending that has this code.
    pub fn from_code(code: u8) -> Option<Exit> {
        use Exit::*;
        [
            Success,
            ExpectFailed,
            Usage,
            HostLacks,
            SetupFailed,
            NodeDied,
            LeftBehind,
            Unfaithful,
            Interrupted,
            Terminated,
        ]
        .into_iter()
        .find(|exit| exit.code() == code)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
