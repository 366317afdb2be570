//! `%(name)s`: Python's `%`-formatting with a mapping (Supervisor 4.3 `options.py`, `expand`).

use std::collections::BTreeMap;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A number, for `%(process_num)02d`.
    Number(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// The names that can be expanded.
pub type Names = BTreeMap<String, Value>;

/// Expands a value; `what` names it in the error, as `program:x.command`.
///
/// # Errors
/// Supervisor's sentence: an unknown name, or a bad format.
pub fn expand(value: &str, names: &Names, what: &str) -> Result<String, String> {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    let mut at = 0;
    while let Some(percent) = rest.find('%') {
        out.push_str(&rest[..percent]);
        at += rest[..percent].chars().count() + 1;
        rest = &rest[percent + 1..];
        let problem =
            |reason: &str| format!("Format string '{value}' for '{what}' is badly formatted: {reason}");
        let taken = match directive(rest, names) {
            Ok((text, length)) => {
                out.push_str(&text);
                length
            }
            Err(Trouble::Unknown(name)) => return Err(unknown(value, what, &name, names)),
            Err(Trouble::Character(c, offset)) => {
                let code = u32::from(c);
                let at = at + offset;
                return Err(problem(&format!(
                    "unsupported format character '{c}' ({code:#x}) at index {at}"
                )));
            }
            Err(Trouble::Other(reason)) => return Err(problem(reason)),
        };
        at += rest[..taken].chars().count();
        rest = &rest[taken..];
    }
    out.push_str(rest);
    Ok(out)
}

enum Trouble {
    Unknown(String),
    Character(char, usize),
    Other(&'static str),
}

fn unknown(value: &str, what: &str, name: &str, names: &Names) -> String {
    let available = names.keys().cloned().collect::<Vec<_>>().join(", ");
    format!(
        "Format string '{value}' for '{what}' contains names ('{name}') which cannot be expanded. Available names: {available}"
    )
}

/// What stands behind a `%`: its text, and how many bytes it took.
fn directive(rest: &str, names: &Names) -> Result<(String, usize), Trouble> {
    if rest.starts_with('%') {
        return Ok(("%".to_owned(), 1));
    }
    let Some(inside) = rest.strip_prefix('(') else {
        return Err(match rest.chars().next() {
            None => Trouble::Other("incomplete format"),
            Some(c) if c.is_ascii_alphabetic() && !"diouxXeEfFgGcrsa".contains(c) => Trouble::Character(c, 0),
            Some(_) => Trouble::Other("format requires a mapping"),
        });
    };
    let end = inside.find(')').ok_or(Trouble::Other("incomplete format key"))?;
    let name = &inside[..end];
    let value = names.get(name).ok_or_else(|| Trouble::Unknown(name.to_owned()))?;
    let behind = &inside[end + 1..];
    let flags: String = behind.chars().take_while(|c| "#0- +".contains(*c)).collect();
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
    let width = digits(&behind[flags.len()..]);
    let mut used = flags.len() + width.len();
    let mut precision = None;
    if behind[used..].starts_with('.') {
        let text = digits(&behind[used + 1..]);
        used += 1 + text.len();
        precision = Some(text.parse::<usize>().unwrap_or(0));
    }
    let conversion = behind[used..].chars().next().ok_or(Trouble::Other("incomplete format"))?;
    let length = 1 + end + 1 + used + conversion.len_utf8();
    let offset = rest[..length - conversion.len_utf8()].chars().count();
    let body = convert(value, conversion, precision, offset)?;
    let width = width.parse::<usize>().unwrap_or(0).min(1000);
    Ok((pad(&body, &flags, width, matches!(value, Value::Number(_)) && conversion != 's'), length))
}

fn convert(value: &Value, conversion: char, precision: Option<usize>, at: usize) -> Result<String, Trouble> {
    match (conversion, value) {
        ('s', Value::Text(text)) => Ok(cut(text, precision)),
        ('s', Value::Number(number)) => Ok(cut(&number.to_string(), precision)),
        ('d' | 'i' | 'u', Value::Number(number)) => {
            let digits = format!("{:0>1$}", number.unsigned_abs(), precision.unwrap_or(0).min(1000));
            Ok(if *number < 0 { format!("-{digits}") } else { digits })
        }
        ('x', Value::Number(number)) => Ok(format!("{number:x}")),
        ('o', Value::Number(number)) => Ok(format!("{number:o}")),
        ('d' | 'i' | 'u' | 'x' | 'o', Value::Text(_)) => {
            Err(Trouble::Other("%d format: a real number is required, not str"))
        }
        (c, _) => Err(Trouble::Character(c, at)),
    }
}

fn cut(text: &str, precision: Option<usize>) -> String {
    precision.map_or_else(|| text.to_owned(), |limit| text.chars().take(limit).collect())
}

fn pad(body: &str, flags: &str, width: usize, numeric: bool) -> String {
    let missing = width.saturating_sub(body.chars().count());
    if flags.contains('-') {
        format!("{body}{}", " ".repeat(missing))
    } else if flags.contains('0') && numeric {
        let (sign, digits) = body.strip_prefix('-').map_or(("", body), |digits| ("-", digits));
        format!("{sign}{}{digits}", "0".repeat(missing))
    } else {
        format!("{}{body}", " ".repeat(missing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_formatted_as_python_formats_them() {
        let names = Names::from([("n".into(), Value::Number(7)), ("s".into(), Value::from("web"))]);
        let expand = |text: &str| expand(text, &names, "program:x.command");
        for (text, expected) in [
            ("%(s)s_%(n)02d", "web_07"),
            ("100%%", "100%"),
            ("%(n)s", "7"),
            ("%(s)6s|%(s)-5s|", "   web|web  |"),
        ] {
            assert_eq!(expand(text).as_deref(), Ok(expected));
        }
        let reason = expand("date +%Y").unwrap_err();
        assert!(reason.ends_with("unsupported format character 'Y' (0x59) at index 7"), "{reason}");
        let reason = expand("%(x)s").unwrap_err();
        assert!(reason.ends_with("contains names ('x') which cannot be expanded. Available names: n, s"));
        assert!(expand("50%").unwrap_err().ends_with("incomplete format"));
    }
}
