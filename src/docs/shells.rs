//! Completions: scripts (`shells/`) around what the tables say.

use crate::api::Signal;
use crate::cli::{self, Opt};
use crate::ctl::commands::{COMMANDS, Command, Words};
use crate::ctl::flags;

/// A program whose words are completed.
#[derive(Clone, Copy)]
pub struct Program {
    pub name: &'static str,
    pub options: &'static [Opt],
    pub commands: &'static [Command],
}

pub const SUPERVISORD: Program = Program { name: "supervisord", options: cli::SUPERVISORD, commands: &[] };
pub const SUPERVISORCTL: Program =
    Program { name: "supervisorctl", options: cli::SUPERVISORCTL, commands: COMMANDS };

/// What the value of an option may be.
enum Value {
    File,
    Directory,
    User,
    Word(&'static str),
    Text,
}

/// The value of an option, by the name that its help gives it.
fn value(option: &Opt) -> Option<Value> {
    option.value.map(|name| match name {
        "FILENAME" => Value::File,
        "DIRECTORY" => Value::Directory,
        "USER" => Value::User,
        "LEVEL" => Value::Word("critical error warn info debug trace blather"),
        "FORMAT" => Value::Word("text json"),
        _ => Value::Text,
    })
}

/// The script for bash.
pub fn bash(program: Program) -> String {
    let Program { name, options, commands } = program;
    let values = options.iter().filter_map(|option| {
        let how = match value(option)? {
            Value::File => format!("_{name}_compgen -f"),
            Value::Directory => format!("_{name}_compgen -d"),
            Value::User => format!("_{name}_compgen -u"),
            Value::Word(words) => format!("_{name}_add {words}"),
            Value::Text => return None,
        };
        Some(format!("        {}) {how} ;;", spellings(option).join(" | ")))
    });
    let arguments = commands.iter().filter_map(|command| {
        let flags: Vec<&str> = flags::of(command.name).map(|flag| flag.word).collect();
        let flags =
            (!flags.is_empty()).then(|| format!("[[ $cur != -* ]] || _{name}_add {}", flags.join(" ")));
        alternatives(command, [flags, bash_words(name, command.words)]).map(|how| format!("        {how}"))
    });
    let all_options: Vec<String> = options.iter().flat_map(spellings).collect();
    let names: Vec<&str> = commands.iter().map(|command| command.name).collect();
    filled(include_str!("shells/supervisor.bash"), program)
        .replace("@BASH_VALUES@", &lines(values))
        .replace("@BASH_ARGUMENTS@", &lines(arguments))
        .replace("@OPTIONS@", &all_options.join(" "))
        .replace("@COMMANDS@", &names.join(" "))
}

fn bash_words(name: &str, words: Words) -> Option<String> {
    Some(match words {
        Words::Nothing => return None,
        Words::Topic => format!("[[ $2 != 0 ]] || _{name}_add {}", command_names()),
        Words::Processes => format!("_{name}_names targets"),
        Words::Groups => format!("_{name}_names groups"),
        Words::SignalAndProcesses => {
            format!("if [[ $2 == 0 ]]; then _{name}_add {}; else _{name}_names targets; fi", signals())
        }
        Words::Log => {
            format!(
                "case $cur in -*) _{name}_add -f ;; *) _{name}_names processes; [[ $2 == 0 ]] || _{name}_add stdout stderr ;; esac"
            )
        }
        Words::MainLog => format!("_{name}_add -f"),
    })
}

/// The script for zsh.
pub fn zsh(program: Program) -> String {
    let Program { name, options, commands } = program;
    let words = ["'1:command:->command'", "'*::argument:->argument'"].map(|word| format!("        {word}"));
    let words = words.into_iter().filter(|_| !commands.is_empty());
    let rows: Vec<String> = options.iter().map(zsh_option).chain(words).collect();
    let summaries = commands.iter().map(|command| {
        format!("        '{}:{}'", command.name, quoted(&summary(command)).replace(':', "\\:"))
    });
    let arguments = commands.iter().filter_map(|command| {
        let (valued, plain): (Vec<_>, Vec<_>) =
            flags::of(command.name).map(|flag| flag.word).partition(|word| word.ends_with('='));
        let add = |how: &str, words: Vec<&str>| {
            (!words.is_empty()).then(|| format!("compadd {how}-- {}", words.join(" ")))
        };
        let all = [add("", plain), add("-S '' ", valued), zsh_words(name, command.words)];
        alternatives(command, all).map(|how| format!("                ({how}"))
    });
    filled(include_str!("shells/supervisor.zsh"), program)
        .replace("@ZSH_OPTIONS@", &rows.join(" \\\n"))
        .replace("@ZSH_COMMANDS@", &lines(summaries))
        .replace("@ZSH_ARGUMENTS@", &lines(arguments))
}

fn zsh_words(name: &str, words: Words) -> Option<String> {
    Some(match words {
        Words::Nothing => return None,
        Words::Topic => format!("((CURRENT > 2)) || compadd -- {}", command_names()),
        Words::Processes => format!("_{name}_names targets"),
        Words::Groups => format!("_{name}_names groups"),
        Words::SignalAndProcesses => {
            format!("if ((CURRENT == 2)); then compadd -- {}; else _{name}_names targets; fi", signals())
        }
        Words::Log => {
            format!("compadd -- -f; _{name}_names processes; ((CURRENT == 2)) || compadd -- stdout stderr")
        }
        Words::MainLog => "compadd -- -f".to_owned(),
    })
}

/// A branch of a `case`, of bash and zsh.
fn alternatives(command: &Command, hows: impl IntoIterator<Item = Option<String>>) -> Option<String> {
    let hows: Vec<String> = hows.into_iter().flatten().collect();
    (!hows.is_empty()).then(|| format!("{}) {} ;;", command.name, hows.join("; ")))
}

/// `'(-c --configuration)'{-c+,--configuration=}'[help]:FILENAME:_files'`
fn zsh_option(option: &Opt) -> String {
    let (short_end, long_end) = if option.value.is_some() { ("+", "=") } else { ("", "") };
    let help = quoted(option.help).replace('[', "\\[").replace(']', "\\]").replace(':', "\\:");
    let action = value(option).map(|value| match value {
        Value::File => "_files".to_owned(),
        Value::Directory => "_files -/".to_owned(),
        Value::User => "_users".to_owned(),
        Value::Word(words) => format!("({words})"),
        Value::Text => " ".to_owned(),
    });
    let value = match (option.value, action) {
        (Some(name), Some(action)) => format!(":{name}:{action}"),
        _ => String::new(),
    };
    let long = option.long;
    match option.short {
        Some(short) => {
            format!(
                "        '(-{short} --{long})'{{-{short}{short_end},--{long}{long_end}}}'[{help}]{value}'"
            )
        }
        None => format!("        '--{long}{long_end}[{help}]{value}'"),
    }
}

/// The script for fish.
pub fn fish(program: Program) -> String {
    let Program { name, options, commands } = program;
    let valued = valued(options).map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    let attached: Vec<String> = shorts(options).chars().map(|short| format!("'-{short}?*'")).collect();
    let at_options =
        if commands.is_empty() { String::new() } else { format!(" -n 'not __{name}_words >/dev/null'") };
    let option_rows = options.iter().map(|option| {
        let short = option.short.map(|short| format!(" -s {short}")).unwrap_or_default();
        let how = match value(option) {
            None => String::new(),
            Some(Value::File) => " -rF".to_owned(),
            Some(Value::Directory) => " -xa '(__fish_complete_directories)'".to_owned(),
            Some(Value::User) => " -xa '(__fish_complete_users)'".to_owned(),
            Some(Value::Word(words)) => format!(" -xa '{words}'"),
            Some(Value::Text) => " -x".to_owned(),
        };
        format!(
            "complete -c {name}{at_options}{short} -l {}{how} -d '{}'",
            option.long,
            fish_quoted(option.help)
        )
    });
    let command_rows = commands.iter().map(|command| {
        let does = fish_quoted(&summary(command));
        format!("complete -c {name} -n 'not __{name}_words >/dev/null' -a {} -d '{does}'", command.name)
    });
    let argument_rows = commands.iter().flat_map(|command| fish_words(name, command));
    filled(include_str!("shells/supervisor.fish"), program)
        .replace("@FISH_VALUED@", &valued)
        .replace("@FISH_ATTACHED@", &attached.join(" "))
        .replace("@FISH_OPTIONS@", &lines(option_rows))
        .replace("@FISH_COMMANDS@", &lines(command_rows))
        .replace("@FISH_ARGUMENTS@", &lines(argument_rows))
}

fn fish_words(name: &str, command: &Command) -> Vec<String> {
    let when = |more: &str| format!("complete -c {name} -n '__{name}_is {}{more}'", command.name);
    let first = format!("; and test (__{name}_count) -eq 0");
    let later = format!("; and test (__{name}_count) -gt 0");
    let names = |kind: &str| format!("-a '(__{name}_names {kind})'");
    let flags = flags::of(command.name).map(|flag| {
        let help = fish_quoted(flag.help);
        match flag.word.strip_suffix('=') {
            // As a word: an option of fish may have its value behind a blank.
            Some(_) => {
                let begun = when("; and string match -q -- \"-*\" (commandline -ct)");
                format!("{begun} -a '{}' -d '{help}'", flag.word)
            }
            None => {
                let name = flag.word.trim_start_matches('-');
                let kind = if flag.word.starts_with("--") { "l" } else { "s" };
                let value = if flag.value.is_empty() { "" } else { " -x" };
                format!("{} -{kind} {name}{value} -d '{help}'", when(""))
            }
        }
    });
    let words = match command.words {
        Words::Nothing => Vec::new(),
        Words::Topic => vec![format!("{} -a '{}'", when(&first), command_names())],
        Words::Processes => vec![format!("{} {}", when(""), names("targets"))],
        Words::Groups => vec![format!("{} {}", when(""), names("groups"))],
        Words::SignalAndProcesses => vec![
            format!("{} -a '{}'", when(&first), signals()),
            format!("{} {}", when(&later), names("targets")),
        ],
        Words::Log => vec![
            format!("{} -s f -d 'follow'", when("")),
            format!("{} {}", when(""), names("processes")),
            format!("{} -a 'stdout stderr'", when(&later)),
        ],
        Words::MainLog => vec![format!("{} -s f -d 'follow'", when(""))],
    };
    flags.chain(words).collect()
}

/// What every script has; without the parts about commands where there are none.
fn filled(script: &str, program: Program) -> String {
    let valued: Vec<String> = valued(program.options).collect();
    let (mut kept, mut skipping) = (String::new(), false);
    for line in script.lines() {
        match line {
            "@WITH_COMMANDS@" => skipping = program.commands.is_empty(),
            "@END@" => skipping = false,
            _ if skipping => {}
            line => kept.extend([line, "\n"]),
        }
    }
    let argument =
        if program.commands.is_empty() { "return" } else { "_@PROGRAM@_argument \"$command\" \"$count\"" };
    kept.replace("@ARGUMENT@", argument)
        .replace("@PROGRAM@", program.name)
        .replace("@VALUED@", &valued.join(" | "))
        .replace("@SHORTS@", &shorts(program.options))
}

/// `-c` and `--configuration`
fn spellings(option: &Opt) -> Vec<String> {
    let short = option.short.map(|short| format!("-{short}"));
    short.into_iter().chain([format!("--{}", option.long)]).collect()
}

/// The options behind which a value stands.
fn valued(options: &'static [Opt]) -> impl Iterator<Item = String> {
    options.iter().filter(|option| option.value.is_some()).flat_map(spellings)
}

fn shorts(options: &[Opt]) -> String {
    options.iter().filter(|option| option.value.is_some()).filter_map(|option| option.short).collect()
}

/// What a command does: the first explanation of its help.
fn summary(command: &Command) -> String {
    let explained = command.help.lines().find_map(|line| Some(line.split_once('\t')?.1.trim()));
    explained.unwrap_or_default().to_owned()
}

fn command_names() -> String {
    COMMANDS.iter().map(|command| command.name).collect::<Vec<_>>().join(" ")
}

fn signals() -> String {
    let names = (1..32).filter_map(|number| Signal::from_number(number)?.name()?.strip_prefix("SIG"));
    names.collect::<Vec<_>>().join(" ")
}

/// Within single quotes of bash and zsh.
fn quoted(text: &str) -> String {
    text.replace('\'', "'\\''")
}

/// Within single quotes of fish.
fn fish_quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

fn lines(rows: impl Iterator<Item = String>) -> String {
    rows.collect::<Vec<_>>().join("\n")
}
