//! Files that supervisord makes and removes: the AUTO logs and the pidfile.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Creates an empty log for a channel (`stdout` or `stderr`) of a process, readable by us alone:
/// `<directory>/<process>-<channel>---<identifier>-<8 random characters>.log`.
///
/// # Errors
/// Those of open(2).
pub fn create_auto_log(
    directory: &Path,
    process: &str,
    channel: &str,
    identifier: &str,
) -> io::Result<PathBuf> {
    loop {
        let file = directory.join(format!("{process}-{channel}---{identifier}-{}.log", random_name()?));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file) {
            Ok(_) => return Ok(file),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

fn random_name() -> io::Result<String> {
    const LETTERS: &[u8; 37] = b"abcdefghijklmnopqrstuvwxyz0123456789_";
    let mut bytes = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|b| char::from(LETTERS[usize::from(*b) % LETTERS.len()])).collect())
}

/// Removes the AUTO logs that former runs of this identifier left. Returns the warnings for the main log.
pub fn clean_auto_logs(directory: &Path, identifier: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else {
        return vec!["Could not clear childlog dir".to_owned()];
    };
    let mark = format!("---{identifier}-");
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| is_auto_log(name, &mark)))
        .filter_map(|entry| {
            let path = entry.path();
            fs::remove_file(&path).err().map(|_| format!("Failed to clean up '{}'", path.display()))
        })
        .collect()
}

/// Supervisor's `.+?---<identifier>-\S+\.log`, at the start of the name.
fn is_auto_log(name: &str, mark: &str) -> bool {
    name.match_indices(mark).filter(|(at, _)| *at > 0).any(|(at, _)| {
        let rest = &name[at + mark.len()..];
        let word = rest.split(char::is_whitespace).next().unwrap_or_default();
        word.match_indices(".log").any(|(end, _)| end > 0)
    })
}

/// Writes our process id.
///
/// # Errors
/// Those of open(2) and write(2).
pub fn write_pidfile(path: &Path) -> io::Result<()> {
    fs::write(path, format!("{}\n", std::process::id()))
}

/// Removes the pidfile, if there is one.
pub fn remove_pidfile(path: &Path) {
    // Nobody is left to be told, and a pidfile that is gone is what was wanted.
    let _ = fs::remove_file(path);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_auto_log_is_ours_alone_and_is_cleaned_up_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let log = create_auto_log(dir.path(), "cat", "stdout", "supervisor").unwrap();
        assert_eq!(log.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let name = log.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("cat-stdout---supervisor-") && name.ends_with(".log"), "{name}");
        let rotated = dir.path().join("cat-stdout---supervisor-abcdefgh.log.1");
        let others = ["cat.log", "cat-stdout---other-abcdefgh.log", "---supervisor-abcdefgh.log"];
        for file in others.iter().map(|o| dir.path().join(o)).chain([rotated.clone()]) {
            fs::write(file, "").unwrap();
        }
        assert!(clean_auto_logs(dir.path(), "supervisor").is_empty());
        assert!(!log.exists() && !rotated.exists());
        assert!(others.iter().all(|o| dir.path().join(o).exists()));
        assert_eq!(clean_auto_logs(&dir.path().join("no"), "x"), ["Could not clear childlog dir"]);
    }

    #[test]
    fn the_pidfile_has_our_pid() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pid");
        write_pidfile(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        remove_pidfile(&path);
        assert!(!path.exists());
    }
}
