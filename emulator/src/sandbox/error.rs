//! Why a sandbox could not be had, told so that the reader knows what to change.

use std::fs;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::sys::signal::Signal;

/// A sandbox could not be made, or was ended from outside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SandboxError {
    /// The system refuses it.
    #[error("a private sandbox is refused: {refusal}\n\nTo allow it:\n{}", refusal.fix())]
    Refused {
        /// Which refusal it is.
        refusal: Refusal,
    },
    /// The process has several threads already; user and pid namespaces need one.
    #[error("a sandbox must be entered before a second thread is started")]
    Threads,
    /// A system call failed that does not fail for lack of rights.
    #[error("making a private sandbox: {step}: {errno}")]
    System {
        /// What was being done.
        step: Step,
        /// The system's answer.
        errno: Errno,
    },
    /// The first process of the sandbox was ended by a signal that did not come through this process.
    #[error("the run was ended from outside by {0}")]
    Killed(Signal),
}

impl SandboxError {
    /// The exit code of the command: 3 when the host refuses, 4 when set-up failed, as a shell shows it when killed.
    pub fn exit_code(&self) -> u8 {
        match self {
            SandboxError::Refused { .. } => 3,
            SandboxError::Threads | SandboxError::System { .. } => 4,
            SandboxError::Killed(signal) => 128 + *signal as u8,
        }
    }

    /// The refusal that stands behind `errno` at `step`, from what this system says about itself.
    pub(super) fn at(step: Step, errno: Errno) -> SandboxError {
        let refusal = match errno {
            Errno::EPERM | Errno::EACCES | Errno::ENOSPC | Errno::EUSERS | Errno::ENOSYS | Errno::EINVAL => {
                Refusal::find(step, errno, &Facts::read())
            }
            _ => return SandboxError::System { step, errno },
        };
        SandboxError::Refused { refusal }
    }
}

/// A step on the way into the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[repr(u8)]
pub enum Step {
    /// Making the user namespace.
    #[error("making a user namespace")]
    User = 1,
    /// Becoming root in it.
    #[error("mapping the user into its namespace")]
    Map = 2,
    /// Making the pid namespace.
    #[error("making a pid namespace")]
    Pid = 3,
    /// Starting the first process.
    #[error("starting the first process")]
    Start = 4,
    /// Making network, mount and UTS namespaces.
    #[error("making network, mount and UTS namespaces")]
    Rest = 5,
    /// Cutting the mounts off from the host's.
    #[error("making mounts private")]
    Private = 6,
    /// Handling signals.
    #[error("taking signals")]
    Signals = 7,
    /// Waiting for the first process.
    #[error("waiting for the first process")]
    Wait = 8,
}

impl Step {
    pub(super) fn from_number(number: u8) -> Option<Step> {
        use Step::*;
        [User, Map, Pid, Start, Rest, Private, Signals, Wait].into_iter().find(|step| *step as u8 == number)
    }
}

/// What the system refuses, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `user.max_user_namespaces` is zero.
    #[error("user namespaces are switched off (user.max_user_namespaces is 0)")]
    SwitchedOff,
    /// As many namespaces as are allowed exist.
    #[error("{step}: as many as the system allows are in use")]
    UsedUp {
        /// Which were asked for.
        step: Step,
    },
    /// `kernel.unprivileged_userns_clone` is zero (Debian, Arch).
    #[error("only root may make user namespaces (kernel.unprivileged_userns_clone is 0)")]
    OnlyRoot,
    /// AppArmor lets the namespace be made but not be used (Ubuntu from 23.10 on).
    #[error(
        "AppArmor allows user namespaces only to programs with a profile (kernel.apparmor_restrict_unprivileged_userns is 1)"
    )]
    AppArmor {
        /// This program.
        program: PathBuf,
    },
    /// A filter on system calls, as containers have.
    #[error("{step}: a seccomp filter refuses it, as containers do by default ({errno})")]
    Seccomp {
        /// What was refused.
        step: Step,
        /// With which answer.
        errno: Errno,
    },
    /// The kernel was built without.
    #[error("{step}: this kernel can't ({errno})")]
    Unsupported {
        /// What was asked for.
        step: Step,
        /// The answer.
        errno: Errno,
    },
    /// None of the above.
    #[error("{step}: {errno}")]
    Unknown {
        /// What was refused.
        step: Step,
        /// With which answer.
        errno: Errno,
    },
}

impl Refusal {
    /// What lifts the refusal: commands to type.
    pub fn fix(&self) -> String {
        match self {
            Refusal::SwitchedOff => "  sudo sysctl -w user.max_user_namespaces=15000".to_owned(),
            Refusal::UsedUp { .. } => {
                "  end other programs that hold namespaces, or raise the limits: sysctl -a | grep '^user.max_'"
                    .to_owned()
            }
            Refusal::OnlyRoot => "  sudo sysctl -w kernel.unprivileged_userns_clone=1".to_owned(),
            Refusal::AppArmor { program } => {
                let program = program.display();
                format!(
                    "  sudo tee /etc/apparmor.d/emu <<'END'\n\
                     abi <abi/4.0>,\n\
                     include <tunables/global>\n\
                     profile emu \"{program}\" flags=(unconfined) {{\n  userns,\n}}\n\
                     END\n  \
                     sudo apparmor_parser -r /etc/apparmor.d/emu\n\
                     or, for every program at once:\n  \
                     sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
                )
            }
            Refusal::Seccomp { .. } => {
                "  start the container with --privileged, or with --security-opt seccomp=unconfined \
                 --security-opt apparmor=unconfined --security-opt systempaths=unconfined"
                    .to_owned()
            }
            Refusal::Unsupported { .. } => {
                "  use a kernel with CONFIG_USER_NS, CONFIG_PID_NS, CONFIG_NET_NS and CONFIG_UTS_NS".to_owned()
            }
            Refusal::Unknown { .. } => {
                "  run as root, outside chroots and containers, or in a container started with --privileged".to_owned()
            }
        }
    }

    fn find(step: Step, errno: Errno, facts: &Facts) -> Refusal {
        let seccomp = facts.seccomp.then_some(Refusal::Seccomp { step, errno });
        match errno {
            Errno::ENOSPC | Errno::EUSERS if step == Step::User && facts.max_user_namespaces == Some(0) => {
                Refusal::SwitchedOff
            }
            Errno::ENOSPC | Errno::EUSERS => Refusal::UsedUp { step },
            Errno::EINVAL | Errno::ENOSYS => seccomp.unwrap_or(Refusal::Unsupported { step, errno }),
            _ if facts.unprivileged_clone == Some(0) && step == Step::User => Refusal::OnlyRoot,
            // The namespace exists, but its maker has no rights in it: all that needs rights fails from here on.
            _ if facts.apparmor_restricts == Some(1) => Refusal::AppArmor { program: facts.program.clone() },
            _ => seccomp.unwrap_or(Refusal::Unknown { step, errno }),
        }
    }
}

/// What this system says about itself.
#[derive(Debug, Default)]
struct Facts {
    max_user_namespaces: Option<u64>,
    unprivileged_clone: Option<u64>,
    apparmor_restricts: Option<u64>,
    seccomp: bool,
    program: PathBuf,
}

impl Facts {
    fn read() -> Facts {
        let number = |path: &str| fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok());
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Facts {
            max_user_namespaces: number("/proc/sys/user/max_user_namespaces"),
            unprivileged_clone: number("/proc/sys/kernel/unprivileged_userns_clone"),
            apparmor_restricts: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
            seccomp: status.lines().any(|line| line.starts_with("Seccomp:") && line.ends_with('2')),
            program: fs::read_link("/proc/self/exe").unwrap_or_else(|_| PathBuf::from("emu")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_known_refusal_is_told_apart_and_names_its_fix() {
        let facts = || Facts { max_user_namespaces: Some(9), program: "/opt/emu".into(), ..Facts::default() };
        let find = |step, errno, facts: Facts| Refusal::find(step, errno, &facts);

        let off = find(Step::User, Errno::ENOSPC, Facts { max_user_namespaces: Some(0), ..facts() });
        assert_eq!(off, Refusal::SwitchedOff);
        assert!(off.fix().contains("user.max_user_namespaces="));

        let debian = find(Step::User, Errno::EPERM, Facts { unprivileged_clone: Some(0), ..facts() });
        assert_eq!(debian, Refusal::OnlyRoot);
        assert!(debian.fix().contains("kernel.unprivileged_userns_clone=1"));

        let ubuntu = find(
            Step::Map,
            Errno::EPERM,
            Facts { unprivileged_clone: Some(1), apparmor_restricts: Some(1), ..facts() },
        );
        assert_eq!(ubuntu, Refusal::AppArmor { program: "/opt/emu".into() });
        assert!(ubuntu.fix().contains("profile emu \"/opt/emu\" flags=(unconfined) {\n  userns,\n}\nEND"));

        let container = find(Step::User, Errno::EPERM, Facts { seccomp: true, ..facts() });
        assert!(matches!(container, Refusal::Seccomp { step: Step::User, .. }));
        assert!(matches!(find(Step::Rest, Errno::ENOSPC, facts()), Refusal::UsedUp { step: Step::Rest }));
        assert!(matches!(find(Step::User, Errno::EINVAL, facts()), Refusal::Unsupported { .. }));
        assert!(matches!(find(Step::User, Errno::EPERM, facts()), Refusal::Unknown { .. }));
    }

    #[test]
    fn a_refusal_ends_the_command_with_3_and_shows_the_fix() {
        let error = SandboxError::Refused { refusal: Refusal::OnlyRoot };
        assert_eq!(error.exit_code(), 3);
        assert!(error.to_string().ends_with("To allow it:\n  sudo sysctl -w kernel.unprivileged_userns_clone=1"));
    }
}
