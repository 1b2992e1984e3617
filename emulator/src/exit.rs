//! How `emu` ends. Exit codes are public: scripts and CI rely on them (see the README).

use std::process::ExitCode;

/// How a command ended; the number is the process's exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It did what was asked, and everything that was expected held.
    Success = 0,
    /// Something in `[expect]` did not hold, an invariant was broken, or a gate found a regression.
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
    /// What was measured is not enough to go by: a gate had too few or too noisy runs to tell, or the emulation was not what the
    /// scenario describes (`--strict`).
    Inconclusive = 7,
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

    /// Every way of ending.
    pub const ALL: [Exit; 10] = {
        use Exit::*;
        [
            Success,
            ExpectFailed,
            Usage,
            HostLacks,
            SetupFailed,
            NodeDied,
            LeftBehind,
            Inconclusive,
            Interrupted,
            Terminated,
        ]
    };

    /// The way of ending that has this code.
    pub fn from_code(code: u8) -> Option<Exit> {
        Exit::ALL.into_iter().find(|exit| exit.code() == code)
    }

    /// What it tells, for the manual.
    pub fn means(self) -> &'static str {
        match self {
            Exit::Success => "It did what was asked, and everything that was expected held",
            Exit::ExpectFailed => {
                "An expectation of the scenario failed, an invariant was broken (something was lost, came twice, was wrong), or a gate found a loss"
            }
            Exit::Usage => "The command line or the scenario is wrong",
            Exit::HostLacks => "The host lacks a capability that is needed; emu doctor says which",
            Exit::SetupFailed => "Setting up failed, or a file can't be written",
            Exit::NodeDied => "A node died that no fault killed",
            Exit::LeftBehind => "Teardown left something behind",
            Exit::Inconclusive => {
                "A gate can't tell, its runs being too few or too noisy; or the emulation was not what the scenario describes (--strict)"
            }
            Exit::Interrupted => "Interrupted (Ctrl-C); what there was until then is kept",
            Exit::Terminated => "Terminated (SIGTERM); what there was until then is kept",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
