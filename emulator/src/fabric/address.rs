//! Every host has one address, which follows from its index, and every interface one hardware address.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

use super::veth::Mac;

/// How many hosts can have an address: 10.0.0.0/8 without its first and last.
pub const MOST_HOSTS: usize = (1 << 24) - 2;

/// The host's address: 10.0.0.1 for host 0, and so on upwards. The caller keeps `host` below [`MOST_HOSTS`].
pub fn address(host: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(bits(host)))
}

fn bits(host: usize) -> u32 {
    0x0a00_0001 + (host as u32 & 0x00ff_ffff)
}

/// As few prefixes as have the addresses of these hosts and no others: each the first address, and how many of its bits
/// all share.
pub fn prefixes(hosts: Range<usize>) -> Vec<(IpAddr, u8)> {
    let mut prefixes = Vec::new();
    let mut host = hosts.start;
    while host < hosts.end {
        // A prefix of 2^free addresses begins where that many bits are zero.
        let free = bits(host).trailing_zeros().min((hosts.end - host).ilog2());
        prefixes.push((address(host), 32 - free as u8));
        host += 1 << free;
    }
    prefixes
}

/// The hardware address of a host's interface, counting its interfaces from 0: locally administered
/// (`02`), the interface in two bytes, the host in three. The last four bytes tell the members of a medium
/// apart, so that a filter needs to look at nothing else.
pub fn mac(host: usize, interface: usize) -> Mac {
    let [_, high, middle, low] = (host as u32).to_be_bytes();
    let [above, below] = (interface as u16).to_be_bytes();
    Mac([0x02, above, below, high, middle, low])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_count_up_from_10_0_0_1() {
        assert_eq!(address(0).to_string(), "10.0.0.1");
        assert_eq!(address(255).to_string(), "10.0.1.0");
        let seven: Vec<String> = prefixes(0..7).iter().map(|(first, length)| format!("{first}/{length}")).collect();
        assert_eq!(seven, ["10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/30"]);
        assert_eq!(mac(258, 3).to_string(), "02:00:03:00:01:02");
    }
}
