//! Segmentation offload of interfaces, turned off as `ethtool -K INTERFACE tso off` does. `unsafe` is needed here for
//! `SIOCETHTOOL`, which no crate that we have wraps.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

/// From Linux's uapi/linux/sockios.h and uapi/linux/ethtool.h.
const SIOCETHTOOL: libc::c_ulong = 0x8946;
const ETHTOOL_STSO: u32 = 0x1f;

/// `struct ethtool_value`.
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// From now on the kernel cuts what TCP sends through this interface of the calling thread's namespace into packets before it
/// leaves.
///
/// # Errors
/// The kernel's.
pub fn turn_off(interface: &str) -> io::Result<()> {
    let socket = UdpSocket::bind(("0.0.0.0", 0))?;
    let mut value = Value { command: ETHTOOL_STSO, data: 0 };
    // SAFETY: an ifreq is numbers and pointers, of which all may be zero.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last byte stays zero.
    let room = request.ifr_name.len() - 1;
    for (place, byte) in request.ifr_name.iter_mut().take(room).zip(interface.bytes()) {
        *place = byte as libc::c_char;
    }
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    // SAFETY: the name ends with zero, the data are the value that the command reads, and both outlive the call.
    let set = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL as _, &raw mut request) };
    if set < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
