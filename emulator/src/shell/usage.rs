//! What each process of a run takes, looked at from outside: nothing of it crosses the emulated network.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use nix::unistd::{SysconfVar, sysconf};
use node::clock::Instant;
use serde::Serialize;

use super::alive::Alive;
use super::inhabitants;
use crate::procfs::Stat;
use crate::record::event::{Entry, TESTBED};
use crate::record::outputs::{EVENTS, RESOLVED};
use crate::run::roster::Roster;
use crate::scenario::Scenario;

/// A process of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Usage {
    /// Its node; `(emu)` for the testbed itself.
    pub node: String,
    /// What it does at this moment: `stage 2`, `spare`, `client`, `dispatcher`, `testbed`, `down`.
    pub duty: String,
    /// Its process id on this host; `None` while the node is down.
    pub pid: Option<i32>,
    /// Cores that it kept busy since the last look.
    pub cores: f64,
    /// Resident memory, in bytes.
    pub memory_bytes: u64,
    /// What its node has.
    pub memory_limit_bytes: Option<u64>,
    /// Bytes that came over its links each second, with their headers.
    pub received_per_s: f64,
    /// Bytes that left over its links each second.
    pub sent_per_s: f64,
}

/// Looks at the processes of a run again and again.
pub struct Meter {
    folder: PathBuf,
    alive: Alive,
    scenario: Scenario,
    roster: Roster,
    /// How much of the event log has been read.
    heard: u64,
    last: BTreeMap<(i32, u64), Reading>,
}

#[derive(Clone, Copy)]
struct Reading {
    at: Instant,
    ticks: u64,
    received: u64,
    sent: u64,
}

impl Meter {
    /// A meter for the run in a folder; `None` if what the run resolved can't be read.
    pub fn new(folder: &Path, alive: Alive) -> Option<Meter> {
        let scenario: Scenario = serde_json::from_slice(&fs::read(folder.join(RESOLVED)).ok()?).ok()?;
        let roster = Roster::new(&scenario);
        Some(Meter { folder: folder.to_owned(), alive, scenario, roster, heard: 0, last: BTreeMap::new() })
    }

    /// The run's processes, the testbed first. Rates are since the last look; the first time they are zero.
    pub fn look(&mut self) -> Vec<Usage> {
        self.listen();
        let running = inhabitants::nodes(&self.folder, &self.alive);
        let mut next = BTreeMap::new();
        let mut measure = |node: &str, duty: String, stat: Option<Stat>, limit| {
            let now = stat.map(|stat| (stat, reading(&stat)));
            let before = now.and_then(|(stat, _)| self.last.get(&(stat.pid, stat.started)));
            let rates = now.zip(before).map(|((_, now), before)| now.since(before)).unwrap_or_default();
            if let Some((stat, reading)) = now {
                next.insert((stat.pid, stat.started), reading);
            }
            Usage {
                node: node.to_owned(),
                duty,
                pid: stat.map(|stat| stat.pid),
                cores: rates[0],
                memory_bytes: stat.map_or(0, |stat| resident(stat.pid)),
                memory_limit_bytes: limit,
                received_per_s: rates[1],
                sent_per_s: rates[2],
            }
        };
        let testbed = inhabitants::testbed(&self.alive);
        let mut all = vec![measure(TESTBED, "testbed".to_owned(), testbed, None)];
        for (number, node) in self.scenario.nodes.iter().enumerate() {
            let stat = running.get(&node.name).copied();
            let duty = if stat.is_some() { self.roster.duty(number) } else { "down".to_owned() };
            all.push(measure(&node.name, duty, stat, Some(node.memory.bytes())));
        }
        self.last = next;
        all
    }

    /// Who holds which stage: what the run has written since the last look.
    fn listen(&mut self) {
        let Ok(mut file) = File::open(self.folder.join(EVENTS)) else { return };
        if file.seek(SeekFrom::Start(self.heard)).is_err() {
            return;
        }
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) && line.ends_with(b"\n") {
            self.heard += line.len() as u64;
            let text = String::from_utf8_lossy(&line);
            // Nearly all lines are about requests.
            if text.contains("\"planned\"")
                && let Ok(Entry::Node { event, .. }) = serde_json::from_str(&text)
            {
                self.roster.hear(&event);
            }
            line.clear();
        }
    }
}

impl Reading {
    /// Cores, and bytes received and sent each second.
    fn since(self, before: &Reading) -> [f64; 3] {
        let seconds = self.at.since(before.at).as_secs_f64().max(1e-3);
        let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        let cores = rate(self.ticks, before.ticks) / system(SysconfVar::CLK_TCK) as f64;
        [cores, rate(self.received, before.received), rate(self.sent, before.sent)]
    }
}

fn reading(stat: &Stat) -> Reading {
    let text = fs::read_to_string(format!("/proc/{}/net/dev", stat.pid)).unwrap_or_default();
    let (received, sent) = traffic(&text);
    Reading { at: Instant::now(), ticks: stat.ticks, received, sent }
}

/// Bytes received and sent by all interfaces but loopback, from `/proc/PID/net/dev`.
fn traffic(text: &str) -> (u64, u64) {
    let interfaces = text.lines().filter_map(|line| line.split_once(':'));
    let links = interfaces.filter(|(name, _)| name.trim() != "lo");
    let counts = links.filter_map(|(_, counts)| {
        let mut counts = counts.split_whitespace().map(|count| count.parse::<u64>().unwrap_or(0));
        Some((counts.next()?, counts.nth(7)?))
    });
    counts.fold((0, 0), |(received, sent), (more, out)| (received + more, sent + out))
}

fn resident(pid: i32) -> u64 {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    // The second figure: resident pages.
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0);
    pages.saturating_mul(system(SysconfVar::PAGE_SIZE))
}

fn system(what: SysconfVar) -> u64 {
    sysconf(what).ok().flatten().and_then(|value| u64::try_from(value).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_is_that_of_links_and_not_of_loopback() {
        let text = "Inter-|   Receive  |  Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes …\n    \
                    lo: 900 1 0 0 0 0 0 0 900 1 0 0 0 0 0 0\n  eth0: 10 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0\n  \
                    eth1: 3 1 0 0 0 0 0 0 4 1 0 0 0 0 0 0\n";
        assert_eq!(traffic(text), (13, 24));
    }

    #[test]
    fn rates_are_per_second() {
        let before = Reading { at: Instant(0), ticks: 0, received: 100, sent: 0 };
        let now = Reading { at: Instant(2_000_000_000), ticks: system(SysconfVar::CLK_TCK), received: 300, sent: 50 };
        assert_eq!(now.since(&before), [0.5, 100.0, 25.0]);
    }
}
