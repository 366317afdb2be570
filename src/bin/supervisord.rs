//! supervisord: starts programs and keeps them running.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<std::ffi::OsString> = std::env::args_os().collect();
    supervisord::daemon::run(&args)
}
