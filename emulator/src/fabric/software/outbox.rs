//! Sending many frames with one system call, out of the pool without copying. `unsafe` is needed here for
//! `sendmmsg`: its safe wrappers allocate.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;

use libc::c_uint;

use super::frame::merge::Run;
use super::frame::{MOST_HEADER, OFFLOAD_BYTES};
use super::pool::{BLOCK, Pool};
use super::schedule::Leaving;
use super::socket;

/// Frames sent at once.
pub const FRAMES: usize = 32;
/// A frame's head, and a block for each packet of a super-frame.
const PIECES: usize = 64;

/// Frames on their way out.
pub struct Outbox {
    heads: Box<[[u8; OFFLOAD_BYTES + MOST_HEADER]; FRAMES]>,
    vectors: Vec<libc::iovec>,
    addresses: Vec<libc::sockaddr_ll>,
    messages: Vec<Message>,
}

/// One frame for the kernel: packets that leave together.
struct Message {
    run: Run,
    /// Bytes of its head.
    head: usize,
    /// Where in the outbox's vectors it begins: the head, and then the pieces of payload.
    start: usize,
    pieces: usize,
    /// How many entries of what leaves are in it.
    entries: usize,
    path: u32,
}

impl Outbox {
    /// An empty one.
    pub fn new() -> Outbox {
        Outbox {
            heads: Box::new([[0; OFFLOAD_BYTES + MOST_HEADER]; FRAMES]),
            vectors: Vec::with_capacity(FRAMES * PIECES),
            addresses: Vec::with_capacity(FRAMES),
            messages: Vec::with_capacity(FRAMES),
        }
    }

    /// Sends what leaves, at most [`FRAMES`], each through the interface with the index beside it, and tells
    /// `done` for each whether the kernel took it.
    pub fn send(
        &mut self,
        socket: &OwnedFd,
        pool: &Pool,
        leaving: &[(Leaving, u32)],
        mut done: impl FnMut(&Leaving, Result<(), &io::Error>),
    ) {
        self.vectors.clear();
        self.addresses.clear();
        self.messages.clear();
        for (leaving, index) in leaving.iter().take(FRAMES) {
            self.add(pool, leaving, *index);
        }
        // SAFETY: an mmsghdr is numbers and pointers, of which all may be zero.
        let mut messages: [libc::mmsghdr; FRAMES] = unsafe { mem::zeroed() };
        let parts = self.messages.iter().zip(self.heads.iter_mut()).zip(&mut self.addresses);
        for (message, ((Message { run, head, start, pieces, .. }, bytes), address)) in messages.iter_mut().zip(parts) {
            run.finish(&mut bytes[..*head]);
            self.vectors[*start] = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: *head };
            message.msg_hdr.msg_name = (&raw mut *address).cast();
            message.msg_hdr.msg_namelen = mem::size_of::<libc::sockaddr_ll>() as _;
            message.msg_hdr.msg_iov = self.vectors[*start..].as_mut_ptr();
            message.msg_hdr.msg_iovlen = *pieces as _;
        }
        let (mut sent, mut told) = (0, leaving.iter());
        while let Some(rest) = messages.get_mut(sent..self.messages.len()).filter(|rest| !rest.is_empty()) {
            // SAFETY: heads, vectors, addresses and the pool's blocks stay where they are and unchanged during
            // the call, and every length is theirs; the kernel only reads them.
            let count = unsafe {
                libc::sendmmsg(socket.as_raw_fd(), rest.as_mut_ptr(), rest.len() as c_uint, libc::MSG_DONTWAIT as _)
            };
            let (count, refused) = match usize::try_from(count) {
                Ok(count) if count > 0 => (count, None),
                _ => (1, Some(io::Error::last_os_error())),
            };
            let entries = self.messages[sent..].iter().take(count).map(|message| message.entries).sum();
            told.by_ref().take(entries).for_each(|(leaving, _)| done(leaving, refused.as_ref().map_or(Ok(()), Err)));
            sent += count;
        }
    }

    /// Adds packets, to the last message if they follow what is in it.
    fn add(&mut self, pool: &Pool, leaving: &Leaving, index: u32) {
        let (layout, frame) = (pool.layout(leaving.frame), pool.head(leaving.frame));
        let (before, [head, ..]) = self.heads.split_at_mut(self.messages.len()) else { return };
        let length = layout.write_head(frame, leaving.first, leaving.count, head);
        let payload = layout.payload(leaving.first, leaving.count);
        let pieces = pool.pieces(leaving.frame, payload.clone()).take(PIECES - 1);
        let pieces =
            pieces.map(|piece| libc::iovec { iov_base: piece.as_ptr().cast_mut().cast(), iov_len: piece.len() });
        let filled = self.vectors.len();
        if let (Some(last), Some(first)) = (self.messages.last_mut(), before.last())
            && last.path == leaving.path
            && last.pieces + payload.len().div_ceil(BLOCK) < PIECES - 1
            && last.run.takes(&first[..last.head], &head[..length], payload.len())
        {
            self.vectors.extend(pieces);
            last.pieces += self.vectors.len() - filled;
            last.entries += 1;
            return;
        }
        // Its head follows when nothing changes it any more.
        self.vectors.push(libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 });
        self.vectors.extend(pieces);
        self.addresses.push(socket::address(index, u16::from_be_bytes([frame[12], frame[13]])));
        self.messages.push(Message {
            run: Run::begin(&head[..length], payload.len()),
            head: length,
            start: filled,
            pieces: self.vectors.len() - filled,
            entries: 1,
            path: leaving.path,
        });
    }
}
