//! Tests of what is common to all carriers, on the real kernel, each in namespaces of its own.

mod isolated;
mod plain;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use planner::units::Rate;

use super::netem::qdisc;
use super::*;
use crate::scenario::network::{Airtime, Link, Medium};
use isolated::isolated;
use plain::Plain;

/// Long enough on the busiest machine; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

fn names(count: usize) -> Vec<String> {
    (0..count).map(|host| format!("n{host}")).collect()
}

fn medium(count: usize) -> (Network, Vec<Vec<Option<usize>>>) {
    let shapes = vec![vec![Shape::default(); count]; count];
    let medium =
        Medium { name: "air".to_owned(), members: (0..count).collect(), shapes, airtime: Airtime::Independent };
    let next_hops = (0..count).map(|from| (0..count).map(|to| (from != to).then_some(to)).collect()).collect();
    (Network { nodes: count, media: vec![medium], ..Network::default() }, next_hops)
}

/// Hosts in a row, each linked to the next; the last one is a switch when there are three: 0 – 2 – 1.
fn over_a_switch() -> (Network, Vec<Vec<Option<usize>>>) {
    let link = |a, b| Link { a, b, a_to_b: Shape::default(), b_to_a: Shape::default() };
    let network =
        Network { nodes: 2, switches: vec!["s".to_owned()], links: vec![link(0, 2), link(2, 1)], ..Network::default() };
    let next_hops = vec![vec![None, Some(2), Some(2)], vec![Some(2), None, Some(2)], vec![Some(0), Some(1), None]];
    (network, next_hops)
}

fn build(network: &Network, next_hops: &[Vec<Option<usize>>]) -> Fabric {
    Fabric::build_with(Box::new(Plain::default()), network, &names(network.hosts()), next_hops).unwrap()
}

/// A TCP connection between two hosts: the sender's end and the receiver's.
fn connect(fabric: &Fabric, from: usize, to: usize) -> (TcpStream, TcpStream) {
    let address = SocketAddr::new(fabric.address(to), 7000 + from as u16);
    let listener = fabric.namespace(to).unwrap().enter(|| TcpListener::bind(address)).unwrap().unwrap();
    let sender = fabric.namespace(from).unwrap().enter(|| TcpStream::connect_timeout(&address, PATIENCE)).unwrap();
    let (receiver, _) = listener.accept().unwrap();
    (sender.unwrap(), receiver)
}

#[test]
fn a_medium_of_twenty_hosts_is_built_and_every_pair_can_talk() {
    isolated(|| {
        let (network, next_hops) = medium(20);
        let begun = Instant::now();
        let fabric = build(&network, &next_hops);
        eprintln!("20 hosts on a medium, 380 routes, classes, filters, read back: {:?}", begun.elapsed());
        assert_eq!(fabric.interfaces(7).unwrap().collect::<Vec<_>>(), ["eth0"]);
        for (from, to) in [(0, 19), (19, 0), (3, 4), (11, 2)] {
            let (mut sender, mut receiver) = connect(&fabric, from, to);
            sender.write_all(b"hello").unwrap();
            let mut heard = [0; 5];
            receiver.read_exact(&mut heard).unwrap();
            assert_eq!(&heard, b"hello");
            assert_eq!(receiver.peer_addr().unwrap().ip(), fabric.address(from));
        }
        // What 3 said to 4 went through the class for 4 (its fourth receiver, itself left out), and no other.
        let classes = fabric.namespace(3).unwrap().netlink(|socket| qdisc::list_classes(socket, 100)).unwrap();
        let used: Vec<u32> = classes
            .iter()
            .filter(|class| class.statistics.packets > 0)
            .map(|class| class.place.handle & 0xffff)
            .collect();
        assert_eq!(used, [4]);
    });
}

#[test]
fn nothing_travels_unasked() {
    isolated(|| {
        let (network, next_hops) = medium(5);
        let fabric = build(&network, &next_hops);
        // What the kernel would say by itself, it says within a second or two of an interface coming up.
        thread::sleep(Duration::from_millis(2500));
        for host in 0..5 {
            let table = fabric.namespace(host).unwrap().enter(|| fs::read_to_string("/proc/thread-self/net/dev"));
            let table = table.unwrap().unwrap();
            let line = table.lines().find(|line| line.trim_start().starts_with("eth0")).expect("eth0 is listed");
            let counts: Vec<&str> = line.split_whitespace().collect();
            assert_eq!((counts[2], counts[10]), ("0", "0"), "{table}");
        }
    });
}

#[test]
fn a_switch_forwards_and_the_sender_keeps_its_address() {
    isolated(|| {
        let (network, next_hops) = over_a_switch();
        let fabric = build(&network, &next_hops);
        let (mut sender, mut receiver) = connect(&fabric, 0, 1);
        assert_eq!(receiver.peer_addr().unwrap().ip(), fabric.address(0));
        let message = vec![7; 1 << 20];
        thread::scope(|scope| {
            scope.spawn(|| sender.write_all(&message).unwrap());
            let mut heard = vec![0; message.len()];
            receiver.read_exact(&mut heard).unwrap();
            assert_eq!(heard, message);
        });
        let hostname = fabric.namespace(2).unwrap().enter(|| fs::read_to_string("/proc/sys/kernel/hostname"));
        assert_eq!(hostname.unwrap().unwrap().trim(), "n2");
    });
}

#[test]
fn a_block_cuts_an_established_connection_one_way_and_lifting_it_heals() {
    isolated(|| {
        let (network, next_hops) = over_a_switch();
        let fabric = build(&network, &next_hops);
        let (mut sender, mut receiver) = connect(&fabric, 0, 1);
        let mut heard = [0; 1];
        sender.write_all(b"1").unwrap();
        receiver.read_exact(&mut heard).unwrap();
        let bind = |host| {
            let address = SocketAddr::new(fabric.address(host), 9000);
            let socket = fabric.namespace(host).unwrap().enter(|| UdpSocket::bind(address)).unwrap().unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket
        };
        let (near, far) = (bind(0), bind(1));

        fabric.block(0, 1).unwrap();
        fabric.block(0, 1).unwrap();
        sender.write_all(b"2").unwrap();
        near.send_to(b"lost", far.local_addr().unwrap()).unwrap();
        // The other way still works.
        far.send_to(b"back", near.local_addr().unwrap()).unwrap();
        let mut datagram = [0; 16];
        assert_eq!(near.recv(&mut datagram).unwrap(), 4);
        receiver.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        assert_eq!(receiver.read(&mut heard).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);

        fabric.unblock(0, 1).unwrap();
        assert_eq!(receiver.read(&mut heard).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        fabric.unblock(0, 1).unwrap();
        fabric.unblock(0, 1).unwrap();
        receiver.set_read_timeout(Some(PATIENCE)).unwrap();
        receiver.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"2");
        near.send_to(b"healed", far.local_addr().unwrap()).unwrap();
        assert_eq!(far.recv(&mut datagram).unwrap(), 6, "what was sent while blocked is gone");
    });
}

#[test]
fn super_frames_keep_to_the_strictest_direction_of_their_way() {
    isolated(|| {
        let (mut network, next_hops) = over_a_switch();
        let segments = |fabric: &Fabric, host| {
            fabric.namespace(host).unwrap().netlink(|socket| veth::segments(socket, 100)).unwrap()
        };
        network.links[1].a_to_b.rate = Some(Rate::from_mbits_per_second(10.0));
        let fabric = build(&network, &next_hops);
        // 0 sends over the slow direction from 2 to 1; 1 sends against it.
        assert_eq!((segments(&fabric, 0), segments(&fabric, 1)), (Some(1), Some(65_535)));
        fabric.set_shape(Direction { from: 2, to: 1 }, &Shape::default()).unwrap();
        assert_eq!(segments(&fabric, 0), Some(65_535));
    });
}

#[test]
fn netem_works_here_or_the_kernels_reason_is_told() {
    isolated(|| match probe::netem(true) {
        Ok(()) => eprintln!("netem is available here"),
        Err(error @ CarrierError::Unavailable { .. }) => {
            eprintln!("{error}");
            assert!(error.to_string().contains("adding netem"), "{error}");
            let (network, next_hops) = medium(2);
            let refused = Fabric::build(&network, &names(2), &next_hops, CarrierChoice::Netem, 1).err().unwrap();
            assert!(matches!(refused, FabricError::Carrier(CarrierError::Unavailable { carrier: "netem", .. })));
            let fabric = Fabric::build(&network, &names(2), &next_hops, CarrierChoice::Auto, 1).unwrap();
            assert_eq!(fabric.carrier_name(), "software");
        }
        Err(error) => panic!("{error}"),
    });
}

#[test]
fn a_shape_that_was_changed_and_changed_back_is_told_once() {
    isolated(|| {
        let (network, next_hops) = over_a_switch();
        let fabric = build(&network, &next_hops);
        assert!(fabric.reshaped().is_empty());
        let direction = Direction { from: 0, to: 2 };
        let before = fabric.shape(direction).unwrap();
        fabric.set_shape(direction, &before.severed()).unwrap();
        fabric.set_shape(direction, &before).unwrap();
        assert_eq!(fabric.reshaped().into_iter().collect::<Vec<_>>(), [(direction, before)]);
        assert!(fabric.reshaped().is_empty());
    });
}

#[test]
fn a_precise_carrier_keeps_the_processors_awake_or_says_that_it_may_not() {
    isolated(|| {
        let may = software::wait::keep_processors_awake().is_ok();
        let (network, next_hops) = over_a_switch();
        let carrier = software::Software::new(1).unwrap().precise();
        let fabric = Fabric::build_with(Box::new(carrier), &network, &names(3), &next_hops).unwrap();
        let refused = fabric.warnings().iter().any(|warning| warning.contains("processors can't be kept awake"));
        assert_eq!(refused, !may, "{:?}", fabric.warnings());
        if may {
            // Whoever reads the device gets the wake-up time that is in force, in microseconds.
            let mut in_force = [0xff; 4];
            fs::File::open("/dev/cpu_dma_latency").unwrap().read_exact(&mut in_force).unwrap();
            assert_eq!(i32::from_ne_bytes(in_force), 0);
        }
    });
}
