//! Gives memory that is free back to the operating system, or keeps it. `unsafe` because the C library's calls are
//! not known to Rust as safe; they take no pointer and may be made at any time.

/// Gives memory that is free back to the operating system. Loading a model leaves as much free memory
/// behind as its weights take, which on a small device would count as used.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `malloc_trim` has no preconditions.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Keeps memory that is free for what comes next, from now on. Without this, whether a large tensor is made of pages
/// that are there or of new ones, each of which is a fault, depends on what happens to lie at the end of the heap; on a
/// kernel that is slow at faults that makes an operator a hundred times slower, or not.
pub fn keep() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt(3) takes no pointer, and takes the allocator's locks. 32 MiB is the most that it takes for mapping.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
    }
}
