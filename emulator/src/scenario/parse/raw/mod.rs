//! A scenario as it is written, each value with its place. The doc comments here are what users read:
//! in their editor (through the schema) and in the table of keys of `docs/scenario.md`.

mod chaos;
mod fault;
mod node;
mod topology;
mod workload;

pub use chaos::Chaos;
pub use fault::{
    BitFlip, Blackhole, Cpu, CrashLoop, Degrade, Eio, Fault, Flap, Intermittent, LossBurst, OfLink, OfNode, Partition,
    Reorder, Slow, Spoilt, Straggler, Timing, Trace, Truncate,
};
pub use node::{ListedNode, NodeKeys, Nodes};
pub use topology::{
    Air, Class, ClassPair, Classes, Graph, Line, Link, Matrix, Mesh, NodeCount, Ring, Star, Switch, Topology, Tree,
    Wifi,
};
pub use workload::{CommandLine, OfCommands, OfModel, Pace, Probe, Ready, Workload};

use super::choice::{Aim, Choice, ReplicaCount, SlowFrom, SpareCount};
use super::leaf::{Flag, List, ScenarioName, Tables, Text, Whole};
use super::macros::{kinds, table};
use super::quantity::{PerSecond, Period, Share, Size, Time};
use crate::scenario::{Grade, Store};
use ::node::config::{Arrival, Bandwidth, Deploy};
use planner::codec::Codec;
use planner::strategy::StrategyKind;

table! {
    /// A scenario of `emu`: a cluster, a model spread over it, a load, and what goes wrong meanwhile.
    pub struct Scenario as "" {
        /// Short name; results land in a folder of this name.
        name: Required<ScenarioName>,
        /// The story, for people.
        description: Optional<Text> = "",
        /// Seed of everything random: places, targets of faults, arrivals, inputs, lost packets. The
        /// same seed gives the same run. `--seed` replaces it.
        seed: Optional<Whole<0, { u64::MAX }>> = 1,
        /// How long load is offered, warm-up included.
        duration: Required<Period>,
        /// How long at the start nothing counts towards throughput and latency. A run as short as the
        /// default has a warm-up of a tenth of its length instead.
        warmup: Optional<Time> = "2 s",
        /// How long after the end outstanding requests are waited for.
        drain: Optional<Period> = "10 s",
        /// What runs on the nodes: a model spread over them, when not given.
        workload: Optional<Workload>,
        /// What is computed. **Required** for a model.
        model: Optional<Model>,
        /// What connects the nodes, and (but for a `graph`) how many there are.
        topology: Required<Topology>,
        /// What the nodes are: `[node]` for all of them, `[node.NAME]` for one, `[node.client]`,
        /// `[node.dispatcher]` and `[node.worker]` for all of a role; or `[[node]]`, once for each, in a `graph`.
        node: Optional<Nodes>,
        /// Hosts of a `graph` that only forward.
        switch: Optional<Tables<Switch>>,
        /// Links of a `graph`.
        link: Optional<Tables<Link>>,
        /// How the model is spread over the workers, and how a dead one is noticed.
        plan: Optional<Plan>,
        /// What load is offered; four requests at a time when not given.
        load: Optional<Load>,
        /// What is measured of programs of others, once for each.
        probe: Optional<Tables<Probe>>,
        /// What breaks, once for each.
        fault: Optional<Tables<Fault>>,
        /// What breaks besides, drawn by lot.
        chaos: Optional<Chaos>,
        /// What must hold for exit code 0, besides what must hold in every run: see docs/chaos.md.
        expect: Optional<Expect>,
    }
}

table! {
    /// What is computed: a model of the zoo by its `name`, or an ONNX file by its `path`.
    pub struct Model as "{ name = \"resnet50\" }" {
        /// A model of the zoo.
        name: Optional<Text>,
        /// An ONNX file, relative to the scenario's file.
        path: Optional<Text>,
        /// The shape of the file's input, such as `[1, 3, 48, 320]`, where the file leaves more open than the batch.
        shape: Optional<List<Whole<1, 1000000>>>,
        /// How tensors are encoded between stages. `f16` and `u8+lz4` lose precision, the others don't.
        codec: Optional<Choice<Codec>> = "raw",
        /// How segments reach the workers: each has the model file in its storage (`local`), or the
        /// dispatcher sends them over the emulated network (`network`).
        deploy: Optional<Choice<Deploy>> = "local",
        /// Where workers read the model file from: all from one file of this host (`host`), or each from a copy in its
        /// own state folder (`node`), where faults of storage reach it. Takes memory of this host, once for each worker.
        store: Optional<Choice<Store>> = "host",
    }
}

table! {
    /// How the model is spread over the workers, and how a dead one is noticed.
    pub struct Plan as "{ strategy = \"optimal\" }" {
        /// How plans are found.
        strategy: Optional<Choice<StrategyKind>> = "optimal",
        /// How the dispatcher knows the rates and delays between nodes: it is told those of `[topology]`
        /// (`configured`), or has every pair measured over the emulated network before the first plan (`probed`).
        bandwidth: Optional<Choice<Bandwidth>> = "configured",
        /// What is to be best: requests per second, the time of a request, joules of an inference, or how few nodes are used.
        objective: Optional<Choice<Aim>> = "throughput",
        /// The rate that a plan must sustain where something else than the throughput is to be best.
        floor: Optional<PerSecond>,
        /// How many chains may share the requests: a number, or `"auto"` for as many as help.
        replicas: Optional<ReplicaCount> = 1,
        /// How many segments are loaded beside the stages, on nodes with room for them, so that a lost node's stage goes on
        /// elsewhere without loading: a number, or `"auto"` for as many as fit.
        spares: Optional<SpareCount> = 0,
        /// Whether answers go out in the order in which the requests were accepted. One that is early is held back.
        order: Optional<Flag> = false,
        /// How often a worker sends a heartbeat.
        heartbeat: Optional<Period> = "200 ms",
        /// How many heartbeats in a row may be missing before a worker is taken for dead.
        missed: Optional<Whole<1, 1000>> = 5,
        /// Most requests inside each chain at once; two for each stage and two more when not given.
        window: Optional<Whole<1, 10000>>,
        /// Most accepted requests that wait in front of the pipeline; beyond it the client is not read from,
        /// or refused while there is no plan.
        queue: Optional<Whole<1, 100000>> = 64,
        /// A stage that takes so many times longer than planned, compared with the others, is taken for slow, and
        /// a better plan is looked for; `"off"` or 0: nobody looks.
        straggler: Optional<SlowFrom> = 2,
    }
}

kinds! {
    /// What load is offered.
    pub enum Load as "{ kind = \"closed\", concurrency = 4 }" {
        /// A fixed number of requests is always outstanding: the next is sent when one completes.
        "closed" => Closed(Closed),
        /// Requests are sent at a rate, whether or not earlier ones have completed.
        "open" => Open(Open),
    }
}

table! {
    /// A fixed number of requests is always outstanding.
    pub struct Closed as "" {
        /// How many.
        concurrency: Optional<Whole<1, 10000>> = 4,
        ..inputs: Inputs,
    }
}

table! {
    /// Requests are sent at a rate.
    pub struct Open as "" {
        /// How many, such as `"20 /s"` or `"90 /min"`.
        rate: Required<PerSecond>,
        /// How they are spaced: evenly (`constant`), or with exponential gaps (`poisson`).
        arrival: Optional<Choice<Arrival>> = "constant",
        ..inputs: Inputs,
    }
}

table! {
    /// What is sent.
    pub struct Inputs as "" {
        /// How many different inputs are used in turn: request `r` carries input `r % inputs`.
        inputs: Optional<Whole<1, 1000>> = 8,
    }
}

table! {
    /// What must hold for exit code 0.
    pub struct Expect as "{ completed = 100 }" {
        /// Completed requests per second, at least.
        throughput: Optional<PerSecond>,
        /// 99th percentile of latency, at most.
        p99: Optional<Period>,
        /// Completed requests, at least.
        completed: Optional<Whole<0, { u64::MAX }>>,
        /// Errors that the client saw, at most.
        errored: Optional<Whole<0, { u64::MAX }>>,
        /// Time from a fault's effect to the first result afterwards, at most.
        recovery: Optional<Period>,
        /// Throughput as a share of the plan's bound, at least; for scenarios without faults.
        of_bound: Optional<Share>,
        /// How much resident memory any process, `emu` included, may gain in an hour: the slope of the later half of its
        /// life, if it gained a mebibyte in that half.
        memory_growth_per_hour: Optional<Size>,
        /// How many file descriptors any process may gain in an hour, likewise, if it gained four.
        descriptor_growth_per_hour: Optional<Whole<0, { u64::MAX }>>,
        /// How far the emulation itself can be trusted, at least: see docs/fidelity.md.
        verdict: Optional<Choice<Grade>>,
    }
}
