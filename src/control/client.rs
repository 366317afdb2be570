//! Who talks to a surface, and what they may.

use crate::api::Asker;

/// A client, as it is known when its request is handled.
#[derive(Debug, Clone)]
pub struct Client {
    /// Who it is: told with every request.
    pub asker: Asker,
    /// It may look, and change nothing.
    pub readonly: bool,
    /// The connection on which it waits for nothing but the answer to this request.
    pub connection: Option<u64>,
}
