//! What a program is started with, and what is said when it cannot be.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;

use serde_json::json;

use crate::support::{Daemon, Home, Subject, eventually, so};

compliance!(
    a_command_that_cannot_run_is_told_before_the_fork,
    what_fails_after_the_fork_is_in_the_log_of_the_program,
    commands_are_split_as_a_shell_does_and_found_in_the_path,
    a_program_sees_its_environment,
    the_configuration_may_override_every_variable,
    umask_and_directory_are_the_programs_own,
    a_program_runs_as_its_user,
    stderr_goes_where_stdout_goes,
    standard_input_is_a_pipe,
    a_program_leads_a_group_in_our_session,
    a_program_has_three_descriptors,
    a_log_that_cannot_be_opened_is_told,
    signals_that_a_program_ignores,
);

/// PRC-15, PRC-56, PRC-57, PRC-58, PRC-60.
fn a_command_that_cannot_run_is_told_before_the_fork(subject: Subject) {
    let mut sections = String::new();
    let cases = [
        ("empty", "", "command is empty"),
        ("quote", "/bin/echo \"x", "can't parse command '/bin/echo \"x': No closing quotation"),
        ("escape", "/bin/echo x\\", "can't parse command '/bin/echo x\\\\': No escaped character"),
        ("missing", "%(here)s/missing arg", "can't find command '<DIR>/missing'"),
        ("path", "no-such-command-anywhere arg", "can't find command 'no-such-command-anywhere'"),
        ("dir", "%(here)s arg", "command at '<DIR>' is a directory"),
        ("plain", "%(here)s/supervisord.conf", "command at '<DIR>/supervisord.conf' is not executable"),
    ];
    for (name, command, _) in cases {
        sections += &format!("[program:{name}]\ncommand={command}\nautostart=false\nstartretries=0\n");
    }
    sections += "[program:auto]\ncommand=%(here)s/missing\nstartretries=1\n";
    let mut daemon = Daemon::start(subject, &sections);
    daemon.logs(&[
        "INFO spawnerr: can't find command '<DIR>/missing'",
        "INFO spawnerr: can't find command '<DIR>/missing'",
        "INFO gave up: auto entered FATAL state, too many start retries too quickly",
    ]);
    for (name, _, text) in cases {
        let code = if text.contains("find") { "20 NO_FILE" } else { "21 NOT_EXECUTABLE" };
        daemon.answers("startProcess", json!([name]), &format!("fault {code}: {text}"));
        // A start that is refused leaves the process as it was.
        daemon.answers(
            "getProcessInfo",
            json!([name]),
            "{<ANY>\"statename\": \"STOPPED\", \"spawnerr\": \"\", <ANY>}",
        );
    }
    daemon.logs_no_more();
}

/// PRC-69, PRC-70, PRC-71. The texts are in the program's own stderr.
fn what_fails_after_the_fork_is_in_the_log_of_the_program(subject: Subject) {
    let home = Home::with(
        subject,
        "[program:cwd]\ncommand=/bin/cat\ndirectory=%(here)s/missing\nstartsecs=30\nstartretries=0\nstderr_logfile=%(here)s/cwd.err\n\
         [program:format]\ncommand=%(here)s/binary\nstartsecs=30\nstartretries=0\nstderr_logfile=%(here)s/format.err\n\
         [program:interpreter]\ncommand=%(here)s/lost\nstartsecs=30\nstartretries=0\nstderr_logfile=%(here)s/lost.err\n",
    );
    home.script("binary", "\u{1}\u{2}\u{3}");
    home.script("lost", "#!/no/such/interpreter\n");
    let daemon = Daemon::start_in(home, &[]);
    for name in ["cwd", "format", "interpreter"] {
        daemon.await_state(name, "FATAL");
    }
    let end = "supervisor: child process was not spawned\n";
    assert_eq!(
        daemon.home.read("cwd.err"),
        format!("supervisor: couldn't chdir to <DIR>/missing: ENOENT\n{end}")
    );
    assert_eq!(
        daemon.home.read("format.err"),
        format!("supervisor: couldn't exec <DIR>/binary: ENOEXEC\n{end}")
    );
    assert_eq!(daemon.home.read("lost.err"), format!("supervisor: couldn't exec <DIR>/lost: ENOENT\n{end}"));
    for name in ["cwd", "format", "interpreter"] {
        assert!(
            daemon.log().contains(&format!("WARN exited: {name} (exit status 127; not expected)")),
            "{:#?}",
            daemon.log()
        );
    }
}

/// PRC-55, PRC-57, PRC-61.
fn commands_are_split_as_a_shell_does_and_found_in_the_path(subject: Subject) {
    let home = Home::with(
        subject,
        "[program:x]\ncommand=args 'a  b' \"c \\\"d\\\"\" e\\ f ''\n  g $HOME * #h ~\nenvironment=PATH=\"%(here)s/bin:/bin:/usr/bin\"\nstartsecs=0\n\
         [program:y]\ncommand=sh -c 'echo $0; exec cat'\nstartsecs=0\n",
    );
    fs::create_dir(home.path("bin")).unwrap();
    home.script("bin/args", "#!/bin/sh\nprintf '<%s>\\n' \"$@\"\nexec cat\n");
    let daemon = Daemon::start_in(home, &[]);
    daemon.await_log_of("y", "sh\n");
    daemon.await_log_of("x", "<a  b>\n<c \"d\">\n<e f>\n<>\n<g>\n<$HOME>\n<*>\n");
}

/// PRC-68, INI-44, INI-77.
fn a_program_sees_its_environment(subject: Subject) {
    let home = Home::with(
        subject,
        "[supervisord]\nenvironment=GLOBAL=\"g\",BOTH=\"global\"\n\
         [program:x]\ncommand=/bin/sh -c 'env | sort > %(here)s/env.draft; mv %(here)s/env.draft %(here)s/env; exec cat'\n\
         environment=OWN=\"a,b=c\",BOTH='own',FROM=\"%(ENV_GLOBAL)s %(program_name)s\"\nstartsecs=0\n\
         [group:g]\nprograms=x\n",
    );
    let daemon = Daemon::start_in(home, &[]);
    daemon.await_file(
        "env",
        "BOTH=own\nFROM=g x\nGLOBAL=g\nHOME=<DIR>\nLANG=C.UTF-8\nOWN=a,b=c\nPATH=/usr/local/bin:/usr/bin:/bin\nPWD=<DIR>\n\
         SUPERVISOR_ENABLED=1\nSUPERVISOR_GROUP_NAME=g\nSUPERVISOR_PROCESS_NAME=x\nSUPERVISOR_SERVER_URL=unix://<DIR>/s\n\
         TMPDIR=<DIR>\nTZ=UTC\n",
    );
}

/// PRC-68 (the documentation says otherwise), OPT-71.
fn the_configuration_may_override_every_variable(subject: Subject) {
    let show = "command=/bin/sh -c 'echo $SUPERVISOR_ENABLED $SUPERVISOR_PROCESS_NAME $SUPERVISOR_GROUP_NAME $SUPERVISOR_SERVER_URL; exec cat'\nstartsecs=0\n";
    let daemon = Daemon::start(
        subject,
        &format!(
            "[supervisord]\nenvironment=SUPERVISOR_ENABLED=\"no\"\n\
             [program:x]\n{show}environment=SUPERVISOR_GROUP_NAME=\"mine\"\nserverurl=http://elsewhere:1\n\
             [program:y]\n{show}serverurl=auto\n"
        ),
    );
    daemon.await_log_of("x", "no x mine http://elsewhere:1\n");
    daemon.await_log_of("y", "no y y unix://<DIR>/s\n");
}

fn umask_and_directory_are_the_programs_own(subject: Subject) {
    let home = Home::with(
        subject,
        "[program:x]\ncommand=/bin/sh -c 'umask; pwd; exec cat'\numask=027\ndirectory=%(here)s/sub\nstartsecs=0\n\
         [program:y]\ncommand=/bin/sh -c 'pwd; exec cat'\nstartsecs=0\n",
    );
    fs::create_dir(home.path("sub")).unwrap();
    let daemon = Daemon::start_in(home, &[]);
    daemon.await_log_of("x", "0027\n<DIR>/sub\n");
    daemon.await_log_of("y", "<DIR>\n");
}

/// PRC-67, CLI-48, CLI-49: neither HOME nor USER is touched.
fn a_program_runs_as_its_user(subject: Subject) {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        // Another user needs root.
        return;
    }
    let home = Home::with(
        subject,
        "[program:x]\ncommand=/bin/sh -c 'id -un; id -Gn; echo $HOME $USER; exec cat'\nuser=nobody\nstartsecs=0\n\
         [program:y]\ncommand=/bin/sh -c 'id -u; exec cat'\nuser=65534\nstartsecs=0\n",
    );
    let daemon = Daemon::start_in(home, &[]);
    daemon.await_log_of("x", "nobody\nnogroup\n<DIR>\n");
    daemon.await_log_of("y", "65534\n");
}

/// LOG-30.
fn stderr_goes_where_stdout_goes(subject: Subject) {
    let daemon = Daemon::start(
        subject,
        "[program:x]\ncommand=/bin/sh -c 'echo out; echo err >&2; echo out; exec cat'\nredirect_stderr=true\nstartsecs=0\n\
         stderr_logfile=%(here)s/ignored\n",
    );
    daemon.await_log_of("x", "out\nerr\nout\n");
    daemon.answers("readProcessStderrLog", json!(["x", 0, 0]), "fault 20 NO_FILE");
    daemon.answers("tailProcessStderrLog", json!(["x", 0, 0]), "[\"\", 0, false]");
    daemon.answers("getProcessInfo", json!(["x"]), "{<ANY>, \"stderr_logfile\": \"\", <ANY>}");
    assert!(!daemon.home.path("ignored").exists());
    assert!(daemon.log().contains(
        &"WARN For [program:x], redirect_stderr=true but stderr_logfile has also been set to a filename, the filename has been ignored"
            .to_owned()
    ), "{:#?}", daemon.log());
}

/// API-36.
fn standard_input_is_a_pipe(subject: Subject) {
    let daemon = Daemon::start(
        subject,
        "[program:x]\ncommand=/bin/cat\nstartsecs=0\n[program:off]\ncommand=/bin/cat\nautostart=false\n\
         [program:deaf]\ncommand=/bin/sh -c 'exec <&-; echo closed; while :; do sleep 0.1; done'\nstartsecs=0\n",
    );
    daemon.await_state("x", "RUNNING");
    daemon.answers("sendProcessStdin", json!(["x", "h\u{e9}llo\n"]), "true");
    daemon.await_log_of("x", "h\u{e9}llo\n");
    let long = "0123456789".repeat(6000) + "\n";
    daemon.answers("sendProcessStdin", json!(["x", long]), "true");
    daemon.await_log_of("x", &format!("h\u{e9}llo\n{long}"));
    daemon.answers("sendProcessStdin", json!(["x", ""]), "true");
    daemon.answers("sendProcessStdin", json!(["off", "x"]), "fault 70 NOT_RUNNING: off");
    daemon.answers("sendProcessStdin", json!(["nobody", "x"]), "fault 10 BAD_NAME: nobody");
    daemon.answers("sendProcessStdin", json!(["x", 5]), "fault 2 INCORRECT_PARAMETERS: 5");
    daemon.await_log_of("deaf", "closed\n");
    daemon.answers("sendProcessStdin", json!(["deaf", "x"]), "fault 20 NO_FILE: deaf");
}

/// PRC-65.
fn a_program_leads_a_group_in_our_session(subject: Subject) {
    let daemon = Daemon::start(subject, "[program:x]\ncommand=/bin/cat\nstartsecs=0\n");
    daemon.await_state("x", "RUNNING");
    let pid = daemon.pid_of("x");
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let (parent, group, session) = (fields[1], fields[2], fields[3]);
    let own = daemon.pid.to_string();
    assert_eq!((parent, group, session), (own.as_str(), pid.to_string().as_str(), own.as_str()));
}

/// PRC-66.
fn a_program_has_three_descriptors(subject: Subject) {
    let daemon = Daemon::start(subject, "[program:x]\ncommand=/bin/cat\nstartsecs=0\n");
    daemon.await_state("x", "RUNNING");
    let dir = format!("/proc/{}/fd", daemon.pid_of("x"));
    eventually("cat runs with three pipes", || {
        let mut fds: Vec<(String, String)> = fs::read_dir(&dir)
            .unwrap()
            .flatten()
            .map(|fd| {
                let target = fs::read_link(fd.path()).unwrap_or_default().display().to_string();
                (fd.file_name().to_string_lossy().into_owned(), target)
            })
            .collect();
        fds.sort();
        let names: Vec<&str> = fds.iter().map(|(name, _)| name.as_str()).collect();
        let pipes = fds.iter().all(|(_, target)| target.starts_with("pipe:"));
        so(names == ["0", "1", "2"] && pipes, format!("{fds:?}"))
    });
    // The logs are there, each with the mode of an AUTO log.
    let log = daemon.info("x", "stderr_logfile");
    assert_eq!(fs::metadata(log.as_str().unwrap()).unwrap().permissions().mode() & 0o777, 0o600);
}

/// PRC-59.
fn a_log_that_cannot_be_opened_is_told(subject: Subject) {
    let home = Home::with(
        subject,
        "[program:x]\ncommand=/bin/cat\nautostart=false\nstartretries=0\nstdout_logfile=%(here)s/sub/out\n",
    );
    fs::create_dir(home.path("sub")).unwrap();
    let mut daemon = Daemon::start_in(home, &[]);
    fs::remove_dir(daemon.home.path("sub")).unwrap();
    // Who answers has opened all that it needs.
    daemon.answers("getPID", json!([]), &daemon.pid.to_string());
    let proc = format!("/proc/{}/fd", daemon.pid);
    // The connections of the calls may be open for another moment.
    let is_socket =
        |path: PathBuf| fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"));
    let descriptors =
        || fs::read_dir(&proc).unwrap().filter(|entry| !is_socket(entry.as_ref().unwrap().path())).count();
    let before = descriptors();
    daemon.answers("startProcess", json!(["x"]), "fault 50 SPAWN_ERROR: x");
    // RE-42: theirs leaves its pipes open.
    eventually("all that was opened is closed", || {
        let after = descriptors();
        let left = after.saturating_sub(before);
        so(if subject == Subject::Ours { left == 0 } else { left >= 6 }, format!("{before} {after}"))
    });
    let why = match subject {
        Subject::Theirs => "unknown error making dispatchers for 'x': ENOENT",
        Subject::Ours => "can't create the log in <DIR>/sub: no such file or directory",
    };
    daemon.logs(&[
        &format!("INFO spawnerr: {why}"),
        "INFO gave up: x entered FATAL state, too many start retries too quickly",
    ]);
    let info = format!("{{<ANY>\"statename\": \"FATAL\", \"spawnerr\": \"{why}\", <ANY>}}");
    daemon.answers("getProcessInfo", json!(["x"]), &info);
    assert_eq!(daemon.session(), [daemon.pid], "no child is left behind");
}

/// PRC-72, RE-24: Python leaves SIGPIPE and SIGXFSZ ignored, which few programs expect.
fn signals_that_a_program_ignores(subject: Subject) {
    let daemon = Daemon::start(subject, "[program:x]\ncommand=/bin/cat\nstartsecs=0\n");
    daemon.await_state("x", "RUNNING");
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid_of("x"))).unwrap();
    let mask = |name: &str| {
        let mask = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(mask.trim(), 16).unwrap()
    };
    // The real-time ones are whatever this test was started with.
    let ignored = mask("SigIgn:") & 0x7fff_ffff;
    let expected = if subject == Subject::Theirs { 0x0100_1000 } else { 0 };
    assert_eq!((ignored, mask("SigBlk:")), (expected, 0));
}
