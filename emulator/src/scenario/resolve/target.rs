//! Whom faults hit: by name, by what they hold at that moment, or drawn by lot.

use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use super::faults::Setting;
use super::mistake::Mistake;
use super::workload::WorkloadMistake;
use crate::scenario::error::Problem;
use crate::scenario::parse::reader::At;
use crate::scenario::parse::target::{Draw, NodeAim, PairAim};
use crate::scenario::source::Place;
use crate::scenario::{NodeTarget, PairTarget, Role};

/// Draws lots for one fault. Each fault has lots of its own, so that adding one changes no other.
pub struct Draws(Pcg64);

impl Draws {
    /// The lots of the fault number `index`.
    pub fn new(seed: u64, index: usize) -> Draws {
        // An odd constant (2^64 divided by the golden ratio) keeps the seeds of neighbours apart.
        Draws(Pcg64::seed_from_u64(seed ^ (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)))
    }

    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.0.next_u64()) * bound as u128) >> 64) as usize
    }

    /// Draws a seed.
    pub fn seed(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Draws `count` of `pool` and takes them out of it.
    pub fn take<T>(&mut self, count: usize, pool: &mut Vec<T>) -> Vec<T> {
        (0..count.min(pool.len()))
            .map(|_| {
                let drawn = self.below(pool.len());
                pool.remove(drawn)
            })
            .collect()
    }
}

/// How the two of a pair must be joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined {
    /// By a link or a medium.
    Neighbours,
    /// Somehow; then both are nodes.
    Anyhow,
}

/// Finds the targets of one fault, for each of its rounds.
pub struct Targets<'a, 'b> {
    /// What the fault is planned against.
    pub setting: &'a Setting<'a>,
    /// Its lots.
    pub draws: Draws,
    /// How often it fires.
    pub rounds: usize,
    /// Whether what was hit once may be hit again.
    pub again: bool,
    /// What is wrong.
    pub problems: &'b mut Vec<Problem>,
}

impl Targets<'_, '_> {
    /// Nodes for a fault of a kind.
    pub fn nodes(&mut self, aim: &At<NodeAim>, kind: &'static str) -> Option<Vec<Vec<NodeTarget>>> {
        let hosts = self.setting.hosts;
        let target = match &aim.value {
            NodeAim::Spare => {
                self.of_a_model("the target \"spare\"", aim.place)?;
                NodeTarget::Spare
            }
            NodeAim::Stage(stage) => {
                self.stage(*stage, aim.place)?;
                NodeTarget::Stage(*stage)
            }
            NodeAim::Name(name) => {
                let node = hosts.node(&At { value: name.clone(), place: aim.place }, self.problems)?;
                self.not_spared(node, kind, aim.place)?;
                NodeTarget::Node(name.clone())
            }
            NodeAim::Random(draw) => {
                let pool = self.pool(draw)?;
                for (node, place) in &pool {
                    self.not_spared(*node, kind, *place)?;
                }
                let pool = pool.into_iter().map(|(node, _)| node).collect();
                let node = |node: usize| NodeTarget::Node(hosts.names[node].clone());
                return self.draw(draw, pool, aim.place, |_, drawn| node(drawn));
            }
        };
        Some(vec![vec![target]; self.rounds])
    }

    /// Pairs of hosts.
    pub fn pairs(&mut self, aim: &At<PairAim>, joined: Joined) -> Option<Vec<Vec<PairTarget>>> {
        let target = match &aim.value {
            PairAim::AfterStage(stage) => {
                self.stage(*stage, aim.place)?;
                PairTarget::AfterStage(*stage)
            }
            PairAim::Names(a, b) => {
                self.named(a, b, joined, aim.place)?;
                PairTarget::Nodes(a.value.clone(), b.value.clone())
            }
            PairAim::Random(draw) => {
                let pool: Vec<usize> = self.pool(draw)?.into_iter().map(|(node, _)| node).collect();
                let pairs = self.candidates(&pool, joined);
                let names = &self.setting.hosts.names;
                return self.draw(draw, pairs, aim.place, |draws, (a, b)| {
                    let (from, to) = if draws.below(2) == 0 { (a, b) } else { (b, a) };
                    PairTarget::Nodes(names[from].clone(), names[to].clone())
                });
            }
        };
        Some(vec![vec![target]; self.rounds])
    }

    /// Notes what means something only where a model runs.
    fn of_a_model(&mut self, what: &str, place: Place) -> Option<()> {
        if !self.setting.hosts.of_commands {
            return Some(());
        }
        self.problems.push(Problem::new(WorkloadMistake::OfInference(what.to_owned()).into(), place));
        None
    }

    fn stage(&mut self, stage: u16, place: Place) -> Option<()> {
        self.of_a_model("a stage", place)?;
        let workers = self.setting.hosts.workers().len();
        if usize::from(stage) < workers {
            return Some(());
        }
        self.problems.push(Problem::new(Mistake::NoSuchStage { stage, workers }.into(), place));
        None
    }

    fn not_spared(&mut self, node: usize, kind: &'static str, place: Place) -> Option<()> {
        let role = match self.setting.hosts.roles[node] {
            Role::Client => "client",
            Role::Dispatcher if kind == "straggler" => "dispatcher",
            Role::Dispatcher | Role::Worker => return Some(()),
        };
        self.problems.push(Problem::new(Mistake::Spared { role, kind }.into(), place));
        None
    }

    fn named(&mut self, a: &At<String>, b: &At<String>, joined: Joined, place: Place) -> Option<()> {
        let hosts = self.setting.hosts;
        let (first, second) = match joined {
            Joined::Neighbours => (hosts.host(a, self.problems), hosts.host(b, self.problems)),
            Joined::Anyhow => (hosts.node(a, self.problems), hosts.node(b, self.problems)),
        };
        let (first, second) = (first?, second?);
        if first == second {
            self.problems.push(Problem::new(Mistake::NotAPair(a.value.clone()).into(), place));
            return None;
        }
        let neighbours = self.setting.network.neighbours(first);
        if joined == Joined::Neighbours && !neighbours.contains(&second) {
            let neighbours = neighbours.into_iter().map(|host| hosts.names[host].clone()).collect();
            let mistake = Mistake::NotNeighbours { a: a.value.clone(), b: b.value.clone(), neighbours };
            self.problems.push(Problem::new(mistake.into(), place));
            return None;
        }
        Some(())
    }

    /// The nodes to draw from, each with its place.
    fn pool(&mut self, draw: &Draw) -> Option<Vec<(usize, Place)>> {
        let hosts = self.setting.hosts;
        let Some(names) = &draw.of else {
            return Some(hosts.workers().into_iter().map(|node| (node, Place::NOWHERE)).collect());
        };
        let mut pool: Vec<(usize, Place)> = Vec::new();
        let mut complete = true;
        for name in names {
            match hosts.node(name, self.problems) {
                None => complete = false,
                Some(node) => match pool.iter().find(|(other, _)| *other == node) {
                    None => pool.push((node, name.place)),
                    Some((_, first)) => {
                        let problem = Problem::new(Mistake::NamedTwice(name.value.clone()).into(), name.place);
                        self.problems.push(problem.also(*first, "named here"));
                        complete = false;
                    }
                },
            }
        }
        complete.then_some(pool)
    }

    /// The pairs to draw from: of nodes of the pool, or of one of them and a switch.
    fn candidates(&self, pool: &[usize], joined: Joined) -> Vec<(usize, usize)> {
        let nodes = self.setting.hosts.nodes;
        let allowed = |host: usize| host >= nodes || pool.contains(&host);
        let mut pairs = Vec::new();
        for &a in pool {
            let others = match joined {
                Joined::Neighbours => self.setting.network.neighbours(a).into_iter().collect(),
                Joined::Anyhow => pool.to_vec(),
            };
            pairs.extend(others.into_iter().filter(|b| *b != a && allowed(*b)).map(|b| (a.min(b), a.max(b))));
        }
        pairs.sort_unstable();
        pairs.dedup();
        pairs
    }

    fn draw<T: Clone, U>(
        &mut self,
        draw: &Draw,
        pool: Vec<T>,
        place: Place,
        make: impl Fn(&mut Draws, T) -> U,
    ) -> Option<Vec<Vec<U>>> {
        let count = if self.again { draw.count } else { draw.count * self.rounds };
        if count > pool.len() {
            let mistake = Mistake::PoolTooSmall { count, available: pool.len() };
            self.problems.push(Problem::new(mistake.into(), place));
            return None;
        }
        let mut left = pool.clone();
        let rounds = (0..self.rounds).map(|_| {
            if self.again {
                left = pool.clone();
            }
            let drawn = self.draws.take(draw.count, &mut left);
            drawn.into_iter().map(|drawn| make(&mut self.draws, drawn)).collect()
        });
        Some(rounds.collect())
    }
}
