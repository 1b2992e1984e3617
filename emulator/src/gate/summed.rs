//! A gate's pairs of runs as the numbers that are judged, and what people should know of them.

use std::collections::BTreeSet;

use super::decide::{Judgement, Limits, Pair};
use super::ranks::level;
use super::{Ends, Measure, Paired, Seen};
use crate::compare::runs::Run;
use crate::sweep::grid::{Point, Row, Vary, rows};

/// Ratios beyond this, as when a run has no result at all, count as this.
const MOST: f64 = 1000.0;
/// Bounds that differ by less than this share are the same plan's.
const SAME: f64 = 0.01;

/// What all pairs come to.
pub(super) struct Summed {
    pub points: Vec<Seen>,
    pub ends: Option<Ends>,
    pub judgement: Judgement,
    pub warnings: Vec<String>,
}

impl Summed {
    pub fn of(
        pairs: &[Paired],
        names: &[String],
        vary: &[Vary],
        points: &[Point],
        measure: Measure,
        limits: Limits,
    ) -> Summed {
        let curves = curves(vary, points);
        let place = |point: usize| {
            let on = |(curve, row): (usize, &Row)| {
                row.points.iter().find(|(index, _)| *index == point).map(|(_, value)| (curve, value.ln()))
            };
            curves.iter().enumerate().find_map(on)
        };
        let mut warnings = Vec::new();
        let mut judged = Vec::new();
        let mut seen: Vec<Vec<(f64, f64, f64)>> = vec![Vec::new(); names.len()];
        for (point, seed, old, new) in pairs {
            match (counts(old, measure), counts(new, measure)) {
                (Some(old), Some(new)) if old > 0.0 || new > 0.0 => {
                    let log = (new / old).ln().clamp(-MOST.ln(), MOST.ln());
                    seen[*point].push((old, new, log));
                    judged.push(Pair { log, place: place(*point) });
                }
                _ => warnings.push(format!(
                    "the pair of {}, seed {seed} is left out: no result came, or what was possible is not known",
                    names[*point]
                )),
            }
        }
        warnings.extend(differences(pairs, names));
        let points = names.iter().enumerate().map(|(index, name)| told(index, name, &seen[index], pairs)).collect();
        let values = || curves.iter().flat_map(|row| row.points.iter().map(|(_, value)| *value));
        let ends = curves.first().map(|row| Ends {
            over: row.over.clone(),
            from: values().fold(f64::INFINITY, f64::min),
            to: values().fold(0.0, f64::max),
        });
        Summed { points, ends, judgement: Judgement::of(&judged, limits), warnings }
    }
}

/// The curves: over the number of nodes if it varies, otherwise over the first key whose values are positive numbers.
fn curves(vary: &[Vary], points: &[Point]) -> Vec<Row> {
    let mut keys: Vec<usize> = (0..vary.len()).collect();
    keys.sort_by_key(|key| vary[*key].key != "topology.nodes");
    let positive = |rows: &Vec<Row>| !rows.is_empty() && rows.iter().flat_map(|row| &row.points).all(|it| it.1 > 0.0);
    keys.into_iter().map(|key| rows(key, &vary[key], points)).find(positive).unwrap_or_default()
}

fn counts(run: &Run, measure: Measure) -> Option<f64> {
    match measure {
        Measure::Throughput => Some(run.throughput_per_s),
        // Without a plan there is no bound, and no result: that is a loss of all there was.
        Measure::Share if run.throughput_per_s <= 0.0 => Some(0.0),
        Measure::Share => {
            let possible = run.bound.as_ref()?.throughput_per_s;
            (possible > 0.0).then(|| run.throughput_per_s / possible)
        }
    }
}

fn told(index: usize, name: &str, seen: &[(f64, f64, f64)], pairs: &[Paired]) -> Seen {
    let logs: Vec<f64> = seen.iter().map(|(_, _, log)| *log).collect();
    let (low, high) =
        logs.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), log| (low.min(*log), high.max(*log)));
    let of_point = pairs.iter().filter(|(point, ..)| *point == index);
    let failed = of_point.filter(|(.., new)| new.exit != 0).map(|(.., new)| new.folder.clone());
    Seen {
        name: name.to_owned(),
        pairs: seen.len(),
        old: median(seen.iter().map(|it| it.0)),
        new: median(seen.iter().map(|it| it.1)),
        change: level(&logs).exp_m1(),
        range: if seen.is_empty() { (0.0, 0.0) } else { (low.exp_m1(), high.exp_m1()) },
        failed: failed.collect(),
    }
}

/// 0 of nothing.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n => values[(n - 1) / 2].midpoint(values[n / 2]),
    }
}

/// In what the halves of pairs differ besides the program.
fn differences(pairs: &[Paired], names: &[String]) -> Vec<String> {
    let mut warnings = Vec::new();
    let all = |of: &dyn Fn(&Run) -> String, new: bool| -> BTreeSet<String> {
        pairs.iter().map(|(_, _, old, after)| of(if new { after } else { old })).collect()
    };
    let mut differ = |what: &str, of: &dyn Fn(&Run) -> String| {
        let (old, new) = (all(of, false), all(of, true));
        if old != new {
            let said = |of: BTreeSet<String>| of.into_iter().collect::<Vec<_>>().join(", ");
            warnings.push(format!("{what} is another: {} before, {} after", said(old), said(new)));
        }
    };
    differ("the host", &|run| run.host.clone());
    differ("what bears the links", &|run| run.carrier.clone());
    differ("the model", &|run| run.model.clone());
    let mut hosts = BTreeSet::new();
    for (index, name) in names.iter().enumerate() {
        let of_point = || pairs.iter().filter(move |(point, ..)| *point == index);
        let possible = |run: &Run| run.bound.as_ref().map(|bound| bound.throughput_per_s);
        let old = median(of_point().filter_map(|(_, _, old, _)| possible(old)));
        let new = median(of_point().filter_map(|(.., new)| possible(new)));
        if old > 0.0 && new > 0.0 && (new / old - 1.0).abs() > SAME {
            warnings.push(format!(
                "{name}: what is possible at most is {new:.2}/s after, {old:.2}/s before; the plans differ"
            ));
        }
        let host = |run: &Run| run.bound.as_ref().is_some_and(|bound| bound.limit.starts_with("this machine's"));
        if of_point().any(|(_, _, old, new)| host(old) || host(new)) {
            hosts.insert(name.as_str());
        }
    }
    if !hosts.is_empty() {
        let hosts: Vec<&str> = hosts.into_iter().collect();
        warnings.push(format!(
            "this machine's cores are the limit with {}: what is measured is the machine",
            hosts.join(", ")
        ));
    }
    let failed = pairs.iter().filter(|(_, _, old, _)| old.exit != 0).count();
    if failed > 0 {
        warnings.push(format!("in {failed} of the runs before, an expectation or an invariant failed"));
    }
    warnings
}
