//! D-Bus: the supervisor as `org.supervisord.Supervisor1`, translated to the vocabulary and back.
//!
//! *May import:* api, runtime::handle, config::spec, logs::read; never engine. *Invariants:* no object is registered anywhere: each call is
//! looked up by its path in one table, so that a thousand programs cost what one costs; of processes only the names that
//! were announced are kept; whatever a client sends, the calls under way and their bytes are bounded; nobody waits for a
//! slow bus; who may only look changes nothing and reads no log. *Tested:* beside each file, on a bus in `tests/dbus.rs`, and
//! with polkit in `tests/dbus_system.rs`.

pub mod announce;
pub mod asker;
pub mod authority;
pub mod bus;
pub mod describe;
pub mod given;
pub mod introspect;
pub mod limits;
pub mod objects;
pub mod path;
pub mod perform;
pub mod refusal;
pub mod serve;
pub mod standard;
pub mod table;

/// The name on the bus.
pub const NAME: &str = "org.supervisord.Supervisor1";
