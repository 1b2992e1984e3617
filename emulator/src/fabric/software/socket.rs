//! Packet sockets. `unsafe` is needed here for socket addresses and options that no crate wraps.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::thread;

use libc::{c_int, c_void, socklen_t};

/// What a socket may hold for the forwarder until it gets to it, where the kernel lets us choose. Ordinary users
/// get `net.core.rmem_max`.
const BUFFER: c_int = 8 << 20;
/// How many threads close sockets at once, and how much stack each has: they do nothing but wait.
const CLOSERS: usize = 128;
const CLOSERS_STACK: usize = 64 << 10;

// From Linux's uapi/linux/if_packet.h.
const PACKET_STATISTICS: c_int = 6;
const PACKET_VNET_HDR: c_int = 15;
const PACKET_QDISC_BYPASS: c_int = 20;
const PACKET_IGNORE_OUTGOING: c_int = 23;

/// A socket that gets every frame which arrives at one interface of the current namespace, each behind its
/// offload header and with the instant of its arrival.
///
/// # Errors
/// The kernel's.
pub fn receiver(index: u32) -> io::Result<OwnedFd> {
    let socket = open()?;
    set(&socket, libc::SOL_PACKET, PACKET_VNET_HDR, 1)?;
    set(&socket, libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)?;
    set(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
    if set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, BUFFER).is_err() {
        set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUF, BUFFER)?;
    }
    let address = address(index, libc::ETH_P_ALL as u16);
    // SAFETY: the address is a whole sockaddr_ll, and its length is given.
    check(unsafe {
        libc::bind(socket.as_raw_fd(), (&raw const address).cast(), mem::size_of::<libc::sockaddr_ll>() as socklen_t)
    })?;
    Ok(socket)
}

/// A socket that sends frames through any interface of the current namespace, and receives nothing.
///
/// # Errors
/// The kernel's.
pub fn sender() -> io::Result<OwnedFd> {
    let socket = open()?;
    set(&socket, libc::SOL_PACKET, PACKET_VNET_HDR, 1)?;
    set(&socket, libc::SOL_PACKET, PACKET_QDISC_BYPASS, 1)?;
    if set(&socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, BUFFER).is_err() {
        set(&socket, libc::SOL_SOCKET, libc::SO_SNDBUF, BUFFER)?;
    }
    Ok(socket)
}

/// Closes sockets. Each close waits, some 25 ms, until no processor can be handing a frame to its socket any more; begun in
/// many threads, these waits are one.
pub fn close(mut sockets: Vec<Arc<OwnedFd>>) {
    let share = sockets.len().div_ceil(CLOSERS).max(1);
    thread::scope(|scope| {
        while !sockets.is_empty() {
            let some = sockets.split_off(sockets.len().saturating_sub(share));
            // Where no thread can be had, they are closed here.
            let _ = thread::Builder::new().stack_size(CLOSERS_STACK).spawn_scoped(scope, || drop(some));
        }
    });
}

/// Where a frame of this ethertype is to leave.
pub fn address(index: u32, ethertype: u16) -> libc::sockaddr_ll {
    // SAFETY: a sockaddr_ll is numbers only, of which all may be zero.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = ethertype.to_be();
    address.sll_ifindex = index as c_int;
    address
}

/// How many frames the kernel has dropped since the last call because the socket was full.
///
/// # Errors
/// The kernel's.
pub fn unread(socket: &OwnedFd) -> io::Result<u64> {
    let mut statistics = [0u32; 2];
    let mut length = mem::size_of_val(&statistics) as socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, two numbers: all packets, and those dropped.
    check(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            PACKET_STATISTICS,
            statistics.as_mut_ptr().cast(),
            &mut length,
        )
    })?;
    Ok(u64::from(statistics[1]))
}

/// Without a protocol, so that it hears nothing until it is bound.
fn open() -> io::Result<OwnedFd> {
    // SAFETY: no pointers are involved.
    let socket =
        check(unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the descriptor was just made, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(socket) })
}

fn set(socket: &OwnedFd, level: c_int, option: c_int, value: c_int) -> io::Result<()> {
    let length = mem::size_of::<c_int>() as socklen_t;
    // SAFETY: the value is a c_int, and its length is given.
    let set =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast::<c_void>(), length) };
    check(set).map(|_| ())
}

fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
