//! Packets of a TCP connection that leave together become one super-frame, as a network card's driver makes one of what its host
//! receives at once (generic receive offload; Linux's Documentation/networking/segmentation-offloads.rst). What a frame costs on its way
//! through the receiving host is paid once, then.
//!
//! Nothing is lost by it: taken apart, the super-frame is the same packets, to the last bit. What would not be is left alone.

use super::{
    ETHERNET, GSO_NONE, GSO_TCP4, GSO_TCP6, IPV4, NEEDS_CHECKSUM, OFFLOAD_BYTES, Offload, PSH, TCP_CHECKSUM, get,
    set_length,
};

const ACK: u8 = 0x10;

/// Packets that follow each other, of which the first one's head (the bytes for the kernel and the headers) stands for all.
pub struct Run {
    /// Bytes of payload in each packet but the last.
    segment: usize,
    /// Of the first ones.
    first: usize,
    /// Of all.
    payload: usize,
    /// Whether the last one asks its receiver to hand on what it has.
    pushes: bool,
    /// Whether others may follow.
    open: bool,
    /// Whether others have.
    merged: bool,
}

/// A head's parts.
struct Head<'a> {
    offload: Offload,
    bytes: &'a [u8],
}

impl<'a> Head<'a> {
    /// `None` if it isn't TCP with a checksum still to be filled in and no other flags than ACK and PSH.
    fn read(head: &'a [u8]) -> Option<Head<'a>> {
        let (offload, bytes) = head.split_first_chunk::<OFFLOAD_BYTES>()?;
        let offload = Offload::read(offload);
        let transport = usize::from(offload.csum_start);
        let whole = transport >= ETHERNET + 20
            && bytes.len() >= transport + 20
            && offload.flags == NEEDS_CHECKSUM
            && offload.csum_offset == TCP_CHECKSUM
            && matches!(offload.gso, GSO_NONE | GSO_TCP4 | GSO_TCP6);
        let head = Head { offload, bytes };
        (whole && head.flags() & !PSH == ACK && !head.is_fragment()).then_some(head)
    }

    fn transport(&self) -> usize {
        usize::from(self.offload.csum_start)
    }

    fn flags(&self) -> u8 {
        self.bytes[self.transport() + 13]
    }

    fn is_ipv4(&self) -> bool {
        self.bytes[12..14] == IPV4
    }

    fn is_fragment(&self) -> bool {
        self.is_ipv4() && get(self.bytes, ETHERNET + 6) & 0x3fff != 0
    }

    /// Bytes of payload in each packet but the last.
    fn segment(&self, payload: usize) -> usize {
        if self.offload.gso == GSO_NONE { payload } else { usize::from(self.offload.gso_size) }
    }

    fn sequence(&self) -> u32 {
        let at = self.transport() + 4;
        u32::from_be_bytes([self.bytes[at], self.bytes[at + 1], self.bytes[at + 2], self.bytes[at + 3]])
    }

    /// Whether headers are the same but for what tells a connection's packets apart: lengths, IP's number, TCP's sequence number and
    /// PSH, and the checksums over them.
    fn is_like(&self, other: &Head<'_>) -> bool {
        let at = self.transport();
        let internet = if self.is_ipv4() {
            [0..ETHERNET + 2, ETHERNET + 6..ETHERNET + 10, ETHERNET + 12..at]
        } else {
            [0..ETHERNET + 4, ETHERNET + 6..at, at..at]
        };
        let transport = [at..at + 4, at + 8..at + 13, at + 14..at + 16, at + 18..self.bytes.len()];
        self.bytes.len() == other.bytes.len()
            && at == other.transport()
            && internet.into_iter().chain(transport).all(|part| self.bytes.get(part.clone()) == other.bytes.get(part))
    }
}

impl Run {
    /// Begins with packets that have this head before so many bytes of payload.
    pub fn begin(head: &[u8], payload: usize) -> Run {
        let mut run = Run { segment: payload, first: payload, payload, pushes: false, open: false, merged: false };
        if let Some(first) = Head::read(head) {
            run.segment = first.segment(payload);
            run.open = run.segment > 0 && payload.is_multiple_of(run.segment) && first.flags() == ACK;
        }
        run
    }

    /// Takes in packets if they follow those that it has, whose first one's head this is, and says whether they do.
    pub fn takes(&mut self, first: &[u8], head: &[u8], payload: usize) -> bool {
        let (true, Some(first), Some(next)) = (self.open, Head::read(first), Head::read(head)) else { return false };
        let behind = (self.payload / self.segment) as u16;
        let follows = next.is_like(&first)
            && next.sequence() == first.sequence().wrapping_add(self.payload as u32)
            && (!first.is_ipv4()
                || get(next.bytes, ETHERNET + 4) == get(first.bytes, ETHERNET + 4).wrapping_add(behind));
        let same_size = match next.offload.gso {
            GSO_NONE => payload > 0 && payload <= self.segment,
            _ => next.segment(payload) == self.segment,
        };
        let fits = first.bytes.len() - ETHERNET + self.payload + payload <= usize::from(u16::MAX);
        if !(follows && same_size && fits) {
            return false;
        }
        self.payload += payload;
        self.pushes = next.flags() & PSH != 0;
        self.open = !self.pushes && payload.is_multiple_of(self.segment);
        self.merged = true;
        true
    }

    /// Makes the first one's head that of all.
    pub fn finish(&self, head: &mut [u8]) {
        let Some(Head { mut offload, bytes }) = Head::read(head).filter(|_| self.merged) else { return };
        let transport = usize::from(offload.csum_start);
        offload.gso = if bytes[12..14] == IPV4 { GSO_TCP4 } else { GSO_TCP6 };
        offload.gso_size = self.segment as u16;
        let (kernels, header) = head.split_at_mut(OFFLOAD_BYTES);
        kernels.copy_from_slice(&offload.write(header.len()));
        let after_ip = |payload| header.len() - transport + payload;
        set_length(header, offload, after_ip(self.first), after_ip(self.payload));
        if self.pushes {
            header[transport + 13] |= PSH;
        }
    }
}
