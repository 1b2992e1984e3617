//! The first minutes with `emu`: a scenario to begin with, help in the shell and in the manual.

mod story;

use std::fs;
use std::process::Command;

use story::{User, nothing_lost_twice_or_wrong};

#[test]
fn what_init_writes_runs_and_is_never_written_over() {
    let user = User::new();
    let told = user.run(&["init", "first.toml"]).expect(0).stderr;
    assert!(told.contains("emu run first.toml"), "{told}");
    let text = user.read("first.toml");
    assert!(text.contains("name = \"first\"") && text.lines().filter(|line| line.starts_with('#')).count() > 10);
    let summary = user.run(&["run", "first.toml", "--json"]).expect(0).json();
    nothing_lost_twice_or_wrong(&summary);
    assert_eq!(summary["scenario"], "first");
    assert!(summary["faults"][0]["recovered_s"].is_number(), "{:#}", summary["faults"]);
    let refused = user.run(&["init", "first.toml", "--template", "faults"]).expect(2).stderr;
    assert!(refused.contains("not written over"), "{refused}");
    assert_eq!(user.read("first.toml"), text);
}

#[test]
fn every_template_is_a_scenario_without_a_mistake() {
    let user = User::new();
    user.run(&["model", "make", "tiny-cnn", "model.onnx"]).expect(0);
    let help = user.run(&["init", "--help"]).expect(0).stdout;
    for template in ["quickstart", "faults", "scaling", "own-model"] {
        assert!(help.contains(&format!("- {template}:")), "{template} is not in {help}");
        let file = format!("{template}.toml");
        user.run(&["init", &file, "--template", template]).expect(0);
        let told = user.run(&["check", &file]).expect(0).stdout;
        assert!(told.contains("ok"), "{told}");
        user.run(&["simulate", &file]).expect(0);
    }
}

#[test]
fn bash_completes_commands_and_their_options() {
    let user = User::new();
    let script = user.run(&["completions", "bash"]).expect(0).stdout;
    fs::write(user.path().join("emu.bash"), script).expect("a script");
    let completed = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let (last, before) = (words[words.len() - 1], words[words.len() - 2]);
        let ask = format!(
            "source ./emu.bash; COMP_WORDS=({line}); [ -n '{last}' ] || COMP_WORDS+=(''); COMP_CWORD={}; \
             _emu emu '{last}' '{before}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            words.len() - 1
        );
        let output = Command::new("bash").args(["-c", &ask]).current_dir(user.path()).output();
        let Ok(output) = output else {
            eprintln!("skipped: there is no bash here");
            return None;
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect::<Vec<_>>())
    };
    let Some(commands) = completed("emu sw") else { return };
    assert_eq!(commands, ["sweep"]);
    let options = completed("emu init --t").expect("bash is here");
    assert_eq!(options, ["--template"]);
    let values = completed("emu init --template ").expect("bash is here");
    assert_eq!(values, ["quickstart", "faults", "scaling", "own-model"]);
    // What no shell is here to try has at least every command.
    for shell in ["zsh", "fish"] {
        let script = user.run(&["completions", shell]).expect(0).stdout;
        assert!(["simulate", "doctor", "own-model"].iter().all(|word| script.contains(word)), "{script}");
    }
}

#[test]
fn every_command_has_a_manual_page_with_examples_and_exit_codes() {
    let user = User::new();
    user.run(&["man", "pages"]).expect(0);
    let mut names = Vec::new();
    for page in fs::read_dir(user.path().join("pages")).expect("pages").flatten() {
        let (name, path) = (page.file_name().into_string().expect("a name"), page.path());
        let text = fs::read_to_string(&path).expect("a page");
        for section in ["NAME", "SYNOPSIS", "EXAMPLES", "\"EXIT STATUS\"", "\"SEE ALSO\""] {
            assert!(text.contains(&format!(".SH {section}\n")), "{name} has no {section}:\n{text}");
        }
        match Command::new("groff").args(["-man", "-ww", "-z", "-Tutf8"]).arg(&path).output() {
            Ok(output) => assert!(
                output.status.success() && output.stderr.is_empty(),
                "{name}: {}",
                String::from_utf8_lossy(&output.stderr)
            ),
            Err(_) => eprintln!("skipped: there is no groff to format {name} with"),
        }
        names.push(name);
    }
    for name in ["emu.1", "emu-run.1", "emu-init.1", "emu-sweep.1", "emu-model-inspect.1"] {
        assert!(names.iter().any(|found| found == name), "{name} is missing: {names:?}");
    }
    assert!(!names.iter().any(|name| name.contains("node") || name.contains("prepare")), "{names:?}");
}
