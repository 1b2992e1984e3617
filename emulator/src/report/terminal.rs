//! The closing text of a run, for people.

use std::path::Path;

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, LineStyle, Table};

use super::numbers::{counted, grouped, mebibytes, significant, time};
use super::words::{Tone, Verdict, fault_name, share, tensor, verdict};
use super::{fidelity, invariants};
use crate::record::event::SIMULATED;
use crate::record::fidelity::Grade;
use crate::record::summary::{CutName, FaultSummary, Latency, PlanSummary, ProbeSummary, ProcessSummary, Summary};

/// How the text may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looks {
    /// Colours and bold letters, by ANSI escapes.
    pub colour: bool,
    /// Lines and arrows beyond ASCII.
    pub unicode: bool,
    /// Columns of the terminal; `None`: as wide as the text is.
    pub width: Option<u16>,
}

impl Looks {
    /// For a file or a pipe: plain lines.
    pub const PLAIN: Looks = Looks { colour: false, unicode: false, width: None };

    /// For a terminal so many columns wide.
    pub fn terminal(width: u16) -> Looks {
        Looks { colour: true, unicode: true, width: Some(width) }
    }
}

/// What a run came to, in words and tables. `folder` is where its files are.
pub fn closing(summary: &Summary, folder: &Path, looks: Looks) -> String {
    let writer = Writer { looks };
    let mut blocks = vec![writer.verdict(summary), writer.headline(summary), writer.requests(summary)];
    if let Some(probe) = &summary.probe {
        blocks[2] += &writer.probe(probe);
    }
    if !summary.invariants.is_empty() {
        blocks[2] += &writer.invariants(summary);
    }
    if !summary.processes.is_empty() {
        blocks[2] += &writer.processes(&summary.processes);
    }
    if !summary.phases.is_empty() {
        blocks[2] += &writer.phases(summary);
    }
    blocks.extend(summary.plan.as_ref().map(|plan| writer.plan(plan, summary)));
    if !summary.faults.is_empty() {
        blocks.push(writer.faults(&summary.faults));
        blocks.extend(writer.costs(&summary.faults));
    }
    let doubts = fidelity::doubts(summary);
    if !doubts.is_empty() {
        blocks.push(writer.list(fidelity::TITLE, "!", Ink::Caution, &doubts));
    }
    if !summary.warnings.is_empty() {
        blocks.push(writer.list(
            "Warnings: the result may not be trustworthy here",
            "!",
            Ink::Caution,
            &summary.warnings,
        ));
    }
    if !summary.violations.is_empty() {
        blocks.push(writer.list(
            "Not as expected",
            if looks.unicode { "✗" } else { "x" },
            Ink::Bad,
            &summary.violations,
        ));
        blocks.extend(writer.ways(summary));
    }
    blocks.push(writer.files(folder, summary));
    let mut text = blocks.join("\n");
    text.insert(0, '\n');
    text
}

#[derive(Clone, Copy)]
enum Ink {
    Strong,
    Dim,
    Good,
    Caution,
    Bad,
}

impl Ink {
    fn escape(self) -> &'static str {
        match self {
            Ink::Strong => "\x1b[1m",
            Ink::Dim => "\x1b[2m",
            Ink::Good => "\x1b[32m",
            Ink::Caution => "\x1b[33m",
            Ink::Bad => "\x1b[31m",
        }
    }
}

struct Writer {
    looks: Looks,
}

impl Writer {
    fn ink(&self, ink: Ink, text: &str) -> String {
        if self.looks.colour { format!("{}{text}\x1b[0m", ink.escape()) } else { text.to_owned() }
    }

    fn title(&self, text: &str) -> String {
        self.ink(Ink::Strong, text)
    }

    /// A sentence behind `lead`, on as many lines as the terminal needs for it. Dim ink is the
    /// sentence's, any other the lead's.
    fn wrapped(&self, lead: &str, ink: Ink, text: &str) -> String {
        let indent = lead.chars().count();
        let room = self.looks.width.map_or(usize::MAX, |width| usize::from(width).saturating_sub(indent).max(20));
        let mut lines = vec![String::new()];
        for word in self.plain(text).split(' ') {
            match lines.last_mut() {
                Some(line) if line.is_empty() => line.push_str(word),
                Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_owned()),
            }
        }
        let (lead, ink): (String, &dyn Fn(&str) -> String) = match ink {
            Ink::Dim => (lead.to_owned(), &|line| self.ink(Ink::Dim, line)),
            other => (self.ink(other, lead), &str::to_owned),
        };
        let indented = lines.iter().enumerate().map(|(index, line)| {
            let before = if index == 0 { lead.clone() } else { " ".repeat(indent) };
            format!("{before}{}\n", ink(line))
        });
        indented.collect()
    }

    /// Whether there is no room for everything.
    fn narrow(&self) -> bool {
        self.looks.width.is_some_and(|width| width < 96)
    }

    /// Signs that a plain file may not show become letters.
    fn plain(&self, text: &str) -> String {
        if self.looks.unicode {
            return text.to_owned();
        }
        let signs = [("→", "->"), ("↔", "<->"), (" · ", ", "), ("…", "..."), ("–", "-"), ("✓", "ok"), ("✗", "FAILED")];
        signs.iter().fold(text.to_owned(), |text, (sign, letters)| text.replace(sign, letters))
    }

    fn verdict(&self, summary: &Summary) -> String {
        let Verdict { tone, words } = verdict(summary);
        let (ink, sign) = match tone {
            Tone::Good => (Ink::Good, "✓"),
            Tone::Caution => (Ink::Caution, "✗"),
            Tone::Bad => (Ink::Bad, "✗"),
        };
        let head = self.ink(ink, &self.plain(&format!("{sign} {}: {words}", summary.scenario)));
        let nodes = counted(summary.nodes as u64, "node");
        let (links, note) = match summary.carrier.as_deref() {
            Some(SIMULATED) => ("", "simulated: nothing was built, nothing ran\n"),
            Some(carrier) => (&*format!(" · {carrier} links"), ""),
            None => ("", ""),
        };
        let rest = format!("  {} on {nodes}{links} · seed {}", summary.model, summary.seed);
        let note = if note.is_empty() { String::new() } else { format!("  {}", self.ink(Ink::Caution, note)) };
        format!("{head}\n{}\n{note}", self.ink(Ink::Dim, &self.plain(&rest)))
    }

    fn headline(&self, summary: &Summary) -> String {
        let note = |text: &str| self.wrapped(&format!("  {:<11} ", ""), Ink::Dim, text);
        let throughput = self.title(&format!("{} requests/s", significant(summary.throughput_per_s)));
        let mut text = format!("  {:<11} {throughput}\n", "throughput");
        text += &summary.bound.as_ref().map_or_else(String::new, |bound| note(&share(bound)));
        match &summary.latency_ms {
            Some(latency) => {
                text += &format!("  {:<11} {}\n", "latency", self.latency(latency));
                text += &note(&format!(
                    "from the instant each was due, of {} due from second {} to {}",
                    counted(latency.count, "request"),
                    significant(summary.window.from_s),
                    significant(summary.window.to_s)
                ));
            }
            None => text += &self.plain(&format!("  {:<11} – (no request was completed in time)\n", "latency")),
        }
        if let Some(judged) = &summary.fidelity {
            let ink = match judged.verdict {
                Grade::Faithful => Ink::Good,
                Grade::Degraded => Ink::Caution,
                Grade::Invalid => Ink::Bad,
            };
            text += &format!("  {:<11} {}\n", "emulation", self.ink(ink, &fidelity::line(judged)));
        }
        text
    }

    fn latency(&self, latency: &Latency) -> String {
        let of = |name: &str, millis: f64| format!("{name} {}", self.title(&time(millis)));
        let figures = [
            of("p50", latency.p50),
            of("p90", latency.p90),
            of("p99", latency.p99),
            of("p99.9", latency.p999),
            of("max", latency.max),
        ];
        figures.join(&self.plain(" · "))
    }

    fn requests(&self, summary: &Summary) -> String {
        let requests = &summary.requests;
        let count = |count: u64, what: &str| format!("{} {what}", grouped(count));
        let mut first = vec![count(requests.offered, "offered"), count(requests.accepted, "accepted")];
        first.push(count(requests.completed, "completed"));
        first.push(count(requests.errored, "with an error"));
        if requests.unaccepted > 0 {
            first.push(count(requests.unaccepted, "never accepted"));
        }
        let judged = |number: u64, what: &str| {
            let ink = if number == 0 { Ink::Good } else { Ink::Bad };
            self.ink(ink, &count(number, what))
        };
        let mut second = vec![judged(requests.lost, "lost"), judged(requests.duplicated, "duplicated")];
        if requests.checked > 0 || requests.completed == 0 {
            second.push(judged(requests.wrong, "wrong"));
        } else {
            second.push("outputs not checked".to_owned());
        }
        if requests.replayed > 0 {
            second.push(count(requests.replayed, "sent again after a failure"));
        }
        let (first, second) = (first.join(" · "), second.join(" · "));
        let mut text = self.plain(&format!("  {:<11} {first}\n  {:<11} {second}\n", "requests", ""));
        if requests.checked > 0 && requests.wrong == 0 {
            let checked = format!("{} outputs are the unsplit model's, bit for bit", grouped(requests.checked));
            text += &format!("  {:<11} {}\n", "", self.ink(Ink::Dim, &checked));
        }
        text
    }

    fn invariants(&self, summary: &Summary) -> String {
        self.wrapped(&format!("  {:<11} ", "invariants"), Ink::Dim, &invariants::line(&summary.invariants))
    }

    fn processes(&self, processes: &[ProcessSummary]) -> String {
        self.wrapped(&format!("  {:<11} ", "processes"), Ink::Dim, &super::processes::line(processes))
    }

    /// The whole way of each request with which an invariant was broken.
    fn ways(&self, summary: &Summary) -> Vec<String> {
        let way = |(finding, violation)| {
            let steps = invariants::steps(violation).into_iter();
            let steps: String = steps.map(|(lead, what)| self.wrapped(&lead, Ink::Strong, &what)).collect();
            format!("{}\n{steps}", self.title(&invariants::title(finding, violation)))
        };
        invariants::with_a_path(&summary.invariants).map(way).collect()
    }

    fn phases(&self, summary: &Summary) -> String {
        let phases: Vec<String> =
            summary.phases.iter().map(|phase| format!("{} {}", phase.name, time(phase.took_s * 1e3))).collect();
        self.wrapped(&format!("  {:<11} ", "phases"), Ink::Dim, &phases.join(" · "))
    }

    fn probe(&self, probe: &ProbeSummary) -> String {
        let percent = |share: f64| format!("{} %", significant(share * 100.0));
        let mut text = format!("{} measured in {}", counted(probe.pairs as u64, "rate"), time(probe.took_s * 1e3));
        if let (Some(median), Some(error), Some(worst)) = (probe.median_error, probe.worst_error, &probe.worst) {
            let worst = format!("{} → {}", worst.from, worst.to);
            text += &format!(": off by {} (median), {} at worst ({worst})", percent(median), percent(error));
        }
        if probe.missing > 0 {
            text += &format!("; {} without an answer", counted(probe.missing as u64, "pair"));
        }
        self.wrapped(&format!("  {:<11} ", "probe"), Ink::Dim, &text)
    }

    fn table(&self, header: &[&str], right: &[usize]) -> Table {
        let fill = if self.looks.unicode { '─' } else { '-' };
        let mut table = Table::new();
        table.load_style(NOTHING.header_separator(LineStyle::none().fill(fill).junction(fill)));
        table.set_content_arrangement(match self.looks.width {
            Some(_) => ContentArrangement::Dynamic,
            None => ContentArrangement::Disabled,
        });
        if let Some(width) = self.looks.width {
            table.set_width(width.saturating_sub(1));
        }
        if self.looks.colour {
            table.enforce_styling()
        } else {
            table.force_no_tty()
        };
        table.set_header(header.iter().map(|title| Cell::new(self.plain(title)).add_attribute(Attribute::Bold)));
        for index in right {
            if let Some(column) = table.column_mut(*index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
    }

    fn plan(&self, plan: &PlanSummary, summary: &Summary) -> String {
        let title = self.title(&counted(plan.stages.len() as u64, "stage"));
        let note = format!(" planned for {}/s, slowest: {}", significant(plan.predicted_throughput_per_s), plan.limit);
        let header = ["#", "node", "from → to", "memory", "receive", "compute", "measured"];
        let shown = header.len() - usize::from(self.narrow());
        let mut table = self.table(&header[..shown], &[0, 3, 4, 5, 6]);
        let longest = if self.narrow() { 11 } else { 20 };
        let tensor = |cut: &CutName| tensor(cut, longest);
        for stage in &plan.stages {
            let row = [
                stage.stage.to_string(),
                stage.node.clone(),
                self.plain(&format!("{} → {}", tensor(&stage.from), tensor(&stage.to))),
                format!("{} of {} MiB", mebibytes(stage.memory_bytes), mebibytes(stage.memory_limit_bytes)),
                time(stage.receive_ms),
                time(stage.compute_ms),
                stage.measured_compute_ms.map_or_else(|| self.plain("–"), time),
            ];
            table.add_row(row.into_iter().take(shown));
        }
        let mut text = format!("{title}{}\n{}\n", self.plain(&note), indented(&table));
        if plan.chains.len() > 1 {
            for (number, chain) in plan.chains.iter().enumerate() {
                let stages: Vec<String> = chain.stages.iter().map(ToString::to_string).collect();
                let line =
                    format!("stages {} · {} % of the requests", stages.join(" → "), significant(chain.share * 100.0));
                text += &self.wrapped(&format!("  chain {number}: "), Ink::Dim, &line);
            }
        }
        for change in summary.plans.iter().filter(|change| change.epoch != plan.epoch) {
            let ready =
                change.deployed_s.map_or_else(|| "never deployed".to_owned(), |at| format!("flowing at {at:.2} s"));
            let loaded = if change.loaded.is_empty() { "nothing".to_owned() } else { change.loaded.join(", ") };
            let prepared = change.prepared.join(", ");
            let prepared = if prepared.is_empty() { prepared } else { format!(" · was prepared: {prepared}") };
            let nodes = change.nodes.join(" → ");
            let line = format!("{}: {nodes} · {ready} · loaded: {loaded}{prepared}", change.reason);
            let lead = if change.epoch < plan.epoch { "  before " } else { "  then " };
            text += &self.wrapped(lead, Ink::Dim, &line);
        }
        text + &self.learned(summary)
    }

    /// What the dispatcher learned of nodes that the scenario doesn't say, or says otherwise.
    fn learned(&self, summary: &Summary) -> String {
        let slow = summary.slow.iter().map(|slow| {
            let (node, factor) = (&slow.node, significant(slow.factor));
            (slow.at_s, format!("{node} computes {factor} times slower than it should"))
        });
        let refused = summary.refused.iter().map(|refused| {
            (refused.at_s, format!("{} refused its stage of plan {}: {}", refused.node, refused.epoch, refused.reason))
        });
        let mut learned: Vec<(f64, String)> = slow.chain(refused).collect();
        learned.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let lines =
            learned.iter().map(|(at, what)| self.wrapped("  learned ", Ink::Dim, &format!("{what}, at {at:.2} s")));
        lines.collect()
    }

    fn faults(&self, faults: &[FaultSummary]) -> String {
        let title = self.title(&counted(faults.len() as u64, "fault"));
        let note = ", in seconds since load began (+: after the effect)";
        let header = ["fault", "planned", "fired", "effect", "detected", "recovered"];
        let mut table = self.table(&header, &[1, 2, 3, 4, 5]);
        for fault in faults {
            let at = |seconds: Option<f64>| seconds.map_or_else(|| self.plain("–"), |at| format!("{at:.3}"));
            let effect = fault.effect_s.or(fault.fired_s);
            // A connection may break before the process that held it has been reaped.
            let after = |seconds: Option<f64>| Some(format!("+{}", time((seconds? - effect?).max(0.0) * 1e3)));
            let detected = match (after(fault.detected_s), &fault.detected_by) {
                (Some(after), Some(by)) if !self.narrow() => Cell::new(format!("{by} {after}")),
                (Some(after), _) => Cell::new(after),
                (None, _) if fault.failed.is_some() => self.coloured("could not be fired", Color::Yellow),
                (None, _) if fault.fired_s.is_none() => Cell::new("not fired"),
                (None, _) => Cell::new("not noticed"),
            };
            let since_healed = fault.recovered_s.zip(fault.healed_s).map(|(recovered, healed)| recovered - healed);
            let recovered = match (after(fault.recovered_s), since_healed) {
                (Some(_), Some(healed)) if fault.detected_s.is_none() => {
                    self.coloured(&format!("healed +{}", time(healed * 1e3)), Color::Green)
                }
                (Some(after), _) => self.coloured(&after, Color::Green),
                _ if fault.detected_s.is_some() || fault.healed_s.is_some() => self.coloured("never", Color::Red),
                _ => Cell::new(self.plain("–")),
            };
            table.add_row([
                Cell::new(self.plain(&fault_name(fault))),
                Cell::new(significant(fault.planned_s)),
                Cell::new(at(fault.fired_s)),
                Cell::new(at(fault.effect_s)),
                detected,
                recovered,
            ]);
        }
        format!("{title}{}\n{}\n", self.ink(Ink::Dim, note), indented(&table))
    }

    /// What each fault cost that was recovered from.
    fn costs(&self, faults: &[FaultSummary]) -> Option<String> {
        let known: Vec<&FaultSummary> = faults.iter().filter(|fault| fault.lost_results.is_some()).collect();
        if known.is_empty() {
            return None;
        }
        let title = self.title("What they cost");
        let note = " (+: after the effect; p99 before, during and after)";
        let header = ["fault", "new plan", "deployed", "full rate", "results lost", "sent again", "p99"];
        let mut table = self.table(&header, &[1, 2, 3, 4, 5, 6]);
        for fault in known {
            let effect = fault.effect_s.or(fault.fired_s);
            let after = |seconds: Option<f64>| match seconds.zip(effect) {
                Some((at, effect)) => format!("+{}", time((at - effect).max(0.0) * 1e3)),
                None => self.plain("–"),
            };
            let p99 = [&fault.latency_before_ms, &fault.latency_during_ms, &fault.latency_after_ms];
            let p99 = p99.map(|latency| latency.map_or_else(|| self.plain("–"), |latency| time(latency.p99)));
            table.add_row([
                self.plain(&format!("{} {}", fault.kind, fault.target)),
                after(fault.replanned_s),
                after(fault.deployed_s),
                after(fault.full_rate_s),
                significant(fault.lost_results.unwrap_or_default()),
                grouped(fault.replayed),
                p99.join(&self.plain(" → ")),
            ]);
        }
        Some(format!("{title}{}\n{}\n", self.ink(Ink::Dim, note), indented(&table)))
    }

    fn coloured(&self, text: &str, colour: Color) -> Cell {
        let cell = Cell::new(text);
        if self.looks.colour { cell.fg(colour) } else { cell }
    }

    fn list(&self, title: &str, sign: &str, ink: Ink, lines: &[String]) -> String {
        let lines = lines.iter().map(|line| self.wrapped(&format!("  {sign} "), ink, line));
        format!("{}\n{}", self.title(title), lines.collect::<String>())
    }

    fn files(&self, folder: &Path, summary: &Summary) -> String {
        let nodes = if summary.carrier.as_deref() == Some(SIMULATED) { "" } else { " · nodes/" };
        let inside = format!("report.html · summary.json · events.jsonl · throughput.csv{nodes}");
        let inside = self.ink(Ink::Dim, &self.plain(&inside));
        format!("{} {}/\n  {inside}\n", self.title("Files in"), folder.display())
    }
}

fn indented(table: &Table) -> String {
    table.lines().map(|line| format!(" {}", line.trim_end())).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture;
    use crate::report::summarise;

    fn texts() -> Vec<(Summary, String)> {
        let run = fixture::crashes();
        let good = summarise(&run.scenario, &run.tally());
        let mut strict = run.scenario.clone();
        strict.expect.p99_ms = Some(500.0);
        strict.expect.recovery_ms = Some(1500.0);
        let bad = summarise(&strict, &run.tally());
        let folder = Path::new("results/twelve/2027-01-15T08-00-00Z-5ca1ab");
        let looks = [Looks::PLAIN, Looks::terminal(100), Looks::terminal(80)];
        looks.iter().flat_map(|looks| [&good, &bad].map(|s| (s.clone(), closing(s, folder, *looks)))).collect()
    }

    #[test]
    fn the_closing_text_says_what_came_of_the_run() {
        for (summary, text) in texts() {
            // Shown by `--no-capture`: a person must judge its looks.
            println!("{text}");
            for word in ["twelve", "requests/s", "p99.9", "kill n4", "stage:1", "not noticed", "0 lost", "5ca1ab"] {
                assert!(text.contains(word), "{word} is missing");
            }
            assert_eq!(text.contains("recovery_ms"), summary.exit == 1);
        }
    }

    #[test]
    fn without_a_terminal_it_is_plain_ascii_lines() {
        for (_, text) in texts().drain(..2) {
            let odd: Vec<char> = text.chars().filter(|c| !(c.is_ascii_graphic() || " \n".contains(*c))).collect();
            assert!(odd.is_empty(), "{odd:?}");
        }
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let plain = |line: &str| {
            let mut text = line.to_owned();
            while let Some(begin) = text.find('\x1b') {
                let end = text[begin..].find('m').unwrap() + begin;
                text.replace_range(begin..=end, "");
            }
            text
        };
        for ((_, text), width) in texts().drain(2..).zip([100, 100, 80, 80]) {
            for line in text.lines().map(plain) {
                assert!(line.chars().count() <= width, "{line}");
            }
        }
    }
}
