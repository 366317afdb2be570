//! `command=`: split into words.

use supervisord::system::command::split;

/// What was read can be written and read again.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(words) = split(text) else { return };
    let quoted: Vec<String> = words.iter().map(|word| format!("'{}'", word.replace('\'', "'\\''"))).collect();
    assert_eq!(split(&quoted.join(" ")), Ok(words));
}
