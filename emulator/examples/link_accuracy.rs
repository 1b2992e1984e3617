//! Measures how exactly the software carrier keeps to what links were asked for, in namespaces of its own:
//!
//! ```text
//! cargo run --release -p emulator --example link_accuracy -- [--seconds N] [--precise] [--rootless] [--busy]
//! ```
//!
//! `--rootless` enters a user namespace even as root, `--precise` lets the forwarding thread spin before departures,
//! `--busy` keeps every processor busy meanwhile. What should be: goodput of a TCP connection = rate × 1448 / 1514 (timestamps
//! on), and the time of an idle round trip = twice the delay and the transmission of both packets.

use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use emulator::fabric::lateness::Monitor;
use emulator::fabric::software::Software;
use emulator::fabric::{Fabric, Network, Shape};
use emulator::scenario::network::{Airtime, Link, Loss, Medium};
use nix::sched::{CloneFlags, unshare};
use planner::units::Rate;

type Failure = Box<dyn Error + Send + Sync>;

/// Payload and wire bytes of a full-size TCP packet.
const GOODPUT: f64 = 1448.0 / 1514.0;
const PORT: u16 = 7000;
const WARM_UP: Duration = Duration::from_secs(2);

struct Options {
    seconds: u64,
    precise: bool,
    busy: bool,
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let after = |flag: &str| arguments.iter().skip_while(|argument| *argument != flag).nth(1);
    let seconds = after("--seconds").map_or(Ok(5), |text| text.parse())?;
    let options = Options { seconds, precise: has("--precise"), busy: has("--busy") };
    isolate(has("--rootless") || !nix::unistd::geteuid().is_root())?;
    let over = Arc::new(AtomicBool::new(false));
    if options.busy {
        for _ in 0..thread::available_parallelism()?.get() {
            let over = Arc::clone(&over);
            thread::spawn(move || while !over.load(Ordering::Relaxed) {});
        }
    }

    println!(
        "{:<34} {:>9} {:>9} {:>7} {:>22} {:>9} {:>20}",
        "link", "expected", "goodput", "ratio", "RTT error p50/p90/p99", "cores", "late p50/p99"
    );
    println!("{:<34} {:>9} {:>9} {:>7} {:>22} {:>9} {:>20}", "", "Mbit/s", "Mbit/s", "", "µs", "", "µs");
    for (mbits, delay, loss) in [(10.0, 20, 0.0), (100.0, 5, 0.0), (1000.0, 1, 0.0), (100.0, 5, 0.001), (0.0, 0, 0.0)] {
        let shape = Shape {
            rate: (mbits > 0.0).then(|| Rate::from_mbits_per_second(mbits)),
            delay: Duration::from_millis(delay),
            loss: Loss::Random(loss),
            ..Shape::default()
        };
        one_link(&shape, &options)?;
    }
    medium(20, &options)?;
    over.store(true, Ordering::Relaxed);
    println!("peak memory of this process: {} MiB", peak_memory()?);
    Ok(())
}

/// Before any thread exists.
fn isolate(user: bool) -> Result<(), Failure> {
    let (uid, gid) = (nix::unistd::getuid(), nix::unistd::getgid());
    if user {
        unshare(CloneFlags::CLONE_NEWUSER)?;
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
        fs::write("/proc/self/gid_map", format!("0 {gid} 1"))?;
    }
    Ok(unshare(CloneFlags::CLONE_NEWNET)?)
}

fn one_link(shape: &Shape, options: &Options) -> Result<(), Failure> {
    let link = Link { a: 0, b: 1, a_to_b: shape.clone(), b_to_a: shape.clone() };
    let network = Network { nodes: 2, links: vec![link], ..Network::default() };
    let (fabric, monitor) = build(&network, options)?;
    let errors = round_trips(&fabric, shape)?;
    let (goodput, cores) = flows(&fabric, &[(0, 1)], options)?;
    let expected = shape.rate.map(|rate| rate.mbits_per_second() * GOODPUT);
    let name = format!(
        "{}, {:?}, loss {:?}",
        shape.rate.map_or("no rate".to_owned(), |rate| rate.to_string()),
        shape.delay,
        shape.loss
    );
    println!(
        "{name:<34} {:>9} {:>9.3} {:>7} {:>22} {cores:>9.3} {:>20}",
        expected.map_or(String::new(), |expected| format!("{expected:.3}")),
        goodput[0],
        expected.map_or(String::new(), |expected| format!("{:.4}", goodput[0] / expected)),
        [0.5, 0.9, 0.99].map(|share| format!("{:.0}", quantile(&errors, share))).join(" / "),
        late(&monitor),
    );
    for (direction, counters) in fabric.counters()? {
        if counters.overflowed + counters.lost > 0 {
            println!("    {} → {}: {counters:?}", direction.from, direction.to);
        }
    }
    fabric.warnings().iter().for_each(|warning| println!("    warning: {warning}"));
    Ok(())
}

fn medium(nodes: usize, options: &Options) -> Result<(), Failure> {
    let shape =
        Shape { rate: Some(Rate::from_mbits_per_second(10.0)), delay: Duration::from_millis(10), ..Shape::default() };
    let shapes = vec![vec![shape; nodes]; nodes];
    let medium =
        Medium { name: "wifi".to_owned(), members: (0..nodes).collect(), shapes, airtime: Airtime::Independent };
    let network = Network { nodes, media: vec![medium], ..Network::default() };
    let before = Instant::now();
    let (fabric, monitor) = build(&network, options)?;
    println!("medium of {nodes} nodes: built in {:.1} ms", before.elapsed().as_secs_f64() * 1e3);
    let pairs: Vec<(usize, usize)> = (0..nodes).map(|node| (node, (node + 1) % nodes)).collect();
    let (mut goodput, cores) = flows(&fabric, &pairs, options)?;
    goodput.iter_mut().for_each(|goodput| *goodput /= 10.0 * GOODPUT);
    goodput.sort_by(f64::total_cmp);
    let mean = goodput.iter().sum::<f64>() / goodput.len() as f64;
    println!(
        "{nodes} flows of 10 Mbit/s, 10 ms: goodput / expected min {:.4}, mean {mean:.4}, max {:.4}; {cores:.3} cores; late p50/p99 {} µs",
        goodput[0],
        goodput[nodes - 1],
        late(&monitor)
    );
    fabric.warnings().iter().for_each(|warning| println!("    warning: {warning}"));
    Ok(())
}

fn build(network: &Network, options: &Options) -> Result<(Fabric, Arc<Monitor>), Failure> {
    let carrier = Software::new(1)?;
    let carrier = if options.precise { carrier.precise() } else { carrier };
    let monitor = carrier.monitor();
    let names: Vec<String> = (0..network.nodes).map(|node| format!("n{node}")).collect();
    let next_hops: Vec<Vec<Option<usize>>> =
        (0..network.nodes).map(|from| (0..network.nodes).map(|to| (from != to).then_some(to)).collect()).collect();
    Ok((Fabric::build_with(Box::new(carrier), network, &names, &next_hops)?, monitor))
}

/// How much longer than it should each idle round trip takes, in microseconds.
fn round_trips(fabric: &Fabric, shape: &Shape) -> Result<Vec<f64>, Failure> {
    const TRIPS: usize = 300;
    const BYTES: usize = 64;
    let there = SocketAddr::new(fabric.address(1), PORT);
    let echo = fabric.namespace(1)?.enter(|| UdpSocket::bind(there))??;
    let ping = fabric.namespace(0)?.enter(|| UdpSocket::bind((fabric.address(0), PORT)))??;
    let transmission = shape
        .rate
        .map_or(Duration::ZERO, |rate| rate.time_for(planner::units::ByteSize::from_bytes(BYTES as u64 + 42)));
    let should = 2 * (shape.delay + transmission);
    let mut errors = Vec::new();
    thread::scope(|scope| -> Result<(), Failure> {
        scope.spawn(move || {
            let mut bytes = [0; BYTES];
            for _ in 0..TRIPS {
                let Ok((length, from)) = echo.recv_from(&mut bytes) else { return };
                let _ = echo.send_to(&bytes[..length], from);
            }
        });
        ping.set_read_timeout(Some(Duration::from_secs(1)))?;
        let mut bytes = [0; BYTES];
        for _ in 0..TRIPS {
            let before = Instant::now();
            ping.send_to(&bytes, there)?;
            match ping.recv(&mut bytes) {
                Ok(_) => errors.push((before.elapsed().as_secs_f64() - should.as_secs_f64()) * 1e6),
                // Lost: the echo waits for one that makes up for it.
                Err(_) => continue,
            }
            thread::sleep(Duration::from_millis(3));
        }
        // Lets the echo end if packets were lost.
        for _ in 0..TRIPS {
            let _ = ping.send_to(&bytes, there);
        }
        Ok(())
    })?;
    errors.sort_by(f64::total_cmp);
    Ok(errors)
}

/// Goodput in Mbit/s of each flow, all at once, and how many processors the forwarding thread used.
fn flows(fabric: &Fabric, pairs: &[(usize, usize)], options: &Options) -> Result<(Vec<f64>, f64), Failure> {
    let over = AtomicBool::new(false);
    let time = Duration::from_secs(options.seconds);
    thread::scope(|scope| {
        let measure = || -> Result<(Vec<f64>, f64), Failure> {
            let mut receivers = Vec::new();
            for &(from, to) in pairs {
                let there = SocketAddr::new(fabric.address(to), PORT);
                let listener = fabric.namespace(to)?.enter(|| TcpListener::bind(there))??;
                let stream = fabric.namespace(from)?.enter(|| TcpStream::connect(there))??;
                let (receiving, _) = listener.accept()?;
                let over = &over;
                scope.spawn(move || send(stream, over));
                receivers.push(scope.spawn(move || receive(receiving, time)));
            }
            thread::sleep(WARM_UP);
            let (before, began) = (forwarder_time()?, Instant::now());
            thread::sleep(time);
            let cores = (forwarder_time()? - before) / began.elapsed().as_secs_f64();
            let mut goodput = Vec::new();
            for receiver in receivers {
                goodput.push(receiver.join().map_err(|_| "a receiver panicked")??);
            }
            Ok((goodput, cores))
        };
        let measured = measure();
        over.store(true, Ordering::Relaxed);
        measured
    })
}

fn send(mut stream: TcpStream, over: &AtomicBool) {
    let bytes = vec![0x55; 256 << 10];
    while !over.load(Ordering::Relaxed) && stream.write_all(&bytes).is_ok() {}
}

fn receive(mut stream: TcpStream, time: Duration) -> Result<f64, Failure> {
    let mut bytes = vec![0; 1 << 20];
    let began = Instant::now();
    while began.elapsed() < WARM_UP {
        let _ = stream.read(&mut bytes)?;
    }
    let (mut received, began) = (0, Instant::now());
    let mut last = began;
    while last - began < time {
        received += stream.read(&mut bytes)?;
        last = Instant::now();
    }
    Ok(received as f64 * 8.0 / 1e6 / (last - began).as_secs_f64())
}

/// Seconds that the forwarding thread has run.
fn forwarder_time() -> Result<f64, Failure> {
    for task in fs::read_dir("/proc/self/task")? {
        let path = task?.path();
        if fs::read_to_string(path.join("comm"))?.trim() == "forwarder" {
            let times = fs::read_to_string(path.join("schedstat"))?;
            let nanos: f64 = times.split_whitespace().next().unwrap_or_default().parse()?;
            return Ok(nanos / 1e9);
        }
    }
    Err("there is no forwarding thread".into())
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    sorted
        .get(((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}

fn late(monitor: &Monitor) -> String {
    let lateness = monitor.lateness();
    [0.5, 0.99].map(|share| format!("< {}", lateness.quantile(share).as_micros() + 1)).join(" / ")
}

fn peak_memory() -> Result<u64, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM")).ok_or("no VmHWM")?;
    Ok(line.split_whitespace().nth(1).unwrap_or_default().parse::<u64>()? / 1024)
}
