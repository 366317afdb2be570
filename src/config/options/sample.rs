//! `echo_supervisord_conf`: the table as a configuration to begin with.

use std::fmt::Write as _;

use super::{OptionRow, SECTIONS, Sample, SectionRow};

const HEAD: &str = "\
; Sample supervisor config file.
;
; Everything that supervisord.conf can say is here, and explained in supervisord.conf(5).
;
;  - Shell expansion (\"$HOME\") is not done.  Environment variables are written
;    %(ENV_HOME)s, and a literal per cent sign %%.
;  - Values are not quoted, except in environment=.
;  - A comment behind a value needs a blank before its semicolon: \"a=b ;comment\".
;    So a command with \" ;\" in it ends there: put such a command into a file.
;  - /tmp stands for a better place: some systems clean it up, and then nobody
;    finds the socket any more.
";

/// The sample configuration.
#[must_use]
pub fn sample() -> String {
    let mut text = HEAD.to_owned();
    for section in SECTIONS.iter().filter(|section| !section.example.is_empty()) {
        write_section(&mut text, section);
    }
    text
}

fn write_section(text: &mut String, section: &SectionRow) {
    text.push('\n');
    for line in wrapped(section.doc, 76) {
        let _ = writeln!(text, "; {line}");
    }
    let off = if section.active { "" } else { ";" };
    let _ = writeln!(text, "\n{off}[{}]", section.example);
    for option in section.options() {
        write_option(text, section, option);
    }
}

fn write_option(text: &mut String, section: &SectionRow, option: &OptionRow) {
    let (off, value) = match option.sample {
        Sample::On(value) if section.active => ("", value),
        Sample::On(value) | Sample::Off(value) => (";", value),
        Sample::Hidden => return,
    };
    let setting = format!("{off}{}={value}", option.name);
    let first = option.doc.split(". ").next().unwrap_or_default().trim_end_matches('.');
    let default = match option.default {
        "required" => "required".to_owned(),
        default => format!("default: {default}"),
    };
    let _ = writeln!(text, "{setting:<38} ; {first}; {default}");
}

/// Words in lines of at most so many characters.
#[must_use]
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let (mut lines, mut last) = (Vec::new(), String::new());
    for word in text.split_whitespace() {
        if !last.is_empty() && last.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut last));
        }
        if !last.is_empty() {
            last.push(' ');
        }
        last.push_str(word);
    }
    lines.push(last);
    lines
}
