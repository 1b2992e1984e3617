//! `emu man FOLDER`: manual pages, one for each command, from the same words as `--help`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;

use crate::exit::Exit;

/// Arguments of `emu man`.
#[derive(Debug, Args)]
#[command(after_help = "\
Pages that are there are written over.

Examples:
  emu man ~/.local/share/man/man1                       then: man emu, man emu-run
  emu man pages                                         then: man -l pages/emu-run.1")]
pub struct ManArgs {
    /// The folder to write them into; it is made if it is not there.
    folder: PathBuf,
}

/// Writes them.
pub fn run(arguments: &ManArgs) -> Exit {
    let mut root = super::command().disable_help_subcommand(true);
    root.build();
    match fs::create_dir_all(&arguments.folder).and_then(|()| write(&root, "emu", &arguments.folder)) {
        Ok(pages) => {
            eprintln!("wrote {pages} pages into {}", arguments.folder.display());
            Exit::Success
        }
        Err(error) => {
            eprintln!("error: manual pages can't be written into {}: {error}", arguments.folder.display());
            Exit::SetupFailed
        }
    }
}

/// Writes the page of a command and those of the commands below it. Returns how many they are.
fn write(command: &Command, name: &str, folder: &Path) -> io::Result<usize> {
    fs::write(folder.join(format!("{name}.1")), page(command, name)?)?;
    let mut pages = 1;
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        pages += write(below, &format!("{name}-{}", below.get_name()), folder)?;
    }
    Ok(pages)
}

fn page(command: &Command, name: &str) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone()).title(name).manual("emu").source(concat!("emu ", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.get_subcommands().any(|below| !below.is_hide_set()) {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(help) = command.get_after_help() {
        after(&mut page, &help.to_string());
    }
    page.extend(b".SH \"EXIT STATUS\"\n");
    for exit in Exit::ALL {
        page.extend(format!(".TP\n\\fB{}\\fR\n{}.\n", exit.code(), line(exit.means())).bytes());
    }
    page.extend(b".SH \"SEE ALSO\"\n");
    let others = if name == "emu" { "\\fBemu\\-run\\fR(1), \\fBemu\\-init\\fR(1)" } else { "\\fBemu\\fR(1)" };
    page.extend(format!("{others}, /usr/share/doc/emu where it was installed as a package\n").bytes());
    Ok(plain(&String::from_utf8_lossy(&page)).into_bytes())
}

/// What stands behind the options: examples as they are, the rest as text. Exit codes have a section of their own.
fn after(page: &mut Vec<u8>, help: &str) {
    for paragraph in help.split("\n\n").filter(|paragraph| !paragraph.starts_with("Exit codes")) {
        match paragraph.strip_prefix("Examples:\n") {
            Some(examples) => {
                page.extend(b".SH EXAMPLES\n.nf\n");
                examples.lines().for_each(|example| page.extend(format!("{}\n", line(example.trim_start())).bytes()));
                page.extend(b".fi\n");
            }
            None => {
                page.extend(b".SH NOTES\n");
                paragraph.lines().for_each(|text| page.extend(format!("{}\n", line(text.trim())).bytes()));
            }
        }
    }
}

/// What is not ASCII as the formatter's own escapes, which every one of them knows in every locale.
fn plain(page: &str) -> String {
    let escaped = |c: char| if c.is_ascii() { c.to_string() } else { format!("\\[u{:04X}]", u32::from(c)) };
    page.chars().map(escaped).collect()
}

/// A line in which nothing is a command of the formatter, and a dash is one that a shell understands.
fn line(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_line_is_a_command_of_the_formatter() {
        assert_eq!(line(".so /etc/passwd"), "\\&.so /etc/passwd");
        assert_eq!(line("a\\b --set"), "a\\eb \\-\\-set");
        assert_eq!(plain("a…"), "a\\[u2026]");
    }
}
