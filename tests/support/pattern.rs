//! Expected texts with places for what differs from run to run.
//!
//! `<PID>` a pid; `<N>` digits; `<UPTIME>` `0:00:07`; `<WHEN>` `Nov 22 10:54 AM`; `<STAMP>` the head of a main log line;
//! `<DATE>` an HTTP date; `<ANY>` anything within a line. All else stands for itself.

/// Holds `actual` against the pattern.
#[track_caller]
pub fn assert_like(actual: &str, pattern: &str, about: &str) {
    assert!(
        is_like(actual, pattern),
        "{about}\n--- expected:\n{pattern}\n--- actual:\n{actual}\n--- expected (escaped):\n{pattern:?}\n--- actual (escaped):\n{actual:?}"
    );
}

/// Whether the whole of `actual` is as the pattern says.
pub fn is_like(actual: &str, pattern: &str) -> bool {
    let Some((at, name, lengths)) = first_place(pattern) else { return actual == pattern };
    let Some(rest) = actual.strip_prefix(&pattern[..at]) else { return false };
    let after = &pattern[at + name.len()..];
    lengths(rest).into_iter().any(|length| is_like(&rest[length..], after))
}

/// The lengths that a place may take of the text before it, longest first.
type Lengths = fn(&str) -> Vec<usize>;

const PLACES: [(&str, Lengths); 7] = [
    ("<PID>", |text| {
        digits(text).filter(|length| *length > 0 && !text.starts_with('0')).into_iter().collect()
    }),
    ("<N>", |text| digits(text).into_iter().collect()),
    ("<UPTIME>", |text| shaped(text, "9:99:99")),
    ("<WHEN>", |text| shaped(text, "Aaa 99 99:99 AA")),
    ("<STAMP>", |text| shaped(text, "9999-99-99 99:99:99,999")),
    ("<DATE>", |text| shaped(text, "Aaa, 99 Aaa 9999 99:99:99 AAA")),
    ("<ANY>", |text| {
        let line = text.find('\n').unwrap_or(text.len());
        (0..=line).rev().filter(|length| text.is_char_boundary(*length)).collect()
    }),
];

fn first_place(pattern: &str) -> Option<(usize, &'static str, Lengths)> {
    let found = PLACES.iter().filter_map(|(name, lengths)| Some((pattern.find(name)?, *name, *lengths)));
    found.min_by_key(|(at, ..)| *at)
}

fn digits(text: &str) -> Option<usize> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    (length > 0).then_some(length)
}

/// `9` is a digit, `A` a capital, `a` a small letter; all else stands for itself.
fn shaped(text: &str, shape: &str) -> Vec<usize> {
    let fits = text.len() >= shape.len()
        && shape.bytes().zip(text.bytes()).all(|(shape, byte)| match shape {
            b'9' => byte.is_ascii_digit(),
            b'A' => byte.is_ascii_uppercase(),
            b'a' => byte.is_ascii_lowercase(),
            other => byte == other,
        });
    if fits { vec![shape.len()] } else { Vec::new() }
}
