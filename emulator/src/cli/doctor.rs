//! `emu doctor [SCENARIO]`

use std::path::PathBuf;

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::exit::Exit;
use crate::fabric::CarrierChoice;
use crate::fault::catalogue::entry;
use crate::fleet::cgroup::{RunGroup, remove_stale};
use crate::sandbox;
use crate::sandbox::probe::{self, Capability, Finding, State};
use crate::scenario::{self, FaultSpec, Overrides, Scenario};

/// Arguments of `emu doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  emu doctor
  emu doctor scenarios/20node_fail.toml --links netem
  emu doctor --json | jq '.[] | select(.state == \"missing\")'

Exits with 3 when something is missing that is needed.")]
pub struct DoctorArgs {
    /// Says what this scenario needs; without it, what any run needs.
    scenario: Option<PathBuf>,
    /// What is to carry the links: auto (netem where it works, else software), netem, or software.
    #[arg(long, value_name = "CARRIER", value_enum, default_value_t)]
    links: CarrierChoice,
    /// Prints the findings as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(arguments: DoctorArgs) -> Exit {
    let scenario = match arguments.scenario.as_deref().map(|path| scenario::load(path, &Overrides::default())) {
        None => None,
        Some(Ok(scenario)) => Some(scenario),
        Some(Err(errors)) => {
            super::check::print(&errors);
            return Exit::Usage;
        }
    };
    let conclude = |found: Vec<Finding>| {
        let findings = probe::complete(found);
        let needs = Needs::of(scenario.as_ref().map(|loaded| &loaded.scenario), arguments.links, &findings);
        show(&findings, &needs, arguments.json)
    };
    remove_stale();
    let groups = RunGroup::create();
    let outside = probe::outside(&groups);
    // What can only be tried inside is known only there, so it is printed there.
    let code = sandbox::run(|sandbox| conclude([outside.clone(), probe::inside(sandbox)].concat()).code());
    let exit = match code {
        Ok(code) => Exit::from_code(code).unwrap_or(Exit::SetupFailed),
        Err(error) => conclude([outside, probe::refused(error)].concat()),
    };
    for error in groups.remove() {
        super::complain(&error);
    }
    exit
}

/// How much something is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Need {
    /// Without it nothing runs.
    Needed,
    /// Without it the result carries a warning.
    Wanted,
    /// It changes nothing.
    Unused,
}

/// What a run needs of what this host may have.
struct Needs {
    netem: Need,
    media: Need,
    software: Need,
    memory: Need,
    cpu: Need,
    fuse: Need,
    clocks: Need,
}

impl Needs {
    fn of(scenario: Option<&Scenario>, links: CarrierChoice, findings: &[Finding]) -> Needs {
        let beyond_netem = scenario.is_some_and(Scenario::is_beyond_netem);
        let has_media = scenario.is_none_or(|scenario| !scenario.network.media.is_empty());
        let has_links = scenario.is_none_or(|scenario| !scenario.network.links.is_empty());
        let works = |wanted| findings.iter().any(|finding| finding.capability == wanted && finding.works());
        let netem_works =
            (!has_links || works(Capability::NetemLinks)) && (!has_media || works(Capability::NetemMedia));
        let netem = if links == CarrierChoice::Netem { Need::Needed } else { Need::Unused };
        let software = match links {
            CarrierChoice::Netem => Need::Unused,
            CarrierChoice::Auto if netem_works && !beyond_netem => Need::Unused,
            CarrierChoice::Auto | CarrierChoice::Software | CarrierChoice::Precise => Need::Needed,
        };
        let cpu = scenario.is_none_or(|scenario| scenario.nodes.iter().any(|node| node.cpu.is_some()));
        // A fault that can't be fired is none; a limit that isn't enforced is told with the result.
        let by_fault = |capability| {
            let needed = |fault: &FaultSpec| entry(&fault.kind).needs.capability() == Some(capability);
            scenario.is_some_and(|scenario| scenario.faults.iter().any(needed))
        };
        Needs {
            netem: if has_links { netem } else { Need::Unused },
            media: if has_media { netem } else { Need::Unused },
            software,
            memory: if by_fault(Capability::MemoryLimits) { Need::Needed } else { Need::Wanted },
            cpu: match (by_fault(Capability::CpuLimits), cpu) {
                (true, _) => Need::Needed,
                (false, true) => Need::Wanted,
                (false, false) => Need::Unused,
            },
            fuse: if by_fault(Capability::Fuse) { Need::Needed } else { Need::Unused },
            clocks: if by_fault(Capability::Clocks) { Need::Needed } else { Need::Unused },
        }
    }

    fn how_much(&self, capability: Capability) -> Need {
        match capability {
            Capability::Sandbox | Capability::StateFolders => Need::Needed,
            Capability::OwnProc => Need::Wanted,
            Capability::MemoryLimits => self.memory,
            Capability::CpuLimits => self.cpu,
            Capability::Fuse => self.fuse,
            Capability::Clocks => self.clocks,
            Capability::SoftwareLinks => self.software,
            Capability::NetemLinks => self.netem,
            Capability::NetemMedia => self.media,
            // Only what forwards packets itself has to be on time.
            Capability::RealTime if self.software == Need::Needed => Need::Wanted,
            // The sandbox says whether it needed one; the freezer has a substitute.
            Capability::RealTime | Capability::UserNamespace | Capability::Freezer => Need::Unused,
        }
    }
}

#[derive(Serialize)]
struct Row<'a> {
    check: &'static str,
    need: Need,
    #[serde(flatten)]
    finding: &'a Finding,
}

/// Prints the findings, and returns how the command ends.
fn show(findings: &[Finding], needs: &Needs, json: bool) -> Exit {
    let rows: Vec<Row<'_>> = findings
        .iter()
        .map(|finding| Row { check: finding.capability.title(), need: needs.how_much(finding.capability), finding })
        .collect();
    if json {
        // Plain data: it can't fail to be written as JSON.
        println!("{}", serde_json::to_string_pretty(&rows).unwrap_or_default());
    } else {
        eprintln!("{}", table(&rows));
        long_fixes(&rows).for_each(|fix| eprintln!("{fix}"));
    }
    let missing = rows.iter().filter(|row| row.need == Need::Needed && !row.finding.works()).count();
    if !json {
        match missing {
            0 => eprintln!("This host can run it."),
            1 => eprintln!("One thing is missing that is needed."),
            count => eprintln!("{count} things are missing that are needed."),
        }
    }
    if missing == 0 { Exit::Success } else { Exit::HostLacks }
}

fn table(rows: &[Row<'_>]) -> Table {
    let mut table = Table::new();
    table.use_stderr().load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    // Without a terminal, or on one that does not know its size.
    if table.width().is_none_or(|width| width < 60) {
        table.set_width(140);
    }
    table.set_header(["check", "state", "why", "fix"]);
    for row in rows {
        let (state, reason, fix) = match (&row.finding.state, row.need) {
            (State::Works, _) => ("works", "", ""),
            (State::Untried, _) => ("not tried", "the sandbox comes first", ""),
            (State::Missing { reason, fix }, need) => {
                let state = match need {
                    Need::Needed => "MISSING",
                    Need::Wanted => "missing, wanted",
                    Need::Unused => "missing, not needed",
                };
                (state, reason.as_str(), if fix.contains('\n') { "see below" } else { fix.trim() })
            }
        };
        table.add_row([row.check, state, reason, fix]);
    }
    table
}

/// Fixes of several lines, to be copied as they are.
fn long_fixes(rows: &[Row<'_>]) -> impl Iterator<Item = String> {
    let fixes = rows.iter().filter_map(|row| match &row.finding.state {
        State::Missing { fix, .. } if fix.contains('\n') => Some((fix, row.check)),
        _ => None,
    });
    let mut seen = Vec::new();
    fixes.filter_map(move |(fix, check)| {
        let new = !seen.contains(&fix);
        seen.push(fix);
        new.then(|| format!("To have: {check}\n{fix}\n"))
    })
}
