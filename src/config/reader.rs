//! Reads the options of one section: expands, parses, and notes every error where it stands.

use std::path::{Component, Path, PathBuf};

use super::expand::{Names, expand};
use super::load::{Context, NUL};
use super::machine::User;
use super::section::Section;
use super::spec::UserSpec;
use super::value;

pub(super) struct Reader<'r, 'm> {
    pub(super) context: &'r mut Context<'m>,
    pub(super) section: &'r Section,
    pub(super) names: Names,
}

impl<'r, 'm> Reader<'r, 'm> {
    pub(super) fn new(context: &'r mut Context<'m>, section: &'r Section) -> Self {
        let names = context.names.clone();
        Self { context, section, names }
    }

    /// For options in which even `%(here)s` means nothing.
    pub(super) fn without_here(context: &'r mut Context<'m>, section: &'r Section) -> Self {
        let mut reader = Self::new(context, section);
        reader.names.remove("here");
        reader
    }

    /// Notes an error; of an option that is read twice, once.
    pub(super) fn fail(&mut self, key: &str, problem: String) {
        let diagnostic = self.section.problem(problem, Some(key));
        let mut of_section =
            self.context.errors.iter().rev().take_while(|told| told.section == diagnostic.section);
        if !of_section.any(|told| *told == diagnostic) {
            self.context.errors.push(diagnostic);
        }
    }

    /// The name behind the prefix of the section's.
    pub(super) fn name(&mut self, prefix: &str) -> Option<String> {
        let name = value::name(&self.section.name[prefix.len()..]);
        name.map_err(|problem| self.context.errors.push(self.section.problem(problem, None))).ok()
    }

    /// The value as written, expanded.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        let entry = self.section.get(key)?;
        self.expanded(key, &entry.value, &format!("{}.{key}", self.section.name))
    }

    /// A text of an option, expanded; `what` names it in the error.
    pub(super) fn expanded(&mut self, key: &str, text: &str, what: &str) -> Option<String> {
        match expand(text, &self.names, what) {
            Ok(text) if !text.contains('\0') => Some(text),
            Ok(_) => {
                self.fail(key, NUL.to_owned());
                None
            }
            Err(problem) => {
                self.fail(key, problem);
                None
            }
        }
    }

    /// The value, parsed; the default where it is not given, or wrong.
    pub(super) fn parse<T>(&mut self, key: &str, default: T, parse: impl Fn(&str) -> Result<T, String>) -> T {
        self.parsed(key, parse).unwrap_or(default)
    }

    /// The value, parsed; `None` where it is not given, or wrong.
    pub(super) fn parsed<T>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(key)?;
        self.good(key, parse(&text))
    }

    /// What was found out about an option, or a note of why not.
    pub(super) fn good<T>(&mut self, key: &str, found: Result<T, String>) -> Option<T> {
        match found {
            Ok(value) => Some(value),
            Err(problem) => {
                self.fail(key, problem);
                None
            }
        }
    }

    pub(super) fn integer(&mut self, key: &str, default: i64) -> i64 {
        self.parse(key, default, value::integer)
    }

    pub(super) fn boolean(&mut self, key: &str, default: bool) -> bool {
        self.parse(key, default, value::boolean)
    }

    pub(super) fn bytes(&mut self, key: &str, default: i64) -> i64 {
        self.parse(key, default, value::byte_size)
    }

    /// A user by name or number.
    pub(super) fn user(&mut self, key: &str) -> Option<UserSpec> {
        let text = self.text(key)?;
        let uid = value::user(self.context.machine, &text);
        self.good(key, uid).map(|uid| UserSpec { name: text.trim().to_owned(), uid })
    }

    /// `~` and `~user`, as in a shell.
    pub(super) fn home(&self, text: &str) -> String {
        let Some(rest) = text.strip_prefix('~') else { return text.to_owned() };
        let (name, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let machine = self.context.machine;
        let home = |user: User| user.home.display().to_string();
        let home = match name {
            "" => {
                let told = machine.environment().remove("HOME");
                told.or_else(|| machine.user_by_id(machine.own_uid()).map(home))
            }
            name => machine.user(name).map(home),
        };
        let Some(home) = home else { return text.to_owned() };
        let path = format!("{}{rest}", home.trim_end_matches('/'));
        if path.is_empty() { "/".to_owned() } else { path }
    }

    /// A path whose directory exists; `~` expanded, made absolute.
    pub(super) fn file(&mut self, key: &str, default: &str) -> PathBuf {
        let text = self.text(key).unwrap_or_else(|| default.to_owned());
        let path = self.checked_file(key, &text);
        self.absolute(&path)
    }

    /// A path whose directory exists; `~` expanded.
    pub(super) fn checked_file(&mut self, key: &str, text: &str) -> PathBuf {
        let path = self.home(text);
        let directory = path.rfind('/').map(|end| &path[..=end]);
        if directory.is_some_and(|directory| !self.is_dir(directory)) {
            let problem = format!("The directory named as part of the path {text} does not exist");
            self.fail(key, problem);
        }
        PathBuf::from(path)
    }

    /// An existing directory; `~` expanded, made absolute.
    pub(super) fn directory(&mut self, key: &str) -> Option<PathBuf> {
        let text = self.text(key)?;
        let path = self.home(&text);
        if !self.is_dir(&path) {
            self.fail(key, format!("{text} is not an existing directory"));
        }
        Some(self.absolute(Path::new(&path)))
    }

    fn is_dir(&self, path: &str) -> bool {
        !path.is_empty() && self.context.machine.is_dir(&self.context.machine.current_dir().join(path))
    }

    /// Made absolute against the current directory, `..` collapsed in the text.
    pub(super) fn absolute(&self, path: &Path) -> PathBuf {
        absolute(&self.context.machine.current_dir(), path)
    }
}

/// Made absolute against a directory, `..` collapsed in the text.
pub(super) fn absolute(base: &Path, path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in base.join(path).components() {
        match part {
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir => {}
            part => clean.push(part),
        }
    }
    clean
}
