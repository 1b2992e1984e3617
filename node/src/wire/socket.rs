//! Two socket options of Linux that no safe interface offers: how much unsent data a socket may hold, and
//! what TCP knows of the data in flight. Both are single calls into the kernel with memory owned here,
//! whose length is passed along; hence the `unsafe`.

use std::io;
use std::mem::{MaybeUninit, offset_of, size_of};
use std::net::TcpStream;
use std::os::fd::AsRawFd;

/// Lets the socket hold at most `bytes` that are not yet sent (`TCP_NOTSENT_LOWAT`).
pub(super) fn set_not_sent_low(stream: &TcpStream, bytes: u32) -> io::Result<()> {
    // SAFETY: the value lives across the call and its true size is given.
    let result = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_NOTSENT_LOWAT,
            (&raw const bytes).cast(),
            size_of::<u32>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What TCP knows of the data in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InFlight {
    /// Packets sent and not yet acknowledged. Probes of a closed window do not count.
    pub packets: u32,
    /// Bytes acknowledged since the connection began.
    pub acknowledged: u64,
}

/// Asks the kernel for `TCP_INFO`; `None` where it is too old to tell (before 4.1) or the socket is gone.
pub(super) fn in_flight(stream: &TcpStream) -> Option<InFlight> {
    let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes into memory of that size.
    let result = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    let needed = offset_of!(libc::tcp_info, tcpi_bytes_acked) + size_of::<u64>();
    if result != 0 || (length as usize) < needed {
        return None;
    }
    // SAFETY: every field is an integer, and all were zero before the kernel wrote any.
    let info = unsafe { info.assume_init() };
    Some(InFlight { packets: info.tcpi_unacked, acknowledged: info.tcpi_bytes_acked })
}
