//! What this process takes of the machine: its memory, and the time of threads that can wait.
//!
//! Memory: how much is resident, and giving back what is free. The allocator of the C
//! library keeps what was freed and is asked to return it by two calls without arguments that could be
//! wrong; hence the `unsafe`. How much there is, [`room`] tells.

pub mod aligned;
pub mod hierarchy;
pub mod room;

use planner::units::ByteSize;

/// Resident memory of this process, from `/proc/self/statm`; zero where that can't be read.
pub fn resident() -> ByteSize {
    pages(|resident, _| resident)
}

/// Resident memory of this process that is no file's: what the kernel can't take back.
pub fn anonymous() -> ByteSize {
    pages(u64::saturating_sub)
}

/// Memory of so many pages as follows from those that are resident, and those of them that are of files or shared.
fn pages(count: impl Fn(u64, u64) -> u64) -> ByteSize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let mut fields = text.split_ascii_whitespace().skip(1).map_while(|field| field.parse::<u64>().ok());
    let pages = count(fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten().unwrap_or(4096);
    ByteSize::from_bytes(pages * page.unsigned_abs())
}

/// Gives free memory back to the kernel.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes no pointer; safe to call at any time from any thread (malloc_trim(3)).
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Buffers from this size on are mapped one by one while a segment is loaded …
const MAPPED_WHILE_LOADING: i32 = 128 << 10;
/// … and from this size on otherwise. On the heap, the few buffers that are larger leave holes which the others
/// fill, so that it grows; but mapping costs time, as every page of it is a fault. (A stage of ResNet50 took 94 MiB
/// and 107 ms with 32 MiB here, 71 MiB and 105 ms with 4 MiB, 71 MiB and 142 ms with 1 MiB.)
const MAPPED_WHILE_RUNNING: i32 = 4 << 20;
/// Free memory at the end of the heap that is kept for the next tensor rather than given back.
const KEPT: i32 = 64 << 20;

/// Heaps: more than a node has threads.
const HEAPS: i32 = 64;

/// Gives each thread a heap of its own, and lets it keep its free end. Call it once, at start. The thread that
/// computes makes and frees large tensors in the same order for every request; what other threads put between
/// them would leave no hole large enough for the next, and the heap would grow. (A stage of ResNet50 took 60 to
/// 95 MiB with one heap for all, 63 MiB every time with one for each.)
pub fn separate_heaps() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt(3) takes no pointer; no other thread exists yet.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, HEAPS);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_WHILE_RUNNING);
    }
}

/// Loads something large that stays. Its buffers are mapped one by one: what is freed on the way goes back to the
/// kernel at once, and leaves no holes between what stays, in which no tensor of a later inference would find room.
/// (ResNet50's first stage, 45 MiB of weights and activations, took 77 MiB without this.)
///
/// That holds for the whole process: not for one in which a stage is at work, whose tensors would be mapped as well.
pub fn while_loading<T>(load: impl FnOnce() -> T) -> T {
    #[cfg(target_env = "gnu")]
    let map_from = |size: i32| {
        // SAFETY: mallopt(3) takes no pointer, and takes the allocator's locks.
        unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, size) };
    };
    #[cfg(not(target_env = "gnu"))]
    let map_from = |_: i32| {};
    map_from(MAPPED_WHILE_LOADING);
    let loaded = load();
    map_from(MAPPED_WHILE_RUNNING);
    trim();
    loaded
}

/// How far a thread in the background steps back: it has a tenth of the weight of one that does not.
const BACKGROUND: i32 = 10;

/// Has this thread step back behind the others when there is not enough time for all. It can't be undone.
pub fn step_back() {
    // SAFETY: takes no pointer; zero is the calling thread. Where it is refused, nothing changes (setpriority(2)).
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, BACKGROUND);
    }
}
