//! `environment=`.

use supervisord::config::environment::parse;

/// What was read can be written and read again.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(pairs) = parse(text) else { return };
    let mut written = String::new();
    for (name, value) in &pairs {
        let quote = match (value.contains('"'), value.contains('\'')) {
            (true, true) => return,
            (true, false) => '\'',
            (false, _) => '"',
        };
        written.push_str(&format!("{name}={quote}{value}{quote},"));
    }
    assert_eq!(parse(&written), Ok(pairs), "{written}");
}
