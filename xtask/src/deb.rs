//! A package for Debian and Ubuntu, of what the release build made.
//!
//! The tree is laid out in a folder, and Debian's own `dpkg-deb` makes the package of it: a package that it made is one that it reads.

mod needs;

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Failed, cargo, read, root, step, target};

const PROGRAMS: [&str; 2] = ["emu", "emu-node"];
const MAINTAINER: &str = "emu's contributors <emu@example.invalid>";
const DESCRIPTION: &str = "\
network emulator and testbed for distributed inference
 One command builds an emulated edge cluster on one machine (network
 namespaces, links with bandwidth, latency and loss), runs a real DNN split
 over its nodes, kills nodes and breaks links on schedule, and leaves a
 result that a person can trust.";

/// What the command line says.
#[derive(Debug, Default)]
struct Wanted {
    /// The folder with the programs; built anew when not given.
    from: Option<PathBuf>,
    /// Where the package goes.
    out: Option<PathBuf>,
}

/// Makes `emu_VERSION_ARCHITECTURE.deb`.
pub fn package(words: &[std::ffi::OsString]) -> Result<(), Failed> {
    let wanted = wanted(words)?;
    let from = match &wanted.from {
        Some(from) => from.clone(),
        None => {
            step(&mut cargo(&["build", "--quiet", "--release", "--workspace", "--bins"]))?;
            target().join("release")
        }
    };
    let out = wanted.out.unwrap_or_else(|| target().join("deb"));
    let (version, architecture) = (env!("CARGO_PKG_VERSION"), architecture()?);
    let name = format!("emu_{version}_{architecture}");
    let tree = out.join(&name);
    // What an interrupted build has left.
    if tree.exists() {
        fs::remove_dir_all(&tree).map_err(|error| file(&tree, &error))?;
    }
    lay_out(&from, &tree)?;
    let control = control(&tree, version, &architecture)?;
    put(&tree.join("DEBIAN/control"), control.as_bytes())?;
    put(&tree.join("DEBIAN/md5sums"), sums(&tree)?.as_bytes())?;
    close(&tree)?;
    let package = out.join(format!("{name}.deb"));
    // A package is whole or not there.
    let unfinished = out.join(format!(".{name}.deb"));
    read(Command::new("dpkg-deb").args(["--root-owner-group", "-Zxz", "-z2", "--build"]).arg(&tree).arg(&unfinished))?;
    fs::rename(&unfinished, &package).map_err(|error| file(&package, &error))?;
    fs::remove_dir_all(&tree).map_err(|error| file(&tree, &error))?;
    println!("{}", package.display());
    Ok(())
}

fn wanted(words: &[std::ffi::OsString]) -> Result<Wanted, Failed> {
    let mut wanted = Wanted::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let place = match word.to_str() {
            Some("--from") => &mut wanted.from,
            Some("--out") => &mut wanted.out,
            _ => return Err(Failed(format!("cargo xtask deb doesn't know {}", word.display()))),
        };
        let value = words.next().ok_or_else(|| Failed(format!("{} needs a folder", word.display())))?;
        // Steps run in the root of the repository, wherever this was called.
        *place = Some(std::path::absolute(value).map_err(|error| file(Path::new(value), &error))?);
    }
    Ok(wanted)
}

/// Debian's word for this machine's kind.
fn architecture() -> Result<String, Failed> {
    Ok(read(Command::new("dpkg").arg("--print-architecture"))?.trim().to_owned())
}

/// Everything but what `dpkg` is told.
fn lay_out(from: &Path, tree: &Path) -> Result<(), Failed> {
    let share = tree.join("usr/share");
    for program in PROGRAMS {
        let (built, installed) = (from.join(program), tree.join("usr/bin").join(program));
        if !built.exists() {
            return Err(Failed(format!("{} is not there; without --from it is built", built.display())));
        }
        put(&installed, b"")?;
        read(Command::new("strip").args(["--strip-unneeded", "-o"]).arg(&installed).arg(&built))?;
    }
    let emu = tree.join("usr/bin/emu");
    for (shell, place) in [
        ("bash", "bash-completion/completions/emu"),
        ("zsh", "zsh/vendor-completions/_emu"),
        ("fish", "fish/vendor_completions.d/emu.fish"),
    ] {
        put(&share.join(place), read(Command::new(&emu).args(["completions", shell]))?.as_bytes())?;
    }
    let pages = share.join("man/man1");
    read(Command::new(&emu).arg("man").arg(&pages))?;
    compress(&pages)?;

    let (doc, source) = (share.join("doc/emu"), root());
    copy_all(&source.join("scenarios"), &doc.join("examples"), &["toml", "json", "csv"])?;
    // As they lie beside each other here, so that their links hold; Debian's name for the scenarios stands beside ours.
    std::os::unix::fs::symlink("examples", doc.join("scenarios")).map_err(|error| file(&doc, &error))?;
    copy_all(&source.join("docs"), &doc.join("docs"), &["md", "svg", "json", "yml"])?;
    for text in ["README.md", "ARCHITECTURE.md"] {
        copy(&source.join(text), &doc.join(text))?;
    }
    put(&doc.join("copyright"), copyright(&source)?.as_bytes())?;
    put(&doc.join("libraries"), libraries()?.as_bytes())?;
    // By Debian's rules, a change log is compressed.
    let changes = doc.join("changelog");
    copy(&source.join("CHANGELOG.md"), &changes)?;
    read(Command::new("gzip").arg("-9n").arg(&changes)).map(drop)
}

/// What `dpkg` is told of the package.
fn control(tree: &Path, version: &str, architecture: &str) -> Result<String, Failed> {
    let programs = PROGRAMS.map(|program| tree.join("usr/bin").join(program));
    let mut bytes = 0;
    walk(tree, &mut |path| {
        bytes += fs::metadata(path)?.len();
        Ok(())
    })
    .map_err(|error| file(tree, &error))?;
    Ok(format!(
        "Package: emu\nVersion: {version}\nSection: net\nPriority: optional\nArchitecture: {architecture}\n\
         Maintainer: {MAINTAINER}\nInstalled-Size: {}\nDepends: {}\nSuggests: jq\nDescription: {DESCRIPTION}\n",
        bytes.div_ceil(1024),
        needs::needs(&programs)?
    ))
}

/// Who may do what with it, in Debian's form.
fn copyright(source: &Path) -> Result<String, Failed> {
    let path = source.join("LICENSE-MIT");
    let mit = fs::read_to_string(&path).map_err(|error| file(&path, &error))?;
    // In this form, text stands behind a space and an empty line is a dot.
    let indented: Vec<String> =
        mit.lines().map(|line| if line.trim().is_empty() { " .".to_owned() } else { format!(" {line}") }).collect();
    Ok(format!(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: emu\n\
         Comment: The Rust libraries that the programs contain, with their licences, are listed in libraries beside this file.\n\n\
         Files: *\nCopyright: emu's contributors\nLicense: Expat or Apache-2.0\n\n\
         License: Expat\n{}\n\n\
         License: Apache-2.0\n On Debian systems, the licence is in /usr/share/common-licenses/Apache-2.0.\n",
        indented.join("\n")
    ))
}

/// The libraries within the programs, with version and licence.
fn libraries() -> Result<String, Failed> {
    let tree = ["tree", "--offline", "--locked", "--package", "emulator", "--edges", "normal", "--prefix", "none"];
    let told = read(cargo(&tree).args(["--no-dedupe", "--format", "{p}, {l}"]))?;
    // Our own have a path beside their version.
    let lines: BTreeSet<&str> = told.lines().filter(|line| !line.contains("(/")).collect();
    Ok(lines.into_iter().map(|line| format!("{line}\n")).collect())
}

fn sums(tree: &Path) -> Result<String, Failed> {
    let mut files = Vec::new();
    walk(&tree.join("usr"), &mut |path| {
        files.push(path.to_owned());
        Ok(())
    })
    .map_err(|error| file(tree, &error))?;
    files.sort();
    let told = read(Command::new("md5sum").args(&files))?;
    Ok(told.replace(&format!("{}/", tree.display()), ""))
}

/// Files can be read by all and written by root, whoever builds with whatever umask.
fn close(tree: &Path) -> Result<(), Failed> {
    fn set(path: &Path) -> io::Result<()> {
        if path.is_symlink() {
            return Ok(());
        }
        let folder = path.is_dir();
        let program = path.parent().is_some_and(|parent| parent.ends_with("usr/bin"));
        fs::set_permissions(path, Permissions::from_mode(if folder || program { 0o755 } else { 0o644 }))?;
        if folder { fs::read_dir(path)?.try_for_each(|entry| set(&entry?.path())) } else { Ok(()) }
    }
    set(tree).map_err(|error| file(tree, &error))
}

/// Every file below a folder; links are none.
fn walk(folder: &Path, each: &mut dyn FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()? {
            kind if kind.is_dir() => walk(&entry.path(), each)?,
            kind if kind.is_file() => each(&entry.path())?,
            _ => {}
        }
    }
    Ok(())
}

fn compress(folder: &Path) -> Result<(), Failed> {
    let mut files = Vec::new();
    walk(folder, &mut |path| {
        files.push(path.to_owned());
        Ok(())
    })
    .map_err(|error| file(folder, &error))?;
    read(Command::new("gzip").arg("-9n").args(files)).map(drop)
}

/// Files with these endings, in folders as they are in `from`.
fn copy_all(from: &Path, to: &Path, endings: &[&str]) -> Result<(), Failed> {
    let wanted = |path: &Path| path.extension().is_some_and(|ending| endings.iter().any(|wanted| ending == *wanted));
    let mut files = Vec::new();
    walk(from, &mut |path| {
        files.extend(path.strip_prefix(from).ok().filter(|path| wanted(path)).map(Path::to_owned));
        Ok(())
    })
    .map_err(|error| file(from, &error))?;
    files.iter().try_for_each(|path| copy(&from.join(path), &to.join(path)))
}

fn copy(from: &Path, to: &Path) -> Result<(), Failed> {
    put(to, &fs::read(from).map_err(|error| file(from, &error))?)
}

/// Writes a file and the folders that it is in.
fn put(path: &Path, content: &[u8]) -> Result<(), Failed> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).and_then(|()| fs::write(path, content)).map_err(|error| file(path, &error))
}

fn file(path: &Path, error: &io::Error) -> Failed {
    Failed(format!("{}: {error}", path.display()))
}
