//! Real netem, measured. These tests need a kernel with `sch_netem`, `sch_htb`, `cls_u32` and bridges, and the right to
//! make namespaces: `cargo xtask uml` boots User-Mode Linux for them. Elsewhere they say what is missing and skip;
//! with `EMU_NETEM=required` in the environment they fail instead.

mod netem;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use emulator::fabric::{CarrierChoice, Direction, Fabric, Network, Shape};
use emulator::scenario::network::{Airtime, Distribution, Link, Loss, Medium, Queue};
use planner::units::{ByteSize, Rate};

/// Long enough on the busiest machine; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);
/// How much later than netem plans a packet may arrive at best, there and back.
const OVERHEAD: Duration = Duration::from_millis(3);
const THERE: Direction = Direction { from: 0, to: 1 };

fn build(network: &Network, seed: u64) -> Fabric {
    let count = network.hosts();
    let names: Vec<String> = (0..count).map(|host| format!("n{host}")).collect();
    let next_hops: Vec<Vec<Option<usize>>> =
        (0..count).map(|from| (0..count).map(|to| (from != to).then_some(to)).collect()).collect();
    Fabric::build(network, &names, &next_hops, CarrierChoice::Netem, seed).unwrap()
}

fn link(a_to_b: Shape, b_to_a: Shape, seed: u64) -> Fabric {
    let links = vec![Link { a: 0, b: 1, a_to_b, b_to_a }];
    build(&Network { nodes: 2, links, ..Network::default() }, seed)
}

fn udp(fabric: &Fabric, host: usize) -> UdpSocket {
    let address = SocketAddr::new(fabric.address(host), 0);
    let socket = fabric.namespace(host).unwrap().enter(|| UdpSocket::bind(address)).unwrap().unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// The shortest of a few round trips.
fn round_trip(fabric: &Fabric, a: usize, b: usize) -> Duration {
    let (near, far) = (udp(fabric, a), udp(fabric, b));
    let (there, back) = (far.local_addr().unwrap(), near.local_addr().unwrap());
    let mut datagram = [0; 64];
    let once = |datagram: &mut [u8; 64]| {
        let sent = Instant::now();
        near.send_to(b"ping", there).unwrap();
        far.recv(datagram).unwrap();
        far.send_to(b"pong", back).unwrap();
        near.recv(datagram).unwrap();
        sent.elapsed()
    };
    (0..10).map(|_| once(&mut datagram)).min().unwrap()
}

/// What TCP carries per second, once it is up to speed.
fn goodput(fabric: &Fabric, from: usize, to: usize, bytes: usize) -> f64 {
    let address = SocketAddr::new(fabric.address(to), 7000);
    let listener = fabric.namespace(to).unwrap().enter(|| TcpListener::bind(address)).unwrap().unwrap();
    let mut sender = fabric.namespace(from).unwrap().enter(|| TcpStream::connect(address)).unwrap().unwrap();
    let (mut receiver, _) = listener.accept().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || sender.write_all(&vec![0; bytes]).unwrap());
        let mut buffer = vec![0; 1 << 16];
        let slow_start = bytes / 4;
        let (mut total, mut begun) = (0, None);
        while total < bytes {
            total += receiver.read(&mut buffer).unwrap();
            if total >= slow_start && begun.is_none() {
                begun = Some((total, Instant::now()));
            }
        }
        let (already, begun) = begun.unwrap();
        (total - already) as f64 * 8.0 / begun.elapsed().as_secs_f64()
    })
}

/// Which of `count` datagrams from host 0 reach host 1.
fn arrivals(fabric: &Fabric, count: u32) -> BTreeSet<u32> {
    let (near, far) = (udp(fabric, 0), udp(fabric, 1));
    let there = far.local_addr().unwrap();
    let mut heard = BTreeSet::new();
    let mut datagram = [0; 64];
    for number in 0..count {
        near.send_to(&number.to_be_bytes(), there).unwrap();
        let last = number + 1 == count;
        // In small portions, and idle after each, so that the receiver's buffer never overflows.
        if number % 50 == 49 || last {
            far.set_read_timeout(Some(Duration::from_millis(if last { 500 } else { 5 }))).unwrap();
            while let Ok(4) = far.recv(&mut datagram) {
                heard.insert(u32::from_be_bytes([datagram[0], datagram[1], datagram[2], datagram[3]]));
            }
        }
    }
    heard
}

#[test]
fn shapes_read_back_equal() {
    if !netem::works() {
        return;
    }
    let fabric = link(Shape::default(), Shape::default(), 7);
    let mbits = |rate| Some(Rate::from_mbits_per_second(rate));
    let bursts = Loss::GilbertElliott { p: 0.01, r: 0.25, bad: 0.9, good: 0.001 };
    let shapes = [
        Shape { rate: mbits(10.0), delay: Duration::from_millis(25), ..Shape::default() },
        Shape { delay: Duration::from_nanos(1_234_567), jitter: Duration::from_micros(100), ..Shape::default() },
        Shape {
            distribution: Distribution::Table(vec![-1.0, 2.0]),
            jitter: Duration::from_millis(1),
            ..Shape::default()
        },
        Shape { distribution: Distribution::Pareto, delay: Duration::from_millis(5), ..Shape::default() },
        Shape { loss: bursts, rate: mbits(0.064), ..Shape::default() },
        Shape { loss: Loss::Random(0.015), duplicate: 0.01, corrupt: 0.002, ..Shape::default() },
        Shape { reorder: 0.25, delay: Duration::from_millis(3), rate: mbits(100_000.0), ..Shape::default() },
        Shape { reorder: 0.5, reorder_gap: 5, delay: Duration::from_millis(3), ..Shape::default() },
        Shape { queue: Some(Queue::Bytes(ByteSize::from_mib(1))), rate: mbits(1000.0), ..Shape::default() },
        Shape::default().severed(),
        Shape::default(),
    ];
    for shape in shapes {
        assert_eq!(fabric.set_shape(THERE, &shape).unwrap(), shape);
        assert_eq!(fabric.shape(THERE), Some(shape));
    }
}

#[test]
fn delay_is_what_was_asked_and_changes_at_once() {
    if !netem::works() {
        return;
    }
    let delay = |ms| Shape { delay: Duration::from_millis(ms), ..Shape::default() };
    let fabric = link(delay(25), delay(5), 7);
    let before = round_trip(&fabric, 0, 1);
    fabric.set_shape(THERE, &delay(60)).unwrap();
    let after = round_trip(&fabric, 0, 1);
    eprintln!("round trips: 25 + 5 ms: {before:?}; 60 + 5 ms: {after:?}");
    assert!((Duration::from_millis(30)..Duration::from_millis(30) + OVERHEAD).contains(&before), "{before:?}");
    assert!((Duration::from_millis(65)..Duration::from_millis(65) + OVERHEAD).contains(&after), "{after:?}");
}

#[test]
fn a_change_keeps_what_is_under_way() {
    if !netem::works() {
        return;
    }
    let slow = Shape { delay: Duration::from_millis(400), ..Shape::default() };
    let fabric = link(slow.clone(), slow, 7);
    let (near, far) = (udp(&fabric, 0), udp(&fabric, 1));
    near.send_to(b"under way", far.local_addr().unwrap()).unwrap();
    assert_eq!(fabric.vitals().unwrap().under_way, BTreeMap::from([(THERE, 1)]));
    fabric.set_shape(THERE, &Shape::default()).unwrap();
    assert_eq!(far.recv(&mut [0; 64]).unwrap(), 9);
}

#[test]
fn rate_is_what_was_asked() {
    if !netem::works() {
        return;
    }
    for (mbits, bytes) in [(10.0, 3_000_000), (100.0, 20_000_000)] {
        let shape = Shape {
            rate: Some(Rate::from_mbits_per_second(mbits)),
            delay: Duration::from_millis(2),
            ..Shape::default()
        };
        let fabric = link(shape.clone(), shape, 7);
        // 1448 bytes of every 1514 on the wire are TCP's payload.
        let ceiling = mbits * 1e6 * 1448.0 / 1514.0;
        let measured: Vec<f64> = (0..5).map(|_| goodput(&fabric, 0, 1, bytes) / ceiling).collect();
        eprintln!("{mbits} Mbit/s: goodput is {measured:.4?} of {:.2} Mbit/s", ceiling / 1e6);
        // This kernel's clock loses time while its host does something else, so that more seems to pass; a rate that was set
        // wrongly would be wrong each time.
        assert!(measured.iter().all(|share| *share < 1.1), "{measured:?}");
        assert!(measured.iter().any(|share| (0.95..1.01).contains(share)), "{measured:?}");
        let counters = fabric.counters().unwrap()[&THERE];
        assert!(counters.packets as usize >= 5 * bytes / 1448, "{counters:?}");
        assert_eq!(counters.lost, 0);
    }
}

#[test]
fn losses_come_in_bursts_and_are_counted() {
    if !netem::works() {
        return;
    }
    const COUNT: u32 = 10_000;
    let shape = Shape { loss: Loss::GilbertElliott { p: 0.05, r: 0.25, bad: 1.0, good: 0.0 }, ..Shape::default() };
    let fabric = link(shape.clone(), Shape::default(), 42);
    let heard = arrivals(&fabric, COUNT);
    let lost = COUNT as usize - heard.len();
    let bursts = (0..COUNT).filter(|n| !heard.contains(n) && (*n == 0 || heard.contains(&(n - 1)))).count();
    let (share, length) = (lost as f64 / f64::from(COUNT), lost as f64 / bursts as f64);
    eprintln!("lost {share:.4} (p / (p + r) is 0.1667), in bursts of {length:.2} (1 / r is 4)");
    assert!((0.12..0.215).contains(&share), "{share}");
    assert!((3.1..4.9).contains(&length), "{length}");
    let counters = fabric.counters().unwrap()[&THERE];
    assert_eq!((counters.packets, counters.lost, counters.overflowed), (heard.len() as u64, lost as u64, 0));

    let again = arrivals(&link(shape, Shape::default(), 42), COUNT);
    match fabric.warnings().as_slice() {
        [] => assert_eq!(again, heard, "the same seed loses the same packets"),
        warnings => {
            eprintln!("{}", warnings.join("; "));
            assert!(warnings[0].contains("seed"));
        }
    }
}

#[test]
fn jitter_spreads_the_delay_by_its_distribution() {
    if !netem::works() {
        return;
    }
    const COUNT: usize = 400;
    let measured = Distribution::Table(vec![-1.0, -0.5, 0.0, 3.0]);
    for distribution in [Distribution::Uniform, Distribution::Normal, Distribution::Pareto, measured] {
        let (delay, jitter) = (Duration::from_millis(10), Duration::from_millis(2));
        let fabric =
            link(Shape { delay, jitter, distribution: distribution.clone(), ..Shape::default() }, Shape::default(), 7);
        let (near, far) = (udp(&fabric, 0), udp(&fabric, 1));
        let there = far.local_addr().unwrap();
        let mut times: Vec<f64> = (0..COUNT)
            .map(|_| {
                let sent = Instant::now();
                near.send_to(b"x", there).unwrap();
                far.recv(&mut [0; 8]).unwrap();
                sent.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let [early, middle, late] = [COUNT / 10, COUNT / 2, COUNT * 9 / 10].map(|index| times[index]);
        eprintln!("{distribution:?}: 10 % below {early:.2} ms, half below {middle:.2} ms, 90 % below {late:.2} ms");
        // Quantiles at 0.1, 0.5 and 0.9, in jitters: what the host adds makes all of them later.
        let expected = match distribution {
            Distribution::Uniform => [-0.8, 0.0, 0.8],
            Distribution::Normal => [-1.2816, 0.0, 1.2816],
            Distribution::Pareto => [-0.619, -0.320, 0.873],
            Distribution::Table(_) => [-0.85, -0.25, 2.1],
        };
        for (measured, quantile) in [early, middle, late].into_iter().zip(expected) {
            let planned = 10.0 + 2.0 * quantile;
            assert!((planned - 0.5..planned + 2.0).contains(&measured), "{distribution:?}: {measured} for {planned}");
        }
    }
}

#[test]
fn a_medium_of_twenty_hosts_is_built_and_read_back() {
    if !netem::works() {
        return;
    }
    let shape = |from: usize, to: usize| Shape {
        delay: Duration::from_micros(1000 + (20 * from + to) as u64),
        rate: Some(Rate::from_mbits_per_second(10.0)),
        ..Shape::default()
    };
    let shapes = (0..20).map(|from| (0..20).map(|to| shape(from, to)).collect()).collect();
    let medium = Medium { name: "air".to_owned(), members: (0..20).collect(), shapes, airtime: Airtime::Independent };
    let begun = Instant::now();
    let fabric = build(&Network { nodes: 20, media: vec![medium], ..Network::default() }, 7);
    eprintln!("20 hosts, 380 netems, set and read back: {:?}", begun.elapsed());
    assert_eq!(fabric.counters().unwrap().len(), 380);
}

#[test]
fn every_ordered_pair_of_a_medium_has_its_own_shape() {
    if !netem::works() {
        return;
    }
    const COUNT: usize = 4;
    let shape = |from: usize, to: usize| Shape {
        delay: Duration::from_millis(5 + 5 * (from * COUNT + to) as u64),
        rate: Some(Rate::from_mbits_per_second(20.0 + from as f64)),
        ..Shape::default()
    };
    let shapes = (0..COUNT).map(|from| (0..COUNT).map(|to| shape(from, to)).collect()).collect();
    let medium =
        Medium { name: "air".to_owned(), members: (0..COUNT).collect(), shapes, airtime: Airtime::Independent };
    let fabric = build(&Network { nodes: COUNT, media: vec![medium], ..Network::default() }, 7);
    for from in 0..COUNT {
        for to in 0..from {
            let expected = shape(from, to).delay + shape(to, from).delay;
            let measured = round_trip(&fabric, from, to);
            eprintln!("{from} – {to}: {measured:?} for {expected:?}");
            assert!((expected..expected + OVERHEAD).contains(&measured), "{from} – {to}: {measured:?}");
        }
    }
    let changed = Shape { delay: Duration::from_millis(1), ..shape(2, 3) };
    let direction = Direction { from: 2, to: 3 };
    assert_eq!(fabric.set_shape(direction, &changed).unwrap(), changed);
    let measured = round_trip(&fabric, 2, 3);
    let expected = changed.delay + shape(3, 2).delay;
    assert!((expected..expected + OVERHEAD).contains(&measured), "{measured:?} for {expected:?}");
    let counters = fabric.counters().unwrap();
    assert_eq!(counters.len(), COUNT * (COUNT - 1));
    assert_eq!(counters[&direction].packets, 20);
}
