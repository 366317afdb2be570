//! `%(name)s`: how values are expanded, and which names there are where.

use serde_json::json;

use crate::support::{Daemon, Paper, Subject};

compliance!(
    formats_are_python_s,
    a_format_without_a_name_is_refused,
    a_lone_per_cent_sign_is_refused_everywhere,
    unknown_names_are_refused_with_those_that_there_are,
    bad_formats_are_refused_with_their_reason,
    second_expansions_are_named_by_the_option_alone,
    the_environment_can_be_expanded,
    variables_of_the_configuration_can_be_expanded,
    a_variable_that_is_taken_back_can_be_expanded_no_more,
    every_option_has_its_names,
    some_options_are_expanded_twice,
    the_priority_of_a_program_is_read_twice,
);

/// INI-40.
fn formats_are_python_s(subject: Subject) {
    let paper = Paper::new(subject);
    for (format, expected) in [
        ("%(ENV_X)s", "ex"),
        ("100%%", "100%"),
        ("%%(ENV_X)s", "%(ENV_X)s"),
        ("%(ENV_X)s%(ENV_N)s", "ex7"),
        ("%(ENV_X)5s|", "   ex|"),
        ("%(ENV_X)-5s|", "ex   |"),
        ("%(ENV_X)05s|", "   ex|"),
        ("%(ENV_X).1s", "e"),
        ("%(ENV_Q)r", "'a b'"),
        ("%(process_num)d", "7"),
        ("%(process_num)s", "7"),
        ("%(process_num)02d", "07"),
        ("%(process_num)4d|", "   7|"),
        ("%(process_num)-4d|", "7   |"),
        ("%(process_num)+d", "+7"),
        ("%(process_num).3d", "007"),
        ("%(process_num)06.3d", "000007"),
        ("%(process_num)x %(process_num)#x %(process_num)o", "7 0x7 7"),
        ("%(process_num)i%(process_num)u%(process_num)ld", "777"),
        ("%(numprocs)03d", "001"),
    ] {
        paper.program_has(
            &format!("numprocs_start=7\ncommand={format}\ncommand={format}"),
            "/command",
            expected,
        );
    }
}

/// INI-40, and what ours refuses: a format that would put the whole environment into the value.
fn a_format_without_a_name_is_refused(subject: Subject) {
    let paper = Paper::new(subject);
    match subject {
        Subject::Theirs => {
            let program = paper.program("command=date +%s");
            assert!(program["command"].as_str().unwrap().starts_with("date +{'ENV_HOME': "), "{program}");
        }
        Subject::Ours => {
            let words = "Format string 'date +%s' for 'program:x.command' is badly formatted: %s needs a name, as in %(here)s";
            paper.program_refuses("command=date +%s", words);
        }
    }
}

/// INI-40.
fn a_lone_per_cent_sign_is_refused_everywhere(subject: Subject) {
    let paper = Paper::new(subject);
    for option in
        ["command=x", "directory=x", "autostart=x", "process_name=x", "environment=A=x", "stderr_logfile=x"]
    {
        paper.program_refuses(
            &format!("{option}%y"),
            "<ANY> is badly formatted: unsupported format character 'y' <ANY>",
        );
    }
    for option in ["identifier", "logfile", "environment", "user", "minfds"] {
        paper.daemon_refuses(
            &format!("{option}=a%b"),
            "<ANY> is badly formatted: unsupported format character 'b' <ANY>",
        );
    }
    let server = "[supervisord]\n[unix_http_server]\nfile=/s\nusername=u\npassword=a%b\n";
    paper.refuses(server, "<ANY>'unix_http_server.password' is badly formatted: <ANY>");
    paper.client_refuses(
        "[supervisorctl]\npassword=a%b\n",
        "<ANY>'supervisorctl.password' is badly formatted: <ANY>",
    );
}

const VARIABLES: &str = "ENV_HOME, ENV_N, ENV_P, ENV_Q, ENV_TMPDIR, ENV_X";

/// INI-41, INI-43.
fn unknown_names_are_refused_with_those_that_there_are(subject: Subject) {
    let paper = Paper::new(subject);
    for (value, quoted, name) in [
        ("%(nope)s", "'%(nope)s'", "'nope'"),
        ("%()s", "'%()s'", "''"),
        ("%(a(b)c)s", "'%(a(b)c)s'", "'a(b)c'"),
        ("%(env_x)s", "'%(env_x)s'", "'env_x'"),
        ("it's %(no'pe)s", "\"it's %(no'pe)s\"", "\"no'pe\""),
        ("a\n  %(nope)d", "'a\\n%(nope)d'", "'nope'"),
    ] {
        let words = format!(
            "Format string {quoted} for 'program:x.directory' contains names ({name}) which cannot be expanded. \
             Available names: {VARIABLES}, group_name, here, host_node_name, numprocs, process_num, program_name"
        );
        paper.program_refuses(&format!("directory={value}"), &words);
    }
}

/// INI-42.
fn bad_formats_are_refused_with_their_reason(subject: Subject) {
    let paper = Paper::new(subject);
    for (value, reason) in [
        ("date +%Y", "unsupported format character 'Y' (0x59) at index 7"),
        ("50%", "incomplete format"),
        ("%(ENV_X)", "incomplete format"),
        ("%(ENV_X", "incomplete format key"),
        ("%(ENV_X)5%", "unsupported format character '%' (0x25) at index 9"),
        ("\u{e9}%\u{e9}", "unsupported format character '?' (0xe9) at index 2"),
        ("50% done", "%d format: a real number is required, not dict"),
        ("%d", "%d format: a real number is required, not dict"),
        ("%x", "%x format: an integer is required, not dict"),
        ("%f", "must be real number, not dict"),
        ("%c", "%c requires int or char"),
        ("%(ENV_N)d", "%d format: a real number is required, not str"),
        ("%(ENV_N)X", "%X format: an integer is required, not str"),
        ("%(ENV_X)s %d", "not enough arguments for format string"),
        ("%(ENV_X)*d", "* wants int"),
        ("%(process_num)*d", "not enough arguments for format string"),
        ("%(process_num)lld", "unsupported format character 'l' (0x6c) at index 15"),
        ("%(ENV_X)99999999999999999999s", "width too big"),
    ] {
        let words = format!("Format string '{value}' for 'program:x.directory' is badly formatted: {reason}");
        paper.program_refuses(&format!("directory={value}"), &words);
    }
}

/// INI-43.
fn second_expansions_are_named_by_the_option_alone(subject: Subject) {
    let paper = Paper::new(subject);
    for (options, words) in [
        ("process_name=%Y", "Format string '%Y' for 'process_name' is badly formatted: <ANY>"),
        ("environment=A=%Y", "Format string 'A=%Y' for 'environment' is badly formatted: <ANY>"),
        ("stdout_logfile=%%Y", "Format string '%Y' for 'stdout_logfile' is badly formatted: <ANY>"),
        ("stderr_logfile=%%Y", "Format string '%Y' for 'stderr_logfile' is badly formatted: <ANY>"),
        ("stdout_logfile=%Y", "Format string '%Y' for 'program:x.stdout_logfile' is badly formatted: <ANY>"),
        ("command=%Y", "Format string '%Y' for 'program:x.command' is badly formatted: <ANY>"),
    ] {
        paper.program_refuses(options, words);
    }
    paper.daemon_refuses(
        "environment=A=%%Y",
        "Format string 'A=%Y' for 'environment' is badly formatted: <ANY>",
    );
    paper.daemon_refuses("environment=A=%Y", "Format string 'A=%Y' for 'supervisord.environment' <ANY>");
}

/// INI-44, CLI-11.
fn the_environment_can_be_expanded(subject: Subject) {
    let paper = Paper::new(subject);
    paper.program_has("command=%(ENV_X)s %(ENV_Q)s %(ENV_P)s", "/command", "ex a b 50%");
    paper.daemon_has("identifier=%(ENV_X)s\nminfds=%(ENV_N)s", "minfds", 7);
    paper.program_refuses("command=%(ENV_x)s", "<ANY> contains names ('ENV_x') <ANY>");
    let client = paper.client("[supervisorctl]\nusername=%(ENV_X)s\npassword=100%%\nprompt=%(ENV_Q)s\n");
    assert_eq!(
        client,
        json!({"serverurl": "http://localhost:9001", "username": "ex", "password": "100%", "prompt": "a b", "history_file": null})
    );
}

/// INI-44.
fn variables_of_the_configuration_can_be_expanded(subject: Subject) {
    let paper = Paper::new(subject);
    let text = "[program:x]\nenvironment=X=\"own\",B=\"%(ENV_A)s-%(ENV_X)s\"\ncommand=%(ENV_A)s %(ENV_B)s %(ENV_X)s\n\
                process_name=%(ENV_B)s\ndirectory=%(ENV_B)s\nstdout_logfile=%(ENV_B)s\nstdout_logfile_backups=%(ENV_C)s\n\
                [supervisord]\nenvironment=A=\"all\",C=\"3\"\n[unix_http_server]\nfile=/%(ENV_A)s\nusername=u\npassword=%(ENV_A)s\n\
                [program:y]\ncommand=%(ENV_X)s\n[eventlistener:e]\ncommand=x\nevents=TICK_5\nbuffer_size=%(ENV_C)s\n";
    for (place, expected) in [
        ("/groups/1/processes/0/command", "all all-ex own"),
        ("/groups/1/processes/0/name", "all-ex"),
        ("/groups/1/processes/0/directory", "all-ex"),
        ("/groups/1/processes/0/stdout/logfile", "all-ex"),
        ("/groups/2/processes/0/command", "ex"),
        ("/servers/0/file", "/all"),
        ("/servers/0/password", "all"),
    ] {
        paper.means(text, place, expected);
    }
    paper.means(text, "/groups/1/processes/0/stdout/backups", 3);
    paper.means(text, "/groups/0/buffer_size", 3);
    // Not in what is read before: its own section, and what a program has once for all its processes.
    paper.daemon_refuses("environment=A=a\nidentifier=%(ENV_A)s", "<ANY> contains names ('ENV_A') <ANY>");
    paper.daemon_refuses("environment=A=a,B=%(ENV_A)s", "<ANY> contains names ('ENV_A') <ANY>");
    paper.program_refuses("environment=A=1\npriority=%(ENV_A)s", "<ANY> contains names ('ENV_A') <ANY>");
    paper.program_refuses("environment=A=1,B=%(ENV_A)s", "<ANY> contains names ('ENV_A') <ANY>");
}

/// INI-45.
fn a_variable_that_is_taken_back_can_be_expanded_no_more(subject: Subject) {
    let program = "[program:x]\ncommand=/bin/cat\nautostart=false\nstopwaitsecs=%(ENV_A)s\n";
    let daemon = Daemon::start(subject, &format!("[supervisord]\nenvironment=A=\"11\"\n{program}"));
    daemon.home.configure(program);
    match subject {
        Subject::Theirs => daemon.answers("reloadConfig", json!([]), r#"[[[], ["x"], []]]"#),
        Subject::Ours => {
            let words = "fault 92 CANT_REREAD: Format string '%(ENV_A)s' for 'program:x.stopwaitsecs' contains names ('ENV_A') <ANY>";
            daemon.answers("reloadConfig", json!([]), words);
        }
    }
}

/// INI-50 to INI-62.
fn every_option_has_its_names(subject: Subject) {
    let paper = Paper::new(subject);
    let always = ["ENV_X"];
    let here = ["ENV_X", "here"];
    let fcgi = ["ENV_X", "here", "program_name"];
    let once = ["ENV_X", "here", "host_node_name", "program_name", "group_name"];
    let each = ["ENV_X", "here", "host_node_name", "program_name", "group_name", "process_num", "numprocs"];
    let program = "[supervisord]\n[program:x]\ncommand=x\n";
    let unix = "[supervisord]\n[unix_http_server]\n";
    let socket = "[supervisord]\n[fcgi-program:x]\ncommand=x\n";
    let tcp = format!("{socket}socket=unix:///x\n");
    let listener = "[supervisord]\n[eventlistener:x]\ncommand=x\n";
    let events = format!("{listener}events=TICK_5\n");
    let rows: &[(&str, &[&str], &[&str])] = &[
        (
            "[supervisord]\n",
            &["identifier", "logfile", "minfds", "umask", "user", "nodaemon", "childlogdir"],
            &here,
        ),
        (unix, &["file"], &here),
        (&format!("{unix}file=/x\n"), &["chmod", "chown", "username", "password"], &always),
        ("[supervisord]\n[inet_http_server]\n", &["port"], &always),
        ("[supervisord]\n[group:x]\n", &["programs", "priority"], &here),
        (listener, &["events"], &here),
        (&events, &["buffer_size", "result_handler", "priority"], &here),
        (socket, &["socket"], &fcgi),
        (&tcp, &["socket_backlog", "socket_owner", "socket_mode"], &here),
        (program, &["priority"], &here),
        (
            program,
            &[
                "autostart",
                "autorestart",
                "startsecs",
                "startretries",
                "stopsignal",
                "stopwaitsecs",
                "stopasgroup",
                "killasgroup",
                "exitcodes",
                "redirect_stderr",
                "numprocs",
                "numprocs_start",
                "stdout_capture_maxbytes",
                "stderr_capture_maxbytes",
                "stdout_events_enabled",
                "stderr_events_enabled",
                "serverurl",
                "user",
                "umask",
            ],
            &once,
        ),
        (
            program,
            &[
                "process_name",
                "environment",
                "directory",
                "command",
                "stdout_logfile",
                "stderr_logfile",
                "stdout_logfile_maxbytes",
                "stderr_logfile_backups",
                "stdout_syslog",
            ],
            &each,
        ),
    ];
    for (text, options, names) in rows {
        for option in *options {
            // The message lists what there is; the variables are always there.
            let mut sorted = names[1..].to_vec();
            sorted.sort_unstable();
            let listed = [&[VARIABLES], &sorted[..]].concat().join(", ");
            let words =
                format!("<ANY> contains names ('nope') which cannot be expanded. Available names: {listed}");
            paper.refuses(format!("{text}{option}=%(nope)s\n"), &words);
        }
    }
    for option in ["serverurl", "history_file"] {
        let words = format!("<ANY>'supervisorctl.{option}' contains names ('nope') <ANY>: {VARIABLES}, here");
        paper.client_refuses(&format!("[supervisorctl]\n{option}=%(nope)s\n"), &words);
    }
    for option in ["username", "password", "prompt"] {
        let words = format!("<ANY>'supervisorctl.{option}' contains names ('here') <ANY>: {VARIABLES}");
        paper.client_refuses(&format!("[supervisorctl]\n{option}=%(here)s\n"), &words);
    }
    let interface = "[supervisord]\n[rpcinterface:x]\nsupervisor.rpcinterface_factory=%(here)s\n";
    paper.refuses(interface, &format!("<ANY> contains names ('here') <ANY>: {VARIABLES}"));
    // They mean what they say.
    let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
    let names = "numprocs=2\nnumprocs_start=5\nprocess_name=%(process_num)d\n\
                 command=%(here)s|%(program_name)s|%(group_name)s|%(process_num)d|%(numprocs)d|%(host_node_name)s";
    paper.program_has(names, "/command", format!("<DIR>|x|x|5|2|{host}"));
    let grouped = format!("[supervisord]\n[group:g]\nprograms=x\n[program:x]\n{names}\n");
    paper.means(&grouped, "/groups/0/processes/1/command", format!("<DIR>|x|g|6|2|{host}"));
}

/// INI-65.
fn some_options_are_expanded_twice(subject: Subject) {
    let paper = Paper::new(subject);
    paper.means(
        "[supervisord]\nenvironment=A=\"100%%%%\",B=\"%%(ENV_X)s\"\n",
        "/supervisord/environment/A",
        "100%",
    );
    paper.means("[supervisord]\nenvironment=B=\"%%(ENV_X)s\"\n", "/supervisord/environment/B", "ex");
    paper.program_has("stdout_logfile=a%%%%b%%(process_num)d", "/stdout/logfile", "a%b0");
    paper.program_has("stderr_logfile=a%%%%b", "/stderr/logfile", "a%b");
    // What a variable brings is taken for a format as well.
    paper.program_refuses(
        "stdout_logfile=%(ENV_P)s",
        "Format string '50%' for 'stdout_logfile' <ANY>: incomplete format",
    );
    paper.program_has("environment=A=\"100%%%%\"", "/environment/A", "100%%");
    paper.program_has("command=100%%%%", "/command", "100%%");
    paper.program_has("process_name=100%%%%", "/name", "100%%");
}

/// INI-66.
fn the_priority_of_a_program_is_read_twice(subject: Subject) {
    let paper = Paper::new(subject);
    let priority = "[supervisord]\n[program:x]\ncommand=x\npriority=%(program_name)s\n";
    let words = "Format string '%(program_name)s' for 'program:x.priority' contains names ('program_name') which cannot be \
                 expanded. Available names: <ANY>, here";
    paper.refuses(priority, words);
    // As a member of a group it is read once, with all names.
    let words = "invalid literal for int() with base 10: 'x'";
    paper.refuses(format!("{priority}[group:g]\nprograms=x\n"), words);
    paper.program_refuses("priority=x", words);
    let numbered =
        "[supervisord]\n[program:7]\ncommand=x\npriority=%(program_name)s\n[group:g]\nprograms=7\n";
    paper.means(numbered, "/groups/0/processes/0/priority", 7);
}
