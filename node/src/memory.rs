//! Memory of this process: how much is resident, and giving back what is free. The allocator of the C
//! library keeps what was freed and is asked to return it by two calls without arguments that could be
//! wrong; hence the `unsafe`.

use planner::units::ByteSize;

/// Resident memory of this process, from `/proc/self/statm`; zero where that can't be read.
pub fn resident() -> ByteSize {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_ascii_whitespace().nth(1)?.parse::<u64>().ok())
        .unwrap_or_default();
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten().unwrap_or(4096);
    ByteSize::from_bytes(pages * page.unsigned_abs())
}

/// Gives free memory back to the kernel. Loading a model needs about twice its weights for a moment, and
/// what was freed then would otherwise stay resident.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes no pointer; safe to call at any time from any thread (malloc_trim(3)).
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Has all threads share one pool of memory instead of each keeping its own. Call it once, at start: a node's
/// few threads pass each other large buffers, which would then lie free in several pools. (ResNet50's first
/// stage took 92 MiB with two pools, 65 with one.)
pub fn share_pool() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes no pointer (mallopt(3)); no other thread exists yet.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}
