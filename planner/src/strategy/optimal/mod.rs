//! The proven optimum: cuts and nodes chosen together.
//!
//! Three things work towards each other until the best known value and the bound meet:
//!
//! - an **upper bound**: the best chain that a bounded greedy search finds;
//! - a **lower bound**: the best *walk*, which may use a node twice ([`walks`]). If it uses none twice, it is a
//!   chain, and no chain is better. If it does, those nodes are watched from then on (decremental state-space
//!   relaxation: Righini and Salani, Networks 51(3), 2008; Boland, Dethridge and Dumitrescu, OR Letters 34(1), 2006);
//! - for the bottleneck, **proofs** that there is, or is not, a chain whose bottleneck is at most so long
//!   ([`chains`]), which raise the one bound or lower the other.
//!
//! Whatever ends the search, the answer carries the bound that stands by then.

mod bits;
mod chains;
mod nearby;
mod prices;
mod table;
mod walks;

use super::search::Search;
use super::{Chain, Instance, Objective, Solution, Stop, Strategy, Unplaced, bound, sustains};
pub(super) use chains::{Answer, within};
use walks::{Outcome, Walks};

/// See the module's documentation. The seed is not used: nothing is left to chance.
#[derive(Debug, Clone, Copy)]
pub struct Optimal {
    /// Rounds, each with twice the effort of the one before, after which the search ends by itself.
    rounds: u32,
}

impl Optimal {
    /// Goes on until the proof stands, or for hours.
    pub const THOROUGH: Optimal = Optimal { rounds: 16 };
    /// Good chains at once; most of them are proven, too.
    pub const QUICK: Optimal = Optimal { rounds: 2 };
}

/// Stages that the greedy search may try for each start node and bound.
const GREEDY: usize = 64;
/// The same where no chain is known yet.
const FIRST_GREEDY: usize = 4096;
/// Two bounds of the greedy search that differ by less are not told apart.
const PRECISION: f64 = 1.001;
/// Labels of a walk search, and steps of a chain search, in the first round.
const EFFORT: usize = 2_000;
/// How often the best chain is shaken in the first round.
const SHAKES: u32 = 2;
/// Where half of what is open can't be decided, less is asked, down to this part.
const LEAST: f64 = 0.1;
/// Values that differ by less are one.
const ROUNDING: f64 = 1e-9;

impl Strategy for Optimal {
    fn place(
        &self,
        instance: &Instance,
        objective: Objective,
        _seed: u64,
        stop: Stop<'_>,
    ) -> Result<Solution, Unplaced> {
        let mut race = Race { instance, objective, best: None, bound: bound(instance, objective), stop };
        race.greedy();
        let proven = race.run(self.rounds);
        let bound = race.bound;
        match race.best {
            Some((chain, value)) => Ok(Solution { chain, value, bound: if proven { value } else { bound.min(value) } }),
            None => Err(Unplaced { proven }),
        }
    }
}

/// The best chain and the bound, on their way to each other.
struct Race<'a> {
    instance: &'a Instance,
    objective: Objective,
    best: Option<(Chain, f64)>,
    bound: f64,
    stop: Stop<'a>,
}

impl Race<'_> {
    fn value(&self) -> f64 {
        self.best.as_ref().map_or(f64::INFINITY, |(_, value)| *value)
    }

    fn met(&self) -> bool {
        self.value() <= self.bound * (1.0 + ROUNDING)
    }

    fn found(&mut self, chain: Chain) {
        let value = self.instance.value(self.objective, &chain);
        if value < self.value() && sustains(self.instance, self.objective, &chain) {
            self.best = Some((chain, value));
        }
    }

    /// Chains with a bottleneck as short as the bounded greedy search finds them.
    fn greedy(&mut self) {
        let unpinned = vec![None; self.instance.end + 1];
        let longest = self.objective.longest();
        let mut low = self.instance.floor().max(1e-12);
        // Without any chain, time is not up.
        let mut high = self.greedy_within(&unpinned, longest, FIRST_GREEDY, &|| false);
        let mut bound = low;
        while high.is_finite() && high > low * PRECISION && !(self.stop)() {
            let found = self.greedy_within(&unpinned, bound, GREEDY, self.stop);
            if found < high {
                high = found
            } else {
                low = bound
            }
            bound = (low * high).sqrt();
        }
    }

    /// Notes the best of the chains found within a bottleneck, and returns the shortest bottleneck among them.
    fn greedy_within(&mut self, unpinned: &super::search::Pins, bottleneck: f64, budget: usize, stop: Stop<'_>) -> f64 {
        let mut chains = Vec::new();
        Search::new(self.instance, unpinned, bottleneck, stop).search_each_start(budget, |chain| {
            chains.push(chain);
            // One chain tells whether the bottleneck can be met. Where it isn't the objective, others may be better.
            self.objective == Objective::Throughput
        });
        let bottleneck = |chain: &Chain| self.instance.value(Objective::Throughput, chain);
        let shortest = chains.iter().map(bottleneck).fold(f64::INFINITY, f64::min);
        chains.into_iter().for_each(|chain| self.found(chain));
        shortest
    }

    /// Whether the best chain is proven to be the best, or, if there is none, that there is none.
    fn run(&mut self, rounds: u32) -> bool {
        let mut walks = Walks::new(self.instance, self.objective);
        let mut watched = Vec::new();
        for round in 0..rounds {
            let effort = EFFORT << round;
            if self.met() || self.walk(&mut walks, &mut watched, effort) || self.met() {
                return true;
            }
            if self.objective == Objective::Throughput {
                if self.prove(effort) {
                    return true;
                }
                self.shorten(round);
            }
            if (self.stop)() {
                break;
            }
        }
        false
    }

    /// Raises the bound by walks, until one is a chain (`true`: it is the best), or the effort is spent.
    fn walk(&mut self, walks: &mut Walks<'_>, watched: &mut Vec<usize>, effort: usize) -> bool {
        loop {
            let walk = match walks.best(watched, self.value(), effort, self.stop) {
                Outcome::Found(walk) => walk,
                Outcome::None => return true,
                Outcome::Spent => return false,
            };
            self.bound = self.bound.max(walk.value);
            let repeated = walk.repeated();
            if repeated.is_empty() {
                self.found(walk.stages);
                return true;
            }
            if self.met() {
                return true;
            }
            watched.extend(repeated);
            if watched.len() > walks::MOST_WATCHED {
                watched.truncate(walks::MOST_WATCHED);
                return false;
            }
        }
    }

    /// Moves the bounds by asking whether chains exist (`true`: they have met).
    fn prove(&mut self, effort: usize) -> bool {
        // First whether the bound itself can be met. Then, in turn, whether the best can be beaten at all, and whether by
        // half of what is open, or less: the one ends the search, the other goes on where that is too hard.
        let (mut share, mut unbeaten) = (0.5, None);
        for turn in 0..16 {
            let (low, high) = (self.bound, self.value());
            let beat = turn % 2 == 1 && unbeaten != Some(high);
            let target = match turn {
                0 => low * (1.0 + ROUNDING),
                _ if beat => high * (1.0 - ROUNDING),
                _ if high.is_finite() && low > 0.0 => low * (high / low).powf(share),
                _ => return false,
            };
            match within(self.instance, target, effort, self.stop) {
                Answer::Chain(chain) => self.found(chain),
                Answer::None if beat => return true,
                Answer::None => self.bound = self.bound.max(target.max(self.next_above(target))),
                Answer::Unknown if beat => unbeaten = Some(high),
                Answer::Unknown if turn == 0 => {}
                Answer::Unknown if share < LEAST => return false,
                Answer::Unknown => share /= 2.0,
            }
            if self.met() {
                return true;
            }
        }
        false
    }

    /// Looks for better chains near the best.
    fn shorten(&mut self, round: u32) {
        let Some((best, _)) = &self.best else { return };
        if let Some(chain) = nearby::shorter(self.instance, best, SHAKES << round.min(8), u64::from(round), self.stop) {
            self.found(chain);
        }
    }

    /// The lowest time above `value` that anything can be busy for: the next value a bottleneck can have.
    fn next_above(&self, value: f64) -> f64 {
        let instance = self.instance;
        let (ends, cuts) = (|| 0..=instance.nodes.len(), instance.by_size());
        // Along each path time grows with the size, on each node with the length: so the first above is soon found.
        let transfers = ends().flat_map(|from| ends().map(move |to| (from, to))).filter_map(|(from, to)| {
            let above = cuts.partition_point(|cut| instance.transfer(from, to, *cut) <= value);
            cuts.get(above).map(|cut| instance.transfer(from, to, *cut))
        });
        let computes = (0..instance.nodes.len()).flat_map(|node| {
            (0..instance.end).filter_map(move |from| {
                let to = instance.reach(node, from, value) + 1;
                let fits = to <= instance.fits(node, from);
                fits.then(|| instance.compute(node, crate::profile::Segment { from, to }))
            })
        });
        let outside = instance.outside_cost(Objective::Throughput);
        let above = transfers.chain(computes).chain([outside]).filter(|time| *time > value);
        // A hair less, so that a chain with exactly this bottleneck is not above the bound by rounding.
        above.fold(f64::INFINITY, f64::min).min(self.value()) * (1.0 - ROUNDING)
    }
}
