//! The air that the stations of a medium share: one transmits at a time.
//!
//! Each station has a queue. When the air is free, the stations with something to send take turns, a packet each: what contention in 802.11
//! comes to on average (DCF; IEEE Std 802.11-2020, 10.3). So stations that always have something to send get equally many packets
//! through, however fast each is, and all are slowed by the slowest (Heusse, Rousseau, Berger-Sabbatel and Duda, "Performance anomaly of
//! 802.11b", INFOCOM 2003): with packets of one size and rates r₁ … rₙ, each gets 1 / (1/r₁ + … + 1/rₙ) of throughput. Preambles, gaps,
//! collisions and acknowledgements take no time of their own; a rate here is what they leave of it.
//!
//! Chance decides about a packet when it comes, not when its turn does; so, as on a link, which packets are lost depends on the seed and
//! their order alone, and a lost one takes no air.

use std::collections::VecDeque;

use node::clock::Instant;

use super::shape::rate::Retiming;

/// A medium's air, and what waits for it.
#[derive(Debug)]
pub struct Air<T> {
    stations: Vec<VecDeque<(Instant, T)>>,
    /// Whose turn is next.
    turn: usize,
    free_at: Instant,
    /// The direction of what is transmitted until then.
    path: u32,
}

/// What has its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn<T> {
    /// Since when it waited.
    pub since: Instant,
    /// When its transmission begins.
    pub start: Instant,
    /// What it is.
    pub what: T,
}

impl<T> Air<T> {
    /// Free air for so many stations.
    pub fn new(stations: usize) -> Air<T> {
        Air { stations: (0..stations).map(|_| VecDeque::new()).collect(), turn: 0, free_at: Instant(0), path: 0 }
    }

    /// Something of a station waits from `now` on, behind what waits there already.
    pub fn wait(&mut self, station: usize, now: Instant, what: T) {
        self.stations[station].push_back((now, what));
    }

    /// All that waits.
    pub fn waiting_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.stations.iter_mut().flatten().map(|(_, what)| what)
    }

    /// When the next transmission begins, by what waits now.
    pub fn next_start(&self) -> Option<Instant> {
        let first = self.stations.iter().filter_map(|queue| Some(queue.front()?.0)).min()?;
        Some(first.max(self.free_at))
    }

    /// What is transmitted next, since when it waited and from when on it is transmitted, if that isn't after `now`.
    /// [`Air::occupy`] is to follow before the next call.
    pub fn next(&mut self, now: Instant) -> Option<Turn<T>> {
        let start = self.next_start().filter(|start| *start <= now)?;
        let count = self.stations.len();
        let mut turns = (self.turn..count).chain(0..self.turn);
        let station =
            turns.find(|&station| self.stations[station].front().is_some_and(|(since, _)| *since <= start))?;
        self.turn = (station + 1) % count;
        let (since, what) = self.stations[station].pop_front()?;
        Some(Turn { since, start, what })
    }

    /// The air is taken until then by a packet of this direction.
    pub fn occupy(&mut self, until: Instant, path: u32) {
        self.free_at = self.free_at.max(until);
        self.path = path;
    }

    /// The rate of a direction has changed, and so when the air is free if that has it.
    pub fn retime(&mut self, path: u32, retiming: Retiming) {
        if self.path == path {
            self.free_at = retiming.apply(self.free_at);
        }
    }
}

#[cfg(test)]
mod tests {
    use planner::units::Rate;
    use proptest::prelude::*;

    use super::*;
    use crate::fabric::software::shape::rate::Transmitter;

    const PACKET: u64 = 1514 * 8;

    /// How many packets each of these stations (bits per second) gets through in a second if each always has something to send.
    fn saturated(rates: &[u64]) -> Vec<u64> {
        let mut air = Air::new(rates.len());
        for station in 0..rates.len() {
            air.wait(station, Instant(0), station);
        }
        let mut through = vec![0; rates.len()];
        while let Some(Turn { start, what: station, .. }) = air.next(Instant(1_000_000_000)) {
            air.occupy(Instant(start.0 + PACKET * 1_000_000_000 / rates[station]), 0);
            through[station] += 1;
            air.wait(station, start, station);
        }
        through
    }

    #[test]
    fn the_slowest_slows_all() {
        let through = saturated(&[1_000_000, 11_000_000, 11_000_000]);
        // 1 / (1/1 + 1/11 + 1/11) Mbit/s each.
        let each = 1e6 / (1.0 + 2.0 / 11.0) / PACKET as f64;
        assert!(through.iter().all(|count| (*count as f64 - each).abs() <= 1.0), "{through:?}, not {each} each");
    }

    #[test]
    fn who_comes_while_the_air_is_taken_waits_for_its_turn_and_who_comes_later_for_its_time() {
        let mut air = Air::new(3);
        air.wait(2, Instant(5), 'a');
        air.wait(2, Instant(5), 'b');
        let turn = |since, start, what| Some(Turn { since: Instant(since), start: Instant(start), what });
        assert_eq!((air.next_start(), air.next(Instant(4))), (Some(Instant(5)), None));
        assert_eq!(air.next(Instant(6)), turn(5, 5, 'a'));
        air.occupy(Instant(20), 2);
        air.wait(0, Instant(12), 'c');
        assert_eq!(air.next(Instant(19)), None);
        assert_eq!(air.next(Instant(30)), turn(12, 20, 'c'));
        air.occupy(Instant(25), 0);
        assert_eq!(air.next(Instant(30)), turn(5, 25, 'b'));
        assert_eq!(air.next_start(), None);
    }

    #[test]
    fn a_packet_that_has_the_air_goes_on_at_its_directions_new_rate() {
        let mut air = Air::<()>::new(2);
        let mbits = |rate| Some(Rate::from_mbits_per_second(rate));
        let mut wire = Transmitter::new(mbits(1.0));
        air.occupy(wire.transmit(Instant(0), 12_500), 7);
        let faster = wire.set(Instant(20_000_000), mbits(10.0));
        air.retime(6, faster);
        assert_eq!(air.free_at, Instant(100_000_000), "it is another direction's packet");
        air.retime(7, faster);
        assert_eq!(air.free_at, Instant(28_000_000));
    }

    proptest! {
        #[test]
        fn transmissions_never_overlap_and_a_station_keeps_its_order(
            arrivals in prop::collection::vec((0..4usize, 0..2000u64, 1..500u64), 1..100),
        ) {
            let (mut air, mut now, mut free, mut sent) = (Air::new(4), 0, 0, vec![Vec::new(); 4]);
            let mut transmit = |air: &mut Air<(usize, usize, u64)>, now: u64| {
                while let Some(Turn { start, what: (station, number, length), .. }) = air.next(Instant(now)) {
                    assert!(start.0 >= free, "{} begins before {free}", start.0);
                    free = start.0 + length;
                    air.occupy(Instant(free), station as u32);
                    sent[station].push(number);
                }
            };
            for (number, (station, pause, length)) in arrivals.iter().enumerate() {
                now += pause;
                transmit(&mut air, now);
                air.wait(*station, Instant(now), (*station, number, *length));
            }
            transmit(&mut air, u64::MAX);
            prop_assert!(sent.iter().all(|numbers| numbers.is_sorted()));
            prop_assert_eq!(sent.iter().map(Vec::len).sum::<usize>(), arrivals.len());
        }
    }
}
