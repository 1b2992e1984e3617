//! The dispatcher's part in measuring: gives the orders, one round of the tournament after another.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::schedule::{Direction, Experience, rounds};
use super::{Measured, Order, Outcome};
use crate::config::PROBE_PORT;
use crate::wire::connection::{self, Tuning};
use crate::wire::message::{from_frame, to_frame};
use crate::wire::stream::{FrameReader, FrameWriter};

/// Within this an agent can be connected to.
const CONNECT: Duration = Duration::from_millis(1500);
/// Time for one measurement.
const MEASURE: Duration = Duration::from_secs(10);
/// Beyond it, how long the agent's answer may take.
const ANSWER: Duration = Duration::from_secs(2);

/// `measured[from][to]` between those of `addresses` that `nodes` names; `None` where no answer came, on the
/// diagonal, and for all that was not done within `limit`. `own` is the address to give orders from.
pub fn survey(own: IpAddr, addresses: &[IpAddr], nodes: &[usize], limit: Duration) -> Vec<Vec<Option<Measured>>> {
    let deadline = Instant::now() + limit;
    let address = |node: usize| addresses.get(node).map(|address| SocketAddr::new(*address, PROBE_PORT));
    let mut measured = vec![vec![None; addresses.len()]; addresses.len()];
    let agents: Vec<Option<TcpStream>> = thread::scope(|scope| {
        let connecting: Vec<_> = nodes.iter().map(|node| scope.spawn(move || connect(own, address(*node)?))).collect();
        connecting.into_iter().map(|thread| thread.join().ok().flatten()).collect()
    });
    let crew = Crew { agents, addresses: nodes.iter().map(|node| address(*node)).collect() };
    let mut experience = Experience::default();
    let mut undone = nodes.len() * nodes.len().saturating_sub(1);
    // Whether measurements disturb each other is tried on the first round, if there will be several at once.
    let mut trial = experience.at_once(undone, Duration::ZERO) > 1;
    for round in rounds(nodes.len()) {
        let mut waiting = &round[..];
        let mut alone = Vec::new();
        while !waiting.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                tracing::warn!(?limit, undone, "not every pair of nodes could be measured in time");
                return measured;
            }
            let several = if trial { 1 } else { experience.at_once(undone, limit - left) };
            let (now, later) = waiting.split_at(several.min(waiting.len()));
            (waiting, undone) = (later, undone - now.len());
            for ((from, to), found, took) in crew.measure(now, left.min(MEASURE)) {
                measured[nodes[from]][nodes[to]] = Some(found);
                experience.add(took, found.rate);
                alone.push(((from, to), found));
            }
        }
        if std::mem::take(&mut trial) {
            let together = crew.measure(&round, MEASURE);
            let same = |pair: Direction| together.iter().find(|(other, ..)| *other == pair).map(|(_, found, _)| *found);
            let found: Vec<_> = alone.into_iter().filter_map(|(pair, found)| Some((found, same(pair)?))).collect();
            experience.compare(&found);
        }
    }
    measured
}

/// The agents, by their place among the nodes that are measured.
struct Crew {
    agents: Vec<Option<TcpStream>>,
    addresses: Vec<Option<SocketAddr>>,
}

impl Crew {
    /// Measures these at once: what was found of those that answered, and how long it took.
    fn measure(&self, pairs: &[Direction], limit: Duration) -> Vec<(Direction, Measured, Duration)> {
        let order = |(from, to): Direction| {
            // An agent that can't be given orders can't give answers either.
            let (agent, address) = (self.agents[from].as_ref()?, self.agents[to].as_ref().and(self.addresses[to])?);
            let begun = Instant::now();
            let outcome = measure(agent, &Order { to: address, limit });
            if outcome.is_none() {
                // It is gone, or what it says can't be understood; it may be gone already for the kernel too.
                let _ = agent.shutdown(std::net::Shutdown::Both);
            }
            Some(((from, to), outcome?.measured?, begun.elapsed()))
        };
        let order = &order;
        thread::scope(|scope| {
            let measuring: Vec<_> = pairs.iter().map(|pair| scope.spawn(move || order(*pair))).collect();
            measuring.into_iter().filter_map(|thread| thread.join().ok().flatten()).collect()
        })
    }
}

fn connect(own: IpAddr, to: SocketAddr) -> Option<TcpStream> {
    connection::connect(own, to, CONNECT, Tuning::default())
        .map_err(|error| tracing::warn!(%error, "a node can't be measured"))
        .ok()
}

/// Gives an order and waits for the answer.
fn measure(agent: &TcpStream, order: &Order) -> Option<Outcome> {
    agent.set_read_timeout(Some(order.limit + ANSWER)).ok()?;
    FrameWriter::new(agent).write(&to_frame(order).ok()?).ok()?;
    from_frame(&FrameReader::new(agent).read().ok()?).ok()
}
