//! What connects the nodes, as it is written.

use crate::scenario::network::Airtime;
use crate::scenario::parse::choice::Choice;
use crate::scenario::parse::leaf::{List, NodeName, Tables, Text, Whole};
use crate::scenario::parse::macros::{kinds, table};
use crate::scenario::parse::quantity::{Frequency, Length, RateLimit};
use crate::scenario::parse::shape::{Impairments, ShapeKeys};

/// Number of nodes: a client, a dispatcher, and at least one worker.
pub type NodeCount = Whole<2, 1000>;

kinds! {
    /// What connects the nodes.
    pub enum Topology as "{ kind = \"wifi\", nodes = 20 }" {
        /// SEIFER's square: nodes at random places of a square, one medium, and a rate for each pair
        /// that falls with their distance.
        "wifi" => Wifi(Wifi),
        /// One medium on which every node hears every other, all pairs alike.
        "mesh" => Mesh(Mesh),
        /// A switch named `hub` in the middle, and a link from each node to it.
        "star" => Star(Star),
        /// Each node has a link to the next; those in between forward.
        "line" => Line(Line),
        /// A line whose last node has a link to the first.
        "ring" => Ring(Ring),
        /// Nodes at the leaves, switches `s0` (the root), `s1`, … above them.
        "tree" => Tree(Tree),
        /// Nodes, switches and links as listed in `[[node]]`, `[[switch]]` and `[[link]]`. The keys
        /// here are what links have when they don't say otherwise.
        "graph" => Graph(Graph),
        /// One medium with the rate of each pair read from a CSV file: row `i`, value `j` is what node
        /// `i` can send to node `j`, in Mbit/s; `-` where nothing arrives. `#` begins a comment.
        "matrix" => Matrix(Matrix),
        /// One medium whose nodes fall into classes, with a rate for each pair of classes: `[[topology.class]]`
        /// and `[[topology.pair]]`.
        "classes" => Classes(Classes),
    }
}

table! {
    /// Whose the rates of a medium are.
    pub struct Air as "" {
        /// Whether each pair has its rate for itself (`independent`), or all pairs share the airtime:
        /// while one node sends, no other can (`shared`). Only links in software share it.
        airtime: Optional<Choice<Airtime>> = "independent",
    }
}

table! {
    /// SEIFER's square.
    pub struct Wifi as "" {
        /// How many nodes; they are named `n00`, `n01`, …
        nodes: Required<NodeCount>,
        /// Side of the square.
        side: Optional<Length> = "150 m",
        /// Width of the channel: a pair `d` metres apart has log2(1 + 283230 / d²) Mbit/s for each MHz.
        channel: Optional<Frequency> = "1 MHz",
        ..air: Air,
        ..shape: Impairments,
    }
}

table! {
    /// One medium, all pairs alike.
    pub struct Mesh as "" {
        /// How many nodes; they are named `n00`, `n01`, …
        nodes: Required<NodeCount>,
        ..air: Air,
        ..shape: ShapeKeys,
    }
}

table! {
    /// A switch in the middle.
    pub struct Star as "" {
        /// How many nodes; they are named `n00`, `n01`, …
        nodes: Required<NodeCount>,
        /// What is different from a node towards the hub.
        up: Optional<ShapeKeys>,
        /// What is different from the hub towards a node.
        down: Optional<ShapeKeys>,
        ..shape: ShapeKeys,
    }
}

table! {
    /// Nodes one behind the other.
    pub struct Line as "" {
        /// How many nodes; they are named `n00`, `n01`, …
        nodes: Required<NodeCount>,
        ..shape: ShapeKeys,
    }
}

table! {
    /// Nodes in a circle.
    pub struct Ring as "" {
        /// How many nodes; they are named `n00`, `n01`, …
        nodes: Required<NodeCount>,
        ..shape: ShapeKeys,
    }
}

table! {
    /// Nodes below switches.
    pub struct Tree as "" {
        /// How many nodes; they are named `n00`, `n01`, …
        nodes: Required<NodeCount>,
        /// How many nodes or switches there are below a switch at most.
        fanout: Optional<Whole<2, 100>> = 4,
        /// What is different towards the root.
        up: Optional<ShapeKeys>,
        /// What is different away from the root.
        down: Optional<ShapeKeys>,
        ..shape: ShapeKeys,
    }
}

table! {
    /// Nodes, switches and links as listed.
    pub struct Graph as "" {
        ..shape: ShapeKeys,
    }
}

table! {
    /// Rates from a file.
    pub struct Matrix as "" {
        /// The CSV file, relative to the scenario's file; it has as many rows and columns as there are nodes.
        path: Required<Text>,
        ..air: Air,
        ..shape: Impairments,
    }
}

table! {
    /// Nodes in classes.
    pub struct Classes as "" {
        /// The classes.
        class: Required<Tables<Class>>,
        /// The rates between them: one for each pair of classes, and for each class of several nodes and itself.
        pair: Required<Tables<ClassPair>>,
        ..air: Air,
        ..shape: Impairments,
    }
}

table! {
    /// Nodes that are alike.
    pub struct Class as "[[topology.class]]\nname = \"pi\"\nnodes = 6" {
        /// Its name; its nodes are named `NAME-1`, `NAME-2`, …
        name: Required<NodeName>,
        /// How many nodes it has.
        nodes: Required<Whole<1, 500>>,
    }
}

table! {
    /// What nodes of one class can send to nodes of another, or of the same.
    pub struct ClassPair as "[[topology.pair]]\nfrom = \"pi\"\nto = \"server\"\nrate = \"20 Mbit/s\"" {
        /// One class.
        from: Required<Text>,
        /// The other, or the same.
        to: Required<Text>,
        /// Rate from each node of the first to each of the other, or `"unlimited"`.
        rate: Required<RateLimit>,
        /// Rate the other way; the same when not given.
        back: Optional<RateLimit>,
    }
}

table! {
    /// A host of a `graph` that only forwards.
    pub struct Switch as "[[switch]]\nname = \"hall\"" {
        /// Its name.
        name: Required<NodeName>,
    }
}

table! {
    /// A link of a `graph`. What it doesn't say, `[topology]` does.
    pub struct Link as "[[link]]\nends = [\"a\", \"b\"]" {
        /// The two nodes or switches that it joins.
        ends: Required<List<Text>>,
        /// What is different from the first end to the second.
        a_to_b: Optional<ShapeKeys>,
        /// What is different from the second end to the first.
        b_to_a: Optional<ShapeKeys>,
        ..shape: ShapeKeys,
    }
}
