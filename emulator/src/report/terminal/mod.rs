//! The closing text of a run, for people.

mod faults;
mod measured;
mod plan;
mod writer;

use std::path::Path;

use super::files::PAGE;
use super::numbers::{counted, grouped, significant, time};
use super::words::{self, Tone, Verdict, share};
use super::{fidelity, invariants, processes};
use crate::record::event::SIMULATED;
use crate::record::fidelity::Grade;
use crate::record::summary::{Latency, ProbeSummary, Summary};

use writer::Ink;
pub use writer::Looks;
pub(super) use writer::{Writer, indented};

/// What a run came to, in words and tables. `folder` is where its files are.
pub fn closing(summary: &Summary, folder: &Path, looks: Looks) -> String {
    let writer = &Writer { looks };
    let mut blocks = vec![verdict(writer, summary), headline(writer, summary), beside(writer, summary)];
    blocks.extend(summary.plan.as_ref().map(|first| plan::told(writer, first, summary)));
    if !summary.faults.is_empty() {
        blocks.push(faults::told(writer, &summary.faults));
        blocks.extend(faults::costs(writer, &summary.faults, summary.has_model()));
    }
    let bad = if looks.unicode { "✗" } else { "x" };
    for (title, sign, ink, lines) in [
        (fidelity::TITLE, "!", Ink::Caution, &fidelity::doubts(summary)),
        ("Warnings: the result may not be trustworthy here", "!", Ink::Caution, &summary.warnings),
        ("Not as expected", bad, Ink::Bad, &summary.violations),
    ] {
        if !lines.is_empty() {
            blocks.push(writer.list(title, sign, ink, lines, PAGE));
        }
    }
    blocks.extend(ways(writer, summary));
    blocks.push(files(writer, folder, summary));
    let mut text = blocks.join("\n");
    text.insert(0, '\n');
    text
}

fn verdict(writer: &Writer, summary: &Summary) -> String {
    let Verdict { tone, words } = words::verdict(summary);
    let (ink, sign) = match tone {
        Tone::Good => (Ink::Good, "✓"),
        Tone::Caution => (Ink::Caution, "✗"),
        Tone::Bad => (Ink::Bad, "✗"),
    };
    let head = writer.ink(ink, &writer.plain(&format!("{sign} {}: {words}", summary.scenario)));
    let nodes = counted(summary.nodes as u64, "node");
    let (links, note) = match summary.carrier.as_deref() {
        Some(SIMULATED) => ("", "simulated: nothing was built, nothing ran\n"),
        Some(carrier) => (&*format!(" · {carrier} links"), ""),
        None => ("", ""),
    };
    let rest = format!("  {} on {nodes}{links} · seed {}", summary.what(), summary.seed);
    let note = if note.is_empty() { String::new() } else { format!("  {}", writer.ink(Ink::Caution, note)) };
    format!("{head}\n{}\n{note}", writer.ink(Ink::Dim, &writer.plain(&rest)))
}

fn headline(writer: &Writer, summary: &Summary) -> String {
    let note = |text: &str| writer.row("", text);
    let throughput = writer.title(&format!("{} requests/s", significant(summary.throughput_per_s)));
    let mut text = format!("  {:<11} {throughput}\n", "throughput");
    text += &summary.bound.as_ref().map_or_else(String::new, |bound| note(&share(bound)));
    match &summary.latency_ms {
        Some(latency) => {
            text += &format!("  {:<11} {}\n", "latency", percentiles(writer, latency));
            text += &note(&format!(
                "from the instant each was due, of {} due from second {} to {}",
                counted(latency.count, "request"),
                significant(summary.window.from_s),
                significant(summary.window.to_s)
            ));
        }
        None => text += &writer.plain(&format!("  {:<11} – (no request was completed in time)\n", "latency")),
    }
    if let Some(judged) = &summary.fidelity {
        let ink = match judged.verdict {
            Grade::Faithful => Ink::Good,
            Grade::Degraded => Ink::Caution,
            Grade::Invalid => Ink::Bad,
        };
        text += &format!("  {:<11} {}\n", "emulation", writer.ink(ink, &fidelity::line(judged)));
    }
    text
}

fn percentiles(writer: &Writer, latency: &Latency) -> String {
    let of = |name: &str, millis: f64| format!("{name} {}", writer.title(&time(millis)));
    let figures = [
        of("p50", latency.p50),
        of("p90", latency.p90),
        of("p99", latency.p99),
        of("p99.9", latency.p999),
        of("max", latency.max),
    ];
    figures.join(&writer.plain(" · "))
}

/// What became of the requests, and what else is told in a line.
fn beside(writer: &Writer, summary: &Summary) -> String {
    let mut text = requests(writer, summary);
    text += &measured::told(writer, summary);
    if let Some(measured) = &summary.probe {
        text += &writer.row("probe", &probe(measured));
    }
    if !summary.invariants.is_empty() {
        text += &writer.row("invariants", &invariants::line(&summary.invariants));
    }
    if !summary.processes.is_empty() {
        text += &writer.row("processes", &processes::line(&summary.processes));
    }
    if !summary.phases.is_empty() {
        let phases = summary.phases.iter().map(|phase| format!("{} {}", phase.name, time(phase.took_s * 1e3)));
        text += &writer.row("phases", &phases.collect::<Vec<_>>().join(" · "));
    }
    text
}

fn requests(writer: &Writer, summary: &Summary) -> String {
    let requests = &summary.requests;
    let count = |count: u64, what: &str| format!("{} {what}", grouped(count));
    let mut first = vec![count(requests.offered, "offered")];
    first.extend(summary.has_model().then(|| count(requests.accepted, "accepted")));
    first.push(count(requests.completed, "completed"));
    first.push(count(requests.errored, "with an error"));
    if requests.unaccepted > 0 && !summary.has_model() {
        first.push(count(requests.unaccepted, "never answered"));
    } else if requests.unaccepted > 0 {
        first.push(count(requests.unaccepted, "never accepted"));
    }
    let judged = |number: u64, what: &str| {
        let ink = if number == 0 { Ink::Good } else { Ink::Bad };
        writer.ink(ink, &count(number, what))
    };
    let mut second = vec![judged(requests.lost, "lost"), judged(requests.duplicated, "duplicated")];
    if !summary.has_model() {
        // Nothing by which an answer could be judged.
    } else if requests.checked > 0 || requests.completed == 0 {
        second.push(judged(requests.wrong, "wrong"));
    } else {
        second.push("outputs not checked".to_owned());
    }
    if requests.replayed > 0 {
        second.push(count(requests.replayed, "sent again after a failure"));
    }
    let (first, second) = (first.join(" · "), second.join(" · "));
    let mut text = writer.plain(&format!("  {:<11} {first}\n  {:<11} {second}\n", "requests", ""));
    if requests.checked > 0 && requests.wrong == 0 {
        let checked = format!("{} outputs are the unsplit model's, bit for bit", grouped(requests.checked));
        text += &format!("  {:<11} {}\n", "", writer.ink(Ink::Dim, &checked));
    }
    text
}

/// The whole way of each request with which an invariant was broken.
fn ways(writer: &Writer, summary: &Summary) -> Vec<String> {
    let way = |(finding, violation)| {
        let steps = invariants::steps(violation).into_iter();
        let steps: String = steps.map(|(lead, what)| writer.wrapped(&lead, Ink::Strong, &what)).collect();
        format!("{}\n{steps}", writer.title(&invariants::title(finding, violation)))
    };
    invariants::with_a_path(&summary.invariants).map(way).collect()
}

fn probe(probe: &ProbeSummary) -> String {
    let percent = |share: f64| format!("{} %", significant(share * 100.0));
    let mut text = format!("{} measured in {}", counted(probe.pairs as u64, "rate"), time(probe.took_s * 1e3));
    if let (Some(median), Some(error), Some(worst)) = (probe.median_error, probe.worst_error, &probe.worst) {
        let worst = format!("{} → {}", worst.from, worst.to);
        text += &format!(": off by {} (median), {} at worst ({worst})", percent(median), percent(error));
    }
    if probe.missing > 0 {
        text += &format!("; {} without an answer", counted(probe.missing as u64, "pair"));
    }
    text
}

fn files(writer: &Writer, folder: &Path, summary: &Summary) -> String {
    let nodes = if summary.carrier.as_deref() == Some(SIMULATED) { "" } else { " · nodes/" };
    let inside = format!("report.html · summary.json · events.jsonl · throughput.csv{nodes}");
    let inside = writer.ink(Ink::Dim, &writer.plain(&inside));
    format!("{} {}/\n  {inside}\n", writer.title("Files in"), folder.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::env::Env;
    use crate::record::fidelity::Doubt;
    use crate::record::fixture;
    use crate::record::summary::{FaultSummary, PlanChange, SlowNode};
    use crate::report::evidence::{Evidence, figures};
    use crate::report::{page, summarise};

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
    fn of_many_things_ten_are_told_and_a_file_that_has_them_all_is_named() {
        let run = fixture::crashes();
        let tally = run.tally();
        let mut summary = summarise(&run.scenario, &tally);
        let (fault, doubt) = (summary.faults[0].clone(), "a clock was late");
        let (change, of) = (summary.plans[1].clone(), |what: &str, number: u32| format!("{what}-{number:03}."));
        let numbers = || (0..270).map(|number| number + 1);
        summary.faults = numbers().map(|it| FaultSummary { target: of("fault", it), ..fault.clone() }).collect();
        let slow = |it| SlowNode { node: of("slow", it), factor: 2.0, at_s: 1.0 };
        summary.slow = numbers().map(slow).collect();
        let later = |it| PlanChange { epoch: 100 + it, reason: of("plan", it), ..change.clone() };
        summary.plans = numbers().map(later).collect();
        summary.warnings = numbers().map(|it| of("warning", it)).collect();
        summary.violations = numbers().map(|it| of("violation", it)).collect();
        let fidelity = summary.fidelity.as_mut().unwrap();
        let doubt = |it| Doubt {
            signal: "timers".into(),
            grade: Grade::Degraded,
            what: of(doubt, it),
            from_s: 1.0,
            to_s: 2.0,
            throughput: 0.0,
            latency: 0.01,
        };
        fidelity.doubts = numbers().map(doubt).collect();

        let env = Env::gather(jiff::Timestamp::from_second(1_800_000_000).unwrap(), 7, Vec::new());
        let evidence = Evidence { scenario: &run.scenario, tally: &tally, summary: &summary, env: &env };
        let page = page::page(evidence, &figures(evidence), "");
        let json = serde_json::to_string(&summary).unwrap();
        for looks in [Looks::PLAIN, Looks::terminal(100)] {
            let text = closing(&summary, Path::new("results/many"), looks);
            for (what, tables, file) in [
                ("fault", 2, &page),
                ("plan", 1, &json),
                ("slow", 1, &json),
                ("a clock was late", 1, &page),
                ("warning", 1, &page),
                ("violation", 1, &page),
            ] {
                let told = numbers().map(|it| text.matches(&of(what, it)).count());
                assert_eq!(told.sum::<usize>(), 10 * tables, "{what}: {text}");
                assert!(numbers().all(|it| file.contains(&of(what, it))), "{what}");
            }
            for (file, lists) in [("report.html", 5), ("summary.json", 2)] {
                assert_eq!(text.matches(&format!("and 260 more, see {file}")).count(), lists, "{text}");
            }
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
