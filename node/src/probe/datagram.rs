//! What agents send each other: postcard in UDP datagrams.

use std::net::IpAddr;

use planner::units::{ByteSize, Rate};
use serde::{Deserialize, Serialize};

/// Bytes of IP and UDP of a packet that just fits an Ethernet frame.
const FULL: usize = 1500;
/// Bytes of a UDP header.
const UDP: usize = 8;
/// Bytes of an Ethernet header.
const ETHERNET: u64 = 14;

/// A datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Datagram {
    /// To be sent back.
    Ping(u64),
    /// Sent back.
    Pong(u64),
    /// A packet of a train; bytes that mean nothing follow.
    Car {
        /// Number of the train, by its sender.
        train: u64,
    },
    /// What arrived of a train?
    Ask {
        /// Number of the train.
        train: u64,
    },
    /// This did.
    Told {
        /// Number of the train.
        train: u64,
        /// Number of packets.
        arrived: u32,
        /// Their rate, if it can be told.
        bits_per_second: Option<u64>,
    },
}

impl Datagram {
    /// The bytes.
    pub fn to_bytes(self) -> Vec<u8> {
        // Integers always have a form.
        postcard::to_stdvec(&self).unwrap_or_default()
    }

    /// Reads one; `None` if it is something else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Datagram> {
        postcard::from_bytes(bytes).ok()
    }

    /// A packet of a train, as large as a packet to `to` may be.
    pub fn car(train: u64, to: IpAddr) -> Vec<u8> {
        let mut bytes = Datagram::Car { train }.to_bytes();
        bytes.resize(FULL - UDP - ip_header(to), 0);
        bytes
    }

    /// The rate told, in its type.
    pub fn rate(bits_per_second: Option<u64>) -> Option<Rate> {
        bits_per_second.map(Rate::from_bits_per_second)
    }
}

/// What a datagram of `payload` bytes between this address and another takes on the wire.
pub fn on_the_wire(payload: usize, address: IpAddr) -> ByteSize {
    ByteSize::from_bytes((payload + UDP + ip_header(address)) as u64 + ETHERNET)
}

fn ip_header(address: IpAddr) -> usize {
    if address.is_ipv4() { 20 } else { 40 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_car_fills_an_ethernet_frame_and_is_read_in_spite_of_what_follows() {
        for address in [IpAddr::from([127, 0, 0, 1]), IpAddr::from([0u16; 8])] {
            let car = Datagram::car(300, address);
            assert_eq!(on_the_wire(car.len(), address), ByteSize::from_bytes(1514));
            assert_eq!(Datagram::from_bytes(&car), Some(Datagram::Car { train: 300 }));
        }
    }

    proptest! {
        #[test]
        fn datagrams_read_back_and_arbitrary_bytes_never_panic(train in any::<u64>(), arrived in any::<u32>(), bits_per_second in any::<Option<u64>>(), bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let told = Datagram::Told { train, arrived, bits_per_second };
            prop_assert_eq!(Datagram::from_bytes(&told.to_bytes()), Some(told));
            let _ = Datagram::from_bytes(&bytes);
        }
    }
}
