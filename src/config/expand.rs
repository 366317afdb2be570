//! `%(name)s`: Python's `%`-formatting with a mapping (Supervisor 4.3 `options.py`, `expand`).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::Chars;

use super::error::glimpse;
use super::value::repr;

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

/// The widest field, and the most digits, that a format may ask for.
const WIDEST: usize = 10_000;

/// The longest value, in bytes: execve(2) takes no more for a command and its environment.
const LONGEST: usize = 2 << 20;

/// How the error about a longer one ends.
pub(super) const TOO_LONG: &str = "is longer than 2 MiB";

/// Expands a value; `what` names it in the error, as `program:x.command`.
///
/// # Errors
/// Supervisor's sentence: an unknown name, or a bad format.
pub fn expand(value: &str, names: &Names, what: &str) -> Result<String, String> {
    let mut out = String::with_capacity(value.len());
    let mut scan = Scan { rest: value.chars(), whole: value, argument: Argument::Names };
    while let Some(c) = scan.rest.next().filter(|_| out.len() <= LONGEST) {
        if c != '%' {
            out.push(c);
            continue;
        }
        match scan.directive(names) {
            Ok(text) => out.push_str(&text),
            Err(Trouble::Unknown(name)) => return Err(unknown(value, what, &name, names)),
            Err(Trouble::Format(reason)) => return Err(badly_formatted(value, what, &reason)),
            Err(Trouble::Conversion(c)) => {
                return Err(badly_formatted(value, what, &unsupported(c, scan.index())));
            }
        }
    }
    if out.len() > LONGEST {
        return Err(format!("the value of {} {TOO_LONG}", repr(what)));
    }
    Ok(out)
}

enum Trouble {
    Unknown(String),
    Format(String),
    /// This is no conversion.
    Conversion(char),
}

fn bad<T>(reason: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Format(reason.into()))
}

fn badly_formatted(value: &str, what: &str, reason: &str) -> String {
    let (value, what) = (repr(&glimpse(value)), repr(&glimpse(what)));
    format!("Format string {value} for {what} is badly formatted: {reason}")
}

/// Names a character that is no conversion, and its place, as Python does.
fn unsupported(c: char, index: usize) -> String {
    let shown = if (' '..='~').contains(&c) { c } else { '?' };
    format!("unsupported format character '{shown}' ({:#x}) at index {index}", u32::from(c))
}

fn unknown(value: &str, what: &str, name: &str, names: &Names) -> String {
    let available = names.keys().cloned().collect::<Vec<_>>().join(", ");
    let [value, what, name] = [value, what, name].map(|text| repr(&glimpse(text)));
    format!(
        "Format string {value} for {what} contains names ({name}) which cannot be expanded. Available names: {available}"
    )
}

/// What a format without a name would take.
#[derive(Debug, Clone)]
enum Argument<'v> {
    /// All names at once.
    Names,
    One(&'v Value),
    Taken,
}

/// Reads formats as CPython 3.11 does (`unicode_format_arg_parse`).
struct Scan<'v> {
    rest: Chars<'v>,
    whole: &'v str,
    argument: Argument<'v>,
}

/// How a value is laid out.
#[derive(Debug, Default)]
struct Layout {
    left: bool,
    plus: bool,
    blank: bool,
    prefix: bool,
    zeros: bool,
    width: usize,
    precision: Option<usize>,
}

impl<'v> Scan<'v> {
    /// Where the character stands that was read last, in characters from the start.
    fn index(&self) -> usize {
        self.whole.chars().count() - self.rest.clone().count() - 1
    }

    /// What stands behind a `%`.
    fn directive(&mut self, names: &'v Names) -> Result<String, Trouble> {
        if self.took('%') {
            return Ok("%".to_owned());
        }
        if self.took('(') {
            let name = self.name()?;
            let value = names.get(&name).ok_or(Trouble::Unknown(name))?;
            self.argument = Argument::One(value);
        }
        let mut layout = self.flags();
        layout.width = self.size("width")?.unwrap_or(0);
        if self.took('.') {
            layout.precision = Some(self.size("precision")?.unwrap_or(0));
        }
        let _ = self.took('h') || self.took('l') || self.took('L');
        let Some(conversion) = self.rest.next() else { return bad("incomplete format") };
        let body = match std::mem::replace(&mut self.argument, Argument::Taken) {
            Argument::One(value) => convert(value, conversion, &layout)?,
            Argument::Names => return refuse_names(conversion),
            Argument::Taken => return bad("not enough arguments for format string"),
        };
        Ok(body)
    }

    fn took(&mut self, wanted: char) -> bool {
        let mut ahead = self.rest.clone();
        let there = ahead.next() == Some(wanted);
        if there {
            self.rest = ahead;
        }
        there
    }

    /// Up to the parenthesis that closes the one before.
    fn name(&mut self) -> Result<String, Trouble> {
        let mut name = String::new();
        let mut depth = 1;
        for c in self.rest.by_ref() {
            depth += match c {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            if depth == 0 {
                return Ok(name);
            }
            name.push(c);
        }
        bad("incomplete format key")
    }

    fn flags(&mut self) -> Layout {
        let mut layout = Layout::default();
        loop {
            let flag = match self.rest.clone().next() {
                Some('-') => &mut layout.left,
                Some('+') => &mut layout.plus,
                Some(' ') => &mut layout.blank,
                Some('#') => &mut layout.prefix,
                Some('0') => &mut layout.zeros,
                _ => return layout,
            };
            *flag = true;
            self.rest.next();
        }
    }

    /// A width or a precision. With `*` it is the value itself, which then is not there any more.
    fn size(&mut self, what: &str) -> Result<Option<usize>, Trouble> {
        if self.took('*') {
            return match std::mem::replace(&mut self.argument, Argument::Taken) {
                Argument::One(Value::Number(_)) => Ok(None),
                Argument::One(Value::Text(_)) | Argument::Names => bad("* wants int"),
                Argument::Taken => bad("not enough arguments for format string"),
            };
        }
        let mut size: Option<usize> = None;
        while let Some(digit) = self.rest.clone().next().and_then(|c| c.to_digit(10)) {
            let digit = usize::try_from(digit).unwrap_or(0);
            size = Some(size.unwrap_or(0).saturating_mul(10).saturating_add(digit));
            self.rest.next();
        }
        if size.is_some_and(|size| size > WIDEST) { bad(format!("{what} too big")) } else { Ok(size) }
    }
}

/// A format without a name. Python takes all names and values at once for `%s`, which would put the whole environment into
/// the value: that is refused.
fn refuse_names(conversion: char) -> Result<String, Trouble> {
    match conversion {
        's' | 'r' | 'a' => bad(format!("%{conversion} needs a name, as in %(here)s")),
        'c' => bad("%c requires int or char"),
        other => refuse(other, "dict"),
    }
}

/// A conversion that does not go with a type, or is none.
fn refuse(conversion: char, found: &str) -> Result<String, Trouble> {
    match conversion {
        'd' | 'i' | 'u' => bad(format!("%{conversion} format: a real number is required, not {found}")),
        'x' | 'X' | 'o' => bad(format!("%{conversion} format: an integer is required, not {found}")),
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => bad(format!("must be real number, not {found}")),
        other => Err(Trouble::Conversion(other)),
    }
}

fn convert(value: &Value, conversion: char, layout: &Layout) -> Result<String, Trouble> {
    let text = match (conversion, value) {
        ('s', Value::Text(text)) => Cow::Borrowed(text.as_str()),
        ('r', Value::Text(text)) => repr(text).into(),
        ('a', Value::Text(text)) => ascii(text).into(),
        ('s' | 'r' | 'a', Value::Number(number)) => number.to_string().into(),
        ('c', Value::Text(text)) if text.chars().count() == 1 => Cow::Borrowed(text.as_str()),
        ('c', Value::Text(_)) => return bad("%c requires int or char"),
        ('c', Value::Number(number)) => match u32::try_from(*number).ok().and_then(char::from_u32) {
            Some(c) => c.to_string().into(),
            None => return bad("%c arg not in range(0x110000)"),
        },
        ('d' | 'i' | 'u' | 'x' | 'X' | 'o', Value::Number(number)) => {
            return Ok(integer(*number, conversion, layout));
        }
        ('e' | 'E' | 'f' | 'F' | 'g' | 'G', Value::Number(_)) => {
            return bad(format!("%{conversion} is for fractions, and this is a whole number: use %d"));
        }
        (other, Value::Number(_)) => return refuse(other, "int"),
        (other, Value::Text(_)) => return refuse(other, "str"),
    };
    let limit = if conversion == 'c' { None } else { layout.precision };
    let end = limit.and_then(|limit| text.char_indices().nth(limit)).map_or(text.len(), |(at, _)| at);
    Ok(pad(layout, "", &text[..end], false))
}

fn ascii(text: &str) -> String {
    let escape = |c: char| match u32::from(c) {
        ..0x80 => c.to_string(),
        code @ ..0x100 => format!("\\x{code:02x}"),
        code @ ..0x1_0000 => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    };
    repr(text).chars().map(escape).collect()
}

fn integer(number: i64, conversion: char, layout: &Layout) -> String {
    let size = number.unsigned_abs();
    let (digits, prefix) = match conversion {
        'x' => (format!("{size:x}"), "0x"),
        'X' => (format!("{size:X}"), "0X"),
        'o' => (format!("{size:o}"), "0o"),
        _ => (size.to_string(), ""),
    };
    let digits = format!("{digits:0>0$}", layout.precision.unwrap_or(0));
    let sign = match number {
        ..0 => "-",
        _ if layout.plus => "+",
        _ if layout.blank => " ",
        _ => "",
    };
    let prefix = if layout.prefix { prefix } else { "" };
    pad(layout, &format!("{sign}{prefix}"), &digits, layout.zeros)
}

fn pad(layout: &Layout, head: &str, body: &str, zeros: bool) -> String {
    let missing = layout.width.saturating_sub(head.chars().count() + body.chars().count());
    if layout.left {
        format!("{head}{body}{}", " ".repeat(missing))
    } else if zeros {
        format!("{head}{}{body}", "0".repeat(missing))
    } else {
        format!("{}{head}{body}", " ".repeat(missing))
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
            ("%(s)6s|%(s)-5s|%(s).2s", "   web|web  |we"),
            ("%(n)+05d|%(n)06.3d|%(n)0-4d|", "+0007|000007|7   |"),
            ("%(n)#x %(n)#06X %(n)ld %(n)c", "0x7 0X0007 7 \u{7}"),
            ("%(s)r %(s)a", "'web' 'web'"),
        ] {
            assert_eq!(expand(text).as_deref(), Ok(expected));
        }
        let reason = expand("date +%Y").unwrap_err();
        assert!(reason.ends_with("unsupported format character 'Y' (0x59) at index 7"), "{reason}");
        let reason = expand("%(x)s").unwrap_err();
        assert!(reason.ends_with("contains names ('x') which cannot be expanded. Available names: n, s"));
        for (text, reason) in [
            ("50%", "incomplete format"),
            ("%(s", "incomplete format key"),
            ("%(s)d", "%d format: a real number is required, not str"),
            ("50% done", "%d format: a real number is required, not dict"),
            ("%(s)s %d", "not enough arguments for format string"),
            ("%(s)\u{e9}", "unsupported format character '?' (0xe9) at index 4"),
            ("%(n)*d", "not enough arguments for format string"),
            ("%s", "%s needs a name, as in %(here)s"),
            ("%(n)10001d", "width too big"),
        ] {
            let told = expand(text).unwrap_err();
            assert!(told.ends_with(&format!(" is badly formatted: {reason}")), "{text}: {told}");
        }
    }
}
