//! What breaks, as it is written.

use crate::scenario::parse::leaf::{Flag, List, Text, Whole};
use crate::scenario::parse::macros::{kinds, table};
use crate::scenario::parse::quantity::{Period, Time};
use crate::scenario::parse::shape::ShapeKeys;
use crate::scenario::parse::target::{NodeAim, PairAim};

kinds! {
    /// What breaks.
    pub enum Fault as "[[fault]]\nkind = \"kill\", at = \"10 s\", target = \"random\"" {
        /// A node's process is ended at once (SIGKILL); with `for`, it is started again afterwards.
        "kill" => Kill(Kill),
        /// A node's process is frozen; with `for`, it is thawed afterwards.
        "pause" => Pause(Pause),
        /// Nothing passes a link (or between a pair of nodes on a medium), either way.
        "down" => Down(Down),
        /// What one node sends to another vanishes, however it is routed.
        "blackhole" => Blackhole(Blackhole),
        /// A link (or a pair of nodes on a medium) gets other values; those not given stay.
        "degrade" => Degrade(Degrade),
        /// Groups of nodes stop hearing each other.
        "partition" => Partition(Partition),
    }
}

table! {
    /// When.
    pub struct Timing as "" {
        /// When, counted from the moment load begins.
        at: Required<Time>,
        /// How long until it is healed; never when not given.
        lasting as "for": Optional<Period>,
        /// Again and again, so long after the last time, until the end. What is drawn by lot is drawn anew.
        every: Optional<Period>,
        /// With `every`: how often in all.
        times: Optional<Whole<1, 1000>>,
    }
}

table! {
    /// A node's process is ended.
    pub struct Kill as "" {
        /// Whose: a name, `"stage:1"` for whoever holds that stage then (the first is 0), `"spare"` for
        /// a worker that holds none, `"random"`, or `{ random = 2, of = "workers" }` for several.
        target: Required<NodeAim>,
        ..timing: Timing,
    }
}

table! {
    /// A node's process is frozen.
    pub struct Pause as "" {
        /// Whose: a name, `"stage:1"` for whoever holds that stage then (the first is 0), `"spare"` for
        /// a worker that holds none, `"random"`, or `{ random = 2, of = "workers" }` for several.
        target: Required<NodeAim>,
        ..timing: Timing,
    }
}

table! {
    /// Nothing passes a link.
    pub struct Down as "" {
        /// Which: `["n03", "n07"]`, `"after-stage:1"` for the way from whoever holds that stage then
        /// to the next, `"random"`, or `{ random = 2, of = "workers" }` for several. On links, the two
        /// must be neighbours.
        target: Required<PairAim>,
        ..timing: Timing,
    }
}

table! {
    /// What one node sends to another vanishes.
    pub struct Blackhole as "" {
        /// From which to which: `["n03", "n07"]`, `"after-stage:1"` for the way from whoever holds
        /// that stage then to the next, `"random"`, or `{ random = 2, of = "workers" }` for several.
        target: Required<PairAim>,
        /// Also the other way.
        both: Optional<Flag> = true,
        ..timing: Timing,
    }
}

table! {
    /// A link gets other values.
    pub struct Degrade as "" {
        /// Which: `["n03", "n07"]`, `"after-stage:1"` for the way from whoever holds that stage then
        /// to the next, `"random"`, or `{ random = 2, of = "workers" }` for several. On links, the two
        /// must be neighbours.
        target: Required<PairAim>,
        /// Also the other way.
        both: Optional<Flag> = true,
        ..timing: Timing,
        ..shape: ShapeKeys,
    }
}

table! {
    /// Groups of nodes stop hearing each other.
    pub struct Partition as "" {
        /// The groups: lists of names, of which one may be `["*"]` for all nodes that are in no other.
        /// A node in no group still hears everybody.
        groups: Required<List<List<Text>>>,
        ..timing: Timing,
    }
}
