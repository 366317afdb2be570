//! The fields of a request: from the query the first of each name, then from the body the last (Supervisor 4.3 `web.py`).
//! A field that is empty is none.

use std::collections::BTreeMap;

/// Fields that are read of one request.
const FIELD_LIMIT: usize = 64;

/// The fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads a query and a body.
    #[must_use]
    pub fn read(query: &str, body: &[u8]) -> Self {
        let mut fields = BTreeMap::new();
        for (name, value) in pairs(query.as_bytes()) {
            fields.entry(name).or_insert(value);
        }
        fields.extend(pairs(body));
        Self(fields)
    }

    /// A field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

fn pairs(text: &[u8]) -> impl Iterator<Item = (String, String)> + '_ {
    let fields = text.split(|byte| *byte == b'&').take(FIELD_LIMIT);
    fields.filter_map(|field| {
        let at = field.iter().position(|byte| *byte == b'=')?;
        let value = unquote(&field[at + 1..]);
        (!value.is_empty()).then(|| (unquote(&field[..at]), value))
    })
}

/// Undoes `%41` and `+`; what is not UTF-8 becomes the sign for it.
fn unquote(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| char::from(*after.get(at)?).to_digit(16);
        let coded = (*first == b'%').then(|| Some(digit(0)? << 4 | digit(1)?)).flatten();
        match coded.and_then(|code| u8::try_from(code).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_query_and_the_last_of_the_body() {
        let form = Form::read("a=1&a=2&b=x+y%3a%zz&c=&d", b"a=3&a=4&e=%C3%BC%ff");
        for (name, value) in [
            ("a", Some("4")),
            ("b", Some("x y:%zz")),
            ("c", None),
            ("d", None),
            ("e", Some("ü\u{fffd}")),
            ("f", None),
        ] {
            assert_eq!(form.get(name), value, "{name}");
        }
        assert_eq!(Form::read("a=1&a=2", b"").get("a"), Some("1"));
    }

    #[test]
    fn a_flood_of_fields_is_cut() {
        let query: String = (0..10_000).map(|n| format!("f{n}=1&")).collect();
        assert_eq!(Form::read(&query, b"").0.len(), FIELD_LIMIT);
    }
}
