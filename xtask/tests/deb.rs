//! The package, as somebody who installs it meets it; into a folder instead of the system.

use std::path::Path;
use std::process::{Command, Output};

fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

#[track_caller]
fn told(command: &mut Command) -> String {
    let output = run(command);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, text(&output.stderr));
    text(&output.stdout)
}

/// Links between the Markdown files below `folder` whose files are not there.
fn links_that_lead_nowhere(folder: &Path) -> Vec<String> {
    let mut dead = Vec::new();
    let (mut folders, mut links) = (vec![folder.to_owned()], 0);
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(&folder).expect("a folder").flatten().map(|entry| entry.path()) {
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                let text = std::fs::read_to_string(&path).expect("a text");
                for link in text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0)) {
                    let file = link.split('#').next().unwrap_or_default();
                    links += 1;
                    if !link.contains("://") && !folder.join(file).exists() {
                        dead.push(format!("{}: {link}", path.display()));
                    }
                }
            }
        }
    }
    assert!(links > 30, "{links} links were found, which are not all");
    dead
}

#[test]
fn the_package_is_read_by_dpkg_and_what_is_in_it_works() {
    let xtask = Path::new(env!("CARGO_BIN_EXE_xtask"));
    let built = xtask.parent().expect("a folder");
    if !["emu", "emu-node"].iter().all(|program| built.join(program).exists()) {
        eprintln!("skipped: emu and emu-node are not built; cargo test --release --workspace builds them");
        return;
    }
    if Command::new("dpkg-deb").arg("--version").output().is_err() {
        eprintln!("skipped: there is no dpkg-deb here");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("out");
    told(Command::new(xtask).arg("deb").arg("--from").arg(built).arg("--out").arg(&out));
    let found: Vec<_> = std::fs::read_dir(&out).expect("it").flatten().map(|entry| entry.path()).collect();
    let [package] = &found[..] else { panic!("not one package, and nothing else: {found:?}") };

    let info = told(Command::new("dpkg-deb").arg("--info").arg(package));
    for line in
        ["Package: emu", "Depends: libc6 (>= 2.", "libgcc-s1", "Installed-Size: ", "Description: network emulator"]
    {
        assert!(info.contains(line), "{line} is not in {info}");
    }
    let contents = told(Command::new("dpkg-deb").arg("--contents").arg(package));
    for (rights, file) in [
        ("-rwxr-xr-x root/root", "./usr/bin/emu"),
        ("-rwxr-xr-x root/root", "./usr/bin/emu-node"),
        ("-rw-r--r-- root/root", "./usr/share/man/man1/emu-run.1.gz"),
        ("-rw-r--r-- root/root", "./usr/share/bash-completion/completions/emu"),
        ("-rw-r--r-- root/root", "./usr/share/zsh/vendor-completions/_emu"),
        ("-rw-r--r-- root/root", "./usr/share/fish/vendor_completions.d/emu.fish"),
        ("-rw-r--r-- root/root", "./usr/share/doc/emu/copyright"),
        ("-rw-r--r-- root/root", "./usr/share/doc/emu/libraries"),
        ("-rw-r--r-- root/root", "./usr/share/doc/emu/changelog.gz"),
        ("-rw-r--r-- root/root", "./usr/share/doc/emu/examples/quickstart.toml"),
        ("-rw-r--r-- root/root", "./usr/share/doc/emu/README.md"),
        ("-rw-r--r-- root/root", "./usr/share/doc/emu/docs/scenario.md"),
    ] {
        let there = contents.lines().any(|line| line.starts_with(rights) && line.ends_with(&format!(" {file}")));
        assert!(there, "no {rights} {file} in\n{contents}");
    }

    let root = folder.path().join("root");
    told(Command::new("dpkg").arg("-x").arg(package).arg(&root));
    let emu = root.join("usr/bin/emu");
    let example = root.join("usr/share/doc/emu/examples/quickstart.toml");
    let checked = told(Command::new(&emu).arg("check").arg(&example).current_dir(folder.path()));
    assert!(checked.contains("ok: 5 nodes"), "{checked}");
    told(Command::new(root.join("usr/bin/emu-node")).arg("--help"));
    let texts = links_that_lead_nowhere(&root.join("usr/share/doc/emu"));
    assert_eq!(texts, Vec::<String>::new());
    let libraries = std::fs::read_to_string(root.join("usr/share/doc/emu/libraries")).expect("a list");
    assert!(libraries.lines().any(|line| line.starts_with("tract-onnx v")), "{libraries}");
    // What dpkg would compare after an installation.
    let sums = folder.path().join("control");
    told(Command::new("dpkg-deb").arg("--control").arg(package).arg(&sums));
    told(Command::new("md5sum").args(["--check", "--quiet"]).arg(sums.join("md5sums")).current_dir(&root));

    match Command::new("lintian").args(["--fail-on", "error"]).arg(package).output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout)),
        Err(_) => eprintln!("skipped: there is no lintian here"),
    }
}
