//! Faults of what is between nodes, as they are written.

use super::Timing;
use crate::scenario::parse::choice::{Choice, Split};
use crate::scenario::parse::leaf::{Flag, List, Text, Whole};
use crate::scenario::parse::macros::table;
use crate::scenario::parse::quantity::{Period, Share};
use crate::scenario::parse::shape::ShapeKeys;
use crate::scenario::parse::target::PairAim;

table! {
    /// Something happens to a link.
    pub struct OfLink as "" {
        /// Which: `["n03", "n07"]`, `"after-stage:1"` for the way from whoever holds that stage then
        /// to the next, `"random"`, or `{ random = 2, of = "workers" }` for several. On links, the two
        /// must be neighbours.
        target: Required<PairAim>,
        ..timing: Timing,
    }
}

table! {
    /// A link is down and up in turn.
    pub struct Flap as "" {
        /// Which: `["n03", "n07"]`, `"after-stage:1"` for the way from whoever holds that stage then
        /// to the next, `"random"`, or `{ random = 2, of = "workers" }` for several. On links, the two
        /// must be neighbours.
        target: Required<PairAim>,
        /// How long once down and once up takes.
        period: Required<Period>,
        /// For what share of that it is down.
        duty: Optional<Share> = 0.5,
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
    /// Packets are lost in bursts.
    pub struct LossBurst as "" {
        /// Which: `["n03", "n07"]`, `"after-stage:1"` for the way from whoever holds that stage then
        /// to the next, `"random"`, or `{ random = 2, of = "workers" }` for several. On links, the two
        /// must be neighbours.
        target: Required<PairAim>,
        /// Share of all packets that is lost.
        loss: Required<Share>,
        /// How many packets are lost in a row, on average.
        length: Optional<Whole<1, 10_000>> = 10,
        /// Also the other way.
        both: Optional<Flag> = true,
        ..timing: Timing,
    }
}

table! {
    /// Packets overtake each other.
    pub struct Reorder as "" {
        /// Which: `["n03", "n07"]`, `"after-stage:1"` for the way from whoever holds that stage then
        /// to the next, `"random"`, or `{ random = 2, of = "workers" }` for several. On links, the two
        /// must be neighbours.
        target: Required<PairAim>,
        /// Share of packets that skip the delay.
        share: Required<Share>,
        /// The delay meanwhile; needed where the link has none.
        delay: Optional<Period>,
        /// Also the other way.
        both: Optional<Flag> = true,
        ..timing: Timing,
    }
}

table! {
    /// Something happens to some packets.
    pub struct Spoilt as "" {
        /// Which: `["n03", "n07"]`, `"after-stage:1"` for the way from whoever holds that stage then
        /// to the next, `"random"`, or `{ random = 2, of = "workers" }` for several. On links, the two
        /// must be neighbours.
        target: Required<PairAim>,
        /// Share of packets to which it happens.
        share: Required<Share>,
        /// Also the other way.
        both: Optional<Flag> = true,
        ..timing: Timing,
    }
}

table! {
    /// The rate follows a recorded one.
    pub struct Trace as "" {
        /// Which: `["n03", "n07"]`, `"after-stage:1"` for the way from whoever holds that stage then
        /// to the next, `"random"`, or `{ random = 2, of = "workers" }` for several. On links, the two
        /// must be neighbours.
        target: Required<PairAim>,
        /// The record: a mahimahi trace (each line the millisecond at which a packet could leave; it begins
        /// anew when it is over), or a CSV of `seconds,rate` (the last rate stays). Relative to the scenario's file.
        file: Optional<Text>,
        /// The record itself, instead of a file: the lines of a CSV with `;` between them, `"0,10 Mbit/s; 1.5,0; 2,4 Mbit/s"`.
        rates: Optional<Text>,
        /// Also the other way.
        both: Optional<Flag> = true,
        ..timing: Timing,
    }
}

table! {
    /// Groups of nodes stop hearing each other.
    pub struct Partition as "" {
        /// The groups: lists of names, of which one may be `["*"]` for all nodes that are in no other.
        /// A node in no group still hears everybody.
        groups: Optional<List<List<Text>>>,
        /// Instead of `groups`, groups drawn by lot. `"majority"`: fewer than half of the workers are cut off from all
        /// other nodes. `"bridge"`: half of the workers is, but for one worker that hears and is heard by everybody.
        split: Optional<Choice<Split>>,
        /// Only the first group is not heard by the others; it still hears them. Of a `split`, those that are cut
        /// off are the first group.
        one_way: Optional<Flag> = false,
        ..timing: Timing,
    }
}
