//! A gate as JUnit's XML, which CI services read: a case for each point and one for the curve.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::super::terminal::Looks;
use super::{sentence, terminal, word};
use crate::gate::decide::Told;
use crate::gate::{Gated, Measure};

/// The XML. A gate that can't tell is an error if it is to fail, otherwise skipped.
///
/// # Errors
/// What the writer of XML says.
pub fn xml(gated: &Gated, open_fails: bool) -> Result<String, quick_junit::SerializeError> {
    let mut suite = TestSuite::new(format!("emu gate {}", gated.scenario));
    let class = format!("gate.{}", gated.scenario);
    for point in &gated.points {
        let mut status = TestCaseStatus::success();
        if let Some(first) = point.failed.first() {
            status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type("not as expected");
            let runs = point.failed.len();
            status.set_message(format!(
                "{runs} of its runs broke an expectation or an invariant, first {}",
                first.display()
            ));
        } else if point.pairs == 0 {
            status = TestCaseStatus::skipped();
            status.set_message("no pair was made");
        }
        let mut case = TestCase::new(point.name.clone(), status);
        let unit = if gated.measure == Measure::Throughput { "per_s" } else { "share" };
        let (old, new) = (format!("before_{unit}"), format!("after_{unit}"));
        for (name, value) in [(old.as_str(), point.old), (&new, point.new), ("change", point.change)] {
            case.add_property((name, format!("{value:.4}")));
        }
        case.set_classname(class.clone()).set_time(Duration::ZERO);
        suite.add_test_case(case);
    }
    suite.add_test_case(curve(gated, open_fails, &class));
    let mut report = Report::new("emu gate");
    report.add_test_suite(suite);
    report.to_string()
}

/// The case of all points together.
fn curve(gated: &Gated, open_fails: bool, class: &str) -> TestCase {
    let mut status = match gated.judgement.told {
        _ if gated.interrupted => TestCaseStatus::non_success(NonSuccessKind::Error),
        Told::Slower => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Told::Open if open_fails => TestCaseStatus::non_success(NonSuccessKind::Error),
        Told::Open => TestCaseStatus::skipped(),
        Told::Held | Told::Faster => TestCaseStatus::success(),
    };
    if !matches!(status, TestCaseStatus::Success { .. }) {
        status.set_type(word(gated)).set_message(sentence(gated));
    }
    let mut case = TestCase::new("curve", status);
    case.set_classname(class).set_time(Duration::ZERO).set_system_out(terminal(gated, Looks::PLAIN));
    let findings = [("level", Some(&gated.judgement.level)), ("shape", gated.judgement.shape.as_ref())];
    for (name, finding) in findings.into_iter().filter_map(|(name, finding)| Some((name, finding?))) {
        case.add_property((format!("{name}_change"), format!("{:.4}", finding.change)));
        case.add_property((format!("{name}_p"), format!("{:.6}", finding.p)));
        let detectable = finding.detectable.map_or_else(|| "nothing".to_owned(), |loss| format!("{loss:.4}"));
        case.add_property((format!("{name}_detectable"), detectable));
    }
    case
}
