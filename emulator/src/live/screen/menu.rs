//! The choice of a fault by hand: first what, then where. It knows neither terminal nor run.

use std::time::Duration;

use super::super::state::{Life, State};
use super::keys::Key;
use crate::scenario::{FaultKind, NodeTarget, PairTarget, Role, ShapeChange};

/// What there is to choose from.
struct Offer {
    what: &'static str,
    of: Of,
    lasting: Duration,
}

#[derive(Clone, Copy)]
enum Of {
    /// Any node but the client.
    Node(fn(NodeTarget) -> FaultKind),
    /// A worker.
    Worker(fn(NodeTarget) -> FaultKind),
    /// Two neighbours.
    Pair(fn(PairTarget) -> FaultKind),
}

const FIVE: Duration = Duration::from_secs(5);
const TEN: Duration = Duration::from_secs(10);

/// Few, with values that show: whoever wants others writes a scenario. They need nothing that a run doesn't have.
const OFFERS: [Offer; 7] = [
    Offer { what: "kill a process, back after 5 s", of: Of::Node(|target| FaultKind::Kill { target }), lasting: FIVE },
    Offer { what: "freeze a process for 5 s", of: Of::Node(|target| FaultKind::Pause { target }), lasting: FIVE },
    Offer {
        what: "make a worker 4 times slower for 10 s",
        of: Of::Worker(|target| FaultKind::Straggler { target, factor: 4.0, over: Duration::ZERO }),
        lasting: TEN,
    },
    Offer { what: "take a link down for 5 s", of: Of::Pair(|target| FaultKind::Down { target }), lasting: FIVE },
    Offer {
        what: "swallow what one node sends another, 5 s",
        of: Of::Pair(|target| FaultKind::Blackhole { target, both: false }),
        lasting: FIVE,
    },
    Offer {
        what: "lose 5 % on a link, in bursts, for 10 s",
        of: Of::Pair(|target| FaultKind::LossBurst { target, loss: 0.05, length: 5, both: true }),
        lasting: TEN,
    },
    Offer { what: "leave a link 1 Mbit/s for 10 s", of: Of::Pair(slow_link), lasting: TEN },
];

fn slow_link(target: PairTarget) -> FaultKind {
    let rate = planner::units::Rate::from_mbits_per_second(1.0);
    let change = ShapeChange::to(&crate::scenario::network::Shape { rate: Some(rate), ..Default::default() });
    FaultKind::Degrade { target, change, both: true }
}

/// Where the choice is.
#[derive(Debug, Clone, Default)]
pub enum Menu {
    /// Nothing is chosen.
    #[default]
    Closed,
    /// What is to happen: the line that is marked.
    What(usize),
    /// Where: the offer, the line that is marked, and the lines as they were when the offer was chosen.
    Where(usize, usize, Vec<(String, Chosen)>),
}

/// A fault that was chosen, and for how long.
pub type Chosen = (FaultKind, Duration);

impl Menu {
    /// What the lines are of.
    pub fn title(&self) -> &'static str {
        match self {
            Menu::Closed => "",
            Menu::What(_) => "Inject a fault",
            Menu::Where(offer, ..) => OFFERS[*offer].what,
        }
    }

    /// The lines, and which is marked.
    pub fn lines(&self) -> (Vec<&str>, usize) {
        match self {
            Menu::Closed => (Vec::new(), 0),
            Menu::What(marked) => (OFFERS.iter().map(|offer| offer.what).collect(), *marked),
            Menu::Where(_, marked, places) => (places.iter().map(|(text, _)| text.as_str()).collect(), *marked),
        }
    }

    /// A key was pressed. Returns the fault, once it is chosen.
    pub fn press(&mut self, key: Key, state: &State) -> Option<Chosen> {
        let count = self.lines().0.len();
        match (&mut *self, key) {
            (Menu::Closed, Key::Letter('i')) => *self = Menu::What(0),
            (Menu::Closed, _) => {}
            (Menu::What(marked) | Menu::Where(_, marked, _), Key::Up) => *marked = marked.saturating_sub(1),
            (Menu::What(marked) | Menu::Where(_, marked, _), Key::Down) => {
                *marked = (*marked + 1).min(count.saturating_sub(1));
            }
            (Menu::What(_), Key::Back | Key::Letter('i')) => *self = Menu::Closed,
            (Menu::Where(offer, ..), Key::Back) => *self = Menu::What(*offer),
            (Menu::What(marked), Key::Enter) => *self = Menu::Where(*marked, 0, places(&OFFERS[*marked], state)),
            (Menu::What(_), Key::Letter(letter)) => {
                let line = letter.to_digit(10).and_then(|digit| (digit as usize).checked_sub(1));
                if let Some(line) = line.filter(|line| *line < OFFERS.len()) {
                    *self = Menu::Where(line, 0, places(&OFFERS[line], state));
                }
            }
            (Menu::Where(_, marked, places), Key::Enter) => {
                let chosen = places.get(*marked).map(|(_, chosen)| chosen.clone());
                *self = Menu::Closed;
                return chosen;
            }
            (Menu::Where(..), Key::Letter(_)) => {}
        }
        None
    }
}

/// The places that an offer fits, those first that the plan uses.
fn places(offer: &Offer, state: &State) -> Vec<(String, Chosen)> {
    let node = |number: usize| (number, state.nodes[number].role, state.nodes[number].life);
    let name = |host: usize| state.hosts.get(host).cloned().unwrap_or_default();
    let lasting = offer.lasting;
    match offer.of {
        Of::Node(kind) | Of::Worker(kind) => {
            let workers_only = matches!(offer.of, Of::Worker(_));
            let mut nodes: Vec<usize> = (0..state.nodes.len())
                .map(node)
                .filter(|(_, role, life)| {
                    // What a program of others computes can't be held back.
                    let fits = (*role == Role::Worker && !(workers_only && state.foreign))
                        || (*role == Role::Dispatcher && !workers_only);
                    fits && *life != Life::Gone
                })
                .map(|(number, ..)| number)
                .collect();
            nodes.sort_by_key(|number| (state.stages_of(*number).next().unwrap_or(usize::MAX), *number));
            let line = |number: usize| {
                let text = format!("{}  {}", name(number), state.duty(number));
                (text, (kind(NodeTarget::Node(name(number))), lasting))
            };
            nodes.into_iter().map(line).collect()
        }
        Of::Pair(kind) => {
            let one_way = matches!(kind(PairTarget::AfterStage(0)), FaultKind::Blackhole { .. });
            let mut pairs: Vec<(usize, usize)> = state.links.keys().copied().collect();
            // Where both ways are hit, one line for both.
            pairs.retain(|&(from, to)| one_way || from < to || !state.links.contains_key(&(to, from)));
            let traffic = |(from, to): (usize, usize)| {
                let bytes = |way| state.links.get(&way).map_or(0, |link| link.counters.bytes);
                bytes((from, to)) + if one_way { 0 } else { bytes((to, from)) }
            };
            // What one node sends another vanishes at a node: switches have no rules.
            pairs.retain(|&(from, to)| !one_way || from.max(to) < state.nodes.len());
            pairs.sort_by_key(|&pair| (std::cmp::Reverse(traffic(pair)), pair));
            let line = |(from, to): (usize, usize)| {
                let arrow = if one_way { '→' } else { '↔' };
                let text = format!("{}{arrow}{}  {} to {}", name(from), name(to), state.duty(from), state.duty(to));
                (text, (kind(PairTarget::Nodes(name(from), name(to))), lasting))
            };
            pairs.into_iter().map(line).collect()
        }
    }
}
