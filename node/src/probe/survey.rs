//! The dispatcher's part in measuring: gives the orders, one round of the tournament after another.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::schedule::{Direction, rounds};
use super::{Measured, Order, Outcome};
use crate::config::PROBE_PORT;
use crate::wire::connection::{self, Tuning};
use crate::wire::message::{from_frame, to_frame};
use crate::wire::stream::{FrameReader, FrameWriter};

/// Measurements that run at the same time, at most: more would keep each other from the processor when all
/// nodes are emulated on one machine.
const AT_ONCE: usize = 4;
/// Within this an agent can be connected to.
const CONNECT: Duration = Duration::from_millis(1500);
/// Time for one measurement.
const MEASURE: Duration = Duration::from_secs(5);
/// Beyond it, how long the agent's answer may take.
const ANSWER: Duration = Duration::from_secs(2);

/// `measured[from][to]` between those of `addresses` that `nodes` names; `None` where no answer came, on the
/// diagonal, and for all that was not done within `limit`. `own` is the address to give orders from.
pub fn survey(own: IpAddr, addresses: &[IpAddr], nodes: &[usize], limit: Duration) -> Vec<Vec<Option<Measured>>> {
    let deadline = Instant::now() + limit;
    let address = |node: usize| addresses.get(node).map(|address| SocketAddr::new(*address, PROBE_PORT));
    let mut measured = vec![vec![None; addresses.len()]; addresses.len()];
    let mut agents: Vec<Option<TcpStream>> = thread::scope(|scope| {
        let connecting: Vec<_> = nodes.iter().map(|node| scope.spawn(move || connect(own, address(*node)?))).collect();
        connecting.into_iter().map(|thread| thread.join().ok().flatten()).collect()
    });
    for round in rounds(nodes.len(), AT_ONCE) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            tracing::warn!(?limit, "not every pair of nodes could be measured in time");
            break;
        }
        let limit = left.min(MEASURE);
        let order = |(from, to): Direction| {
            // An agent that can't be given orders can't give answers either.
            let (agent, to) = (agents[from].as_ref()?, agents[to].as_ref().and(address(nodes[to]))?);
            Some(measure(agent, &Order { to, limit }))
        };
        let order = &order;
        let outcomes: Vec<_> = thread::scope(|scope| {
            let measuring: Vec<_> = round.iter().map(|pair| (*pair, scope.spawn(move || order(*pair)))).collect();
            measuring.into_iter().map(|(pair, thread)| (pair, thread.join().ok().flatten())).collect()
        });
        for ((from, to), outcome) in outcomes {
            match outcome {
                Some(Some(outcome)) => measured[nodes[from]][nodes[to]] = outcome.measured,
                // It is gone, or what it says can't be understood.
                Some(None) => agents[from] = None,
                None => {}
            }
        }
    }
    measured
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
