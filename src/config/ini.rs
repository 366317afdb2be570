//! The reader: lines by Python's rules, values by rust-ini.
//!
//! Supervisor reads with Python's `RawConfigParser(inline_comment_prefixes=(';', '#'), strict=False)`, whose rules for
//! comments, continuation lines and section headers rust-ini does not have. So the lines are normalised first, one line out for
//! each line in, and rust-ini reads what is left; its order of entries gives every value its line again.

use ini::{Ini, ParseOption};

/// A section as it stands in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawSection {
    /// Its name, as between the brackets.
    pub name: String,
    /// Line of the header, from 1.
    pub line: usize,
    /// Its entries, in order; of equal keys the last counts.
    pub entries: Vec<RawEntry>,
}

/// `key = value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawEntry {
    /// In lower case.
    pub key: String,
    /// Without comments; continuation lines joined by newlines.
    pub value: String,
    /// Line of the key, from 1.
    pub line: usize,
}

/// A line that is neither header, option, continuation nor comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// From 1.
    pub line: usize,
    /// As it stands.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

enum Token {
    Header { name: String, line: usize },
    Option { key: String, values: Vec<String>, line: usize },
}

/// Reads a file: every section in order, or every bad line.
///
/// # Errors
/// All lines that mean nothing; after text before any header, only that.
pub fn read(text: &str) -> Result<Vec<RawSection>, Vec<BadLine>> {
    let tokens = tokens(text)?;
    let lines = lines(text).count();
    let normal = normalise(&tokens, lines);
    let option = ParseOption {
        enabled_quote: true,
        enabled_escape: true,
        enabled_indented_mutiline_value: false,
        ..ParseOption::default()
    };
    let ini = Ini::load_from_str_opt(&normal, option).map_err(|error| {
        vec![BadLine { line: error.line, text: String::new(), problem: "this line cannot be read" }]
    })?;
    Ok(rejoin(&ini, tokens))
}

/// Gives every value that rust-ini read its line again.
fn rejoin(ini: &Ini, tokens: Vec<Token>) -> Vec<RawSection> {
    let mut values = ini.iter().flat_map(|(_, properties)| properties.iter());
    let mut sections: Vec<RawSection> = Vec::new();
    for token in tokens {
        match token {
            Token::Header { name, line } => sections.push(RawSection { name, line, entries: Vec::new() }),
            Token::Option { key, line, .. } => {
                let value = values.next().map(|(_, value)| value.to_owned()).unwrap_or_default();
                if let Some(section) = sections.last_mut() {
                    section.entries.push(RawEntry { key, value, line });
                }
            }
        }
    }
    sections
}

/// One line of rust-ini's dialect for each token, on the line where the token began.
fn normalise(tokens: &[Token], lines: usize) -> String {
    let mut out = vec![String::new(); lines + 1];
    for (number, token) in tokens.iter().enumerate() {
        match token {
            // A number, because what stands between the brackets may be anything, twice.
            Token::Header { line, .. } => out[*line] = format!("[{number}]"),
            Token::Option { values, line, .. } => {
                let value = values.join("\n");
                out[*line] = format!("k{number}=\"{}\"", escape(value.trim_end_matches(is_space)));
            }
        }
    }
    out.join("\n")
}

fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\0' => out.push_str("\\0"),
            c => out.push(c),
        }
    }
    out
}

/// Python's `str.isspace`, as far as it can stand in a line.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Where a comment begins, in bytes (Python 3.11 `configparser.py`, `_read`: of several prefixes the search goes on in
/// lock-step, so the first that starts a comment in the same round wins).
fn comment_start(line: &str) -> Option<usize> {
    if line.trim_start_matches(is_space).starts_with(['#', ';']) {
        return Some(0);
    }
    let mut searches: Vec<(char, usize)> = vec![(';', 0), ('#', 0)];
    while !searches.is_empty() {
        let mut start: Option<usize> = None;
        let mut next = Vec::with_capacity(2);
        for (prefix, from) in searches {
            let Some(found) = line[from..].find(prefix).map(|at| at + from) else { continue };
            next.push((prefix, found + 1));
            if line[..found].chars().next_back().is_none_or(is_space) {
                start = Some(start.map_or(found, |other| other.min(found)));
            }
        }
        if start.is_some() {
            return start;
        }
        searches = next;
    }
    None
}

/// Lines by any of the three conventions.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let line = &rest[..end];
        let skip = if rest[end..].starts_with("\r\n") { 2 } else { usize::from(end < rest.len()) };
        rest = &rest[end + skip..];
        Some(line)
    })
}

fn tokens(text: &str) -> Result<Vec<Token>, Vec<BadLine>> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut bad = Vec::new();
    let mut indent = 0;
    for (at, line) in lines(text).enumerate() {
        let number = at + 1;
        let comment = comment_start(line);
        let value = line[..comment.unwrap_or(line.len())].trim_matches(is_space);
        if value.is_empty() {
            if let (None, Some(Token::Option { values, .. })) = (comment, tokens.last_mut()) {
                values.push(String::new());
            }
            continue;
        }
        let own_indent = line.chars().take_while(|c| is_space(*c)).count();
        if let Some(Token::Option { values, .. }) = tokens.last_mut()
            && own_indent > indent
        {
            values.push(value.to_owned());
            continue;
        }
        indent = own_indent;
        if let Some(name) = header(value) {
            tokens.push(Token::Header { name: name.to_owned(), line: number });
        } else if tokens.is_empty() {
            let problem = "File contains no section headers.";
            return Err(vec![BadLine { line: number, text: line.to_owned(), problem }]);
        } else {
            match option(value) {
                Ok((key, first)) => tokens.push(Token::Option {
                    key: key.to_lowercase(),
                    values: vec![first.to_owned()],
                    line: number,
                }),
                Err(problem) => bad.push(BadLine { line: number, text: line.to_owned(), problem }),
            }
        }
    }
    if bad.is_empty() { Ok(tokens) } else { Err(bad) }
}

fn header(value: &str) -> Option<&str> {
    let inside = &value.strip_prefix('[')?;
    let end = inside.rfind(']')?;
    (end > 0).then(|| &inside[..end])
}

fn option(value: &str) -> Result<(&str, &str), &'static str> {
    let delimiter = value.find(['=', ':']).ok_or("expected `option = value`, a [section] or a comment")?;
    let key = value[..delimiter].trim_end_matches(is_space);
    if key.is_empty() {
        return Err("expected the name of an option before the delimiter");
    }
    Ok((key, value[delimiter + 1..].trim_matches(is_space)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(String, String, usize)> {
        let sections = read(text).unwrap();
        sections.into_iter().flat_map(|s| s.entries).map(|e| (e.key, e.value, e.line)).collect()
    }

    fn value(line: &str) -> String {
        values(&format!("[s]\nk={line}\n")).remove(0).1
    }

    #[test]
    fn comments_begin_at_the_start_or_after_a_blank() {
        for (line, read) in [
            ("a;b", "a;b"),
            ("a ;b", "a"),
            ("a #b", "a"),
            ("a;b ;c", "a;b"),
            (";b", ";b"),
            (" ;b", ""),
            ("bash -c 'foo ; bar'", "bash -c 'foo"),
            ("\"quoted\\\" \\n", "\"quoted\\\" \\n"),
        ] {
            assert_eq!(value(line), read, "{line}");
        }
    }

    #[test]
    fn deeper_lines_continue_a_value_and_keep_its_line() {
        let text = "[s]\n\nk: a\n  b\n; comment\n\n   c\nl=2\n";
        let expected = [("k".to_owned(), "a\nb\n\nc".to_owned(), 3), ("l".to_owned(), "2".to_owned(), 8)];
        assert_eq!(values(text), expected);
        assert_eq!(values("[s]\r\nk=\r\n  A=1\r\n"), [("k".to_owned(), "\nA=1".to_owned(), 2)]);
    }

    #[test]
    fn a_lone_carriage_return_ends_a_line() {
        assert_eq!(
            values("[s]\rk=1\rl=2\r"),
            [("k".to_owned(), "1".to_owned(), 2), ("l".to_owned(), "2".to_owned(), 3)]
        );
    }

    #[test]
    fn headers_end_at_the_last_bracket() {
        let names = |text: &str| read(text).unwrap().into_iter().map(|s| s.name).collect::<Vec<_>>();
        assert_eq!(names("[program:x] junk\n[a]b]\n[ c ]\n"), ["program:x", "a]b", " c "]);
    }

    #[test]
    fn every_bad_line_is_told() {
        let bad = read("[s]\njunk\nk=v\n= x\n").unwrap_err();
        assert_eq!(bad.iter().map(|b| b.line).collect::<Vec<_>>(), [2, 4]);
        let bad = read("; c\nk=v\n").unwrap_err();
        assert_eq!((bad[0].line, bad[0].problem), (2, "File contains no section headers."));
    }
}
