//! XML-RPC: several calls in one, and what is answered during the shutdown.

use serde_json::json;

use crate::support::{Daemon, Subject};

compliance!(
    during_the_shutdown_only_the_system_answers,
    several_calls_in_one,
    several_calls_wait_for_each_other,
);

const PROGRAMS: &str = "\
[program:a]\ncommand=%(here)s/puppet\nautostart=false\nstartsecs=0\n
[program:b]\ncommand=%(here)s/puppet\nautostart=false\nstartsecs=0\n
[program:c]\ncommand=%(here)s/puppet\nautostart=false\nstartsecs=0\n
[group:pair]\nprograms=a,b\n
";

/// 7.2: the state gate.
fn during_the_shutdown_only_the_system_answers(subject: Subject) {
    let sections = "[program:x]\ncommand=/bin/sh -c \"trap '' TERM; echo up; while :; do sleep 1; done\"\nstartsecs=0\nstopwaitsecs=600\n";
    let daemon = Daemon::start(subject, sections);
    daemon.await_log_of("x", "up\n");
    daemon.answers("shutdown", json!([]), "true");
    for (method, params) in [
        ("getAllProcessInfo", json!([])),
        ("getProcessInfo", json!(["x"])),
        ("getPID", json!([])),
        ("startProcess", json!(["x"])),
        ("stopProcess", json!(["nobody"])),
        ("readLog", json!([0, 0])),
        ("reloadConfig", json!([])),
        ("restart", json!([])),
        ("shutdown", json!([])),
        ("clearLog", json!([])),
        ("sendProcessStdin", json!(["x", ""])),
    ] {
        daemon.answers(method, params, "fault 6 SHUTDOWN_STATE");
    }
    daemon.answers("sendRemoteCommEvent", json!(["a", "b"]), "true");
    daemon.answers("system.methodSignature", json!(["supervisor.getPID"]), "[\"int\"]");
    daemon.answers(
        "system.multicall",
        json!([[{"methodName": "supervisor.getPID"}]]),
        "[{\"faultCode\": 6, \"faultString\": \"SHUTDOWN_STATE\"}]",
    );
}

/// RPC-60, RPC-61, RPC-62, RPC-63.
fn several_calls_in_one(subject: Subject) {
    let daemon = Daemon::start(subject, PROGRAMS);
    daemon.answers("system.multicall", json!([[]]), "[]");
    daemon.answers(
        "system.multicall",
        json!([[
            {"methodName": "supervisor.getAPIVersion", "params": []},
            {"methodName": "supervisor.getVersion"},
            {"methodName": "supervisor.startProcess", "params": ["nobody"]},
            {"methodName": "supervisor.nope", "params": []},
            {"methodName": "supervisor.getPID", "params": [1]},
            {"params": []},
            {"methodName": "system.multicall", "params": [[]]},
            {"methodName": "supervisor.startProcess", "params": ["c"]},
            {"methodName": "supervisor.stopProcess", "params": ["c", false]},
        ]]),
        "[\"3.0\", \"3.0\", {\"faultCode\": 10, \"faultString\": \"BAD_NAME: nobody\"}, \
          {\"faultCode\": 1, \"faultString\": \"UNKNOWN_METHOD\"}, \
          {\"faultCode\": 2, \"faultString\": \"INCORRECT_PARAMETERS\"}, \
          {\"faultCode\": 2, \"faultString\": \"INCORRECT_PARAMETERS: No methodName\"}, \
          {\"faultCode\": 2, \"faultString\": \"INCORRECT_PARAMETERS: Recursive system.multicall forbidden\"}, true, true]",
    );
}

/// RPC-60: a call that waits is waited for before the next one.
fn several_calls_wait_for_each_other(subject: Subject) {
    let daemon = Daemon::start(subject, "[program:slow]\ncommand=/bin/cat\nautostart=false\nstartsecs=1\n");
    daemon.answers(
        "system.multicall",
        json!([[
            {"methodName": "supervisor.startProcess", "params": ["slow"]},
            {"methodName": "supervisor.startProcess", "params": ["slow"]},
            {"methodName": "supervisor.stopProcess", "params": ["slow"]},
            {"methodName": "supervisor.stopProcess", "params": ["slow"]},
        ]]),
        "[true, {\"faultCode\": 60, \"faultString\": \"ALREADY_STARTED: slow\"}, true, \
          {\"faultCode\": 70, \"faultString\": \"NOT_RUNNING: slow\"}]",
    );
}
