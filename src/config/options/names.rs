//! Names that the table does not have: ignored, as by Supervisor, but not in silence.

use super::{SECTIONS, section};
use crate::config::error::Diagnostic;
use crate::config::section::Section;

/// The warnings about sections and options that nobody reads. `[DEFAULT]` is not looked at: it is for every section.
pub(in crate::config) fn unknown_names(sections: &[Section]) -> Vec<Diagnostic> {
    sections.iter().filter(|section| section.name != "DEFAULT").flat_map(of_section).collect()
}

fn of_section(found: &Section) -> Vec<Diagnostic> {
    let Some(row) = section(&found.name) else { return vec![unknown_section(found)] };
    if row.open {
        return Vec::new();
    }
    let known: Vec<&str> = row.options().map(|option| option.name).collect();
    let unknown = found.keys().filter(|key| !known.contains(key));
    unknown.map(|key| unknown_option(found, key, &known)).collect()
}

fn unknown_section(found: &Section) -> Diagnostic {
    let (head, rest) = match found.name.split_once(':') {
        Some((head, rest)) => (format!("{head}:"), rest),
        None => (found.name.clone(), ""),
    };
    let names: Vec<&str> = SECTIONS.iter().map(|row| row.name).collect();
    let mut warning = found.warning("unknown section is ignored".to_owned(), None);
    warning.help = closest(&head, &names).map(|name| match (name.ends_with(':'), rest) {
        (true, "") => format!("did you mean [{name}NAME]?"),
        (true, rest) => format!("did you mean [{name}{rest}]?"),
        (false, _) => format!("did you mean [{name}]?"),
    });
    warning
}

fn unknown_option(found: &Section, key: &str, known: &[&str]) -> Diagnostic {
    let mut warning = found.warning(format!("unknown option '{key}' is ignored"), Some(key));
    warning.help = closest(key, known).map(|name| format!("did you mean {name}?"));
    warning
}

/// The name that was probably meant: at most a third of it is different.
fn closest<'n>(written: &str, names: &[&'n str]) -> Option<&'n str> {
    let written = written.to_lowercase();
    let near = names.iter().map(|name| (strsim::osa_distance(&written, name), *name));
    let (distance, name) = near.min_by_key(|(distance, _)| *distance)?;
    (distance <= (name.len() / 3).max(1)).then_some(name)
}
