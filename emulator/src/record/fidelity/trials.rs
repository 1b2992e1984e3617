//! The signal of links that were tried before the load.

use super::Doubt;
use super::view::View;
use crate::record::trial::amiss;

/// A link that is not what was asked. Throughput is at most as wrong as the rate, and latency by the delay of each crossing.
pub(super) fn trials(view: &View<'_>) -> Option<Doubt> {
    let trials = &view.tally.trials;
    let what = amiss(trials)?;
    let most = |of: &dyn Fn(&crate::record::trial::LinkTrial) -> Option<f64>| {
        trials.iter().filter_map(of).map(f64::abs).fold(0.0, f64::max)
    };
    let rate = most(&|trial| trial.rate_off());
    let latency = most(&|trial| trial.delay_off()) * view.crossings / view.median;
    view.doubt("trials", (rate.max(view.throughput_lost(latency)), latency), std::iter::empty(), || what)
}
