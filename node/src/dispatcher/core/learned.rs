//! What the dispatcher has learned of nodes that the cluster's description doesn't say, or says wrongly: how much memory
//! they have, how fast they are. Plans are made on it.
//!
//! Nothing is believed for ever. That a node has too little memory is forgotten when another process of it says so by being
//! there, and after a while in any case, as limits change. That it is slow is forgotten after a while, too, if it has no
//! stage, since then nobody measures it: it is **on probation**, and what it does with its next stage tells. Each time the
//! same is learned again, it is believed for twice as long.

use std::collections::BTreeMap;
use std::time::Duration;

use planner::cluster::Cluster;
use planner::units::ByteSize;

use crate::clock::Instant;
use crate::wire::message::Shortage;

/// How long a refusal for want of memory is believed; doubles each time.
const REFUSED: Duration = Duration::from_secs(10);
/// How long a node without a stage is believed to be slow; doubles each time.
const SLOW: Duration = Duration::from_secs(10);
/// How often that doubles at most.
const DOUBLINGS: u32 = 5;

/// What plans are to be made on, beside the cluster's description; by node.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lessons {
    /// No stage may need more memory than this.
    pub memory: BTreeMap<usize, ByteSize>,
    /// How many times slower a node computes than its device is said to.
    pub pace: BTreeMap<usize, f64>,
}

impl Lessons {
    /// The cluster as it has proven to be.
    pub fn applied_to(&self, cluster: &Cluster) -> Cluster {
        let mut cluster = cluster.clone();
        for (node, device) in cluster.nodes.iter_mut().enumerate() {
            device.memory = self.memory.get(&node).map_or(device.memory, |memory| device.memory.min(*memory));
            device.slowdown *= self.pace.get(&node).copied().unwrap_or(1.0);
        }
        cluster
    }
}

/// Something that is believed for a while.
#[derive(Debug)]
struct Belief<T> {
    what: Option<T>,
    until: Instant,
    /// How often it was learned.
    times: u32,
}

impl<T> Belief<T> {
    const NONE: Belief<T> = Belief { what: None, until: Instant(0), times: 0 };

    fn learn(&mut self, what: T, now: Instant, first: Duration) {
        self.what = Some(what);
        self.until = now + first * 2u32.pow(self.times.min(DOUBLINGS));
        self.times += 1;
    }

    fn held(&self, now: Instant) -> Option<&T> {
        self.what.as_ref().filter(|_| now < self.until)
    }
}

#[derive(Debug)]
struct Node {
    memory: Belief<ByteSize>,
    /// The process that refused a stage; `None`: it died of it.
    refused_by: Option<u64>,
    /// What the plan expected of the segment that its process died of while loading it, since it last loaded one.
    died_of: Option<ByteSize>,
    pace: Belief<f64>,
}

/// What is known, by node.
#[derive(Debug, Default)]
pub struct Learned {
    nodes: BTreeMap<usize, Node>,
}

impl Learned {
    fn node(&mut self, node: usize) -> &mut Node {
        let nothing = || Node { memory: Belief::NONE, refused_by: None, died_of: None, pace: Belief::NONE };
        self.nodes.entry(node).or_insert_with(nothing)
    }

    /// What plans are to be made on now.
    pub fn lessons(&self, now: Instant) -> Lessons {
        let memory = self.nodes.iter().filter_map(|(node, it)| Some((*node, *it.memory.held(now)?))).collect();
        // Whoever still has a stage is measured: until then nothing is forgotten.
        let pace = self.nodes.iter().filter_map(|(node, it)| Some((*node, it.pace.what?))).collect();
        Lessons { memory, pace }
    }

    /// A node's process refused a stage of which the plan had expected that it needs `planned`. It gets none any more that
    /// needs as much, whatever is wrong with the expectation.
    pub fn refused(&mut self, node: usize, process: Option<u64>, planned: ByteSize, shortage: Shortage, now: Instant) {
        let it = self.node(node);
        it.memory.learn(shortage.limit.min(less_than(planned)), now, REFUSED);
        (it.refused_by, it.died_of) = (process, None);
    }

    /// A node's process ended while it loaded a segment that needs `planned` by the plan. Once may be chance; whether it
    /// is taken for want of memory now.
    pub fn died_loading(&mut self, node: usize, planned: ByteSize, now: Instant) -> bool {
        let it = self.node(node);
        let Some(before) = it.died_of.replace(planned) else { return false };
        it.memory.learn(less_than(planned.max(before)), now, REFUSED);
        it.refused_by = None;
        true
    }

    /// A node has loaded a segment.
    pub fn loaded(&mut self, node: usize) {
        if let Some(it) = self.nodes.get_mut(&node) {
            it.died_of = None;
        }
    }

    /// This process of a node is there: what an earlier one said of its memory is out of date.
    pub fn process(&mut self, node: usize, process: u64) {
        if let Some(it) = self.nodes.get_mut(&node)
            && it.refused_by.is_some_and(|other| other != process)
        {
            (it.memory.what, it.refused_by) = (None, None);
        }
    }

    /// How many times slower than its device a node is taken for.
    pub fn pace(&self, node: usize) -> f64 {
        self.nodes.get(&node).and_then(|it| it.pace.what).unwrap_or(1.0)
    }

    /// A node was measured to be so many times slower than its device. `slower`: than was known.
    pub fn measured(&mut self, node: usize, times: f64, slower: bool, now: Instant) {
        let it = self.node(node);
        match slower {
            true => it.pace.learn(times, now, SLOW),
            false => it.pace.what = Some(times),
        }
        if times <= WELL {
            it.pace = Belief::NONE;
        }
    }

    /// Those without a stage that have been taken for slow for long enough; from now on they are on probation.
    pub fn on_probation(&mut self, now: Instant, has_stage: impl Fn(usize) -> bool) -> Vec<usize> {
        let due =
            |(node, it): &(&usize, &mut Node)| it.pace.what.is_some() && now >= it.pace.until && !has_stage(**node);
        let due = self.nodes.iter_mut().filter(due);
        due.map(|(node, it)| {
            it.pace.what = None;
            *node
        })
        .collect()
    }
}

/// A node that is no more than so many times slower than its device is well.
pub const WELL: f64 = 1.25;

/// The next smaller size.
fn less_than(size: ByteSize) -> ByteSize {
    ByteSize::from_bytes(size.bytes().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant(1_000_000_000);

    fn mib(size: u64) -> ByteSize {
        ByteSize::from_mib(size)
    }

    fn memory(learned: &Learned, seconds: u64) -> Option<u64> {
        let lessons = learned.lessons(NOW + Duration::from_secs(seconds));
        lessons.memory.get(&3).map(|size| size.bytes().div_ceil(1 << 20))
    }

    #[test]
    fn a_refusal_is_believed_for_a_while_and_of_the_same_process() {
        let mut learned = Learned::default();
        let shortage = Shortage { need: mib(50), limit: mib(40) };
        learned.refused(3, Some(7), mib(60), shortage, NOW);
        assert_eq!((memory(&learned, 0), memory(&learned, 9), memory(&learned, 10)), (Some(40), Some(40), None));
        learned.refused(3, Some(7), mib(60), shortage, NOW);
        assert_eq!((memory(&learned, 19), memory(&learned, 20)), (Some(40), None), "twice as long");
        learned.process(3, 7);
        assert_eq!(memory(&learned, 0), Some(40));
        learned.process(3, 8);
        assert_eq!(memory(&learned, 0), None);
        // It needs more than was planned: what needs less by the plan is still possible.
        learned.refused(3, Some(8), mib(30), shortage, NOW);
        assert!(learned.lessons(NOW).memory[&3] < mib(30));
    }

    #[test]
    fn dying_of_a_segment_counts_from_the_second_time_on() {
        let mut learned = Learned::default();
        assert!(!learned.died_loading(3, mib(30), NOW));
        learned.loaded(3);
        assert!(!learned.died_loading(3, mib(30), NOW));
        assert_eq!(memory(&learned, 0), None);
        assert!(learned.died_loading(3, mib(30), NOW));
        assert!(learned.lessons(NOW).memory[&3] < mib(30));
        learned.process(3, 9);
        assert_eq!(memory(&learned, 0), Some(30), "it is another process each time");
        // What is smaller is tried, and then not again.
        assert!(learned.died_loading(3, mib(20), NOW) && learned.died_loading(3, mib(20), NOW));
        assert!(learned.lessons(NOW).memory[&3] < mib(20));
    }

    #[test]
    fn who_was_slow_is_tried_again_later_and_later() {
        let mut learned = Learned::default();
        let at = |seconds: u64| NOW + Duration::from_secs(seconds);
        learned.measured(3, 4.0, true, NOW);
        assert_eq!(
            learned.lessons(at(1000)).pace,
            BTreeMap::from([(3, 4.0)]),
            "it is measured as long as it has a stage"
        );
        assert_eq!(learned.on_probation(at(1000), |_| true), [0; 0]);
        assert_eq!(learned.on_probation(at(9), |_| false), [0; 0]);
        assert_eq!(learned.on_probation(at(10), |_| false), [3]);
        assert_eq!((learned.pace(3), learned.on_probation(at(11), |_| false).len()), (1.0, 0));
        learned.measured(3, 4.0, true, at(20));
        assert_eq!(learned.on_probation(at(39), |_| false), [0; 0]);
        assert_eq!(learned.on_probation(at(40), |_| false), [3]);
        learned.measured(3, 4.0, true, at(50));
        learned.measured(3, 1.1, false, at(51));
        learned.measured(3, 4.0, true, at(60));
        assert_eq!(learned.on_probation(at(70), |_| false), [3], "it was well in between");
    }
}
