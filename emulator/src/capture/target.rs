//! What is to be captured, as the command line names it.

use crate::scenario::Scenario;

/// A host, or one end of a link (or of a pair on a medium).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The host at whose interfaces it is captured.
    pub host: usize,
    /// The host at the other end; `None`: whatever passes any interface.
    pub peer: Option<usize>,
    /// `n03` or `n01-n02`: what the file is called, without its ending.
    pub name: String,
}

/// There is no such place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoTarget {
    /// Neither a host nor two.
    #[error("--pcap {asked}: there is no such node or link; there are {}, and links are written n01-n02", known.join(", "))]
    Unknown {
        /// What was asked for.
        asked: String,
        /// The hosts there are.
        known: Vec<String>,
    },
    /// Two hosts that nothing joins.
    #[error("--pcap {asked}: {a} and {b} have no link or medium in common; {a} has one with {}", neighbours.join(", "))]
    Apart {
        /// What was asked for.
        asked: String,
        /// The host at whose end it was to be.
        a: String,
        /// The other one.
        b: String,
        /// Those with which it would do.
        neighbours: Vec<String>,
    },
}

impl Target {
    /// All that are asked for, each once.
    ///
    /// # Errors
    /// The first that there is not.
    pub fn find_all(asked: &[String], scenario: &Scenario) -> Result<Vec<Target>, NoTarget> {
        let mut targets = Vec::new();
        for asked in asked {
            let target = Target::find(asked, scenario)?;
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        Ok(targets)
    }

    fn find(asked: &str, scenario: &Scenario) -> Result<Target, NoTarget> {
        let names = scenario.host_names();
        let host = |name: &str| names.iter().position(|known| known == name);
        let name = asked.to_owned();
        if let Some(host) = host(asked) {
            return Ok(Target { host, peer: None, name });
        }
        // Names may have dashes of their own.
        let split = asked.match_indices('-').filter_map(|(at, _)| Some((host(&asked[..at])?, host(&asked[at + 1..])?)));
        let pairs: Vec<(usize, usize)> = split.filter(|(a, b)| a != b).collect();
        let joined = |(a, b): (usize, usize)| scenario.network.neighbours(a).contains(&b);
        if let Some(&(host, peer)) = pairs.iter().find(|pair| joined(**pair)) {
            return Ok(Target { host, peer: Some(peer), name });
        }
        Err(match pairs.first() {
            None => NoTarget::Unknown { asked: name, known: names },
            Some(&(a, b)) => {
                let neighbours = scenario.network.neighbours(a).into_iter().map(|host| names[host].clone()).collect();
                NoTarget::Apart { asked: name, a: names[a].clone(), b: names[b].clone(), neighbours }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::network::{Link, Network, Shape};

    /// Links a – a-b – b – c.
    fn scenario() -> Scenario {
        let mut scenario = crate::record::fixture::crashes().scenario;
        let template = scenario.nodes[0].clone();
        let named = |name: &str| crate::scenario::NodeSpec { name: name.to_owned(), ..template.clone() };
        scenario.nodes = ["a", "a-b", "b"].map(named).to_vec();
        let link = |a, b| Link { a, b, a_to_b: Shape::default(), b_to_a: Shape::default() };
        let links = vec![link(0, 1), link(1, 2), link(2, 3)];
        scenario.network = Network { nodes: 3, switches: vec!["c".to_owned()], links, ..Network::default() };
        scenario
    }

    #[test]
    fn a_node_a_switch_and_either_end_of_a_link_are_found_and_named_once() {
        let asked = ["a-b", "c", "b-c", "c-b", "c"].map(str::to_owned);
        let found = Target::find_all(&asked, &scenario()).unwrap();
        let found: Vec<_> = found.iter().map(|target| (&*target.name, target.host, target.peer)).collect();
        assert_eq!(found, [("a-b", 1, None), ("c", 3, None), ("b-c", 2, Some(3)), ("c-b", 3, Some(2))]);
    }

    #[test]
    fn dashes_in_names_are_no_trouble_where_only_one_reading_is_a_link() {
        let find = |asked: &str| Target::find(asked, &scenario()).map(|target| (target.host, target.peer));
        assert_eq!(find("a-a-b"), Ok((0, Some(1))));
        assert_eq!(find("a-b-b"), Ok((1, Some(2))));
    }

    #[test]
    fn what_is_not_there_is_told_with_what_is() {
        let told = |asked: &str| Target::find(asked, &scenario()).unwrap_err().to_string();
        for unknown in ["d", "a-d", "a-a", "-", "", "a→b"] {
            assert!(told(unknown).contains("there are a, a-b, b, c"), "{}", told(unknown));
        }
        assert!(told("b-a").contains("b has one with a-b, c"), "{}", told("b-a"));
    }
}
