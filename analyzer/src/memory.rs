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
