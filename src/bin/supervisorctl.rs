//! Controls the daemon.
fn main() {}
