//! The command line: one file per subcommand, nothing but arguments and printing.
//!
//! What is for people goes to standard error, what is for programs to standard output.

pub mod bench;
pub mod bundle;
pub mod chaos;
pub mod check;
pub mod compare;
pub mod completions;
pub mod doctor;
pub mod exec;
pub mod gate;
mod grid;
pub mod init;
pub mod ls;
pub mod man;
pub mod model;
pub mod paper;
pub mod plan;
pub mod replay;
pub mod report;
pub mod run;
pub mod schema;
pub mod simulate;
pub mod sweep;
pub mod top;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::exit::Exit;
use crate::report::terminal::Looks;

/// Emulates a cluster of edge devices on one Linux machine, runs a real DNN split over it, breaks
/// things on schedule and records what happened.
#[derive(Debug, Parser)]
#[command(name = "emu", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  emu init first.toml                                   a commented scenario to begin with
  emu run scenarios/quickstart.toml                     five nodes, a few seconds
  emu run scenarios/20node_fail.toml --seed 7           another draw of the same story
  emu run scenarios/scaling.toml --set topology.nodes=10 --json | jq .throughput_per_s
  emu plan scenarios/20node_fail.toml                   which part of the model would run where
  emu paper --quick                                     SEIFER's study again, a minute's part of it
  emu simulate scenarios/20node_fail.toml               the same without running it, in a moment
  emu sweep scenarios/scaling.toml --vary nodes=5,10,15,20 --repeat 5
  emu gate scenarios/scaling.toml --vary nodes=5,10,20 --against ./emu-of-main    is this one slower?
  emu chaos scenarios/chaos.toml --runs 20              faults drawn by lot, until one breaks an invariant
  emu check scenarios/*.toml                            find every mistake without running
  emu doctor scenarios/20node_fail.toml                 what this host can do, and what is missing
  emu report results/quickstart/latest                  compute the summary again from the events
  emu compare results/before results/after              which is faster, by how much, and can these runs tell
  emu ls                                                which runs there are, and which are alive
  emu exec latest n02 -- ip route                       a command inside a node, while the run goes on

Exit codes: 0 ok, 1 an expectation failed, an invariant was broken or a gate found a loss, 2 wrong command line or scenario, 3 the host lacks a
capability, 4 set-up failed, 5 a node died that no fault killed, 6 teardown left something behind,
7 a gate can't tell or the emulation was not faithful (--strict), 130/143 interrupted.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a scenario.
    Run(run::RunArgs),
    /// Says which part of the model would run where, without running anything.
    Plan(plan::PlanArgs),
    /// Simulates a scenario: plan, load and faults as time steps on, without running anything.
    Simulate(simulate::SimulateArgs),
    /// Runs a scenario with faults drawn by lot, seed after seed, and shrinks what breaks an invariant.
    Chaos(chaos::ChaosArgs),
    /// Runs a scenario over a grid of values, several times each, and fits a scaling curve.
    Sweep(sweep::SweepArgs),
    /// Fails if throughput over a grid has become worse than another program's or a stored baseline's.
    Gate(gate::GateArgs),
    /// Compares sets of runs: what is faster, by how much, and whether these runs can tell.
    Compare(compare::CompareArgs),
    /// Reads scenarios and reports every mistake, without running them.
    Check(check::CheckArgs),
    /// Tries what this host can do, and says how to mend what it can't.
    Doctor(doctor::DoctorArgs),
    /// Computes the summary of a run again from its events.
    Report(report::ReportArgs),
    /// Repeats SEIFER's study: its heuristics against the proven optimum, its published figures beside ours.
    Paper(paper::PaperArgs),
    /// Lists the runs, those that are alive too, with their headline figures.
    Ls(ls::LsArgs),
    /// Runs a command inside a node of a run that is alive.
    Exec(exec::ExecArgs),
    /// Opens a shell inside a node of a run that is alive.
    Shell(exec::ShellArgs),
    /// Shows what the processes of a run take: cores, memory, network.
    Top(top::TopArgs),
    /// Runs what a run had resolved to once more: the same scenario, the same seed.
    Replay(replay::ReplayArgs),
    /// Packs a run with its model into one archive, from which `emu replay` runs it on any host.
    Bundle(bundle::BundleArgs),
    /// Measures the emulator itself on this host: its links, its set-up.
    Bench(bench::BenchArgs),
    /// Prints the JSON Schema of scenarios.
    Schema(schema::SchemaArgs),
    /// Writes a commented scenario to begin with.
    Init(init::InitArgs),
    /// Prints what a shell needs to complete `emu` commands.
    Completions(completions::CompletionsArgs),
    /// Writes manual pages, one for each command.
    Man(man::ManArgs),
    /// Models: what the zoo has, and what a model file looks like to the planner.
    Model(model::ModelArgs),
    /// Runs one node; the testbed starts it.
    #[command(hide = true)]
    Node(node::program::NodeArgs),
}

/// The command line, for whoever wants to know it: completions, manual pages, tests of its help.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the command line and returns the process's exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Asking for help or the version is no mistake; clap says so by where it prints.
            let code = if error.use_stderr() { Exit::Usage } else { Exit::Success };
            let _ = error.print();
            return code.into();
        }
    };
    let result = match cli.command {
        Command::Node(arguments) => return node::program::main(&arguments),
        Command::Exec(arguments) => return exec::run(arguments),
        Command::Shell(arguments) => return exec::shell(&arguments),
        Command::Run(arguments) => run::run(arguments),
        Command::Ls(arguments) => ls::run(&arguments),
        Command::Top(arguments) => top::run(&arguments),
        Command::Replay(arguments) => replay::run(arguments),
        Command::Bench(arguments) => bench::run(arguments),
        Command::Bundle(arguments) => bundle::run(&arguments),
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Simulate(arguments) => simulate::run(arguments),
        Command::Chaos(arguments) => chaos::run(arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Sweep(arguments) => sweep::run(arguments),
        Command::Gate(arguments) => gate::run(arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Doctor(arguments) => doctor::run(arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Paper(arguments) => paper::run(&arguments),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Init(arguments) => init::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
        Command::Model(arguments) => model::run(arguments),
    };
    result.into()
}

/// Says on standard error what went wrong, with its causes.
pub(crate) fn complain(error: &dyn std::error::Error) {
    let mut said = error.to_string();
    eprintln!("error: {said}");
    let mut cause = error.source();
    while let Some(error) = cause {
        let because = error.to_string();
        // Some errors say their cause themselves.
        if !said.contains(&because) {
            eprintln!("  because: {because}");
        }
        (said, cause) = (because, error.source());
    }
}

/// Prints text for programs and people. A reader that has gone away has seen enough.
pub(crate) fn print_text(text: &str) {
    drop(write!(std::io::stdout(), "{text}"));
}

/// Prints a value for programs. A reader that has gone away has seen enough.
pub(crate) fn print_json(value: &impl serde::Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => drop(writeln!(std::io::stdout(), "{text}")),
        Err(error) => complain(&error),
    }
}

/// How what is said on standard error may look: a terminal has a width, and colours unless NO_COLOR is set.
pub(crate) fn looks() -> Looks {
    let stderr = std::io::stderr();
    if !stderr.is_terminal() {
        return Looks::PLAIN;
    }
    let width = terminal_size::terminal_size_of(stderr).map_or(100, |(width, _)| width.0);
    let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    Looks { colour, ..Looks::terminal(width) }
}
