//! The file in which the shell's commands are kept: a line each, as readline writes it. What cannot be read or written is
//! done without, as in Supervisor.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

/// How much is read of it, from its end.
const SIZE_LIMIT: u64 = 1 << 20;

/// The last commands, oldest first.
pub(super) fn read(file: &Path, limit: usize) -> Vec<String> {
    let mut bytes = Vec::new();
    let Some(mut file) = open(file, OpenOptions::new().read(true)) else { return Vec::new() };
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    let from = size.saturating_sub(SIZE_LIMIT);
    if file.seek(SeekFrom::Start(from)).is_err() || file.take(SIZE_LIMIT).read_to_end(&mut bytes).is_err() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    // Cut in the middle of a line, most likely.
    let cut = usize::from(from > 0);
    let commands: Vec<&str> = text.lines().skip(cut).filter(|line| !line.trim().is_empty()).collect();
    let first = commands.len().saturating_sub(limit);
    commands[first..].iter().map(|command| (*command).to_owned()).collect()
}

/// Adds a command, at once: a shell that is killed has lost nothing, and two shells share the file.
pub(super) fn append(file: &Path, command: &str) {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600);
    if let Some(mut file) = open(file, &options) {
        let _ = file.write_all(format!("{command}\n").as_bytes());
    }
}

/// A pipe or a terminal has no history, and could make us wait.
fn open(file: &Path, options: &OpenOptions) -> Option<File> {
    let special = std::fs::metadata(file).is_ok_and(|metadata| {
        let kind = metadata.file_type();
        kind.is_fifo() || kind.is_char_device() || kind.is_socket()
    });
    if special { None } else { options.open(file).ok() }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn commands_are_kept_in_a_file_that_nobody_else_reads() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("history");
        assert!(read(&file, 10).is_empty());
        append(&file, "status");
        append(&file, "stop x");
        append(&file, "start x");
        assert_eq!(read(&file, 2), ["stop x", "start x"]);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(&file).unwrap(), "status\nstop x\nstart x\n");
    }

    #[test]
    fn what_cannot_be_read_is_done_without() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(dir.path(), 10).is_empty());
        append(&dir.path().join("missing/history"), "status");
        assert!(read(Path::new("/dev/zero"), 10).is_empty());
        let file = dir.path().join("long");
        fs::write(&file, format!("{}\nlast\n", "x".repeat(2 << 20))).unwrap();
        assert_eq!(read(&file, 10), ["last"]);
    }
}
