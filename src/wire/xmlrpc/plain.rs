//! The short way through an answer: what `xmlrpc.client` writes and we do, byte for byte. Whatever looks otherwise, be it right or
//! wrong, is left to the reader of all XML; what is understood here means the same to both.

use std::borrow::Cow;

use super::{DEPTH_LIMIT, Value};

const HEAD: &str = "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n";
const TAIL: &str = "</param>\n</params>\n</methodResponse>\n";

/// The value of an answer that is plain.
pub(super) fn value(document: &[u8]) -> Option<Value> {
    let mut reader = Reader { rest: std::str::from_utf8(document).ok()?.strip_prefix(HEAD)? };
    let value = reader.value(0)?;
    (reader.rest == TAIL).then_some(value)
}

/// What `getProcessInfo` has, and a little more: a list of as many does not grow.
const MEMBERS: usize = 14;

struct Reader<'d> {
    rest: &'d str,
}

impl<'d> Reader<'d> {
    fn takes(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn take(&mut self, text: &str) -> Option<()> {
        self.takes(text).then_some(())
    }

    /// What stands before the next tag, which is this one. References, and the line ends that a reader of XML changes, are none of
    /// ours.
    fn until(&mut self, tag: &str) -> Option<&'d str> {
        let end = memchr::memchr3(b'<', b'&', b'\r', self.rest.as_bytes())?;
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.take(tag)?;
        Some(text)
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth >= DEPTH_LIMIT / 4 {
            return None;
        }
        self.take("<value><")?;
        let value = if self.takes("string>") {
            Value::string(self.until("</string>")?)
        } else if self.takes("int>") {
            Value::Int(self.until("</int>")?.parse().ok()?)
        } else if self.takes("boolean>") {
            Value::Bool(self.until("</boolean>")? == "1")
        } else if self.takes("double>") {
            Value::Double(self.until("</double>")?.parse().ok()?)
        } else if self.takes("struct>\n") {
            self.members(depth)?
        } else {
            self.take("array><data>\n")?;
            self.items(depth)?
        };
        self.take("</value>\n")?;
        Some(value)
    }

    fn members(&mut self, depth: usize) -> Option<Value> {
        let mut members = Vec::with_capacity(MEMBERS);
        while self.takes("<member>\n<name>") {
            let name = self.until("</name>\n")?;
            members.push((known(name), self.value(depth + 1)?));
            self.take("</member>\n")?;
        }
        self.take("</struct>")?;
        Some(Value::Struct(members))
    }

    fn items(&mut self, depth: usize) -> Option<Value> {
        let mut items = Vec::new();
        while !self.takes("</data></array>") {
            items.push(self.value(depth + 1)?);
        }
        Some(Value::Array(items))
    }
}

macro_rules! known {
    ($($name:literal)*) => {
        /// The name of a member; those of `getProcessInfo` cost nothing.
        fn known(name: &str) -> Cow<'static, str> {
            match name {
                $($name => Cow::Borrowed($name),)*
                _ => Cow::Owned(name.to_owned()),
            }
        }
    };
}

known! {
    "name" "group" "start" "stop" "now" "state" "statename" "spawnerr" "exitstatus" "logfile" "stdout_logfile"
    "stderr_logfile" "pid" "description"
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{ANSWER_ELEMENT_LIMIT, encode_response, parse};
    use super::*;

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i32>().prop_map(|number| Value::Int(number.into())),
            any::<bool>().prop_map(Value::Bool),
            any::<i16>().prop_map(|number| Value::Double(f64::from(number) / 4.0)),
            "[a-z<&\r\n \u{e9}\u{fffe}]{0,12}".prop_map(Value::String),
            Just(Value::Bytes(vec![0, 255])),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            let name = prop_oneof![Just("pid".to_owned()), "[a-z<]{1,6}"];
            let member = (name.prop_map(Cow::Owned), inner.clone());
            prop_oneof![
                prop::collection::vec(inner, 0..8).prop_map(Value::Array),
                prop::collection::vec(member, 0..8).prop_map(Value::Struct),
            ]
        })
    }

    /// What the reader of all XML makes of it.
    fn slowly(document: &str) -> Option<Value> {
        parse(document.as_bytes(), ANSWER_ELEMENT_LIMIT).ok()?.params?.into_iter().next()
    }

    proptest! {
        #[test]
        fn both_ways_lead_to_the_same(value in values(), cut in any::<prop::sample::Index>(), with in "[<>/a-z\n&]{0,2}") {
            let whole = encode_response(&value);
            if let Some(plain) = super::value(whole.as_bytes()) {
                prop_assert_eq!(Some(plain), slowly(&whole));
            }
            let mut at = cut.index(whole.len());
            while !whole.is_char_boundary(at) {
                at -= 1;
            }
            let next = whole[at..].chars().next().map_or(0, char::len_utf8);
            let spoilt = format!("{}{with}{}", &whole[..at], &whole[at + next..]);
            if let Some(plain) = super::value(spoilt.as_bytes()) {
                prop_assert_eq!(Some(plain), slowly(&spoilt), "{}", spoilt);
            }
        }
    }

    #[test]
    fn what_supervisor_answers_is_plain() {
        let info = Value::Struct(vec![
            ("description".into(), Value::string("pid 4, uptime 0:00:01")),
            ("other".into(), Value::Int(-3)),
        ]);
        let value = Value::Array(vec![info, Value::Bool(true), Value::Double(1.5), Value::Array(vec![])]);
        assert_eq!(super::value(encode_response(&value).as_bytes()), Some(value));
        // No end to what is opened.
        let deep = format!("{HEAD}{}", "<value><array><data>\n".repeat(100_000));
        assert_eq!(super::value(deep.as_bytes()), None);
    }
}
