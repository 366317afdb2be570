//! Where bytes end.

pub mod file;
pub mod journal;
pub mod outage;
pub mod syslog;

pub use file::FileSink;
pub use journal::Journal;
pub use outage::Written;
pub use syslog::Syslog;
