//! Whom a daemon runs as: root that becomes somebody, somebody who is not root, and PID 1. They need root to be set up.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Gid, Pid, Uid, User, getgrouplist};
use serde_json::json;

use crate::support::pattern::assert_like;
use crate::support::{Daemon, Home, Subject, eventually, skipped, so};

compliance!(
    root_becomes_the_user_of_the_configuration,
    whoever_is_not_root_becomes_nobody_else,
    a_socket_may_not_be_given_to_everybody,
    with_a_user_the_hard_limit_is_the_limit,
    what_may_not_be_signalled_is_unknown,
    pid_1_reaps_orphans,
);

/// Nobody, who may read and write what is root's, so that the programs may be installed anywhere, and nothing else.
const NOBODY: &[&str] = &[
    "setpriv",
    "--reuid=nobody",
    "--regid=65534",
    "--clear-groups",
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
];

const PID_1: &[&str] = &["unshare", "--pid", "--fork", "--kill-child"];

/// Whether commands can be run that way here.
fn can(before: &[&str]) -> bool {
    let can = Uid::effective().is_root()
        && Command::new(before[0])
            .args(&before[1..])
            .arg("true")
            .status()
            .is_ok_and(|status| status.success());
    if !can {
        skipped(&format!("{} needs root and its capabilities", before.join(" ")));
    }
    can
}

/// Whether nobody may come to where the subject is installed: Python goes on reading its own files when it has become him.
fn reaches(subject: Subject) -> bool {
    let theirs = concat!(env!("CARGO_MANIFEST_DIR"), "/target/theirs/bin");
    let look = ["--reuid=nobody", "--regid=65534", "--clear-groups", "test", "-x", theirs];
    let reaches = subject == Subject::Ours
        || Command::new("setpriv").args(look).status().is_ok_and(|status| status.success());
    if !reaches {
        skipped(&format!("nobody may not come to {theirs}"));
    }
    reaches
}

fn nobody() -> User {
    User::from_name("nobody").unwrap().unwrap()
}

/// A line of `/proc/PID/status`, as its words.
fn status_of(pid: i32, key: &str) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{key}:"))).unwrap();
    line.split_whitespace().map(str::to_owned).collect()
}

/// CLI-25, CLI-46, CLI-48, CLI-49, LOG-6.
fn root_becomes_the_user_of_the_configuration(subject: Subject) {
    if !can(&["env"]) || !reaches(subject) {
        return;
    }
    let home = Home::with(
        subject,
        "[program:x]\ncommand=/usr/bin/env\nstartsecs=0\nautorestart=false\n[program:y]\ncommand=/bin/cat\n",
    );
    let user = nobody();
    chown(home.dir(), Some(user.uid.as_raw()), None).unwrap();
    let mut daemon = Daemon::spawn(home, &["-u", "nobody"]);
    daemon.await_line(&format!("INFO Set uid to user {} succeeded", user.uid));
    daemon.await_line("INFO supervisord started with pid <PID>");
    daemon.await_state("y", "RUNNING");
    let name = std::ffi::CString::new("nobody").unwrap();
    let mut groups: Vec<u32> = getgrouplist(&name, user.gid).unwrap().into_iter().map(Gid::as_raw).collect();
    groups.sort_unstable();
    let groups: Vec<String> = groups.iter().map(u32::to_string).collect();
    for pid in [daemon.pid, daemon.pid_of("y")] {
        assert_eq!(status_of(pid, "Uid"), vec![user.uid.to_string(); 4]);
        assert_eq!(status_of(pid, "Gid"), vec![user.gid.to_string(); 4]);
        assert_eq!(status_of(pid, "Groups"), groups);
    }
    for file in ["main.log", "pid", "s"] {
        assert_eq!(fs::metadata(daemon.home.path(file)).unwrap().uid(), user.uid.as_raw(), "{file}");
    }
    daemon.await_state("x", "EXITED");
    let seen = daemon.must("readProcessStdoutLog", json!(["x", 0, 0]));
    let seen = daemon.home.neutral(seen.as_str().unwrap().as_bytes());
    assert!(seen.contains("HOME=<DIR>\n") && !seen.contains("USER="), "{seen}");
}

/// CLI-47, CLI-48: who already is the user needs not become him.
fn whoever_is_not_root_becomes_nobody_else(subject: Subject) {
    if !can(NOBODY) {
        return;
    }
    let home = Home::with(subject, "").under(NOBODY);
    let refusal = "Error: Can't drop privilege as nonroot user\nFor help, use <ANY>supervisord -h\n";
    home.supervisord(&["-n", "-c", "supervisord.conf"]).complains(2, refusal);
    assert_eq!(home.files(), ["puppet", "supervisord.conf"]);
    home.set_user("nobody");
    let daemon = Daemon::start_in(home, &[]);
    assert_eq!(daemon.log()[0], format!("INFO Set uid to user {} succeeded", nobody().uid));
}

/// OPT-3.
fn a_socket_may_not_be_given_to_everybody(subject: Subject) {
    if !can(&["env"]) {
        return;
    }
    let home = Home::with(subject, "[unix_http_server]\nchown=root:root\n");
    chown(home.dir(), Some(nobody().uid.as_raw()), None).unwrap();
    home.set_user("nobody");
    let told = home.supervisord(&["-n", "-c", "supervisord.conf"]);
    let text = "Error: Not permitted to chown <DIR>/s to uid/gid (0, 0); adjust \"sockchown\" value in config file or on command \
                line to values that the current user (nobody) can successfully chown\nFor help, use <ANY>supervisord -h\n";
    assert_eq!(told.code, Some(2), "{told:?}");
    assert_like(&told.stderr, text, "the refusal");
}

/// SIG-41, SIG-42.
fn with_a_user_the_hard_limit_is_the_limit(subject: Subject) {
    if !can(&["prlimit", "--nofile=500:600"]) || !reaches(subject) {
        return;
    }
    let home = Home::with(subject, "[supervisord]\nminfds=700\n").under(&["prlimit", "--nofile=500:600"]);
    chown(home.dir(), Some(nobody().uid.as_raw()), None).unwrap();
    home.set_user("nobody");
    let told = home.supervisord(&["-n", "-c", "supervisord.conf"]);
    assert_eq!(told.code, Some(2), "{told:?}");
    let text = "Error: The minimum number of file descriptors required to run this process is 700 as per the \"minfds\" <ANY>";
    assert_like(told.stderr.lines().next().unwrap(), text, "the refusal");
    let daemon = Daemon::start_in(home, &["-a", "600"]);
    assert!(
        daemon.log().contains(&"INFO Increased RLIMIT_NOFILE limit to 600".to_owned()),
        "{:?}",
        daemon.log()
    );
}

/// PRC-8, PRC-26, PRC-115, CTL-27, CTL-32, FLT-10.
fn what_may_not_be_signalled_is_unknown(subject: Subject) {
    if !can(NOBODY) {
        return;
    }
    let program =
        |name| format!("[program:{name}]\ncommand=%(here)s/become --reuid=0 /bin/sleep 1000\nstartsecs=0\n");
    let home = Home::with(subject, &["x", "y", "z"].map(program).concat()).under(NOBODY);
    home.set_user("nobody");
    // A program of root's: whoever runs it becomes root.
    fs::copy("/usr/bin/setpriv", home.path("become")).unwrap();
    fs::set_permissions(home.path("become"), fs::Permissions::from_mode(0o4755)).unwrap();
    let mut daemon = Daemon::start_in(home, &[]);
    for (name, method, params, what) in [
        ("x", "stopProcess", json!(["x"]), "killing x"),
        ("y", "signalProcess", json!(["y", "HUP"]), "sending sig y"),
    ] {
        daemon.await_state(name, "RUNNING");
        let pid = daemon.pid_of(name);
        eventually("it is root", || so(status_of(pid, "Uid")[0] == "0", "it is not"));
        // What follows is Python's traceback, or the error.
        let refusal = format!("{:?}", daemon.call(method, &params).unwrap_err());
        let begun = format!("Fault(30, \"FAILED: unknown problem {what} ({pid}):");
        assert!(refusal.starts_with(&begun), "{refusal}");
        daemon.await_line(&format!("CRIT unknown problem {what} ({pid}):<ANY>"));
        daemon.await_state(name, "UNKNOWN");
        daemon
            .ctl(&format!("status {name}"))
            .says(3, &format!("{name}                                UNKNOWN   \n"));
        let unknown = format!("fault 30 FAILED: {name} is in an unknown process state");
        daemon.answers("startProcess", json!([name]), &unknown);
        if subject == Subject::Ours {
            // RE-11: theirs ends with it.
            kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
            super::await_gone(&daemon, pid);
            daemon.answers("getState", json!([]), "{\"statecode\": 1, \"statename\": \"RUNNING\"}");
        }
    }
    daemon.await_state("z", "RUNNING");
    let told = daemon.ctl("stop z");
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.stdout.starts_with("FAILED: unknown problem killing z ("), "{told:?}");
    let told = daemon.ctl("start z");
    assert_eq!(told.code, Some(1), "{told:?}");
    assert_like(&told.stdout, "error: <ANY>Unknown result code 30 for z<ANY>\n", "the refusal of a start");
}

/// PRC-116.
fn pid_1_reaps_orphans(subject: Subject) {
    if !can(PID_1) {
        return;
    }
    let home = Home::with(
        subject,
        "[program:x]\ncommand=/bin/sh -c '(exec 2>&1; sleep 0.1; exit 3) & exec /bin/true'\nstartsecs=0\nautorestart=false\n",
    );
    let mut daemon = Daemon::spawn(home.under(PID_1), &[]);
    daemon.await_line("INFO supervisord started with pid 1");
    daemon.await_line("INFO reaped unknown pid <PID> (exit status 3)");
}
