//! Sending many frames with one system call, out of the pool without copying. `unsafe` is needed here for
//! `sendmmsg`: its safe wrappers allocate.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd};

use libc::c_uint;

use super::frame::{MOST_HEADER, OFFLOAD_BYTES};
use super::pool::Pool;
use super::schedule::Leaving;
use super::socket;

/// Frames sent at once.
pub const FRAMES: usize = 32;
/// A frame's head, and the blocks of 64 KiB.
const PIECES: usize = 40;

/// Frames on their way out.
pub struct Outbox {
    heads: Box<[[u8; OFFLOAD_BYTES + MOST_HEADER]; FRAMES]>,
    vectors: Vec<libc::iovec>,
    addresses: Vec<libc::sockaddr_ll>,
    // Where in `vectors` each message begins and how many it has.
    parts: Vec<(usize, usize)>,
}

impl Outbox {
    /// An empty one.
    pub fn new() -> Outbox {
        Outbox {
            heads: Box::new([[0; OFFLOAD_BYTES + MOST_HEADER]; FRAMES]),
            vectors: Vec::with_capacity(FRAMES * PIECES),
            addresses: Vec::with_capacity(FRAMES),
            parts: Vec::with_capacity(FRAMES),
        }
    }

    /// Sends what leaves, at most [`FRAMES`], each through the interface with the index beside it, and tells
    /// `done` for each whether the kernel took it.
    pub fn send(
        &mut self,
        socket: &OwnedFd,
        pool: &Pool,
        leaving: &[(Leaving, u32)],
        mut done: impl FnMut(&Leaving, Result<(), io::Error>),
    ) {
        self.vectors.clear();
        self.addresses.clear();
        self.parts.clear();
        for ((leaving, index), head) in leaving.iter().zip(self.heads.iter_mut()) {
            let (layout, frame) = (pool.layout(leaving.frame), pool.head(leaving.frame));
            let length = layout.write_head(frame, leaving.first, leaving.count, head);
            let start = self.vectors.len();
            self.vectors.push(libc::iovec { iov_base: head.as_mut_ptr().cast(), iov_len: length });
            let payload = layout.payload(leaving.first, leaving.count);
            let pieces = pool.pieces(leaving.frame, payload).take(PIECES - 1);
            self.vectors.extend(
                pieces.map(|piece| libc::iovec { iov_base: piece.as_ptr().cast_mut().cast(), iov_len: piece.len() }),
            );
            self.parts.push((start, self.vectors.len() - start));
            self.addresses.push(socket::address(*index, u16::from_be_bytes([frame[12], frame[13]])));
        }
        // SAFETY: an mmsghdr is numbers and pointers, of which all may be zero.
        let mut messages: [libc::mmsghdr; FRAMES] = unsafe { mem::zeroed() };
        for ((message, (start, count)), address) in messages.iter_mut().zip(&self.parts).zip(&mut self.addresses) {
            message.msg_hdr.msg_name = (&raw mut *address).cast();
            message.msg_hdr.msg_namelen = mem::size_of::<libc::sockaddr_ll>() as _;
            message.msg_hdr.msg_iov = self.vectors[*start..].as_mut_ptr();
            message.msg_hdr.msg_iovlen = *count as _;
        }
        let mut sent = 0;
        while sent < self.parts.len() {
            let rest = &mut messages[sent..self.parts.len()];
            // SAFETY: heads, vectors, addresses and the pool's blocks stay where they are and unchanged during
            // the call, and every length is theirs; the kernel only reads them.
            let count = unsafe {
                libc::sendmmsg(socket.as_raw_fd(), rest.as_mut_ptr(), rest.len() as c_uint, libc::MSG_DONTWAIT as _)
            };
            match usize::try_from(count) {
                Ok(count) if count > 0 => {
                    leaving[sent..sent + count].iter().for_each(|(leaving, _)| done(leaving, Ok(())));
                    sent += count;
                }
                _ => {
                    done(&leaving[sent].0, Err(io::Error::last_os_error()));
                    sent += 1;
                }
            }
        }
    }
}
