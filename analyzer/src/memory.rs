//! What is free goes back to the system.

/// Gives pages back that are free within the heap. An allocator keeps them for the next time, but what is read and what is asked
/// take turns in pieces of very different sizes: without this a fifth of a large report's memory is such pages.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "a function of the C library")]
    // SAFETY: it takes a number and may be called at any time, from any thread (malloc_trim(3)).
    unsafe {
        libc::malloc_trim(0);
    }
}

/// From now on large blocks go back as soon as they are free, each for itself. Of a report over ten million events that saves a
/// fourteenth of the memory, and costs a thirtieth of the time.
pub(crate) fn give_large_blocks_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "a function of the C library")]
    // SAFETY: it takes two numbers and may be called at any time (mallopt(3)).
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 2 << 20);
    }
}
