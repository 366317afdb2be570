//! supervisorctl: controls supervisord.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    supervisord::control_command::run(&args)
}
