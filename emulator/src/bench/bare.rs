//! What figures are held against: how late this host wakes threads up, and what two hosts see of each other over a plain pair of
//! interfaces, which nothing shapes and no thread forwards. What a probe shows there is the measure's own error.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use super::{BenchError, build_with, io, pair};
use crate::fabric::carrier::{Carrier, CarrierError, Plug, UNLIMITED_SEGMENTS, Vitals};
use crate::fabric::software::wait;
use crate::fabric::veth;
use crate::fabric::{Counters, Direction, Fabric, Shape};
use crate::scenario::network::Medium;

/// By how much a thread with real-time priority, where that may be had, wakes up late from each of so many naps.
pub fn wake_ups(nap: Duration, count: usize) -> Result<Vec<Duration>, BenchError> {
    let nap_often = move || {
        let _ = wait::take_priority(wait::FORWARDING);
        wait::sharpen_timers();
        let once = |_| {
            let before = Instant::now();
            thread::sleep(nap);
            before.elapsed().saturating_sub(nap)
        };
        (0..count).map(once).collect()
    };
    let napper = thread::Builder::new().spawn(nap_often).map_err(io("starting a thread"))?;
    Ok(napper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

/// Two nodes with a plain pair between them.
pub fn fabric() -> Result<Fabric, BenchError> {
    build_with(Box::new(Bare), &pair(&Shape::default()))
}

/// A carrier that joins two hosts and does nothing else.
struct Bare;

impl Carrier for Bare {
    fn name(&self) -> &'static str {
        "bare"
    }

    fn add_link(&mut self, a: Plug<'_>, b: Plug<'_>, _: &Shape, _: &Shape) -> Result<(), CarrierError> {
        veth::create(a.end(), b.end()).map_err(CarrierError::netlink("joining two hosts"))
    }

    fn add_medium(&mut self, _: &Medium, _: &[Plug<'_>]) -> Result<(), CarrierError> {
        Err(CarrierError::Unavailable { carrier: "bare", reason: "it joins two hosts only".to_owned() })
    }

    fn start(&mut self) -> Result<(), CarrierError> {
        Ok(())
    }

    fn set_shape(&mut self, _: Direction, _: &Shape) -> Result<Shape, CarrierError> {
        Ok(Shape::default())
    }

    fn counters(&mut self) -> Result<BTreeMap<Direction, Counters>, CarrierError> {
        Ok(BTreeMap::new())
    }

    fn vitals(&mut self) -> Result<Vitals, CarrierError> {
        Ok(Vitals::default())
    }

    fn longest_super_frame(&self, _: &Shape) -> u32 {
        UNLIMITED_SEGMENTS
    }

    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}
