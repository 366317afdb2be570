//! The reader of configuration files.

use supervisord::config::ini::{RawSection, read};

/// Lines are told as they stand, line ends do not matter, and what was read can be written and read again.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let lines = lines(text);
    match read(text) {
        Err(bad) => {
            assert!(!bad.is_empty(), "refused without a reason");
            for bad in bad {
                assert_eq!(lines[bad.line - 1], bad.text, "{bad:?}");
            }
        }
        Ok(sections) => {
            stand_where_they_say(&sections, &lines);
            assert_eq!(read(&lines.join("\r\n")), Ok(sections.clone()), "with DOS line ends");
            // A comment may begin anywhere in a line; what has none is read again as it was.
            let has_marks = |text: &str| text.contains([';', '#']);
            let entries = || sections.iter().flat_map(|section| &section.entries);
            if !entries().any(|entry| has_marks(&entry.key) || has_marks(&entry.value))
                && !sections.iter().any(|section| has_marks(&section.name))
            {
                let again = read(&written(&sections)).expect("what was read is written well");
                assert_eq!(contents(&again), contents(&sections));
            }
        }
    }
}

fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
        lines.push(&rest[..end]);
        let skip = if rest[end..].starts_with("\r\n") { 2 } else { usize::from(end < rest.len()) };
        rest = &rest[end + skip..];
    }
    lines
}

fn stand_where_they_say(sections: &[RawSection], lines: &[&str]) {
    let mut last = 0;
    for section in sections {
        assert!(section.line > last && lines[section.line - 1].contains(&section.name), "{section:?}");
        last = section.line;
        for entry in &section.entries {
            let line = lines[entry.line - 1].to_lowercase();
            assert!(entry.line > last && line.contains(&entry.key), "{entry:?}");
            last = entry.line;
        }
    }
}

fn written(sections: &[RawSection]) -> String {
    let mut text = String::new();
    for section in sections {
        text.push_str(&format!("[{}]\n", section.name));
        for entry in &section.entries {
            text.push_str(&format!("{}={}\n", entry.key, entry.value.replace('\n', "\n\t")));
        }
    }
    text
}

type Contents<'a> = Vec<(&'a str, Vec<(&'a str, &'a str)>)>;

/// What was read, without the lines.
fn contents(sections: &[RawSection]) -> Contents<'_> {
    sections
        .iter()
        .map(|section| {
            let entries = section.entries.iter();
            (section.name.as_str(), entries.map(|entry| (entry.key.as_str(), entry.value.as_str())).collect())
        })
        .collect()
}
