//! Faults of nodes, as they are written.

use super::Timing;
use crate::sandbox::layer::Access;
use crate::scenario::parse::choice::Choice;
use crate::scenario::parse::leaf::{Cores, List, Real, Slowdown, Text, Whole};
use crate::scenario::parse::macros::table;
use crate::scenario::parse::quantity::{Period, RateLimit, Share, Time};
use crate::scenario::parse::target::NodeAim;

table! {
    /// Something happens to a node.
    pub struct OfNode as "" {
        /// Whose: a name, `"stage:1"` for whoever holds that stage then (the first is 0), `"spare"` for
        /// a worker that holds none, `"random"`, or `{ random = 2, of = "workers" }` for several.
        target: Required<NodeAim>,
        ..timing: Timing,
    }
}

table! {
    /// A node's process dies again and again.
    pub struct CrashLoop as "" {
        /// Whose: a name, `"stage:1"` for whoever holds that stage then (the first is 0), `"spare"` for
        /// a worker that holds none, `"random"`, or `{ random = 2, of = "workers" }` for several.
        target: Required<NodeAim>,
        /// How long it lives each time, counted from when it is started.
        up: Optional<Period> = "500 ms",
        /// How long it is gone each time.
        down: Optional<Period> = "1 s",
        ..timing: Timing,
    }
}

table! {
    /// A node's clock is ahead.
    pub struct Clock as "" {
        /// Whose: a name, `"stage:1"` for whoever holds that stage then (the first is 0), `"spare"` for
        /// a worker that holds none, `"random"`, or `{ random = 2, of = "workers" }` for several.
        target: Required<NodeAim>,
        /// By how much.
        ahead: Optional<Period> = "1 h",
        ..timing: Timing,
    }
}

table! {
    /// A node's process gets less of the processors.
    pub struct Cpu as "" {
        /// Whose: a name, `"stage:1"` for whoever holds that stage then (the first is 0), `"spare"` for
        /// a worker that holds none, `"random"`, or `{ random = 2, of = "workers" }` for several.
        target: Required<NodeAim>,
        /// Cores of this host that it may use at most (0.5 is half a core).
        cores: Required<Real<Cores>>,
        /// How long it takes to get there, little by little; at once when not given.
        over: Optional<Period>,
        /// With `over`: how many cores it begins with.
        from: Optional<Real<Cores>> = 1.0,
        ..timing: Timing,
    }
}

table! {
    /// A node computes slower.
    pub struct Straggler as "" {
        /// Whose: a name, `"stage:1"` for whoever holds that stage then (the first is 0), `"spare"` for
        /// a worker that holds none, `"random"`, or `{ random = 2, of = "workers" }` for several.
        target: Required<NodeAim>,
        /// How many times slower than it does (its `slowdown` included).
        factor: Required<Real<Slowdown>>,
        /// How long it takes to get there, little by little; at once when not given.
        over: Optional<Period>,
        ..timing: Timing,
    }
}

table! {
    /// A node is off and on in turn.
    pub struct Intermittent as "" {
        /// Whose: a name, `"stage:1"` for whoever holds that stage then (the first is 0), `"spare"` for
        /// a worker that holds none, `"random"`, or `{ random = 2, of = "workers" }` for several.
        target: Required<NodeAim>,
        /// How long it is on each time.
        on: Required<Period>,
        /// How long it is off each time.
        off: Required<Period>,
        /// By what share of themselves these vary at most, up and down.
        jitter: Optional<Share> = 0.0,
        ..timing: Timing,
    }
}

table! {
    /// A node's disk is slow.
    pub struct Slow as "" {
        /// Whose: a name, `"stage:1"` for whoever holds that stage then (the first is 0), `"spare"` for
        /// a worker that holds none, `"random"`, or `{ random = 2, of = "workers" }` for several.
        target: Required<NodeAim>,
        /// How long each read, write and sync takes at least. One moves 128 KiB at most.
        delay: Optional<Time> = "0 s",
        /// How fast bytes are read and written.
        rate: Optional<RateLimit>,
        ..timing: Timing,
    }
}

table! {
    /// A node's disk fails now and then.
    pub struct Eio as "" {
        /// Whose: a name, `"stage:1"` for whoever holds that stage then (the first is 0), `"spare"` for
        /// a worker that holds none, `"random"`, or `{ random = 2, of = "workers" }` for several.
        target: Required<NodeAim>,
        /// The share of operations that fail.
        share: Optional<Share> = 1.0,
        /// Of these; of all three when not given.
        operations: Optional<List<Choice<Access>>>,
        /// Says which ones fail; drawn from the scenario's seed when not given.
        seed: Optional<Whole<0, { u64::MAX }>>,
        ..timing: Timing,
    }
}

table! {
    /// One bit of a stored file is flipped.
    pub struct BitFlip as "" {
        /// Whose: a name, `"stage:1"` for whoever holds that stage then (the first is 0), `"spare"` for
        /// a worker that holds none, `"random"`, or `{ random = 2, of = "workers" }` for several.
        target: Required<NodeAim>,
        /// The file's name in the node's state folder; the largest when not given.
        file: Optional<Text>,
        /// Says which bit; drawn from the scenario's seed when not given.
        seed: Optional<Whole<0, { u64::MAX }>>,
        ..timing: Timing,
    }
}

table! {
    /// The end of a stored file is cut off.
    pub struct Truncate as "" {
        /// Whose: a name, `"stage:1"` for whoever holds that stage then (the first is 0), `"spare"` for
        /// a worker that holds none, `"random"`, or `{ random = 2, of = "workers" }` for several.
        target: Required<NodeAim>,
        /// The file's name in the node's state folder; the largest when not given.
        file: Optional<Text>,
        /// The share of it that is left.
        keep: Optional<Share> = 0.5,
        ..timing: Timing,
    }
}
