//! echo_supervisord_conf: a sample configuration, on stdout.

use std::io::Write as _;
use std::process::ExitCode;

use supervisord::config::options;

fn main() -> ExitCode {
    let written = std::io::stdout().lock().write_all(options::sample().as_bytes());
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
