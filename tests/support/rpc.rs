//! Calls to a daemon, over the unix socket, as short as HTTP allows.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value as Json;
use supervisord::wire::xmlrpc::{Call, Value, decode_response, encode_call};

use super::PATIENCE;

/// An answer of HTTP.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub code: u16,
    /// The head, line by line, without the status line.
    pub head: Vec<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// Sends bytes and reads until the server closes.
pub fn exchange(socket: &Path, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// Sends a request of HTTP/1.1 that closes the connection.
pub fn http(socket: &Path, method: &str, uri: &str, head: &str, body: &[u8]) -> io::Result<Answer> {
    let mut request = format!("{method} {uri} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{head}");
    if method == "POST" {
        let _ = write!(request, "Content-Length: {}\r\n", body.len());
    }
    request.push_str("\r\n");
    let answer = exchange(socket, &[request.as_bytes(), body].concat())?;
    let bad = || io::Error::new(io::ErrorKind::InvalidData, String::from_utf8_lossy(&answer).into_owned());
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").ok_or_else(bad)?;
    let head = String::from_utf8_lossy(&answer[..end]);
    let mut lines = head.split("\r\n").map(str::to_owned);
    let status = lines.next().unwrap_or_default();
    let code = status.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(bad)?;
    Ok(Answer { code, head: lines.collect(), body: answer[end + 4..].to_vec() })
}

/// Posts an XML-RPC document.
pub fn post(socket: &Path, document: &[u8]) -> io::Result<Answer> {
    http(socket, "POST", "/RPC2", "Content-Type: text/xml\r\n", document)
}

/// Why a call brought no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A fault, with its code and text.
    Fault(i64, String),
    /// Another status than 200.
    Http(u16),
    /// No answer that can be read.
    Nothing(String),
}

/// Calls a method; `params` is an array.
pub fn call(socket: &Path, method: &str, params: &Json) -> Result<Value, Refusal> {
    let params = params.as_array().unwrap().iter().map(value).collect();
    let document = encode_call(&Call { method: method.to_owned(), params });
    let answer = post(socket, document.as_bytes()).map_err(|error| Refusal::Nothing(error.to_string()))?;
    if answer.code != 200 {
        return Err(Refusal::Http(answer.code));
    }
    match decode_response(&answer.body) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err((code, text))) => Err(Refusal::Fault(code, text)),
        Err(error) => Err(Refusal::Nothing(error.to_string())),
    }
}

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => {
            number.as_i64().map_or_else(|| Value::Double(number.as_f64().unwrap()), Value::Int)
        }
        Json::String(text) => Value::string(text.as_str()),
        Json::Array(items) => Value::Array(items.iter().map(value).collect()),
        Json::Object(members) => {
            Value::Struct(members.iter().map(|(name, json)| (name.clone().into(), value(json))).collect())
        }
    }
}

/// A value or a refusal as a text to compare: JSON, with the members in the order of the wire.
pub fn shown(result: &Result<Value, Refusal>) -> String {
    match result {
        Ok(value) => json(value),
        Err(Refusal::Fault(code, text)) => format!("fault {code} {text}"),
        Err(Refusal::Http(code)) => format!("HTTP {code}"),
        Err(Refusal::Nothing(why)) => format!("no answer: {why}"),
    }
}

fn json(value: &Value) -> String {
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    match value {
        Value::Nil => "null".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Double(number) => format!("{number:?}"),
        Value::String(text) => quoted(text),
        Value::Bytes(bytes) => format!("bytes {bytes:?}"),
        Value::Array(items) => format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(", ")),
        Value::Struct(members) => {
            let member = |(name, value): &(std::borrow::Cow<'static, str>, Value)| {
                format!("{}: {}", quoted(name), json(value))
            };
            format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
    }
}
