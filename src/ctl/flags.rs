//! THE TABLE of what commands can be told beyond Supervisor's grammar: words with dashes, among their other words.

/// A flag.
#[derive(Debug)]
pub struct Flag {
    /// As it is written; with a `=` at its end where its value is part of the word.
    pub word: &'static str,
    /// What its value is called, if it has one.
    pub value: &'static str,
    /// The commands that take it.
    pub of: &'static [&'static str],
    /// What it does.
    pub help: &'static str,
}

/// Every flag.
pub const FLAGS: &[Flag] = &[
    Flag {
        word: "-f",
        value: "",
        of: &["logs"],
        help: "Follow them: every line as it comes (Ctrl-C to exit)",
    },
    Flag { word: "-n", value: " <lines>", of: &["logs"], help: "So many of the last lines, instead of 10" },
    Flag { word: "--json", value: "", of: &["avail", "status"], help: "The same as JSON, for programs" },
    Flag { word: "--watch", value: "", of: &["status"], help: "Show it as it changes (Ctrl-C to exit)" },
    Flag {
        word: "--wait=",
        value: "<secs>",
        of: &["restart", "shutdown", "start", "stop"],
        help: "Wait so many seconds at the most, and tell what became of it",
    },
];

/// The flags of a command.
pub fn of(command: &str) -> impl Iterator<Item = &'static Flag> {
    FLAGS.iter().filter(move |flag| flag.of.contains(&command))
}

/// What `help` says of a command beyond Supervisor's text.
#[must_use]
pub fn help(command: &str) -> String {
    of(command).map(|flag| format!("\n{command} {}{}\t\t{}", flag.word, flag.value, flag.help)).collect()
}

/// The words behind a command, with the flags among them set apart. What is no flag of this command is a name, as in
/// Supervisor.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told<'w> {
    /// All other words.
    pub(super) words: Vec<&'w str>,
    given: Vec<(&'static str, &'w str)>,
}

impl<'w> Told<'w> {
    pub(super) fn read(command: &str, words: &[&'w str]) -> Self {
        let mut told = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let found = of(command).find_map(|flag| Some((flag, word.strip_prefix(flag.word)?)));
            match found {
                Some((flag, "")) if flag.value.starts_with(' ') => {
                    told.given.push((flag.word, words.next().copied().unwrap_or_default()));
                }
                Some((flag, rest)) if rest.is_empty() || !flag.value.is_empty() => {
                    told.given.push((flag.word, rest));
                }
                _ => told.words.push(word),
            }
        }
        told
    }

    /// The value of a flag that was given; the last of several.
    pub(super) fn get(&self, word: &str) -> Option<&'w str> {
        self.given.iter().rev().find(|(given, _)| *given == word).map(|(_, value)| *value)
    }

    pub(super) fn has(&self, word: &str) -> bool {
        self.get(word).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::commands;

    #[test]
    fn flags_are_set_apart_and_all_else_is_a_name() {
        let told = Told::read("status", &["web:*", "--json", "--jso", "--json=1"]);
        assert_eq!(told.words, ["web:*", "--jso", "--json=1"]);
        assert!(told.has("--json"));
        assert_eq!(Told::read("start", &["--json"]).words, ["--json"]);
        let told = Told::read("start", &["--wait=5", "a", "--wait=", "--wait"]);
        assert_eq!((told.get("--wait="), &told.words[..]), (Some(""), &["a", "--wait"][..]));
        for words in [&["-n", "5", "a", "-f"][..], &["-f", "a", "-n5"]] {
            let told = Told::read("logs", words);
            assert_eq!((told.get("-n"), told.has("-f"), &told.words[..]), (Some("5"), true, &["a"][..]));
        }
        assert_eq!(Told::read("logs", &["a", "-n"]).get("-n"), Some(""));
    }

    #[test]
    fn every_flag_belongs_to_commands_that_there_are() {
        for flag in FLAGS {
            assert!(flag.word.starts_with('-') && !flag.of.is_empty());
            assert_eq!(flag.word.ends_with('='), !flag.value.is_empty() && !flag.value.starts_with(' '));
            assert!(flag.of.iter().all(|name| commands::find(name).is_some()), "{flag:?}");
        }
    }
}
