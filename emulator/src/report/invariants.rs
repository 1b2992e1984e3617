//! What people read of the invariants: how many held, and the way of each request with which one was broken.

use crate::record::invariant::path::Step;
use crate::record::invariant::{Finding, Judgement, Violation};

/// How many held, which were broken, and which could not be judged and why.
pub(super) fn line(findings: &[Finding]) -> String {
    let of = |judgement: Judgement| findings.iter().filter(move |finding| finding.judgement == judgement);
    let mut parts = vec![format!("{} held", of(Judgement::Held).count())];
    let broken: Vec<&str> = of(Judgement::Broken).map(|finding| finding.name.as_str()).collect();
    if !broken.is_empty() {
        parts.push(format!("{} broken ({})", broken.len(), broken.join(", ")));
    }
    for finding in of(Judgement::NotJudged) {
        let reason = finding.reason.as_deref().unwrap_or_default();
        parts.push(format!("{} not judged: {reason}", finding.name));
    }
    parts.join(" · ")
}

/// Violations of which there is a way to tell, each with its invariant.
pub(super) fn with_a_path(findings: &[Finding]) -> impl Iterator<Item = (&Finding, &Violation)> {
    let all = findings.iter().flat_map(|finding| finding.violations.iter().map(move |violation| (finding, violation)));
    all.filter(|(_, violation)| !violation.path.is_empty())
}

/// What a request went through, a line for each step: the instant, the node, what happened.
pub(super) fn steps(violation: &Violation) -> Vec<(String, String)> {
    let wide = violation.path.iter().map(|step| step.node.chars().count()).max().unwrap_or_default();
    let line = |step: &Step| (format!("{:>10.4} s  {:<wide$}  ", step.at_s, step.node), step.what.clone());
    violation.path.iter().map(line).collect()
}

/// Whose way it is.
pub(super) fn title(finding: &Finding, violation: &Violation) -> String {
    let request = violation.request.map_or_else(String::new, |request| request.to_string());
    format!("The way of request {request}: {} is broken", finding.name)
}
