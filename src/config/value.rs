//! Types of values (Supervisor 4.3 `datatypes.py`), with its error texts.

use super::ini::is_space;
use super::machine::Machine;
use super::spec::{AutoRestart, BusChoice, Leftovers};
use crate::api::{Level, Signal};

/// Python's `repr()` of a text, as Supervisor's messages quote it.
#[must_use]
pub fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        let code = u32::from(c);
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            c if is_printable(c) => out.push(c),
            _ if code < 0x100 => out.push_str(&format!("\\x{code:02x}")),
            _ if code < 0x1_0000 => out.push_str(&format!("\\u{code:04x}")),
            _ => out.push_str(&format!("\\U{code:08x}")),
        }
    }
    out.push(quote);
    out
}

/// Python's `str.isprintable`, by what the standard library knows of Unicode.
fn is_printable(c: char) -> bool {
    let combines = c.is_alphanumeric();
    c == ' ' || !c.is_whitespace() && (combines || !c.escape_debug().to_string().starts_with("\\u"))
}

/// Python's `int()`: a sign, digits, single underscores between them. What does not fit is capped.
fn python_int(text: &str, radix: u32) -> Option<i64> {
    let text = text.trim_matches(is_space);
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let prefix = if radix == 8 { text.strip_prefix("0o").or_else(|| text.strip_prefix("0O")) } else { None };
    let digits = prefix.map_or(text, |digits| digits.strip_prefix('_').unwrap_or(digits));
    let mut number: i64 = 0;
    for part in digits.split('_') {
        if part.is_empty() {
            return None;
        }
        for c in part.chars() {
            let digit = i64::from(c.to_digit(radix)?);
            number = number.saturating_mul(i64::from(radix)).saturating_add(digit);
        }
    }
    Some(if negative { -number } else { number })
}

/// Python's `int()`.
///
/// # Errors
/// `invalid literal for int() with base 10: '…'`
pub fn integer(text: &str) -> Result<i64, String> {
    python_int(text, 10).ok_or_else(|| format!("invalid literal for int() with base 10: {}", repr(text)))
}

/// `yes true on 1` or `no false off 0`, in any case.
///
/// # Errors
/// `not a valid boolean value: '…'`
pub fn boolean(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "yes" | "true" | "on" | "1" => Ok(true),
        "no" | "false" | "off" | "0" => Ok(false),
        _ => Err(format!("not a valid boolean value: {}", repr(text))),
    }
}

/// Bytes, with `KB`, `MB` or `GB` in any case.
///
/// # Errors
/// As for [`integer`].
pub fn byte_size(text: &str) -> Result<i64, String> {
    let lower = text.to_lowercase();
    for (suffix, factor) in [("kb", 1 << 10), ("mb", 1 << 20), ("gb", 1 << 30)] {
        if let Some(number) = lower.strip_suffix(suffix) {
            return Ok(integer(number)?.saturating_mul(factor));
        }
    }
    integer(&lower)
}

/// An octal mode: `022`, `22`, `0o22`.
///
/// # Errors
/// `… can not be converted to an octal type`
pub fn octal(text: &str) -> Result<u32, String> {
    let mode = python_int(text, 8).filter(|mode| *mode <= 0o7777).and_then(|mode| u32::try_from(mode).ok());
    mode.ok_or_else(|| format!("{text} can not be converted to an octal type"))
}

/// Exit codes, 0..=255.
///
/// # Errors
/// `not a valid list of exit codes: '…'`
pub fn exit_codes(text: &str) -> Result<Vec<i32>, String> {
    let code = |word: &String| {
        let code = python_int(word, 10).filter(|code| (0..=255).contains(code));
        code.and_then(|code| i32::try_from(code).ok())
    };
    let codes = list(text).iter().map(code).collect::<Option<Vec<_>>>();
    codes.ok_or_else(|| format!("not a valid list of exit codes: {}", repr(text)))
}

/// A level of the main log.
///
/// # Errors
/// `bad logging level name '…'`
pub fn level(text: &str) -> Result<Level, String> {
    Level::parse(text).ok_or_else(|| format!("bad logging level name {}", repr(text)))
}

/// A signal by name or number.
///
/// # Errors
/// `value '…' is not a valid signal name`, or `number`
pub fn signal(text: &str) -> Result<Signal, String> {
    let number = python_int(text, 10);
    let found = match number {
        Some(number) => Signal::parse(&number.to_string()),
        None => Signal::parse(text),
    };
    let kind = if number.is_some() { "number" } else { "name" };
    found.ok_or_else(|| format!("value {} is not a valid signal {kind}", repr(text)))
}

/// Words between commas, trimmed.
#[must_use]
pub fn list(text: &str) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    text.split(',').map(|word| word.trim_matches(is_space).to_owned()).collect()
}

/// The number of a user, who exists.
///
/// # Errors
/// `Invalid user name …`, or `Invalid user id …`
pub fn user(machine: &dyn Machine, text: &str) -> Result<u32, String> {
    let Some(number) = python_int(text, 10) else {
        let found = machine.user(text).map(|user| user.uid);
        return found.ok_or_else(|| format!("Invalid user name {text}"));
    };
    let found = u32::try_from(number).ok().filter(|uid| machine.user_by_id(*uid).is_some());
    found.ok_or_else(|| format!("Invalid user id {text}"))
}

/// A user, and perhaps a group.
pub type Owner = (u32, Option<u32>);

/// `user` or `user:group`, by names or numbers of this machine.
#[must_use]
pub fn owner(machine: &dyn Machine, text: &str) -> Option<Owner> {
    let (name, group) = text.split_once(':').map_or((text, None), |(name, group)| (name, Some(group)));
    let uid = user(machine, name).ok()?;
    let Some(group) = group else { return Some((uid, None)) };
    let gid = match python_int(group, 10) {
        Some(number) => u32::try_from(number).ok().filter(|gid| machine.has_group(*gid)),
        None => machine.group(group),
    };
    gid.map(|gid| (uid, Some(gid)))
}

/// A port from 1 to 65535.
///
/// # Errors
/// As for [`integer`], or that it is out of bounds.
pub fn port(text: &str) -> Result<u16, String> {
    match integer(text)? {
        number @ ..1 => Err(format!("{number} is below lower bound (1)")),
        number => u16::try_from(number).map_err(|_| format!("{number} is above upper bound (65535)")),
    }
}

/// A boolean, or `unexpected`.
///
/// # Errors
/// `invalid 'autorestart' value '…'`
pub fn auto_restart(text: &str) -> Result<AutoRestart, String> {
    let lower = text.to_lowercase();
    match boolean(&lower) {
        Ok(true) => Ok(AutoRestart::Always),
        Ok(false) => Ok(AutoRestart::Never),
        Err(_) if lower == "unexpected" => Ok(AutoRestart::Unexpected),
        Err(_) => Err(format!("invalid 'autorestart' value {}", repr(&lower))),
    }
}

/// `kill` or `leave`, in any case.
///
/// # Errors
/// `not one of kill and leave: '…'`
pub fn leftovers(text: &str) -> Result<Leftovers, String> {
    match text.trim().to_lowercase().as_str() {
        "kill" => Ok(Leftovers::Kill),
        "leave" => Ok(Leftovers::Leave),
        _ => Err(format!("not one of kill and leave: '{text}'")),
    }
}

/// `auto`, `system`, `session` or `off`, in any case.
///
/// # Errors
/// `not one of auto, system, session and off: '…'`
pub fn bus(text: &str) -> Result<BusChoice, String> {
    match text.trim().to_lowercase().as_str() {
        "auto" => Ok(BusChoice::Auto),
        "system" => Ok(BusChoice::System),
        "session" => Ok(BusChoice::Session),
        "off" => Ok(BusChoice::Off),
        _ => Err(format!("not one of auto, system, session and off: '{text}'")),
    }
}

/// The name of a program, process or group.
///
/// # Errors
/// `Invalid name: '…' because of character: '…'`
pub fn name(text: &str) -> Result<String, String> {
    let trimmed = text.trim_matches(is_space);
    for c in [' ', ':', '/'] {
        if trimmed.contains(c) {
            return Err(format!("Invalid name: {} because of character: '{c}'", repr(text)));
        }
    }
    Ok(trimmed.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_as_python_quotes_them() {
        for (text, quoted) in [
            ("a b", "'a b'"),
            ("it's", "\"it's\""),
            ("'\"", "'\\'\"'"),
            ("a\\\n\t", "'a\\\\\\n\\t'"),
            ("\u{1f}\u{a0}\u{fc}\u{200b}\u{1f600}", "'\\x1f\\xa0\u{fc}\\u200b\u{1f600}'"),
        ] {
            assert_eq!(repr(text), quoted);
        }
    }

    #[test]
    fn numbers_are_read_as_python_reads_them() {
        assert_eq!(integer(" 1_000 "), Ok(1000));
        assert_eq!(integer("x"), Err("invalid literal for int() with base 10: 'x'".to_owned()));
        assert_eq!(byte_size("50MB"), Ok(50 << 20));
        assert_eq!(byte_size("10 kb"), Ok(10 << 10));
        assert_eq!(byte_size("10M"), Err("invalid literal for int() with base 10: '10m'".to_owned()));
        assert_eq!(octal("0o22"), Ok(0o22));
        assert_eq!(octal("9"), Err("9 can not be converted to an octal type".to_owned()));
        assert_eq!(exit_codes("0, 2"), Ok(vec![0, 2]));
        assert!(exit_codes("256").is_err());
        assert_eq!(name("a b"), Err("Invalid name: 'a b' because of character: ' '".to_owned()));
    }
}
