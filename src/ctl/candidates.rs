//! What the word under the cursor can become.

use super::client::Rpc;
use super::commands::{COMMANDS, Words, find};
use super::session::{field, items};

/// What ends a word: readline's characters without those that names have.
const DELIMITERS: &str = " \t\n`~!@#$%^&()=+[{]}\\|;'\",<>/?";

/// Group and name of a process.
pub type Named = (String, String);

/// The processes of a daemon, asked for when they are first wanted.
pub struct Names {
    rpc: Box<dyn Rpc>,
    known: Option<Vec<Named>>,
}

impl Names {
    /// The processes of this daemon.
    #[must_use]
    pub fn of(rpc: Box<dyn Rpc>) -> Self {
        Self { rpc, known: None }
    }

    /// Their names; none where the daemon does not answer.
    pub fn get(&mut self) -> Vec<Named> {
        let known = self.known.get_or_insert_with(|| {
            let infos =
                self.rpc.call("supervisor.getAllProcessInfo", Vec::new()).map(items).unwrap_or_default();
            infos
                .iter()
                .map(|info| (field(info, "group").to_owned(), field(info, "name").to_owned()))
                .collect()
        });
        known.clone()
    }
}

/// Where the word before the cursor starts, and what it can become; the daemon is asked for names only where they are wanted.
pub fn candidates(line: &str, cursor: usize, names: impl FnOnce() -> Vec<Named>) -> (usize, Vec<String>) {
    let before = &line[..cursor];
    let start = before.rfind(|c| DELIMITERS.contains(c)).map_or(0, |at| at + 1);
    let text = &before[start..];
    let words: Vec<&str> = before.split_whitespace().collect();
    // The words before the one that is being written.
    let earlier = if before.ends_with(char::is_whitespace) {
        &words[..]
    } else {
        words.split_last().map_or(&[][..], |(_, rest)| rest)
    };
    let all = match earlier {
        [] => commands(),
        [command, behind @ ..] => match find(command).map(|command| command.words) {
            Some(Words::Topic) => commands(),
            Some(Words::Groups) => groups(&names()),
            Some(Words::Log) if channel_is_next(behind) => vec!["stdout".to_owned(), "stderr".to_owned()],
            Some(Words::Processes | Words::SignalAndProcesses | Words::Log) => processes(text, &names()),
            Some(Words::Nothing | Words::MainLog) | None => Vec::new(),
        },
    };
    let mut fitting: Vec<String> = all.into_iter().filter(|word| word.starts_with(text)).collect();
    fitting.sort();
    fitting.dedup();
    (start, fitting)
}

fn commands() -> Vec<String> {
    COMMANDS.iter().map(|command| command.name.to_owned()).collect()
}

fn groups(names: &[Named]) -> Vec<String> {
    names.iter().map(|(group, _)| group.clone()).collect()
}

/// Behind the name of the process whose log it is.
fn channel_is_next(behind: &[&str]) -> bool {
    behind.iter().filter(|word| !word.starts_with('-')).count() == 1
}

/// `group:name` and `group:*` where the two differ, or where the word has a colon; else the name.
fn processes(text: &str, names: &[Named]) -> Vec<String> {
    let mut all = Vec::new();
    for (group, name) in names {
        if text.contains(':') || group != name {
            all.push(format!("{group}:{name}"));
            all.push(format!("{group}:*"));
        } else {
            all.push(name.clone());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(line: &str) -> (usize, Vec<String>) {
        let names =
            || [("web", "one"), ("web", "two"), ("cat", "cat")].map(|(g, n)| (g.to_owned(), n.to_owned()));
        candidates(line, line.len(), || names().to_vec())
    }

    #[track_caller]
    fn becomes(line: &str, start: usize, words: &[&str]) {
        let (at, found) = completed(line);
        assert_eq!(
            (at, found.iter().map(String::as_str).collect::<Vec<_>>()),
            (start, words.to_vec()),
            "{line:?}"
        );
    }

    #[test]
    fn commands_stand_first() {
        becomes("st", 0, &["start", "status", "stop"]);
        becomes("sta", 0, &["start", "status"]);
        becomes("help re", 5, &["reexec", "reload", "remove", "reread", "restart"]);
        becomes("bogus ", 6, &[]);
        becomes("version ", 8, &[]);
        assert!(completed("").1.len() > 20);
    }

    #[test]
    fn names_stand_behind_commands_that_take_them() {
        becomes("stop ", 5, &["cat", "web:*", "web:one", "web:two"]);
        becomes("stop w", 5, &["web:*", "web:one", "web:two"]);
        becomes("stop cat web:t", 9, &["web:two"]);
        becomes("status cat:", 7, &["cat:*", "cat:cat"]);
        becomes("update ", 7, &["cat", "web"]);
        becomes("signal HUP c", 11, &["cat"]);
        becomes("tail -f c", 8, &["cat"]);
        becomes("tail -f cat std", 12, &["stderr", "stdout"]);
    }

    #[test]
    fn what_stands_behind_the_cursor_does_not_count() {
        let none = || -> Vec<Named> { panic!("nobody wants names") };
        assert_eq!(candidates("sto web", 3, none), (0, vec!["stop".to_owned()]));
    }
}
