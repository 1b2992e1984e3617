//! `emu init [FILE]`: a commented scenario to begin with.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::exit::Exit;

/// What stands for the scenario's name and its file in a template.
const NAME: &str = "NAME";
const FILE: &str = "FILE";

/// Arguments of `emu init`.
#[derive(Debug, Args)]
#[command(after_help = "\
A file that is there is never written over.

Examples:
  emu init
  emu init crash.toml --template faults
  emu init mine/detector.toml --template own-model")]
pub struct InitArgs {
    /// The file to write. The scenario is named after it.
    #[arg(default_value = "scenario.toml")]
    file: PathBuf,
    /// What it begins with.
    #[arg(long, value_enum, default_value_t)]
    template: Template,
}

/// What a scenario can begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Template {
    /// Five devices, one of which dies: runs in ten seconds.
    #[default]
    Quickstart,
    /// One fault of each sort that matters most.
    Faults,
    /// A cluster whose size is to be varied by `emu sweep`.
    Scaling,
    /// An ONNX file of yours.
    OwnModel,
}

impl Template {
    fn text(self) -> &'static str {
        match self {
            Template::Quickstart => include_str!("../../templates/quickstart.toml"),
            Template::Faults => include_str!("../../templates/faults.toml"),
            Template::Scaling => include_str!("../../templates/scaling.toml"),
            Template::OwnModel => include_str!("../../templates/own-model.toml"),
        }
    }
}

/// Writes the file, and says what to do with it.
pub fn run(arguments: &InitArgs) -> Exit {
    let InitArgs { file, template } = arguments;
    let shown = shown(file);
    let text = template.text().replace(NAME, &name(file)).replace(FILE, &shown);
    // The kernel looks and makes in one: of two at the same time, one is refused.
    let made = File::create_new(file).and_then(|mut made| made.write_all(text.as_bytes()));
    if let Err(error) = made {
        match error.kind() {
            io::ErrorKind::AlreadyExists => {
                eprintln!("error: {} is there and is not written over; name another file", file.display());
            }
            io::ErrorKind::NotFound => eprintln!("error: {}: its folder does not exist", file.display()),
            _ => eprintln!("error: {} can't be written: {error}", file.display()),
        }
        return Exit::Usage;
    }
    let first = match template {
        Template::OwnModel => format!("put your model beside it as model.onnx, then emu plan {shown}"),
        Template::Scaling => format!("emu sweep {shown} --vary nodes=5,10,15,20 --repeat 3 --simulate"),
        Template::Quickstart | Template::Faults => format!("emu run {shown}"),
    };
    eprintln!("wrote {}; next: {first}", file.display());
    Exit::Success
}

/// A scenario's name, which is also a folder's, from that of its file.
fn name(file: &Path) -> String {
    let stem = file.file_stem().map(OsStr::to_string_lossy).unwrap_or_default();
    let plain: String =
        stem.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).take(64).collect();
    let plain = plain.trim_start_matches(['.', '_', '-']);
    if plain.is_empty() { "scenario".to_owned() } else { plain.to_owned() }
}

/// The file as it can be typed on a shell's line, and stand in a comment.
fn shown(file: &Path) -> String {
    let text = file.to_string_lossy();
    if text.chars().any(char::is_control) {
        return "FILE".to_owned();
    }
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:,@".contains(c);
    if text.chars().all(plain) { text.into_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_file_gives_a_name_that_a_scenario_may_have() {
        for (file, expected) in [
            ("crash.toml", "crash"),
            ("a/b c.toml", "b-c"),
            (".hidden", "hidden"),
            ("größe.toml", "gr--e"),
            ("___.toml", "scenario"),
            ("/", "scenario"),
        ] {
            assert_eq!(name(Path::new(file)), expected);
        }
        assert_eq!(name(Path::new(&"x".repeat(200))).len(), 64);
        assert_eq!(shown(Path::new("it's.toml")), r"'it'\''s.toml'");
    }
}
