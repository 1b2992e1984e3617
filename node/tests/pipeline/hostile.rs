//! A peer inside the network that does not know the run's secret, and tries everything else.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use node::config::{Arrival, CLIENT_PORT, CONTROL_PORT, DATA_PORT, Deploy, HEARTBEAT_PORT, Load};
use node::wire::connection::{Tuning, connect};
use node::wire::frame::{Frame, FrameKind, HEADER, MAX_PAYLOAD};
use node::wire::join::{Port, join};
use node::wire::message::{Heartbeat, ToWorker, to_frame};
use node::wire::secret::Secret;
use planner::strategy::{Replicas, Spares};

use crate::testbed::{CLIENT, DISPATCHER, SEED, Testbed, Wanted};

const NET: u8 = 10;
const PATIENCE: Duration = Duration::from_secs(60);
/// More than any peer costs that may not join.
const BOUND_KIB: u64 = 64 << 10;

fn intruder() -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, NET, 200))
}

fn reach(to: SocketAddr) -> TcpStream {
    let stream = connect(intruder(), to, PATIENCE, Tuning::default()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads until the peer closes the connection: that it does is what is tested. Returns what came.
fn closed(mut stream: &TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "still open: {error}"),
    }
    said
}

/// The header of a frame, whole but for the length that it claims.
fn claims(length: usize) -> Vec<u8> {
    let mut header = Frame::new(FrameKind::Proof, 0, 0, Vec::new()).header().unwrap();
    header[20..24].copy_from_slice(&(length as u32).to_le_bytes());
    let crc = crc32fast::hash(&header[..HEADER - 4]);
    header[HEADER - 4..].copy_from_slice(&crc.to_le_bytes());
    header.to_vec()
}

fn bytes_of(frame: &Frame) -> Vec<u8> {
    [frame.header().unwrap().to_vec(), frame.payload.to_vec()].concat()
}

#[test]
fn who_does_not_know_the_secret_is_refused_and_harms_nobody() {
    let mut testbed = Testbed::start(&Wanted {
        net: NET,
        model: planner::zoo::build("tiny-cnn", SEED).unwrap(),
        workers: 2,
        load: Load::Open { rate_per_s: 50.0, arrival: Arrival::Constant },
        deploy: Deploy::Local,
        slowdown: 1.0,
        split: true,
        replicas: Replicas::One,
        spares: Spares::default(),
        order: false,
    });
    testbed.begin();
    testbed.wait_completed(20);
    let before: Vec<u64> = (0..4).map(|node| testbed.peak_memory(node)).collect();
    let at = |node: usize, port: u16| SocketAddr::new(testbed.address(node), port);
    let ports = [
        (at(2, CONTROL_PORT), Port::Control),
        (at(2, DATA_PORT), Port::Data),
        (at(DISPATCHER, DATA_PORT), Port::Data),
        (at(DISPATCHER, CLIENT_PORT), Port::Client),
    ];

    for (to, port) in ports {
        // Noise, a length beyond all memory, what only those who have joined may say.
        let assign = ToWorker::Release { epoch: u32::MAX };
        let noise: Vec<u8> = (0..5000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for bytes in [
            noise,
            claims(MAX_PAYLOAD),
            claims(usize::MAX),
            bytes_of(&to_frame(&assign).unwrap()),
            bytes_of(&Frame::hello(u32::MAX, 2)),
            bytes_of(&Frame::client(7, u64::MAX)),
            bytes_of(&Frame::new(FrameKind::Request, 0, 0, vec![0; 1000])),
            bytes_of(&Frame::new(FrameKind::Proof, 0, 0, vec![0; 32])),
            bytes_of(&Frame::new(FrameKind::Proof, 0, 0, Vec::new())),
        ] {
            let mut stream = reach(to);
            // It may be closed before all is written.
            let _ = stream.write_all(&bytes);
            let said = closed(&stream);
            assert!(said.len() <= HEADER + 16, "nothing but the challenge is said");
        }
        // With a secret of another run.
        let refused = join(&reach(to), &Secret::draw().unwrap(), port, PATIENCE);
        assert!(refused.is_err());

        // Half-open connections: as many as one address may have stay for a while, the others are closed at once.
        let held: Vec<TcpStream> = (0..100).map(|_| reach(to)).collect();
        let silent: Vec<thread::JoinHandle<usize>> =
            held.into_iter().map(|stream| thread::spawn(move || closed(&stream).len())).collect();
        let said = silent.into_iter().map(|thread| thread.join().unwrap()).filter(|length| *length > 0).count();
        assert!((1..=8).contains(&said), "{said} were looked at");

        // One byte at a time, never to the end.
        let slow = reach(to);
        let mut writing = slow.try_clone().unwrap();
        let drip = thread::spawn(move || {
            while writing.write_all(b"E").is_ok() {
                thread::sleep(Duration::from_millis(200));
            }
        });
        closed(&slow);
        drip.join().unwrap();
    }

    // Heartbeats of a worker that would be another process, and noise.
    let socket = UdpSocket::bind((intruder(), 0)).unwrap();
    let forged = Secret::draw().unwrap();
    for sequence in 0..2000 {
        let heartbeat = Heartbeat { worker: 2, incarnation: 1, sequence, epoch: 0, work: None };
        let _ = socket.send_to(&heartbeat.to_datagram(&forged).unwrap(), at(DISPATCHER, HEARTBEAT_PORT));
        let _ = socket.send_to(&[sequence as u8; 60], at(DISPATCHER, HEARTBEAT_PORT));
    }

    let completed = testbed.completed().len();
    testbed.wait_completed(completed + 50);
    testbed.finish();
    testbed.assert_nothing_lost_nothing_twice();
    assert_eq!(testbed.plans().len(), 1, "nobody was suspected, nothing was disturbed");
    for node in [CLIENT, DISPATCHER, 2, 3] {
        let grown = testbed.peak_memory(node) - before[node];
        println!("node {node}: {grown} KiB more at its peak");
        assert!(grown < BOUND_KIB, "node {node} has taken {grown} KiB");
    }
}
