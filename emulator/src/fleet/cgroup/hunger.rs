//! Making the kernel end what is in a group: a process that joins it and asks for more memory than is left.
//!
//! `unsafe` is here for a fork whose child only makes system calls and touches memory that it has just been given:
//! both are safe to do after a fork from a process with threads.

use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr;

use nix::unistd::{ForkResult, Pid, fork};

use super::CgroupError;

/// What the process asks for: more than the kernel charges ahead for each processor.
const HUNGER: usize = 8 << 20;
const PAGE: usize = 4096;

/// Starts a process that joins `group`, fills some memory and ends; somebody must wait for it. Nodes are readier than it
/// to be taken when the memory of their group is used up, so it is them that the kernel ends.
pub(super) fn guest(group: &Path) -> Result<Pid, CgroupError> {
    let failed = |source| CgroupError::Join { path: group.to_owned(), source };
    let procs = OpenOptions::new().write(true).open(group.join("cgroup.procs")).map_err(failed)?;
    // SAFETY: see above.
    match unsafe { fork() }.map_err(|errno| failed(errno.into()))? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => unsafe {
            // Zero is whoever writes it.
            if libc::write(procs.as_raw_fd(), c"0".as_ptr().cast(), 1) == 1 {
                let (rights, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
                let memory = libc::mmap(ptr::null_mut(), HUNGER, rights, kind, -1, 0);
                if memory != libc::MAP_FAILED {
                    for offset in (0..HUNGER).step_by(PAGE) {
                        memory.cast::<u8>().add(offset).write_volatile(1);
                    }
                }
            }
            libc::_exit(0)
        },
    }
}
