//! Waiting for frames or for the next departure, to the nanosecond. `unsafe` is needed here for
//! `epoll_pwait2` and the thread's timer slack and priority, which no crate wraps.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::TimeSpec;

/// Events taken at once.
const EVENTS: usize = 64;

/// Descriptors to wait for, each with a number.
pub struct Waiter {
    epoll: Epoll,
    events: [EpollEvent; EVENTS],
    // Linux before 5.11 has no epoll_pwait2.
    has_pwait2: bool,
}

impl Waiter {
    /// Waits for nothing yet.
    ///
    /// # Errors
    /// The kernel's.
    pub fn new() -> io::Result<Waiter> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Waiter { epoll, events: [EpollEvent::empty(); EVENTS], has_pwait2: true })
    }

    /// Waits for this descriptor too.
    ///
    /// # Errors
    /// The kernel's.
    pub fn add(&self, descriptor: &impl AsFd, number: u64) -> io::Result<()> {
        Ok(self.epoll.add(descriptor, EpollEvent::new(EpollFlags::EPOLLIN, number))?)
    }

    /// Waits for this descriptor no more.
    ///
    /// # Errors
    /// The kernel's.
    pub fn remove(&self, descriptor: &impl AsFd) -> io::Result<()> {
        Ok(self.epoll.delete(descriptor)?)
    }

    /// Waits until a descriptor is ready or the time has passed (`None`: however long that takes), and returns
    /// the numbers of those that are ready.
    ///
    /// # Errors
    /// The kernel's; being interrupted is none.
    pub fn wait(&mut self, time: Option<Duration>) -> io::Result<impl Iterator<Item = u64>> {
        let ready = match self.pwait2(time) {
            Err(Errno::ENOSYS) => {
                self.has_pwait2 = false;
                self.poll(time)
            }
            other => other,
        };
        let ready = match ready {
            Err(Errno::EINTR) => 0,
            other => other?,
        };
        Ok(self.events[..ready].iter().map(EpollEvent::data))
    }

    fn pwait2(&mut self, time: Option<Duration>) -> Result<usize, Errno> {
        if !self.has_pwait2 {
            return self.poll(time);
        }
        let time = time.map(|time| libc::timespec {
            tv_sec: time.as_secs() as libc::time_t,
            tv_nsec: time.subsec_nanos() as libc::c_long,
        });
        let time = time.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: EpollEvent is a transparent epoll_event and their number is given; the time is null or valid; no
        // signal mask is given.
        let ready = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.epoll.0.as_raw_fd(),
                self.events.as_mut_ptr(),
                EVENTS as libc::c_int,
                time,
                ptr::null::<libc::sigset_t>(),
                0usize,
            )
        };
        Errno::result(ready).map(|ready| ready as usize)
    }

    /// The same with older system calls.
    fn poll(&mut self, time: Option<Duration>) -> Result<usize, Errno> {
        ppoll(&mut [PollFd::new(self.epoll.0.as_fd(), PollFlags::POLLIN)], time.map(TimeSpec::from), None)?;
        self.epoll.wait(&mut self.events, EpollTimeout::ZERO)
    }
}

/// Lets the calling thread's waits end when they should instead of up to 50 µs later.
pub fn sharpen_timers() {
    // SAFETY: no pointers are involved. It can't fail on any Linux, and if it did, departures would be seen to be late.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong, 0, 0, 0) };
}

/// The real-time priority of a thread that forwards.
pub const FORWARDING: libc::c_int = 10;

/// Puts the calling thread before all ordinary ones, and real-time ones of a lower priority (SCHED_FIFO).
///
/// # Errors
/// The kernel's: ordinary users may not.
pub fn take_priority(priority: libc::c_int) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: the pointer is to a local value, which the kernel reads.
    let set = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) };
    Ok(Errno::result(set).map(|_| ())?)
}

/// Keeps all processors out of every idle state from which waking up takes time, until what is returned is dropped (or
/// the process ends, however it does). An idle processor polls then: that takes nothing from other threads, but current.
/// Linux's Documentation/power/pm_qos_interface.rst.
///
/// # Errors
/// The kernel's: ordinary users may not, and some containers have no such device.
pub fn keep_processors_awake() -> io::Result<File> {
    let mut device = OpenOptions::new().write(true).open("/dev/cpu_dma_latency")?;
    device.write_all(&0i32.to_ne_bytes())?;
    Ok(device)
}

/// Lets the calling thread, though it is an ordinary one, run soon after it wakes up: with a short time slice it
/// comes before threads that use theirs up (Linux 6.12 and later; earlier ones don't mind). Anybody may ask for that.
pub fn shorten_slice() {
    /// `struct sched_attr` in its first version, of Linux's uapi/linux/sched/types.h.
    #[repr(C)]
    #[derive(Default)]
    struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        runtime: u64,
        deadline: u64,
        period: u64,
    }
    const SHORTEST: u64 = 100_000;
    let size = size_of::<Attributes>() as u32;
    let attributes = Attributes { size, runtime: SHORTEST, ..Attributes::default() };
    // SAFETY: the pointer is to a local value of the size that it begins with, which the kernel reads. Whether it agrees
    // or not, the thread works, and lateness is measured.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
}

/// An eventfd, by which another thread wakes the one that waits.
pub type Bell = nix::sys::eventfd::EventFd;

/// Opens a bell.
///
/// # Errors
/// The kernel's.
pub fn bell() -> io::Result<Bell> {
    use nix::sys::eventfd::EfdFlags;
    Ok(Bell::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?)
}
