//! The Debian package with the programs that the tests were built with: made once, and again when something in it has changed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

const PROGRAMS: [&str; 4] = [
    env!("CARGO_BIN_EXE_supervisord"),
    env!("CARGO_BIN_EXE_supervisorctl"),
    env!("CARGO_BIN_EXE_echo_supervisord_conf"),
    env!("CARGO_BIN_EXE_pidproxy"),
];

/// What the package is made of, beside the programs.
const SOURCES: [&str; 6] = ["debian", "docs", "examples", "systemd", "README.md", "LICENSE"];

/// The directory with `supervisor_*.deb` and `supervisord_*.changes`.
#[track_caller]
pub fn built() -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("package");
    fs::create_dir_all(&root).unwrap();
    let lock = File::create(root.join("lock")).unwrap();
    lock.lock().unwrap();
    let stamp = root.join("stamp");
    let made = fs::metadata(&stamp).and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let fresh = root.join("built");
    if made <= newest() {
        let begun = SystemTime::now();
        build(&fresh);
        File::create(&stamp).unwrap().set_modified(begun).unwrap();
    }
    fresh
}

/// The `.deb` itself.
#[track_caller]
pub fn deb() -> PathBuf {
    only(&built(), ".deb")
}

/// The package of Debian that ours replaces, as `tests/support/install-deps` has fetched it.
#[track_caller]
pub fn debians() -> PathBuf {
    only(&Path::new(env!("CARGO_MANIFEST_DIR")).join("target/theirs/debian"), "_all.deb")
}

/// The file in a directory whose name ends so.
#[track_caller]
pub fn only(directory: &Path, end: &str) -> PathBuf {
    let mut found: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("{}: {error} (tests/support/install-deps)", directory.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().is_some_and(|path| path.ends_with(end)))
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn build(fresh: &Path) {
    let _ = fs::remove_dir_all(fresh);
    let tree = fresh.join("supervisord");
    fs::create_dir_all(&tree).unwrap();
    let copied =
        Command::new("cp").arg("-a").args(SOURCES.map(source)).arg(&tree).status().expect("coreutils");
    assert!(copied.success());
    let said = fresh.join("log");
    let log = File::create(&said).unwrap();
    // Packed fast: it is unpacked a few times, and thrown away.
    let status = Command::new("dpkg-buildpackage")
        .args(["-us", "-uc", "-b", "-d"])
        .current_dir(&tree)
        .env("PROGRAMS", Path::new(PROGRAMS[0]).parent().expect("a program is in a directory"))
        .env("DEB_BUILD_OPTIONS", "noautodbgsym")
        .env("DPKG_DEB_COMPRESSOR_TYPE", "gzip")
        .env("DPKG_DEB_COMPRESSOR_LEVEL", "1")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .status()
        .expect("dpkg-buildpackage (tests/support/install-deps)");
    assert!(status.success(), "{}", fs::read_to_string(said).unwrap());
    fs::remove_dir_all(tree).unwrap();
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// When the last of what goes into the package was changed.
fn newest() -> SystemTime {
    PROGRAMS
        .map(PathBuf::from)
        .into_iter()
        .chain(SOURCES.map(source))
        .map(|path| changed(&path))
        .max()
        .expect("there are programs")
}

fn changed(path: &Path) -> SystemTime {
    let own = fs::metadata(path).and_then(|data| data.modified()).unwrap();
    if !path.is_dir() {
        return own;
    }
    fs::read_dir(path)
        .unwrap()
        .map(|entry| changed(&entry.unwrap().path()))
        .max()
        .map_or(own, |last| last.max(own))
}
