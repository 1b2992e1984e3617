//! Benchmarks of the emulator itself, on the host at hand: how exactly links keep to what was asked and how much they
//! carry ([`links`]), how fast networks are set up ([`setup`]), beside what people would use instead where that is
//! installed, and what the host has to give ([`host`]), which runs are held against.
//!
//! ```text
//! traffic, stalls ─> bare, rattan, trips ─> links, unshaped ─> host
//!                                           setup
//! ```

mod bare;
pub mod host;
pub mod links;
mod offload;
pub mod rattan;
pub mod setup;
mod stalls;
mod traffic;
pub mod trips;
pub mod unshaped;

use std::io;

use crate::fabric::namespace::NamespaceError;
use crate::fabric::{Carrier, CarrierChoice, Fabric, FabricError, Network};
use crate::scenario::network::Link;

/// Why a benchmark has no figures.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The network.
    #[error("the network can't be built")]
    Fabric(#[from] FabricError),
    /// A namespace.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A socket or a thread.
    #[error("{action}: {source}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

fn io(action: &'static str) -> impl FnOnce(io::Error) -> BenchError {
    move |source| BenchError::Io { action, source }
}

/// Builds a network in which everybody is everybody's neighbour or a switch's.
fn build(network: &Network, choice: CarrierChoice) -> Result<Fabric, BenchError> {
    Ok(Fabric::build(network, &names(network), &network.routes().next_hop, choice, SEED)?)
}

/// The same with a carrier that is already there.
fn build_with(carrier: Box<dyn Carrier>, network: &Network) -> Result<Fabric, BenchError> {
    Ok(Fabric::build_with(carrier, network, &names(network), &network.routes().next_hop)?)
}

fn names(network: &Network) -> Vec<String> {
    (0..network.nodes).map(|node| format!("n{node}")).chain(network.switches.iter().cloned()).collect()
}

/// Two nodes and what is between them.
fn pair(shape: &crate::fabric::Shape) -> Network {
    let link = Link { a: 0, b: 1, a_to_b: shape.clone(), b_to_a: shape.clone() };
    Network { nodes: 2, links: vec![link], ..Network::default() }
}

/// Of everything random: the same in each run.
const SEED: u64 = 1;

/// The value below which so much of the sorted values lies; `NaN` without any.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let index = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or(f64::NAN)
}
