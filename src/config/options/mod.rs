//! The table of sections and options: what each is called, what it takes, and what it is for. The remedies of errors, the
//! suggestions of warnings, `echo_supervisord_conf` and `supervisord.conf(5)` are drawn from it.

mod kind;
mod limits;
mod names;
mod sample;
mod table;

pub use kind::Kind;
pub(super) use names::unknown_names;
pub use sample::{sample, wrapped};
pub use table::{SECTIONS, Sample};

/// An option: one row of the table.
#[derive(Debug, Clone, Copy)]
pub struct OptionRow {
    /// As it is written, in lower case.
    pub name: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// What it is when it is left out, in words.
    pub default: &'static str,
    /// How it stands in the sample configuration.
    pub sample: Sample,
    /// What it is for: one sentence, or a few.
    pub doc: &'static str,
}

/// A kind of section: one row of the table.
#[derive(Debug, Clone, Copy)]
pub struct SectionRow {
    /// As it is written; with a colon at the end where a name follows.
    pub name: &'static str,
    /// In the sample, the name of the section.
    pub example: &'static str,
    /// Whether anything may follow a name without a colon (`[unix_http_server:second]`).
    pub several: bool,
    /// Whether options that are not in the table belong to somebody else.
    pub open: bool,
    /// Whether the sample has it, not only as a comment.
    pub active: bool,
    /// What it is for.
    pub doc: &'static str,
    /// Its options: its own, then those that it shares.
    pub options: &'static [&'static [OptionRow]],
}

impl SectionRow {
    /// Its options, in the order of the table.
    pub fn options(&self) -> impl Iterator<Item = &'static OptionRow> {
        self.options.iter().copied().flatten()
    }

    /// Whether a section of this name is of this kind.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        if self.name.ends_with(':') {
            return name.starts_with(self.name);
        }
        let rest = name.strip_prefix(self.name);
        rest.is_some_and(|rest| rest.is_empty() || self.several)
    }
}

/// The row of a section, by its whole name.
#[must_use]
pub fn section(name: &str) -> Option<&'static SectionRow> {
    SECTIONS.iter().find(|row| row.covers(name))
}

/// The row of an option of a section.
#[must_use]
pub fn option(section_name: &str, option: &str) -> Option<&'static OptionRow> {
    section(section_name)?.options().find(|row| row.name == option)
}

#[cfg(test)]
mod tests;
