use std::collections::BTreeSet;

use super::*;

#[test]
fn every_row_is_explained_and_stands_once() {
    let mut sections = BTreeSet::new();
    for section in SECTIONS {
        assert!(sections.insert(section.name), "{} stands twice", section.name);
        assert!(section.doc.ends_with('.'), "[{}] needs a sentence", section.name);
        let mut names = BTreeSet::new();
        for option in section.options() {
            let at = format!("[{}] {}", section.name, option.name);
            assert!(option.doc.ends_with('.') && option.doc.len() > 10, "{at} needs a sentence");
            assert!(!option.default.is_empty(), "{at} needs its default");
            // Where a kind of section sets a shared option apart, its own row comes first and counts.
            names.insert(option.name);
        }
        assert!(!names.is_empty() || section.open, "[{}]", section.name);
    }
}

#[test]
fn a_section_is_found_by_its_kind() {
    assert_eq!(section("program:web").map(|row| row.name), Some("program:"));
    assert_eq!(section("unix_http_server:two").map(|row| row.name), Some("unix_http_server"));
    assert!(section("supervisord:two").is_none());
    assert!(section("program").is_none());
    assert!(option("program:web", "autostart").is_some());
    assert!(option("group:web", "autostart").is_none());
}
