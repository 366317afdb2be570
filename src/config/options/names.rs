//! Names that the table does not have: ignored, as by Supervisor, but not in silence.

use super::{SECTIONS, section};
use crate::config::error::{Diagnostic, MOST_TOLD, glimpse};
use crate::config::section::Section;

/// The warnings about sections and options that nobody reads. `[DEFAULT]` is not looked at: it is for every section.
pub(in crate::config) fn unknown_names<'s>(sections: impl Iterator<Item = &'s Section>) -> Vec<Diagnostic> {
    sections.filter(|section| section.name != "DEFAULT").flat_map(of_section).collect()
}

fn of_section(found: &Section) -> Vec<Diagnostic> {
    let Some(row) = section(&found.name) else { return vec![unknown_section(found)] };
    if row.open {
        return Vec::new();
    }
    let known: Vec<&str> = row.options().map(|option| option.name).collect();
    let unknown = found.keys().filter(|key| !known.contains(key)).enumerate();
    // To compare names takes long: of many nobody is told but the first.
    let compared = |number| if number < MOST_TOLD { known.as_slice() } else { &[] };
    unknown.map(|(number, key)| unknown_option(found, key, compared(number))).collect()
}

fn unknown_section(found: &Section) -> Diagnostic {
    let (head, rest) = match found.name.split_once(':') {
        Some((head, rest)) => (format!("{head}:"), glimpse(rest)),
        None => (found.name.clone(), "".into()),
    };
    let names: Vec<&str> = SECTIONS.iter().map(|row| row.name).collect();
    let mut warning = found.warning("unknown section is ignored".to_owned(), None);
    warning.help = closest(&head, &names).map(|name| match (name.ends_with(':'), rest.as_ref()) {
        (true, "") => format!("did you mean [{name}NAME]?"),
        (true, rest) => format!("did you mean [{name}{rest}]?"),
        (false, _) => format!("did you mean [{name}]?"),
    });
    warning
}

fn unknown_option(found: &Section, key: &str, known: &[&str]) -> Diagnostic {
    let mut warning = found.warning(format!("unknown option '{}' is ignored", glimpse(key)), Some(key));
    warning.help = closest(key, known).map(|name| format!("did you mean {name}?"));
    warning
}

/// The name that was probably meant: at most a third of it is different.
fn closest<'n>(written: &str, names: &[&'n str]) -> Option<&'n str> {
    let written = written.to_lowercase();
    let length = written.chars().count();
    let most = |name: &str| (name.len() / 3).max(1);
    // The distance is no less than the difference in length; what is written may be very long.
    let similar = names.iter().filter(|name| length.abs_diff(name.len()) <= most(name));
    let near = similar.map(|name| (strsim::osa_distance(&written, name), *name));
    let (distance, name) = near.min_by_key(|(distance, _)| *distance)?;
    (distance <= most(name)).then_some(name)
}
