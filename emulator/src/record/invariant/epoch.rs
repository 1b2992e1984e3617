//! `own_epoch`: every result comes from the plan and the chain that its request was in, and through all of
//! that chain's stages.
//!
//! A result that reached the client must have arrived at the dispatcher while its epoch was the newest, from the chain that the
//! request had last been sent into, and every stage of that chain must have computed it, on the node that the
//! plan names, one after another. A process that is killed takes with it what it had no time to tell: what its
//! node is missed for in that time is not held against it.

use std::time::Duration;

use node::clock::Instant;

use super::{Breach, Verdict, is_simulated};
use crate::record::tally::{Hop, Outcome, Request, Tally, Window};
use crate::scenario::{Role, Scenario};

/// So long before its end a process may have done what it did not come to tell.
const UNTOLD: Duration = Duration::from_secs(3);

pub(super) fn check(scenario: &Scenario, tally: &Tally) -> Verdict {
    if is_simulated(tally) {
        return Verdict::NotJudged("a simulation has no network in which a result could be late".to_owned());
    }
    let told = |request: &Request| request.hops.iter().any(|hop| matches!(hop, Hop::Arrived { .. }));
    if !tally.requests.values().any(told) {
        return Verdict::NotJudged("the record has no arrivals of results at the dispatcher".to_owned());
    }
    let judge = Judge { scenario, tally };
    let of = |(number, request): (&u64, &Request)| {
        let wrong = request.results.iter().find_map(|result| judge.result(request, result).err());
        wrong.map(|why| Breach::of(*number, format!("request {number} {why}")))
    };
    tally.requests.iter().filter_map(of).collect::<Vec<_>>().into()
}

struct Judge<'a> {
    scenario: &'a Scenario,
    tally: &'a Tally,
}

/// A result as it arrived at the dispatcher.
#[derive(Clone, Copy)]
struct Arrival {
    at: Instant,
    epoch: u32,
    chain: u16,
}

impl Judge<'_> {
    /// Why this result can't be.
    fn result(&self, request: &Request, result: &Outcome) -> Result<(), String> {
        let epoch = result.epoch;
        let arrivals = request.hops.iter().filter_map(|hop| match *hop {
            Hop::Arrived { at, epoch: of, chain } if of == epoch && at <= result.at => {
                Some(Arrival { at, epoch, chain })
            }
            _ => None,
        });
        let mut wrong = None;
        for arrival in arrivals {
            match self.in_time(request, arrival).and_then(|fed| self.through(request, arrival, fed)) {
                Ok(()) => return Ok(()),
                Err(why) => wrong = wrong.or(Some(why)),
            }
        }
        match wrong {
            Some(why) => Err(why),
            None if self.dispatcher_ended() => Ok(()),
            None => {
                Err(format!("has a result of epoch {epoch}, and none of that epoch arrived at the dispatcher before"))
            }
        }
    }

    /// When the request was sent on the way on which this arrived, if that was the last one it was sent on.
    fn in_time(&self, request: &Request, arrival: Arrival) -> Result<Instant, String> {
        let Arrival { at, epoch, chain } = arrival;
        let newer = self.tally.plans.iter().find(|(newer, plan)| **newer > epoch && plan.at < at);
        if let Some((newer, _)) = newer {
            return Err(format!("has a result of epoch {epoch} that arrived when epoch {newer} had begun"));
        }
        let fed = request.hops.iter().filter_map(|hop| match *hop {
            Hop::Fed { at: fed, epoch, chain } if fed <= at => Some((fed, epoch, chain)),
            _ => None,
        });
        match fed.max() {
            Some((fed, last, of)) if (last, of) == (epoch, chain) => Ok(fed),
            Some((_, last, of)) => Err(format!(
                "has a result from chain {chain} of epoch {epoch}, and was last sent into chain {of} of epoch {last}"
            )),
            None if self.dispatcher_ended() => Ok(at),
            None => Err(format!("has a result of epoch {epoch} that arrived before the request was sent")),
        }
    }

    /// Whether every stage of the chain computed it.
    fn through(&self, request: &Request, arrival: Arrival, fed: Instant) -> Result<(), String> {
        let Arrival { at, epoch, chain } = arrival;
        let Some(plan) = self.tally.plans.get(&epoch) else {
            let none = format!("has a result of epoch {epoch}, and no plan has that epoch");
            return if self.dispatcher_ended() { Ok(()) } else { Err(none) };
        };
        let Some(stages) = plan.plan.chains.get(usize::from(chain)) else {
            return Err(format!("has a result from chain {chain}, and the plan of epoch {epoch} has no such chain"));
        };
        let mut ready = fed;
        for &number in &stages.stages {
            let Some(stage) = plan.plan.stages.get(number) else { continue };
            let name = self.scenario.nodes.get(stage.node).map_or("", |node| node.name.as_str());
            let computed = request.hops.iter().filter_map(|hop| match *hop {
                Hop::Stage { place, epoch: of, stage, received, finished, .. }
                    if (of, usize::from(stage)) == (epoch, number)
                        && self.tally.places.name(place) == name
                        && received >= ready
                        && finished <= at =>
                {
                    Some(finished)
                }
                _ => None,
            });
            match computed.min() {
                Some(finished) => ready = finished,
                None if self.ended(name, Window { from: fed, to: at + UNTOLD }) => {}
                None => {
                    return Err(format!(
                        "has a result of epoch {epoch} that stage {number} of its chain, on {name}, did not compute in its turn"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether a process of this node ended meanwhile, and with it perhaps the word of what it did.
    fn ended(&self, node: &str, meanwhile: Window) -> bool {
        self.tally.exits.iter().any(|exit| exit.node == node && meanwhile.contains(exit.at) && exit.killed())
    }

    /// Whether the dispatcher was killed at any time: what it had in hand then, it may tell of later or never.
    fn dispatcher_ended(&self) -> bool {
        let node = self.scenario.nodes.get(self.scenario.node_with(Role::Dispatcher));
        let always = Window { from: Instant::default(), to: Instant(u64::MAX) };
        node.is_some_and(|node| self.ended(&node.name, always))
    }
}
