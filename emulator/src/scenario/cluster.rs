//! A scenario's cluster as the planner sees it.

use planner::cluster::paths::Routes;
use planner::cluster::{Cluster, Device};

use super::network::Shape;
use super::{FaultKind, FaultSpec, Role, Scenario};

impl Scenario {
    /// The nodes and what each can send to each other.
    pub fn cluster(&self) -> Cluster {
        self.cluster_over(&self.network.routes())
    }

    /// The same, given the network's routes.
    pub fn cluster_over(&self, routes: &Routes) -> Cluster {
        let nodes = self.nodes.iter().map(|node| Device {
            name: node.name.clone(),
            worker: node.role == Role::Worker,
            memory: node.claims.unwrap_or(node.memory),
            slowdown: node.slowdown,
            energy: node.energy,
        });
        Cluster {
            nodes: nodes.collect(),
            paths: routes.paths(self.nodes.len()),
            client: self.node_with(Role::Client),
            dispatcher: self.node_with(Role::Dispatcher),
        }
    }

    /// The first node with a role; every scenario has exactly one client and one dispatcher.
    pub fn node_with(&self, role: Role) -> usize {
        self.nodes.iter().position(|node| node.role == role).unwrap_or_default()
    }

    /// Whether its network, or what a fault makes of that, is something that netem can't do.
    pub fn is_beyond_netem(&self) -> bool {
        let degraded = |fault: &FaultSpec| match &fault.kind {
            FaultKind::Degrade { change, .. } => {
                change.apply(&Shape::default()).is_some_and(|to| to.beyond_netem().is_some())
            }
            _ => false,
        };
        self.network.is_beyond_netem() || self.faults.iter().any(degraded)
    }

    /// Names of the hosts, as [`super::network::Network`] numbers them: nodes, then switches.
    pub fn host_names(&self) -> Vec<String> {
        let nodes = self.nodes.iter().map(|node| node.name.clone());
        nodes.chain(self.network.switches.iter().cloned()).collect()
    }
}
