//! HEFT, Heterogeneous Earliest Finish Time (Topcuoglu, Hariri and Wu, IEEE Transactions on Parallel and Distributed
//! Systems 13(3), 2002): a list scheduler for any graph of tasks, and as a strategy.
//!
//! As a strategy, tasks are the pieces between cuts, with the input and the result at the dispatcher before and behind
//! them. HEFT minimises the time of *one* request, so it stays on a node until that is full. A node that was left is
//! closed for what follows, as is one whose memory would not hold its segment and the next piece: what comes out is a
//! chain. Nothing is tried twice: where the nodes that are left don't do, there is no plan.

use super::{Chain, Instance, Objective, Solution, Stop, Strategy, Unplaced, bound, sustains};
use crate::profile::Segment;

/// Tasks that depend on each other.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TaskGraph {
    /// `costs[task][processor]` in seconds; infinite where it can't run.
    pub costs: Vec<Vec<f64>>,
    /// Which task's outcome is needed by which other.
    pub edges: Vec<(usize, usize)>,
}

/// When and where a task runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scheduled {
    /// The processor.
    pub processor: usize,
    /// When it begins, in seconds.
    pub start: f64,
    /// When it is done.
    pub end: f64,
}

/// Whether a task may run on a processor, given what is scheduled so far.
pub type Open<'a> = &'a dyn Fn(usize, usize, &[Option<Scheduled>]) -> bool;

impl TaskGraph {
    /// How long it takes in the mean from each task's beginning to the end of everything:
    /// `rank(i) = w(i) + max over successors j of (c(i, j) + rank(j))`, where w and c are means over the processors, and
    /// over the pairs of different ones, on which they are finite. `None` if tasks wait for each other in a circle.
    pub fn upward_ranks(&self, transfer: &dyn Fn(usize, usize, usize) -> f64) -> Option<Vec<f64>> {
        let (tasks, processors) = (self.costs.len(), self.costs.first().map_or(0, Vec::len));
        let pairs = || (0..processors).flat_map(|from| (0..processors).map(move |to| (from, to)));
        let transfers: Vec<f64> = (0..self.edges.len())
            .map(|edge| mean(pairs().filter(|(from, to)| from != to).map(|(from, to)| transfer(edge, from, to))))
            .collect();
        let mut ranks: Vec<Option<f64>> = vec![None; tasks];
        for _ in 0..tasks {
            // One whose successors are all ranked; a graph without circles always has one.
            let (task, behind) = (0..tasks).filter(|task| ranks[*task].is_none()).find_map(|task| {
                let behind = |(edge, (_, to)): (usize, &(usize, usize))| Some(transfers[edge] + ranks[*to]?);
                let successors = self.edges.iter().enumerate().filter(|(_, (from, _))| *from == task);
                let behind: Option<Vec<f64>> = successors.map(behind).collect();
                Some((task, behind?.into_iter().fold(0.0, f64::max)))
            })?;
            ranks[task] = Some(mean(self.costs[task].iter().copied()) + behind);
        }
        ranks.into_iter().collect()
    }

    /// Schedules every task, the one with the highest upward rank first, where it is done earliest, if need be between
    /// tasks scheduled before.
    ///
    /// `transfer(edge, from, to)` is the time that an edge takes between two different processors; `open(task, processor,
    /// schedule)` says whether a task may run there, given what is scheduled so far. `None` if a task may run nowhere,
    /// or tasks wait for each other in a circle.
    pub fn heft(&self, transfer: &dyn Fn(usize, usize, usize) -> f64, open: Open<'_>) -> Option<Vec<Scheduled>> {
        let ranks = self.upward_ranks(transfer)?;
        let mut schedule: Vec<Option<Scheduled>> = vec![None; self.costs.len()];
        for _ in 0..self.costs.len() {
            let waits = |task: usize| self.edges.iter().any(|(from, to)| *to == task && schedule[*from].is_none());
            // Ranks alone order a graph whose costs are more than nothing; here, one that is free never comes too early.
            let ready = (0..self.costs.len()).filter(|task| schedule[*task].is_none() && !waits(*task));
            let task = ready.reduce(|best, task| if ranks[task] > ranks[best] { task } else { best })?;
            let candidates = (0..self.costs[task].len()).filter(|processor| open(task, *processor, &schedule));
            let placed = candidates.map(|processor| self.earliest(task, processor, transfer, &schedule));
            let best = placed.reduce(|best, other| if other.end < best.end { other } else { best })?;
            schedule[task] = Some(best).filter(|best| best.end.is_finite());
            schedule[task]?;
        }
        schedule.into_iter().collect()
    }

    /// The earliest that a task can run on a processor, in a gap that is long enough.
    fn earliest(
        &self,
        task: usize,
        processor: usize,
        transfer: &dyn Fn(usize, usize, usize) -> f64,
        schedule: &[Option<Scheduled>],
    ) -> Scheduled {
        let arrives = |(edge, (from, _)): (usize, &(usize, usize))| {
            let before = schedule[*from].as_ref()?;
            let sent = if before.processor == processor { 0.0 } else { transfer(edge, before.processor, processor) };
            Some(before.end + sent)
        };
        let needed = self.edges.iter().enumerate().filter(|(_, (_, to))| *to == task);
        let mut start = needed.filter_map(arrives).fold(0.0, f64::max);
        let cost = self.costs[task][processor];
        let mut busy: Vec<&Scheduled> = schedule.iter().flatten().filter(|s| s.processor == processor).collect();
        busy.sort_by(|a, b| a.start.total_cmp(&b.start));
        for other in busy {
            if start + cost <= other.start {
                break;
            }
            start = start.max(other.end);
        }
        Scheduled { processor, start, end: start + cost }
    }
}

/// The mean of what is finite; nothing where nothing is.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.filter(|v| v.is_finite()).fold((0.0, 0), |(sum, count), v| (sum + v, count + 1));
    sum / f64::from(count.max(1))
}

/// See the module's documentation. Neither seed nor objective guide the search: it is for the latency.
#[derive(Debug, Clone, Copy)]
pub struct Heft;

impl Strategy for Heft {
    fn place(
        &self,
        instance: &Instance,
        objective: Objective,
        _seed: u64,
        _stop: Stop<'_>,
    ) -> Result<Solution, Unplaced> {
        let chain = chain(instance).ok_or(Unplaced { proven: false })?;
        let value = instance.value(objective, &chain);
        if !value.is_finite() || !sustains(instance, objective, &chain) {
            return Err(Unplaced { proven: false });
        }
        Ok(Solution { value, bound: bound(instance, objective), chain })
    }
}

fn chain(instance: &Instance) -> Option<Chain> {
    let (end, dispatcher) = (instance.end, instance.dispatcher());
    // Task 0 is the input, task `piece + 1` a piece, the last the result; edge `cut` is the tensor at that cut.
    let cost = |task: usize, processor: usize| match (task == 0 || task == end + 1, processor == dispatcher) {
        (true, true) => 0.0,
        (false, false) if instance.fits(processor, task - 1) >= task => {
            instance.compute(processor, Segment { from: task - 1, to: task })
        }
        _ => f64::INFINITY,
    };
    let graph = TaskGraph {
        costs: (0..end + 2).map(|task| (0..=dispatcher).map(|processor| cost(task, processor)).collect()).collect(),
        edges: (0..=end).map(|cut| (cut, cut + 1)).collect(),
    };
    let latency = Objective::Latency { floor_per_s: 0.0 };
    let transfer = |cut: usize, from: usize, to: usize| instance.transfer_cost(latency, from, to, cut);
    let open = |task: usize, processor: usize, schedule: &[Option<Scheduled>]| {
        let on = |task: usize| schedule[task].as_ref().is_some_and(|scheduled| scheduled.processor == processor);
        if graph.costs[task][processor].is_infinite() {
            return false;
        }
        match (1..task).find(|task| on(*task)) {
            Some(first) if processor != dispatcher => on(task - 1) && instance.fits(processor, first - 1) >= task,
            _ => true,
        }
    };
    let schedule = graph.heft(&transfer, &open)?;
    let mut chain: Chain = Vec::new();
    for (piece, scheduled) in schedule[1..=end].iter().enumerate() {
        match chain.last_mut() {
            Some((node, segment)) if *node == scheduled.processor => segment.to = piece + 1,
            _ => chain.push((scheduled.processor, Segment { from: piece, to: piece + 1 })),
        }
    }
    Some(chain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_ten_tasks_on_three_processors_take_80() {
        // Figure 1 and table 1 of the paper; tasks from 0.
        let costs = [
            [14, 16, 9],
            [13, 19, 18],
            [11, 13, 19],
            [13, 8, 17],
            [12, 13, 10],
            [13, 16, 9],
            [7, 15, 11],
            [5, 11, 14],
            [18, 12, 20],
            [21, 7, 16],
        ];
        let edges = [
            ((0, 1), 18.0),
            ((0, 2), 12.0),
            ((0, 3), 9.0),
            ((0, 4), 11.0),
            ((0, 5), 14.0),
            ((1, 7), 19.0),
            ((1, 8), 16.0),
            ((2, 6), 23.0),
            ((3, 7), 27.0),
            ((3, 8), 23.0),
            ((4, 8), 13.0),
            ((5, 7), 15.0),
            ((6, 9), 17.0),
            ((7, 9), 11.0),
            ((8, 9), 13.0),
        ];
        let graph = TaskGraph {
            costs: costs.iter().map(|row| row.iter().map(|cost| f64::from(*cost)).collect()).collect(),
            edges: edges.iter().map(|(edge, _)| *edge).collect(),
        };
        let transfer = |edge: usize, _: usize, _: usize| edges[edge].1;
        let ranks = graph.upward_ranks(&transfer).unwrap();
        let published = [108.0, 77.0, 80.0, 80.0, 69.0, 63.333, 42.667, 35.667, 44.333, 14.667];
        ranks.iter().zip(published).for_each(|(own, theirs)| assert!((own - theirs).abs() < 1e-3, "{ranks:?}"));
        let schedule = graph.heft(&transfer, &|_, _, _| true).unwrap();
        let (ends, processors): (Vec<f64>, Vec<usize>) = schedule.iter().map(|s| (s.end, s.processor)).unzip();
        assert_eq!(ends, [9.0, 40.0, 28.0, 26.0, 38.0, 42.0, 49.0, 62.0, 68.0, 80.0]);
        assert_eq!(processors, [2, 0, 2, 1, 2, 1, 2, 0, 1, 1]);
    }

    #[test]
    fn tasks_that_wait_for_each_other_are_refused() {
        let graph = TaskGraph { costs: vec![vec![1.0]; 2], edges: vec![(0, 1), (1, 0)] };
        assert_eq!(graph.heft(&|_, _, _| 0.0, &|_, _, _| true), None);
    }
}
