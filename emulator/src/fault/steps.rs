//! A fault as a list of steps: what it does from an instant on, until its next step.
//!
//! Most kinds have one step. Those that come and go, grow or follow a record have as many as fit into the time
//! they last, so whatever fires faults knows nothing but lists.

use std::time::Duration;

use super::damage::Harm;

/// Most steps that a fault may have.
pub const MOST: usize = 10_000;
/// Least time between the steps of a ramp.
const RAMP: Duration = Duration::from_millis(100);

/// What a fault does from an instant on.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// How long after the fault was planned to fire.
    pub after: Duration,
    /// What it is, for people: `off`, `3 Mbit/s`.
    pub what: String,
    /// What it does, instead of what the step before did.
    pub harms: Vec<Harm>,
}

/// The only step of a fault that does the same as long as it lasts.
pub fn at_once(harms: Vec<Harm>) -> Vec<Step> {
    vec![Step { after: Duration::ZERO, what: String::new(), harms }]
}

/// Steps from one value to another. The first is a step from `from` already: a fault that has fired does something.
pub fn ramp(from: f64, to: f64, over: Duration, span: Duration, step: impl Fn(f64) -> (String, Harm)) -> Vec<Step> {
    let count = (over.as_nanos() / RAMP.as_nanos()).clamp(1, 100) as u32;
    (1..=count)
        .map(|number| {
            let (what, harm) = step(from + (to - from) * f64::from(number) / f64::from(count));
            Step { after: over * (number - 1) / count, what, harms: vec![harm] }
        })
        .filter(|step| step.after.is_zero() || step.after < span)
        .collect()
}

/// Steps that do `harms` and nothing in turn, as long as `times` has times for it: first with harm, then without.
pub fn turns(
    harms: &[Harm],
    words: [&str; 2],
    span: Duration,
    times: impl IntoIterator<Item = (Duration, Duration)>,
) -> Vec<Step> {
    let mut after = Duration::ZERO;
    let mut steps = Vec::new();
    for (with, without) in times {
        for (harms, what, lasts) in [(harms, words[0], with), (&[], words[1], without)] {
            if after >= span || steps.len() >= MOST {
                return steps;
            }
            steps.push(Step { after, what: what.to_owned(), harms: harms.to_vec() });
            after += lasts;
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_ramp_goes_all_the_way_in_steps_that_end_with_it() {
        let slower = |over: Duration| {
            let steps = ramp(1.0, 5.0, over, 60 * SECOND, |factor| (format!("{factor}"), Harm::Slow(0, factor)));
            let told = |step: &Step| (step.after.as_millis(), step.what.clone());
            (steps.len(), told(&steps[0]), told(&steps[steps.len() - 1]))
        };
        assert_eq!(slower(Duration::ZERO), (1, (0, "5".to_owned()), (0, "5".to_owned())));
        assert_eq!(slower(Duration::from_millis(400)), (4, (0, "2".to_owned()), (300, "5".to_owned())));
        assert_eq!(slower(50 * SECOND).0, 100);
    }

    #[test]
    fn turns_end_when_the_fault_does() {
        let times = |count: usize| {
            let steps =
                turns(&[Harm::Dead(0, Default::default())], ["off", "on"], 5 * SECOND, vec![(SECOND, SECOND); count]);
            steps.iter().map(|step| (step.after.as_secs(), step.harms.len())).collect::<Vec<_>>()
        };
        assert_eq!(times(1), [(0, 1), (1, 0)]);
        assert_eq!(times(9), [(0, 1), (1, 0), (2, 1), (3, 0), (4, 1)]);
    }
}
