//! `emu completions SHELL`: what a shell needs to complete `emu` commands.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use clap_complete::generate;
use clap_complete::shells::{Bash, Fish, Zsh};

use crate::exit::Exit;

/// Arguments of `emu completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  emu completions bash > ~/.local/share/bash-completion/completions/emu
  emu completions zsh > ~/.zfunc/_emu                    with fpath+=~/.zfunc before compinit in ~/.zshrc
  emu completions fish > ~/.config/fish/completions/emu.fish")]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// A shell that can complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shell {
    /// The Bourne-again shell, with bash-completion.
    Bash,
    /// The Z shell.
    Zsh,
    /// The friendly interactive shell.
    Fish,
}

/// Prints the script.
pub fn run(arguments: &CompletionsArgs) -> Exit {
    let mut script = Vec::new();
    let mut command = super::command();
    match arguments.shell {
        Shell::Bash => generate(Bash, &mut command, "emu", &mut script),
        Shell::Zsh => generate(Zsh, &mut command, "emu", &mut script),
        Shell::Fish => generate(Fish, &mut command, "emu", &mut script),
    }
    match io::stdout().write_all(&script) {
        // A reader that has gone away has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            super::complain(&error);
            Exit::SetupFailed
        }
        _ => Exit::Success,
    }
}
