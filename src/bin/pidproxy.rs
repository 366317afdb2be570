//! pidproxy: runs a command, and hands the signals that it gets to the daemon whose pid is in a file.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    supervisord::pidproxy::run(&args)
}
