//! System calls for those who share their memory with others: nothing that belongs to a thread is touched, such as its errno,
//! and no library comes between, which may think that it speaks for a whole process.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::io::IoSlice;

use libc::{c_char, c_int, c_long};

#[cfg(target_pointer_width = "64")]
use libc::{
    SYS_getresgid as GETRESGID, SYS_getresuid as GETRESUID, SYS_setgid as SETGID, SYS_setgroups as SETGROUPS,
    SYS_setuid as SETUID,
};
#[cfg(target_pointer_width = "32")]
use libc::{
    SYS_getresgid32 as GETRESGID, SYS_getresuid32 as GETRESUID, SYS_setgid32 as SETGID,
    SYS_setgroups32 as SETGROUPS, SYS_setuid32 as SETUID,
};

use crate::system::spawn::ProcessLimit;

/// What the kernel answers: a number, or an errno.
pub(super) type Outcome = Result<usize, c_int>;

/// # Safety
/// That of the system call.
#[cfg(target_arch = "x86_64")]
unsafe fn call(number: c_long, [a, b, c, d]: [usize; 4]) -> Outcome {
    let result: i64;
    // SAFETY: as the kernel has it, which changes rax, rcx and r11; the rest is the caller's to answer for.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a,
            in("rsi") b,
            in("rdx") c,
            in("r10") d,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    outcome(result)
}

/// What a system call has left in its register.
#[cfg(target_arch = "x86_64")]
pub(super) fn outcome(result: i64) -> Outcome {
    usize::try_from(result).map_err(|_| c_int::try_from(-result).unwrap_or(libc::EIO))
}

/// Where nobody shares his memory, errno is the child's own.
///
/// # Safety
/// That of the system call.
#[cfg(not(target_arch = "x86_64"))]
unsafe fn call(number: c_long, [a, b, c, d]: [usize; 4]) -> Outcome {
    // SAFETY: the caller's to answer for.
    let result = unsafe { libc::syscall(number, a, b, c, d) };
    usize::try_from(result).map_err(|_| nix::errno::Errno::last_raw())
}

/// A number as it is in a register.
fn word(number: c_int) -> usize {
    (number as isize).cast_unsigned()
}

fn address<T>(place: *const T) -> usize {
    place.expose_provenance()
}

/// Calls that take numbers, and change nothing but the process that calls.
fn numbers(number: c_long, arguments: [usize; 4]) -> Outcome {
    // SAFETY: whoever calls passes no address.
    unsafe { call(number, arguments) }
}

/// A process group of its own.
pub(super) fn lead_a_group() {
    // It is nobody's leader yet, so that this cannot fail.
    let _ = numbers(libc::SYS_setpgid, [0; 4]);
}

/// A table of descriptors of its own, in which those from `first` on are missing.
pub(super) fn leave_table(first: c_int) -> Outcome {
    const UNSHARE: usize = 2;
    numbers(libc::SYS_close_range, [word(first), word(c_int::MAX), UNSHARE, 0])
        // Before Linux 5.9: with all of them.
        .or_else(|_| numbers(libc::SYS_unshare, [word(libc::CLONE_FILES), 0, 0, 0]))
}

/// Puts a descriptor at another number.
pub(super) fn put(fd: c_int, at: c_int, flags: c_int) {
    // Both are open, or may be.
    let _ = numbers(libc::SYS_dup3, [word(fd), word(at), word(flags), 0]);
}

/// Reads and writes of that pipe wait.
pub(super) fn block(fd: c_int) {
    // A pipe of ours has no other flags.
    let _ = numbers(libc::SYS_fcntl, [word(fd), word(libc::F_SETFL), 0, 0]);
}

/// Closes all from there on.
pub(super) fn close_from(first: c_int) {
    if numbers(libc::SYS_close_range, [word(first), word(c_int::MAX), 0, 0]).is_err() {
        // Before Linux 5.9; all of ours are close-on-exec anyway.
        for fd in first..1024 {
            let _ = numbers(libc::SYS_close, [word(fd), 0, 0, 0]);
        }
    }
}

/// The default disposition of a signal; in vain for those that have no other.
pub(super) fn reset(signal: c_int) {
    // The kernel's own sigaction: SIG_DFL, no flags, an empty mask.
    let default = [0_u64; 8];
    // SAFETY: longer than a sigaction is, and only read.
    let _ = unsafe { call(libc::SYS_rt_sigaction, [word(signal), address(&raw const default), 0, 8]) };
}

/// No signal is blocked.
pub(super) fn unblock() {
    let none = 0_u64;
    // SAFETY: a set of 64 signals, which is only read.
    let _ =
        unsafe { call(libc::SYS_rt_sigprocmask, [word(libc::SIG_SETMASK), address(&raw const none), 0, 8]) };
}

/// Reads one byte; `None`: there are no more.
pub(super) fn read_byte(fd: c_int) -> Result<Option<u8>, c_int> {
    let mut byte = 0_u8;
    // SAFETY: one writable byte.
    let count = unsafe { call(libc::SYS_read, [word(fd), address(&raw mut byte), 1, 0]) }?;
    Ok((count == 1).then_some(byte))
}

/// Writes as much as goes in one call.
pub(super) fn write(fd: c_int, bytes: &[u8]) {
    // SAFETY: a pointer with the length of what it points to.
    let _ = unsafe { call(libc::SYS_write, [word(fd), address(bytes.as_ptr()), bytes.len(), 0]) };
}

/// The same with some, one after the other, in one call.
pub(super) fn write_parts<const N: usize>(fd: c_int, parts: [IoSlice<'_>; N]) {
    // SAFETY: an `IoSlice` is an iovec here; as many as there are.
    let _ = unsafe { call(libc::SYS_writev, [word(fd), address(parts.as_ptr()), N, 0]) };
}

/// Who we are.
pub(super) fn effective_user() -> usize {
    numbers(libc::SYS_geteuid, [0; 4]).unwrap_or(0)
}

/// Real, effective and saved user, and the same of the group.
pub(super) fn identity() -> ([u32; 3], [u32; 3]) {
    let (mut users, mut groups) = ([u32::MAX; 3], [u32::MAX; 3]);
    for (number, ids) in [(GETRESUID, &mut users), (GETRESGID, &mut groups)] {
        let [a, b, c] = ids.each_mut().map(|id| address(&raw const *id));
        // SAFETY: three distinct writable numbers.
        let _ = unsafe { call(number, [a, b, c, 0]) };
    }
    (users, groups)
}

/// The groups of this process alone.
pub(super) fn set_groups(groups: &[libc::gid_t]) -> Outcome {
    // SAFETY: a list with its length.
    unsafe { call(SETGROUPS, [groups.len(), address(groups.as_ptr()), 0, 0]) }
}

/// The group of this process alone.
pub(super) fn set_group(gid: u32) -> Outcome {
    numbers(SETGID, [gid as usize, 0, 0, 0])
}

/// The user of this process alone.
pub(super) fn set_user(uid: u32) -> Outcome {
    numbers(SETUID, [uid as usize, 0, 0, 0])
}

/// The directory of this process.
pub(super) fn enter(directory: &CStr) -> Outcome {
    // SAFETY: a string that ends in NUL.
    unsafe { call(libc::SYS_chdir, [address(directory.as_ptr()), 0, 0, 0]) }
}

/// The umask of this process.
pub(super) fn set_umask(umask: u32) {
    // Cannot fail.
    let _ = numbers(libc::SYS_umask, [umask as usize, 0, 0, 0]);
}

/// A limit of this process; a soft one that is above the hard one is lowered.
pub(super) fn set_limit(wanted: &ProcessLimit) -> Outcome {
    let mut limit = [0_u64; 2];
    // SAFETY: room for the kernel's rlimit64.
    unsafe { call(libc::SYS_prlimit64, [0, wanted.resource as usize, 0, address(&raw mut limit)])? };
    let hard = wanted.hard.unwrap_or(limit[1]);
    let limit = [wanted.soft.min(hard), hard];
    // SAFETY: an rlimit64, which is only read.
    unsafe { call(libc::SYS_prlimit64, [0, wanted.resource as usize, address(&raw const limit), 0]) }
}

/// Returns only when it fails: why.
///
/// # Safety
/// Arrays of strings that end in NUL, ended by null pointers.
pub(super) unsafe fn execute(
    program: &CStr,
    argv: *const *const c_char,
    envp: *const *const c_char,
) -> c_int {
    // SAFETY: the caller's to answer for.
    let done =
        unsafe { call(libc::SYS_execve, [address(program.as_ptr()), address(argv), address(envp), 0]) };
    done.err().unwrap_or(libc::EIO)
}

/// The end, without running anything of the parent's.
pub(super) fn end() -> ! {
    loop {
        let _ = numbers(libc::SYS_exit_group, [127, 0, 0, 0]);
    }
}
