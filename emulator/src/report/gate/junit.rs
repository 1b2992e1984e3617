//! A gate as JUnit's XML, which CI services read: a case for each point and one for the curve.
//!
//! The form is that of the Jenkins plugin's `junit-10.xsd`, the common ground of its readers. It is a few elements, which a library would
//! write with twenty crates beside it.

use std::fmt::Write;

use super::super::terminal::Looks;
use super::super::xml::escaped;
use super::{sentence, terminal, word};
use crate::gate::decide::Told;
use crate::gate::{Gated, Measure};

/// How a case ended.
enum Ending {
    Passed,
    /// `failure` or `error`, and its type and message.
    Bad(&'static str, &'static str, String),
    Skipped(String),
}

struct Case {
    name: String,
    ending: Ending,
    properties: Vec<(String, String)>,
    said: Option<String>,
}

/// The XML of a gate that came to nothing.
pub fn unmade(reason: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"emu gate\" tests=\"1\" failures=\"0\" \
         errors=\"1\" skipped=\"0\">\n    <testcase name=\"curve\" classname=\"gate\">\n      <error type=\"unmade\" \
         message=\"{}\"/>\n    </testcase>\n  </testsuite>\n</testsuites>\n",
        escaped(reason)
    )
}

/// The XML. A gate that can't tell is an error if it is to fail, otherwise skipped.
pub fn xml(gated: &Gated, open_fails: bool) -> String {
    let mut cases = points(gated);
    cases.push(curve(gated, open_fails));
    let count = |of: &dyn Fn(&Ending) -> bool| cases.iter().filter(|case| of(&case.ending)).count();
    let counts = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\"",
        cases.len(),
        count(&|ending| matches!(ending, Ending::Bad("failure", ..))),
        count(&|ending| matches!(ending, Ending::Bad("error", ..))),
        count(&|ending| matches!(ending, Ending::Skipped(_))),
    );
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    let scenario = escaped(&gated.scenario);
    // Writing to a string can't fail.
    let _ = writeln!(text, "  <testsuite name=\"emu gate {scenario}\" {counts}>");
    for case in &cases {
        let _ = writeln!(text, "    <testcase name=\"{}\" classname=\"gate.{scenario}\">", escaped(&case.name));
        text += "      <properties>\n";
        for (name, value) in &case.properties {
            let _ = writeln!(text, "        <property name=\"{}\" value=\"{}\"/>", escaped(name), escaped(value));
        }
        text += "      </properties>\n";
        match &case.ending {
            Ending::Passed => {}
            Ending::Bad(element, kind, message) => {
                let _ = writeln!(text, "      <{element} type=\"{kind}\" message=\"{}\"/>", escaped(message));
            }
            Ending::Skipped(message) => {
                let _ = writeln!(text, "      <skipped message=\"{}\"/>", escaped(message));
            }
        }
        if let Some(said) = &case.said {
            let _ = writeln!(text, "      <system-out>{}</system-out>", escaped(said));
        }
        text += "    </testcase>\n";
    }
    text + "  </testsuite>\n</testsuites>\n"
}

fn points(gated: &Gated) -> Vec<Case> {
    let unit = if gated.measure == Measure::Throughput { "per_s" } else { "share" };
    let case = |point: &crate::gate::Seen| {
        let ending = match point.failed.first() {
            Some(first) => {
                let runs = point.failed.len();
                let message =
                    format!("{runs} of its runs broke an expectation or an invariant, first {}", first.display());
                Ending::Bad("failure", "not as expected", message)
            }
            None if point.pairs == 0 => Ending::Skipped("no pair was made".to_owned()),
            None => Ending::Passed,
        };
        let values = [(format!("before_{unit}"), point.old), (format!("after_{unit}"), point.new)];
        let values = values.into_iter().chain([("change".to_owned(), point.change)]);
        let properties = values.map(|(name, value)| (name, format!("{value:.4}"))).collect();
        Case { name: point.name.clone(), ending, properties, said: None }
    };
    gated.points.iter().map(case).collect()
}

/// The case of all points together.
fn curve(gated: &Gated, open_fails: bool) -> Case {
    let bad = |element| Ending::Bad(element, word(gated), sentence(gated));
    let ending = match gated.judgement.told {
        _ if gated.interrupted => bad("error"),
        Told::Slower => bad("failure"),
        Told::Open if open_fails => bad("error"),
        Told::Open => Ending::Skipped(sentence(gated)),
        Told::Held | Told::Faster => Ending::Passed,
    };
    let mut properties = Vec::new();
    let findings = [("level", Some(&gated.judgement.level)), ("shape", gated.judgement.shape.as_ref())];
    for (name, finding) in findings.into_iter().filter_map(|(name, finding)| Some((name, finding?))) {
        let detectable = finding.detectable.map_or_else(|| "nothing".to_owned(), |loss| format!("{loss:.4}"));
        properties.extend([
            (format!("{name}_change"), format!("{:.4}", finding.change)),
            (format!("{name}_p"), format!("{:.6}", finding.p)),
            (format!("{name}_detectable"), detectable),
        ]);
    }
    Case { name: "curve".to_owned(), ending, properties, said: Some(terminal(gated, Looks::PLAIN)) }
}
