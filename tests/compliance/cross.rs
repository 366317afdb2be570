//! Any supervisorctl with any supervisord: the same words, byte for byte.

use crate::support::home::Outcome;
use crate::support::{Daemon, Subject};

compliance!(either_control_program_says_the_same, the_other_control_program_reads_this_configuration);

const SECTIONS: &str = "\
[program:a]\ncommand=%(here)s/puppet\nautostart=false\nstartsecs=0\n
[program:b]\ncommand=%(here)s/puppet\nautostart=false\nstartsecs=0\n
[group:pair]\nprograms=a,b\n
[program:m]\ncommand=%(here)s/missing\nautostart=false\n
[program:x]\ncommand=/bin/sh -c 'echo h\u{e9}llo \u{20ac}; exec cat'\nstartsecs=0\n
";

/// What is asked of each pair, in this order. Each leaves the daemon in a state that the next one finds.
const SCRIPT: &[&str] = &[
    "status",
    "status pair:* nobody",
    "start pair:a",
    "start pair:a m nobody",
    "start pair:*",
    "start all",
    "status pair:a",
    "pid pair:b m",
    "restart pair:b",
    "signal HUP m",
    "signal bogus pair:a",
    "stop pair:b",
    "stop all",
    "stop all nobody",
    "tail x",
    "tail -5 x",
    "tail nobody",
    "clear pair:a",
    "clear all",
    "avail",
    "reread",
    "remove m",
    "remove nobody",
    "add m m",
    "update",
    "update nobody",
    "bogus",
    "start",
    "tail",
    "maintail x",
    "shutdown now",
    "shutdown",
];

/// What was printed, on stderr too, and the exit status.
type Said = (String, String, Option<i32>);

/// Digits, which differ from run to run (pids, times), each as one `9`.
fn without_digits(outcome: &Outcome) -> Said {
    let mut text = String::new();
    for letter in outcome.stdout.chars() {
        if !letter.is_ascii_digit() {
            text.push(letter);
        } else if !text.ends_with('9') {
            text.push('9');
        }
    }
    (text, outcome.stderr.clone(), outcome.code)
}

fn transcript(daemon: Subject, control: Subject) -> Vec<(String, Said)> {
    let daemon = Daemon::start(daemon, SECTIONS);
    daemon.await_log_of("x", "h\u{e9}llo \u{20ac}\n");
    daemon.await_state("x", "RUNNING");
    let said = |words: &&str| {
        let mut said = without_digits(&daemon.home.ctl_of(control, words));
        if words.starts_with("stop ") {
            // Several are told in the order in which they die.
            let mut lines: Vec<&str> = said.0.split_inclusive('\n').collect();
            lines.sort_unstable();
            said.0 = lines.concat();
        }
        if *words == "reread" && control == Subject::Ours {
            // Ours alone also tells what would go wrong: `reread_tells_what_would_go_wrong`.
            said.1.clear();
        }
        ((*words).to_owned(), said)
    };
    SCRIPT.iter().map(said).collect()
}

/// Our control program and theirs, with the daemon of the subject.
fn either_control_program_says_the_same(subject: Subject) {
    let (own, other) = (transcript(subject, subject), transcript(subject, subject.other()));
    for ((words, own), (_, other)) in own.iter().zip(&other) {
        assert_eq!(own, other, "{words}: {subject:?}, then the other one");
    }
    if subject == Subject::Ours {
        for ((words, ours), (_, theirs)) in own.iter().zip(&transcript(Subject::Theirs, Subject::Theirs)) {
            assert_eq!(ours, theirs, "{words}: ours alone, then theirs alone");
        }
    }
}

/// A socket with a password, and names that are not ASCII.
fn the_other_control_program_reads_this_configuration(subject: Subject) {
    let sections = "[unix_http_server]\nusername=m\u{e9}\npassword={SHA}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4\n\
                    [supervisorctl]\nusername=m\u{e9}\npassword=secret\n[program:\u{e9}]\ncommand=/bin/cat\nautostart=false\n";
    let daemon = Daemon::start(subject, sections);
    let expected = "\u{e9}                                STOPPED   Not started\n";
    daemon.ctl("status \u{e9}").says(3, expected);
    daemon.home.ctl_of(subject.other(), "status \u{e9}").says(3, expected);
}
