//! `environment=`: KEY=value pairs (Supervisor 4.3 `datatypes.py`, `dict_of_key_value_pairs`).

use std::collections::BTreeMap;

/// Reads `KEY="value",KEY2=value2`, as Python's non-POSIX `shlex` splits it with `/.+-():` as word characters.
///
/// # Errors
/// `Unexpected end of key/value pairs in value '…'`, or `No closing quotation`.
pub fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
    let tokens = tokens(text)?;
    let mut pairs = BTreeMap::new();
    // The fourth token, the separator, is never looked at.
    for pair in tokens.chunks(4) {
        match pair {
            [key, equals, value, ..] if equals == "=" => {
                let quotes = ['"', '\''];
                pairs.insert(key.clone(), value.trim_matches(quotes).to_owned());
            }
            _ => return Err(format!("Unexpected end of key/value pairs in value '{text}'")),
        }
    }
    Ok(pairs)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_/.+-():".contains(c)
}

fn tokens(text: &str) -> Result<Vec<String>, String> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_whitespace() {
            continue;
        }
        if c == '#' {
            while chars.next().is_some_and(|c| c != '\n') {}
            continue;
        }
        let mut token = String::from(c);
        if c == '"' || c == '\'' {
            loop {
                let next = chars.next().ok_or("No closing quotation")?;
                token.push(next);
                if next == c {
                    break;
                }
            }
        } else if is_word(c) {
            while let Some(next) = chars.next_if(|c| is_word(*c) || *c == '"' || *c == '\'') {
                token.push(next);
                // A quote inside a word opens no quotation, and belongs to the word.
            }
        }
        tokens.push(token);
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_as_supervisor_reads_them() {
        let read = |text: &str| parse(text).map(|pairs| pairs.into_iter().collect::<Vec<_>>());
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        assert_eq!(read("A=\"x y\",B=2"), Ok(vec![pair("A", "x y"), pair("B", "2")]));
        assert_eq!(read("A=\"x\",\nB='y',"), Ok(vec![pair("A", "x"), pair("B", "y")]));
        assert_eq!(read("A=\"'x'\""), Ok(vec![pair("A", "x")]));
        assert_eq!(read("PATH=/a:/b"), Ok(vec![pair("PATH", "/a:/b")]));
        assert_eq!(read(""), Ok(vec![]));
        for bad in ["A", "A=,B=2", "A=a=b"] {
            let reason = format!("Unexpected end of key/value pairs in value '{bad}'");
            assert_eq!(parse(bad), Err(reason), "{bad}");
        }
        assert_eq!(parse("A=\"x"), Err("No closing quotation".to_owned()));
    }
}
