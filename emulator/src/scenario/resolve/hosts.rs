//! The hosts of a scenario and their names.

use std::collections::BTreeMap;

use super::mistake::Mistake;
use crate::scenario::Role;
use crate::scenario::error::Problem;
use crate::scenario::parse::mistake::nearest;
use crate::scenario::parse::reader::At;
use crate::scenario::source::Place;

/// Nodes, then switches, by name.
#[derive(Debug, Default)]
pub struct Hosts {
    /// All names: those of the nodes first.
    pub names: Vec<String>,
    /// How many of them are nodes.
    pub nodes: usize,
    /// What each node does.
    pub roles: Vec<Role>,
    /// Whether programs of others run on them.
    pub of_commands: bool,
    index: BTreeMap<String, usize>,
    /// Whether some host is missing because its description is wrong: names can't be checked then.
    incomplete: bool,
}

impl Hosts {
    /// Hosts with these names; of equal names the first counts.
    pub fn new(nodes: Vec<String>, switches: &[String], incomplete: bool) -> Hosts {
        let count = nodes.len();
        let names: Vec<String> = nodes.into_iter().chain(switches.iter().cloned()).collect();
        let mut index = BTreeMap::new();
        for (host, name) in names.iter().enumerate() {
            index.entry(name.clone()).or_insert(host);
        }
        Hosts { names, nodes: count, roles: vec![Role::Worker; count], of_commands: false, index, incomplete }
    }

    /// `count` names: n00, n01, …
    pub fn numbered(count: usize) -> Vec<String> {
        let width = count.saturating_sub(1).to_string().len().max(2);
        (0..count).map(|number| format!("n{number:0width$}")).collect()
    }

    /// The host of this name, if there is one.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// The node of this name; one that isn't there is noted.
    pub fn node(&self, name: &At<String>, problems: &mut Vec<Problem>) -> Option<usize> {
        self.look_up(name, "node", self.nodes, problems)
    }

    /// The node or switch of this name; one that isn't there is noted.
    pub fn host(&self, name: &At<String>, problems: &mut Vec<Problem>) -> Option<usize> {
        let what = if self.nodes == self.names.len() { "node" } else { "node or switch" };
        self.look_up(name, what, self.names.len(), problems)
    }

    /// The workers, in order.
    pub fn workers(&self) -> Vec<usize> {
        (0..self.nodes).filter(|node| self.roles[*node] == Role::Worker).collect()
    }

    fn look_up(
        &self,
        name: &At<String>,
        what: &'static str,
        among: usize,
        problems: &mut Vec<Problem>,
    ) -> Option<usize> {
        let found = self.find(&name.value).filter(|host| *host < among);
        if found.is_none() {
            let problem = unknown(what, &name.value, &self.names[..among], name.place);
            // A name close to one that exists is a slip in any case.
            let close = matches!(
                &problem.mistake,
                crate::scenario::error::Mistake::Meaning(Mistake::UnknownName { nearest: Some(_), .. })
            );
            if close || !self.incomplete {
                problems.push(problem);
            }
        }
        found
    }
}

/// A name that none of `known` is.
pub fn unknown(what: &'static str, name: &str, known: &[String], place: Place) -> Problem {
    let nearest = nearest(name, known.iter().map(String::as_str));
    let mistake = Mistake::UnknownName { what, name: name.to_owned(), nearest, known: known.to_vec() };
    Problem::new(mistake.into(), place)
}
