//! Files and globs → a [`Loaded`] configuration. Collects every error, not the first.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::{Diagnostic, LoadError, Severity, glimpse};
use super::expand::{Names, Value, expand};
use super::ini;
use super::machine::{MOST_FILES, Machine};
use super::options;
use super::reader;
use super::remedy::remedy;
use super::section::Section;
use super::sections::Sections;
use super::spec::{CtlSpec, DaemonSpec, GroupSpec};
use super::{daemon, program};
use crate::api::ProcessName;

/// A configuration that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// `[supervisord]` and the servers.
    pub daemon: DaemonSpec,
    /// What should run, by (priority, name).
    pub groups: Vec<GroupSpec>,
    /// What is odd.
    pub warnings: Vec<Diagnostic>,
    /// What the main log says at INFO.
    pub infos: Vec<String>,
    /// Where it stands.
    pub origins: Origins,
}

/// Which section each process came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    sections: BTreeMap<String, Section>,
    of: BTreeMap<ProcessName, String>,
}

impl Origins {
    pub(super) fn section(&self, name: &str) -> Option<&Section> {
        self.sections.get(name)
    }

    pub(super) fn section_of(&self, process: &ProcessName) -> Option<&Section> {
        self.section(self.of.get(process)?)
    }
}

/// The kernel takes none in an argument, a variable or a path. Where one is in a file, the file was damaged.
pub(super) const NUL: &str = "there is a NUL character here";

/// The file of a [`Diagnostic`] about the command line.
pub const COMMAND_LINE: &str = "command line";

/// What the command line says in place of `[supervisord]`, by option name.
pub type Overrides = BTreeMap<String, String>;

/// Sections of all files, and what every value can name.
pub(super) struct Context<'a> {
    pub(super) machine: &'a dyn Machine,
    pub(super) file: PathBuf,
    pub(super) names: Names,
    sections: Sections,
    pub(super) errors: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
    pub(super) infos: Vec<String>,
    origins: BTreeMap<ProcessName, String>,
}

/// Where a configuration is looked for without `-c` (Supervisor 4.3 `options.py`, `default_configfile`).
#[must_use]
pub fn search_paths(argv0: &str) -> Vec<PathBuf> {
    let parent = |path: &Path| path.parent().map(Path::to_path_buf).unwrap_or_default();
    let prefix = parent(&parent(Path::new(argv0)));
    let mut paths = vec![prefix.join("etc/supervisord.conf"), prefix.join("supervisord.conf")];
    let fixed = [
        "supervisord.conf",
        "etc/supervisord.conf",
        "/etc/supervisord.conf",
        "/etc/supervisor/supervisord.conf",
    ];
    paths.extend(fixed.map(PathBuf::from));
    paths
}

/// Reads a configuration and everything that it includes.
///
/// # Errors
/// Every problem of every file.
pub fn load(machine: &dyn Machine, path: &Path, overrides: &Overrides) -> Result<Loaded, LoadError> {
    match survey(machine, path, overrides) {
        (Some(loaded), errors) if errors.is_empty() => Ok(loaded),
        (_, errors) => Err(LoadError(errors)),
    }
}

/// Reads a configuration as far as it can be read, with every problem of every file; nothing where a file is broken.
/// What a problem is about has some value or other.
#[must_use]
pub fn survey(
    machine: &dyn Machine,
    path: &Path,
    overrides: &Overrides,
) -> (Option<Loaded>, Vec<Diagnostic>) {
    let mut context = match Context::open(machine, path) {
        Ok(context) => context,
        Err(error) => return (None, error.0),
    };
    context.include();
    if !context.errors.is_empty() {
        return (None, context.errors);
    }
    context.warnings.extend(options::unknown_names(context.sections.iter()));
    let daemon = daemon::read(&mut context, overrides);
    let groups = program::read(&mut context, &daemon);
    let sections = context.sections_named("").into_iter();
    let sections = sections.map(|section| (section.name.clone(), section)).collect();
    let origins = Origins { sections, of: context.origins };
    let loaded = Loaded { daemon, groups, warnings: context.warnings, infos: context.infos, origins };
    (Some(loaded), context.errors)
}

/// Reads `[supervisorctl]`, of the main file alone, and finds the plugins that cannot be loaded.
///
/// # Errors
/// Every problem of the section.
pub fn load_ctl(machine: &dyn Machine, path: &Path) -> Result<(CtlSpec, Vec<Diagnostic>), LoadError> {
    let mut context = Context::open(machine, path)?;
    let spec = daemon::read_ctl(&mut context);
    // What is odd about the other sections is the daemon's to tell.
    context.warnings.clear();
    daemon::plugins(&mut context);
    if context.errors.is_empty() { Ok((spec, context.warnings)) } else { Err(LoadError(context.errors)) }
}

impl<'a> Context<'a> {
    fn open(machine: &'a dyn Machine, path: &Path) -> Result<Self, LoadError> {
        let file = machine.current_dir().join(path);
        let here = directory_of(machine, &file);
        let environment = machine.environment();
        let mut names: Names = environment
            .into_iter()
            .map(|(name, value)| (format!("ENV_{name}"), Value::Text(value)))
            .collect();
        names.insert("here".into(), Value::Text(here));
        let mut context = Self {
            machine,
            file: file.clone(),
            names,
            sections: Sections::default(),
            errors: Vec::new(),
            warnings: Vec::new(),
            infos: Vec::new(),
            origins: BTreeMap::new(),
        };
        context.read_file(&file);
        if context.errors.is_empty() { Ok(context) } else { Err(LoadError(context.errors)) }
    }

    fn problem(&mut self, file: &Path, line: Option<usize>, problem: String, source: Option<String>) {
        let file = file.to_path_buf();
        let help = remedy("", "", &problem);
        let severity = Severity::Error;
        self.errors.push(Diagnostic {
            verbatim: false,
            severity,
            file,
            line,
            section: None,
            option: None,
            problem,
            help,
            source,
        });
    }

    /// Notes where a process came from.
    pub(super) fn came_from(&mut self, process: ProcessName, section: &str) {
        self.origins.insert(process, section.to_owned());
    }

    /// Notes what is odd; what is the same for every process of a program, once.
    pub(super) fn warn_once(&mut self, warning: Diagnostic) {
        // What is told of one section is told in a row.
        let mut of_section = self.warnings.iter().rev().take_while(|told| told.section == warning.section);
        if !of_section.any(|told| *told == warning) {
            self.warnings.push(warning);
        }
    }

    /// Reads the main file.
    fn read_file(&mut self, file: &Path) {
        match self.machine.read(file) {
            Ok(bytes) => self.add(file, &bytes),
            Err(error) => {
                let problem = format!("could not read config file {}: {error}", file.display());
                self.problem(file, None, problem, None);
            }
        }
    }

    /// Reads a file that the main file includes. One that cannot be read is left out, as by Supervisor, but not in silence.
    fn read_included(&mut self, file: &Path, include: &Section) {
        match self.machine.read(file) {
            Ok(bytes) => self.add(file, &bytes),
            Err(error) => {
                let problem = format!("{} cannot be read, and is left out: {error}", file.display());
                let mut warning = include.warning(problem, Some("files"));
                warning.help = Some("let supervisord read it, or take it out of the way".to_owned());
                self.warnings.push(warning);
            }
        }
    }

    /// Merges a file into what was read: of equal sections and keys the later counts.
    fn add(&mut self, file: &Path, bytes: &[u8]) {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
                let problem = format!("this line is not UTF-8 (byte {} of the file)", error.valid_up_to());
                let raw = bytes.split(|byte| *byte == b'\n').nth(line - 1).unwrap_or_default();
                let source = glimpse(&String::from_utf8_lossy(raw)).into_owned();
                return self.problem(file, Some(line), problem, Some(source));
            }
        };
        match ini::read(text) {
            Err(bad) => {
                for bad in bad {
                    let source = glimpse(&bad.text).into_owned();
                    self.problem(file, Some(bad.line), bad.problem.to_owned(), Some(source));
                }
            }
            Ok(raw) => {
                for section in raw {
                    self.merge(file, section);
                }
            }
        }
    }

    fn merge(&mut self, file: &Path, raw: ini::RawSection) {
        let section = self.sections.open(&raw.name, file, raw.line);
        if raw.name.contains('\0') {
            self.errors.push(section.problem(NUL.to_owned(), None));
        }
        for entry in raw.entries {
            let (key, value) = (entry.key.clone(), entry.value.clone());
            let before = section.set(file, entry);
            if key.contains('\0') || value.contains('\0') {
                self.errors.push(section.problem(NUL.to_owned(), Some(&key)));
            }
            if let Some(before) = before.filter(|before| before.value != value) {
                let problem = format!("the option '{}' was given before", glimpse(&key));
                let mut warning = section.warning(problem, Some(&key));
                let (there, at) = (before.file.display(), before.line);
                warning.help = Some(format!("this value counts, and not the one in line {at} of {there}"));
                self.warnings.push(warning);
            }
        }
    }

    /// Takes a section out, `[DEFAULT]` mixed in.
    pub(super) fn section(&self, name: &str) -> Option<Section> {
        self.sections.whole(name)
    }

    /// The sections whose names start so, in order.
    pub(super) fn sections_named(&self, prefix: &str) -> Vec<Section> {
        self.sections.whole_named(prefix)
    }

    fn include(&mut self) {
        if self.section("include").is_none() {
            return;
        }
        self.replace_here(&self.file.clone());
        let Some(section) = self.section("include") else { return };
        let Some(files) = section.get("files") else {
            let problem = ".ini file has [include] section, but no files setting".to_owned();
            return self.errors.push(section.problem(problem, None));
        };
        let mut names = self.names.clone();
        names.insert("host_node_name".into(), Value::Text(self.machine.host_name()));
        let files = match expand(&files.value, &names, "include.files") {
            Ok(files) => files,
            Err(problem) => return self.errors.push(section.problem(problem, Some("files"))),
        };
        let base = self.file.parent().map(Path::to_path_buf).unwrap_or_default();
        for word in files.split_whitespace() {
            let pattern = base.join(word).display().to_string();
            let found = self.machine.glob(&pattern);
            if found.len() > MOST_FILES {
                let problem = format!("more than {MOST_FILES} files match \"{}\"", glimpse(&pattern));
                return self.errors.push(section.problem(problem, Some("files")));
            }
            if found.is_empty() {
                let problem = format!("No file matches via include \"{pattern}\"");
                self.warnings.push(section.warning_of_theirs(problem, "files"));
            }
            for file in found {
                self.infos.push(format!("Included extra file \"{}\" during parsing", file.display()));
                if self.machine.is_dir(&file) {
                    continue;
                }
                self.read_included(&file, &section);
                self.replace_here(&file);
            }
        }
    }

    fn replace_here(&mut self, file: &Path) {
        self.sections.replace_here(&directory_of(self.machine, file));
    }
}

/// The absolute directory of a file.
fn directory_of(machine: &dyn Machine, file: &Path) -> String {
    let file = reader::absolute(&machine.current_dir(), file);
    file.parent().map(|dir| dir.display().to_string()).unwrap_or_default()
}
