//! Links are tried before anything is measured over them: single packets for the delay, its spread and losses, a train of
//! full-size packets for the rate.
//!
//! Both ends are on one machine, so they have one clock, and a delay is that of one way. All are tried at once, for about
//! a tenth of a second and the delay; trains that need the machine or the air to themselves follow one by one. When a packet
//! arrived is what the kernel noted, so a busy host is not taken for another link.

mod course;
mod datagrams;

use std::net::UdpSocket;
use std::ops::RangeInclusive;
use std::thread;
use std::time::{Duration, Instant};

use planner::units::{ByteSize, Rate};

use self::course::{Course, LEAST_CARS, SHORTEST};
use self::datagrams::{Arrival, Heard, travel};
use super::distribution::{ENTRIES, SCALE, table};
use super::{Direction, Fabric, FabricError, Network, Shape};
use crate::scenario::network::Airtime;

/// Not more than so many directions.
const MOST: usize = 64;
/// Trains that travel alone begin within this time; those that don't are left out.
const ALONE: Duration = Duration::from_secs(1);
/// A spread is told from so many single packets on.
const SPREAD: usize = 16;
/// Of the time in which a train arrived, the link may have waited for its sender for so much.
const WAITED: f64 = 0.02;

/// A direction that is to be tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Which.
    pub direction: Direction,
    /// What is asked of it.
    pub shape: Shape,
    /// Whether it shares its air with others.
    pub shared: bool,
}

/// What one direction did.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Which.
    pub direction: Direction,
    /// What was asked of it.
    pub shape: Shape,
    /// How many packets were sent.
    pub sent: u32,
    /// How many of them arrived.
    pub arrived: u32,
    /// How many may be lost before it is doubted that the link loses what it is to lose.
    pub may_be_lost: RangeInclusive<u32>,
    /// The median delay of single packets, without their transmission.
    pub delay: Option<Duration>,
    /// What is asked of the spread of delays, and what it was: from the first quartile to the third. `None`: no jitter is
    /// asked for, or too few packets arrived to tell, or one's delay depends on that of the one before.
    pub spread: Option<(Duration, Duration)>,
    /// The rate at which the train arrived.
    pub rate: Option<Rate>,
}

/// Both ends of a direction.
struct Ends {
    candidate: Candidate,
    course: Course,
    alone: Option<Course>,
    source: UdpSocket,
    sink: UdpSocket,
}

/// Directions that stand for all: of links one of each shape, of media one from each member and one to each.
pub fn covering(network: &Network) -> Vec<Candidate> {
    let mut chosen: Vec<Candidate> = Vec::new();
    for link in &network.links {
        let ways = [(link.a, link.b, &link.a_to_b), (link.b, link.a, &link.b_to_a)];
        for (from, to, shape) in ways {
            if !shape.is_severed() && !chosen.iter().any(|known| known.shape == *shape) && chosen.len() < MOST {
                chosen.push(Candidate { direction: Direction { from, to }, shape: shape.clone(), shared: false });
            }
        }
    }
    for medium in &network.media {
        let count = medium.members.len();
        let shared = medium.airtime == Airtime::Shared;
        for from in (0..count).step_by(count.div_ceil(MOST).max(1)) {
            let to = (from + 1) % count;
            let shape = &medium.shapes[from][to];
            if from != to && !shape.is_severed() {
                let direction = Direction { from: medium.members[from], to: medium.members[to] };
                chosen.push(Candidate { direction, shape: shape.clone(), shared });
            }
        }
    }
    chosen
}

/// Tries directions. Those whose packets go another way are left out.
///
/// # Errors
/// When a namespace can't be entered.
pub fn run(fabric: &Fabric, candidates: Vec<Candidate>) -> Result<Vec<Trial>, FabricError> {
    let mut all = Vec::new();
    for candidate in candidates {
        let Direction { from, to } = candidate.direction;
        if fabric.next_hop(from, to) != Some(to) {
            continue;
        }
        // A socket that there is no room for tries nothing: the run itself will say so.
        let bind = |host: usize| -> Result<Option<UdpSocket>, FabricError> {
            Ok(fabric.namespace(host)?.enter(|| UdpSocket::bind((fabric.address(host), 0)))?.ok())
        };
        if let (Some(source), Some(sink)) = (bind(from)?, bind(to)?) {
            let (course, alone) = Course::of(&candidate.shape, candidate.shared);
            all.push(Ends { candidate, course, alone, source, sink });
        }
    }
    let together: Vec<Heard> = thread::scope(|scope| {
        let tried = all.iter().map(|ends| scope.spawn(|| travel(0, ends.course, &ends.source, &ends.sink)));
        // All are spawned before the first is waited for.
        let tried: Vec<_> = tried.collect();
        tried.into_iter().map(|heard| heard.join().unwrap_or_default()).collect()
    });
    let began = Instant::now();
    let trials = all.into_iter().zip(together).map(|(ends, mut heard)| {
        let alone = ends.alone.filter(|_| began.elapsed() < ALONE);
        let mut sent = ends.course.packets();
        if let Some(course) = alone {
            let train = travel(sent, course, &ends.source, &ends.sink);
            sent += course.packets();
            heard.arrivals.extend(train.arrivals);
            heard.unread += train.unread;
        }
        judged(ends.candidate, ends.course.singles, sent, &heard)
    });
    Ok(trials.collect())
}

/// What is to be said of packets, of which the first `singles` were single ones.
fn judged(candidate: Candidate, singles: u32, sent: u32, heard: &Heard) -> Trial {
    let Candidate { direction, shape, .. } = candidate;
    let (single, train): (Vec<Arrival>, Vec<Arrival>) =
        heard.arrivals.iter().partition(|arrival| arrival.number < singles);
    let transmission = course::transmission(&shape);
    let mut delays: Vec<Duration> =
        single.iter().map(|arrival| arrival.at.saturating_sub(arrival.sent + transmission)).collect();
    delays.sort_unstable();
    let quartile = |quarters: usize| delays.get(delays.len() * quarters / 4).copied();
    let independent = !shape.jitter.is_zero() && shape.jitter_correlation == 0.0 && delays.len() >= SPREAD;
    let spread = quartile(3).zip(quartile(1)).filter(|_| independent);
    Trial {
        direction,
        sent,
        arrived: heard.arrivals.len() as u32,
        may_be_lost: course::may_be_lost(&shape, sent),
        delay: quartile(2),
        spread: spread.map(|(third, first)| (asked_spread(&shape), third.saturating_sub(first))),
        rate: shape.rate.and_then(|asked| rate(&train, asked)).filter(|_| heard.unread == 0),
        shape,
    }
}

/// From the first quartile of what is asked of the delay to the third.
fn asked_spread(shape: &Shape) -> Duration {
    let table = table(&shape.distribution);
    let jitters = |entry: usize| table.get(entry).map_or(0.0, |entry| f64::from(*entry) / SCALE);
    shape.jitter.mul_f64((jitters(ENTRIES * 3 / 4) - jitters(ENTRIES / 4)).max(0.0))
}

/// The rate at which a train arrived; `None`: too little of it did, or a link with the rate that was asked would have had to
/// wait for the sender, who had no processor.
fn rate(train: &[Arrival], asked: Rate) -> Option<Rate> {
    let car = asked.time_for(ByteSize::from_bytes(Shape::PACKET));
    let first = train.iter().min_by_key(|arrival| arrival.number)?;
    // For how long the link has had nothing to send, up to a packet, is how late the latest was.
    let late = |arrival: &Arrival| {
        let turn = car * (arrival.number - first.number);
        arrival.sent.saturating_sub(first.sent).saturating_sub(turn)
    };
    let waited = train.iter().map(late).max()?;
    let times = train.iter().map(|arrival| arrival.at);
    let arriving = times.clone().max()?.saturating_sub(times.min()?);
    let cars = train.len() as u64;
    if cars < LEAST_CARS || 2 * arriving < SHORTEST || waited > arriving.mul_f64(WAITED) {
        return None;
    }
    let bits = (cars - 1) * Shape::PACKET * 8;
    Some(Rate::from_mbits_per_second(bits as f64 / arriving.as_secs_f64() / 1e6))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(mbits: f64) -> Shape {
        Shape { rate: Some(Rate::from_mbits_per_second(mbits)), ..Shape::default() }
    }

    #[test]
    fn one_of_each_shape_is_tried_and_each_member_of_a_medium() {
        let link = |a, b, mbits| crate::scenario::network::Link { a, b, a_to_b: shape(mbits), b_to_a: shape(10.0) };
        let links = vec![link(0, 1, 10.0), link(0, 2, 20.0), link(1, 2, 20.0)];
        let medium = crate::scenario::network::Medium {
            name: "air".into(),
            members: vec![0, 1, 2],
            shapes: vec![vec![shape(5.0); 3]; 3],
            airtime: Airtime::Independent,
        };
        let on_links = Network { nodes: 3, links, ..Network::default() };
        let ways = |network: &Network| -> Vec<(usize, usize)> {
            covering(network).iter().map(|candidate| (candidate.direction.from, candidate.direction.to)).collect()
        };
        assert_eq!(ways(&on_links), [(0, 1), (0, 2)]);
        assert_eq!(ways(&Network { nodes: 3, media: vec![medium], ..Network::default() }), [(0, 1), (1, 2), (2, 0)]);
    }

    #[test]
    fn a_train_whose_sender_was_held_up_tells_no_rate() {
        let millis = Duration::from_millis;
        let asked = Rate::from_mbits_per_second(10.0);
        let car = asked.time_for(ByteSize::from_bytes(Shape::PACKET));
        let arrival = |number: u32| Arrival { number, sent: millis(1000), at: millis(1005) + car * number };
        let mut train: Vec<Arrival> = (20..60).map(arrival).collect();
        let told = rate(&train, asked).expect("a rate");
        assert!((told.bits_per_second() as f64 / 1e7 - 1.0).abs() < 1e-3, "{told}");
        // Half as fast a link is seen,
        let slow: Vec<Arrival> =
            train.iter().map(|arrival| Arrival { at: arrival.at + car * (arrival.number - 20), ..*arrival }).collect();
        let told = rate(&slow, asked).expect("a rate");
        assert!((told.bits_per_second() as f64 / 5e6 - 1.0).abs() < 1e-3, "{told}");
        // a sender that stopped in the middle is no link.
        for held in &mut train[20..] {
            (held.sent, held.at) = (held.sent + millis(40), held.at + millis(20));
        }
        assert_eq!(rate(&train, asked), None);
        assert_eq!(rate(&train[..3], asked), None);
    }

    #[test]
    fn delays_tell_their_median_and_how_far_they_are_spread() {
        let shape = Shape {
            delay: Duration::from_millis(20),
            jitter: Duration::from_millis(4),
            distribution: crate::scenario::network::Distribution::Uniform,
            ..Shape::default()
        };
        let candidate =
            |shape: &Shape| Candidate { direction: Direction { from: 0, to: 1 }, shape: shape.clone(), shared: false };
        // From 16 to 24 ms in equal steps, the last ten lost.
        let arrival = |number: u32| {
            let sent = Duration::from_millis(1000 + 20 * u64::from(number));
            Arrival { number, sent, at: sent + Duration::from_micros(16_000 + 160 * u64::from(number)) }
        };
        let heard = Heard { arrivals: (0..50).map(arrival).collect(), unread: 0 };
        let trial = judged(candidate(&shape), 50, 60, &heard);
        assert_eq!((trial.sent, trial.arrived, trial.delay), (60, 50, Some(Duration::from_millis(20))));
        let (asked, seen) = trial.spread.expect("a spread");
        assert!(asked.abs_diff(Duration::from_millis(4)) < Duration::from_micros(20), "{asked:?}");
        assert!(seen.abs_diff(Duration::from_millis(4)) < Duration::from_micros(200), "{seen:?}");
        assert!(!trial.may_be_lost.contains(&10), "{:?}", trial.may_be_lost);
        let correlated = Shape { jitter_correlation: 0.5, ..shape };
        assert_eq!(judged(candidate(&correlated), 50, 60, &heard).spread, None);
    }
}
