//! The sections of all files: in the order in which they were first named, and found by name.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::section::Section;

/// The section that every other falls back on.
const DEFAULT: &str = "DEFAULT";

#[derive(Debug, Default)]
pub(super) struct Sections {
    all: Vec<Section>,
    places: BTreeMap<String, usize>,
    /// What may still have a `%(here)s` in it.
    fresh: BTreeSet<usize>,
    /// `[DEFAULT]` as it stands now, once somebody has asked.
    default: OnceCell<Option<Arc<Section>>>,
}

impl Sections {
    /// The section of that name, to be written into; a new one if there is none.
    pub(super) fn open(&mut self, name: &str, file: &Path, line: usize) -> &mut Section {
        let next = self.all.len();
        let at = *self.places.entry(name.to_owned()).or_insert(next);
        if at == next {
            self.all.push(Section::new(name.to_owned(), file.to_path_buf(), line));
        }
        self.fresh.insert(at);
        self.default.take();
        &mut self.all[at]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Section> {
        self.all.iter()
    }

    /// A section as it is read: `[DEFAULT]` mixed in.
    pub(super) fn whole(&self, name: &str) -> Option<Section> {
        self.find(name).map(|section| with_default(section, self.shared()))
    }

    /// The sections whose names start so, as they are read.
    pub(super) fn whole_named(&self, prefix: &str) -> Vec<Section> {
        let named = self.all.iter().filter(|section| section.name.starts_with(prefix));
        named.map(|section| with_default(section, self.shared())).collect()
    }

    fn find(&self, name: &str) -> Option<&Section> {
        self.places.get(name).map(|at| &self.all[*at])
    }

    fn shared(&self) -> Option<&Arc<Section>> {
        self.default.get_or_init(|| self.find(DEFAULT).cloned().map(Arc::new)).as_ref()
    }

    /// In an included file `%(here)s` is the directory of that file (Supervisor 4.3 `options.py`, `expand_here`). What a
    /// section has from `[DEFAULT]` becomes its own by that.
    pub(super) fn replace_here(&mut self, here: &str) {
        let default = self.places.get(DEFAULT).copied();
        let fresh = std::mem::take(&mut self.fresh);
        let all = default.is_some_and(|default| fresh.contains(&default));
        let default = default.map(|default| (default, self.all[default].clone()));
        let places = if all { (0..self.all.len()).collect() } else { fresh };
        for at in places.into_iter().filter(|at| default.as_ref().is_none_or(|(default, _)| default != at)) {
            self.all[at].replace_here(here, default.as_ref().map(|(_, default)| default));
        }
    }
}

fn with_default(section: &Section, default: Option<&Arc<Section>>) -> Section {
    let mut section = section.clone();
    if let Some(default) = default {
        section.fall_back_on(default);
    }
    section
}

#[cfg(test)]
mod tests {
    use super::super::ini::RawEntry;
    use super::*;

    fn set(sections: &mut Sections, name: &str, key: &str, value: &str) {
        let entry = RawEntry { key: key.to_owned(), value: value.to_owned(), line: 1 };
        sections.open(name, Path::new("f"), 1).set(Path::new("f"), entry);
    }

    fn value(sections: &Sections, name: &str, key: &str) -> String {
        sections.whole(name).and_then(|section| Some(section.get(key)?.value.clone())).unwrap_or_default()
    }

    #[test]
    fn here_is_the_directory_of_the_file_that_wrote_it() {
        let mut sections = Sections::default();
        set(&mut sections, "DEFAULT", "d", "%(here)s/d");
        set(&mut sections, "a", "k", "%(here)s/a");
        sections.replace_here("/one");
        set(&mut sections, "b", "k", "%(here)s/b");
        set(&mut sections, "a", "l", "%(here)s/l");
        sections.replace_here("/two");
        let seen = [("a", "k"), ("a", "l"), ("a", "d"), ("b", "k"), ("b", "d")];
        let seen = seen.map(|(name, key)| value(&sections, name, key));
        assert_eq!(seen, ["/one/a", "/two/l", "/one/d", "/two/b", "/two/d"]);
        set(&mut sections, "DEFAULT", "e", "%(here)s/e");
        sections.replace_here("/three");
        assert_eq!(
            (value(&sections, "a", "e"), value(&sections, "b", "d")),
            ("/three/e".into(), "/two/d".into())
        );
    }

    #[test]
    fn sections_keep_their_order_and_their_place() {
        let mut sections = Sections::default();
        for name in ["b", "a", "b", "ab"] {
            set(&mut sections, name, name, "");
        }
        assert_eq!(
            sections.iter().map(|section| section.name.as_str()).collect::<Vec<_>>(),
            ["b", "a", "ab"]
        );
        assert_eq!(sections.whole_named("a").len(), 2);
        assert!(sections.whole("c").is_none());
    }
}
