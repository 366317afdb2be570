//! `[program:x]`, `[group:x]`, `[fcgi-program:x]` and `[eventlistener:x]`: their options, what they are when they are left out,
//! and what goes together.

use serde_json::{Value as Json, json};

use crate::support::{Paper, Subject};

compliance!(
    a_program_needs_a_command_alone,
    every_option_of_a_program_is_read,
    many_processes_need_many_names,
    a_program_may_have_no_processes,
    what_is_stopped_as_a_group_is_killed_as_one,
    an_own_file_for_redirected_stderr_is_told,
    automatic_logs_without_rollover_are_told,
    the_working_directory_is_taken_literally,
    the_server_url_is_computed_or_given,
    groups_take_their_programs,
    groups_refuse_what_they_do_not_find,
    shared_sockets_and_their_options,
    shared_sockets_that_are_wrong_are_refused,
    listeners_need_events,
    the_pool_has_a_priority_of_its_own,
    listeners_keep_their_stderr_to_themselves,
);

/// OPT-40 to OPT-71.
fn a_program_needs_a_command_alone(subject: Subject) {
    let paper = Paper::new(subject);
    let log = json!({
        "logfile": "AUTO", "maxbytes": 50 << 20, "backups": 10, "capture_maxbytes": 0, "events_enabled": false, "syslog": false
    });
    let expected = json!({
        "name": "x",
        "command": "/bin/cat",
        "directory": null,
        "umask": null,
        "priority": 999,
        "autostart": true,
        "autorestart": "unexpected",
        "startsecs": 1,
        "startretries": 3,
        "exitcodes": [0],
        "stopsignal": 15,
        "stopwaitsecs": 10,
        "stopasgroup": false,
        "killasgroup": false,
        "uid": null,
        "redirect_stderr": false,
        "environment": {},
        "serverurl": null,
        "stdout": log,
        "stderr": log,
    });
    paper.means("[supervisord]\n[program:x]\ncommand=/bin/cat\n", "/groups/0/processes", json!([expected]));
    paper.means("[supervisord]\n[program:x]\ncommand=/bin/cat\n", "/groups/0/priority", 999);
    paper.refuses("[supervisord]\n[program:x]\n", "program section program:x does not specify a command");
}

/// OPT-40 to OPT-71.
fn every_option_of_a_program_is_read(subject: Subject) {
    let paper = Paper::new(subject);
    let text = "command=/bin/cat 'a b'\nprocess_name=%(program_name)s_%(process_num)02d\nnumprocs=2\nnumprocs_start=3\npriority=5\n\
                autostart=false\nautorestart=true\nstartsecs=6\nstartretries=7\nexitcodes=1,2\nstopsignal=INT\nstopwaitsecs=8\n\
                stopasgroup=true\nkillasgroup=true\nuser=nobody\nredirect_stderr=true\nstdout_logfile=/tmp/o\n\
                stdout_logfile_maxbytes=1KB\nstdout_logfile_backups=2\nstdout_capture_maxbytes=3KB\nstdout_events_enabled=true\n\
                stdout_syslog=true\nstderr_logfile=NONE\nstderr_logfile_maxbytes=2KB\nstderr_logfile_backups=3\n\
                stderr_capture_maxbytes=4KB\nstderr_events_enabled=true\nstderr_syslog=true\nenvironment=A=\"1\"\n\
                directory=/tmp\numask=027\nserverurl=http://h:1";
    let expected = json!({
        "name": "x_04",
        "command": "/bin/cat 'a b'",
        "directory": "/tmp",
        "umask": 0o27,
        "priority": 5,
        "autostart": false,
        "autorestart": "true",
        "startsecs": 6,
        "startretries": 7,
        "exitcodes": [1, 2],
        "stopsignal": 2,
        "stopwaitsecs": 8,
        "stopasgroup": true,
        "killasgroup": true,
        "uid": 65534,
        "redirect_stderr": true,
        "environment": {"A": "1"},
        "serverurl": "http://h:1",
        "stdout": {
            "logfile": "/tmp/o", "maxbytes": 1024, "backups": 2, "capture_maxbytes": 3072, "events_enabled": true, "syslog": true
        },
        "stderr": {
            "logfile": "NONE", "maxbytes": 2048, "backups": 3, "capture_maxbytes": 4096, "events_enabled": true, "syslog": true
        },
    });
    let text = format!("[supervisord]\n[program:x]\n{text}\n");
    paper.means(&text, "/groups/0/processes/1", expected);
    paper.means(&text, "/groups/0/processes/0/name", "x_03");
    paper.means(&text, "/groups/0/priority", 5);
}

/// OPT-41, OPT-42, OPT-43.
fn many_processes_need_many_names(subject: Subject) {
    let paper = Paper::new(subject);
    let words = "%(process_num) must be present within process_name when numprocs > 1";
    paper.program_refuses("numprocs=2", words);
    paper.program_refuses("numprocs=2\nprocess_name=%(program_name)s", words);
    // The text is looked at, not what becomes of it.
    paper.program_has("numprocs=2\nprocess_name=%%(process_num)", "/name", "%(process_num)");
    let text = "[supervisord]\n[program:x]\ncommand=%(process_num)d\nnumprocs=11\nnumprocs_start=-1\nprocess_name=p%(process_num)d\n";
    let settings = paper.settings(text);
    let processes = settings["groups"][0]["processes"].as_array().unwrap();
    let names: Vec<&str> = processes.iter().map(|process| process["name"].as_str().unwrap()).collect();
    // By name, as texts.
    assert_eq!(names, ["p-1", "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9"]);
}

/// OPT-42.
fn a_program_may_have_no_processes(subject: Subject) {
    let paper = Paper::new(subject);
    for number in ["0", "-1"] {
        let text = format!("[supervisord]\n[program:x]\nnumprocs={number}\npriority=3\n");
        let expected = json!([{"name": "x", "priority": 3, "processes": []}]);
        paper.means(&text, "/groups", expected);
    }
}

/// OPT-52, OPT-53.
fn what_is_stopped_as_a_group_is_killed_as_one(subject: Subject) {
    let paper = Paper::new(subject);
    paper.program_has("stopasgroup=true", "/killasgroup", true);
    paper.program_has("killasgroup=true", "/stopasgroup", false);
    paper.program_has("stopasgroup=false\nkillasgroup=false", "/killasgroup", false);
    paper.program_refuses(
        "stopasgroup=true\nkillasgroup=false",
        "Cannot set stopasgroup=true and killasgroup=false",
    );
}

/// OPT-55.
fn an_own_file_for_redirected_stderr_is_told(subject: Subject) {
    let paper = Paper::new(subject);
    let warning = "For [program:x], redirect_stderr=true but stderr_logfile has also been set to a filename, the filename has \
                   been ignored";
    for (log, warnings) in
        [("x.log", json!([warning])), ("AUTO", json!([])), ("NONE", json!([])), ("", json!([warning]))]
    {
        let options = format!("redirect_stderr=true\nstderr_logfile={log}");
        paper.program_has(&options, "/stderr/logfile", "NONE");
        let text = format!("[supervisord]\n[program:x]\ncommand=x\n{options}\n");
        paper.means(&text, "/warnings", warnings);
    }
}

/// OPT-56, OPT-57.
fn automatic_logs_without_rollover_are_told(subject: Subject) {
    let paper = Paper::new(subject);
    let warning = |option: &str| {
        format!(
            "For [program:x], AUTO logging used for {option} without rollover, set maxbytes > 0 to avoid filling up filesystem \
             unintentionally"
        )
    };
    let text = "[supervisord]\n[program:x]\ncommand=x\nstdout_logfile_maxbytes=0\nstderr_logfile=auto\nstderr_logfile_maxbytes=0KB\n";
    paper.means(text, "/warnings", json!([warning("stdout_logfile"), warning("stderr_logfile")]));
    for quiet in [
        "stdout_logfile=NONE\nstdout_logfile_maxbytes=0",
        "stdout_logfile_maxbytes=-1",
        "stdout_logfile_backups=0",
    ] {
        paper.means(&format!("[supervisord]\n[program:x]\ncommand=x\n{quiet}\n"), "/warnings", json!([]));
    }
}

/// OPT-69.
fn the_working_directory_is_taken_literally(subject: Subject) {
    let paper = Paper::new(subject);
    for text in ["~/x", "no/such", "", "/tmp/../x"] {
        paper.program_has(&format!("directory={text}"), "/directory", text);
    }
}

/// OPT-71.
fn the_server_url_is_computed_or_given(subject: Subject) {
    let paper = Paper::new(subject);
    for (text, url) in [
        ("AUTO", Json::Null),
        ("auto", Json::Null),
        (" Auto ", Json::Null),
        ("foo", json!("foo")),
        ("", json!("")),
    ] {
        paper.program_has(&format!("serverurl={text}"), "/serverurl", url);
    }
}

/// OPT-75, OPT-76.
fn groups_take_their_programs(subject: Subject) {
    let paper = Paper::new(subject);
    let text = "[supervisord]\n[group:g]\nprograms=y,x\n[group:h]\nprograms=x\npriority=3\n[group:empty]\n[program:x]\ncommand=%(group_name)s\n\
                numprocs=2\nprocess_name=%(process_num)s\npriority=1\n[program:y]\ncommand=y\npriority=1\n[program:z]\ncommand=z\n";
    let settings = paper.settings(text);
    let shown = |group: &Json| {
        let name = |process: &Json| {
            format!("{} {}", process["name"].as_str().unwrap(), process["command"].as_str().unwrap())
        };
        let members: Vec<String> = group["processes"].as_array().unwrap().iter().map(name).collect();
        format!("{} {}: {}", group["name"].as_str().unwrap(), group["priority"], members.join(", "))
    };
    let groups: Vec<String> = settings["groups"].as_array().unwrap().iter().map(shown).collect();
    assert_eq!(groups, ["h 3: 0 h, 1 h", "empty 999: ", "g 999: y y, 0 g, 1 g", "z 999: z z"]);
}

/// OPT-75, RE-58.
fn groups_refuse_what_they_do_not_find(subject: Subject) {
    let paper = Paper::new(subject);
    let text =
        "[supervisord]\n[program:x]\ncommand=x\n[eventlistener:e]\ncommand=x\nevents=TICK_5\n[group:g]\n";
    for name in ["nope", "e", "program:x", "X"] {
        let words = format!("[group:g] names unknown program or fcgi-program {name}");
        paper.refuses(format!("{text}programs={name}\n"), &words);
    }
    // Theirs names the program before.
    let section = if subject == Subject::Ours { "group:g" } else { "program:x" };
    paper.refuses(
        format!("{text}programs=x,y\n"),
        &format!("[{section}] names unknown program or fcgi-program y"),
    );
    let both = format!("{text}programs=x\n[fcgi-program:x]\ncommand=x\nsocket=tcp://h:1\n");
    paper.refuses(both, "[group:g] name x is ambiguous (exists as program and fcgi-program)");
}

/// OPT-80 to OPT-83.
fn shared_sockets_and_their_options(subject: Subject) {
    let paper = Paper::new(subject);
    let socket = |options: &str| {
        let text = format!("[supervisord]\n[fcgi-program:x]\ncommand=x\n{options}\n");
        let mut settings = paper.settings(&text);
        assert_eq!(settings["groups"][0]["priority"], 999);
        settings["groups"][0]["socket"].take()
    };
    assert_eq!(
        socket("socket=tcp://LocalHost:9000"),
        json!({"url": "tcp://localhost:9000", "backlog": null})
    );
    assert_eq!(
        socket("socket=unix://%(here)s/a/../%(program_name)s.s"),
        json!({"url": "unix://<DIR>/x.s", "backlog": null, "mode": 0o700, "owner": null})
    );
    assert_eq!(
        socket("socket=unix:///s\nsocket_backlog=65535\nsocket_owner=nobody:0\nsocket_mode=0660"),
        json!({"url": "unix:///s", "backlog": 65535, "mode": 0o660, "owner": [65534, 0]})
    );
    assert_eq!(socket("socket=unix:///s\nuser=nobody")["owner"], json!([65534, 65534]));
    assert_eq!(socket("socket=unix:///s\nuser=root")["owner"], Json::Null);
}

/// OPT-80 to OPT-83.
fn shared_sockets_that_are_wrong_are_refused(subject: Subject) {
    let paper = Paper::new(subject);
    let text = |options: &str| format!("[supervisord]\n[fcgi-program:x]\ncommand=x\n{options}\n");
    paper.refuses(text(""), "[fcgi-program:x] section requires a \"socket\" line");
    paper.refuses(text("socket="), "[fcgi-program:x] section requires a \"socket\" line");
    for socket in [
        "foo",
        "tcp://h",
        "tcp://h:x",
        "tcp://:80",
        "tcp://a:b:80",
        "tcp://a b:80",
        "tcp://h:",
        "http://h:1",
        "tcp://h:-1",
    ] {
        let words = match subject {
            Subject::Theirs => format!("('Bad socket format %s', '{socket}') in [fcgi-program:x] socket"),
            Subject::Ours => format!("Bad socket format {socket} in [fcgi-program:x] socket"),
        };
        paper.refuses(text(&format!("socket={socket}")), &words);
    }
    let words = match subject {
        Subject::Theirs => {
            "('Unix socket path %s is not an absolute path', 'rel') in [fcgi-program:x] socket"
        }
        Subject::Ours => "Unix socket path rel is not an absolute path in [fcgi-program:x] socket",
    };
    paper.refuses(text("socket=unix://rel"), words);
    for (options, words) in [
        ("socket=tcp://h:0", "0 is below lower bound (1) in [fcgi-program:x] socket"),
        ("socket=tcp://h:65536", "65536 is above upper bound (65535) in [fcgi-program:x] socket"),
        ("socket=tcp://h:1\nsocket_backlog=0", "Invalid socket_backlog value 0"),
        ("socket=tcp://h:1\nsocket_backlog=65536", "Invalid socket_backlog value 65536"),
        ("socket=tcp://h:1\nsocket_backlog=x", "invalid literal for int() with base 10: 'x'"),
        ("socket=unix:///s\nsocket_owner=no-such", "Invalid socket_owner value no-such"),
        ("socket=unix:///s\nsocket_mode=9", "Invalid socket_mode value 9"),
    ] {
        paper.refuses(text(options), words);
    }
    for option in ["socket_mode=0700", "socket_owner=root"] {
        let words = "socket_owner and socket_mode params should only be used with a Unix domain socket in [fcgi-program:x] socket";
        paper.refuses(text(&format!("socket=tcp://h:1\n{option}")), words);
    }
}

fn listener(options: &str) -> String {
    format!("[supervisord]\n[eventlistener:x]\ncommand=x\n{options}\n")
}

/// OPT-85, OPT-86.
fn listeners_need_events(subject: Subject) {
    let paper = Paper::new(subject);
    paper.refuses(listener(""), "[eventlistener:x] section requires an \"events\" line");
    paper.refuses(listener("events="), "[eventlistener:x] section requires an \"events\" line");
    paper.refuses(listener("events=nope"), "Unknown event type NOPE in [eventlistener:x] events");
    let events = "events=tick_5, PROCESS_STATE,Tick_5";
    paper.means(&listener(events), "/groups/0/events", json!(["PROCESS_STATE", "TICK_5"]));
    paper.means(&listener(events), "/groups/0/buffer_size", 10);
    paper.means(&listener("events=EVENT\nbuffer_size=1"), "/groups/0/buffer_size", 1);
    for size in [0, -5] {
        let text = listener(&format!("events=EVENT\nbuffer_size={size}"));
        paper.refuses(text, &format!("[eventlistener:x] section sets invalid buffer_size ({size})"));
    }
    paper.refuses(listener("events=EVENT\nbuffer_size=x"), "invalid literal for int() with base 10: 'x'");
}

/// OPT-88.
fn the_pool_has_a_priority_of_its_own(subject: Subject) {
    let paper = Paper::new(subject);
    for (options, pool, process) in [("", -1, 999), ("priority=5", 5, 5)] {
        let text = listener(&format!("events=EVENT\n{options}"));
        paper.means(&text, "/groups/0/priority", pool);
        paper.means(&text, "/groups/0/processes/0/priority", process);
    }
}

/// OPT-89, OPT-90.
fn listeners_keep_their_stderr_to_themselves(subject: Subject) {
    let paper = Paper::new(subject);
    let words = "[eventlistener:x] section sets redirect_stderr=true but this is not allowed because it will interfere with the \
                 eventlistener protocol";
    paper.refuses(listener("events=EVENT\nredirect_stderr=true"), words);
    let options = "events=EVENT\nredirect_stderr=false\nstdout_capture_maxbytes=1KB\nstdout_events_enabled=true\nstdout_syslog=true\n\
                   stderr_capture_maxbytes=2KB\nstderr_events_enabled=true";
    let text = listener(options);
    paper.means(&text, "/groups/0/processes/0/stdout/capture_maxbytes", 1024);
    paper.means(&text, "/groups/0/processes/0/stderr/capture_maxbytes", 2048);
    paper.means(&text, "/groups/0/processes/0/stderr/events_enabled", true);
}
