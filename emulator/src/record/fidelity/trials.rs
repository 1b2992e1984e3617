//! The signal of links that were tried before the load.

use super::view::View;
use super::{Doubt, Grade, grade};
use crate::record::trial::amiss;

/// A link that is not what was asked. Throughput is at most as wrong as the rate, and latency by the delay of each crossing.
pub(super) fn trials(view: &View<'_>) -> Option<Doubt> {
    let trials = &view.tally.trials;
    let what = amiss(trials)?;
    let most = |of: &dyn Fn(&crate::record::trial::LinkTrial) -> Option<f64>| {
        trials.iter().filter_map(of).map(f64::abs).fold(0.0, f64::max)
    };
    let rate = most(&|trial| trial.rate_off());
    let latency = most(&|trial| trial.delay_off().or(trial.spread_off())) * view.crossings / view.median;
    let bias = (rate.max(view.throughput_lost(latency)), latency);
    // What other losses do depends on who sends again, and when: it is told, and not estimated.
    let least = if trials.iter().any(|trial| trial.lost().is_some()) { Grade::Degraded } else { Grade::Faithful };
    let grade = grade(bias.0.max(bias.1)).max(least);
    (grade > Grade::Faithful).then(|| view.graded("trials", grade, bias, std::iter::empty(), what))
}
