//! The command: that it is there, that its user may execute it, and that what it names can be read.

use std::io;
use std::path::{Path, PathBuf};

use super::{Check, Program};
use crate::config::machine::Access;

/// What a shell would understand, and execve(2) hands on as it is.
const SHELL_WORDS: &[&str] =
    &["&&", "||", "|", ";", "&", ">", ">>", "<", "2>&1", "2>", "1>", "&>", ">/dev/null", "2>/dev/null"];

/// Commands that only a shell has.
const BUILTINS: &[&str] = &["cd", "source", ".", "export", "exec", "ulimit", "umask"];

/// A program that is given a script: which of its options are followed by code, and which by a value.
struct Interpreter {
    name: &'static str,
    code: &'static [&'static str],
    value: &'static [&'static str],
}

const fn interpreter(
    name: &'static str,
    code: &'static [&'static str],
    value: &'static [&'static str],
) -> Interpreter {
    Interpreter { name, code, value }
}

const INTERPRETERS: &[Interpreter] = &[
    interpreter("php", &["-r", "-R", "-B", "-E", "-S", "-a", "-i", "-v", "-m"], &["-d", "-c", "-z", "-t"]),
    interpreter("python", &["-c", "-m", "-V"], &["-W", "-X"]),
    interpreter("ruby", &["-e", "-S"], &["-I", "-r", "-C", "-E"]),
    interpreter("perl", &["-e", "-E", "-n", "-p"], &["-I"]),
    interpreter("node", &["-e", "-p", "--eval", "--print"], &["-r", "--require", "--import", "--loader"]),
    interpreter("bash", &["-c", "-s"], &["-o", "-O", "+o", "+O", "--rcfile", "--init-file"]),
    interpreter("sh", &["-c", "-s"], &["-o", "+o"]),
    interpreter("dash", &["-c", "-s"], &["-o", "+o"]),
];

impl Interpreter {
    /// By the name of a program: `/usr/bin/php8.2` is php.
    fn of(program: &Path) -> Option<&'static Self> {
        let name = program.file_name()?.to_str()?;
        let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        INTERPRETERS.iter().find(|known| known.name == name)
    }

    /// The script among the arguments, if there is one.
    fn script<'w>(&self, arguments: &'w [String]) -> Option<&'w str> {
        let mut arguments = arguments.iter().map(String::as_str);
        while let Some(word) = arguments.next() {
            match word {
                "-f" if self.name == "php" => return arguments.next(),
                "--" => return arguments.next(),
                "-" => return None,
                word if self.code.contains(&word) || self.has_code(word) => return None,
                word if self.value.contains(&word) => {
                    arguments.next();
                }
                word if word.starts_with(['-', '+']) => {}
                script => return Some(script),
            }
        }
        None
    }

    /// Bundled: `bash -lc`.
    fn has_code(&self, word: &str) -> bool {
        let is_shell = self.name.ends_with("sh");
        is_shell && word.starts_with('-') && !word.starts_with("--") && word.contains('c')
    }
}

impl Check<'_> {
    pub(super) fn command(&mut self, program: &Program<'_>) {
        let Some((file, words)) = self.runnable(program) else { return };
        if let Some(word) = words.iter().find(|word| SHELL_WORDS.contains(&word.as_str())) {
            let problem = format!("'{word}' is handed to the program as it is: no shell runs this command");
            let help = "use command=/bin/sh -c '…', with exec before the last program".to_owned();
            self.warn(program.section, "command", problem, help);
        }
        self.arguments(program, &self.home(program), &file, words.get(1..).unwrap_or_default());
    }

    /// Where a program runs.
    fn home(&self, program: &Program<'_>) -> PathBuf {
        let directory = program.spec.directory.as_ref();
        directory.map_or_else(|| self.base.clone(), |directory| self.base.join(directory))
    }

    /// The file of a command, and its words, if it can be found. That it can be executed, by its interpreter too.
    pub(super) fn runnable(&mut self, program: &Program<'_>) -> Option<(PathBuf, Vec<String>)> {
        let spec = program.spec;
        let configured = spec.environment.get("PATH").map(String::as_str);
        let directory = spec.directory.as_ref().map(|directory| self.base.join(directory));
        let ground = self.ground;
        let path = configured.or(self.own_path.as_deref()).unwrap_or_default().to_owned();
        let (file, words) = match ground.resolve(&spec.command, configured, directory.as_deref()) {
            Ok(found) => found,
            Err(problem) => {
                let help = unresolved(&spec.command, &path);
                self.error(program.section, "command", problem, help);
                return None;
            }
        };
        let file = self.home(program).join(file);
        if self.executable(program, &file, "command") {
            self.first_line(program, &file, &path);
        }
        Some((file, words))
    }

    /// Whether the program's user may execute a file.
    fn executable(&mut self, program: &Program<'_>, file: &Path, what: &str) -> bool {
        let who = &program.user;
        let Err(error) = self.may(who, file, Access::Execute) else { return true };
        let why = self.because(who, file, Access::Execute, &error);
        let problem = format!("can't execute {}{}: {why}", file.display(), who.suffix());
        let help = match error.kind() {
            io::ErrorKind::NotFound => format!("install it, or correct the {what}"),
            _ => format!("let {} execute it: chmod o+x, there and on each directory above", who.called()),
        };
        self.error(program.section, "command", problem, help);
        false
    }

    /// A file that is no machine code has a line that says what interprets it (execve(2)).
    fn first_line(&mut self, program: &Program<'_>, file: &Path, path: &str) {
        let Ok(head) = self.ground.head(file) else { return };
        let section = program.section;
        let shown = file.display();
        let Some(line) = head.strip_prefix(b"#!") else {
            let is_text = std::str::from_utf8(&head).is_ok_and(|text| !text.contains('\0'));
            if is_text {
                let problem = format!("{shown} is a text without an interpreter line");
                let help = "begin it with #!/bin/sh, or name the interpreter in the command".to_owned();
                self.error(section, "command", problem, help);
            }
            return;
        };
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        if line.ends_with('\r') {
            let problem =
                format!("the interpreter line of {shown} ends with a carriage return (DOS line ends)");
            let help = format!("convert it: sed -i 's/\\r$//' {shown}");
            return self.error(section, "command", problem, help);
        }
        // Its interpreter opens it, as everybody opens files.
        if !self.script(program, file, true) {
            return;
        }
        let mut words = line.split_whitespace();
        let Some(interpreter) = words.next().map(PathBuf::from) else { return };
        let named = format!("interpreter line of {shown}");
        if !self.executable(program, &interpreter, &named) || !interpreter.ends_with("env") {
            return;
        }
        let Some(name) = words.find(|word| !word.starts_with('-') && !word.contains('=')) else { return };
        if let Err(problem) = self.ground.resolve(name, Some(path), None) {
            let help = format!("PATH is {path}: install it, or set PATH in environment=");
            self.error(section, "command", format!("the {named}: {problem}"), help);
        }
    }

    /// Files that are named as arguments can be read; a script must be there.
    fn arguments(&mut self, program: &Program<'_>, home: &Path, file: &Path, words: &[String]) {
        let script = Interpreter::of(file).and_then(|interpreter| interpreter.script(words));
        if let Some(script) = script {
            self.script(program, &home.join(script), program.spec.directory.is_some());
        }
        for word in words.iter().filter(|word| Some(word.as_str()) != script) {
            let path = word
                .split_once('=')
                .filter(|_| word.starts_with('-'))
                .map_or(word.as_str(), |(_, path)| path);
            let is_path = path.starts_with('/') && !path.contains(char::is_whitespace) && path.len() > 1;
            if is_path && !path.starts_with("/dev") && !path.starts_with("/proc") {
                self.argument(program, Path::new(path));
            }
        }
    }

    /// Whether the program's user may read a script.
    fn script(&mut self, program: &Program<'_>, path: &Path, has_directory: bool) -> bool {
        let who = &program.user;
        let Err(error) = self.may(who, path, Access::Read) else { return true };
        let why = self.because(who, path, Access::Read, &error);
        let problem = format!("can't read script {}{}: {why}", path.display(), who.suffix());
        let help = match error.kind() {
            io::ErrorKind::NotFound if !has_directory => {
                "write its whole path, or set directory= to where it is".to_owned()
            }
            io::ErrorKind::NotFound => "correct the path, or directory=".to_owned(),
            _ => format!("let {} read it: chmod o+r, and o+x on each directory above", who.called()),
        };
        self.error(program.section, "command", problem, help);
        false
    }

    /// What is not there may be about to be made; where nothing can be made, it is a mistake.
    fn argument(&mut self, program: &Program<'_>, path: &Path) {
        let who = &program.user;
        let nothing =
            |path: &Path| self.ground.look(path).is_err_and(|e| e.kind() == io::ErrorKind::NotFound);
        if nothing(path) {
            if path.parent().is_some_and(nothing) {
                let problem = format!("argument {}: there is no such directory", path.display());
                self.warn(program.section, "command", problem, "correct the path".to_owned());
            }
            return;
        }
        if let Err(error) = self.may(who, path, Access::Read)
            && error.kind() == io::ErrorKind::PermissionDenied
        {
            let why = self.because(who, path, Access::Read, &error);
            let problem = format!("argument {} can't be read{}: {why}", path.display(), who.suffix());
            let help = format!("let {} read it: chmod o+r, and o+x on each directory above", who.called());
            self.warn(program.section, "command", problem, help);
        }
    }
}

/// What usually is wrong with a command that cannot be found.
fn unresolved(command: &str, path: &str) -> String {
    let word = command.split_whitespace().next().unwrap_or_default();
    let is_variable = word.split_once('=').is_some_and(|(name, _)| !name.is_empty() && !name.contains('/'));
    if is_variable {
        return "no shell runs this command: put variables into environment=".to_owned();
    }
    if BUILTINS.contains(&word) {
        return "no shell runs this command: use directory=, umask= and environment=, or /bin/sh -c '…'"
            .to_owned();
    }
    if word.starts_with(['~', '$']) {
        return "no shell runs this command: write the whole path, or %(ENV_X)s".to_owned();
    }
    if word.starts_with('/') {
        return "correct the path, install the program, or make it executable (chmod +x)".to_owned();
    }
    if word.contains('/') {
        return "it is looked for in directory=: write the whole path".to_owned();
    }
    format!("PATH is {path}: write the whole path of the program, or set PATH in environment=")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(command: &str) -> Option<String> {
        let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
        Interpreter::of(Path::new(&words[0]))?.script(&words[1..]).map(str::to_owned)
    }

    #[test]
    fn the_script_of_an_interpreter_is_found() {
        for (command, expected) in [
            ("/usr/bin/php8.2 -d memory_limit=1G artisan queue:work --tries=3", Some("artisan")),
            ("php -f x.php", Some("x.php")),
            ("python3.11 -u -W ignore /srv/app.py x", Some("/srv/app.py")),
            ("python3 -m http.server", None),
            ("bash -lc 'echo'", None),
            ("sh -e run.sh", Some("run.sh")),
            ("node --require ./x.js --max-old-space-size=4 app.js", Some("app.js")),
            ("/usr/bin/gunicorn app.py", None),
        ] {
            assert_eq!(script(command).as_deref(), expected, "{command}");
        }
    }
}
