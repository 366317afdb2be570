//! Files by pattern, as Python's `glob` finds them: `*`, `?` and `[...]`, no `**`, and names with a leading dot only where the
//! pattern has it too.

use std::fs;
use std::path::{Path, PathBuf};

use glob::Pattern;

use crate::config::machine::MOST_FILES;

/// What an absolute pattern matches, sorted by text; too many, where a part of it already matches too many.
pub fn files(pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![String::from("/")];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        found = match matcher(part) {
            Some(matcher) => {
                let children = found.iter().flat_map(|base| children(base, part, &matcher));
                children.take(MOST_FILES + 1).collect()
            }
            None => found.iter().map(|base| join(base, part)).collect(),
        };
        if found.len() > MOST_FILES {
            break;
        }
    }
    if found.len() <= MOST_FILES {
        found.retain(|path| fs::symlink_metadata(path).is_ok());
    }
    found.sort_unstable();
    found.into_iter().map(PathBuf::from).collect()
}

fn join(base: &str, name: &str) -> String {
    if base.ends_with('/') { format!("{base}{name}") } else { format!("{base}/{name}") }
}

fn children(base: &str, part: &str, matcher: &Pattern) -> Vec<String> {
    let Ok(entries) = fs::read_dir(Path::new(base)) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let wanted = names.filter(|name| part.starts_with('.') || !name.starts_with('.'));
    wanted.filter(|name| matcher.matches(name)).map(|name| join(base, &name)).collect()
}

/// What a part of a pattern matches; `None` if it is a plain name.
fn matcher(part: &str) -> Option<Pattern> {
    if !part.contains(['*', '?', '[']) {
        return None;
    }
    Pattern::new(&as_the_crate_means_it(part)).ok()
}

/// Two stars are one, and a bracket that is not closed is a letter.
fn as_the_crate_means_it(part: &str) -> String {
    let mut out = String::with_capacity(part.len());
    let mut rest = part;
    while let Some(c) = rest.chars().next() {
        let length = match (c, class_length(rest)) {
            ('*', _) if out.ends_with('*') => 1,
            ('[', None) => {
                out.push_str("[[]");
                1
            }
            (_, length) => {
                let length = length.unwrap_or(c.len_utf8());
                out.push_str(&rest[..length]);
                length
            }
        };
        rest = &rest[length..];
    }
    out
}

/// How long the `[...]` is with which a text begins; `None`: there is none, or nothing closes it.
fn class_length(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('[')?;
    let inside = inside.strip_prefix('!').unwrap_or(inside);
    // What comes first may be a closing bracket itself.
    let after = inside.strip_prefix(']').unwrap_or(inside);
    let end = after.find(']')?;
    Some(text.len() - after.len() + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_python_s() {
        for (python, crates) in [
            ("*.conf", "*.conf"),
            ("***", "*"),
            ("[ab]?[!c]", "[ab]?[!c]"),
            ("[]a][[][!]]", "[]a][[][!]]"),
            ("x[a", "x[[]a"),
            ("[]", "[[]]"),
            ("[**]", "[**]"),
        ] {
            assert_eq!(as_the_crate_means_it(python), crates);
        }
    }

    #[test]
    fn names_with_a_dot_need_one_in_the_pattern() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b", "a", ".c", "A"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let found = |pattern: &str| {
            let found = files(dir.path().join(pattern).to_str().unwrap());
            found
                .iter()
                .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(found("*"), ["A", "a", "b"]);
        assert_eq!(found(".*"), [".c"]);
        assert_eq!(found("[a-z]"), ["a", "b"]);
        assert_eq!(found("none"), [""; 0]);
    }
}
