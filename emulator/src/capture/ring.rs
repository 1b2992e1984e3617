//! A packet socket whose frames the kernel puts into memory shared with us (`packet_mmap`, version 3): no system call for
//! each, and room that an ordinary user has, too, whatever `net.core.rmem_max` says. `unsafe` is needed here for that memory,
//! and for socket addresses and options that no crate wraps.

use std::ffi::c_void;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use libc::{c_int, c_uint, sockaddr_ll, socklen_t};

use super::pcapng::Way;

/// How much is handed over at once, in bytes: more than the longest super-frame.
pub const BLOCK: usize = 512 << 10;
/// How many of those there are: what may come while we don't get to run, 16 MiB.
const BLOCKS: usize = 32;
/// How long frames wait at most for others to be handed over with them.
pub const HOLD: Duration = Duration::from_millis(50);
/// Behind each frame's header, aligned: where it came from.
const ORIGIN: usize = mem::size_of::<libc::tpacket3_hdr>().next_multiple_of(16);

/// A frame that passed an interface.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// When: nanoseconds of the wall clock since 1970, by the kernel.
    pub at: u64,
    /// The interface's index.
    pub index: u32,
    /// Which way.
    pub way: Way,
    /// Its length, in bytes.
    pub length: u32,
    /// Its bytes, with the Ethernet header.
    pub bytes: &'a [u8],
}

/// The socket and its memory.
#[derive(Debug)]
pub struct Ring {
    socket: OwnedFd,
    memory: NonNull<c_void>,
    /// The block that is handed over next.
    next: usize,
}

// SAFETY: the memory is this ring's own, and reached through `&mut self` alone.
unsafe impl Send for Ring {}

impl Ring {
    /// Hears all that passes an interface of the calling thread's network namespace from now on, both ways; index 0 stands
    /// for all of its interfaces.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(index: u32) -> io::Result<Ring> {
        // Without a protocol, so that it hears nothing until it is bound.
        // SAFETY: no pointers are involved.
        let socket = check(unsafe {
            libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0)
        })?;
        // SAFETY: the descriptor was just made, and nobody else owns it.
        let socket = unsafe { OwnedFd::from_raw_fd(socket) };
        set(&socket, libc::PACKET_VERSION, &(libc::tpacket_versions::TPACKET_V3 as c_int))?;
        const FRAME: usize = 2048;
        let request = libc::tpacket_req3 {
            tp_block_size: BLOCK as c_uint,
            tp_block_nr: BLOCKS as c_uint,
            // Of no meaning in this version, but checked.
            tp_frame_size: FRAME as c_uint,
            tp_frame_nr: (BLOCK / FRAME * BLOCKS) as c_uint,
            tp_retire_blk_tov: HOLD.as_millis() as c_uint,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        set(&socket, libc::PACKET_RX_RING, &request)?;
        let (protection, descriptor) = (libc::PROT_READ | libc::PROT_WRITE, socket.as_raw_fd());
        // SAFETY: a new mapping, where the kernel likes.
        let memory =
            unsafe { libc::mmap(std::ptr::null_mut(), BLOCK * BLOCKS, protection, libc::MAP_SHARED, descriptor, 0) };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let memory = NonNull::new(memory).ok_or(io::ErrorKind::OutOfMemory)?;
        let ring = Ring { socket, memory, next: 0 };
        // SAFETY: a sockaddr_ll is numbers only, of which all may be zero.
        let mut address: sockaddr_ll = unsafe { mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
        address.sll_ifindex = index as c_int;
        let length = mem::size_of::<sockaddr_ll>() as socklen_t;
        // SAFETY: the address is a whole sockaddr_ll, and its length is given.
        check(unsafe { libc::bind(ring.socket.as_raw_fd(), (&raw const address).cast(), length) })?;
        Ok(ring)
    }

    /// Gives `each` the frames of the next block and hands it back to the kernel. `false`: none is ready.
    pub fn take(&mut self, mut each: impl FnMut(Frame<'_>)) -> bool {
        // SAFETY: `next` stays below the number of blocks, so this is inside the mapping.
        let start = unsafe { self.memory.cast::<u8>().add(self.next * BLOCK) };
        // SAFETY: every block begins with its description, and blocks are aligned to pages.
        let head = unsafe { &raw mut (*start.cast::<libc::tpacket_block_desc>().as_ptr()).hdr.bh1 };
        // SAFETY: an aligned number in the mapping, which the kernel changes meanwhile: hence as an atomic.
        let status = unsafe { AtomicU32::from_ptr(&raw mut (*head).block_status) };
        if status.load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
            return false;
        }
        // SAFETY: while its status says that it is ours, nobody changes the block.
        let (block, count, mut at) = unsafe {
            let block = std::slice::from_raw_parts(start.as_ptr(), BLOCK);
            (block, (*head).num_pkts, (*head).offset_to_first_pkt as usize)
        };
        for _ in 0..count {
            let Some((frame, next)) = read(block, at) else { break };
            each(frame);
            at += next;
        }
        status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.next = (self.next + 1) % BLOCKS;
        true
    }

    /// How many frames the kernel has dropped since the last call, because there was no room.
    ///
    /// # Errors
    /// The kernel's.
    pub fn dropped(&self) -> io::Result<u64> {
        let mut statistics = libc::tpacket_stats_v3 { tp_packets: 0, tp_drops: 0, tp_freeze_q_cnt: 0 };
        let mut length = mem::size_of_val(&statistics) as socklen_t;
        // SAFETY: the kernel writes at most `length` bytes.
        check(unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                (&raw mut statistics).cast(),
                &mut length,
            )
        })?;
        Ok(u64::from(statistics.tp_drops))
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: mapped in `open` with this size, and no frame outlives the call that it was given to.
        unsafe { libc::munmap(self.memory.as_ptr(), BLOCK * BLOCKS) };
    }
}

/// The frame whose header begins at `at` of a block, and how far behind that the next one begins.
fn read(block: &[u8], at: usize) -> Option<(Frame<'_>, usize)> {
    let header: libc::tpacket3_hdr = copy(block, at)?;
    let origin: sockaddr_ll = copy(block, at + ORIGIN)?;
    let start = at + usize::from(header.tp_mac);
    let bytes = block.get(start..start + header.tp_snaplen as usize)?;
    let way = if origin.sll_pkttype == libc::PACKET_OUTGOING { Way::Out } else { Way::In };
    let time = u64::from(header.tp_sec) * 1_000_000_000 + u64::from(header.tp_nsec);
    let frame = Frame { at: time, index: origin.sll_ifindex as u32, way, length: header.tp_len, bytes };
    Some((frame, header.tp_next_offset as usize))
}

/// What lies there, if it is there as a whole.
fn copy<T: Copy + Numbers>(block: &[u8], at: usize) -> Option<T> {
    let bytes = block.get(at..at.checked_add(mem::size_of::<T>())?)?;
    // SAFETY: as many bytes as it has, of which any make a value.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// What is made of numbers alone, so that any bytes are a value of it.
trait Numbers {}
impl Numbers for libc::tpacket3_hdr {}
impl Numbers for sockaddr_ll {}

fn set<T>(socket: &OwnedFd, option: c_int, value: &T) -> io::Result<()> {
    let length = mem::size_of::<T>() as socklen_t;
    // SAFETY: the value lives through the call, and its length is given.
    let set = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_PACKET, option, std::ptr::from_ref(value).cast(), length)
    };
    check(set).map(|_| ())
}

fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
