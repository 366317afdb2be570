//! The XML-RPC codec.

use std::borrow::Cow;

/// A value of XML-RPC, as Supervisor uses it (4.3 `xmlrpc.py`).
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `<nil/>`: accepted, never sent.
    Nil,
    /// `<int>`, `<i4>`: 32 bits on the wire; a larger value is capped when it is written.
    Int(i64),
    /// `<boolean>`
    Bool(bool),
    /// `<string>`
    String(String),
    /// `<double>`
    Double(f64),
    /// `<base64>`
    Bytes(Vec<u8>),
    /// `<array>`
    Array(Vec<Value>),
    /// `<struct>`, in the order of the wire.
    Struct(Vec<(Cow<'static, str>, Value)>),
}
