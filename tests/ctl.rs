//! What supervisorctl has beyond Supervisor's, against our daemon and against Python's.
#![allow(clippy::unwrap_used, reason = "a test may stop at what cannot be")]

mod support;

use serde_json::json;

use support::{Daemon, Home, Subject};

/// Runs our supervisorctl against any daemon.
fn ctl(home: &Home, words: &str) -> support::home::Outcome {
    home.ctl_of(Subject::Ours, words)
}

/// Tests against both daemons.
const DAEMONS: [Subject; 2] = [Subject::Ours, Subject::Theirs];

const WEB: &str = "\
[program:web]\ncommand=%(here)s/puppet\nnumprocs=2\nprocess_name=%(program_name)s_%(process_num)02d\nstartsecs=0\n
[program:api]\ncommand=%(here)s/puppet\nstartsecs=0\n
[program:app]\ncommand=%(here)s/puppet\nstartsecs=0\nautostart=false\n
";

#[test]
fn patterns_stand_for_the_processes_that_they_match() {
    for subject in DAEMONS {
        let daemon = Daemon::start(subject, WEB);
        for name in ["web:web_00", "web:web_01", "api"] {
            daemon.await_state(name, "RUNNING");
        }
        let home = &daemon.home;
        let [zero, one] = ["web:web_00", "web:web_01"]
            .map(|name| format!("{name}                       RUNNING   pid <PID>, uptime <UPTIME>\n"));
        ctl(home, "status web_*").says(0, &format!("{zero}{one}"));
        ctl(home, "status w*:*_01").says(0, &one);
        ctl(home, "status x* *_00").says(4, &format!("x*: ERROR (no such process)\n{zero}"));
        ctl(home, "start ap* x*:*")
            .says(1, "x*:*: ERROR (no such process)\napi: ERROR (already started)\napp: started\n");
        ctl(home, "signal CONT a* *p*").says(0, "api: signalled\napp: signalled\n");
        ctl(home, "clear web_?").says(1, "web_?: ERROR (no such process)\n");
        ctl(home, "clear web_0?").says(0, "web:web_00: cleared\nweb:web_01: cleared\n");
        ctl(home, "pid ap?").says(0, "<PID>\n<PID>\n");
        ctl(home, "restart app*").says(0, "app: stopped\napp: started\n");
        ctl(home, "stop web*:*").says(0, "web:web_00: stopped\nweb:web_01: stopped\n");
        daemon.tell("app", "echo hello");
        daemon.await_log_of("app", "hello\n");
        ctl(home, "tail a?p").says(0, "hello\n\n");
        ctl(home, "tail a*").says(1, "Error: 'a*' matches api, app; name one of them\n");
        daemon.must("stopProcess", json!(["app"]));
    }
}
