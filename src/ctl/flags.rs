//! THE TABLE of what commands can be told beyond Supervisor's grammar: words with two dashes, among their other words.

/// A flag.
#[derive(Debug)]
pub struct Flag {
    /// As it is written; with a `=` at its end where a value follows.
    pub word: &'static str,
    /// What its value is called.
    pub value: &'static str,
    /// The commands that take it.
    pub of: &'static [&'static str],
    /// What it does.
    pub help: &'static str,
}

/// Every flag.
pub const FLAGS: &[Flag] = &[
    Flag { word: "--json", value: "", of: &["avail", "status"], help: "The same as JSON, for programs" },
    Flag {
        word: "--wait=",
        value: "<secs>",
        of: &["restart", "start", "stop"],
        help: "Wait so many seconds at the most, and tell what became of each process",
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
        for word in words {
            let split = |flag: &'static Flag| match flag.word.strip_suffix('=') {
                Some(_) => word.strip_prefix(flag.word).map(|value| (flag.word, value)),
                None => (*word == flag.word).then_some((flag.word, "")),
            };
            match of(command).find_map(split) {
                Some(given) => told.given.push(given),
                None => told.words.push(word),
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
    }

    #[test]
    fn every_flag_belongs_to_commands_that_there_are() {
        for flag in FLAGS {
            assert!(flag.word.starts_with("--") && !flag.of.is_empty());
            assert_eq!(flag.word.ends_with('='), !flag.value.is_empty());
            assert!(flag.of.iter().all(|name| commands::find(name).is_some()), "{flag:?}");
        }
    }
}
