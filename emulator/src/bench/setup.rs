//! How long it takes to set a network up and to take it down, beside Mininet's where that is installed.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use planner::units::Rate;
use serde::Serialize;

use super::{BenchError, build};
use crate::fabric::{CarrierChoice, Network, Shape};
use crate::scenario::network::Link;

/// The same star in Mininet's own terms: hosts on one Linux bridge, links as fast as ours. Prints the seconds of set-up. One line
/// without double quotes, so that people can run it as it is printed.
const MININET: &str = "import sys, time; from functools import partial; from mininet.net import Mininet; \
    from mininet.topo import SingleSwitchTopo; from mininet.nodelib import LinuxBridge; from mininet.link import TCLink; \
    before = time.time(); net = Mininet(SingleSwitchTopo(int(sys.argv[1])), switch=LinuxBridge, controller=None, \
    link=partial(TCLink, bw=10, delay='10ms')); net.start(); print(time.time() - before); net.stop()";
/// The same with plain links, for kernels whose Mininet can't shape them (it needs netem).
const PLAIN: (&str, &str) = ("link=partial(TCLink, bw=10, delay='10ms')", "autoSetMacs=True");

/// For each node, until the kernel has taken apart what is given up, which it does by itself and later: meanwhile whatever comes next waits for its
/// locks.
const AFTERMATH: Duration = Duration::from_millis(5);

/// What setting up a star of nodes took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SetupFigures {
    /// What carried the links.
    pub carrier: String,
    /// How many nodes, on one switch.
    pub nodes: usize,
    /// Seconds from nothing to a network in which every node reaches every other: the best of the rounds.
    pub setup_s: f64,
    /// Seconds until nothing of it is left.
    pub teardown_s: f64,
    /// The same by Mininet, in the same rounds; `None`: not installed, or it failed.
    pub mininet_s: Option<f64>,
    /// What to type for that, as root.
    pub mininet_command: Option<String>,
    /// How many times as long Mininet takes.
    pub ratio: Option<f64>,
}

/// Measures both in turns, `rounds` times.
///
/// # Errors
/// When our network can't be built. Mininet that fails has no figures.
pub fn measure(nodes: usize, rounds: u32, mininet: bool, choice: CarrierChoice) -> Result<SetupFigures, BenchError> {
    let network = star(nodes);
    let (mut ours, mut down, mut theirs) = (f64::INFINITY, f64::INFINITY, None::<(f64, String)>);
    let mut carrier = String::new();
    for _ in 0..rounds {
        let began = Instant::now();
        let fabric = build(&network, choice)?;
        ours = ours.min(began.elapsed().as_secs_f64());
        carrier = fabric.carrier_name().to_owned();
        let began = Instant::now();
        drop(fabric);
        down = down.min(began.elapsed().as_secs_f64());
        thread::sleep(AFTERMATH * u32::try_from(nodes).unwrap_or(u32::MAX));
        if mininet {
            theirs = [theirs, by_mininet(nodes)].into_iter().flatten().min_by(|a, b| a.0.total_cmp(&b.0));
        }
    }
    let (mininet_s, mininet_command) = theirs.unzip();
    let ratio = mininet_s.map(|theirs| theirs / ours);
    Ok(SetupFigures { carrier, nodes, setup_s: ours, teardown_s: down, mininet_s, mininet_command, ratio })
}

/// Whether Mininet is installed.
pub fn has_mininet() -> bool {
    python()
        .args(["-c", "import mininet.net"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Debian's Mininet belongs to Debian's Python.
fn python() -> Command {
    let system = "/usr/bin/python3";
    Command::new(if std::path::Path::new(system).exists() { system } else { "python3" })
}

/// How long Mininet takes, in seconds, and what a person would type for that.
fn by_mininet(nodes: usize) -> Option<(f64, String)> {
    let plain = MININET.replace(PLAIN.0, PLAIN.1);
    let seconds = |script: &str| {
        let mut python = python();
        let command = format!("{} -c \"{script}\" {nodes}", python.get_program().display());
        python.args(["-c", script, &nodes.to_string()]).stdin(Stdio::null()).stderr(Stdio::null());
        let output = python.output().ok().filter(|output| output.status.success())?;
        let seconds = String::from_utf8_lossy(&output.stdout).lines().last()?.trim().parse().ok()?;
        Some((seconds, command))
    };
    seconds(MININET).or_else(|| seconds(&plain))
}

fn star(nodes: usize) -> Network {
    let shape =
        Shape { rate: Some(Rate::from_mbits_per_second(10.0)), delay: Duration::from_millis(10), ..Shape::default() };
    let link = |node| Link { a: node, b: nodes, a_to_b: shape.clone(), b_to_a: shape.clone() };
    Network { nodes, switches: vec!["s0".to_owned()], links: (0..nodes).map(link).collect(), ..Network::default() }
}
