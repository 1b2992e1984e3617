//! `report.html`: a run as one page that needs nothing but itself. Pictures are SVG in the page, drawn once for a desk and once for
//! a hand; without scripts everything is there but the cursor that tells the values under it.

pub mod sheet;

use std::fmt::Write;

use self::sheet::{document, section, table};
use super::chart::figure::{Figure, Table};
use super::evidence::Evidence;
use super::numbers::counted;
use super::words::{Tone, verdict};
use super::xml::escaped;
use super::{evidence, fidelity, invariants};
use crate::record::event::SIMULATED;
use crate::record::invariant::Judgement;

/// The page. `scenario` is the scenario's file as the user wrote it.
pub fn page(evidence: Evidence<'_>, figures: &[Figure], scenario: &str) -> String {
    let Evidence { summary, .. } = evidence;
    let mut html = String::new();
    head(&mut html, evidence);
    contents(&mut html, figures);
    html.push_str("<main>\n");
    notes(&mut html, evidence);
    for figure in figures {
        section(&mut html, figure);
    }
    invariants_section(&mut html, evidence);
    repeat(&mut html, evidence, scenario);
    html.push_str("</main>\n");
    document(&summary.scenario, &html)
}

/// Name, verdict and the figures that matter most.
fn head(html: &mut String, evidence: Evidence<'_>) {
    let Evidence { scenario, summary, env, .. } = evidence;
    let verdict = verdict(summary);
    let tone = match verdict.tone {
        Tone::Good => "good",
        Tone::Caution => "caution",
        Tone::Bad => "bad",
    };
    let links = match summary.carrier.as_deref() {
        Some(SIMULATED) => "simulated: nothing was built, nothing ran".to_owned(),
        Some(carrier) => format!("{carrier} links"),
        None => "no network was built".to_owned(),
    };
    let about = [
        summary.what().to_owned(),
        counted(summary.nodes as u64, "node"),
        links,
        format!("seed {}", summary.seed),
        env.started.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    ];
    let _ = write!(
        html,
        "<header>\n<p class=\"verdict {tone}\">{}</p>\n<h1>{}</h1>\n<p class=\"lead\">{}</p>\n<p class=\"about\">{}</p>\n<dl class=\"cards\">\n",
        escaped(&verdict.words),
        escaped(&summary.scenario),
        escaped(&scenario.description),
        escaped(&about.join(" · "))
    );
    for (name, value, more) in evidence::headline(evidence) {
        let _ = writeln!(
            html,
            "<div><dt>{}</dt><dd><b>{}</b> <span>{}</span></dd></div>",
            escaped(&name),
            escaped(&value),
            escaped(&more)
        );
    }
    html.push_str("</dl>\n</header>\n");
}

fn contents(html: &mut String, figures: &[Figure]) {
    html.push_str("<nav aria-label=\"Contents\"><ul>\n");
    let own = [("invariants", "Invariants"), ("repeat", "To repeat it")];
    for (id, title) in figures.iter().map(|figure| (figure.id, figure.title.as_str())).chain(own) {
        let _ = writeln!(html, "<li><a href=\"#{id}\">{}</a></li>", escaped(title));
    }
    html.push_str("</ul></nav>\n");
}

/// What is not as it should be.
fn notes(html: &mut String, evidence: Evidence<'_>) {
    let summary = evidence.summary;
    let doubts = fidelity::doubts(summary);
    for (class, title, lines) in [
        ("bad", "Not as expected", &summary.violations),
        ("caution", fidelity::TITLE, &doubts),
        ("caution", "The result may not be trustworthy here", &summary.warnings),
    ] {
        if lines.is_empty() {
            continue;
        }
        let _ = write!(html, "<section class=\"note {class}\">\n<h2>{title}</h2>\n<ul>\n");
        for line in lines {
            let _ = writeln!(html, "<li>{}</li>", escaped(line));
        }
        html.push_str("</ul>\n</section>\n");
    }
}

fn invariants_section(html: &mut String, evidence: Evidence<'_>) {
    let findings = &evidence.summary.invariants;
    let _ = write!(
        html,
        "<section id=\"invariants\">\n<h2>Invariants</h2>\n<p>What must hold in every run, judged from the record: {}.</p>\n",
        escaped(&invariants::line(findings))
    );
    let mut held = Table::new(&["invariant", "says", "judgement"]);
    for finding in findings {
        let judgement = match finding.judgement {
            Judgement::Held => "held".to_owned(),
            Judgement::Broken => format!("broken, {}", counted(finding.count, "time")),
            Judgement::NotJudged => format!("not judged: {}", finding.reason.as_deref().unwrap_or_default()),
        };
        held.rows.push(vec![finding.name.clone(), finding.says.clone(), judgement]);
    }
    table(html, "Invariants", &held);
    for (finding, violation) in invariants::with_a_path(findings) {
        let _ = write!(html, "<h3>{}</h3>\n<pre tabindex=\"0\">", escaped(&invariants::title(finding, violation)));
        for (lead, what) in invariants::steps(violation) {
            let _ = writeln!(html, "{}{}", escaped(&lead), escaped(&what));
        }
        html.push_str("</pre>\n");
    }
    html.push_str("</section>\n");
}

fn repeat(html: &mut String, evidence: Evidence<'_>, scenario: &str) {
    let Evidence { summary, env, .. } = evidence;
    let _ = write!(
        html,
        "<section id=\"repeat\">\n<h2>To repeat it</h2>\n<p>With the scenario below, which holds every value that was given:</p>\n\
         <pre tabindex=\"0\">emu run scenario.toml --seed {}</pre>\n<p>This run was <code>{}</code>.</p>\n",
        summary.seed,
        escaped(&env.command.join(" "))
    );
    let mut ran = Table::new(&["what", "value"]);
    for (what, value) in evidence::surroundings(evidence) {
        ran.rows.push(vec![what, value]);
    }
    table(html, "What it ran on", &ran);
    let _ = write!(
        html,
        "<details>\n<summary>The scenario</summary>\n<pre tabindex=\"0\">{}</pre>\n</details>\n</section>\n",
        escaped(scenario)
    );
}
