//! The manual pages and the completions in `docs/`, held against those who read them: mandoc, and the shells.
#![allow(clippy::unwrap_used, reason = "a test may stop at what cannot be")]

use std::path::{Path, PathBuf};
use std::process::Command;

mod support;

use support::{Daemon, Home, Subject};

fn docs(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(path)
}

/// What a program says, with its complaints.
#[track_caller]
fn output(command: &mut Command) -> String {
    let out = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}: run `make deps`"));
    String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned()
}

#[test]
fn readers_of_manuals_find_nothing_wrong() {
    for page in std::fs::read_dir(docs("man")).unwrap() {
        let page = page.unwrap().path();
        let found = output(Command::new("mandoc").args(["-Tlint", "-Wwarning"]).arg(&page));
        // A version has a number and no date.
        let wrong: Vec<&str> = found.lines().filter(|line| !line.contains("missing date")).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

#[test]
fn the_manual_of_supervisorctl_has_every_command() {
    let text =
        output(Command::new("mandoc").args(["-Tutf8", "-Owidth=200"]).arg(docs("man/supervisorctl.1")));
    // mandoc prints bold letters twice, with a backspace between them.
    let text: Vec<char> = text.chars().collect();
    let text: String = text
        .iter()
        .enumerate()
        .filter(|(at, letter)| **letter != '\u{8}' && text.get(at + 1) != Some(&'\u{8}'))
        .map(|(_, letter)| letter)
        .collect();
    for line in [
        "       status gname:*",
        "       tail [-f] name [stdout|stderr] (default stdout)",
        "       -c, --configuration FILENAME",
    ] {
        assert!(text.lines().any(|read| read.trim_end() == line), "{line:?} in {text}");
    }
}

const PROGRAMS: &str = "\
[program:single]\ncommand=/bin/cat\nautostart=false\n
[program:odd$(id)]\ncommand=/bin/cat\nautostart=false\n
[program:worker]\ncommand=/bin/cat\nautostart=false\nnumprocs=2\nprocess_name=%(program_name)s_%(process_num)02d\n
";

fn daemon() -> Daemon {
    Daemon::start(Subject::Ours, PROGRAMS)
}

/// A shell in the home of a daemon, that finds the programs which were just built.
fn shell(home: &Home, name: &str) -> Command {
    let ours = Path::new(env!("CARGO_BIN_EXE_supervisorctl")).parent().unwrap();
    let mut shell = Command::new("timeout");
    shell.args(["-k", "1", "60", name]).current_dir(home.dir()).env_clear();
    shell.env("HOME", home.dir()).env("PATH", format!("{}:/usr/bin:/bin", ours.display()));
    shell
}

/// Lines, and the words that complete them.
const COMPLETED: &[(&str, &[&str])] = &[
    ("supervisorctl sta", &["start", "status"]),
    ("supervisorctl --conf", &["--configuration"]),
    ("supervisorctl -c supervisord.conf stop wor", &["worker:*", "worker:worker_00", "worker:worker_01"]),
    ("supervisorctl -c supervisord.conf stop worker:w", &["worker:worker_00", "worker:worker_01"]),
    ("supervisorctl --configuration=supervisord.conf tail s", &["single"]),
    ("supervisorctl -c supervisord.conf tail single std", &["stderr", "stdout"]),
    (
        "supervisorctl -c supervisord.conf restart ",
        &["all", "single", "worker:*", "worker:worker_00", "worker:worker_01"],
    ),
    ("supervisorctl -c supervisord.conf update ", &["single", "worker"]),
    ("supervisorctl -c supervisord.conf signal us", &[]),
    ("supervisorctl -c supervisord.conf signal US", &["USR1", "USR2"]),
    ("supervisorctl -c supervisord.conf signal HUP si", &["single"]),
    ("supervisorctl -c supervisord.conf status --j", &["--json"]),
    ("supervisorctl stop --w", &["--wait="]),
    ("supervisorctl -c supervisord.conf logs -n 5 si", &["single"]),
    ("supervisorctl -c nowhere.conf stop ", &[]),
    ("supervisorctl -s http://127.0.0.1:1 stop ", &[]),
    ("supervisord --loglevel ", &["blather", "critical", "debug", "error", "info", "trace", "warn"]),
    ("supervisord --nod", &["--nodaemon"]),
    ("supervisord -c super", &["supervisord.conf"]),
];

#[test]
fn bash_completes_commands_options_and_names() {
    let daemon = daemon();
    for (line, expected) in COMPLETED {
        let script = r#"
            shopt -u progcomp_alias 2>/dev/null
            program=${1%% *}
            . "$2/$program"
            complete -p "$program" >&2
            COMP_LINE=$1 COMP_POINT=${#1}
            "_$program" "$program"
            printf '%s\n' "${COMPREPLY[@]}"
        "#;
        let mut bash = shell(&daemon.home, "bash");
        bash.args(["--norc", "-c", script, "bash", line]).arg(docs("completions/bash"));
        let out = bash.output().unwrap();
        let errors = String::from_utf8_lossy(&out.stderr);
        assert_eq!(errors, format!("complete -F _{0} {0}\n", line.split(' ').next().unwrap()), "{line}");
        let mut found: Vec<String> =
            String::from_utf8_lossy(&out.stdout).lines().map(str::to_owned).collect();
        found.sort();
        found.retain(|word| !word.is_empty());
        // bash has the part up to the colon.
        let colon = line.rsplit(' ').next().unwrap().rfind(':').map_or(0, |at| at + 1);
        let expected: Vec<&str> = expected.iter().map(|word| &word[colon..]).collect();
        assert_eq!(found, expected, "{line}");
    }
}

#[test]
fn fish_completes_commands_options_and_names() {
    let daemon = daemon();
    for (line, expected) in COMPLETED {
        let program = line.split(' ').next().unwrap();
        let mut fish = shell(&daemon.home, "fish");
        fish.args(["--no-config", "-c", "source $argv[1]; complete -C $argv[2]"]);
        fish.arg(docs(&format!("completions/fish/{program}.fish"))).arg(line);
        let found = output(&mut fish);
        let mut found: Vec<&str> = found.lines().filter_map(|line| line.split('\t').next()).collect();
        found.sort_unstable();
        // fish completes small letters with capitals as well.
        let expected = if line.ends_with(" us") { &["USR1", "USR2"] } else { *expected };
        assert_eq!(found, expected, "{line}");
    }
}

#[test]
fn zsh_completes_commands_options_and_names() {
    let daemon = daemon();
    // A shell on a terminal; Tab completes as far as it is clear, and ^X shows the line.
    let script = r#"
        zmodload zsh/zpty
        zpty inner zsh -f -i
        zpty -w inner "PROMPT= RPROMPT=; unsetopt zle_bracketed_paste; fpath=($1 \$fpath); autoload -Uz compinit; compinit -D -u"
        zpty -w inner "zstyle ':completion:*' menu no; unsetopt auto_menu auto_list list_beep beep"
        zpty -w inner 'show() { print -r -- "@<$BUFFER>"; BUFFER= }; zle -N show; bindkey "^X" show; print rea""dy'
        zpty -r inner found '*ready*'
        shift
        for line; do
            zpty -w -n inner "$line"$'\t\x18'
            zpty -r inner found '*@<*>*'
            print -r -- ${${found##*@<}%%>*}
        done
        zpty -d inner
    "#;
    let cases = [
        ("supervisorctl stat", "supervisorctl status "),
        ("supervisorctl -c supervisord.conf stop si", "supervisorctl -c supervisord.conf stop single "),
        ("supervisorctl -c supervisord.conf stop wor", "supervisorctl -c supervisord.conf stop worker:"),
        (
            "supervisorctl -c supervisord.conf stop worker:w",
            "supervisorctl -c supervisord.conf stop worker:worker_0",
        ),
        (
            "supervisorctl --configuration=supervisord.conf tail s",
            "supervisorctl --configuration=supervisord.conf tail single ",
        ),
        ("supervisorctl status --j", "supervisorctl status --json "),
        ("supervisorctl stop --w", "supervisorctl stop --wait="),
        ("supervisorctl -c supervisord.conf signal KI", "supervisorctl -c supervisord.conf signal KILL "),
        ("supervisorctl -c supervisord.conf update wo", "supervisorctl -c supervisord.conf update worker "),
        ("supervisorctl -c nowhere.conf stop s", "supervisorctl -c nowhere.conf stop s"),
        ("supervisord -e crit", "supervisord -e critical "),
        ("supervisord --nod", "supervisord --nodaemon "),
    ];
    let mut zsh = shell(&daemon.home, "zsh");
    zsh.env("TERM", "dumb")
        .args(["-f", "-c", script, "zsh"])
        .arg(docs("completions/zsh"))
        .args(cases.map(|(line, _)| line));
    let found = output(&mut zsh);
    let expected: Vec<&str> = cases.iter().map(|(_, expected)| *expected).collect();
    assert_eq!(found.lines().collect::<Vec<_>>(), expected);
}
