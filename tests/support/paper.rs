//! Configurations on paper: written, read by either subject, and never run.

use serde_json::Value as Json;

use super::home::{Home, Subject};
use super::pattern::assert_like;
use super::reading::{Place, Reader, Reading, Reason};

/// A directory in which configurations are written and read.
pub struct Paper {
    /// The directory.
    pub home: Home,
    place: Place,
}

impl Paper {
    /// A directory, and an environment that is always the same.
    pub fn new(subject: Subject) -> Self {
        let home = Home::new(subject);
        let dir = home.dir().to_str().unwrap();
        let variables = [("HOME", dir), ("TMPDIR", dir), ("X", "ex"), ("Q", "a b"), ("P", "50%"), ("N", "7")];
        let environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let place = Place { directory: home.dir().to_path_buf(), environment };
        Self { home, place }
    }

    /// What a configuration means to supervisord, whose path is `<DIR>/supervisord.conf`.
    pub fn read(&self, text: impl AsRef<[u8]>) -> Reading {
        self.read_by(Reader::Daemon, text)
    }

    /// What a configuration means to supervisord or supervisorctl.
    pub fn read_by(&self, reader: Reader, text: impl AsRef<[u8]>) -> Reading {
        self.home.write("supervisord.conf", text);
        match self.place.read_as(self.home.subject, reader, "supervisord.conf") {
            Reading::Settings(settings) => {
                let text = self.home.neutral(settings.to_string().as_bytes());
                Reading::Settings(serde_json::from_str(&text).unwrap())
            }
            Reading::Refused(reasons) => {
                let neutral = |text: String| self.home.neutral(text.as_bytes());
                let reasons = reasons.into_iter().map(|Reason { words, place }| Reason {
                    words: neutral(words),
                    place: place.map(|(section, file)| (section, neutral(file))),
                });
                Reading::Refused(reasons.collect())
            }
        }
    }

    /// What a configuration means, which is good.
    #[track_caller]
    pub fn settings(&self, text: &str) -> Json {
        settings(text, self.read(text))
    }

    /// What `[supervisorctl]` means, which is good.
    #[track_caller]
    pub fn client(&self, text: &str) -> Json {
        settings(text, self.read_by(Reader::Client, text))
    }

    /// What a value of a configuration is, by its place: `/supervisord/minfds`.
    #[track_caller]
    pub fn means(&self, text: &str, place: &str, expected: impl Into<Json>) {
        let settings = self.settings(text);
        assert_eq!(settings.pointer(place), Some(&expected.into()), "{place} of {text:?}: {settings:#}");
    }

    /// The first process of `[program:x]` with these options; `command=x` unless they say otherwise.
    #[track_caller]
    pub fn program(&self, options: &str) -> Json {
        let text = program(options);
        self.settings(&text)["groups"][0]["processes"][0].take()
    }

    /// What an option of `[program:x]` is with these options, by its place: `/stdout/logfile`.
    #[track_caller]
    pub fn program_has(&self, options: &str, place: &str, expected: impl Into<Json>) {
        let program = self.program(options);
        assert_eq!(program.pointer(place), Some(&expected.into()), "{place} with {options:?}: {program:#}");
    }

    /// What an option of `[supervisord]` is with these options.
    #[track_caller]
    pub fn daemon_has(&self, options: &str, name: &str, expected: impl Into<Json>) {
        self.means(&format!("[supervisord]\n{options}\n"), &format!("/supervisord/{name}"), expected);
    }

    /// Why a configuration is refused: the words, which may have places as in `pattern`.
    #[track_caller]
    pub fn refuses(&self, text: impl AsRef<[u8]>, words: &str) {
        let shown = String::from_utf8_lossy(text.as_ref()).into_owned();
        one_of(&shown, &self.read(text), words);
    }

    /// Why `[program:x]` with these options is refused.
    #[track_caller]
    pub fn program_refuses(&self, options: &str, words: &str) {
        self.refuses(program(options), words);
    }

    /// Why `[supervisord]` with these options is refused.
    #[track_caller]
    pub fn daemon_refuses(&self, options: &str, words: &str) {
        self.refuses(format!("[supervisord]\n{options}\n"), words);
    }

    /// Why `[supervisorctl]` with these options is refused.
    #[track_caller]
    pub fn client_refuses(&self, text: &str, words: &str) {
        one_of(text, &self.read_by(Reader::Client, text), words);
    }
}

fn program(options: &str) -> String {
    let command = if options.starts_with("command") { "" } else { "command=x\n" };
    format!("[supervisord]\n[program:x]\n{command}{options}\n")
}

#[track_caller]
fn settings(text: &str, reading: Reading) -> Json {
    match reading {
        Reading::Settings(settings) => settings,
        Reading::Refused(reasons) => panic!("{text:?} is refused: {reasons:#?}"),
    }
}

/// Of several reasons theirs tells the first; ours tells all.
#[track_caller]
fn one_of(text: &str, reading: &Reading, words: &str) {
    let Reading::Refused(reasons) = reading else { panic!("{text:?} is accepted: {reading:#?}") };
    let found = reasons.iter().any(|reason| super::pattern::is_like(&reason.words, words));
    let told: Vec<&str> = reasons.iter().map(|reason| reason.words.as_str()).collect();
    if !found {
        assert_like(&told.join("\n"), words, &format!("why {text:?} is refused"));
    }
}
