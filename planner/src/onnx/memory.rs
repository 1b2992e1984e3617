//! Gives memory that is free back to the operating system. `unsafe` because the C library's call is
//! not known to Rust as safe; it takes no pointer and may be made at any time.

/// Gives memory that is free back to the operating system. Loading a model leaves as much free memory
/// behind as its weights take, which on a small device would count as used.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `malloc_trim` has no preconditions.
    unsafe {
        libc::malloc_trim(0);
    }
}
