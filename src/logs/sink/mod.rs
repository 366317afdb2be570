//! Where bytes end.

pub mod file;
pub mod outage;
pub mod syslog;

pub use file::FileSink;
pub use outage::Written;
pub use syslog::Syslog;
