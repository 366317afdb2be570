//! Types of values (Supervisor 4.3 `datatypes.py`), with its error texts.

use crate::config::spec::AutoRestart;

/// Python's `int()`.
///
/// # Errors
/// `invalid literal for int() with base 10: '…'`
pub fn integer(text: &str) -> Result<i64, String> {
    let trimmed = text.trim();
    let plain = trimmed.replace('_', "");
    let doubled = trimmed.starts_with('_') || trimmed.ends_with('_') || trimmed.contains("__");
    let parsed = if doubled { None } else { plain.parse().ok() };
    parsed.ok_or_else(|| format!("invalid literal for int() with base 10: '{text}'"))
}

/// `yes true on 1` or `no false off 0`, in any case.
///
/// # Errors
/// `not a valid boolean value: '…'`
pub fn boolean(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "yes" | "true" | "on" | "1" => Ok(true),
        "no" | "false" | "off" | "0" => Ok(false),
        _ => Err(format!("not a valid boolean value: '{text}'")),
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
            let too_large = || format!("'{text}' is too large");
            return integer(number)?.checked_mul(factor).ok_or_else(too_large);
        }
    }
    integer(&lower)
}

/// An octal mode: `022`, `22`, `0o22`.
///
/// # Errors
/// `… can not be converted to an octal type`
pub fn octal(text: &str) -> Result<u32, String> {
    let trimmed = text.trim();
    let digits = trimmed.strip_prefix("0o").or_else(|| trimmed.strip_prefix("0O")).unwrap_or(trimmed);
    let mode = u32::from_str_radix(digits, 8).ok().filter(|mode| *mode <= 0o7777);
    mode.ok_or_else(|| format!("{text} can not be converted to an octal type"))
}

/// Exit codes, 0..=255.
///
/// # Errors
/// `not a valid list of exit codes: '…'`
pub fn exit_codes(text: &str) -> Result<Vec<i32>, String> {
    let code = |word: &str| word.trim().parse::<i32>().ok().filter(|code| (0..=255).contains(code));
    list(text)
        .iter()
        .map(|word| code(word))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| format!("not a valid list of exit codes: '{text}'"))
}

/// Words between commas, trimmed.
#[must_use]
pub fn list(text: &str) -> Vec<String> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    text.split(',').map(|word| word.trim().to_owned()).collect()
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
        Err(_) => Err(format!("invalid 'autorestart' value '{lower}'")),
    }
}

/// The name of a program, process or group.
///
/// # Errors
/// `Invalid name: '…' because of character: '…'`
pub fn name(text: &str) -> Result<String, String> {
    let trimmed = text.trim();
    for c in [' ', ':', '/'] {
        if trimmed.contains(c) {
            return Err(format!("Invalid name: '{trimmed}' because of character: '{c}'"));
        }
    }
    Ok(trimmed.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

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
