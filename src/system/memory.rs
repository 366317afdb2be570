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

/// Gives back what work that is done has left behind: free pages of the heaps, and the mappings of the pages of this program's
/// file that were needed for it. What is needed again comes back from the page cache.
pub fn tidy() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: malloc_trim(3) may be called at any time, by any thread.
        unsafe { libc::malloc_trim(0) };
    }
    for (start, length) in own_text() {
        // SAFETY: whole pages of a private mapping of a file that nobody has written to (`own_text`): the next access finds the
        // same bytes there. Where the kernel refuses, all stays as it was.
        unsafe { libc::madvise(std::ptr::with_exposed_provenance_mut(start), length, libc::MADV_DONTNEED) };
    }
}

#[cfg(target_pointer_width = "32")]
use libc::Elf32_Phdr as Header;
#[cfg(target_pointer_width = "64")]
use libc::Elf64_Phdr as Header;

/// The segments of this program that cannot be written to, not even by the dynamic linker (as those can that are made
/// read-only after it): their first address, and their bytes, in whole pages.
fn own_text() -> Vec<(usize, usize)> {
    let headers = program_headers();
    let Some(own) = headers.iter().find(|header| header.p_type == libc::PT_PHDR) else { return Vec::new() };
    let size = |bytes| usize::try_from(bytes).unwrap_or(0);
    let base = headers.as_ptr().addr().wrapping_sub(size(own.p_vaddr));
    let page = rustix::param::page_size();
    let fixed = |header: &&Header| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0;
    let pages = |header: &Header| {
        let first = base.wrapping_add(size(header.p_vaddr));
        let (start, end) = (first - first % page, first + size(header.p_memsz));
        (start, end.next_multiple_of(page) - start)
    };
    headers.iter().filter(fixed).map(pages).collect()
}

/// What the kernel has loaded of this program (elf(5), getauxval(3)).
fn program_headers() -> &'static [Header] {
    // SAFETY: takes numbers only.
    let [first, count] = [libc::AT_PHDR, libc::AT_PHNUM].map(|what| unsafe { libc::getauxval(what) });
    let first: *const Header = std::ptr::with_exposed_provenance(usize::try_from(first).unwrap_or(0));
    if first.is_null() {
        return &[];
    }
    // SAFETY: the kernel says so; the headers are a part of the program, which stays where it is.
    unsafe { std::slice::from_raw_parts(first, usize::try_from(count).unwrap_or(0)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_given_back_and_comes_back() {
        let here = (program_headers as *const ()).addr();
        let segments = own_text();
        let mapped = std::fs::read_to_string("/proc/self/maps").unwrap();
        for (start, length) in &segments {
            let line = mapped.lines().find(|line| line.starts_with(&format!("{start:x}-"))).unwrap();
            assert!(line.contains(" r--p ") || line.contains(" r-xp "), "{line}");
            assert!(line.starts_with(&format!("{start:x}-{:x} ", start + length)), "{line}");
        }
        assert!(segments.iter().any(|(start, length)| (*start..start + length).contains(&here)));
        tidy();
        assert_eq!(own_text(), segments);
    }
}
