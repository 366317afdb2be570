//! Where bytes end.

pub mod file;
pub mod syslog;

pub use file::FileSink;
pub use syslog::Syslog;
