//! Starts a process on every node, each with what it has to know.

use std::path::Path;

use node::config::{ClientConfig, DispatcherConfig, NodeConfig, RoleConfig, WorkerConfig};
use node::wire::secret::Secret;
use planner::units::ByteSize;

use super::results::Results;
use super::{Host, RunError, foreign};
use crate::fabric::Fabric;
use crate::fleet::cgroup::Limits;
use crate::fleet::{Fleet, FleetError, Launch, Program, STATE};
use crate::model::Prepared;
use crate::record::event::RunEvent;
use crate::scenario::{Commands, FaultKind, Inference, NodeSpec, NodeTarget, Role, Scenario, Store};

/// What the model's file is called in a node's state folder.
const MODEL: &str = "model.onnx";

/// What the processes do.
pub(super) enum Work<'a> {
    /// A model is spread over them.
    Inference(&'a Inference, Box<Prepared>),
    /// They run programs of others.
    Commands(&'a Commands),
}

/// The fleet of a scenario, every process started. Nodes have the numbers that they have in the scenario.
pub(super) fn fleet<'a>(
    scenario: &Scenario,
    work: &Work<'_>,
    fabric: &Fabric,
    host: &Host<'a>,
    results: &mut Results,
) -> Result<Fleet<'a>, RunError> {
    let program = Program { path: host.program.to_owned(), arguments: vec!["node".to_owned()] };
    let mut fleet = Fleet::new(program, &results.nodes_folder(), host.sandbox, host.groups)?;
    // Of this run only: it is in the nodes' configurations, and worth nothing afterwards.
    let secret = Secret::draw().map_err(RunError::Random)?;
    let bandwidth = scenario.inference().map_or_else(Default::default, |inference| inference.plan.bandwidth);
    for (number, node) in scenario.nodes.iter().enumerate() {
        let stored = match work {
            Work::Inference(inference, model) if inference.model.store == Store::Node && node.role == Role::Worker => {
                Some((model.model.as_path(), MODEL))
            }
            _ => None,
        };
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
                bandwidth,
                role: match work {
                    Work::Inference(inference, model) => role(scenario, inference, node, model, fabric),
                    Work::Commands(commands) => {
                        let address = |number| fabric.address(number);
                        let nodes = results.nodes_folder();
                        let config = foreign::config(scenario, commands, number, &nodes, &address);
                        RoleConfig::Foreign(Box::new(config))
                    }
                },
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

fn role(scenario: &Scenario, inference: &Inference, node: &NodeSpec, model: &Prepared, fabric: &Fabric) -> RoleConfig {
    let cluster = scenario.cluster();
    match node.role {
        Role::Client => {
            let input = &model.profile.cuts[model.profile.whole().from].tensors[0];
            RoleConfig::Client(ClientConfig {
                dispatcher: fabric.address(cluster.dispatcher),
                input_shape: input.shape.clone(),
                input_element: input.element,
                codec: inference.model.codec,
                inputs: inference.inputs,
                seed: scenario.seed,
                load: inference.load,
            })
        }
        Role::Dispatcher => RoleConfig::Dispatcher(Box::new(DispatcherConfig {
            addresses: (0..cluster.nodes.len()).map(|number| fabric.address(number)).collect(),
            cluster,
            profile: model.profile_path.clone(),
            model: model.model.clone(),
            deploy: inference.model.deploy,
            codec: inference.model.codec,
            strategy: inference.plan.strategy,
            objective: inference.plan.objective,
            replicas: inference.plan.replicas,
            spares: inference.plan.spares,
            seed: scenario.seed,
            heartbeat: inference.plan.heartbeat,
            missed_heartbeats: inference.plan.missed_heartbeats,
            window: inference.plan.window,
            order: inference.plan.order,
            queue: inference.plan.queue,
            straggler: inference.plan.straggler,
        })),
        Role::Worker => RoleConfig::Worker(WorkerConfig {
            model: match inference.model.store {
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
