//! A made-up run for tests: twelve nodes, four stages, an open load of 8 requests a second for 40 s,
//! and four faults: a stage's node is killed and comes back, a link is down for three seconds, another is
//! slow and nobody notices, and a spare is killed.

use std::time::Duration;

use node::clock::Instant;
use node::config::{Arrival, Bandwidth, Deploy, Load};
use node::telemetry::{Detection, Event};
use planner::cluster::Energy;
use planner::codec::Codec;
use planner::plan::{Chain, Limit, Plan, Prediction, Stage};
use planner::profile::Segment;
use planner::strategy::{Objective, Replicas, StrategyKind};
use planner::units::ByteSize;

use super::event::{Entry, ExitCause, RunEvent};
use super::sample::{Cpu, Forwarder, HostSample, LinkUse, Pressure};
use super::tally::Tally;
use crate::fabric::Counters;
use crate::scenario::network::Network;
use crate::scenario::*;

pub struct Run {
    pub scenario: Scenario,
    pub entries: Vec<Entry>,
}

impl Run {
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        self.entries.iter().for_each(|entry| tally.push(entry));
        tally
    }
}

/// Load began so long after the machine was switched on.
const ORIGIN: Duration = Duration::from_secs(1000);
const RATE: u64 = 8;
/// The nodes of the four stages, by epoch.
const PLANS: [[usize; 4]; 3] = [[4, 5, 6, 10], [4, 7, 6, 10], [5, 7, 6, 10]];

fn at(seconds: f64) -> Instant {
    Instant((ORIGIN.as_secs_f64() * 1e9 + seconds * 1e9) as u64)
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn scenario() -> Scenario {
    let node = |index: usize| NodeSpec {
        name: match index {
            0 => "client".into(),
            1 => "dispatcher".into(),
            _ => format!("n{}", index - 1),
        },
        role: [Role::Client, Role::Dispatcher, Role::Worker][index.min(2)],
        memory: ByteSize::from_mib(128),
        claims: None,
        cpu: None,
        slowdown: 1.0,
        storage: ByteSize::from_mib(64),
        energy: Energy::default(),
    };
    let name = |name: &str| name.to_owned();
    let fault = |at, lasting: Option<u64>, kind| FaultSpec {
        at: Duration::from_secs(at),
        lasting: lasting.map(Duration::from_secs),
        optional: false,
        kind,
    };
    Scenario {
        name: name("twelve"),
        description: name("A story."),
        seed: 7,
        duration: Duration::from_secs(40),
        warmup: Duration::from_secs(5),
        drain: Duration::from_secs(10),
        nodes: (0..12).map(node).collect(),
        network: Network { nodes: 12, ..Network::default() },
        workload: Workload::Inference(Box::new(Inference {
            model: ModelSpec {
                source: ModelSource::Zoo(name("resnet50")),
                codec: Codec::Raw,
                deploy: Deploy::Local,
                store: Store::Host,
            },
            plan: PlanSpec {
                strategy: StrategyKind::Optimal,
                bandwidth: Bandwidth::Configured,
                objective: Objective::Throughput,
                replicas: Replicas::One,
                spares: Default::default(),
                order: false,
                heartbeat: millis(200),
                missed_heartbeats: 4,
                window: None,
                queue: 64,
                straggler: None,
            },
            load: Load::Open { rate_per_s: RATE as f64, arrival: Arrival::Constant },
            inputs: 4,
        })),
        faults: vec![
            fault(12, Some(10), FaultKind::Kill { target: NodeTarget::Stage(1) }),
            fault(25, Some(3), FaultKind::Down { target: PairTarget::Nodes(name("n3"), name("n5")) }),
            fault(
                32,
                Some(4),
                FaultKind::Degrade {
                    target: PairTarget::Nodes(name("n9"), name("dispatcher")),
                    change: ShapeChange::default(),
                    both: false,
                },
            ),
            fault(36, None, FaultKind::Kill { target: NodeTarget::Spare }),
        ],
        expect: Expect::default(),
    }
}

/// Four stages on these nodes (by their index).
fn plan(nodes: [usize; 4]) -> Plan {
    let cuts = [0, 21, 38, 52, 60];
    let stage = |(index, node): (usize, usize)| Stage {
        node,
        segment: Segment { from: cuts[index], to: cuts[index + 1] },
        memory: ByteSize::from_mib([61, 72, 88, 96][index]),
        compute: millis([21, 17, 14, 9][index]),
        receive: millis([46, 93, 47, 24][index]),
    };
    let prediction = Prediction {
        bottleneck: millis(93),
        limit: Limit::Path { from: nodes[0], to: nodes[1] },
        latency: millis(318),
        joules: 1.7,
    };
    let stages = nodes.into_iter().enumerate().map(stage).collect();
    Plan { stages, chains: vec![Chain { stages: vec![0, 1, 2, 3], share: 1.0 }], prediction, proof: None }
}

/// A quiet second.
fn sample() -> HostSample {
    let counters = Counters { packets: 2_200, bytes: 3_200_000, lost: 1, overflowed: 2, ..Counters::default() };
    HostSample {
        over: millis(1000),
        looking: Duration::from_micros(1_200),
        cpu: Cpu { busy: 0.4, own: Some(0.31), stolen: 0.0 },
        pressure: Some(Pressure { cpu: 0.02, io: 0.001, memory: 0.0 }),
        forwarder: Some(Forwarder { lateness: vec![(14, 400), (17, 1_790), (20, 10)], unread: 0, threads: 1 }),
        links: vec![LinkUse {
            from: "n3".into(),
            to: "n4".into(),
            rate: Some(50_000_000),
            faulty: false,
            under_way: 3,
            counters,
        }],
        ..HostSample::default()
    }
}

/// The run, with everything going well but for the faults.
pub fn crashes() -> Run {
    let mut entries = Vec::new();
    let mut run = |seconds: f64, event| entries.push(Entry::Run { at: at(seconds), event });
    run(-2.0, RunEvent::RunStarted { log_version: 1 });
    run(-1.95, RunEvent::Host { carrier: "software".into(), cores: 2 });
    run(-1.9, RunEvent::PhaseDone { phase: "network".into(), took: millis(41) });
    run(-1.9, RunEvent::Model { tensors: (0..=60).map(|cut| format!("stage/{cut}/Add_output_0")).collect() });
    run(-1.5, RunEvent::Reference { digests: (0..4).map(digest).collect() });
    run(-1.4, RunEvent::NodeStarted { node: "n1".into(), pid: 11 });
    run(-0.1, RunEvent::PhaseDone { phase: "nodes ready".into(), took: millis(612) });
    run(0.0, RunEvent::LoadStarted);
    let fired = |fault, target: &str, nodes: &[&str]| RunEvent::FaultFired {
        fault,
        target: target.into(),
        nodes: nodes.iter().map(|name| (*name).to_owned()).collect(),
    };
    run(12.0004, fired(0, "n4", &["n4"]));
    run(12.0021, RunEvent::FaultEffective { fault: 0 });
    run(12.003, RunEvent::NodeExited { node: "n4".into(), cause: ExitCause::Planned });
    run(22.0, RunEvent::FaultHealed { fault: 0 });
    run(25.0003, fired(1, "n3↔n5", &["n3", "n5"]));
    run(25.0007, RunEvent::FaultEffective { fault: 1 });
    run(28.0, RunEvent::FaultHealed { fault: 1 });
    run(32.0005, fired(2, "n9→dispatcher", &["n9", "dispatcher"]));
    run(32.0009, RunEvent::FaultEffective { fault: 2 });
    run(36.0, RunEvent::FaultHealed { fault: 2 });
    run(36.0003, fired(3, "n1", &["n1"]));
    run(36.0011, RunEvent::FaultEffective { fault: 3 });
    run(36.0011, RunEvent::NodeExited { node: "n1".into(), cause: ExitCause::Planned });
    run(38.0, RunEvent::Warning { text: "memory limits are not enforced: cgroups can't be written".into() });
    for second in 1..=40 {
        run(f64::from(second) + 0.002, RunEvent::Sampled { sample: Box::new(sample()) });
    }
    run(40.0, RunEvent::LoadEnded);
    let counters = Counters { packets: 91_000, bytes: 131_000_000, lost: 12, ..Counters::default() };
    run(41.0, RunEvent::Traffic { from: "n3".into(), to: "n4".into(), counters });
    run(41.4, RunEvent::PhaseDone { phase: "teardown".into(), took: millis(210) });
    run(41.5, RunEvent::RunEnded { peak_memory: 38 << 20, exit: 0 });

    let mut say = |node: &str, seconds: f64, event| {
        entries.push(Entry::Node { at: at(seconds), node: node.into(), event });
    };
    let planned = |epoch, reason: &str, nodes| Event::Planned {
        epoch,
        reason: reason.into(),
        plan: plan(nodes),
        took: millis(9),
        rehearsed: false,
    };
    let deployed = |epoch, node: &str| {
        let (loaded, prepared) = (vec![node.into()], Vec::new());
        Event::Deployed { epoch, loaded, prepared, took: millis(690) }
    };
    say("n3", -0.6, Event::Ready);
    say("dispatcher", -0.9, planned(0, "start", PLANS[0]));
    say("dispatcher", -0.2, deployed(0, "n3"));
    say("n4", -0.3, Event::SegmentLoaded { epoch: 0, stage: 1, took: millis(480), resident: ByteSize::from_mib(70) });
    say("dispatcher", 12.93, Event::NodeSuspected { node: "n4".into(), by: Detection::Heartbeat });
    say("dispatcher", 12.94, planned(1, "n4 is suspected (heartbeat)", PLANS[1]));
    say("dispatcher", 13.71, deployed(1, "n6"));
    say("dispatcher", 13.72, Event::Replayed { epoch: 1, requests: vec![92, 93, 94, 95] });
    say("dispatcher", 22.4, Event::Rejoined { node: "n4".into() });
    say("dispatcher", 25.81, Event::PathSuspected { from: "n3".into(), to: "n5".into() });
    say("dispatcher", 25.82, planned(2, "the path n3→n5 is suspected", PLANS[2]));
    say("dispatcher", 26.49, deployed(2, "n4"));
    say("dispatcher", 36.91, Event::NodeSuspected { node: "n1".into(), by: Detection::Heartbeat });

    // Nothing comes out between a fault and the next deployment; then what waited does, one after another.
    let outages = [(12.05, 13.71, 1), (25.05, 26.49, 2)];
    let mut free = 0.0f64;
    for number in 0..40 * RATE {
        let scheduled = number as f64 / RATE as f64;
        let jitter = f64::from((number * 7919 % 97) as u32) / 97.0 * 0.03;
        let (mut epoch, mut done) = (0, (scheduled + 0.33 + jitter).max(free));
        for (from, to, next) in outages {
            if done >= from {
                (epoch, done) = (next, if done < to { to + 0.33 } else { done });
            }
        }
        done = done.max(free);
        free = done + 0.093;
        let input = (number % 4) as u32;
        say("client", scheduled, Event::Offered { request: number, input, scheduled: at(scheduled) });
        say("client", scheduled + 0.0004, Event::Sent { request: number });
        say("client", scheduled + 0.012, Event::Accepted { request: number });
        let instant = |back: f64| at(done - back);
        say("dispatcher", done - 0.3, Event::Fed { request: number, epoch, chain: 0 });
        for (stage, node) in PLANS[epoch as usize].into_iter().enumerate() {
            let begin = 0.25 - 0.05 * stage as f64;
            let processed = Event::Processed {
                request: number,
                epoch,
                stage: stage as u16,
                received: instant(begin),
                started: instant(begin - 0.001),
                finished: instant(begin - 0.019),
                sent: instant(begin - 0.04),
                late: Duration::from_micros(60),
            };
            say(&format!("n{}", node - 1), done - begin + 0.04, processed);
        }
        say("dispatcher", done - 0.01, Event::Arrived { request: number, epoch, chain: 0 });
        say("client", done, Event::Completed { request: number, epoch, digest: digest(input) });
    }
    say("client", 41.0, Event::Drained { outstanding: 0 });
    Run { scenario: scenario(), entries }
}

pub fn digest(input: u32) -> String {
    format!("{:016x}", 0x1234_5678 + input)
}
