//! Links are tried before anything is measured over them: single packets for the delay, a train of full-size packets for the rate.
//!
//! Both ends are on one machine, so they have one clock, and a delay is that of one way. All are tried at once, for about
//! a tenth of a second and the delay. When a packet arrived is what the kernel noted, so a busy host is not taken for another link.

use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::sys::socket::sockopt::ReceiveTimestampns;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt};
use nix::sys::time::TimeSpec;
use planner::units::{ByteSize, Rate};

use super::{Direction, Fabric, FabricError, Network, Shape};
use crate::scenario::network::{Airtime, Loss};

/// Not more than so many directions.
const MOST: usize = 64;
/// Single packets: how many, how far apart at least, their payload, and what that has in front of it on the wire.
const SINGLES: u32 = 20;
const APART: Duration = Duration::from_millis(2);
const PAYLOAD: usize = 64;
const HEADERS: u64 = 42;
/// Payload of a packet of full size.
const FULL: usize = 1472;
/// A train: how long it is to last, and how many packets it may have.
const TRAIN: Duration = Duration::from_millis(100);
const CARS: std::ops::RangeInclusive<u64> = 5..=200;
/// Shorter ones tell more of when threads wake up than of the rate.
const SHORTEST: Duration = Duration::from_millis(20);
/// And slower links are not kept waiting for.
const LONGEST: Duration = Duration::from_millis(600);
/// How long the last packet is waited for beyond its delay.
const PATIENCE: Duration = Duration::from_millis(300);

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
    /// The median delay of single packets, without their transmission.
    pub delay: Option<Duration>,
    /// The rate at which the train arrived.
    pub rate: Option<Rate>,
}

/// What is sent in one direction.
#[derive(Debug, Clone, Copy)]
struct Course {
    singles: u32,
    apart: Duration,
    /// Packets of the train.
    cars: u32,
    /// From the first packet until nothing is waited for any more.
    lasts: Duration,
}

impl Course {
    /// In air that others share, a train would only tell how many others try at the same time.
    fn of(shape: &Shape, shared: bool) -> Course {
        let time_for =
            |bytes: u64| shape.rate.map_or(Duration::ZERO, |rate| rate.time_for(ByteSize::from_bytes(bytes)));
        let apart = APART.max(2 * time_for(PAYLOAD as u64 + HEADERS));
        let singles = (4 * TRAIN).as_nanos() / apart.as_nanos().max(1);
        let singles = u32::try_from(singles).unwrap_or(SINGLES).clamp(3, SINGLES);
        let car = time_for(Shape::PACKET);
        let cars = TRAIN.as_nanos().checked_div(car.as_nanos()).unwrap_or(0) as u64;
        // What finds no room in the queue would be lost.
        let room = shape.queue_bytes().bytes() * 9 / 10 / Shape::PACKET;
        let cars = cars.max(*CARS.start()).min(room).min(*CARS.end());
        let train = car * cars as u32;
        let fits = !shared && CARS.contains(&cars) && (SHORTEST..=LONGEST).contains(&train);
        let (cars, train) = if fits { (cars as u32, train) } else { (0, Duration::ZERO) };
        Course { singles, apart, cars, lasts: apart * singles + train + shape.delay + 6 * shape.jitter + PATIENCE }
    }
}

/// Directions that stand for all: of links one of each shape, of media one from each member and one to each.
pub fn covering(network: &Network) -> Vec<(Direction, Shape, bool)> {
    let mut chosen: Vec<(Direction, Shape, bool)> = Vec::new();
    for link in &network.links {
        let ways = [(link.a, link.b, &link.a_to_b), (link.b, link.a, &link.b_to_a)];
        for (from, to, shape) in ways {
            if !shape.is_severed() && !chosen.iter().any(|(_, known, _)| known == shape) && chosen.len() < MOST {
                chosen.push((Direction { from, to }, shape.clone(), false));
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
                chosen.push((direction, shape.clone(), shared));
            }
        }
    }
    chosen
}

/// Tries directions, all at once. Those whose packets go another way are left out.
///
/// # Errors
/// When a namespace can't be entered.
pub fn run(fabric: &Fabric, directions: Vec<(Direction, Shape, bool)>) -> Result<Vec<Trial>, FabricError> {
    let mut ends = Vec::new();
    for (direction, shape, shared) in directions {
        let Direction { from, to } = direction;
        if fabric.next_hop(from, to) != Some(to) {
            continue;
        }
        // A socket that there is no room for tries nothing: the run itself will say so.
        let bind = |host: usize| -> Result<Option<UdpSocket>, FabricError> {
            Ok(fabric.namespace(host)?.enter(|| UdpSocket::bind((fabric.address(host), 0)))?.ok())
        };
        if let (Some(source), Some(sink)) = (bind(from)?, bind(to)?) {
            ends.push((direction, Course::of(&shape, shared), shape, source, sink));
        }
    }
    Ok(thread::scope(|scope| {
        let tried: Vec<_> = ends
            .into_iter()
            .map(|(direction, course, shape, source, sink)| {
                scope.spawn(move || one(direction, course, shape, &source, &sink))
            })
            .collect();
        tried.into_iter().filter_map(|trial| trial.join().ok()).collect()
    }))
}

fn one(direction: Direction, course: Course, shape: Shape, source: &UdpSocket, sink: &UdpSocket) -> Trial {
    let began = Instant::now();
    let sent = course.singles + course.cars;
    let arrivals = thread::scope(|scope| {
        let heard = scope.spawn(move || hear(sink, began, course));
        if let Ok(there) = sink.local_addr() {
            send(source, there, began, course);
        }
        heard.join().unwrap_or_default()
    });
    let transmission =
        shape.rate.map_or(Duration::ZERO, |rate| rate.time_for(ByteSize::from_bytes(PAYLOAD as u64 + HEADERS)));
    let mut delays: Vec<Duration> = arrivals
        .iter()
        .filter(|arrival| arrival.number < course.singles)
        .map(|arrival| arrival.at.saturating_sub(arrival.sent + transmission))
        .collect();
    delays.sort_unstable();
    let rate = rate(arrivals.iter().filter(|arrival| arrival.number >= course.singles));
    let arrived = arrivals.len() as u32;
    Trial { direction, shape, sent, arrived, delay: delays.get(delays.len() / 2).copied(), rate }
}

/// The rate at which a train arrived; `None`: too little of it did, or it was sent too slowly to tell.
fn rate<'a>(train: impl Iterator<Item = &'a Arrival> + Clone) -> Option<Rate> {
    let lasted = |times: &mut dyn Iterator<Item = Duration>| {
        let (first, last) = times.fold(None, |span: Option<(Duration, Duration)>, at| {
            Some(span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))))
        })?;
        Some(last - first)
    };
    let sending = lasted(&mut train.clone().map(|arrival| arrival.sent))?;
    let arriving = lasted(&mut train.clone().map(|arrival| arrival.at))?;
    let cars = train.count() as u64;
    if cars < *CARS.start() || 2 * arriving < SHORTEST || 2 * sending > arriving {
        return None;
    }
    let bits = (cars - 1) * Shape::PACKET * 8;
    Some(Rate::from_mbits_per_second(bits as f64 / arriving.as_secs_f64() / 1e6))
}

/// A packet that arrived; times are those of the wall clock, since its epoch.
struct Arrival {
    number: u32,
    sent: Duration,
    at: Duration,
}

fn send(source: &UdpSocket, there: SocketAddr, began: Instant, course: Course) {
    let mut bytes = [0; FULL];
    for number in 0..course.singles + course.cars {
        let length = if number < course.singles { PAYLOAD } else { FULL };
        if number <= course.singles {
            thread::sleep((course.apart * number).saturating_sub(began.elapsed()));
        }
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        bytes[4..12].copy_from_slice(&(wall_clock().as_nanos() as u64).to_le_bytes());
        // What can't be sent doesn't arrive, and that is seen.
        let _ = source.send_to(&bytes[..length], there);
    }
}

/// Packets have the kernel's time, so that it doesn't matter when this thread wakes up.
fn hear(sink: &UdpSocket, began: Instant, course: Course) -> Vec<Arrival> {
    let mut arrivals: Vec<Arrival> = Vec::new();
    if setsockopt(sink, ReceiveTimestampns, &true).is_err() {
        return arrivals;
    }
    let (mut bytes, mut control) = ([0; FULL], nix::cmsg_space!(TimeSpec));
    while arrivals.len() < (course.singles + course.cars) as usize {
        let left = course.lasts.saturating_sub(began.elapsed());
        if left.is_zero() || sink.set_read_timeout(Some(left)).is_err() {
            break;
        }
        let mut buffers = [IoSliceMut::new(&mut bytes)];
        let heard = recvmsg::<()>(sink.as_raw_fd(), &mut buffers, Some(&mut control), MsgFlags::empty());
        let at = match &heard {
            Ok(message) if message.bytes >= PAYLOAD => message.cmsgs().ok().and_then(|mut all| {
                all.find_map(|one| if let ControlMessageOwned::ScmTimestampns(at) = one { Some(at) } else { None })
            }),
            Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => None,
            Err(_) => break,
        };
        let Some(at) = at else { continue };
        let number = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let sent = Duration::from_nanos(u64::from_le_bytes(bytes[4..12].try_into().unwrap_or_default()));
        // A packet that comes twice came once.
        if !arrivals.iter().any(|arrival| arrival.number == number) {
            arrivals.push(Arrival { number, sent, at: Duration::from(at) });
        }
    }
    arrivals
}

fn wall_clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Whether no packet is to be lost.
pub fn is_lossless(shape: &Shape) -> bool {
    shape.loss == Loss::default() && shape.corrupt == 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(mbits: f64) -> Shape {
        Shape { rate: Some(Rate::from_mbits_per_second(mbits)), ..Shape::default() }
    }

    #[test]
    fn a_train_lasts_a_tenth_of_a_second_where_a_link_is_neither_too_fast_nor_too_slow() {
        for (mbits, cars) in [(0.01, 0), (0.2, 5), (1.0, 8), (10.0, 37), (100.0, 200), (1000.0, 0)] {
            let course = Course::of(&shape(mbits), false);
            assert_eq!(course.cars, cars, "{mbits} Mbit/s: {course:?}");
            assert!(course.lasts < Duration::from_secs(2), "{mbits} Mbit/s: {course:?}");
        }
        assert_eq!(Course::of(&Shape::default(), false).cars, 0);
        assert_eq!(Course::of(&shape(10.0), true).cars, 0);
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
            covering(network).iter().map(|(direction, ..)| (direction.from, direction.to)).collect()
        };
        assert_eq!(ways(&on_links), [(0, 1), (0, 2)]);
        assert_eq!(ways(&Network { nodes: 3, media: vec![medium], ..Network::default() }), [(0, 1), (1, 2), (2, 0)]);
    }
}
