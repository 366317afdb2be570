//! How the allocator keeps memory.
#![allow(unsafe_code)]

/// Has what is freed given back to the kernel: large blocks at once, and one heap for the threads beside the first.
///
/// By default glibc has a heap for each thread, and keeps ever larger blocks once some have been freed.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    for (parameter, value) in [(libc::M_ARENA_MAX, 2), (libc::M_MMAP_THRESHOLD, 256 << 10)] {
        // SAFETY: mallopt(3) takes two integers, and may be called at any time. Where it refuses, all stays as it was.
        let _ = unsafe { libc::mallopt(parameter, value) };
    }
}
