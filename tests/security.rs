//! What ours does for the safety of its control sockets; Supervisor has none of it.
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

mod support;

use serde_json::json;
use support::pattern::assert_like;
use support::{Daemon, Home, Subject};

const PROGRAM: &str = "[program:x]\ncommand=/bin/cat\nautostart=false\nstartsecs=0\n";

fn start(sections: &str) -> Daemon {
    Daemon::start_in(Home::with(Subject::Ours, sections), &[])
}

#[test]
fn every_change_is_logged_with_who_asked() {
    let daemon = start(PROGRAM);
    daemon.answers("getAllProcessInfo", json!([]), "[<ANY>]");
    daemon.answers("startProcess", json!(["x"]), "true");
    daemon.answers("stopProcessGroup", json!(["x", false]), "[<ANY>]");
    daemon.answers("signalAllProcesses", json!(["HUP"]), "[<ANY>]");
    daemon.answers("startProcess", json!(["a\nb"]), "fault 10 BAD_NAME: a\nb");
    let (uid, pid) = (nix::unistd::getuid(), std::process::id());
    let by = format!("requested by uid {uid} (pid {pid}) over unix socket");
    let expected = ["start of 'x'", "stop of 'x:*'", "signal SIGHUP to 'all'", "start of 'a\\nb'"];
    assert_eq!(daemon.wishes(), expected.map(|wish| format!("{wish} {by}")));
}

#[test]
fn the_name_that_was_proved_is_logged() {
    let daemon = start(
        "[unix_http_server]\nusername=me\npassword=secret\n[supervisorctl]\nusername=me\npassword=secret\n",
    );
    daemon.home.ctl("reread").says(0, "No config updates to processes\n");
    assert_eq!(daemon.wishes().len(), 1);
    assert_like(
        &daemon.wishes()[0],
        "reread of the configuration requested by user 'me', uid <N> (pid <N>) over unix socket",
        "who asked",
    );
}

#[test]
fn a_server_that_is_read_only_changes_nothing() {
    let daemon = start(&format!("[unix_http_server]\nreadonly=true\n{PROGRAM}"));
    daemon.answers("getProcessInfo", json!(["x"]), "{<ANY>\"statename\": \"STOPPED\"<ANY>}");
    daemon.answers("readLog", json!([0, 10]), "\"<ANY>\"");
    let refused = "this server is read-only: its section of the configuration says readonly=true";
    for (method, params) in [
        ("startProcess", json!(["x"])),
        ("signalAllProcesses", json!(["X"])),
        ("clearLog", json!([])),
        ("reloadConfig", json!([])),
        ("sendRemoteCommEvent", json!(["a", "b"])),
        ("shutdown", json!([])),
    ] {
        daemon.answers(method, params, &format!("fault 30 FAILED: {refused}"));
    }
    let calls = json!([[{"methodName": "supervisor.startProcess", "params": ["x"]}, {"methodName": "supervisor.getAPIVersion"}]]);
    let expected = format!("[{{\"faultCode\": 30, \"faultString\": \"FAILED: {refused}\"}}, \"3.0\"]");
    daemon.answers("system.multicall", calls, &expected);
    assert_eq!(daemon.wishes(), Vec::<String>::new());
}
