//! Configurations of sizes and shapes that nobody means: each loads at once, or is refused with the place and the remedy.
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

mod support;

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use support::home::{Home, Outcome, Subject};
use support::{Daemon, eventually};

/// What is said about anything must fit on some screens.
const MOST_SAID: usize = 1 << 20;
/// The same about one thing.
const MOST_SAID_OF_ONE: usize = 32 << 10;

fn check(sections: &str) -> Outcome {
    let home = Home::with(Subject::Ours, sections);
    check_in(&home)
}

fn check_in(home: &Home) -> Outcome {
    let outcome = home.supervisord(&["--check", "-c", "supervisord.conf"]);
    assert!(outcome.stdout.len() + outcome.stderr.len() < MOST_SAID, "{} bytes", outcome.stdout.len());
    outcome
}

/// A line for each number, with the number in the place of `@`.
fn lines(count: usize, line: &str) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        writeln!(text, "{}", line.replace('@', &number.to_string())).unwrap();
        text
    })
}

/// One problem, in the words that are given, and not at length.
#[track_caller]
fn refused(sections: &str, words: &[&str]) {
    let outcome = check(sections);
    assert_eq!(outcome.code, Some(2), "{:.2000}", outcome.stdout);
    assert!(outcome.stdout.ends_with(": 1 error\n"), "{:.2000}", outcome.stdout);
    assert!(outcome.stdout.len() < MOST_SAID_OF_ONE, "{} bytes", outcome.stdout.len());
    for word in words {
        assert!(outcome.stdout.contains(word), "{word} is not in\n{}", outcome.stdout);
    }
}

#[test]
fn a_hundred_thousand_lines_load() {
    let programs = lines(25_000, "[program:p@]\ncommand=/bin/cat\nautostart=false\npriority=@");
    check(&programs).says(0, "<DIR>/supervisord.conf: nothing is wrong\n");
}

#[test]
fn every_section_falls_back_on_a_large_default() {
    let default = format!("[DEFAULT]\n{}", lines(50_000, "k@=v"));
    let programs = lines(25_000, "[program:p@]\ncommand=/bin/cat");
    check(&(default + &programs)).says(0, "<DIR>/supervisord.conf: nothing is wrong\n");
}

#[test]
fn of_many_findings_the_first_are_told_and_the_rest_are_counted() {
    let options = format!("[program:x]\ncommand=/bin/cat\n{}", lines(100_000, "k@=v"));
    let outcome = check(&options);
    let end = "\n… and 99000 more\n<DIR>/supervisord.conf: 100000 warnings\n";
    assert!(outcome.stdout.contains("unknown option 'k0' is ignored"));
    assert_eq!((outcome.code, outcome.stdout.ends_with(end)), (Some(1), true));

    let outcome = check(&format!("[program:x]\ncommand=/bin/cat\n{}", lines(100_000, "no option")));
    let end = "\n… and 99000 more\n<DIR>/supervisord.conf: 100000 errors\n";
    assert_eq!((outcome.code, outcome.stdout.ends_with(end)), (Some(2), true));

    let names = (0..100_000).map(|number| format!("p{number},")).collect::<String>();
    let outcome = check(&format!("[group:x]\nprograms={names}\n"));
    assert!(outcome.stdout.contains("[group:x] names unknown program or fcgi-program p0\n"));
    assert_eq!(outcome.code, Some(2));
}

#[test]
fn errors_are_told_before_warnings_where_not_all_are() {
    let sections = format!("[program:x]\n{}command=/bin/cat\nautostart=perhaps\n", lines(2_000, "k@=v"));
    let outcome = check(&sections);
    let end = "\n… and 1001 more\n<DIR>/supervisord.conf: 1 error, 2000 warnings\n";
    assert!(outcome.stdout.starts_with("error: not a valid boolean value: 'perhaps'\n"));
    assert_eq!((outcome.code, outcome.stdout.ends_with(end)), (Some(2), true));
}

#[test]
fn the_main_log_and_reread_do_not_tell_everything_either() {
    let options = format!("[program:x]\ncommand=/bin/cat\nautostart=false\n{}", lines(100_000, "k@=v"));
    let daemon = Daemon::start(Subject::Ours, &options);
    let log = eventually("what is not told is counted", || {
        let log = daemon.home.read("main.log");
        let counted = log.contains("99000 more findings are not told here");
        counted.then_some(log).ok_or_else(|| daemon.log().pop().unwrap_or_default())
    });
    assert_eq!(log.lines().filter(|line| line.contains("unknown option")).count(), 1000);
    daemon.home.configure(&lines(2_000, "[program:p@]\ncommand=/bin/cat\nautostart=perhaps"));
    let outcome = daemon.ctl("reread");
    assert!(outcome.stdout.contains("… and 1900 more"), "{outcome:.2000?}");
    assert!(outcome.stdout.len() < MOST_SAID_OF_ONE, "{} bytes", outcome.stdout.len());
    daemon.home.configure(&format!("[program:x]\n{}", lines(100_000, "no option")));
    let outcome = daemon.ctl("reread");
    assert!(outcome.stderr.contains("… and 99900 more"), "{outcome:.2000?}");
    assert!(outcome.stderr.len() < MOST_SAID_OF_ONE, "{} bytes", outcome.stderr.len());
}

#[test]
fn ten_megabytes_in_one_place_are_refused_in_few_words() {
    let long = "long ".repeat(2 << 20);
    let program = |option: &str| format!("[program:x]\ncommand=/bin/cat\n{option}\n");
    refused(
        &program(&format!("priority={long}")),
        &[
            "is longer than 2 MiB",
            "supervisord.conf:13",
            "priority=long long",
            "help: keep a long text in a file",
        ],
    );
    refused(
        &program(&format!("environment=A=\"{long}\"")),
        &["is longer than 2 MiB", "environment=A=\"long"],
    );
    refused(
        &program(&format!("priority={}", "9".repeat(1 << 20) + "x")),
        &["invalid literal for int() with base 10: '999", "999x'", "supervisord.conf:13"],
    );
    refused(
        &program(&format!("environment=A=\"1\",{}", "B".repeat(1 << 20))),
        &["Unexpected end of key/value pairs in value 'A=\"1\",BBB"],
    );
    refused(&program(&format!("autostart={}%", "%(here)s".repeat(10_000))), &["incomplete format"]);
    refused(&(program("") + "no option " + &long), &["expected `option = value`", "supervisord.conf:14"]);
    // Wide fields make much of little.
    let wide = "%(program_name)9999s".repeat(50_000);
    refused(&program(&format!("stdout_logfile={wide}")), &["is longer than 2 MiB"]);
    let nothing = "%(program_name).0s".repeat(500_000);
    check(&program(&format!("stdout_logfile={nothing}")))
        .says(0, "<DIR>/supervisord.conf: nothing is wrong\n");
}

#[test]
fn ten_megabytes_that_nobody_reads_are_passed_over() {
    let long = "long".repeat(5 << 19);
    for section in [
        format!("[program:x]\ncommand=/bin/cat\n{long}=1\n"),
        format!("[program:x]\ncommand=/bin/cat\nlong={long}\n"),
        format!("[{long}]\n"),
        format!("[program:x]\ncommand=/bin/cat\n[pogram:{long}]\n"),
    ] {
        let outcome = check(&section);
        assert!(outcome.stdout.ends_with(": 1 warning\n"), "{:.2000}", outcome.stdout);
        assert!(outcome.stdout.len() < MOST_SAID_OF_ONE, "{} bytes", outcome.stdout.len());
    }
    check(&format!("; {long}\n[program:x]\ncommand=/bin/cat ; {long}\n"))
        .says(0, "<DIR>/supervisord.conf: nothing is wrong\n");
}

#[test]
fn a_nul_is_refused_where_it_stands() {
    let said = "error: there is a NUL character here\n  --> <DIR>/supervisord.conf:13:1\n   |\n\
                13 | environment=A=\"x\u{2400}y\"\n   | ^^^^^^^^^^^^^^^^^^^\n   |\n   \
                = help: take it out; if there are more, restore the file, which is damaged\n\
                <DIR>/supervisord.conf: 1 error\n";
    check("[program:x]\ncommand=/bin/cat\nenvironment=A=\"x\0y\"\n").says(2, said);
    for (option, place) in [
        ("command=/bin/c\0at", "supervisord.conf:12"),
        ("command=/bin/cat\ndirectory=/\0", "supervisord.conf:13"),
        ("command=/bin/cat\nuser=ro\0ot", "supervisord.conf:13"),
        ("command=/bin/cat\nstdout_logfile=a\0", "supervisord.conf:13"),
        ("command=/bin/cat\nk\0=1", "supervisord.conf:13"),
        ("command=/bin/cat\n[\0]", "supervisord.conf:13"),
        ("command=/bin/cat %(process_num)c", "supervisord.conf:12"),
    ] {
        let words = ["there is a NUL character here", place, "help: take it out"];
        refused(&format!("[program:x]\n{option}\n"), &words);
    }
}

#[test]
fn links_that_lead_nowhere_are_left_out() {
    let home = Home::with(Subject::Ours, "[include]\nfiles=d/*.conf d/*/*/*/*/good.conf\n");
    fs::create_dir(home.path("d")).unwrap();
    symlink("self.conf", home.path("d/self.conf")).unwrap();
    symlink("b.conf", home.path("d/a.conf")).unwrap();
    symlink("a.conf", home.path("d/b.conf")).unwrap();
    symlink(".", home.path("d/again")).unwrap();
    home.write("d/good.conf", "[program:good]\ncommand=/bin/cat\n");
    let outcome = check_in(&home);
    for name in ["self", "a", "b"] {
        let said =
            format!("<DIR>/d/{name}.conf cannot be read, and is left out: Too many levels of symbolic links");
        assert!(outcome.stdout.contains(&said), "{}", outcome.stdout);
    }
    assert!(outcome.stdout.ends_with("supervisord.conf: 3 warnings\n"), "{}", outcome.stdout);
}

#[test]
fn directories_within_themselves_have_an_end() {
    let home = Home::with(Subject::Ours, "[include]\nfiles=d/*/*/*/*/*/*/*/*/*.conf\n");
    fs::create_dir(home.path("d")).unwrap();
    for number in 0..40 {
        symlink(".", home.path(&format!("d/{number}"))).unwrap();
    }
    let outcome = check_in(&home);
    assert!(outcome.stdout.contains("more than 100000 files match"), "{}", outcome.stdout);
    assert_eq!(outcome.code, Some(2));
}

#[test]
fn what_is_no_file_is_not_included() {
    let home = Home::with(Subject::Ours, "[include]\nfiles=d/*\n");
    fs::create_dir(home.path("d")).unwrap();
    mkfifo(&home.path("d/fifo"), Mode::S_IRWXU).unwrap();
    symlink("/dev/zero", home.path("d/zero")).unwrap();
    let outcome = check_in(&home);
    for name in ["fifo", "zero"] {
        let said = format!("<DIR>/d/{name} cannot be read, and is left out: it is not a regular file");
        assert!(outcome.stdout.contains(&said), "{}", outcome.stdout);
    }
    assert!(outcome.stdout.ends_with("supervisord.conf: 2 warnings\n"), "{}", outcome.stdout);
}

#[test]
fn ten_thousand_files_are_included() {
    let home = Home::with(Subject::Ours, "[include]\nfiles=d/*.conf\n");
    fs::create_dir(home.path("d")).unwrap();
    for number in 0..10_000 {
        let text = format!("[program:p{number}]\ncommand=/bin/cat %(here)s\n");
        home.write(&format!("d/{number}.conf"), text);
    }
    check_in(&home).says(0, "<DIR>/supervisord.conf: nothing is wrong\n");
    home.write("d/5000.conf", "[program:p5000]\ncommand=/bin/cat\npriority=high\n");
    let outcome = check_in(&home);
    assert!(outcome.stdout.contains("<DIR>/d/5000.conf:3"), "{}", outcome.stdout);
    assert_eq!(outcome.code, Some(2));
}

#[test]
fn ten_thousand_patterns_that_match_nothing_are_told() {
    let patterns = lines(10_000, " no/*/@.conf");
    let outcome = check(&format!("[include]\nfiles=\n{patterns}"));
    assert!(outcome.stdout.contains("No file matches via include \"<DIR>/no/*/0.conf\""));
    assert!(outcome.stdout.ends_with("\n… and 9000 more\n<DIR>/supervisord.conf: 10000 warnings\n"));
}

#[test]
fn a_pipe_can_be_the_configuration() {
    let home = Home::new(Subject::Ours);
    mkfifo(&home.path("fifo"), Mode::S_IRWXU).unwrap();
    let path = home.path("fifo");
    let writer = std::thread::spawn(move || {
        fs::write(path, "[supervisord]\n[unix_http_server]\nfile=s\n").unwrap();
    });
    let outcome = home.supervisord(&["--check", "-c", "fifo"]);
    writer.join().unwrap();
    assert!(outcome.stdout.ends_with("<DIR>/fifo: 1 warning\n"), "{}", outcome.stdout);
}
