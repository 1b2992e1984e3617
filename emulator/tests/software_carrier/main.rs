//! The software carrier on the real kernel, each test in namespaces of its own and without root.

mod handover;
#[path = "../../src/fabric/tests/isolated.rs"]
mod isolated;

use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use emulator::fabric::software::Software;
use emulator::fabric::{Counters, Direction, Fabric, Network, Shape};
use emulator::scenario::network::{Airtime, Aqm, Distribution, Link, Loss, Medium, Queue};
use isolated::isolated;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::TcpCongestion;
use planner::units::{ByteSize, Rate};

const PORT: u16 = 7000;
/// Long enough on the busiest machine; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(30);
const FORTH: Direction = Direction { from: 0, to: 1 };
const BACK: Direction = Direction { from: 1, to: 0 };

fn mbits(rate: f64) -> Option<Rate> {
    Some(Rate::from_mbits_per_second(rate))
}

fn build(network: &Network, seed: u64) -> Fabric {
    build_with(Software::new(seed).unwrap(), network)
}

fn build_with(carrier: Software, network: &Network) -> Fabric {
    let names: Vec<String> = (0..network.nodes).map(|node| format!("n{node}")).collect();
    let next_hops: Vec<Vec<Option<usize>>> =
        (0..network.nodes).map(|from| (0..network.nodes).map(|to| (from != to).then_some(to)).collect()).collect();
    Fabric::build_with(Box::new(carrier), network, &names, &next_hops).unwrap()
}

fn link(a_to_b: &Shape, b_to_a: &Shape, seed: u64) -> Fabric {
    let link = Link { a: 0, b: 1, a_to_b: a_to_b.clone(), b_to_a: b_to_a.clone() };
    build(&Network { nodes: 2, links: vec![link], ..Network::default() }, seed)
}

fn socket(fabric: &Fabric, host: usize) -> UdpSocket {
    let address = SocketAddr::new(fabric.address(host), PORT);
    let socket = fabric.namespace(host).unwrap().enter(|| UdpSocket::bind(address)).unwrap().unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn send(fabric: &Fabric, socket: &UdpSocket, to: usize, bytes: &[u8]) {
    socket.send_to(bytes, (fabric.address(to), PORT)).unwrap();
}

fn connect(fabric: &Fabric) -> (TcpStream, TcpStream) {
    let address = SocketAddr::new(fabric.address(1), PORT);
    let listener = fabric.namespace(1).unwrap().enter(|| TcpListener::bind(address)).unwrap().unwrap();
    let sender = fabric.namespace(0).unwrap().enter(|| TcpStream::connect_timeout(&address, PATIENCE)).unwrap();
    (sender.unwrap(), listener.accept().unwrap().0)
}

/// Waits until the counters of a direction are as they should be.
fn counters(fabric: &Fabric, direction: Direction, as_wanted: impl Fn(&Counters) -> bool) -> Counters {
    let begun = Instant::now();
    loop {
        let counters = fabric.counters().unwrap()[&direction];
        if as_wanted(&counters) {
            return counters;
        }
        assert!(begun.elapsed() < PATIENCE, "{direction:?} never came there: {counters:?}");
        thread::yield_now();
    }
}

/// Waits until so many packets are under way.
#[track_caller]
fn until_under_way(fabric: &Fabric, packets: &[(Direction, u64)]) {
    let (begun, packets) = (Instant::now(), packets.iter().copied().collect());
    while fabric.vitals().unwrap().under_way != packets {
        assert!(begun.elapsed() < PATIENCE, "{:?}", fabric.vitals().unwrap().under_way);
        thread::yield_now();
    }
}

#[test]
fn a_packet_takes_at_least_its_delay_and_its_transmission_and_is_counted() {
    isolated(|| {
        let shape = Shape { rate: mbits(1.0), delay: Duration::from_millis(7), ..Shape::default() };
        let fabric = link(&shape, &Shape { delay: Duration::from_millis(5), ..Shape::default() }, 1);
        let (a, b) = (socket(&fabric, 0), socket(&fabric, 1));
        let mut bytes = [7; 1250 - 42];
        for trip in 1..=10 {
            let begun = Instant::now();
            send(&fabric, &a, 1, &bytes);
            let (length, _) = b.recv_from(&mut bytes).unwrap();
            // 10 ms to transmit 1250 bytes at 1 Mbit/s, and 7 ms of delay. The machine may be slow, never fast.
            assert!(begun.elapsed() >= Duration::from_millis(17), "{:?}", begun.elapsed());
            let begun = Instant::now();
            send(&fabric, &b, 0, &bytes[..length]);
            assert_eq!(a.recv(&mut bytes).unwrap(), length);
            assert!(begun.elapsed() >= Duration::from_millis(5), "{:?}", begun.elapsed());
            let expected = Counters { packets: trip, bytes: trip * 1250, ..Counters::default() };
            assert_eq!(counters(&fabric, FORTH, |counters| counters.packets >= trip), expected);
            assert_eq!(counters(&fabric, BACK, |counters| counters.packets >= trip), expected);
        }
    });
}

#[test]
fn a_stream_arrives_intact_through_a_link_that_does_everything_to_it() {
    isolated(|| {
        let awful = Shape {
            rate: mbits(200.0),
            delay: Duration::from_millis(2),
            jitter: Duration::from_millis(1),
            distribution: Distribution::Pareto,
            loss: Loss::GilbertElliott { p: 0.002, r: 0.5, bad: 0.5, good: 0.0 },
            reorder: 0.01,
            duplicate: 0.01,
            corrupt: 0.005,
            ..Shape::default()
        };
        let fabric = link(&awful, &awful, 1);
        let (mut sender, mut receiver) = connect(&fabric);
        let sent: Vec<u8> = (0..3_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let received = thread::scope(|scope| {
            scope.spawn(|| {
                sender.write_all(&sent).unwrap();
                sender.shutdown(std::net::Shutdown::Write).unwrap();
            });
            let mut received = Vec::new();
            receiver.read_to_end(&mut received).unwrap();
            received
        });
        assert!(received == sent);
        let forth = counters(&fabric, FORTH, |_| true);
        assert!(forth.lost > 0 && forth.packets > 2000, "{forth:?}");
    });
}

#[test]
fn the_same_seed_loses_the_same_packets() {
    fn arrived(seed: u64) -> Vec<u8> {
        const PACKETS: u8 = 150;
        let fabric = link(&Shape { loss: Loss::Random(0.3), ..Shape::default() }, &Shape::default(), seed);
        let (a, b) = (socket(&fabric, 0), socket(&fabric, 1));
        (0..PACKETS).for_each(|number| send(&fabric, &a, 1, &[number]));
        let all = |counters: &Counters| counters.packets + counters.lost == u64::from(PACKETS);
        let left = counters(&fabric, FORTH, all).packets;
        let mut number = [0];
        (0..left)
            .map(|_| {
                b.recv(&mut number).unwrap();
                number[0]
            })
            .collect()
    }
    isolated(|| {
        let first = arrived(1);
        assert!((70..140).contains(&first.len()), "{}", first.len());
        assert_eq!(first, arrived(1));
        assert_ne!(first, arrived(2));
    });
}

#[test]
fn a_severed_direction_passes_nothing_until_it_is_healed() {
    isolated(|| {
        let shape = Shape { rate: mbits(100.0), ..Shape::default() };
        let fabric = link(&shape, &shape, 1);
        let (a, b) = (socket(&fabric, 0), socket(&fabric, 1));
        assert_eq!(fabric.set_shape(FORTH, &shape.severed()).unwrap(), shape.severed());
        send(&fabric, &a, 1, b"lost");
        assert_eq!(counters(&fabric, FORTH, |counters| counters.lost == 1).packets, 0);
        // The other direction is as it was.
        let mut bytes = [0; 16];
        send(&fabric, &b, 0, b"there");
        assert_eq!(a.recv(&mut bytes).unwrap(), 5);
        fabric.set_shape(FORTH, &shape).unwrap();
        send(&fabric, &a, 1, b"healed");
        assert_eq!(b.recv(&mut bytes).unwrap(), 6);
        assert_eq!(&bytes[..6], b"healed");
    });
}

#[test]
fn what_waits_behind_a_slow_rate_goes_on_when_the_rate_rises() {
    isolated(|| {
        // 1250 bytes take ten thousand seconds.
        let slow = Shape { rate: Some(Rate::from_bits_per_second(1)), ..Shape::default() };
        let fabric = link(&slow, &slow, 1);
        let (a, b) = (socket(&fabric, 0), socket(&fabric, 1));
        send(&fabric, &a, 1, &[1; 1208]);
        send(&fabric, &a, 1, &[2; 1208]);
        b.set_nonblocking(true).unwrap();
        let mut bytes = [0; 1208];
        assert_eq!(b.recv(&mut bytes).unwrap_err().kind(), ErrorKind::WouldBlock);
        b.set_nonblocking(false).unwrap();
        until_under_way(&fabric, &[(FORTH, 2)]);
        fabric.set_shape(FORTH, &Shape { rate: mbits(100.0), ..Shape::default() }).unwrap();
        for number in 1..=2 {
            b.recv(&mut bytes).unwrap();
            assert_eq!(bytes[0], number);
        }
        until_under_way(&fabric, &[]);
    });
}

#[test]
fn on_a_medium_every_pair_has_its_own_shape() {
    isolated(|| {
        let shapes: Vec<Vec<Shape>> = (0..4)
            .map(|from| {
                let delay = |to: u64| Duration::from_millis(10 * from + to);
                (0..4).map(|to| Shape { delay: delay(to), ..Shape::default() }).collect()
            })
            .collect();
        let medium =
            Medium { name: "air".to_owned(), members: (0..4).collect(), shapes, airtime: Airtime::Independent };
        let fabric = build(&Network { nodes: 4, media: vec![medium], ..Network::default() }, 1);
        let sockets: Vec<UdpSocket> = (0..4).map(|host| socket(&fabric, host)).collect();
        for from in 0..4 {
            for to in (0..4).filter(|to| *to != from) {
                let begun = Instant::now();
                send(&fabric, &sockets[from], to, &[from as u8]);
                let mut bytes = [0];
                let (_, sender) = sockets[to].recv_from(&mut bytes).unwrap();
                assert!(begun.elapsed() >= Duration::from_millis((10 * from + to) as u64));
                assert_eq!((sender.ip(), bytes[0]), (fabric.address(from), from as u8));
                assert_eq!(counters(&fabric, Direction { from, to }, |counters| counters.packets > 0).packets, 1);
            }
        }
    });
}

/// What each station has to send, in packets of 1000 bytes on the wire.
const BACKLOG: u32 = 100;

/// Stations that share the air and send to one more, at these rates in Mbit/s, `BACKLOG` packets each, all of which wait from the
/// beginning: whose packets arrived, in their order, and how long it took.
fn through_shared_air(rates: &[f64]) -> (Vec<usize>, Duration) {
    let (stations, sink) = (rates.len(), rates.len());
    let queue = Some(Queue::Bytes(ByteSize::from_mib(1)));
    let row = |from: usize| {
        let rate = rates.get(from).and_then(|rate| mbits(*rate));
        vec![Shape { rate, queue, ..Shape::default() }; stations + 1]
    };
    let shapes = (0..=stations).map(row).collect();
    let medium = Medium { name: "air".to_owned(), members: (0..=sink).collect(), shapes, airtime: Airtime::Shared };
    let fabric = build(&Network { nodes: stations + 1, media: vec![medium], ..Network::default() }, 1);
    let sockets: Vec<UdpSocket> = (0..=stations).map(|host| socket(&fabric, host)).collect();
    let begun = Instant::now();
    // In turns, so that all have something to send from the first moment on.
    for _ in 0..BACKLOG {
        for (from, socket) in sockets[..stations].iter().enumerate() {
            send(&fabric, socket, sink, &[from as u8; 958]);
        }
    }
    let mut bytes = [0; 1000];
    let order = (0..stations * BACKLOG as usize).map(|_| {
        assert_eq!(sockets[sink].recv(&mut bytes).unwrap(), 958);
        usize::from(bytes[0])
    });
    (order.collect(), begun.elapsed())
}

/// All have got equally many packets through for as long as all had some, and together they took the air's time: the closed form,
/// by which each has a throughput of 1 / (1/r₁ + … + 1/rₙ).
fn fair_and_no_faster_than_the_air(rates: &[f64]) {
    let (order, took) = through_shared_air(rates);
    let mut through = vec![0_u32; rates.len()];
    order[..order.len() - 3 * rates.len()].iter().for_each(|from| through[*from] += 1);
    assert!(through.iter().all(|count| through[0].abs_diff(*count) <= 2), "{through:?}");
    let air = Duration::from_secs_f64(rates.iter().map(|rate| f64::from(BACKLOG) * 0.008 / rate).sum());
    println!("{rates:?} Mbit/s: {air:?} of air took {took:?}");
    assert!(took >= air, "{took:?} is less than {air:?}");
    // Each transmission follows from the one before it and not from when the forwarder woke up, so a busy host delays only the end.
    assert!(took <= air * 2, "{took:?} is far more than {air:?}");
}

#[test]
fn stations_of_one_rate_that_share_the_air_have_that_rate_together() {
    isolated(|| fair_and_no_faster_than_the_air(&[8.0; 4]));
}

#[test]
fn stations_that_share_the_air_get_equally_many_packets_through_and_the_slowest_slows_all() {
    isolated(|| fair_and_no_faster_than_the_air(&[1.0, 4.0, 8.0]));
}

#[test]
fn on_shared_air_what_is_lost_depends_on_the_seed_and_takes_no_air() {
    isolated(|| {
        let shape = Shape { rate: mbits(8.0), loss: Loss::Random(0.5), ..Shape::default() };
        let arrived = |airtime| {
            let medium = Medium {
                name: "air".to_owned(),
                members: vec![0, 1],
                shapes: vec![vec![shape.clone(); 2]; 2],
                airtime,
            };
            let fabric = build(&Network { nodes: 2, media: vec![medium], ..Network::default() }, 5);
            let (a, b) = (socket(&fabric, 0), socket(&fabric, 1));
            (0..40).for_each(|number| send(&fabric, &a, 1, &[number; 958]));
            let sum = counters(&fabric, FORTH, |counters| counters.packets + counters.lost == 40);
            let mut bytes = [0; 1000];
            let order: Vec<u8> = (0..sum.packets).map(|_| b.recv(&mut bytes).map(|_| bytes[0]).unwrap()).collect();
            assert_eq!(sum.overflowed + sum.refused, 0, "{sum:?}");
            order
        };
        assert_eq!(arrived(Airtime::Shared), arrived(Airtime::Independent));
    });
}

/// How long a packet of its own takes, in the middle, beside a stream that takes all of a link.
fn beside_a_stream(aqm: Aqm) -> Duration {
    let queue = Some(Queue::Time(Duration::from_millis(200)));
    let fabric = link(&Shape { rate: mbits(10.0), queue, aqm, ..Shape::default() }, &Shape::default(), 1);
    let (mut sender, mut receiver) = connect(&fabric);
    // One that fills queues, whatever this host uses otherwise.
    setsockopt(&sender, TcpCongestion, &OsString::from("reno")).unwrap();
    let (a, b) = (socket(&fabric, 0), socket(&fabric, 1));
    b.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let over = AtomicBool::new(false);
    let mut took: Vec<Duration> = thread::scope(|scope| {
        let over = &over;
        scope.spawn(move || {
            while !over.load(Ordering::Relaxed) {
                sender.write_all(&[0; 16_384]).unwrap();
            }
        });
        // Until the sender is gone.
        scope.spawn(move || io::copy(&mut receiver, &mut io::sink()).unwrap());
        let (begun, mut took) = (Instant::now(), Vec::new());
        while begun.elapsed() < Duration::from_secs(3) {
            let sent = Instant::now();
            send(&fabric, &a, 1, &[0; 100]);
            // One that is dropped waited for nothing, and while the stream still finds its rate nothing is to be seen.
            if b.recv(&mut [0; 100]).is_ok() && sent.duration_since(begun) > Duration::from_secs(1) {
                took.push(sent.elapsed());
            }
            thread::sleep(Duration::from_millis(20));
        }
        over.store(true, Ordering::Relaxed);
        took
    });
    took.sort_unstable();
    let counted = fabric.counters().unwrap()[&FORTH];
    println!("{aqm:?}: {took:?}, {counted:?}");
    match aqm {
        Aqm::DropTail => assert_eq!((counted.lost, counted.aqm_dropped), (0, 0)),
        Aqm::Codel => assert!(counted.lost == 0 && counted.aqm_dropped > 0, "{counted:?}"),
    }
    took[took.len() / 2]
}

#[test]
fn codel_keeps_a_queue_short_that_a_stream_would_fill() {
    isolated(|| {
        let (tail, codel) = (beside_a_stream(Aqm::DropTail), beside_a_stream(Aqm::Codel));
        assert!(codel < tail / 3, "{codel:?} with CoDel, {tail:?} without");
    });
}

#[test]
fn a_flood_is_dropped_and_counted_and_what_passes_keeps_to_the_rate() {
    isolated(|| {
        let shape = Shape { rate: mbits(8.0), ..Shape::default() };
        let fabric = link(&shape, &shape, 1);
        let (a, b) = (socket(&fabric, 0), socket(&fabric, 1));
        let over = AtomicBool::new(false);
        let begun = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    // Its own buffers may be full, too.
                    let _ = a.send_to(&[0; 958], (fabric.address(1), PORT));
                }
            });
            let mut bytes = [0; 1000];
            (0..300).for_each(|_| assert_eq!(b.recv(&mut bytes).unwrap(), 958));
            over.store(true, Ordering::Relaxed);
        });
        let passed = fabric.counters().unwrap()[&FORTH];
        // 1000 bytes at 8 Mbit/s are 1 ms each.
        assert!(u128::from(passed.packets) <= begun.elapsed().as_millis(), "{passed:?} in {:?}", begun.elapsed());
        assert!(passed.overflowed > 0, "{passed:?}");
    });
}
