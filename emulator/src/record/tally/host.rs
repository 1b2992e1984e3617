//! What the host and the links did, as far as a verdict and the reports ask: a run of hours has thousands of samples with hundreds
//! of directions each, and all of them are in memory when it is judged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use node::clock::Instant;

use super::Places;
use crate::fabric::lateness::Lateness;
use crate::record::sample::{Amiss, Cpu, HostSample, LinkUse, Pressure};

/// What was seen of the host while load was offered.
#[derive(Debug, Clone, Default)]
pub struct HostSeen {
    /// Each sample.
    pub seconds: Vec<Second>,
    /// How late packets left the software carrier, all together.
    pub lateness: Lateness,
    /// Packets that were dropped before the software carrier could read them.
    pub unread: u64,
    /// How many threads the software carrier had at most.
    pub forwarders: u64,
    /// Packets that it had no room for.
    pub refused: u64,
    /// Page faults of the run's processes for which something had to be read.
    pub major_faults: u64,
    /// Times that the kernel left packets for later.
    pub squeezed: u64,
    /// By node: in how many periods its control group held it back, and for how long.
    pub throttled: BTreeMap<String, (u64, Duration)>,
}

/// A sample, with what signals and charts ask for.
#[derive(Debug, Clone)]
pub struct Second {
    /// When it ended.
    pub at: Instant,
    /// How long it is.
    pub over: Duration,
    /// Packets that were under way in the direction with the most.
    pub under_way: u64,
    /// See [`HostSample::looking`].
    pub looking: Duration,
    /// The processors.
    pub cpu: Cpu,
    /// See [`HostSample::pressure`].
    pub pressure: Option<Pressure>,
    /// See [`HostSample::run_delay_s`].
    pub run_delay_s: Option<f64>,
    /// How many packets left how late, as it is written down; `None` with netem.
    pub lateness: Option<Box<[(u8, u64)]>>,
    /// Packets that passed, in all directions.
    pub packets: u64,
    /// Packets that the emulator dropped itself, in all directions.
    pub dropped: u64,
    /// What passed in each direction that had the scenario's shape all the time.
    pub links: Box<[Passed]>,
    /// How much of the rates was used; `None` if nothing with a rate was.
    pub used: Option<Used>,
    /// The first direction in which something else was in force than what was asked.
    pub amiss: Option<Arc<Amiss>>,
}

/// What passed in a direction, small: there are a million of these in an hour of a large network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// The sender, by its number in [`Places`].
    pub from: u32,
    /// The receiver.
    pub to: u32,
    /// Packets delivered.
    pub packets: u32,
    /// Packets that found the queue full.
    pub overflowed: u32,
}

/// Shares of the rates in force that were used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Used {
    /// Of the busiest direction.
    pub busiest: f64,
    /// The mean of all that were used.
    pub mean: f64,
}

impl Second {
    /// When it began.
    pub fn began(&self) -> Instant {
        Instant(self.at.0.saturating_sub(u64::try_from(self.over.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl HostSeen {
    pub(super) fn take(&mut self, at: Instant, sample: &HostSample, places: &mut Places) {
        let refused = total(&sample.links, |link| link.counters.refused);
        let unread = sample.forwarder.as_ref().map_or(0, |forwarder| forwarder.unread);
        self.forwarders = self.forwarders.max(sample.forwarder.as_ref().map_or(0, |forwarder| forwarder.threads));
        // Figures of a log that was damaged may be anything.
        let add = |sum: &mut u64, count: u64| *sum = sum.saturating_add(count);
        add(&mut self.unread, unread);
        add(&mut self.refused, refused);
        add(&mut self.major_faults, sample.major_faults);
        add(&mut self.squeezed, sample.squeezed);
        for held in &sample.throttled {
            if !self.throttled.contains_key(&held.node) {
                self.throttled.insert(held.node.clone(), Default::default());
            }
            if let Some((periods, time)) = self.throttled.get_mut(&held.node) {
                add(periods, held.periods);
                *time = time.saturating_add(held.time);
            }
        }
        let lateness = sample.forwarder.as_ref().map(|forwarder| forwarder.lateness.as_slice());
        self.lateness = self.lateness.with(&Lateness::of(lateness.unwrap_or_default()));
        let shaped = sample.links.iter().filter(|link| !link.faulty);
        let second = Second {
            at,
            over: sample.over,
            looking: sample.looking,
            under_way: sample.links.iter().map(|link| link.under_way).max().unwrap_or_default(),
            cpu: sample.cpu,
            pressure: sample.pressure,
            run_delay_s: sample.run_delay_s,
            lateness: lateness.map(Box::from),
            packets: total(&sample.links, |link| link.counters.packets),
            dropped: refused.saturating_add(unread),
            links: shaped.map(|link| Passed::of(link, places)).collect(),
            used: Used::of(sample),
            amiss: sample.amiss.first().map(|amiss| self.known(amiss)),
        };
        self.seconds.push(second);
    }

    /// What is amiss is so for long: the same words are kept once.
    fn known(&self, amiss: &Amiss) -> Arc<Amiss> {
        let last = self.seconds.last().and_then(|last| last.amiss.clone()).filter(|last| **last == *amiss);
        last.unwrap_or_else(|| Arc::new(amiss.clone()))
    }
}

impl Passed {
    fn of(link: &LinkUse, places: &mut Places) -> Passed {
        let small = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        Passed {
            from: places.number(&link.from),
            to: places.number(&link.to),
            packets: small(link.counters.packets),
            overflowed: small(link.counters.overflowed),
        }
    }
}

impl Used {
    fn of(sample: &HostSample) -> Option<Used> {
        let seconds = sample.over.as_secs_f64().max(1e-3);
        let shares = sample.links.iter().filter_map(|link| {
            let rate = link.rate.filter(|rate| *rate > 0)?;
            Some(link.counters.bytes as f64 * 8.0 / seconds / rate as f64)
        });
        let (count, sum, busiest) =
            shares.fold((0, 0.0, 0.0), |(count, sum, most), share| (count + 1, sum + share, f64::max(most, share)));
        (count > 0).then(|| Used { busiest, mean: sum / f64::from(count) })
    }
}

fn total(links: &[LinkUse], of: impl Fn(&LinkUse) -> u64) -> u64 {
    links.iter().map(of).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fabric::Counters;

    #[test]
    fn an_hour_of_a_large_network_takes_a_few_megabytes() {
        let links = (0..380).map(|link| LinkUse {
            under_way: 10,
            from: format!("n{}", link % 20),
            to: format!("n{}", link / 19),
            counters: Counters { packets: 100, bytes: 150_000, ..Counters::default() },
            rate: Some(50_000_000),
            ..LinkUse::default()
        });
        let sample = HostSample { over: Duration::from_secs(1), links: links.collect(), ..HostSample::default() };
        let (mut seen, mut places) = (HostSeen::default(), Places::default());
        (0..10).for_each(|second| seen.take(Instant(second), &sample, &mut places));
        let of_links: usize = seen.seconds.iter().map(|second| size_of_val(&*second.links)).sum();
        let bytes = of_links / 10 + size_of::<Second>();
        assert!(bytes * 3600 < 25 << 20, "{bytes} bytes each second");
        assert_eq!(seen.seconds[0].packets, 38_000);
        assert!((seen.seconds[0].used.unwrap().busiest - 0.024).abs() < 1e-9, "{:?}", seen.seconds[0].used);
    }

    #[test]
    fn figures_of_a_damaged_log_stop_at_the_largest_number() {
        let counters = Counters {
            packets: u64::MAX,
            bytes: u64::MAX,
            overflowed: u64::MAX,
            refused: u64::MAX,
            lost: 1,
            aqm_dropped: 1,
        };
        let link = LinkUse { counters, rate: Some(0), ..LinkUse::default() };
        let sample = HostSample { links: vec![link.clone(), link], squeezed: u64::MAX, ..HostSample::default() };
        let (mut seen, mut places) = (HostSeen::default(), Places::default());
        (0..2).for_each(|second| seen.take(Instant(second), &sample, &mut places));
        assert_eq!((seen.refused, seen.squeezed, seen.seconds[0].packets), (u64::MAX, u64::MAX, u64::MAX));
        assert_eq!(seen.seconds[1].used, None);
    }
}
