//! Who holds which stage, as the dispatcher last said.

use std::collections::BTreeSet;

use node::telemetry::Event;
use planner::plan::{Plan, Stage};

use crate::fault::Holders;
use crate::scenario::{Role, Scenario};

/// Follows the dispatcher's and the fleet's events.
#[derive(Debug)]
pub struct Roster {
    names: Vec<String>,
    roles: Vec<Role>,
    /// Whether programs of others run.
    foreign: bool,
    down: BTreeSet<usize>,
    plan: Option<Plan>,
    deployed: bool,
}

impl Roster {
    /// Nobody holds anything yet.
    pub fn new(scenario: &Scenario) -> Roster {
        Roster {
            names: scenario.nodes.iter().map(|node| node.name.clone()).collect(),
            roles: scenario.nodes.iter().map(|node| node.role).collect(),
            foreign: scenario.commands().is_some(),
            down: BTreeSet::new(),
            plan: None,
            deployed: false,
        }
    }

    /// Whether a plan has been deployed at all.
    pub fn is_deployed(&self) -> bool {
        self.deployed
    }

    /// The newest plan.
    pub fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    /// A node said something.
    pub fn hear(&mut self, event: &Event) {
        match event {
            Event::Planned { plan, .. } => self.plan = Some(plan.clone()),
            Event::Deployed { .. } => self.deployed = true,
            _ => {}
        }
    }

    /// A node's process is up or not.
    pub fn set_up(&mut self, node: usize, up: bool) {
        if up {
            self.down.remove(&node)
        } else {
            self.down.insert(node)
        };
    }

    /// Whether a node's process is up.
    pub fn is_up(&self, node: usize) -> bool {
        !self.down.contains(&node)
    }

    fn stages(&self) -> &[Stage] {
        self.plan.as_ref().map_or(&[], |plan| &plan.stages)
    }

    /// A node's index.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    /// What a node does at this moment, for people: `stage 2`, `spare`, `client`, `dispatcher`, and `worker` where there is no model.
    pub fn duty(&self, node: usize) -> String {
        match self.roles.get(node) {
            Some(Role::Client) => "client".to_owned(),
            Some(Role::Dispatcher) => "dispatcher".to_owned(),
            Some(Role::Worker) if self.foreign => "worker".to_owned(),
            Some(Role::Worker) => match self.stages().iter().position(|stage| stage.node == node) {
                Some(stage) => format!("stage {stage}"),
                None => "spare".to_owned(),
            },
            None => "switch".to_owned(),
        }
    }
}

impl Holders for Roster {
    fn stage(&self, stage: u16) -> Option<usize> {
        self.stages().get(usize::from(stage)).map(|stage| stage.node)
    }

    fn behind(&self, stage: u16) -> Option<usize> {
        let dispatcher = self.roles.iter().position(|role| *role == Role::Dispatcher)?;
        self.plan.as_ref()?.behind(usize::from(stage), dispatcher)
    }

    fn spare(&self) -> Option<usize> {
        let worker = |node: &usize| self.roles[*node] == Role::Worker;
        let free = |node: &usize| !self.down.contains(node) && self.stages().iter().all(|stage| stage.node != *node);
        (0..self.roles.len()).filter(worker).find(free)
    }
}
