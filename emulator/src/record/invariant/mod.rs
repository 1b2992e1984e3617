//! What must hold in every run, whatever breaks in it: checked from the record alone, never by asking the
//! system under test. One file for each invariant; each is a pure function of the scenario and the tally.
//!
//! | invariant | what it says |
//! |---|---|
//! | `one_outcome` | each request that was accepted has exactly one outcome: a result or an error |
//! | `no_duplicate` | no second result of a request reaches the client |
//! | `right_output` | every output is the unsplit model's |
//! | `own_epoch` | every result comes from the plan and the chain that its request was in, through all stages of it |
//! | `placement` | only nodes compute that the plan put there and that have the memory for it |
//! | `throughput_returns` | after the last fault is healed, throughput returns to 0.9 of what it can be |
//! | `nothing_left` | no process is left when all nodes have ended |
//!
//! Of programs of others, which have no plan and promise no throughput, only `one_outcome`, `no_duplicate` and `nothing_left` are checked.
//!
//! What a record can't tell is not held against it: a run that was cut short, outputs that were not compared.
//! Such an invariant is *not judged*, with the reason.

mod duplicate;
mod epoch;
mod leftover;
mod outcome;
mod output;
pub mod path;
mod placement;
mod throughput;

use serde::{Deserialize, Serialize};

use super::event::SIMULATED;
use super::tally::Tally;
use crate::scenario::Scenario;

use path::Step;

/// So many violations of each invariant are told with all they need; of the others only the number.
pub const TOLD: usize = 3;

/// The invariant that no process is left.
pub const NOTHING_LEFT: &str = "nothing_left";

/// What must hold.
struct Invariant {
    name: &'static str,
    says: &'static str,
    /// Whether it means something only where a model runs.
    of_a_model: bool,
    check: fn(&Scenario, &Tally) -> Verdict,
}

const ALL: [Invariant; 7] = [
    Invariant {
        name: "one_outcome",
        says: "each request that was accepted has exactly one outcome",
        of_a_model: false,
        check: outcome::check,
    },
    Invariant {
        name: "no_duplicate",
        says: "no second result of a request reaches the client",
        of_a_model: false,
        check: duplicate::check,
    },
    Invariant {
        name: "right_output",
        says: "every output is the unsplit model's",
        of_a_model: true,
        check: output::check,
    },
    Invariant {
        name: "own_epoch",
        says: "every result comes from the plan and the chain that its request was in",
        of_a_model: true,
        check: epoch::check,
    },
    Invariant {
        name: "placement",
        says: "only nodes compute that the plan put there and that have the memory for it",
        of_a_model: true,
        check: placement::check,
    },
    Invariant {
        name: "throughput_returns",
        says: "after the last fault is healed, throughput returns to 0.9 of what it can be",
        of_a_model: true,
        check: throughput::check,
    },
    Invariant {
        name: NOTHING_LEFT,
        says: "no process is left when all nodes have ended",
        of_a_model: false,
        check: leftover::check,
    },
];

/// What came of checking an invariant.
enum Verdict {
    Held,
    /// The record can't tell, and why.
    NotJudged(String),
    Broken(Vec<Breach>),
}

/// A way in which an invariant was broken.
struct Breach {
    request: Option<u64>,
    text: String,
}

impl Breach {
    fn of(request: u64, text: String) -> Breach {
        Breach { request: Some(request), text }
    }
}

impl From<Vec<Breach>> for Verdict {
    fn from(breaches: Vec<Breach>) -> Verdict {
        if breaches.is_empty() { Verdict::Held } else { Verdict::Broken(breaches) }
    }
}

/// Whether an invariant held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// It held.
    Held,
    /// It was broken: the run has failed.
    Broken,
    /// The record can't tell.
    NotJudged,
}

/// What is said of an invariant in a summary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Its name.
    pub name: String,
    /// What it says.
    pub says: String,
    /// Whether it held.
    pub judgement: Judgement,
    /// Why it was not judged.
    pub reason: Option<String>,
    /// How often it was broken.
    pub count: u64,
    /// The first violations.
    pub violations: Vec<Violation>,
}

/// A violation with all that is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Violation {
    /// The request, if it is one's.
    pub request: Option<u64>,
    /// What was found.
    pub text: String,
    /// The way of the request, in the order of time.
    pub path: Vec<Step>,
}

/// Checks every invariant that means something for what runs.
pub fn check(scenario: &Scenario, tally: &Tally) -> Vec<Finding> {
    let meant = ALL.iter().filter(|invariant| !invariant.of_a_model || scenario.inference().is_some());
    meant.map(|invariant| finding(invariant, scenario, tally)).collect()
}

fn finding(invariant: &Invariant, scenario: &Scenario, tally: &Tally) -> Finding {
    let (judgement, reason, breaches) = match (invariant.check)(scenario, tally) {
        Verdict::Held => (Judgement::Held, None, Vec::new()),
        Verdict::NotJudged(reason) => (Judgement::NotJudged, Some(reason), Vec::new()),
        Verdict::Broken(breaches) => (Judgement::Broken, None, breaches),
    };
    let violation = |breach: &Breach| Violation {
        request: breach.request,
        text: breach.text.clone(),
        path: breach.request.map(|request| path::of(tally, request)).unwrap_or_default(),
    };
    Finding {
        name: invariant.name.to_owned(),
        says: invariant.says.to_owned(),
        judgement,
        reason,
        count: breaches.len() as u64,
        violations: breaches.iter().take(TOLD).map(violation).collect(),
    }
}

fn is_simulated(tally: &Tally) -> bool {
    tally.carrier.as_deref() == Some(SIMULATED)
}

/// Why what is still open at the end of the record says nothing; `None`: the run came to its end.
fn cut_short(tally: &Tally) -> Option<String> {
    if tally.interrupted {
        return Some("the run was interrupted".to_owned());
    }
    (!tally.ended || tally.load_ended.is_none()).then(|| "the run did not come to its end".to_owned())
}

#[cfg(test)]
mod tests;
