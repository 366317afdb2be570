//! supervisorctl: reread, update, add, remove, avail; and what counts as changed.

use serde_json::json;

use crate::support::{Daemon, Subject};

compliance!(
    reread_tells_what_differs,
    reread_refuses_a_broken_file,
    add_and_remove_one_group_at_a_time,
    remove_refuses_what_still_runs,
    update_makes_the_file_true,
    update_touches_only_the_groups_that_are_named,
    avail_lists_what_the_file_says,
    every_option_of_a_program_counts_as_a_change,
    what_spells_the_same_is_no_change,
    a_change_of_kind_or_membership_is_a_change,
);

const ONE: &str = "[program:a]\ncommand=/bin/cat\nstartsecs=0\n";
const BOTH: &str = "[program:a]\ncommand=/bin/cat\nstartsecs=0\n[program:b]\ncommand=/bin/cat\nstartsecs=0\n";

/// CTL-70, RPC-40, RPC-42, RPC-43.
fn reread_tells_what_differs(subject: Subject) {
    let daemon = Daemon::start(subject, BOTH);
    daemon.await_state("b", "RUNNING");
    let pid = daemon.pid_of("b");
    daemon.ctl("reread").says(0, "No config updates to processes\n");
    daemon.home.configure("[program:c]\ncommand=/bin/cat\n[program:a]\ncommand=/bin/cat\nstartsecs=1\n");
    daemon.ctl("reread").says(0, "a: changed\nb: disappeared\nc: available\n");
    daemon.answers("reloadConfig", json!([]), r#"[[["c"], ["a"], ["b"]]]"#);
    assert_eq!(daemon.pid_of("b"), pid, "reread starts and stops nothing");
    daemon.answers("getProcessInfo", json!(["c"]), "fault 10 BAD_NAME: c");
    daemon.home.configure(BOTH);
    daemon.ctl("reread").says(0, "No config updates to processes\n");
}

/// RPC-41, CTL-70, CTL-76.
fn reread_refuses_a_broken_file(subject: Subject) {
    let daemon = Daemon::start(subject, ONE);
    daemon.await_state("a", "RUNNING");
    let pid = daemon.pid_of("a");
    daemon.home.configure("[program:a]\ncommand=/bin/cat\nstartsecs=soon\n");
    let told = daemon.ctl("reread");
    assert_eq!(told.code, Some(1), "{told:?}");
    let start = "ERROR: CANT_REREAD: ";
    assert!(told.stdout.starts_with(start), "{told:?}");
    assert!(told.stdout.contains("invalid literal for int() with base 10: 'soon'"), "{told:?}");
    assert!(told.stdout.contains("program:a"), "{told:?}");
    let told = daemon.ctl("update");
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.stdout.contains("CANT_REREAD: "), "{told:?}");
    assert_eq!(daemon.pid_of("a"), pid);
    std::fs::remove_file(daemon.home.path("supervisord.conf")).unwrap();
    let refused = daemon.call("reloadConfig", &json!([]));
    assert!(matches!(&refused, Err(crate::support::rpc::Refusal::Fault(92, _))), "{refused:?}");
    daemon.home.configure(ONE);
    daemon.ctl("reread").says(0, "No config updates to processes\n");
}

/// CTL-71, CTL-72, CLI-88, API-13, API-14.
fn add_and_remove_one_group_at_a_time(subject: Subject) {
    let daemon = Daemon::start(subject, ONE);
    daemon.await_state("a", "RUNNING");
    daemon.ctl("add").says(0, "");
    daemon.ctl("add b").says(1, "ERROR: no such process/group: b\n");
    daemon.home.configure(BOTH);
    daemon.ctl("add b").says(1, "ERROR: no such process/group: b\n");
    daemon.ctl("reread").says(0, "b: available\n");
    daemon.ctl("add a b").says(0, "ERROR: process group already active\nb: added process group\n");
    daemon.await_state("b", "RUNNING");
    daemon.answers("addProcessGroup", json!(["b"]), "fault 90 ALREADY_ADDED: b");
    daemon.answers("addProcessGroup", json!(["c"]), "fault 10 BAD_NAME: c");
    daemon.must("stopProcess", json!(["a"]));
    daemon.ctl("remove a c").says(1, "a: removed process group\nERROR: no such process/group: c\n");
    daemon.ctl("remove").says(0, "");
    daemon.answers("removeProcessGroup", json!(["a"]), "fault 10 BAD_NAME: a");
    daemon.answers("getProcessInfo", json!(["a"]), "fault 10 BAD_NAME: a");
    // The configuration still knows it.
    daemon.ctl("add a").says(0, "a: added process group\n");
    daemon.await_state("a", "RUNNING");
}

/// API-14: whatever is not stopped is in the way, a backoff as well.
fn remove_refuses_what_still_runs(subject: Subject) {
    let sections = format!(
        "{ONE}[program:x]\ncommand=%(here)s/missing\nstartretries=1000000\n\
         [program:slow]\ncommand=/bin/sh -c \"trap '' TERM; echo up; while :; do sleep 1; done\"\nstartsecs=0\nstopwaitsecs=600\n"
    );
    let daemon = Daemon::start(subject, &sections);
    daemon.await_state("a", "RUNNING");
    daemon.await_state("x", "BACKOFF");
    daemon.await_log_of("slow", "up\n");
    daemon.must("stopProcess", json!(["slow", false]));
    daemon.ctl("remove a").says(1, "ERROR: process/group still running: a\n");
    daemon.answers("removeProcessGroup", json!(["x"]), "fault 91 STILL_RUNNING: x");
    daemon.answers("removeProcessGroup", json!(["slow"]), "fault 91 STILL_RUNNING: slow");
    daemon.ctl("stop a x").says(0, "a: stopped\nx: stopped\n");
    daemon.ctl("remove a x").says(0, "a: removed process group\nx: removed process group\n");
}

/// CTL-73, CTL-75, CTL-77.
fn update_makes_the_file_true(subject: Subject) {
    let daemon = Daemon::start(subject, BOTH);
    daemon.await_state("a", "RUNNING");
    daemon.await_state("b", "RUNNING");
    daemon.ctl("update").says(0, "");
    daemon.ctl("stop a").says(0, "a: stopped\n");
    daemon.home.configure(
        "[program:a]\ncommand=/bin/cat\nstartsecs=0\npriority=5\n[program:c]\ncommand=/bin/cat\nstartsecs=0\n",
    );
    daemon.ctl("update").says(
        0,
        "b: stopped\nb: removed process group\n\
         a: stopped\na: updated process group\n\
         c: added process group\n",
    );
    // It was stopped by hand, and starts again because it is new.
    daemon.await_state("a", "RUNNING");
    daemon.await_state("c", "RUNNING");
    daemon.answers("getProcessInfo", json!(["b"]), "fault 10 BAD_NAME: b");
    daemon.ctl("update all").says(0, "");
}

/// CTL-74, CLI-89.
fn update_touches_only_the_groups_that_are_named(subject: Subject) {
    let daemon = Daemon::start(subject, BOTH);
    daemon.await_state("a", "RUNNING");
    daemon.await_state("b", "RUNNING");
    let a = daemon.pid_of("a");
    let changed =
        format!("{}[program:c]\ncommand=/bin/cat\n", BOTH.replace("startsecs=0", "startsecs=0\npriority=7"));
    daemon.home.configure(&changed);
    daemon.ctl("update b").says(0, "b: stopped\nb: updated process group\n");
    daemon.ctl("update nobody c").says(1, "ERROR: no such group: nobody\nc: added process group\n");
    assert_eq!(daemon.pid_of("a"), a);
    daemon.ctl("reread").says(0, "a: changed\n");
    daemon.ctl("update b").says(0, "");
    daemon.ctl("update nobody").says(1, "ERROR: no such group: nobody\n");
}

/// CTL-63, RPC-42.
fn avail_lists_what_the_file_says(subject: Subject) {
    let sections = "\
[program:z]\ncommand=/bin/cat\nautostart=false\npriority=3\n
[program:a]\ncommand=/bin/cat\nautostart=false\n
[program:web]\ncommand=/bin/cat\nautostart=true\nnumprocs=2\nprocess_name=p%(process_num)d\npriority=-1\n
[group:g]\nprograms=a\npriority=8\n";
    let daemon = Daemon::start(subject, sections);
    daemon.ctl("avail").says(
        0,
        "g:a                              in use    manual    8:999\n\
         web:p0                           in use    auto      -1:-1\n\
         web:p1                           in use    auto      -1:-1\n\
         z                                in use    manual    3:3\n",
    );
    daemon.home.configure("[program:new]\ncommand=/bin/cat\n[program:z]\ncommand=/bin/cat\n");
    daemon.ctl("avail").says(
        0,
        "g:a                              in use    manual    8:999\n\
         web:p0                           in use    auto      -1:-1\n\
         web:p1                           in use    auto      -1:-1\n\
         z                                in use    manual    3:3\n",
    );
    daemon.ctl("reread").says(0, "g: disappeared\nnew: available\nweb: disappeared\nz: changed\n");
    daemon.ctl("avail").says(
        0,
        "new                              avail     auto      999:999\n\
         z                                in use    auto      999:999\n",
    );
}

/// RPC-45.
fn every_option_of_a_program_counts_as_a_change(subject: Subject) {
    let daemon =
        Daemon::start(subject, "[program:a]\ncommand=/bin/cat\nautostart=false\nstdout_logfile=NONE\n");
    for option in [
        "command=/bin/true",
        "directory=/",
        "umask=077",
        "priority=1",
        "autostart=true",
        "autorestart=false",
        "startsecs=2",
        "startretries=4",
        "exitcodes=0,2",
        "stopsignal=INT",
        "stopwaitsecs=11",
        "stopasgroup=true\nkillasgroup=true",
        "killasgroup=true",
        "redirect_stderr=true",
        "stdout_logfile=%(here)s/log",
        "stdout_logfile_maxbytes=1",
        "stdout_logfile_backups=1",
        "stdout_capture_maxbytes=1",
        "stdout_events_enabled=true",
        "stdout_syslog=true",
        "stderr_logfile=%(here)s/log",
        "stderr_logfile_maxbytes=1",
        "stderr_logfile_backups=1",
        "stderr_capture_maxbytes=1",
        "stderr_events_enabled=true",
        "stderr_syslog=true",
        "environment=A=\"1\"",
        "serverurl=http://localhost:1",
        "numprocs=2\nprocess_name=%(process_num)d",
        "process_name=b",
    ] {
        let sections =
            format!("[program:a]\ncommand=/bin/cat\nautostart=false\nstdout_logfile=NONE\n{option}\n");
        daemon.home.configure(&sections);
        daemon.answers("reloadConfig", json!([]), r#"[[[], ["a"], []]]"#);
    }
    // What every program gets counts for each of them.
    let global = "[supervisord]\nenvironment=A=\"1\"\n[program:a]\ncommand=/bin/cat\nautostart=false\nstdout_logfile=NONE\n";
    daemon.home.configure(global);
    daemon.answers("reloadConfig", json!([]), r#"[[[], ["a"], []]]"#);
}

/// RPC-47.
fn what_spells_the_same_is_no_change(subject: Subject) {
    let sections = "[program:a]\ncommand=/bin/cat\nstopsignal=INT\nautostart=false\numask=022\nenvironment=A=\"1\",B=\"2\"\n\
                    [program:b]\ncommand=/bin/cat\nautostart=false\n";
    let daemon = Daemon::start(subject, sections);
    daemon.home.configure(
        "[program:b]\nautostart=off\ncommand = /bin/cat\n; a comment\n\
         [program:a]\npriority=0999\numask=0o22\nenvironment = B='2',A=1,\n\
         command: /bin/cat\nstopsignal=sigint\nautostart=No\nstdout_logfile_maxbytes=51200KB\n",
    );
    daemon.answers("reloadConfig", json!([]), "[[[], [], []]]");
    daemon.ctl("reread").says(0, "No config updates to processes\n");
}

/// RPC-44, RPC-47.
fn a_change_of_kind_or_membership_is_a_change(subject: Subject) {
    let programs = "[program:a]\ncommand=/bin/cat\nautostart=false\n[program:b]\ncommand=/bin/cat\nautostart=false\n\
                    [program:c]\ncommand=/bin/cat\nautostart=false\n";
    let daemon = Daemon::start(subject, &format!("{programs}[group:g]\nprograms=a,b\n"));
    let reread = |groups: &str, expected: &str| {
        daemon.home.configure(&format!("{programs}{groups}"));
        daemon.answers("reloadConfig", json!([]), expected);
    };
    reread("[group:g]\nprograms=a, b\n", "[[[], [], []]]");
    reread("[group:g]\nprograms=b,a\n", r#"[[[], ["g"], []]]"#);
    reread("[group:g]\nprograms=a,b\npriority=1\n", r#"[[[], ["g"], []]]"#);
    reread("[group:g]\nprograms=a,b,c\n", r#"[[[], ["g"], ["c"]]]"#);
    reread("[group:g]\nprograms=a\n", r#"[[["b"], ["g"], []]]"#);
    reread("", r#"[[["a", "b"], [], ["g"]]]"#);
    reread("[program:b]\npriority=5\n", r#"[[["b", "a"], [], ["g"]]]"#);
}
