//! `%(name)s` in values.

use supervisord::config::expand::{Names, Value, expand};

/// The longest value, in bytes.
const LONGEST: usize = 2 << 20;

/// Doubled per cent signs are themselves again, errors name the value, and no value grows without bound.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let names = Names::from([
        ("here".to_owned(), Value::from("/etc")),
        ("n".to_owned(), Value::Number(7)),
        ("minus".to_owned(), Value::Number(-12)),
        ("program_name".to_owned(), Value::from("w\u{e9}b")),
        (String::new(), Value::from("nameless")),
    ]);
    assert_eq!(expand(&text.replace('%', "%%"), &names, "x.y").as_deref(), Ok(text));
    match expand(text, &names, "x.y") {
        Ok(expanded) if !text.contains('%') => assert_eq!(expanded, text),
        Ok(expanded) => assert!(expanded.len() <= LONGEST),
        Err(problem) => assert!(problem.contains("'x.y'"), "{problem}"),
    }
}
