//! Every XML-RPC method: its arguments, its answers and its faults.

use serde_json::json;

use crate::support::{Daemon, Subject, rpc};

compliance!(
    there_are_forty_one_methods,
    signatures_are_supervisors,
    every_method_has_its_help,
    a_wrong_number_of_arguments_is_a_fault,
    unknown_methods_are_a_fault,
    names_have_three_forms,
    start_and_stop_of_one_process,
    start_and_stop_of_groups_and_of_all,
    signals_to_one_to_groups_and_to_all,
    configurations_have_twenty_nine_fields,
    processes_come_by_group_and_name,
    a_start_that_waits_tells_how_it_ends,
    a_remote_event_is_taken,
);

const METHODS: [&str; 41] = [
    "supervisor.addProcessGroup",
    "supervisor.clearAllProcessLogs",
    "supervisor.clearLog",
    "supervisor.clearProcessLog",
    "supervisor.clearProcessLogs",
    "supervisor.getAPIVersion",
    "supervisor.getAllConfigInfo",
    "supervisor.getAllProcessInfo",
    "supervisor.getIdentification",
    "supervisor.getPID",
    "supervisor.getProcessInfo",
    "supervisor.getState",
    "supervisor.getSupervisorVersion",
    "supervisor.getVersion",
    "supervisor.readLog",
    "supervisor.readMainLog",
    "supervisor.readProcessLog",
    "supervisor.readProcessStderrLog",
    "supervisor.readProcessStdoutLog",
    "supervisor.reloadConfig",
    "supervisor.removeProcessGroup",
    "supervisor.restart",
    "supervisor.sendProcessStdin",
    "supervisor.sendRemoteCommEvent",
    "supervisor.shutdown",
    "supervisor.signalAllProcesses",
    "supervisor.signalProcess",
    "supervisor.signalProcessGroup",
    "supervisor.startAllProcesses",
    "supervisor.startProcess",
    "supervisor.startProcessGroup",
    "supervisor.stopAllProcesses",
    "supervisor.stopProcess",
    "supervisor.stopProcessGroup",
    "supervisor.tailProcessLog",
    "supervisor.tailProcessStderrLog",
    "supervisor.tailProcessStdoutLog",
    "system.listMethods",
    "system.methodHelp",
    "system.methodSignature",
    "system.multicall",
];

/// What is described in docs/extensions.md.
const OURS: [&str; 4] = [
    "supervisor.getAllProcessDetails",
    "supervisor.getConfigWarnings",
    "supervisor.getProcessDetails",
    "supervisor.reexec",
];

const TWO: &str = "\
[program:a]\ncommand=%(here)s/puppet\nautostart=false\nstartsecs=0\n
[program:b]\ncommand=%(here)s/puppet\nautostart=false\nstartsecs=0\n
[program:c]\ncommand=%(here)s/puppet\nautostart=false\nstartsecs=0\n
[group:pair]\nprograms=a,b\n
";

/// API-38.
fn there_are_forty_one_methods(subject: Subject) {
    let daemon = Daemon::start(subject, "");
    let mut names: Vec<String> = METHODS.iter().map(|name| format!("{name:?}")).collect();
    if subject == Subject::Ours {
        names.extend(OURS.map(|name| format!("{name:?}")));
        names.sort();
    }
    daemon.answers("system.listMethods", json!([]), &format!("[{}]", names.join(", ")));
}

/// API-40.
fn signatures_are_supervisors(subject: Subject) {
    let daemon = Daemon::start(subject, "");
    let signature = |method: &str| match method.rsplit('.').next().unwrap() {
        "getAPIVersion" | "getVersion" | "getSupervisorVersion" | "getIdentification" => "string",
        "getState" => "struct",
        "getPID" => "int",
        "getAllConfigInfo" | "getAllProcessInfo" | "reloadConfig" | "clearAllProcessLogs" | "listMethods" => {
            "array"
        }
        "clearLog" | "shutdown" | "restart" => "boolean",
        "readLog" | "readMainLog" => "string int int",
        "readProcessLog" | "readProcessStdoutLog" | "readProcessStderrLog" => "string string int int",
        "tailProcessLog" | "tailProcessStdoutLog" | "tailProcessStderrLog" => "array string int int",
        "addProcessGroup" | "removeProcessGroup" | "clearProcessLog" | "clearProcessLogs" => "boolean string",
        "startAllProcesses" | "stopAllProcesses" => "array boolean",
        "startProcess" | "stopProcess" => "boolean string boolean",
        "startProcessGroup" | "stopProcessGroup" => "array string boolean",
        "signalProcess" | "sendProcessStdin" | "sendRemoteCommEvent" => "boolean string string",
        "signalProcessGroup" => "array string string",
        "signalAllProcesses" => "array string",
        "getProcessInfo" => "struct string",
        "methodHelp" => "string string",
        "methodSignature" => "array string",
        "multicall" => "array array",
        other => panic!("{other}"),
    };
    for method in METHODS {
        let words: Vec<String> = signature(method).split(' ').map(|word| format!("{word:?}")).collect();
        daemon.answers("system.methodSignature", json!([method]), &format!("[{}]", words.join(", ")));
    }
    daemon.answers("system.methodSignature", json!(["supervisor.nope"]), "fault 4 SIGNATURE_UNSUPPORTED");
}

/// API-39. The help is prose; who writes it is free.
fn every_method_has_its_help(subject: Subject) {
    let daemon = Daemon::start(subject, "");
    for method in METHODS {
        let help = daemon.must("system.methodHelp", json!([method]));
        assert!(help.as_str().is_some_and(|help| help.contains("@return")), "{method}: {help:?}");
    }
    daemon.answers("system.methodHelp", json!(["supervisor.nope"]), "fault 4 SIGNATURE_UNSUPPORTED");
    daemon.answers("system.methodHelp", json!([""]), "fault 4 SIGNATURE_UNSUPPORTED");
}

/// RPC-8.
fn a_wrong_number_of_arguments_is_a_fault(subject: Subject) {
    let daemon = Daemon::start(subject, TWO);
    for (method, fewest, most) in [
        ("getState", 0, 0),
        ("getAllProcessInfo", 0, 0),
        ("clearLog", 0, 0),
        ("shutdown", 0, 0),
        ("restart", 0, 0),
        ("reloadConfig", 0, 0),
        ("readLog", 2, 2),
        ("getProcessInfo", 1, 1),
        ("addProcessGroup", 1, 1),
        ("removeProcessGroup", 1, 1),
        ("startProcess", 1, 2),
        ("stopProcess", 1, 2),
        ("startProcessGroup", 1, 2),
        ("stopProcessGroup", 1, 2),
        ("startAllProcesses", 0, 1),
        ("stopAllProcesses", 0, 1),
        ("signalProcess", 2, 2),
        ("signalProcessGroup", 2, 2),
        ("signalAllProcesses", 1, 1),
        ("readProcessStdoutLog", 3, 3),
        ("tailProcessStderrLog", 3, 3),
        ("clearProcessLogs", 1, 1),
        ("clearAllProcessLogs", 0, 0),
        ("sendProcessStdin", 2, 2),
        ("sendRemoteCommEvent", 2, 2),
        ("system.listMethods", 0, 0),
        ("system.methodHelp", 1, 1),
        ("system.methodSignature", 1, 1),
        ("system.multicall", 1, 1),
    ] {
        let arguments = |count: usize| serde_json::Value::Array(vec![json!("x"); count]);
        daemon.answers(method, arguments(most + 1), "fault 2 INCORRECT_PARAMETERS");
        if fewest > 0 {
            daemon.answers(method, arguments(fewest - 1), "fault 2 INCORRECT_PARAMETERS");
        }
    }
    daemon.answers("getState", json!([]), "{\"statecode\": 1, \"statename\": \"RUNNING\"}");
}

/// RPC-9.
fn unknown_methods_are_a_fault(subject: Subject) {
    let daemon = Daemon::start(subject, "");
    for method in [
        "supervisor.nope",
        "nope.getState",
        ".getState",
        "supervisor.",
        "supervisor.getState.more",
        "supervisor._update",
        "system.getState",
        "supervisor.getstate",
    ] {
        daemon.answers(method, json!([]), "fault 1 UNKNOWN_METHOD");
    }
    let answer = rpc::shown(&rpc::call(&daemon.socket(), "getState", &json!([])));
    assert_eq!(answer, "fault 1 UNKNOWN_METHOD");
}

/// RPC-20, RPC-21, RPC-22.
fn names_have_three_forms(subject: Subject) {
    let daemon = Daemon::start(subject, TWO);
    for name in ["c", "c:c", "pair:a"] {
        daemon.answers("getProcessInfo", json!([name]), "{<ANY>\"statename\": \"STOPPED\", <ANY>}");
    }
    daemon.answers("startProcess", json!(["c:c"]), "true");
    daemon.answers("startProcess", json!(["c"]), "fault 60 ALREADY_STARTED: c");
    daemon.answers("startProcess", json!(["pair:a"]), "true");
    daemon.answers("startProcess", json!(["pair:a"]), "fault 60 ALREADY_STARTED: pair:a");
    for name in ["a", "pair", "nobody", "pair:nobody", "nobody:a", "", ":", "pair:*", "pair:", "c:"] {
        daemon.answers("getProcessInfo", json!([name]), &format!("fault 10 BAD_NAME: {name}"));
    }
    for name in ["a", "pair", "nobody", "pair:nobody", "nobody:a", "nobody:*"] {
        for method in ["startProcess", "stopProcess"] {
            daemon.answers(method, json!([name]), &format!("fault 10 BAD_NAME: {name}"));
        }
    }
    daemon.answers(
        "stopProcess",
        json!(["pair:*"]),
        "[{\"name\": \"a\", \"group\": \"pair\", \"status\": 80, \"description\": \"OK\"}]",
    );
    daemon.answers("startProcessGroup", json!(["pair:*"]), "fault 10 BAD_NAME: pair:*");
    daemon.answers("startProcessGroup", json!(["nobody"]), "fault 10 BAD_NAME: nobody");
}

/// RPC-50 to RPC-53, API-15, API-18.
fn start_and_stop_of_one_process(subject: Subject) {
    let daemon = Daemon::start(subject, TWO);
    daemon.answers("stopProcess", json!(["c"]), "fault 70 NOT_RUNNING: c");
    daemon.answers("startProcess", json!(["c"]), "true");
    daemon.answers("startProcess", json!(["c"]), "fault 60 ALREADY_STARTED: c");
    daemon.answers("startProcess", json!(["c", false]), "fault 60 ALREADY_STARTED: c");
    daemon.answers("stopProcess", json!(["c", true]), "true");
    daemon.answers("startProcess", json!(["pair:a"]), "true");
    daemon.answers("startProcess", json!(["pair:a"]), "fault 60 ALREADY_STARTED: pair:a");
    daemon.answers("stopProcess", json!(["pair:a"]), "true");
    daemon.answers("stopProcess", json!(["pair:a"]), "fault 70 NOT_RUNNING: pair:a");
}

/// API-16, API-17, API-19, API-20.
fn start_and_stop_of_groups_and_of_all(subject: Subject) {
    let daemon = Daemon::start(subject, &TWO.replace("[program:c]", "[program:c]\npriority=5"));
    let ok = |group: &str, name: &str| {
        format!("{{\"name\": \"{name}\", \"group\": \"{group}\", \"status\": 80, \"description\": \"OK\"}}")
    };
    daemon.answers(
        "startProcessGroup",
        json!(["pair"]),
        &format!("[{}, {}]", ok("pair", "a"), ok("pair", "b")),
    );
    daemon.answers("startProcessGroup", json!(["pair"]), "[]");
    daemon.answers("startAllProcesses", json!([]), &format!("[{}]", ok("c", "c")));
    daemon.answers("startAllProcesses", json!([false]), "[]");
    daemon.answers("stopProcessGroup", json!(["c"]), &format!("[{}]", ok("c", "c")));
    daemon.answers(
        "stopAllProcesses",
        json!([false]),
        &format!("[{}, {}]", ok("pair", "a"), ok("pair", "b")),
    );
    for name in ["pair:a", "pair:b"] {
        daemon.await_state(name, "STOPPED");
    }
    daemon.answers("stopAllProcesses", json!([]), "[]");
    daemon.answers(
        "startAllProcesses",
        json!([true]),
        &format!("[{}, {}, {}]", ok("c", "c"), ok("pair", "a"), ok("pair", "b")),
    );
}

/// API-21, API-22, API-23.
fn signals_to_one_to_groups_and_to_all(subject: Subject) {
    let daemon = Daemon::start(subject, TWO);
    daemon.answers("signalAllProcesses", json!(["HUP"]), "[]");
    daemon.answers("startProcess", json!(["pair:a"]), "true");
    for signal in [json!("CONT"), json!("SIGCONT"), json!("cont"), json!("18"), json!(18)] {
        daemon.answers("signalProcess", json!(["pair:a", signal]), "true");
    }
    daemon.answers("signalProcess", json!(["pair:a", "NOPE"]), "fault 11 BAD_SIGNAL: NOPE");
    daemon.answers("signalProcess", json!(["pair:a", 99]), "fault 11 BAD_SIGNAL: 99");
    daemon.answers("signalProcess", json!(["c", "CONT"]), "fault 70 NOT_RUNNING: c");
    daemon.answers("signalProcess", json!(["c", "NOPE"]), "fault 11 BAD_SIGNAL: NOPE");
    daemon.answers("signalProcess", json!(["nobody", "CONT"]), "fault 10 BAD_NAME: nobody");
    let ok = "[{\"name\": \"a\", \"group\": \"pair\", \"status\": 80, \"description\": \"OK\"}]";
    daemon.answers("signalProcess", json!(["pair:*", "CONT"]), ok);
    daemon.answers("signalProcessGroup", json!(["pair", "CONT"]), ok);
    daemon.answers("signalAllProcesses", json!(["CONT"]), ok);
    let bad =
        "[{\"name\": \"a\", \"group\": \"pair\", \"status\": 11, \"description\": \"BAD_SIGNAL: NOPE\"}]";
    daemon.answers("signalProcessGroup", json!(["pair", "NOPE"]), bad);
    daemon.answers("signalAllProcesses", json!(["NOPE"]), bad);
    daemon.answers("signalProcessGroup", json!(["nobody", "CONT"]), "fault 10 BAD_NAME: nobody");
    daemon.answers("signalProcessGroup", json!(["c", "CONT"]), "[]");
}

/// 7.8.
fn configurations_have_twenty_nine_fields(subject: Subject) {
    let daemon = Daemon::start(
        subject,
        "[program:z]\ncommand=/bin/cat 'a b'\nautostart=false\nuser=0\ndirectory=/tmp\nexitcodes=0,2\nstopsignal=INT\npriority=7\n\
         stdout_logfile=NONE\nstderr_logfile=%(here)s/err\nserverurl=http://x:1\nstdout_logfile_maxbytes=1MB\nstopasgroup=true\n\
         [program:a]\ncommand=/bin/cat\nautostart=false\n[group:g]\nprograms=z\npriority=3\n",
    );
    let a = "{\"autostart\": false, \"directory\": \"none\", \"uid\": \"none\", \"command\": \"/bin/cat\", \"exitcodes\": [0], \
             \"group\": \"a\", \"group_prio\": 999, \"inuse\": true, \"killasgroup\": false, \"name\": \"a\", \
             \"process_prio\": 999, \"redirect_stderr\": false, \"startretries\": 3, \"startsecs\": 1, \
             \"stdout_capture_maxbytes\": 0, \"stdout_events_enabled\": false, \"stdout_logfile\": \"<ANY>\", \
             \"stdout_logfile_backups\": 10, \"stdout_logfile_maxbytes\": 52428800, \"stdout_syslog\": false, \
             \"stopsignal\": 15, \"stopwaitsecs\": 10, \"stderr_capture_maxbytes\": 0, \"stderr_events_enabled\": false, \
             \"stderr_logfile\": \"<ANY>\", \"stderr_logfile_backups\": 10, \"stderr_logfile_maxbytes\": 52428800, \
             \"stderr_syslog\": false, \"serverurl\": \"<ANY>\"}";
    let z = "{\"autostart\": false, \"directory\": \"/tmp\", \"uid\": 0, \"command\": \"/bin/cat 'a b'\", \"exitcodes\": [0, 2], \
             \"group\": \"g\", \"group_prio\": 3, \"inuse\": true, \"killasgroup\": true, \"name\": \"z\", \
             \"process_prio\": 7, \"redirect_stderr\": false, \"startretries\": 3, \"startsecs\": 1, \
             \"stdout_capture_maxbytes\": 0, \"stdout_events_enabled\": false, \"stdout_logfile\": \"none\", \
             \"stdout_logfile_backups\": 10, \"stdout_logfile_maxbytes\": 1048576, \"stdout_syslog\": false, \
             \"stopsignal\": 2, \"stopwaitsecs\": 10, \"stderr_capture_maxbytes\": 0, \"stderr_events_enabled\": false, \
             \"stderr_logfile\": \"<DIR>/err\", \"stderr_logfile_backups\": 10, \"stderr_logfile_maxbytes\": 52428800, \
             \"stderr_syslog\": false, \"serverurl\": \"http://x:1\"}";
    daemon.answers("getAllConfigInfo", json!([]), &format!("[{a}, {z}]"));
}

/// API-26, RPC-14.
fn processes_come_by_group_and_name(subject: Subject) {
    let daemon = Daemon::start(
        subject,
        "[program:b]\ncommand=/bin/cat\nautostart=false\npriority=1\n[program:Z]\ncommand=/bin/cat\nautostart=false\n\
         [program:a]\ncommand=/bin/cat\nautostart=false\nnumprocs=11\nprocess_name=%(process_num)d\n",
    );
    let infos = match daemon.must("getAllProcessInfo", json!([])) {
        supervisord::wire::xmlrpc::Value::Array(infos) => infos,
        other => panic!("{other:?}"),
    };
    let names: Vec<String> = infos
        .iter()
        .map(|info| {
            ["group", "name"]
                .map(|member| info.member(member).and_then(|name| name.as_str()).unwrap())
                .join(":")
        })
        .collect();
    assert_eq!(
        names,
        ["Z:Z", "a:0", "a:1", "a:10", "a:2", "a:3", "a:4", "a:5", "a:6", "a:7", "a:8", "a:9", "b:b"]
    );
}

/// RPC-51, RPC-52.
fn a_start_that_waits_tells_how_it_ends(subject: Subject) {
    let daemon = Daemon::start(
        subject,
        "[program:slow]\ncommand=/bin/cat\nautostart=false\nstartsecs=1\n\
         [program:dies]\ncommand=/bin/sh -c 'exit 1'\nautostart=false\nstartsecs=20\nstartretries=0\n\
         [program:long]\ncommand=/bin/cat\nautostart=false\nstartsecs=600\n",
    );
    let begun = std::time::Instant::now();
    daemon.answers("startProcess", json!(["slow"]), "true");
    assert!(begun.elapsed() >= std::time::Duration::from_secs(1), "{:?}", begun.elapsed());
    daemon.answers("getProcessInfo", json!(["slow"]), "{<ANY>\"statename\": \"RUNNING\", <ANY>}");
    daemon.answers("startProcess", json!(["dies"]), "fault 50 SPAWN_ERROR: dies");
    daemon.answers("startProcess", json!(["long", false]), "true");
    daemon.answers(
        "getProcessInfo",
        json!(["long"]),
        "{<ANY>\"statename\": \"STARTING\", <ANY>, \"pid\": <PID>, \"description\": \"\"}",
    );
    // One who waits is told when another stops what he waits for.
    daemon.answers("stopProcess", json!(["long"]), "true");
    let socket = daemon.socket();
    let waiting = std::thread::spawn(move || {
        rpc::shown(&rpc::call(&socket, "supervisor.startProcess", &json!(["long"])))
    });
    daemon.await_state("long", "STARTING");
    daemon.answers("stopProcess", json!(["long"]), "true");
    assert_eq!(waiting.join().unwrap(), "fault 40 ABNORMAL_TERMINATION: long");
}

/// API-37.
fn a_remote_event_is_taken(subject: Subject) {
    let daemon = Daemon::start(subject, "");
    daemon.answers("sendRemoteCommEvent", json!(["type", "data \u{20ac}"]), "true");
}
