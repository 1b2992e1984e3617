//! Blocks of a pcapng file, as draft-ietf-opsawg-pcapng describes them (its section 4 has the blocks, 3.5 the options).
//!
//! Little-endian on every machine: the first block says so. Times are nanoseconds since 1970, UTC.

use std::net::IpAddr;

// Kinds of blocks.
const SECTION: u32 = 0x0A0D_0D0A;
const INTERFACE: u32 = 1;
const NAMES: u32 = 4;
const STATISTICS: u32 = 5;
const PACKET: u32 = 6;
// Options; the first two are the same in every block.
const END: u16 = 0;
const COMMENT: u16 = 1;
const SECTION_OS: u16 = 3;
const SECTION_APPLICATION: u16 = 4;
const INTERFACE_NAME: u16 = 2;
const INTERFACE_DESCRIPTION: u16 = 3;
const INTERFACE_MAC: u16 = 6;
const INTERFACE_RESOLUTION: u16 = 9;
const PACKET_FLAGS: u16 = 2;
const STATISTICS_START: u16 = 2;
const STATISTICS_END: u16 = 3;
const STATISTICS_DROPPED: u16 = 7;
const STATISTICS_WRITTEN: u16 = 8;
/// 10⁻⁹ s.
const NANOSECONDS: u8 = 9;
/// Longest text of an option that we write, in bytes; the format could do with 65,535.
const LONGEST: usize = 32_768;

/// What an interface's packets begin with (the registry is at tcpdump.org/linktypes.html).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum LinkType {
    /// An Ethernet header.
    Ethernet = 1,
    /// Tags that name the dissector of what follows (Wireshark's "exported PDU").
    UpperPdu = 252,
}

/// Which way a packet passed its interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Way {
    /// It came in.
    In = 1,
    /// It went out.
    Out = 2,
}

/// A packet to be written.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// Its interface, by the order in which those were written.
    pub interface: u32,
    /// When.
    pub at: u64,
    /// Its length, in bytes.
    pub length: u32,
    /// What there is of it.
    pub bytes: &'a [u8],
    /// Which way, if any.
    pub way: Option<Way>,
    /// What there is to say of it.
    pub comment: Option<&'a str>,
}

/// What became of an interface's packets.
#[derive(Debug, Clone, Copy)]
pub struct Statistics<'a> {
    /// The interface.
    pub interface: u32,
    /// Since when.
    pub from: u64,
    /// Until when.
    pub to: u64,
    /// Packets that are in the file.
    pub written: u64,
    /// Packets that were dropped on the way there, where that is known.
    pub dropped: Option<u64>,
    /// What there is to say of that.
    pub comment: Option<&'a str>,
}

/// Whole blocks, one behind the other.
#[derive(Debug, Default)]
pub struct Blocks(Vec<u8>);

impl Blocks {
    /// The first block of a file: what wrote it, and what there is to say of all of it.
    pub fn section(&mut self, application: &str, os: &str, comment: &str) {
        self.block(SECTION, |body| {
            // Tells which end numbers begin with; then version 1.0, and a length that nobody knows yet.
            number(body, 0x1A2B_3C4D);
            body.extend([1, 0, 0, 0]);
            body.extend((-1i64).to_le_bytes());
            text(body, COMMENT, comment);
            text(body, SECTION_OS, os);
            text(body, SECTION_APPLICATION, application);
            option(body, END, &[]);
        });
    }

    /// An interface; they are numbered in the order in which they are written.
    pub fn interface(&mut self, link: LinkType, name: &str, description: &str, mac: Option<[u8; 6]>) {
        self.block(INTERFACE, |body| {
            body.extend((link as u16).to_le_bytes());
            body.extend([0; 2]);
            // Packets are whole: there is no limit.
            number(body, 0);
            text(body, INTERFACE_NAME, name);
            text(body, INTERFACE_DESCRIPTION, description);
            if let Some(mac) = mac {
                option(body, INTERFACE_MAC, &mac);
            }
            option(body, INTERFACE_RESOLUTION, &[NANOSECONDS]);
            option(body, END, &[]);
        });
    }

    /// What addresses are called.
    pub fn names<'a>(&mut self, names: impl Iterator<Item = (IpAddr, &'a str)>) {
        self.block(NAMES, |body| {
            for (address, name) in names {
                let (kind, mut record) = match address {
                    IpAddr::V4(address) => (1, address.octets().to_vec()),
                    IpAddr::V6(address) => (2, address.octets().to_vec()),
                };
                record.extend(name.bytes().chain([0]));
                option(body, kind, &record);
            }
            option(body, END, &[]);
        });
    }

    /// A packet.
    pub fn packet(&mut self, packet: &Packet<'_>) {
        self.block(PACKET, |body| {
            number(body, packet.interface);
            time(body, packet.at);
            number(body, packet.bytes.len() as u32);
            number(body, packet.length);
            body.extend(packet.bytes);
            pad(body);
            if let Some(comment) = packet.comment {
                text(body, COMMENT, comment);
            }
            if let Some(way) = packet.way {
                option(body, PACKET_FLAGS, &(way as u32).to_le_bytes());
            }
            if packet.comment.is_some() || packet.way.is_some() {
                option(body, END, &[]);
            }
        });
    }

    /// What became of an interface's packets.
    pub fn statistics(&mut self, statistics: &Statistics<'_>) {
        self.block(STATISTICS, |body| {
            number(body, statistics.interface);
            time(body, statistics.to);
            if let Some(comment) = statistics.comment {
                text(body, COMMENT, comment);
            }
            for (code, at) in [(STATISTICS_START, statistics.from), (STATISTICS_END, statistics.to)] {
                let mut halves = Vec::new();
                time(&mut halves, at);
                option(body, code, &halves);
            }
            if let Some(dropped) = statistics.dropped {
                option(body, STATISTICS_DROPPED, &dropped.to_le_bytes());
            }
            option(body, STATISTICS_WRITTEN, &statistics.written.to_le_bytes());
            option(body, END, &[]);
        });
    }

    /// The bytes of all of them.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Forgets them; their room stays.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// A block is its kind, its length, its body, and its length again.
    fn block(&mut self, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
        let start = self.0.len();
        number(&mut self.0, kind);
        number(&mut self.0, 0);
        body(&mut self.0);
        let length = (self.0.len() - start) as u32 + 4;
        number(&mut self.0, length);
        self.0[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
    }
}

/// A text as the payload of a packet of [`LinkType::UpperPdu`], so that Wireshark's list of packets has a line that reads as it:
/// what dissects system logs shows any text (wireshark's epan/exported_pdu.h has the tags, which are big-endian).
pub fn told(text: &str) -> Vec<u8> {
    const DISSECTOR: &[u8; 8] = b"syslog\0\0";
    let mut bytes = vec![0, 12, 0, DISSECTOR.len() as u8];
    bytes.extend(DISSECTOR);
    bytes.extend([0; 4]);
    bytes.extend(text.bytes());
    bytes
}

fn number(body: &mut Vec<u8>, number: u32) {
    body.extend(number.to_le_bytes());
}

/// Times have their upper half first, whatever the numbers' order.
fn time(body: &mut Vec<u8>, at: u64) {
    number(body, (at >> 32) as u32);
    number(body, at as u32);
}

/// An option, or a record of names: its code, its length without padding, its value.
fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    body.extend(value);
    pad(body);
}

fn text(body: &mut Vec<u8>, code: u16, text: &str) {
    option(body, code, &text.as_bytes()[..text.floor_char_boundary(LONGEST)]);
}

/// To whole 32-bit words. Every block has a whole number of those, so what counts is the length of all.
fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests;
