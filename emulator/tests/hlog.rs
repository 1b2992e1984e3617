//! The latency logs, read back by a HdrHistogram reader that others wrote.

use std::process::Command;
use std::time::{Duration, SystemTime};

use emulator::record::event::{Entry, RunEvent};
use emulator::record::latency::{self, Kind};
use emulator::record::summary::Summary;
use emulator::record::tally::Tally;
use emulator::scenario::network::Network;
use emulator::scenario::*;
use node::clock::Instant;
use node::config::{Deploy, Load};
use node::telemetry::Event;
use planner::codec::Codec;
use planner::strategy::StrategyKind;

fn scenario() -> Scenario {
    Scenario {
        name: "hlog".into(),
        description: String::new(),
        seed: 1,
        duration: Duration::from_secs(4),
        warmup: Duration::ZERO,
        drain: Duration::ZERO,
        nodes: Vec::new(),
        network: Network::default(),
        workload: Workload::Inference(Box::new(Inference {
            model: ModelSpec {
                source: ModelSource::Zoo("none".into()),
                codec: Codec::Raw,
                deploy: Deploy::Local,
                store: Store::Host,
            },
            plan: PlanSpec {
                bandwidth: Default::default(),
                strategy: StrategyKind::Greedy,
                objective: planner::strategy::Objective::Throughput,
                replicas: planner::strategy::Replicas::One,
                spares: Default::default(),
                order: false,
                heartbeat: Duration::from_millis(200),
                missed_heartbeats: 3,
                window: None,
                queue: 1,
                straggler: None,
            },
            load: Load::Closed { concurrency: 1 },
            inputs: 1,
        })),
        faults: Vec::new(),
        expect: Expect::default(),
    }
}

/// A hundred requests a second for four seconds, whose latencies grow from 1 to 400 ms.
fn tally() -> Tally {
    let mut tally = Tally::default();
    let origin = Instant(5_000_000_000);
    tally.push(&Entry::Run { at: origin, event: RunEvent::LoadStarted });
    for request in 0..400 {
        let scheduled = origin + Duration::from_millis(10 * request);
        let node = || "client".to_owned();
        let offered = Event::Offered { request, input: 0, scheduled };
        tally.push(&Entry::Node { at: scheduled, node: node(), event: offered });
        let sent = scheduled + Duration::from_micros(300);
        tally.push(&Entry::Node { at: sent, node: node(), event: Event::Sent { request } });
        let done = scheduled + Duration::from_millis(request + 1);
        let completed = Event::Completed { request, epoch: 0, digest: String::new() };
        tally.push(&Entry::Node { at: done, node: node(), event: completed });
    }
    tally.push(&Entry::Run { at: origin + Duration::from_secs(4), event: RunEvent::LoadEnded });
    tally
}

#[test]
fn the_python_reader_finds_the_summarys_latency_in_both_logs() {
    let (scenario, tally) = (scenario(), tally());
    let summary = Summary::of(&scenario, &tally);
    let began = SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_000_250);
    let Some(python) = std::env::var_os("EMU_PYTHON") else {
        eprintln!("SKIPPED: set EMU_PYTHON to a Python that has the package hdrhistogram");
        return;
    };
    for (kind, expected) in [(Kind::Corrected, summary.latency_ms), (Kind::Uncorrected, summary.latency_uncorrected_ms)]
    {
        let mut log = Vec::new();
        latency::write(&mut log, &scenario, &tally, kind, began).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("latency.hlog");
        std::fs::write(&path, log).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hlog.py");
        let output = Command::new(&python).arg(script).arg(&path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let read: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let number = |key: &str| read[key].as_f64().unwrap();

        let expected = expected.unwrap();
        assert_eq!(number("count") as u64, expected.count);
        // Three significant digits.
        for (key, exact) in [("p50_ms", expected.p50), ("p99_ms", expected.p99), ("max_ms", expected.max)] {
            assert!((number(key) / exact - 1.0).abs() < 0.001, "{key}: {} is not {exact}", number(key));
        }
        assert_eq!((number("start_time_s"), number("base_time_s")), (1_800_000_000.25, 1_800_000_000.25));
        let intervals = read["intervals"].as_array().unwrap();
        assert_eq!(intervals.len(), 5);
        assert_eq!(intervals[0]["from_ms"].as_f64(), Some(1_800_000_000_250.0));
        assert_eq!(intervals[4]["to_ms"].as_f64(), Some(1_800_000_005_250.0));
    }
}
