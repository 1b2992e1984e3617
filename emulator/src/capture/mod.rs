//! What passes a node's interfaces or one end of a link, as pcapng files that Wireshark and `tshark` read (`emu run --pcap`).
//!
//! ```text
//! the host's interfaces ─ kernel ─▶ ring ─▶ recorder (a thread for each file) ─▶ capture/n03.pcapng
//!          Results::push ─▶ marks ─────────────▲
//! ```
//!
//! The emulated network waits for none of it: the kernel copies frames as they pass, with their times, and drops copies that find no
//! room. A capture is of an end, not of a middle: what a link loses, delays or reorders shows as the difference
//! between both ends. A host's namespace and interfaces live as long as the run, whatever becomes of its process.

mod marks;
mod pcapng;
mod recorder;
mod ring;
mod target;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use node::clock::Instant;

use crate::fabric::{Fabric, FabricError, Port};
use crate::report::numbers::counted;
use crate::scenario::Scenario;

use pcapng::{Blocks, LinkType};
use recorder::{Recorder, Tape, Yield};
use ring::Ring;

pub use marks::Marks;
pub use target::{NoTarget, Target};

/// Folder of captures, in the folder of results.
const FOLDER: &str = "capture";
/// What the interface of marks is called.
const MARKS: &str = "emu";

/// Packets can't be captured.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The kernel gives no packet socket or no memory for one.
    #[error("packets of {target} can't be captured")]
    Socket {
        /// What was to be captured.
        target: String,
        /// The kernel's reason.
        source: io::Error,
    },
    /// The file.
    #[error("the packets of {target} can't be written to {}: {reason}", path.display())]
    File {
        /// What was to be captured.
        target: String,
        /// Where to.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The host.
    #[error(transparent)]
    Fabric(#[from] FabricError),
}

/// Captures that go on. Dropping them ends them.
#[derive(Debug)]
pub struct Captures {
    running: Vec<Running>,
    marks: Marks,
}

#[derive(Debug)]
struct Running {
    target: Target,
    thread: JoinHandle<Yield>,
}

impl Captures {
    /// Captures `targets` into the results' folder `results` from now on, whose files begin with what `scenario` plans.
    ///
    /// # Errors
    /// [`CaptureError`]; then nothing is captured.
    pub fn start(
        targets: &[Target],
        scenario: &Scenario,
        fabric: &Fabric,
        results: &Path,
    ) -> Result<Captures, CaptureError> {
        let mut captures = Captures { running: Vec::new(), marks: Marks::new(scenario) };
        for target in targets {
            let recorder = recorder(target, scenario, fabric, results, captures.marks.clone())?;
            let spawned = thread::Builder::new().name(format!("pcap {}", target.name)).spawn(move || recorder.run());
            let thread = spawned.map_err(|source| CaptureError::Socket { target: target.name.clone(), source })?;
            captures.running.push(Running { target: target.clone(), thread });
        }
        Ok(captures)
    }

    /// What is to be told of whatever is recorded.
    pub fn marks(&self) -> Marks {
        self.marks.clone()
    }

    /// Ends them. Returns what there is to tell of them.
    pub fn finish(mut self) -> Vec<String> {
        tell(&self.end())
    }

    fn end(&mut self) -> Vec<(Target, Yield)> {
        self.marks.end();
        let ended = self.running.drain(..).map(|Running { target, thread }| {
            let came = thread.join();
            let came = came.unwrap_or_else(|_| Yield { cut: Some("a mistake in emu".to_owned()), ..Yield::default() });
            (target, came)
        });
        ended.collect()
    }
}

impl Drop for Captures {
    fn drop(&mut self) {
        self.end();
    }
}

/// What captures may have changed, and what is missing of them: each a sentence.
fn tell(came: &[(Target, Yield)]) -> Vec<String> {
    if came.is_empty() {
        return Vec::new();
    }
    let files: Vec<String> = came
        .iter()
        .map(|(target, came)| format!("{} in {FOLDER}/{}.pcapng", counted(came.packets, "packet"), target.name))
        .collect();
    let mut told = vec![format!(
        "packets were captured, which takes time of this host: figures may differ from those of a run without ({})",
        files.join(", ")
    )];
    for (Target { name, .. }, Yield { dropped, cut, .. }) in came {
        if *dropped > 0 {
            let missing = counted(*dropped, "packet");
            told.push(format!("{missing} came too fast to be captured and are missing in {FOLDER}/{name}.pcapng"));
        }
        if let Some(reason) = cut {
            told.push(format!("{FOLDER}/{name}.pcapng ends before the run does: {reason}"));
        }
    }
    told
}

/// Opens all that a capture needs. Frames wait in its ring until it runs.
fn recorder(
    target: &Target,
    scenario: &Scenario,
    fabric: &Fabric,
    results: &Path,
    marks: Marks,
) -> Result<Recorder, CaptureError> {
    let names = scenario.host_names();
    let Target { host, peer, name } = target;
    let ports = fabric.ports(*host)?;
    let ports: Vec<&Port> =
        ports.iter().filter(|port| peer.is_none_or(|peer| port.neighbours.contains_key(&peer))).collect();
    // Together, so that the order is that in which they passed.
    let index = if let (Some(_), [port]) = (peer, &ports[..]) { port.index } else { 0 };
    let failed = |source| CaptureError::Socket { target: name.clone(), source };
    let opened = fabric.namespace(*host)?.enter(|| Ring::open(index)).map_err(FabricError::from)?;
    let ring = opened.map_err(failed)?;

    let folder = results.join(FOLDER);
    let path = folder.join(format!("{name}.pcapng"));
    let unwritten = |reason: String| CaptureError::File { target: name.clone(), path: path.clone(), reason };
    fs::create_dir_all(&folder).map_err(|error| unwritten(error.to_string()))?;
    let file = File::create_new(&path).map_err(|error| unwritten(error.to_string()))?;

    let mut blocks = Blocks::default();
    let application = format!("emu {}", env!("CARGO_PKG_VERSION"));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let comment = format!(
        "{name} in a run of {}, seed {}. Planned, in time since load begins: {}. Packets have the time of the wall clock: \
         {} ns more than the clock of events.jsonl when this began.",
        scenario.name,
        scenario.seed,
        marks::planned(scenario),
        marks::now().saturating_sub(Instant::now().0),
    );
    blocks.section(&application, &format!("Linux {}", kernel.trim()), &comment);
    for port in &ports {
        let others: Vec<&str> = port.neighbours.keys().map(|other| names[*other].as_str()).collect();
        let description = format!("{} to {}", names[*host], others.join(", "));
        blocks.interface(LinkType::Ethernet, &port.name, &description, Some(port.mac.0));
    }
    blocks.interface(LinkType::UpperPdu, MARKS, "what happened to the run", None);
    blocks.names(names.iter().enumerate().map(|(host, name)| (fabric.address(host), name.as_str())));
    let tape = Tape::begin(file, blocks, ports.len() as u32 + 1).map_err(unwritten)?;

    let wanted = peer.and_then(|peer| {
        let port = ports.first()?;
        let (own, other) = (port.mac.0, port.neighbours.get(&peer)?.0);
        Some([ends(own, other), ends(other, own)].to_vec())
    });
    let interfaces = ports.iter().zip(0..).map(|(port, number)| (port.index, number)).collect();
    Ok(Recorder { ring, tape, interfaces, wanted: wanted.unwrap_or_default(), marks })
}

/// What a frame begins with: where it goes, where it is from.
fn ends(to: [u8; 6], from: [u8; 6]) -> [u8; 12] {
    let mut ends = [0; 12];
    ends[..6].copy_from_slice(&to);
    ends[6..].copy_from_slice(&from);
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_beside_what_was_captured() {
        let target = |name: &str| Target { host: 0, peer: None, name: name.to_owned() };
        let whole = Yield { packets: 1234, ..Yield::default() };
        let cut = Yield { packets: 1, dropped: 2, cut: Some("full".to_owned()) };
        assert_eq!(
            tell(&[(target("n01"), whole), (target("n01-n02"), cut)]),
            [
                "packets were captured, which takes time of this host: figures may differ from those of a run without \
                 (1,234 packets in capture/n01.pcapng, 1 packet in capture/n01-n02.pcapng)",
                "2 packets came too fast to be captured and are missing in capture/n01-n02.pcapng",
                "capture/n01-n02.pcapng ends before the run does: full",
            ]
        );
        assert_eq!(tell(&[]), [""; 0]);
    }
}
