//! Names of errors.

use std::io;

use nix::errno::Errno;

/// `ENOENT`, as Supervisor writes errors.
#[must_use]
pub fn errno_name(errno: i32) -> String {
    format!("{:?}", Errno::from_raw(errno))
}

/// `ENOENT`, or the text of an error that has no number.
#[must_use]
pub fn io_errno_name(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), errno_name)
}

/// `permission denied`: in the middle of a sentence.
#[must_use]
pub fn errno_words(errno: i32) -> String {
    let words = Errno::from_raw(errno).desc();
    let mut chars = words.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// `permission denied`, or the text of an error that has no number.
#[must_use]
pub fn io_errno_words(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), errno_words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_names_and_words() {
        assert_eq!(errno_name(libc::ENOENT), "ENOENT");
        assert_eq!(errno_words(libc::EACCES), "permission denied");
        assert_eq!(io_errno_words(&io::Error::from_raw_os_error(libc::ESRCH)), "no such process");
        assert_eq!(io_errno_name(&io::Error::from_raw_os_error(libc::EMFILE)), "EMFILE");
    }
}
