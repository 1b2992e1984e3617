//! What help texts promise, all of them at once.

use clap::Command;
use emulator::cli::command;
use emulator::exit::Exit;

/// Every command that a person sees, with its words.
fn commands() -> Vec<(String, Command)> {
    fn below(command: &Command, words: &str, all: &mut Vec<(String, Command)>) {
        all.push((words.to_owned(), command.clone()));
        for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
            below(command, &format!("{words} {}", command.get_name()), all);
        }
    }
    let mut all = Vec::new();
    below(&command(), "emu", &mut all);
    all
}

/// The commands among a help text's examples, without what is said beside them.
fn examples(command: &Command) -> Vec<String> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let lines = help.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| line.starts_with("emu "));
    lines.map(|line| line.split("   ").next().unwrap_or(line).to_owned()).collect()
}

/// The words of a line as a shell splits them, up to a pipe, a redirection or the background; `$x` and patterns stay as they are.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for character in line.chars() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, '|' | '>' | '&') => break,
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

#[test]
fn every_command_teaches_by_examples_and_each_of_them_is_understood() {
    for (name, told) in commands() {
        let examples = examples(&told);
        assert!(!examples.is_empty(), "`{name} --help` has no example");
        for example in &examples {
            if let Err(error) = command().try_get_matches_from(words(example)) {
                panic!("`{name} --help` says `{example}`, but: {error}");
            }
        }
        let own = examples.iter().any(|example| example.starts_with(&name));
        assert!(own, "`{name} --help` has no example of itself: {examples:?}");
    }
}

#[test]
fn help_and_readme_name_every_exit_code() {
    let readme = include_str!("../../README.md");
    let (_, told) = readme.split_once("## Exit codes").expect("a heading");
    let help = command().get_after_help().expect("a text").to_string();
    let (_, listed) = help.split_once("Exit codes:").expect("a list");
    for exit in Exit::ALL {
        let code = exit.code().to_string();
        let named = |text: &str| text.split(|c: char| !c.is_ascii_digit()).any(|number| number == code);
        assert!(named(told) && named(listed), "exit code {code} is not told");
        assert!(!exit.means().is_empty());
    }
}

#[test]
fn a_line_is_split_as_a_shell_splits_it() {
    assert_eq!(words("emu a 'b c' x=\"d e\" | jq '.f'"), ["emu", "a", "b c", "x=d e"]);
}
