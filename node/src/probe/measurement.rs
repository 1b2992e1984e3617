//! One direction, measured: pings, a rough train, a longer one.

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use planner::units::{ByteSize, Rate};

use super::Measured;
use super::datagram::{Datagram, on_the_wire};
use super::train::{HASTE, Train};

/// Pings on their way at the same time.
const PINGS: u32 = 3;
/// How long after an answer to one the answer to the next may come.
const FOLLOWING: Duration = Duration::from_millis(5);
/// How long the answer to the first ping is waited for before it is sent again.
const PATIENCE: Duration = Duration::from_millis(500);
/// Within this one ping must be answered.
const PING: Duration = Duration::from_secs(2);
/// Second trains, at most: a rough rate may have been far too low, a host may have lost packets or held them up.
const TRIES: u32 = 8;
/// Two trains agree if their rates differ by no more than this part.
const AGREE: f64 = 0.02;

/// A datagram that came, and from whom.
pub type Heard = (SocketAddr, Datagram);

/// What a measurement works with.
pub struct Measurement<'a> {
    /// The agent's socket.
    pub socket: &'a UdpSocket,
    /// Answers that came to it.
    pub answers: &'a Receiver<Heard>,
    /// The agent to send to.
    pub to: SocketAddr,
    /// When it must be done.
    pub deadline: Instant,
    /// Number of the last ping or train; no number is used twice by one agent.
    pub number: &'a mut u64,
}

/// A train that was sent.
struct Sent {
    /// What its receiver says; `None`: more than can be told.
    rate: Option<Rate>,
    /// How many of its packets arrived.
    arrived: u32,
    /// How long sending took.
    took: Duration,
}

/// What the two fastest trains say, if they say the same. A train that a busy host held up looks slow; that this happens
/// to every train but one, or to two alike, is rare.
fn agreement(found: &[Option<Rate>]) -> Option<Option<Rate>> {
    let mut bits: Vec<u64> = found.iter().map(|rate| rate.map_or(u64::MAX, Rate::bits_per_second)).collect();
    bits.sort_unstable_by_key(|bits| std::cmp::Reverse(*bits));
    let [first, second, ..] = *bits.as_slice() else { return None };
    match (first, second) {
        (u64::MAX, u64::MAX) => Some(None),
        (u64::MAX, _) => None,
        _ if second as f64 >= first as f64 * (1.0 - AGREE) => {
            Some(Some(Rate::from_bits_per_second(first.midpoint(second))))
        }
        _ => None,
    }
}

impl Measurement<'_> {
    /// Measures; `None` when the other agent does not answer in time.
    pub fn run(&mut self) -> Option<Measured> {
        // Answers to an earlier measurement, too late.
        while self.answers.try_recv().is_ok() {}
        let round_trip = self.ping()?;
        let car = Datagram::car(0, self.to.ip());
        let size = on_the_wire(car.len(), self.to.ip());
        let mut rate = self.train(Train::FIRST, size, round_trip)?.rate;
        let mut haste = HASTE;
        let mut found: Vec<Option<Rate>> = Vec::new();
        for _ in 0..TRIES {
            let left = self.deadline.saturating_duration_since(Instant::now()) / 2;
            let train = Train::after(rate, haste, size, left);
            // Too slow a pair for a longer train.
            if train.packets < Train::FIRST.packets {
                break;
            }
            let Some(sent) = self.train(train, size, round_trip) else { break };
            if sent.rate.is_some_and(|found| train.was_too_slow_for(found, size, sent.took)) {
                haste *= 4.0;
                // Not slower than this.
                rate = rate.zip(sent.rate).map(|(rate, found)| rate.max(found));
                continue;
            }
            if sent.arrived < train.packets / 2 {
                continue;
            }
            found.push(sent.rate);
            if let Some(agreed) = agreement(&found) {
                return Some(Measured { rate: agreed, delay: round_trip / 2 });
            }
        }
        // A host that holds packets up makes a hop look slower than it is, hardly ever faster.
        let fastest = found.into_iter().map(|rate| rate.map_or(u64::MAX, Rate::bits_per_second)).max();
        let rate = match fastest {
            Some(u64::MAX) => None,
            Some(bits) => Some(Rate::from_bits_per_second(bits)),
            None => rate,
        };
        Some(Measured { rate, delay: round_trip / 2 })
    }

    fn next(&mut self) -> u64 {
        *self.number += 1;
        *self.number
    }

    fn say(&self, bytes: &[u8]) {
        // What is not sent does not arrive, and that is noticed.
        if let Err(error) = self.socket.send_to(bytes, self.to) {
            tracing::debug!(%error, to = %self.to, "a probe could not be sent");
        }
    }

    /// Waits for an answer that `take` likes, until `until` or the deadline.
    fn answer<T>(&self, until: Instant, take: impl Fn(Datagram) -> Option<T>) -> Option<T> {
        loop {
            let left = until.min(self.deadline).saturating_duration_since(Instant::now());
            let (from, datagram) = self.answers.recv_timeout(left).ok()?;
            if let Some(taken) = take(datagram).filter(|_| from == self.to) {
                return Some(taken);
            }
        }
    }

    /// The shortest round trip of a few pings on their way together.
    fn ping(&mut self) -> Option<Duration> {
        let give_up = self.deadline.min(Instant::now() + PING);
        let mut sent = Vec::new();
        while Instant::now() < give_up {
            for _ in 0..PINGS {
                let number = self.next();
                sent.push((number, Instant::now()));
                self.say(&Datagram::Ping(number).to_bytes());
            }
            let round_trip = |datagram| match datagram {
                Datagram::Pong(back) => {
                    sent.iter().find(|(number, _)| *number == back).map(|(_, sent)| (back, sent.elapsed()))
                }
                _ => None,
            };
            let Some((mut back, mut shortest)) = self.answer(Instant::now() + PATIENCE, round_trip) else { continue };
            // The others follow at once, or are lost.
            while back != *self.number
                && let Some((next, took)) = self.answer(Instant::now() + FOLLOWING, round_trip)
            {
                (back, shortest) = (next, shortest.min(took));
            }
            return Some(shortest);
        }
        None
    }

    /// Sends a train and asks what arrived of it.
    fn train(&mut self, train: Train, size: ByteSize, round_trip: Duration) -> Option<Sent> {
        let number = self.next();
        let car = Datagram::car(number, self.to.ip());
        let began = Instant::now();
        for index in 0..train.packets {
            let ahead = (began + train.due(index, size)).saturating_duration_since(Instant::now());
            if !ahead.is_zero() {
                thread::sleep(ahead);
            }
            self.say(&car);
        }
        let took = began.elapsed();
        // The question goes the way of the train and so arrives behind it, unless it is lost. Asked again
        // too early, it only is asked twice.
        let ask = Datagram::Ask { train: number }.to_bytes();
        while Instant::now() < self.deadline {
            self.say(&ask);
            let patience = Instant::now() + round_trip * 2 + Duration::from_millis(100);
            let told = self.answer(patience, |datagram| match datagram {
                Datagram::Told { train, arrived, bits_per_second } if train == number => {
                    Some((arrived, Datagram::rate(bits_per_second)))
                }
                _ => None,
            });
            match told {
                Some((arrived, _)) if arrived < 2 => return None,
                Some((arrived, rate)) => return Some(Sent { rate, arrived, took }),
                None => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_fastest_trains_must_agree() {
        let rate = |mbits: f64| Some(Rate::from_mbits_per_second(mbits));
        assert_eq!(agreement(&[rate(50.0)]), None);
        assert_eq!(agreement(&[rate(50.0), rate(100.0)]), None);
        assert_eq!(agreement(&[rate(50.0), rate(100.0), rate(50.0)]), None);
        assert_eq!(agreement(&[rate(50.0), rate(100.0), rate(99.0)]), Some(rate(99.5)));
        assert_eq!(agreement(&[None, rate(900.0)]), None);
        assert_eq!(agreement(&[None, rate(900.0), None]), Some(None));
    }
}
