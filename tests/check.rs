//! `supervisord --check`: what it finds in a tree of files, and that what we hand out passes it.
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

mod support;

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::stat::Mode;
use nix::unistd::{Group, User, mkfifo};
use serde_json::Value as Json;
use serde_json::json;
use support::Daemon;
use support::home::{Home, Outcome, Subject};

fn check(home: &Home, args: &[&str]) -> Outcome {
    let all: Vec<&str> = ["--check", "-c", "supervisord.conf"].iter().chain(args).copied().collect();
    home.supervisord(&all)
}

fn is_root() -> bool {
    let root = nix::unistd::Uid::effective().is_root();
    if !root {
        support::skipped("only root can be told what others may do");
    }
    root
}

/// A home that others may enter.
fn open_home(sections: &str) -> Home {
    let home = Home::with(Subject::Ours, sections);
    mode(&home, ".", 0o755);
    home
}

fn mode(home: &Home, name: &str, mode: u32) {
    fs::set_permissions(home.path(name), Permissions::from_mode(mode)).unwrap();
}

fn directory(home: &Home, name: &str, bits: u32) {
    fs::create_dir_all(home.path(name)).unwrap();
    mode(home, name, bits);
}

/// Ten faults, in two files.
const FAULTS: &str = include_str!("check/ten-faults.conf");

/// The tree in which they are planted.
fn planted() -> Home {
    let home = open_home("[include]\nfiles=conf.d/*.conf\n");
    for (name, bits) in [("conf.d", 0o755), ("logs", 0o755), ("secret", 0o700), ("app", 0o755)] {
        directory(&home, name, bits);
    }
    let text = home.read("supervisord.conf").replace("%(here)s/s\n", "%(here)s/run/s\n");
    home.write("supervisord.conf", text);
    home.write("conf.d/app.conf", FAULTS.replace("<DIR>", home.dir().to_str().unwrap()));
    home.script("app/tool", "#!/usr/bin/env no-such-interpreter\n");
    home.write("app/artisan", "<?php\n");
    mode(&home, "app/artisan", 0o600);
    home
}

/// As many carets stand below a line as it has letters, and the names of temporary directories differ in length.
fn one_caret(text: &str) -> String {
    let mut shown = text.to_owned();
    while shown.contains("^^") {
        shown = shown.replace("^^", "^");
    }
    shown
}

#[test]
fn ten_planted_faults_are_told() {
    if !is_root() {
        return;
    }
    let told = check(&planted(), &[]);
    assert_eq!((told.code, told.stderr.as_str()), (Some(2), ""), "{told:?}");
    let shown = one_caret(&told.stdout);
    assert!(shown == include_str!("check/ten-faults.txt"), "{shown}");
}

#[test]
fn programs_read_them_too() {
    if !is_root() {
        return;
    }
    let home = planted();
    let told = check(&home, &["--format=json"]);
    assert_eq!((told.code, told.stderr.as_str()), (Some(2), ""), "{told:?}");
    let whole: Json = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!((&whole["errors"], &whole["warnings"]), (&7.into(), &3.into()));
    let findings = whole["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 10);
    let first = &findings[0];
    assert_eq!(first["severity"], "error");
    assert_eq!(first["file"], "<DIR>/conf.d/app.conf");
    assert_eq!(
        (&first["line"], &first["section"], &first["option"]),
        (&2.into(), &"program:mailer".into(), &"command".into())
    );
    assert_eq!(first["problem"], "can't find command '<DIR>/app/mialer'");
    assert!(findings.iter().all(|finding| finding["help"].is_string()), "{findings:?}");
}

/// What is told of a home: the lines that name a problem.
fn problems(home: &Home) -> Vec<String> {
    let told = check(home, &[]);
    let all = told.stdout.lines().filter(|line| line.starts_with("error: ") || line.starts_with("warning: "));
    all.map(str::to_owned).collect()
}

/// Owner, group, the modes of every directory on the way: the kernel is asked in the place of each user.
#[test]
fn users_and_groups_and_modes_count() {
    if !is_root() {
        return;
    }
    let nobody = User::from_name("nobody").unwrap().unwrap();
    let group = Group::from_gid(nobody.gid).unwrap().unwrap().name;
    let (own, own_group) = (Some(nobody.uid.as_raw()), Some(nobody.gid.as_raw()));
    // Owner, group and mode of the directory and of the program in it, and what keeps nobody from it.
    let cases = [
        ((None, None, 0o755), (None, None, 0o755), None),
        ((None, None, 0o711), (None, None, 0o755), None),
        ((None, own_group, 0o710), (None, own_group, 0o750), None),
        (
            (None, None, 0o710),
            (None, None, 0o755),
            Some("execute <DIR>/a/b/tool as nobody: permission denied (drwx--x--- root root <DIR>/a)"),
        ),
        (
            (None, None, 0o755),
            (None, None, 0o744),
            Some("execute <DIR>/a/b/tool as nobody: permission denied (-rwxr--r-- root root <DIR>/a/b/tool)"),
        ),
        (
            (None, None, 0o755),
            (None, None, 0o711),
            Some(
                "read script <DIR>/a/b/tool as nobody: permission denied (-rwx--x--x root root <DIR>/a/b/tool)",
            ),
        ),
        (
            (None, None, 0o755),
            (None, own_group, 0o705),
            Some(
                "execute <DIR>/a/b/tool as nobody: permission denied (-rwx---r-x root <GROUP> <DIR>/a/b/tool)",
            ),
        ),
        (
            (None, None, 0o755),
            (own, None, 0o055),
            Some(
                "execute <DIR>/a/b/tool as nobody: permission denied (----r-xr-x nobody root <DIR>/a/b/tool)",
            ),
        ),
    ];
    for ((dir_owner, dir_group, dir_mode), (owner, group_id, bits), why) in cases {
        let home = open_home("[program:x]\ncommand=%(here)s/a/b/tool\nuser=nobody\n");
        directory(&home, "a/b", 0o755);
        home.script("a/b/tool", "#!/bin/sh\n");
        chown(home.path("a/b/tool"), owner.or(Some(0)), group_id.or(Some(0))).unwrap();
        mode(&home, "a/b/tool", bits);
        chown(home.path("a"), dir_owner.or(Some(0)), dir_group.or(Some(0))).unwrap();
        mode(&home, "a", dir_mode);
        let expected = why.map(|why| format!("error: can't {}", why.replace("<GROUP>", &group)));
        assert_eq!(problems(&home), Vec::from_iter(expected), "{dir_mode:o} {bits:o}");
    }
}

/// A unit that is not told of a slow stop ends it in the middle.
#[test]
fn a_stop_that_the_unit_does_not_wait_for_is_told() {
    let probe = "mount --bind /etc/systemd/system /etc/systemd/system";
    let probed = Command::new("unshare").args(["--mount", "sh", "-c", probe]).status();
    if !is_root() || !probed.is_ok_and(|status| status.success()) {
        return support::skipped("a unit of one's own needs a mount namespace, and a machine with systemd");
    }
    let home = open_home("[program:x]\ncommand=/bin/cat\nstopwaitsecs=600\n");
    directory(&home, "units/supervisor.service.d", 0o755);
    let told = |unit: &str, more: &str| {
        home.write("units/supervisor.service", format!("[Service]\n{unit}\n"));
        home.write("units/supervisor.service.d/more.conf", format!("[Service]\n{more}\n"));
        let mut command = Command::new("unshare");
        let script = "mount --bind \"$0\" /etc/systemd/system && exec \"$@\"";
        command.args(["--mount", "sh", "-c", script]).arg(home.path("units"));
        command.arg(Subject::Ours.program("supervisord")).args(["--check", "-c", "supervisord.conf"]);
        command.current_dir(home.dir()).stdin(Stdio::null());
        home.run(command)
    };
    let problem = |secs: u32| {
        format!(
            "warning: stopwaitsecs=600, but /etc/systemd/system/supervisor.service lets a stop take {secs} seconds\n"
        )
    };
    for (unit, more, secs) in [("Type=simple", "", 90), ("Type=simple", "TimeoutStopSec=5min", 300)] {
        let told = told(unit, more);
        assert!(told.code == Some(1) && told.stdout.starts_with(&problem(secs)), "{told:?}");
    }
    for (unit, more) in
        [("Type=notify", ""), ("Type=simple", "TimeoutStopSec=infinity"), ("TimeoutStopSec=600", "")]
    {
        told(unit, more).says(0, "<DIR>/supervisord.conf: nothing is wrong\n");
    }
}

/// The daemon's own user opens the logs and makes the sockets, and becomes nobody else.
#[test]
fn a_daemon_that_is_not_root_can_do_less() {
    if !is_root() {
        return;
    }
    let home = open_home(
        "[supervisord]\nchildlogdir=%(here)s\n[unix_http_server]\nchown=root:root\n\
         [program:x]\ncommand=/bin/cat\nuser=daemon\nstdout_logfile=%(here)s/x.log\nstderr_logfile=NONE\n",
    );
    let as_nobody = |home: &Home| {
        let text = fs::read_to_string(home.path("supervisord.conf")).unwrap();
        home.write("supervisord.conf", text.replacen("user=0\n", "user=nobody\n", 1));
    };
    as_nobody(&home);
    let here = "<DIR> as nobody: permission denied (drwxr-xr-x root root <DIR>)";
    let expected = [
        format!("error: can't create the socket in {here}"),
        "error: can't change the owner of the socket: supervisord does not run as root".to_owned(),
        format!("error: can't create the main log in {here}"),
        format!("error: can't create the pidfile in {here}"),
        "error: can't become daemon: supervisord does not run as root".to_owned(),
        format!("error: can't create the log in {here}"),
    ];
    let mut told = problems(&home);
    told.sort();
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!(told, expected);
    let nobody = User::from_name("nobody").unwrap().unwrap();
    chown(home.dir(), Some(nobody.uid.as_raw()), None).unwrap();
    home.configure("[program:x]\ncommand=/bin/cat\n");
    as_nobody(&home);
    assert_eq!(problems(&home), [""; 0]);
}

#[test]
fn warnings_alone_are_1_and_nothing_is_0() {
    let home = Home::with(Subject::Ours, "[program:x]\ncommand=/bin/cat\n");
    check(&home, &[]).says(0, "<DIR>/supervisord.conf: nothing is wrong\n");
    check(&home, &["--format", "json"])
        .says(0, "{\n  \"errors\": 0,\n  \"findings\": [],\n  \"warnings\": 0\n}\n");
    home.configure("[program:x]\ncommand=/bin/cat\nautostrat=false\n");
    let told = check(&home, &[]);
    assert_eq!(told.code, Some(1), "{told:?}");
    let last = "<DIR>/supervisord.conf: 1 warning\n";
    assert!(told.stdout.ends_with(last), "{told:?}");
    check(&home, &["--format=xml"]).complains(
        2,
        "Error: invalid value for --format 'xml': use text or json\nFor help, use <ANY>supervisord -h\n",
    );
    assert_eq!(home.files(), ["puppet", "supervisord.conf"], "something was made");
}

#[test]
fn the_sample_configuration_passes_in_a_pipe() {
    let home = Home::new(Subject::Ours);
    let mut echo =
        Command::new(env!("CARGO_BIN_EXE_echo_supervisord_conf")).stdout(Stdio::piped()).spawn().unwrap();
    let mut command = home.command(Subject::Ours, "supervisord", &["--check", "-c", "/dev/stdin"]);
    command.stdin(echo.stdout.take().unwrap());
    home.run(command).says(0, "/dev/stdin: nothing is wrong\n");
    assert!(echo.wait().unwrap().success());
}

/// A FIFO is read once: what was in it counts for every reread.
#[test]
fn a_configuration_may_come_through_a_fifo() {
    let home = Home::with(Subject::Ours, "[program:x]\ncommand=/bin/cat\nstartsecs=0\nautorestart=false\n");
    let text = home.read("supervisord.conf").replace("%(here)s", home.dir().to_str().unwrap());
    fs::remove_file(home.path("supervisord.conf")).unwrap();
    mkfifo(&home.path("supervisord.conf"), Mode::S_IRWXU).unwrap();
    let write = |home: &Home| {
        let (path, text) = (home.path("supervisord.conf"), text.clone());
        std::thread::spawn(move || {
            File::options().write(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
        })
    };
    let writer = write(&home);
    check(&home, &[]).says(0, "<DIR>/supervisord.conf: nothing is wrong\n");
    writer.join().unwrap();
    let writer = write(&home);
    let daemon = Daemon::start_in(home, &[]);
    writer.join().unwrap();
    daemon.await_state("x", "RUNNING");
    daemon.answers("reloadConfig", json!([]), "[[[], [], []]]");
}

/// Prefixes of paths that are not on every machine.
const ELSEWHERE: [&str; 8] = ["/var/", "/run/", "/etc/", "/srv/", "/www/", "/opt/", "/usr/", "/home/"];

/// Makes what a configuration takes for granted: its paths lie below the home, and its directories and programs are there.
fn furnish(home: &Home, text: &str) -> String {
    let mut text = text.to_owned();
    for prefix in ELSEWHERE {
        for before in ["=", " ", "//"] {
            let below = format!("{before}{}{prefix}", home.dir().display());
            text = text.replace(&format!("{before}{prefix}"), &below);
        }
    }
    let make = |path: &Path| {
        if path.starts_with(home.dir()) {
            fs::create_dir_all(path).unwrap();
            let above = path.ancestors().take_while(|step| step.starts_with(home.dir()));
            above.for_each(|step| fs::set_permissions(step, Permissions::from_mode(0o755)).unwrap());
        }
    };
    for section in supervisord::config::ini::read(&text).unwrap() {
        let value = |key: &str| {
            section.entries.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
        };
        let directory = value("directory").map(Path::new);
        directory.into_iter().for_each(make);
        value("childlogdir").map(Path::new).into_iter().for_each(make);
        for word in section.entries.iter().flat_map(|entry| entry.value.split_whitespace()) {
            Path::new(word).parent().into_iter().for_each(make);
            if word.contains('*') {
                let matching = home.path(&word.replace('*', "x"));
                matching.parent().into_iter().for_each(make);
                fs::write(matching, "").unwrap();
            }
        }
        let mut words = value("command").unwrap_or_default().split_whitespace();
        if let Some(program) = words.next().filter(|word| Path::new(word).starts_with(home.dir())) {
            home.script(program, "#!/bin/sh\n");
        }
        if let (Some(directory), Some(script)) = (directory, words.next()) {
            fs::write(directory.join(script), "").unwrap();
        }
    }
    text
}

/// The files below a directory of the project whose names end so.
fn files(below: &str, ends: &[&str]) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(below);
    let entries = fs::read_dir(&root).into_iter().flatten().flatten();
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(files(path.to_str().unwrap(), ends));
        } else if ends.iter().any(|end| path.to_str().is_some_and(|name| name.ends_with(end))) {
            found.push(path);
        }
    }
    found
}

/// The pieces of configuration that a document shows: ` ```ini ` in Markdown, `.nf` in manuals.
fn shown(text: &str) -> Vec<String> {
    let fenced = text.split("```ini\n").skip(1).filter_map(|rest| rest.split("```").next());
    let unfilled = text.split(".nf\n").skip(1).filter_map(|rest| rest.split(".fi").next());
    let all = fenced.chain(unfilled).map(|piece| piece.replace("\\-", "-").replace("\\&", ""));
    let ours = ["[program:", "[supervisord]", "[group:", "[eventlistener:", "[fcgi-program:", "_http_server"];
    all.filter(|piece| ours.iter().any(|head| piece.contains(head))).collect()
}

#[test]
fn what_we_hand_out_passes() {
    let conf = ["examples", "tests/laravel", "debian"].map(|dir| files(dir, &[".conf", ".ini"])).concat();
    assert!(conf.len() >= 3, "{conf:?}");
    let documents = [
        files("docs", &[".md", ".1", ".5", ".8"]),
        files("systemd", &[".md"]),
        ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"]
            .map(|name| Path::new(env!("CARGO_MANIFEST_DIR")).join(name))
            .to_vec(),
    ];
    let whole = conf.into_iter().map(|path| (fs::read_to_string(&path).unwrap(), path));
    let pieces = documents.concat().into_iter().flat_map(|path| {
        let pieces = shown(&fs::read_to_string(&path).unwrap());
        pieces.into_iter().map(move |piece| (piece, path.clone()))
    });
    let mut count = 0;
    for (text, path) in whole.chain(pieces) {
        let home = open_home("");
        let head = home.read("supervisord.conf");
        let text = furnish(&home, &text);
        // Examples bring their scripts along.
        for beside in files(path.parent().unwrap().to_str().unwrap(), &[".sh"]) {
            fs::copy(&beside, home.path(beside.file_name().unwrap().to_str().unwrap())).unwrap();
        }
        let text = if text.contains("[supervisord]") { text } else { head + &text };
        home.write("supervisord.conf", &text);
        let told = check(&home, &[]);
        assert!(told.code == Some(0), "{}:\n{text}\n{}{}", path.display(), told.stdout, told.stderr);
        count += 1;
    }
    assert!(count >= 4, "only {count} were found");
}
