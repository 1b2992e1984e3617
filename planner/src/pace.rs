//! How fast the stages of the plan in force prove to be, against what the plan expects of them, and which node is to be
//! taken for slower, or faster, than it was. Both the dispatcher and the simulation judge by this. Instants are counted
//! from anywhere.
//!
//! Each stage tells how many requests it has computed and how long it took. From that come **windows** of [`WINDOW`] and
//! [`FEW`] requests at least, and of each the **ratio** of what a request took to what its device should take. What slows all of
//! them down (a host that all share, a profile from a faster machine) says nothing of a node, so a stage's ratio is compared with
//! the median of all stages' newest ones, of an even number the lower. Stages that should take less than an [`EIGHTH`] of its time are left
//! out: on a busy host a scheduler lets them through at once, and makes the long ones wait. A node is slow when its stage's ratio is more than `factor`
//! times the median and what it was taken for, in [`WINDOWS`] windows in a row, and fast again when it is less than the
//! `factor`th part of that as often. Whatever differs by less than [`NOISE`] a request is left alone: a scheduler may take as much.
//!
//! The only stage of a plan, or one that all others are short beside, has nothing to be compared with, and a stage that computes
//! nothing is not measured.

use std::time::Duration;

use crate::plan::Plan;

/// How long a window is at least.
pub const WINDOW: Duration = Duration::from_millis(400);
/// How many requests are computed in it at least.
pub const FEW: u64 = 2;
/// How many windows in a row must say the same.
pub const WINDOWS: u32 = 4;
/// What a request may take longer or shorter without being slow or fast.
pub const NOISE: Duration = Duration::from_millis(3);

/// What a stage should take at least, as a part of what another should, to say something of that one.
pub const EIGHTH: f64 = 1.0 / 8.0;

/// A node computes so many times slower than its device is said to; 1 is as fast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// The node.
    pub node: usize,
    /// How many times; never less than 1.
    pub times: f64,
    /// Whether that is slower than was thought before.
    pub slower: bool,
}

/// The stages of one epoch.
#[derive(Debug, Default)]
pub struct Paces {
    /// How many times as slow as the others is slow; infinite: nobody is.
    factor: f64,
    stages: Vec<Stage>,
}

#[derive(Debug)]
struct Stage {
    node: usize,
    /// Seconds that a request should take on its device.
    nominal: f64,
    /// How many times slower than that the node is taken for.
    assumed: f64,
    /// What was told at the end of the last window: requests, time computed, instant.
    told: Option<(u64, Duration, Duration)>,
    /// Of the last window.
    ratio: Option<f64>,
    /// Windows in a row that were slow, or fast, and the sum of how much.
    slow: (u32, f64),
    fast: (u32, f64),
}

impl Paces {
    /// The stages of a plan that was made in the belief that nodes are so many times slower than their devices.
    pub fn of(plan: &Plan, factor: f64, assumed: impl Fn(usize) -> f64) -> Paces {
        let stage = |stage: &crate::plan::Stage| Stage {
            node: stage.node,
            nominal: stage.compute.as_secs_f64() / assumed(stage.node),
            assumed: assumed(stage.node),
            told: None,
            ratio: None,
            slow: (0, 0.0),
            fast: (0, 0.0),
        };
        Paces { factor, stages: plan.stages.iter().map(stage).collect() }
    }

    /// A node has computed so many requests of this epoch, and took so long for all of them.
    pub fn told(&mut self, node: usize, requests: u64, computed: Duration, now: Duration) -> Option<Judgement> {
        let index = self.stages.iter().position(|stage| stage.node == node)?;
        let stage = &mut self.stages[index];
        let (before, took, since) = *stage.told.get_or_insert((requests, computed, now));
        let count = requests.saturating_sub(before);
        if now.saturating_sub(since) < WINDOW || count < FEW {
            return None;
        }
        let mean = computed.saturating_sub(took).as_secs_f64() / count as f64;
        stage.told = Some((requests, computed, now));
        stage.ratio = (stage.nominal > 0.0).then(|| mean / stage.nominal);
        self.judge(index)
    }

    fn judge(&mut self, index: usize) -> Option<Judgement> {
        let median = self.median(self.stages[index].nominal)?;
        let (factor, stage) = (self.factor, &mut self.stages[index]);
        let (ratio, expected) = (stage.ratio?, median * stage.assumed);
        let relative = ratio / expected;
        let differs = ((ratio - expected) * stage.nominal).abs() > NOISE.as_secs_f64();
        let streak = |streak: &mut (u32, f64), holds: bool| {
            *streak = if holds && differs { (streak.0 + 1, streak.1 + relative) } else { (0, 0.0) };
            (streak.0 >= WINDOWS).then(|| streak.1 / f64::from(streak.0))
        };
        let slow = streak(&mut stage.slow, relative > factor);
        let fast = streak(&mut stage.fast, relative < 1.0 / factor && stage.assumed > 1.0);
        let mean = slow.or(fast)?;
        // From now on this is what is expected of it.
        let times = (stage.assumed * mean).max(1.0);
        (stage.assumed, stage.slow, stage.fast) = (times, (0, 0.0), (0, 0.0));
        Some(Judgement { node: stage.node, times, slower: slow.is_some() })
    }

    /// The median ratio of the stages that say something of one that should take so long; `None` if that is alone, and until all of
    /// them have one.
    fn median(&self, nominal: f64) -> Option<f64> {
        let comparable = self.stages.iter().filter(|stage| stage.nominal >= nominal * EIGHTH);
        let mut ratios: Vec<f64> = comparable.map(|stage| stage.ratio).collect::<Option<_>>()?;
        ratios.sort_by(f64::total_cmp);
        let median = ratios.get(ratios.len().checked_sub(1)? / 2).copied();
        median.filter(|median| ratios.len() > 1 && *median > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Chain, Limit, Prediction, Stage};
    use crate::profile::Segment;
    use crate::units::ByteSize;

    /// Stages on nodes 1, 2, …, each planned to take so many milliseconds.
    fn paces(planned: &[u64]) -> Paces {
        let stage = |(index, millis): (usize, &u64)| Stage {
            node: index + 1,
            segment: Segment { from: index, to: index + 1 },
            memory: ByteSize::ZERO,
            compute: Duration::from_millis(*millis),
            receive: Duration::ZERO,
        };
        let bottleneck = Duration::from_millis(100);
        let prediction = Prediction { bottleneck, limit: Limit::Compute { node: 1 }, latency: bottleneck, joules: 0.0 };
        let chains = vec![Chain { stages: (0..planned.len()).collect(), share: 1.0 }];
        let plan = Plan { stages: planned.iter().enumerate().map(stage).collect(), chains, prediction, proof: None };
        Paces::of(&plan, 2.0, |_| 1.0)
    }

    /// Stages that tell, ten times a second, of five requests a second, each of so many milliseconds.
    struct Told {
        paces: Paces,
        tenths: u64,
        computed: Vec<Duration>,
    }

    impl Told {
        fn of(planned: &[u64]) -> Told {
            Told { paces: paces(planned), tenths: 0, computed: vec![Duration::ZERO; planned.len()] }
        }

        fn take(&mut self, millis: &[u64], seconds: u64) -> Vec<Judgement> {
            let mut judgements = Vec::new();
            for _ in 0..seconds * 10 {
                self.tenths += 1;
                for (index, millis) in millis.iter().enumerate() {
                    if self.tenths.is_multiple_of(2) {
                        self.computed[index] += Duration::from_millis(*millis);
                    }
                    let (requests, now) = (self.tenths / 2, Duration::from_millis(self.tenths * 100));
                    judgements.extend(self.paces.told(index + 1, requests, self.computed[index], now));
                }
            }
            judgements
        }
    }

    #[test]
    fn one_that_is_slower_than_the_others_is_found_and_found_to_be_well_again() {
        let mut told = Told::of(&[20, 40, 30]);
        assert_eq!(told.take(&[20, 42, 31], 10), []);
        let [slow] = told.take(&[20, 200, 30], 10)[..] else { panic!() };
        assert!(slow.slower && slow.node == 2 && (slow.times - 5.0).abs() < 0.3, "{slow:?}");
        // That is known now. Slower still is news, and so is that it is well.
        let [slower] = told.take(&[20, 600, 30], 10)[..] else { panic!() };
        assert!(slower.slower && (slower.times - 15.0).abs() < 1.0, "{slower:?}");
        let [well] = told.take(&[20, 40, 30], 10)[..] else { panic!() };
        assert!(!well.slower && well.node == 2 && well.times < 1.2, "{well:?}");
        assert_eq!(told.take(&[20, 40, 30], 10), []);
    }

    #[test]
    fn what_slows_all_of_them_and_what_passes_says_nothing() {
        let mut told = Told::of(&[20, 40, 30]);
        assert_eq!(told.take(&[80, 160, 120], 10), [], "the host is overloaded");
        assert_eq!(told.take(&[20, 40, 30], 10), []);
        for _ in 0..10 {
            assert_eq!(told.take(&[20, 200, 30], 1), [], "a second is not enough");
            assert_eq!(told.take(&[20, 40, 30], 1), []);
        }
        let mut short = Told::of(&[1, 40, 30]);
        assert_eq!(short.take(&[4, 40, 30], 10), [], "a scheduler may take as much");
        let mut alone = Told::of(&[20]);
        assert_eq!(alone.take(&[200], 10), [], "there is nothing to compare it with");
        let mut beside_short_ones = Told::of(&[2, 40, 3]);
        assert_eq!(beside_short_ones.take(&[2, 160, 4], 10), [], "a busy host lets short ones through at once");
        let mut never = Told::of(&[20, 40, 30]);
        never.paces.factor = f64::INFINITY;
        assert_eq!(never.take(&[20, 4000, 30], 20), []);
    }

    #[test]
    fn of_two_the_slower_one_is_found() {
        for (millis, node) in [([20, 160], 2), ([80, 40], 1)] {
            let mut told = Told::of(&[20, 40]);
            let [slow] = told.take(&millis, 10)[..] else { panic!() };
            assert!(slow.slower && slow.node == node, "{slow:?}");
            let [well] = told.take(&[20, 40], 10)[..] else { panic!() };
            assert!(!well.slower && well.node == node, "{well:?}");
        }
    }
}
