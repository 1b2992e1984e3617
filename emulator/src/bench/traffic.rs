//! Traffic through an emulated network, and what comes of it.

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::TcpCongestion;

use super::{BenchError, io, offload};
use crate::fabric::Fabric;
use crate::fabric::software::wait;

/// Of connections and of datagrams; each pair of nodes has its own.
const PORT: u16 = 7000;
/// Until a connection has found its rate, at most; in short measurements as long as these.
const WARM_UP: Duration = Duration::from_secs(2);
/// Longer than any round trip that is measured.
const LOST: Duration = Duration::from_secs(1);
/// Payload of a datagram of a round trip, and what it has in front of it on the wire.
pub const PING: u64 = 64;
pub const HEADERS: u64 = 42;

/// From now on, what TCP sends leaves these hosts packet by packet instead of in super-frames.
pub fn one_by_one(fabric: &Fabric, hosts: &[usize]) -> Result<(), BenchError> {
    for &host in hosts {
        for port in fabric.ports(host)? {
            let told = fabric.namespace(host)?.enter(|| offload::turn_off(&port.name))?;
            told.map_err(io("turning segmentation offload off"))?;
        }
    }
    Ok(())
}

/// Megabits per second that each of these pairs (from, to) gets through one TCP connection, all at once, and what `meanwhile` returns.
pub fn flows<T>(
    fabric: &Fabric,
    pairs: &[(usize, usize)],
    time: Duration,
    meanwhile: impl FnOnce() -> Result<T, BenchError>,
) -> Result<(Vec<f64>, T), BenchError> {
    let over = &AtomicBool::new(false);
    thread::scope(|scope| {
        let measure = || {
            let mut receivers = Vec::new();
            for &(from, to) in pairs {
                let there = SocketAddr::new(fabric.address(to), PORT);
                let listener = fabric.namespace(to)?.enter(|| TcpListener::bind(there))?.map_err(io("listening"))?;
                let stream = fabric.namespace(from)?.enter(|| TcpStream::connect(there))?.map_err(io("connecting"))?;
                let (receiving, _) = listener.accept().map_err(io("accepting"))?;
                scope.spawn(move || send(stream, over));
                receivers.push(scope.spawn(move || receive(receiving, time)));
            }
            thread::sleep(time.min(WARM_UP));
            let meanwhile = meanwhile();
            let mut goodput = Vec::new();
            for receiver in receivers {
                goodput.push(receiver.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            }
            Ok((goodput, meanwhile?))
        };
        let measured = measure();
        over.store(true, Ordering::Relaxed);
        measured
    })
}

/// Sends until it is over or nobody receives any more. With Linux's own default of congestion control, whatever the host is set to: others
/// rest on purpose, which is not the link's doing. BBR sends next to nothing for 200 ms in every 10 s to see how long an empty
/// way takes (ProbeRTT; IETF, draft-ietf-ccwg-bbr).
pub fn send(mut stream: TcpStream, over: &AtomicBool) {
    // A kernel that has none has reno, which doesn't rest either, or is set to what it has.
    let _ = setsockopt(&stream, TcpCongestion, &OsString::from("cubic"));
    let bytes = vec![0x55; 256 << 10];
    while !over.load(Ordering::Relaxed) && stream.write_all(&bytes).is_ok() {}
}

/// Megabits per second that arrive for so long, after a while in which the connection finds its rate.
pub fn receive(mut stream: TcpStream, time: Duration) -> Result<f64, BenchError> {
    let mut bytes = vec![0; 1 << 20];
    let began = Instant::now();
    while began.elapsed() < time.min(WARM_UP) {
        stream.read(&mut bytes).map_err(io("receiving"))?;
    }
    let (mut received, began) = (0, Instant::now());
    let mut last = began;
    while last - began < time {
        received += stream.read(&mut bytes).map_err(io("receiving"))?;
        last = Instant::now();
    }
    Ok(received as f64 * 8.0 / 1e6 / (last - began).as_secs_f64())
}

/// When each of `count` round trips began and ended, one after the other with `pause` between them; those that are lost are left out.
///
/// Both ends have real-time priority where that may be had: what is looked at is the network, not how long a busy host
/// keeps a program waiting.
pub fn round_trips(
    fabric: &Fabric,
    from: usize,
    to: usize,
    count: usize,
    pause: Duration,
) -> Result<Vec<Range<Instant>>, BenchError> {
    let there = SocketAddr::new(fabric.address(to), PORT);
    let echo = fabric.namespace(to)?.enter(|| UdpSocket::bind(there))?.map_err(io("binding"))?;
    let here = SocketAddr::new(fabric.address(from), PORT);
    let ping = fabric.namespace(from)?.enter(|| UdpSocket::bind(here))?.map_err(io("binding"))?;
    echo.set_read_timeout(Some(LOST)).and(ping.set_read_timeout(Some(LOST))).map_err(io("setting a limit"))?;
    let over = AtomicBool::new(false);
    let mut trips = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = wait::take_priority(wait::FORWARDING);
            let mut bytes = [0; PING as usize];
            while !over.load(Ordering::Relaxed) {
                if let Ok((length, back)) = echo.recv_from(&mut bytes) {
                    let _ = echo.send_to(&bytes[..length], back);
                }
            }
        });
        let mut trip = |number: usize| -> std::io::Result<()> {
            let mut bytes = [0; PING as usize];
            bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
            let sent = (bytes, Instant::now());
            ping.send_to(&sent.0, there)?;
            // What comes late is another one's.
            while ping.recv(&mut bytes).is_ok() {
                if bytes == sent.0 {
                    trips.push(sent.1..Instant::now());
                    break;
                }
            }
            thread::sleep(pause);
            Ok(())
        };
        let pinging = scope.spawn(move || {
            let _ = wait::take_priority(wait::FORWARDING);
            (0..count).try_for_each(&mut trip)
        });
        let sent = pinging.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        over.store(true, Ordering::Relaxed);
        sent.map_err(io("sending"))
    })?;
    Ok(trips)
}

/// Datagrams of 64 bytes per second that arrive at the far host's interface when as many are sent as can be.
///
/// What a program there would get of them is another question: on few processors it gets those that its processor has time for, beside the
/// sender and whoever forwards with a real-time priority, and that is chance. Nobody reads them here.
pub fn datagrams(fabric: &Fabric, from: usize, to: usize, time: Duration) -> Result<f64, BenchError> {
    let there = SocketAddr::new(fabric.address(to), PORT);
    // Where no socket is, each is answered.
    let _sink = fabric.namespace(to)?.enter(|| UdpSocket::bind(there))?.map_err(io("binding"))?;
    let here = SocketAddr::new(fabric.address(from), PORT);
    let source = fabric.namespace(from)?.enter(|| UdpSocket::bind(here))?.map_err(io("binding"))?;
    let bytes = [0x55; PING as usize];
    let (before, began) = (arrived(fabric, to)?, Instant::now());
    while began.elapsed() < time {
        // A full queue is what is wanted.
        let _ = source.send_to(&bytes, there);
    }
    Ok((arrived(fabric, to)? - before) as f64 / began.elapsed().as_secs_f64())
}

/// Packets that have arrived at a host's interfaces.
fn arrived(fabric: &Fabric, host: usize) -> Result<u64, BenchError> {
    let read = || fs::read_to_string("/proc/thread-self/net/dev");
    let text = fabric.namespace(host)?.enter(read)?.map_err(io("reading what has arrived"))?;
    let ports = fabric.ports(host)?;
    // A line is: name, colon, bytes received, packets received, and so on (proc(5)).
    let packets = text.lines().filter_map(|line| {
        let (name, counts) = line.split_once(':')?;
        ports.iter().find(|port| port.name == name.trim())?;
        counts.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    Ok(packets.sum())
}
