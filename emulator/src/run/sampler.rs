//! What the host and the links do, once a second: read from `/proc`, the control groups and the carrier, so that nothing of it
//! crosses the emulated network and no node is asked. A look at 22 nodes takes about a millisecond.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use node::clock::Instant;

use crate::fabric::{Counters, Direction, Fabric, FabricError, Shape};
use crate::fleet::Fleet;
use crate::procfs::{self, Stat};
use crate::record::event::RunEvent;
use crate::record::sample::{Amiss, Cpu, Forwarder, HostSample, LinkUse, Pressure, Throttled};
use crate::scenario::Scenario;

/// How long a sample is.
pub(super) const EVERY: Duration = Duration::from_secs(1);

/// Everything that counts up, as it was at one instant.
#[derive(Debug, Clone, Default)]
struct Reading {
    at: Instant,
    host: HostTicks,
    /// By process id.
    processes: BTreeMap<i32, Stat>,
    pressure: Option<[u64; 3]>,
    run_delay: BTreeMap<i32, u64>,
    squeezed: u64,
    throttled: BTreeMap<usize, (u64, Duration)>,
    vitals: crate::fabric::Vitals,
}

/// Clock ticks of all processors together.
#[derive(Debug, Clone, Copy, Default)]
struct HostTicks {
    all: u64,
    busy: u64,
    stolen: u64,
}

/// Takes samples.
pub(super) struct Sampler {
    names: Vec<String>,
    /// As the scenario has them.
    shapes: BTreeMap<Direction, Shape>,
    /// Those in force that are others.
    other: BTreeMap<Direction, Shape>,
    /// Directions whose shape was changed since the sample before.
    reshaped: BTreeSet<Direction>,
    last: Option<Reading>,
    /// What the last sample took.
    took: Duration,
    /// When the next sample is due.
    next: Instant,
    /// Whether `/proc` shows the run's processes.
    sees_processes: bool,
    /// Whether nodes run programs of others, which are more than one process, and whose wait for a processor nothing else tells.
    foreign: bool,
}

impl Sampler {
    pub(super) fn new(scenario: &Scenario) -> Sampler {
        Sampler {
            names: scenario.host_names(),
            shapes: scenario.network.directions().map(|(direction, shape)| (direction, shape.clone())).collect(),
            other: BTreeMap::new(),
            reshaped: BTreeSet::new(),
            last: None,
            took: Duration::ZERO,
            next: Instant::now(),
            sees_processes: procfs::is_ours(),
            foreign: scenario.commands().is_some(),
        }
    }

    /// Whether a sample is due.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.next
    }

    /// What happened since it was called before; the first time nothing has.
    ///
    /// # Errors
    /// When the carrier can't be asked. Everything else that can't be read is left out.
    pub(super) fn sample(&mut self, fleet: &Fleet<'_>, fabric: &Fabric) -> Result<Option<RunEvent>, FabricError> {
        // Whatever comes of it: what can't be read must not be tried at every turn.
        self.next = Instant::now() + EVERY;
        let new = self.read(fleet, fabric)?;
        for (direction, shape) in fabric.reshaped() {
            self.reshaped.insert(direction);
            match self.shapes.get(&direction) == Some(&shape) {
                true => self.other.remove(&direction),
                false => self.other.insert(direction, shape),
            };
        }
        let sample = self.last.as_ref().map(|old| self.between(old, &new));
        self.last = Some(new);
        self.reshaped.clear();
        Ok(sample.map(|sample| RunEvent::Sampled { sample: Box::new(sample) }))
    }

    /// What the last sample took of a processor.
    pub(super) fn took(&mut self, time: Duration) {
        self.took = time;
    }

    /// Why it could not be seen of all links whether they are as they were asked, if so.
    pub(super) fn unseen(&self) -> Option<&str> {
        self.last.as_ref()?.vitals.unseen.as_deref()
    }

    /// What had passed in every direction when the last sample was taken.
    pub(super) fn counters(&self) -> Option<&BTreeMap<Direction, Counters>> {
        Some(&self.last.as_ref()?.vitals.counters)
    }

    fn read(&self, fleet: &Fleet<'_>, fabric: &Fabric) -> Result<Reading, FabricError> {
        let nodes = 0..fleet.len();
        let pids: Vec<i32> = match self.sees_processes {
            true if self.foreign => procfs::all().iter().map(|process| process.pid).collect(),
            true => nodes.clone().filter_map(|node| fleet.pid(node)).chain([1]).collect(),
            false => Vec::new(),
        };
        let pressure = ["cpu", "io", "memory"].map(|of| some_total(&text(&format!("/proc/pressure/{of}"))?));
        let pressure = if let [Some(cpu), Some(io), Some(memory)] = pressure { Some([cpu, io, memory]) } else { None };
        let run_delay = match pressure {
            Some(_) if !self.foreign => BTreeMap::new(),
            // How late the emulator's own threads are is told by what they carry.
            _ => {
                let waits = pids.iter().filter(|pid| !self.foreign || **pid != 1);
                waits.filter_map(|pid| Some((*pid, run_delay(*pid)?))).collect()
            }
        };
        Ok(Reading {
            host: text("/proc/stat").and_then(|stat| host_ticks(&stat)).unwrap_or_default(),
            processes: pids.iter().filter_map(|pid| Some((*pid, Stat::of(*pid)?))).collect(),
            pressure,
            run_delay,
            squeezed: text("/proc/net/softnet_stat").map_or(0, |stat| squeezed(&stat)),
            throttled: nodes.filter_map(|node| Some((node, fleet.throttled(node)?))).collect(),
            vitals: fabric.vitals()?,
            at: Instant::now(),
        })
    }

    fn between(&self, old: &Reading, new: &Reading) -> HostSample {
        let over = new.at.since(old.at);
        // `/proc/stat` and `/proc/PID/stat` count in the same unit (proc(5)).
        let ticks = new.host.all.saturating_sub(old.host.all).max(1) as f64;
        let of_host = |new: u64, old: u64| rounded(new.saturating_sub(old) as f64 / ticks);
        // Of a process that began since then, everything; of one that has ended, what it did last is not known.
        let grown = |of: fn(&Stat) -> u64| -> u64 {
            let before = |pid: &i32| old.processes.get(pid).map_or(0, of);
            new.processes.iter().map(|(pid, stat)| of(stat).saturating_sub(before(pid))).sum()
        };
        let micros = |of: usize| {
            let (new, old) = new.pressure.zip(old.pressure)?;
            Some(rounded(new[of].saturating_sub(old[of]) as f64 / 1e6 / over.as_secs_f64().max(1e-3)))
        };
        let delay = new
            .run_delay
            .iter()
            .map(|(pid, nanos)| nanos.saturating_sub(old.run_delay.get(pid).copied().unwrap_or_default()) as f64 / 1e9);
        let lateness = new.vitals.lateness.map(|new| new.since(&old.vitals.lateness.unwrap_or_default()));
        let name = |host: usize| self.names.get(host).cloned().unwrap_or_default();
        let amiss = new.vitals.amiss.iter().map(|(direction, what)| Amiss {
            from: name(direction.from),
            to: name(direction.to),
            what: what.clone(),
        });
        HostSample {
            over,
            looking: self.took,
            cpu: Cpu {
                busy: of_host(new.host.busy, old.host.busy),
                own: self.sees_processes.then(|| rounded(grown(|stat| stat.ticks) as f64 / ticks)),
                stolen: of_host(new.host.stolen, old.host.stolen),
            },
            pressure: micros(0).zip(micros(1)).zip(micros(2)).map(|((cpu, io), memory)| Pressure { cpu, io, memory }),
            run_delay_s: if new.run_delay.is_empty() { None } else { Some(rounded(delay.sum())) },
            major_faults: grown(|stat| stat.major_faults),
            squeezed: new.squeezed.saturating_sub(old.squeezed),
            throttled: new
                .throttled
                .iter()
                .filter_map(|(node, now)| throttled(name(*node), now, old.throttled.get(node)))
                .collect(),
            forwarder: lateness.map(|lateness| Forwarder {
                lateness: lateness.counts(),
                unread: new.vitals.unread.saturating_sub(old.vitals.unread),
                threads: new.vitals.threads as u64,
            }),
            links: new
                .vitals
                .counters
                .iter()
                .filter_map(|(direction, now)| {
                    let counters = now.since(old.vitals.counters.get(direction)?);
                    let other = self.other.get(direction);
                    let rate = other.or(self.shapes.get(direction)).and_then(|shape| shape.rate);
                    (counters != Counters::default()).then(|| LinkUse {
                        from: name(direction.from),
                        to: name(direction.to),
                        rate: rate.map(|rate| rate.bits_per_second()),
                        faulty: other.is_some() || self.reshaped.contains(direction),
                        under_way: new.vitals.under_way.get(direction).copied().unwrap_or_default(),
                        counters,
                    })
                })
                .collect(),
            amiss: amiss.collect(),
        }
    }
}

fn throttled(node: String, now: &(u64, Duration), then: Option<&(u64, Duration)>) -> Option<Throttled> {
    let (periods, time) = then.copied().unwrap_or_default();
    let (periods, time) = (now.0.saturating_sub(periods), now.1.saturating_sub(time));
    (periods > 0).then_some(Throttled { node, periods, time })
}

fn text(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// A ten-thousandth is enough, and short to write.
fn rounded(share: f64) -> f64 {
    (share * 1e4).round() / 1e4
}

/// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal; guests are in user and nice.
fn host_ticks(stat: &str) -> Option<HostTicks> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line.split_whitespace().map_while(|word| word.parse().ok()).take(8).collect();
    let [user, nice, system, idle, iowait, irq, softirq, stolen] = ticks[..] else { return None };
    let busy = user + nice + system + irq + softirq;
    Some(HostTicks { all: busy + idle + iowait + stolen, busy, stolen })
}

/// How long the threads of a process were ready and did not run, in nanoseconds.
fn run_delay(pid: i32) -> Option<u64> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
    let delays = tasks.filter_map(|task| {
        fs::read_to_string(task.path().join("schedstat")).ok()?.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    delays.fold(None, |sum: Option<u64>, delay| Some(sum.unwrap_or_default() + delay))
}

/// The microseconds in `some … total=` of a file of `/proc/pressure`.
fn some_total(pressure: &str) -> Option<u64> {
    pressure.lines().find(|line| line.starts_with("some "))?.rsplit_once("total=")?.1.trim().parse().ok()
}

/// The third figure of each processor's line in `softnet_stat`, in hexadecimal.
fn squeezed(stat: &str) -> u64 {
    let of = |line: &str| u64::from_str_radix(line.split_whitespace().nth(2)?, 16).ok();
    stat.lines().filter_map(of).sum()
}

/// Processor time that this thread has used.
pub(super) fn thread_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read_as_they_are_written() {
        let host = host_ticks("cpu  750 950 390 2370 50 3 56 12 0 0\ncpu0 1 2 3\n").unwrap();
        assert_eq!((host.all, host.busy, host.stolen), (4581, 2149, 12));
        let pressure = "some avg10=36.45 avg60=52.02 avg300=26.76 total=5027656622\nfull avg10=0.00 total=0\n";
        assert_eq!(some_total(pressure), Some(5_027_656_622));
        assert_eq!(squeezed("02e64a48 00000000 0000000b 0\n02c584d1 00000000 0000000d 0\n"), 24);
        assert!(host_ticks("cpu 1 2").is_none() && some_total("").is_none());
    }
}
