//! Directions that go over to other forwarding threads while packets are under way.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use emulator::fabric::software::{Growth, Software};
use emulator::fabric::{Counters, Direction, Fabric, Network, Shape};
use emulator::scenario::network::{Airtime, Medium, Queue};
use planner::units::ByteSize;

use super::isolated::isolated;
use super::{PATIENCE, build_with, counters, mbits, send, socket};

/// How many packets of a stream are on their way at most: no queue or buffer is full of so few.
const ON_THE_WAY: u64 = 32;

/// A stream of numbered packets, of which each has to arrive once and in its turn.
#[derive(Default)]
struct Stream {
    sent: AtomicU64,
    arrived: AtomicU64,
}

impl Stream {
    fn send(&self, fabric: &Fabric, socket: &UdpSocket, to: usize, over: &AtomicBool) {
        while !over.load(Ordering::Relaxed) {
            let number = self.sent.load(Ordering::Relaxed);
            if number < self.arrived.load(Ordering::Relaxed) + ON_THE_WAY {
                let mut bytes = [0; 1000];
                bytes[..8].copy_from_slice(&number.to_le_bytes());
                send(fabric, socket, to, &bytes[..200 + number as usize % 800]);
                self.sent.store(number + 1, Ordering::Relaxed);
            } else {
                thread::yield_now();
            }
        }
    }

    fn receive(&self, socket: &UdpSocket, over: &AtomicBool) {
        let mut bytes = [0; 1000];
        loop {
            let number = self.arrived.load(Ordering::Relaxed);
            if over.load(Ordering::Acquire) && number == self.sent.load(Ordering::Relaxed) {
                return;
            }
            let length = socket.recv(&mut bytes).unwrap();
            if length > 1 {
                assert_eq!(u64::from_le_bytes(bytes[..8].try_into().unwrap()), number);
                assert_eq!(length, 200 + number as usize % 800);
                self.arrived.store(number + 1, Ordering::Relaxed);
            }
        }
    }
}

fn forwarders() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    tasks
        .filter(|task| std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name == "forwarder\n"))
        .count()
}

#[test]
fn nothing_is_lost_doubled_or_overtaken_when_directions_go_over_to_other_threads() {
    const HOSTS: usize = 8;
    const THREADS: usize = 4;
    isolated(|| {
        // Without jitter: with it, packets that come after a change of shape may overtake those before.
        let shape = |rate| Shape {
            rate: mbits(rate),
            delay: Duration::from_millis(5),
            queue: Some(Queue::Bytes(ByteSize::from_mib(1))),
            ..Shape::default()
        };
        let medium = Medium {
            name: "air".to_owned(),
            members: (0..HOSTS).collect(),
            shapes: vec![vec![shape(50.0); HOSTS]; HOSTS],
            airtime: Airtime::Independent,
        };
        // Whatever a thread has to do is too much.
        let growth = Growth { threads: THREADS, busy: 0.0, window: Duration::from_millis(30) };
        let carrier = Software::new(1).unwrap().growing(growth);
        let fabric = build_with(carrier, &Network { nodes: HOSTS, media: vec![medium], ..Network::default() });
        let sockets: Vec<UdpSocket> = (0..HOSTS).map(|host| socket(&fabric, host)).collect();
        let streams: Vec<Stream> = (0..HOSTS).map(|_| Stream::default()).collect();
        let directions = (0..HOSTS).map(|from| Direction { from, to: (from + 1) % HOSTS });
        let over = [AtomicBool::new(false), AtomicBool::new(false)];
        thread::scope(|scope| {
            let (fabric, streams, sockets, over) = (&fabric, &streams, &sockets, &over);
            let sending: Vec<_> = directions
                .clone()
                .map(|Direction { from, to }| {
                    scope.spawn(move || streams[from].receive(&sockets[to], &over[1]));
                    scope.spawn(move || streams[from].send(fabric, &sockets[from], to, &over[0]))
                })
                .collect();
            let (begun, mut rounds) = (Instant::now(), 0);
            // Shapes are changed before, during and after it.
            while rounds < 20 {
                rounds += u32::from(fabric.vitals().unwrap().threads == THREADS);
                assert!(begun.elapsed() < PATIENCE, "{:?}", fabric.vitals().unwrap());
                for direction in directions.clone() {
                    fabric.set_shape(direction, &shape(20.0)).unwrap();
                    fabric.set_shape(direction, &shape(50.0)).unwrap();
                }
            }
            over[0].store(true, Ordering::Relaxed);
            sending.into_iter().for_each(|sending| sending.join().unwrap());
            over[1].store(true, Ordering::Release);
            // Who waits for a packet that will not come looks again.
            (0..HOSTS).for_each(|from| send(fabric, &sockets[from], (from + 1) % HOSTS, &[0]));
        });
        assert_eq!(forwarders(), THREADS);
        for direction in directions {
            let sent = streams[direction.from].sent.load(Ordering::Relaxed) + 1;
            let passed = counters(&fabric, direction, |counters| counters.packets >= sent);
            let Counters { lost, overflowed, aqm_dropped, refused, .. } = passed;
            assert_eq!((passed.packets, lost, overflowed, aqm_dropped, refused), (sent, 0, 0, 0, 0));
            // Whichever thread has it now does what is asked.
            fabric.set_shape(direction, &shape(50.0).severed()).unwrap();
            send(&fabric, &sockets[direction.from], direction.to, &[0]);
            counters(&fabric, direction, |counters| counters.lost == 1);
            fabric.set_shape(direction, &shape(50.0)).unwrap();
            send(&fabric, &sockets[direction.from], direction.to, &[0]);
            counters(&fabric, direction, |counters| counters.packets == sent + 1);
        }
        println!("{:?}", streams.iter().map(|stream| stream.arrived.load(Ordering::Relaxed)).collect::<Vec<_>>());
        drop(fabric);
        let begun = Instant::now();
        // The kernel lists a thread for a moment after it has ended.
        while forwarders() > 0 {
            assert!(begun.elapsed() < PATIENCE, "threads are left");
            thread::yield_now();
        }
    });
}
