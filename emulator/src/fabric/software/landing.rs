//! Receiving many frames with one system call. `unsafe` is needed here for `recvmmsg`, whose safe wrappers
//! allocate or don't give the arrival's instant.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;

use libc::c_uint;

use super::frame::{OFFLOAD_BYTES, Offload};

/// Frames taken at once, at most.
pub const FRAMES: usize = 32;
/// Bytes taken at once, about: more would push each other out of the processor's cache before they are copied on.
const CACHED: usize = 512 << 10;
/// Bytes of the largest frame: 64 KiB of IP behind an Ethernet header, rounded up to whole pages.
const MOST: usize = 17 * 4096;
/// Bytes for the arrival's instant, with the kernel's header.
const CONTROL: usize = 64;

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL]);

/// Where received frames land.
pub struct Landing {
    bytes: Box<[u8]>,
    offloads: [[u8; OFFLOAD_BYTES]; FRAMES],
    stamps: [Option<u64>; FRAMES],
    // 0 for a frame that was too large.
    lengths: [usize; FRAMES],
    /// How many frames are taken next: as many as fit into [`CACHED`] if they are as long as the last ones.
    next: usize,
}

/// A received frame.
pub struct Landed<'a> {
    /// From the Ethernet header on; `None` if it was too large or had no header.
    pub bytes: Option<&'a [u8]>,
    /// What is left to do for it.
    pub offload: Offload,
    /// When it arrived, in nanoseconds of `CLOCK_REALTIME`, if the kernel says.
    pub stamp: Option<u64>,
}

impl Landing {
    /// An empty one.
    pub fn new() -> Landing {
        Landing {
            bytes: vec![0; FRAMES * MOST].into_boxed_slice(),
            offloads: [[0; OFFLOAD_BYTES]; FRAMES],
            stamps: [None; FRAMES],
            lengths: [0; FRAMES],
            next: FRAMES,
        }
    }

    /// Takes what has arrived, at most [`FRAMES`], without waiting, and returns how many.
    ///
    /// # Errors
    /// The kernel's; `WouldBlock` if there is nothing.
    pub fn receive(&mut self, socket: &OwnedFd) -> io::Result<usize> {
        let mut controls = [Control([0; CONTROL]); FRAMES];
        let mut vectors = [[libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; 2]; FRAMES];
        // SAFETY: an mmsghdr is numbers and pointers, of which all may be zero.
        let mut messages: [libc::mmsghdr; FRAMES] = unsafe { mem::zeroed() };
        let places = self.bytes.chunks_exact_mut(MOST).zip(&mut self.offloads);
        for (((message, vectors), control), (bytes, offload)) in
            messages.iter_mut().zip(&mut vectors).zip(&mut controls).zip(places)
        {
            vectors[0] = libc::iovec { iov_base: offload.as_mut_ptr().cast(), iov_len: OFFLOAD_BYTES };
            vectors[1] = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: MOST };
            message.msg_hdr.msg_iov = vectors.as_mut_ptr();
            message.msg_hdr.msg_iovlen = 2;
            message.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
            message.msg_hdr.msg_controllen = CONTROL as _;
        }
        // SAFETY: every pointer set above is into a buffer that outlives the call and nobody else uses, with its length.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                messages.as_mut_ptr(),
                self.next as c_uint,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for (n, message) in messages.iter().enumerate().take(count) {
            let whole = message.msg_hdr.msg_flags & libc::MSG_TRUNC == 0;
            self.lengths[n] = if whole { (message.msg_len as usize).saturating_sub(OFFLOAD_BYTES) } else { 0 };
            self.stamps[n] = stamp(&message.msg_hdr);
        }
        let bytes: usize = self.lengths[..count].iter().sum();
        self.next = (CACHED * count / bytes.max(1)).clamp(1, FRAMES);
        Ok(count)
    }

    /// The frame with this number among those received last.
    pub fn frame(&self, n: usize) -> Landed<'_> {
        let start = n * MOST;
        Landed {
            bytes: (self.lengths[n] > 0).then(|| &self.bytes[start..start + self.lengths[n]]),
            offload: Offload::read(&self.offloads[n]),
            stamp: self.stamps[n],
        }
    }
}

fn stamp(message: &libc::msghdr) -> Option<u64> {
    // SAFETY: the kernel has filled in the control buffer and its length; CMSG_FIRSTHDR checks that a header
    // fits, and the length in the header is checked before what follows is read, unaligned.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(message);
        if header.is_null()
            || (*header).cmsg_level != libc::SOL_SOCKET
            || (*header).cmsg_type != libc::SCM_TIMESTAMPNS
            || ((*header).cmsg_len as usize) < libc::CMSG_LEN(mem::size_of::<libc::timespec>() as c_uint) as usize
        {
            return None;
        }
        let time = ptr::read_unaligned(libc::CMSG_DATA(header).cast::<libc::timespec>());
        Some(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
    }
}
