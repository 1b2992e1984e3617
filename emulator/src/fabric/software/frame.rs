//! Ethernet frames as packet sockets hand them out with `PACKET_VNET_HDR`: behind a header that says which
//! checksum is still to be filled in, and whether this is a super-frame that stands for many packets.

pub mod merge;

/// Bytes of the header that precedes every frame: `struct virtio_net_hdr` of Linux's uapi/linux/virtio_net.h.
pub const OFFLOAD_BYTES: usize = 10;
/// Bytes of an Ethernet header.
pub const ETHERNET: usize = 14;
/// More than Ethernet, IP and TCP headers take, with all options.
pub const MOST_HEADER: usize = 256;

const NEEDS_CHECKSUM: u8 = 1;
const GSO_NONE: u8 = 0;
const GSO_TCP4: u8 = 1;
const GSO_TCP6: u8 = 4;
const GSO_UDP: u8 = 5;
const GSO_ECN: u8 = 0x80;

const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];
/// Of IP's protocol field.
const TCP: u8 = 6;
/// Where in a TCP header the checksum is.
const TCP_CHECKSUM: u16 = 16;
/// TCP's flags.
const PSH: u8 = 0x08;
const FIN: u8 = 0x01;
const CWR: u8 = 0x80;

/// What is left to do for a frame, as in `struct virtio_net_hdr` (whose `hdr_len` is filled in on writing).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offload {
    flags: u8,
    gso: u8,
    gso_size: u16,
    csum_start: u16,
    csum_offset: u16,
}

impl Offload {
    /// Reads the header. In packet sockets it has the byte order of the machine.
    pub fn read(bytes: &[u8; OFFLOAD_BYTES]) -> Offload {
        let number = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        Offload { flags: bytes[0], gso: bytes[1], gso_size: number(4), csum_start: number(6), csum_offset: number(8) }
    }

    /// Writes the header for a frame whose headers take `header` bytes.
    pub fn write(&self, header: usize) -> [u8; OFFLOAD_BYTES] {
        let mut bytes = [0; OFFLOAD_BYTES];
        // "The checksum was verified" is nothing that the kernel takes from a sender.
        bytes[0] = self.flags & NEEDS_CHECKSUM;
        bytes[1] = self.gso;
        for (at, number) in [(2, header as u16), (4, self.gso_size), (6, self.csum_start), (8, self.csum_offset)] {
            bytes[at..at + 2].copy_from_slice(&number.to_ne_bytes());
        }
        bytes
    }
}

/// Which packets a frame stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Layout {
    /// How many; 1 unless it is a super-frame.
    pub packets: u16,
    /// Bytes of the headers that each of them has; 0 for one packet that isn't TCP with a payload and a checksum still to be filled in.
    header: u16,
    /// Bytes of payload in each but the last.
    segment: u16,
    /// Bytes of the frame.
    length: u32,
    /// Where the TCP or UDP header begins.
    transport: u16,
    offload: Offload,
}

impl Layout {
    /// Understands a frame. What isn't TCP over IP, nor UDP over IP in a super-frame, is taken for one packet without headers.
    pub fn read(frame: &[u8], offload: Offload) -> Layout {
        let one = Layout { packets: 1, length: frame.len() as u32, offload, ..Layout::default() };
        Layout::with_headers(frame, offload).unwrap_or(one)
    }

    fn with_headers(frame: &[u8], offload: Offload) -> Option<Layout> {
        let transport = usize::from(offload.csum_start);
        let (least_ip, protocol) = match frame.get(12..14)? {
            ethertype if ethertype == IPV4 => (20, *frame.get(ETHERNET + 9)?),
            ethertype if ethertype == IPV6 => (40, *frame.get(ETHERNET + 6)?),
            _ => return None,
        };
        let transport_header = match offload.gso & !GSO_ECN {
            GSO_NONE if protocol != TCP || offload.csum_offset != TCP_CHECKSUM => return None,
            GSO_NONE | GSO_TCP4 | GSO_TCP6 => usize::from(*frame.get(transport + 12)? >> 4) * 4,
            GSO_UDP => 8,
            _ => return None,
        };
        let header = transport + transport_header;
        let segment = match offload.gso {
            GSO_NONE => frame.len().checked_sub(header)?,
            _ => usize::from(offload.gso_size),
        };
        let understood = offload.flags & NEEDS_CHECKSUM != 0
            && transport_header >= 8
            && transport >= ETHERNET + least_ip
            && header <= MOST_HEADER
            && segment > 0;
        let payload = frame.len().checked_sub(header).filter(|payload| *payload > 0 && understood)?;
        Some(Layout {
            packets: u16::try_from(payload.div_ceil(segment)).ok()?,
            header: header as u16,
            segment: u16::try_from(segment).ok()?,
            length: frame.len() as u32,
            transport: transport as u16,
            offload,
        })
    }

    /// Bytes of the frame.
    pub fn length(&self) -> usize {
        self.length as usize
    }

    /// Bytes on the wire of each packet but the last.
    pub fn full_packet(&self) -> u32 {
        if self.packets > 1 { u32::from(self.header) + u32::from(self.segment) } else { self.length }
    }

    /// Bytes on the wire of `count` packets from the `first`: each has headers of its own.
    pub fn wire_bytes(&self, first: u16, count: u16) -> u32 {
        u32::from(count) * u32::from(self.header) + self.payload(first, count).len() as u32
    }

    /// Where in the frame the payload of these packets is (for a packet without headers, all of it).
    pub fn payload(&self, first: u16, count: u16) -> std::ops::Range<usize> {
        if self.header == 0 {
            return 0..self.length();
        }
        let (header, segment) = (usize::from(self.header), usize::from(self.segment));
        let start = header + usize::from(first) * segment;
        start.min(self.length())..(start + usize::from(count) * segment).min(self.length())
    }

    /// Writes what precedes the payload of these packets: the bytes for the kernel and their own headers, made
    /// from those with which `frame` begins. Returns how many bytes.
    pub fn write_head(
        &self,
        frame: &[u8],
        first: u16,
        count: u16,
        out: &mut [u8; OFFLOAD_BYTES + MOST_HEADER],
    ) -> usize {
        let mut offload = self.offload;
        let length = usize::from(self.header);
        let (before, rest) = out.split_at_mut(OFFLOAD_BYTES);
        let header = &mut rest[..length];
        if length > 0 {
            header.copy_from_slice(&frame[..length]);
            if count < self.packets {
                self.adapt(header, first, count);
            }
            if count == 1 {
                (offload.gso, offload.gso_size) = (0, 0);
            }
        }
        // A frame that is no super-frame may be taken as linear; the kernel does that anyway below a page.
        before.copy_from_slice(&offload.write(if length > 0 { length } else { self.length().min(MOST_HEADER) }));
        OFFLOAD_BYTES + length
    }

    /// Turns the super-frame's headers into those of some of its packets.
    fn adapt(&self, header: &mut [u8], first: u16, count: u16) {
        let transport = usize::from(self.transport);
        let payload = self.payload(first, count).len();
        let after_ip = header.len() - transport + payload;
        if header[12..14] == IPV4 {
            let id = get(header, ETHERNET + 4);
            put(header, ETHERNET + 4, id.wrapping_add(first));
        }
        set_length(header, self.offload, self.length() - transport, after_ip);
        if self.offload.gso == GSO_UDP {
            put(header, transport + 4, after_ip as u16);
        } else {
            let at = transport + 4;
            let sequence = u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
            let sequence = sequence.wrapping_add(u32::from(first) * u32::from(self.segment));
            header[at..at + 4].copy_from_slice(&sequence.to_be_bytes());
            let mut cleared = 0;
            if first + count < self.packets {
                cleared |= FIN | PSH;
            }
            if first > 0 {
                cleared |= CWR;
            }
            header[transport + 13] &= !cleared;
        }
    }

    /// Fills in the checksum of a single packet that the kernel would have filled in.
    pub fn finish_checksum(packet: &mut [u8], offload: Offload) {
        let start = usize::from(offload.csum_start);
        let at = start + usize::from(offload.csum_offset);
        if offload.flags & NEEDS_CHECKSUM != 0 && at + 2 <= packet.len() {
            let sum = match !fold(sum(&packet[start..])) {
                // In UDP, zero would say that there is none; in TCP the two are the same.
                0 => 0xffff,
                sum => sum,
            };
            put(packet, at, sum);
        }
    }
}

/// Writes into IP headers that `after_ip` bytes follow them instead of `before`, with the checksums that depend on it.
fn set_length(header: &mut [u8], offload: Offload, before: usize, after_ip: usize) {
    let transport = usize::from(offload.csum_start);
    if header[12..14] == IPV4 {
        put(header, ETHERNET + 2, (transport - ETHERNET + after_ip) as u16);
        put(header, ETHERNET + 10, 0);
        let sum = !fold(sum(&header[ETHERNET..transport]));
        put(header, ETHERNET + 10, sum);
    } else {
        put(header, ETHERNET + 4, (transport - ETHERNET - 40 + after_ip) as u16);
    }
    // The checksum field holds the sum of the pseudo-header, of which the length is a part.
    let at = transport + usize::from(offload.csum_offset);
    if at + 2 <= header.len() {
        let pseudo = u64::from(get(header, at)) + u64::from(!(before as u16)) + after_ip as u64;
        put(header, at, fold(pseudo));
    }
}

fn get(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn put(bytes: &mut [u8], at: usize, number: u16) {
    bytes[at..at + 2].copy_from_slice(&number.to_be_bytes());
}

/// The sum of 16-bit words in network order (RFC 1071), not yet folded.
fn sum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks(2).map(|word| match *word {
        [high, low] => u64::from(u16::from_be_bytes([high, low])),
        [high] => u64::from(high) << 8,
        _ => 0,
    });
    words.sum()
}

/// Adds the carries back in.
fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

#[cfg(test)]
mod tests;
