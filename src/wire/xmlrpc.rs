//! The XML-RPC codec: as lax in reading, and exactly the same in writing, as Supervisor 4.3 with Python's `xmlrpc.client`.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use quick_xml::events::{BytesRef, Event};

mod plain;

/// Elements may be nested this deep.
const DEPTH_LIMIT: usize = 64;
/// A call may have this many elements: enough for a multicall about thousands of processes.
pub const CALL_ELEMENT_LIMIT: usize = 100_000;
/// An answer may have this many elements: enough for tens of thousands of processes.
const ANSWER_ELEMENT_LIMIT: usize = 2_000_000;
/// How U+FFFE and U+FFFF begin, and other characters with them.
const NONCHARACTER: u8 = 0xef;

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

impl Value {
    /// A string.
    pub fn string(text: impl Into<String>) -> Self {
        Self::String(text.into())
    }

    /// The member of that name, if this is a struct that has one; the last of several.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Struct(members) => {
                members.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// Bytes that it takes in memory, about.
    #[must_use]
    pub fn size(&self) -> usize {
        let inside = match self {
            Self::Nil | Self::Int(_) | Self::Bool(_) | Self::Double(_) => 0,
            Self::String(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Array(values) => values.iter().map(Self::size).sum(),
            Self::Struct(members) => members.iter().map(|(name, value)| name.len() + value.size()).sum(),
        };
        size_of::<Self>() + inside
    }

    /// The text, if this is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

/// A `methodCall`.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// `namespace.method`; never empty.
    pub method: String,
    /// Its arguments.
    pub params: Vec<Value>,
}

/// Why a document was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It is not XML, or not UTF-8.
    #[error("not well-formed: {0}")]
    Syntax(String),
    /// It has a DOCTYPE or an entity of its own, is too deep or too large.
    #[error("refused: {0}")]
    Refused(&'static str),
    /// It is XML, but an element does not contain what it should.
    #[error("<{0}> does not contain what it should")]
    Content(String),
    /// There is no method name.
    #[error("no method name")]
    NoMethod,
    /// There is neither a result nor a fault.
    #[error("neither a result nor a fault")]
    NoResult,
}

/// Reads a request, laxly as Supervisor does: the declaration, `<params>` and types are optional, unknown types are strings,
/// the root may have any name.
///
/// # Errors
/// What makes Supervisor answer 400; and what could make a parser work without bound.
pub fn decode_call(document: &[u8]) -> Result<Call, DecodeError> {
    let parsed = parse(document, CALL_ELEMENT_LIMIT)?;
    let method = parsed.method.filter(|name| !name.is_empty()).ok_or(DecodeError::NoMethod)?;
    Ok(Call { method, params: parsed.params.unwrap_or_default() })
}

/// Reads an answer: a value, or a fault's code and text.
///
/// # Errors
/// When it is not XML or is neither.
pub fn decode_response(document: &[u8]) -> Result<Result<Value, (i64, String)>, DecodeError> {
    if let Some(value) = plain::value(document) {
        return Ok(Ok(value));
    }
    let parsed = parse(document, ANSWER_ELEMENT_LIMIT)?;
    if let Some(fault) = parsed.fault {
        return match (fault.member("faultCode"), fault.member("faultString")) {
            (Some(Value::Int(code)), Some(Value::String(text))) => Ok(Err((*code, text.clone()))),
            _ => Err(DecodeError::Content("fault".to_owned())),
        };
    }
    parsed.params.and_then(|params| params.into_iter().next()).map(Ok).ok_or(DecodeError::NoResult)
}

/// Writes a request.
#[must_use]
pub fn encode_call(call: &Call) -> String {
    let mut out = String::from("<?xml version='1.0'?>\n<methodCall>\n<methodName>");
    push_text(&mut out, &call.method);
    out.push_str("</methodName>\n<params>\n");
    for param in &call.params {
        out.push_str("<param>\n");
        push_value(&mut out, param);
        out.push_str("</param>\n");
    }
    out.push_str("</params>\n</methodCall>\n");
    out
}

/// Writes an answer.
#[must_use]
pub fn encode_response(value: &Value) -> String {
    let mut out = String::from("<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n");
    push_value(&mut out, value);
    out.push_str("</param>\n</params>\n</methodResponse>\n");
    out
}

/// Writes a refusal.
#[must_use]
pub fn encode_fault(code: i32, text: &str) -> String {
    let mut out = String::from("<?xml version='1.0'?>\n<methodResponse>\n<fault>\n");
    let members = vec![
        (Cow::Borrowed("faultCode"), Value::Int(code.into())),
        (Cow::Borrowed("faultString"), Value::string(text)),
    ];
    push_value(&mut out, &Value::Struct(members));
    out.push_str("</fault>\n</methodResponse>\n");
    out
}

fn push_value(out: &mut String, value: &Value) {
    out.push_str("<value>");
    match value {
        Value::Nil => out.push_str("<string></string>"),
        Value::Int(n) => {
            push(out, format_args!("<int>{}</int>", n.clamp(&i32::MIN.into(), &i32::MAX.into())));
        }
        Value::Bool(yes) => push(out, format_args!("<boolean>{}</boolean>", u8::from(*yes))),
        Value::Double(n) => push(out, format_args!("<double>{n:?}</double>")),
        Value::Bytes(bytes) => push(out, format_args!("<base64>\n{}\n</base64>", BASE64.encode(bytes))),
        Value::String(text) => {
            out.push_str("<string>");
            push_text(out, text);
            out.push_str("</string>");
        }
        Value::Array(values) => {
            out.push_str("<array><data>\n");
            values.iter().for_each(|value| push_value(out, value));
            out.push_str("</data></array>");
        }
        Value::Struct(members) => {
            out.push_str("<struct>\n");
            for (name, value) in members {
                out.push_str("<member>\n<name>");
                push_text(out, name);
                out.push_str("</name>\n");
                push_value(out, value);
                out.push_str("</member>\n");
            }
            out.push_str("</struct>");
        }
    }
    out.push_str("</value>\n");
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(text);
}

/// Escapes what Python's client escapes; what XML cannot carry becomes U+FFFD.
fn push_text(out: &mut String, text: &str) {
    // Most texts need none of it.
    if text.bytes().all(|byte| byte >= b' ' && !matches!(byte, b'&' | b'<' | b'>' | NONCHARACTER)) {
        return out.push_str(text);
    }
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}' => {
                out.push('\u{fffd}');
            }
            c => out.push(c),
        }
    }
}

/// An element that has been opened: its text before the first child, and its children.
struct Frame {
    tag: String,
    text: String,
    children: Vec<Value>,
}

#[derive(Default)]
struct Parsed {
    method: Option<String>,
    params: Option<Vec<Value>>,
    fault: Option<Value>,
}

fn parse(document: &[u8], element_limit: usize) -> Result<Parsed, DecodeError> {
    let text = std::str::from_utf8(document).map_err(|error| DecodeError::Syntax(error.to_string()))?;
    let mut reader = quick_xml::Reader::from_str(text.trim_start_matches('\u{feff}'));
    reader.config_mut().expand_empty_elements = true;
    let mut stack: Vec<Frame> = Vec::new();
    let mut parsed = Parsed::default();
    let mut elements = 0_usize;
    loop {
        match reader.read_event().map_err(|error| DecodeError::Syntax(error.to_string()))? {
            Event::Start(start) => {
                elements += 1;
                if stack.len() >= DEPTH_LIMIT || elements > element_limit {
                    return Err(DecodeError::Refused("too deep or too large"));
                }
                let tag = start.name().0.to_owned();
                stack.push(Frame { tag, text: String::new(), children: Vec::new() });
            }
            Event::End(_) => {
                let Some(frame) = stack.pop() else { continue };
                close(frame, stack.last_mut(), &mut parsed)?;
            }
            Event::Text(text) => push_read(&mut stack, &text.xml10_content()),
            Event::CData(text) => push_read(&mut stack, &text.xml10_content()),
            Event::GeneralRef(entity) => push_read(&mut stack, resolve(&entity)?.encode_utf8(&mut [0; 4])),
            Event::DocType(_) => return Err(DecodeError::Refused("DOCTYPE")),
            Event::Eof if stack.is_empty() && elements > 0 => return Ok(parsed),
            Event::Eof => return Err(DecodeError::Syntax("it ends too early".to_owned())),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

fn push_read(stack: &mut [Frame], text: &str) {
    if let Some(frame) = stack.last_mut()
        && frame.children.is_empty()
    {
        frame.text.push_str(text);
    }
}

/// One of XML's own entities, or a character by its number.
fn resolve(entity: &BytesRef<'_>) -> Result<char, DecodeError> {
    let number = entity.resolve_char_ref().map_err(|error| DecodeError::Syntax(error.to_string()))?;
    match (number, &**entity) {
        (Some(c), _) => Ok(c),
        (None, "amp") => Ok('&'),
        (None, "lt") => Ok('<'),
        (None, "gt") => Ok('>'),
        (None, "quot") => Ok('"'),
        (None, "apos") => Ok('\''),
        (None, _) => Err(DecodeError::Refused("an unknown entity")),
    }
}

/// Gives what a closed element means to its parent, or to the document.
fn close(frame: Frame, parent: Option<&mut Frame>, parsed: &mut Parsed) -> Result<(), DecodeError> {
    let Frame { tag, text, children } = frame;
    match tag.as_str() {
        "methodName" => parsed.method = Some(text),
        "params" => parsed.params = Some(children),
        "fault" => parsed.fault = children.into_iter().next(),
        _ => {
            let value = convert(&tag, text, children).ok_or(DecodeError::Content(tag))?;
            if let Some(parent) = parent {
                parent.children.push(value);
            }
        }
    }
    Ok(())
}

fn convert(tag: &str, text: String, children: Vec<Value>) -> Option<Value> {
    let mut children = children.into_iter();
    Some(match tag {
        "value" => children.next().unwrap_or(Value::String(text)),
        "param" | "array" => children.next()?,
        "int" | "i4" => Value::Int(text.trim().parse().ok()?),
        "boolean" => Value::Bool(text.trim() == "1"),
        "double" => Value::Double(text.trim().parse().ok()?),
        "nil" => Value::Nil,
        "base64" => {
            let packed: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            Value::Bytes(BASE64.decode(packed).ok()?)
        }
        "data" | "member" => Value::Array(children.collect()),
        "struct" => Value::Struct(children.map(member).collect::<Option<_>>()?),
        _ => Value::String(text),
    })
}

fn member(value: Value) -> Option<(Cow<'static, str>, Value)> {
    let Value::Array(parts) = value else { return None };
    match <[Value; 2]>::try_from(parts).ok()? {
        [Value::String(name), value] => Some((Cow::Owned(name), value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(params: &str) -> Result<Vec<Value>, DecodeError> {
        let document = format!("<m><methodName>a.b</methodName>{params}</m>");
        decode_call(document.as_bytes()).map(|call| call.params)
    }

    fn one(value: &str) -> Option<Value> {
        call(&format!("<params><param>{value}</param></params>")).ok()?.pop()
    }

    #[test]
    fn what_is_written_is_read() {
        let value = Value::Struct(vec![
            ("a".into(), Value::Array(vec![Value::Int(-1), Value::Bool(true), Value::Double(1.5)])),
            ("b<".into(), Value::string("x & <y>\n é ")),
            ("c".into(), Value::Bytes(vec![0, 255, 7])),
            ("d".into(), Value::Array(vec![])),
            ("e".into(), Value::Struct(vec![])),
        ]);
        assert_eq!(decode_response(encode_response(&value).as_bytes()), Ok(Ok(value.clone())));
        let call = Call { method: "a.b".into(), params: vec![value, Value::string("")] };
        assert_eq!(decode_call(encode_call(&call).as_bytes()), Ok(call));
        assert_eq!(
            decode_response(encode_fault(10, "BAD_NAME: x").as_bytes()),
            Ok(Err((10, "BAD_NAME: x".into())))
        );
    }

    #[test]
    fn documents_look_as_pythons_do() {
        let value =
            Value::Array(vec![Value::Struct(vec![("k".into(), Value::Bool(true))]), Value::Int(1 << 40)]);
        assert_eq!(
            encode_response(&value),
            "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><array><data>\n<value><struct>\n\
             <member>\n<name>k</name>\n<value><boolean>1</boolean></value>\n</member>\n</struct></value>\n\
             <value><int>2147483647</int></value>\n</data></array></value>\n</param>\n</params>\n</methodResponse>\n"
        );
        assert!(
            encode_response(&Value::string("\x1b[1m\0\t")).contains("<string>\u{fffd}[1m\u{fffd}\t</string>")
        );
    }

    #[test]
    fn reading_is_lax() {
        assert_eq!(call(""), Ok(vec![]));
        assert_eq!(one("<value>text &#65;&amp;</value>"), Some(Value::string("text A&")));
        assert_eq!(one("<value>\n <i8>5</i8>\n</value>"), Some(Value::string("5")));
        assert_eq!(one("<value><boolean>true</boolean></value>"), Some(Value::Bool(false)));
        assert_eq!(one("<value><nil/></value>"), Some(Value::Nil));
        assert_eq!(one("<value/>"), Some(Value::string("")));
        assert_eq!(one("<value><int>x</int></value>"), None);
        assert_eq!(one("<value><array/></value>"), None);
    }

    #[test]
    fn what_could_harm_is_refused() {
        assert_eq!(decode_call(b"<!DOCTYPE a [<!ENTITY b 'c'>]><m/>"), Err(DecodeError::Refused("DOCTYPE")));
        assert!(matches!(call("<params>&b;</params>"), Err(DecodeError::Refused(_))));
        assert!(matches!(call(&"<value>".repeat(100_000)), Err(DecodeError::Refused(_))));
        assert!(matches!(call(&"<a/>".repeat(CALL_ELEMENT_LIMIT)), Err(DecodeError::Refused(_))));
        for bad in [&b""[..], b"<", b"<a>", b"<a></b>", b"\xff", b"text", b"<m/>", b"<m><methodName/></m>"] {
            assert!(decode_call(bad).is_err(), "{bad:?}");
        }
    }
}
