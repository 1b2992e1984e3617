//! `{{…}}` in command lines: what is known only when the network is there.
//!
//! | written | means |
//! |---|---|
//! | `{{name}}` | the name of the node on which the command runs |
//! | `{{address}}` | its address |
//! | `{{state}}` | its state folder, in which the command is started |
//! | `{{scenario}}` | the folder of the scenario's file |
//! | `{{NODE.address}}` | the address of the node with that name |
//! | `{{number}}` | in probes: the number of the attempt |

use std::net::IpAddr;
use std::path::Path;

/// What a template may name besides nodes' addresses.
pub const NAMES: [&str; 4] = ["name", "address", "state", "scenario"];
/// What a probe's may name besides.
pub const NUMBER: &str = "number";
/// What is behind a node's name.
const ADDRESS: &str = ".address";

/// The names in a text: each with its braces, and without.
pub fn names(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let begin = rest.find("{{")?;
        let length = rest[begin..].find("}}")? + 2;
        let whole = &rest[begin..begin + length];
        rest = &rest[begin + length..];
        Some((whole, whole[2..whole.len() - 2].trim()))
    })
}

/// The node whose address a name means.
pub fn node(name: &str) -> Option<&str> {
    name.strip_suffix(ADDRESS)
}

/// How a node's address is written.
pub fn address_of(node: &str) -> String {
    format!("{node}{ADDRESS}")
}

/// What the names of one node's templates mean.
pub struct Meaning<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its address.
    pub address: IpAddr,
    /// Its state folder.
    pub state: &'a Path,
    /// The scenario's folder.
    pub scenario: &'a Path,
    /// The address of a node by name.
    pub address_of: &'a dyn Fn(&str) -> Option<IpAddr>,
}

impl Meaning<'_> {
    /// A text with every name that means something replaced.
    pub fn fill(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        for (whole, name) in names(text) {
            let (before, behind) = rest.split_once(whole).unwrap_or((rest, ""));
            filled += before;
            filled += &self.of(name).unwrap_or_else(|| whole.to_owned());
            rest = behind;
        }
        filled + rest
    }

    fn of(&self, name: &str) -> Option<String> {
        match name {
            "name" => Some(self.name.to_owned()),
            "address" => Some(self.address.to_string()),
            "state" => Some(self.state.display().to_string()),
            "scenario" => Some(self.scenario.display().to_string()),
            // Each attempt has its own.
            NUMBER => Some(node::foreign::config::NUMBER.to_owned()),
            name => node(name).and_then(self.address_of).map(|address| address.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fill(text: &str) -> String {
        let address_of = |name: &str| (name == "n01").then(|| IpAddr::from([10, 0, 0, 2]));
        let meaning = Meaning {
            name: "n00",
            address: IpAddr::from([10, 0, 0, 1]),
            state: Path::new("/run/state"),
            scenario: Path::new("/home/me"),
            address_of: &address_of,
        };
        meaning.fill(text)
    }

    #[test]
    fn names_are_replaced_and_all_else_stays() {
        assert_eq!(fill("http://{{address}}:80/{{ name }}?{{n01.address}}"), "http://10.0.0.1:80/n00?10.0.0.2");
        assert_eq!(fill("{{state}} {{scenario}} {{ number }}"), "/run/state /home/me {{number}}");
        assert_eq!(fill("awk '{print $1}' {{n09.address}} {{"), "awk '{print $1}' {{n09.address}} {{");
    }

    proptest! {
        #[test]
        fn a_text_without_names_is_left_as_it_is(text in "[a-z{} }\\n]{0,40}") {
            prop_assume!(names(&text).count() == 0);
            prop_assert_eq!(fill(&text), text);
        }
    }
}
