//! The same streams of datagrams through the same shapes, carried by netem and in software.

use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

use emulator::fabric::software::Software;
use emulator::fabric::{CarrierChoice, Counters, Direction, Fabric, Network, Shape};
use emulator::scenario::network::Link;
use nix::sys::socket::sockopt::{RcvBufForce, ReceiveTimestampns, SndBufForce};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt};
use nix::time::{ClockId, clock_gettime};

/// Room for everything that is under way: a sender whose buffer is full would wait, and netem keeps packets in the sender's buffer
/// while links in software take them out at once.
const BUFFER: usize = 64 << 20;
/// Nothing comes later than that after the last was sent.
const QUIET: Duration = Duration::from_millis(300);

/// One carrier's links, one for each pair of shapes.
pub struct Carried {
    pub fabric: Fabric,
    /// From the first host of each link to the second, and back.
    pub streams: Vec<[Stream; 2]>,
}

/// Datagrams in one direction, with the time of the kernel's clock in milliseconds at which each was sent and has arrived.
pub struct Stream {
    near: UdpSocket,
    far: UdpSocket,
    there: SocketAddr,
    direction: Direction,
    pub sent: Vec<f64>,
    /// Number and time, in the order in which they arrived. A datagram whose checksum is wrong does not.
    pub arrived: Vec<(usize, f64)>,
}

/// Both carriers, with the same shapes and the same seed.
pub fn both(shapes: &[[Shape; 2]], seed: u64) -> [Carried; 2] {
    let hosts = 2 * shapes.len();
    let links = shapes.iter().enumerate().map(|(number, [forth, back])| Link {
        a: 2 * number,
        b: 2 * number + 1,
        a_to_b: forth.clone(),
        b_to_a: back.clone(),
    });
    let network = Network { nodes: hosts, links: links.collect(), ..Network::default() };
    let names: Vec<String> = (0..hosts).map(|host| format!("n{host}")).collect();
    let next_hops: Vec<Vec<Option<usize>>> =
        (0..hosts).map(|from| (0..hosts).map(|to| (to == from ^ 1).then_some(to)).collect()).collect();
    let netem = Fabric::build(&network, &names, &next_hops, CarrierChoice::Netem, seed).unwrap();
    let software = Box::new(Software::new(seed).unwrap());
    let software = Fabric::build_with(software, &network, &names, &next_hops).unwrap();
    [netem, software].map(|fabric| {
        let stream = |from| Stream::new(&fabric, from, from ^ 1);
        let streams = (0..hosts).step_by(2).map(|host| [stream(host), stream(host + 1)]).collect();
        Carried { fabric, streams }
    })
}

impl Carried {
    /// What the carrier has counted in a direction of a link.
    pub fn counters(&self, link: usize, way: usize) -> Counters {
        self.fabric.counters().unwrap()[&self.streams[link][way].direction]
    }

    /// Everything that has arrived, when nothing more can come.
    pub fn collect(&mut self) {
        self.streams.iter_mut().flatten().for_each(Stream::collect);
    }
}

impl Stream {
    fn new(fabric: &Fabric, from: usize, to: usize) -> Stream {
        let socket = |host| {
            let address = SocketAddr::new(fabric.address(host), 0);
            fabric.namespace(host).unwrap().enter(|| UdpSocket::bind(address)).unwrap().unwrap()
        };
        let (near, far) = (socket(from), socket(to));
        setsockopt(&near, SndBufForce, &BUFFER).unwrap();
        setsockopt(&far, RcvBufForce, &BUFFER).unwrap();
        setsockopt(&far, ReceiveTimestampns, &true).unwrap();
        let there = far.local_addr().unwrap();
        Stream { near, far, there, direction: Direction { from, to }, sent: Vec::new(), arrived: Vec::new() }
    }

    /// Sends the next datagram, which has this many bytes.
    pub fn send(&mut self, bytes: usize) {
        let mut datagram = vec![0; bytes];
        datagram[..4].copy_from_slice(&(self.sent.len() as u32).to_be_bytes());
        self.sent.push(now());
        self.near.send_to(&datagram, self.there).unwrap();
    }

    fn collect(&mut self) {
        let mut datagram = [0; 2048];
        loop {
            let mut space = nix::cmsg_space!(nix::sys::time::TimeSpec);
            let mut slices = [IoSliceMut::new(&mut datagram)];
            let received = recvmsg::<()>(self.far.as_raw_fd(), &mut slices, Some(&mut space), MsgFlags::MSG_DONTWAIT);
            let Ok(received) = received else { return };
            let stamp = received.cmsgs().unwrap().find_map(|message| match message {
                ControlMessageOwned::ScmTimestampns(at) => Some(millis(at)),
                _ => None,
            });
            let number = u32::from_be_bytes([datagram[0], datagram[1], datagram[2], datagram[3]]) as usize;
            self.arrived.push((number, stamp.expect("the kernel says when")));
        }
    }

    /// How long each datagram took that has arrived, in milliseconds.
    pub fn took(&self) -> Vec<f64> {
        self.arrived.iter().map(|(number, at)| at - self.sent[*number]).collect()
    }

    /// Which have not arrived.
    pub fn missing(&self) -> Vec<bool> {
        let mut missing = vec![true; self.sent.len()];
        self.arrived.iter().for_each(|(number, _)| missing[*number] = false);
        missing
    }
}

/// Waits until nothing is under way any more.
pub fn settle(longest: Duration) {
    thread::sleep(longest + QUIET);
}

/// The clock by which the kernel says when something arrived, in milliseconds.
pub fn now() -> f64 {
    millis(clock_gettime(ClockId::CLOCK_REALTIME).unwrap())
}

fn millis(time: nix::sys::time::TimeSpec) -> f64 {
    // A double has digits for a quarter of a microsecond of these.
    time.tv_sec() as f64 * 1e3 + time.tv_nsec() as f64 / 1e6
}
