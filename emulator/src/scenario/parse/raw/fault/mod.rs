//! What breaks, as it is written.

mod link;
mod node;

pub use link::{Blackhole, Degrade, Flap, LossBurst, OfLink, Partition, Reorder, Spoilt, Trace};
pub use node::{BitFlip, Clock, Cpu, CrashLoop, Eio, Intermittent, OfNode, Slow, Straggler, Truncate};

use crate::scenario::parse::leaf::{Flag, Whole};
use crate::scenario::parse::macros::{kinds, table};
use crate::scenario::parse::quantity::{Period, Time};

kinds! {
    /// What breaks.
    pub enum Fault as "[[fault]]\nkind = \"kill\", at = \"10 s\", target = \"random\"" {
        /// A node's process is ended at once (SIGKILL); with `for`, it is started again afterwards.
        "kill" => Kill(OfNode),
        /// A node's process is ended at once (SIGKILL) and started again as soon as it has ended, or after `for`.
        "restart" => Restart(OfNode),
        /// A node's process is frozen; with `for`, it is thawed afterwards.
        "pause" => Pause(OfNode),
        /// A node's process is ended, started again, ended again, and so on; with `for`, it is started for good
        /// afterwards.
        "crash-loop" => CrashLoop(CrashLoop),
        /// A node is started again with a clock that is ahead; with `for`, once more with the right one afterwards. Needs time
        /// namespaces.
        "clock" => Clock(Clock),
        /// A node's memory is taken away until the kernel ends its process; with `for`, it gets it back and is started
        /// again afterwards. Needs memory limits (control groups).
        "oom" => Oom(OfNode),
        /// A node's process gets less of the processors of this host. Needs CPU limits (control groups).
        "cpu" => Cpu(Cpu),
        /// A node's device computes slower than it does; everything else of it is as fast as before.
        "straggler" => Straggler(Straggler),
        /// A node is off and on in turn, as one that lives on what it harvests; off first.
        "intermittent" => Intermittent(Intermittent),
        /// Nothing more fits into a node's state folder.
        "disk-full" => DiskFull(OfNode),
        /// Nothing in a node's state folder can be changed.
        "read-only" => ReadOnly(OfNode),
        /// A node's disk is slow: everything that is read, written or synced in its state folder takes longer. Needs FUSE.
        "slow" => Slow(Slow),
        /// Some of what is read, written or synced in a node's state folder fails (EIO). Needs FUSE.
        "eio" => Eio(Eio),
        /// One bit of a file that a node has stored is flipped. Nothing heals that.
        "bit-flip" => BitFlip(BitFlip),
        /// The end of a file that a node has stored is cut off. Nothing heals that.
        "truncate" => Truncate(Truncate),
        /// Nothing passes a link (or between a pair of nodes on a medium), either way.
        "down" => Down(OfLink),
        /// A link (or a pair of nodes on a medium) is down and up in turn; down first.
        "flap" => Flap(Flap),
        /// What one node sends to another vanishes, however it is routed.
        "blackhole" => Blackhole(Blackhole),
        /// Groups of nodes stop hearing each other.
        "partition" => Partition(Partition),
        /// A link (or a pair of nodes on a medium) gets other values; those not given stay.
        "degrade" => Degrade(Degrade),
        /// Packets are lost in bursts on a link (or between a pair of nodes on a medium).
        "loss-burst" => LossBurst(LossBurst),
        /// Packets overtake each other on a link (or between a pair of nodes on a medium).
        "reorder" => Reorder(Reorder),
        /// Packets arrive twice over a link (or between a pair of nodes on a medium).
        "duplicate" => Duplicate(Spoilt),
        /// Packets arrive with one bit flipped over a link (or between a pair of nodes on a medium).
        "corrupt" => Corrupt(Spoilt),
        /// The rate of a link (or of a pair of nodes on a medium) follows a recorded one.
        "trace" => Trace(Trace),
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
        /// Whether it is left out, with a warning, on a host that can't fire it; otherwise that host refuses the scenario.
        optional: Optional<Flag> = false,
    }
}
