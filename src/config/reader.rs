//! Reads the options of one section: expands, parses, and notes every error where it stands.

use std::path::{Component, Path, PathBuf};

use super::expand::{Names, expand};
use super::load::Context;
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

    pub(super) fn fail(&mut self, key: &str, problem: String) {
        let diagnostic = self.section.problem(problem, Some(key));
        self.context.errors.push(diagnostic);
    }

    /// The value as written, expanded.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        let entry = self.section.get(key)?;
        match expand(&entry.value, &self.names, &format!("{}.{key}", self.section.name)) {
            Ok(text) => Some(text),
            Err(problem) => {
                self.fail(key, problem);
                None
            }
        }
    }

    /// The value, parsed; the default where it is not given, or wrong.
    pub(super) fn parse<T>(&mut self, key: &str, default: T, parse: impl Fn(&str) -> Result<T, String>) -> T {
        let Some(text) = self.text(key) else { return default };
        match parse(&text) {
            Ok(value) => value,
            Err(problem) => {
                self.fail(key, problem);
                default
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
        let found = match text.trim().parse::<u32>() {
            Ok(uid) => self.context.machine.user_by_id(uid).ok_or_else(|| format!("Invalid user id {text}")),
            Err(_) => {
                self.context.machine.user(text.trim()).ok_or_else(|| format!("Invalid user name {text}"))
            }
        };
        match found {
            Ok(user) => Some(UserSpec { name: text.trim().to_owned(), uid: user.uid }),
            Err(problem) => {
                self.fail(key, problem);
                None
            }
        }
    }

    /// `~` and `~user`, as in a shell.
    pub(super) fn home(&self, text: &str) -> PathBuf {
        let Some(rest) = text.strip_prefix('~') else { return PathBuf::from(text) };
        let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let environment = self.context.machine.environment();
        let home = match name {
            "" => environment.get("HOME").map(PathBuf::from),
            name => self.context.machine.user(name).map(|user| user.home),
        };
        home.map_or_else(|| PathBuf::from(text), |home| if rest.is_empty() { home } else { home.join(rest) })
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
        let directory = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        if directory.is_some_and(|dir| !self.context.machine.is_dir(&self.absolute(dir))) {
            let problem = format!("The directory named as part of the path {text} does not exist");
            self.fail(key, problem);
        }
        path
    }

    /// An existing directory; `~` expanded.
    pub(super) fn directory(&mut self, key: &str) -> Option<PathBuf> {
        let text = self.text(key)?;
        let path = self.home(&text);
        if !self.context.machine.is_dir(&self.absolute(&path)) {
            self.fail(key, format!("{text} is not an existing directory"));
        }
        Some(self.absolute(&path))
    }

    /// Made absolute against the current directory, `..` collapsed in the text.
    pub(super) fn absolute(&self, path: &Path) -> PathBuf {
        let mut clean = PathBuf::new();
        for part in self.context.machine.current_dir().join(path).components() {
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
}
