//! Starts a process on every node, each with what it has to know.

use std::path::Path;

use node::config::{ClientConfig, DispatcherConfig, NodeConfig, RoleConfig, WorkerConfig};
use node::wire::secret::Secret;
use planner::units::ByteSize;

use super::results::Results;
use super::{Host, RunError};
use crate::fabric::Fabric;
use crate::fleet::cgroup::Limits;
use crate::fleet::{Fleet, FleetError, Launch, Program, STATE};
use crate::model::Prepared;
use crate::record::event::RunEvent;
use crate::scenario::{FaultKind, NodeSpec, NodeTarget, Role, Scenario, Store};

/// What the model's file is called in a node's state folder.
const MODEL: &str = "model.onnx";

/// The fleet of a scenario, every process started. Nodes have the numbers that they have in the scenario.
pub(super) fn fleet<'a>(
    scenario: &Scenario,
    model: &Prepared,
    fabric: &Fabric,
    host: &Host<'a>,
    results: &mut Results,
) -> Result<Fleet<'a>, RunError> {
    let program = Program { path: host.program.to_owned(), arguments: vec!["node".to_owned()] };
    let mut fleet = Fleet::new(program, &results.nodes_folder(), host.sandbox, host.groups)?;
    // Of this run only: it is in the nodes' configurations, and worth nothing afterwards.
    let secret = Secret::draw().map_err(RunError::Random)?;
    let stored = scenario.model.store == Store::Node;
    for (number, node) in scenario.nodes.iter().enumerate() {
        let stored = (stored && node.role == Role::Worker).then_some((model.model.as_path(), MODEL));
        if let Some((file, _)) = stored {
            check_room(node, file)?;
        }
        let namespace = fabric.namespace(number)?;
        fleet.launch(Launch {
            config: NodeConfig {
                name: node.name.clone(),
                address: fabric.address(number),
                secret: secret.clone(),
                state: Default::default(),
                bandwidth: scenario.plan.bandwidth,
                role: role(scenario, node, model, fabric),
            },
            limits: Limits { memory: node.memory, cpu: node.cpu },
            storage: node.storage,
            layered: is_layered(scenario, node),
            stored,
            net: namespace.net(),
            uts: namespace.uts(),
        })?;
        let pid = fleet.pid(number).unwrap_or_default();
        results.happened(RunEvent::NodeStarted { node: node.name.clone(), pid });
    }
    Ok(fleet)
}

/// Whether the model's file fits into a node's state folder.
fn check_room(node: &NodeSpec, file: &Path) -> Result<(), RunError> {
    let length = file.metadata().map_err(|source| FleetError::File { path: file.to_owned(), source })?.len();
    let (storage, need) = (node.storage, ByteSize::from_bytes(length));
    if need > storage {
        return Err(RunError::Store { node: node.name.clone(), storage, need });
    }
    Ok(())
}

/// Whether the disk of a node may become slow or fail.
fn is_layered(scenario: &Scenario, node: &NodeSpec) -> bool {
    scenario.faults.iter().any(|fault| match &fault.kind {
        FaultKind::Slow { target, .. } | FaultKind::Eio { target, .. } => match target {
            NodeTarget::Node(name) => *name == node.name,
            NodeTarget::Stage(_) | NodeTarget::Spare => node.role == Role::Worker,
        },
        _ => false,
    })
}

fn role(scenario: &Scenario, node: &NodeSpec, model: &Prepared, fabric: &Fabric) -> RoleConfig {
    let cluster = scenario.cluster();
    match node.role {
        Role::Client => {
            let input = &model.profile.cuts[model.profile.whole().from].tensors[0];
            RoleConfig::Client(ClientConfig {
                dispatcher: fabric.address(cluster.dispatcher),
                input_shape: input.shape.clone(),
                input_element: input.element,
                codec: scenario.model.codec,
                inputs: scenario.inputs,
                seed: scenario.seed,
                load: scenario.load,
            })
        }
        Role::Dispatcher => RoleConfig::Dispatcher(Box::new(DispatcherConfig {
            addresses: (0..cluster.nodes.len()).map(|number| fabric.address(number)).collect(),
            cluster,
            profile: model.profile_path.clone(),
            model: model.model.clone(),
            deploy: scenario.model.deploy,
            codec: scenario.model.codec,
            strategy: scenario.plan.strategy,
            objective: scenario.plan.objective,
            replicas: scenario.plan.replicas,
            spares: scenario.plan.spares,
            seed: scenario.seed,
            heartbeat: scenario.plan.heartbeat,
            missed_heartbeats: scenario.plan.missed_heartbeats,
            window: scenario.plan.window,
            order: scenario.plan.order,
            queue: scenario.plan.queue,
            straggler: scenario.plan.straggler,
        })),
        Role::Worker => RoleConfig::Worker(WorkerConfig {
            model: match scenario.model.store {
                Store::Host => model.model.clone(),
                // From the node's folder, which it is started in.
                Store::Node => Path::new(STATE).join(MODEL),
            },
            profile: model.profile_path.clone(),
            slowdown: node.slowdown,
            memory: Some(node.memory),
        }),
    }
}
