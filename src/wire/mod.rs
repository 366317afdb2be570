//! XML-RPC documents, read and written: shared by the server (`control`) and the client (`ctl`).
//!
//! *May import:* nothing of ours. *Invariants:* whatever bytes come in, an answer or an error comes out, in bounded memory
//! and depth; what goes out is legal XML. *Tested:* beside each file.

pub mod xmlrpc;
