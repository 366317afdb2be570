//! supervisord's command line, start-up, and what it refuses.

use std::os::unix::fs::MetadataExt as _;

use serde_json::json;

use crate::support::home::Outcome;
use crate::support::{Daemon, Home, Subject};

compliance!(
    version_and_help_end_at_once,
    options_that_are_wrong_are_refused,
    values_that_are_wrong_are_refused,
    options_win_over_the_file,
    a_configuration_is_found_or_missed,
    a_broken_configuration_is_refused,
    the_start_is_told_in_the_main_log,
    included_files_are_told,
    limits_are_raised_and_told,
    a_start_as_root_without_a_user_is_told,
    a_user_that_does_not_exist_is_refused,
    without_a_configuration_it_says_where_it_looked,
    what_an_option_replaces_is_still_checked,
    limits_that_cannot_be_had_are_refused,
    an_address_that_is_not_ours_is_refused,
    a_number_of_processes_is_ensured,
);

#[track_caller]
fn complains(told: &Outcome, text: &str) {
    let text = format!("Error: {text}\nFor help, use <ANY>supervisord -h\n");
    told.complains(2, &text);
}

/// CLI-8, CLI-9, CLI-24, CLI-39.
fn version_and_help_end_at_once(subject: Subject) {
    let home = Home::new(subject);
    let version = format!("{}\n", subject.version());
    for args in [
        &["-v"][..],
        &["--version"],
        &["--vers"],
        &["-v", "-h"],
        &["-nv", "-c", "missing"],
        &["-e", "info", "-v"],
        &["--profile_options", "cumulative,calls,callers", "-v"],
    ] {
        home.supervisord(args).says(0, &version);
    }
    for args in [&["-h"][..], &["--help"], &["-?"], &["-h", "-v"], &["-h", "-l", "/no/such/dir/x"]] {
        let told = home.supervisord(args);
        let first = "supervisord -- run a set of applications as daemons.\n\nUsage: ";
        assert!(told.stdout.starts_with(first), "{told:?}");
        let usage = told.stdout.lines().nth(2).unwrap();
        assert!(usage.ends_with("supervisord [options]"), "{usage}");
        assert_eq!((told.code, told.stderr.as_str()), (Some(0), ""), "{told:?}");
    }
}

/// CLI-3, CLI-4, CLI-6, CLI-7.
fn options_that_are_wrong_are_refused(subject: Subject) {
    let home = Home::with(subject, "");
    for (args, text) in [
        (&["--bogus"][..], "option --bogus not recognized"),
        (&["-Z"], "option -Z not recognized"),
        (&["-nZ"], "option -Z not recognized"),
        (&["--logf", "x"], "option --logf not a unique prefix"),
        (&["-c"], "option -c requires argument"),
        (&["--configuration"], "option --configuration requires argument"),
        (&["--nodaemon=1"], "option --nodaemon must not have an argument"),
        (&["-n", "-n"], "conflicting command line option '-n'"),
        (&["-c", "a", "-c", "b"], "conflicting command line option '-c'"),
        (&["-n", "--nodaemon"], "conflicting command line option '--nodaemon'"),
        (&["foo"], "positional arguments are not supported: ['foo']"),
        (&["-n", "foo", "-c", "bar"], "positional arguments are not supported: ['foo', '-c', 'bar']"),
        (&["--", "-n"], "positional arguments are not supported: ['-n']"),
    ] {
        complains(&home.supervisord(args), text);
    }
}

/// CLI-5, CLI-25 to CLI-37.
fn values_that_are_wrong_are_refused(subject: Subject) {
    let home = Home::with(subject, "");
    let missing = "The directory named as part of the path /no/dir/x does not exist";
    for (option, value, reason) in [
        ("-e", "bogus", "bad logging level name 'bogus'"),
        ("--loglevel", "WARNING", "bad logging level name 'WARNING'"),
        ("--loglev", "x", "bad logging level name 'x'"),
        ("-l", "/no/dir/x", missing),
        ("-j", "/no/dir/x", missing),
        ("-d", "/no/dir", "/no/dir is not an existing directory"),
        ("-q", "/no/dir", "/no/dir is not an existing directory"),
        ("-m", "9", "9 can not be converted to an octal type"),
        ("-y", "10M", "invalid literal for int() with base 10: '10m'"),
        ("-z", "ten", "invalid literal for int() with base 10: 'ten'"),
        ("-a", "1.5", "invalid literal for int() with base 10: '1.5'"),
        ("--minprocs", "", "invalid literal for int() with base 10: ''"),
    ] {
        let told = home.supervisord(&["-n", "-c", "supervisord.conf", option, value]);
        let shown = if option == "--loglev" { "--loglevel" } else { option };
        complains(&told, &format!("invalid value for {shown} '{value}': {reason}"));
    }
    assert_eq!(home.files(), ["puppet", "supervisord.conf"], "nothing was touched");
}

/// CLI-10, CLI-26 to CLI-38.
fn options_win_over_the_file(subject: Subject) {
    let home = Home::with(
        subject,
        "[supervisord]\nidentifier=file\nloglevel=critical\n[program:x]\ncommand=/bin/cat\nautostart=false\n",
    );
    std::fs::create_dir(home.path("logs")).unwrap();
    let own =
        ["-l", "own.log", "-j", "own.pid", "-i", "line", "-e", "debug", "-q", "logs", "-y", "1KB", "-z", "3"];
    let daemon = Daemon::start_unsaid(home, &own);
    daemon.answers("getIdentification", json!([]), "\"line\"");
    let logfile = daemon.info("x", "stdout_logfile");
    assert!(logfile.as_str().unwrap().contains("logs/x-stdout---line-"), "{logfile:?}");
    crate::support::eventually("the pidfile is written", || {
        let pid = daemon.home.read("own.pid");
        crate::support::so(pid == format!("{}\n", daemon.pid), pid)
    });
    let log = daemon.home.read("own.log");
    assert!(log.contains(&format!(" INFO supervisord started with pid {}\n", daemon.pid)), "{log}");
    assert!(!daemon.home.path("main.log").exists() && !daemon.home.path("pid").exists());
}

/// CLI-12, CLI-13, CLI-16.
fn a_configuration_is_found_or_missed(subject: Subject) {
    let home = Home::new(subject);
    complains(&home.supervisord(&["-c", "missing.conf"]), "could not find config file missing.conf");
    // The current directory is searched.
    home.write("supervisord.conf", "[supervisord]\nloglevel=bogus\n");
    let told = home.supervisord(&[]);
    assert!(told.stderr.contains("bad logging level name 'bogus'"), "{told:?}");
    assert_eq!(told.code, Some(2));
    std::fs::create_dir(home.path("etc")).unwrap();
    std::fs::rename(home.path("supervisord.conf"), home.path("etc/supervisord.conf")).unwrap();
    let told = home.supervisord(&[]);
    assert!(told.stderr.contains("bad logging level name 'bogus'"), "{told:?}");
}

/// The words of each refusal; the shape around them is each program's own.
fn a_broken_configuration_is_refused(subject: Subject) {
    let home = Home::new(subject);
    for (text, words) in [
        ("", ".ini file does not include supervisord section"),
        ("x=1\n", "File contains no section headers."),
        ("[supervisord]\nfoo\n", "foo"),
        ("[supervisord]\nminfds=x\n", "invalid literal for int() with base 10: 'x'"),
        ("[supervisord]\nnodaemon=perhaps\n", "not a valid boolean value: 'perhaps'"),
        ("[supervisord]\nlogfile=%(nope)s\n", "contains names ('nope') which cannot be expanded"),
        (
            "[supervisord]\nlogfile=/tmp/%Y\n",
            "is badly formatted: unsupported format character 'Y' (0x59) at index 6",
        ),
        ("[supervisord]\n[program:x]\n", "program section program:x does not specify a command"),
        ("[supervisord]\n[program:a b]\ncommand=x\n", "Invalid name: 'a b' because of character: ' '"),
        ("[supervisord]\n[program:a/b]\ncommand=x\n", "Invalid name: 'a/b' because of character: '/'"),
        ("[supervisord]\n[program:x]\ncommand=x\nstopsignal=FOO\n", "value 'FOO' is not a valid signal name"),
        ("[supervisord]\n[program:x]\ncommand=x\nexitcodes=256\n", "not a valid list of exit codes: '256'"),
        ("[supervisord]\n[program:x]\ncommand=x\nautorestart=maybe\n", "invalid 'autorestart' value 'maybe'"),
        (
            "[supervisord]\n[program:x]\ncommand=x\nnumprocs=2\n",
            "%(process_num) must be present within process_name when numprocs > 1",
        ),
        (
            "[supervisord]\n[program:x]\ncommand=x\nstopasgroup=1\nkillasgroup=0\n",
            "Cannot set stopasgroup=true and killasgroup=false",
        ),
        (
            "[supervisord]\n[program:x]\ncommand=x\nenvironment=A\n",
            "Unexpected end of key/value pairs in value 'A'",
        ),
        ("[supervisord]\n[program:x]\ncommand=x\numask=888\n", "888 can not be converted to an octal type"),
        ("[supervisord]\n[program:x]\ncommand=x\nuser=no-such-user\n", "Invalid user name no-such-user"),
        ("[supervisord]\n[group:g]\nprograms=nope\n", "names unknown program or fcgi-program nope"),
        ("[supervisord]\n[include]\n", ".ini file has [include] section, but no files setting"),
        ("[supervisord]\n[unix_http_server]\n", "section [unix_http_server] has no file value"),
        ("[supervisord]\n[unix_http_server]\nfile=/tmp/x\nchmod=x\n", "Invalid chmod value x"),
        (
            "[supervisord]\n[unix_http_server]\nfile=/tmp/x\nusername=x\n",
            "Section [unix_http_server] contains incomplete authentication",
        ),
        ("[supervisord]\n[inet_http_server]\n", "section [inet_http_server] has no port value"),
        (
            "[supervisord]\n[rpcinterface:x]\n",
            "section [rpcinterface:x] does not specify a supervisor.rpcinterface_factory",
        ),
    ] {
        home.write("supervisord.conf", text);
        let told = home.supervisord(&["-n", "-c", "supervisord.conf"]);
        assert!(told.stderr.contains(words), "{text:?} should be refused with {words:?}: {told:?}");
        assert_eq!((told.code, told.stdout.as_str()), (Some(2), ""), "{told:?}");
        assert_eq!(home.files(), ["puppet", "supervisord.conf"], "nothing was touched");
    }
}

/// CLI-46, LOG-7, SIG-25.
fn the_start_is_told_in_the_main_log(subject: Subject) {
    let mut daemon = Daemon::start(subject, "[program:x]\ncommand=/bin/cat\nstartsecs=0\n");
    let expected = [
        "INFO Set uid to user <N> succeeded",
        "INFO RPC interface 'supervisor' initialized",
        "CRIT Server 'unix_http_server' running without any HTTP authentication checking",
        &format!("INFO supervisord started with pid {}", daemon.pid),
    ];
    let lines = daemon.log();
    // The limits depend on who starts us.
    let lines: Vec<&String> = lines.iter().filter(|line| !line.contains("RLIMIT")).take(4).collect();
    for (line, pattern) in lines.iter().zip(expected) {
        crate::support::pattern::assert_like(line, pattern, "the start");
    }
    assert_eq!(daemon.home.read("pid"), format!("{}\n", daemon.pid));
    assert_eq!(std::fs::metadata(daemon.socket()).unwrap().mode() & 0o7777, 0o700);
    daemon.await_line("INFO spawned: 'x' with pid <PID>");
    daemon.answers("getPID", json!([]), &daemon.pid.to_string());
}

/// INI-33, INI-34.
fn included_files_are_told(subject: Subject) {
    let home = Home::with(subject, "[include]\nfiles = conf.d/*.conf nothing/*.ini %(here)s/one.ini\n");
    std::fs::create_dir(home.path("conf.d")).unwrap();
    home.write("conf.d/b.conf", "[program:b]\ncommand=/bin/cat\nautostart=false\n");
    home.write("conf.d/a.conf", "[program:a]\ncommand=%(here)s/x\nautostart=false\n");
    home.write("one.ini", "[supervisord]\nidentifier=included\n");
    let daemon = Daemon::start_in(home, &[]);
    let log = daemon.log();
    for line in [
        "INFO Included extra file \"<DIR>/conf.d/a.conf\" during parsing",
        "INFO Included extra file \"<DIR>/conf.d/b.conf\" during parsing",
        "INFO Included extra file \"<DIR>/one.ini\" during parsing",
        "WARN No file matches via include \"<DIR>/nothing/*.ini\"",
    ] {
        assert!(log.contains(&line.to_owned()), "{line}: {log:#?}");
    }
    let at = |text: &str| log.iter().position(|line| line.contains(text));
    assert!(at("No file matches") < at("a.conf") && at("a.conf") < at("b.conf"), "{log:#?}");
    daemon.answers("getIdentification", json!([]), "\"included\"");
    daemon.answers("startProcess", json!(["a"]), "fault 20 NO_FILE: can't find command '<DIR>/conf.d/x'");
}

/// SIG-40.
fn limits_are_raised_and_told(subject: Subject) {
    let program = "[program:x]\ncommand=/bin/sh -c 'ulimit -Sn; exec sleep 1000'\n";
    let home = Home::with(subject, &format!("[supervisord]\nminfds=512\n{program}"));
    let (soft, hard) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap();
    let wanted = soft + 1;
    if wanted > hard {
        // It cannot be raised here.
        return;
    }
    let daemon = Daemon::start_in(home, &["-a", &wanted.to_string()]);
    let line = format!("INFO Increased RLIMIT_NOFILE limit to {wanted}");
    assert!(daemon.log().contains(&line), "{:#?}", daemon.log());
    daemon.await_log_of("x", &format!("{wanted}\n"));
}

/// CLI-45.
fn a_start_as_root_without_a_user_is_told(subject: Subject) {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return;
    }
    let home = Home::with(subject, "");
    let text =
        home.read("supervisord.conf").replace("user=0\n", "").replace("<DIR>", home.dir().to_str().unwrap());
    home.write("supervisord.conf", text);
    let daemon = Daemon::start_in(home, &[]);
    assert_eq!(
        daemon.log()[0],
        "CRIT Supervisor is running as root.  Privileges were not dropped because no user is specified in the config file.  \
         If you intend to run as root, you can set user=root in the config file to avoid this message."
    );
}

/// CLI-25.
fn a_user_that_does_not_exist_is_refused(subject: Subject) {
    let home = Home::with(subject, "");
    let told = home.supervisord(&["-n", "-c", "supervisord.conf", "-u", "no-such-user"]);
    complains(&told, "Invalid user name no-such-user");
    let told = home.supervisord(&["-n", "-c", "supervisord.conf", "--user", "4000000"]);
    complains(&told, "Invalid user id 4000000");
}

/// CLI-13, CLI-15.
fn without_a_configuration_it_says_where_it_looked(subject: Subject) {
    let home = Home::new(subject);
    if ["/etc/supervisord.conf", "/etc/supervisor/supervisord.conf"]
        .iter()
        .any(|path| std::fs::exists(path).unwrap())
    {
        // This machine has one.
        return;
    }
    let told = home.supervisord(&["-n"]);
    assert_eq!((told.code, told.stdout.as_str()), (Some(2), ""), "{told:?}");
    let lines: Vec<&str> = told.stderr.lines().collect();
    let text = "Error: No config file found at default paths (<ANY>/etc/supervisord.conf, <ANY>/supervisord.conf, supervisord.conf, \
                etc/supervisord.conf, /etc/supervisord.conf, /etc/supervisor/supervisord.conf); use the -c option to specify a \
                config file at a different path";
    crate::support::pattern::assert_like(lines[lines.len() - 2], text, "where it looked");
    let warning = "Supervisord is running as root and it is searching for its configuration file in default locations (including \
                   its current working directory); you probably want to specify a \"-c\" argument specifying an absolute path \
                   to a configuration file for improved security.";
    let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    assert_eq!(lines[0].contains(warning), root, "{told:?}");
}

/// CLI-10.
fn what_an_option_replaces_is_still_checked(subject: Subject) {
    let home = Home::with(subject, "[supervisord]\nminfds=few\n");
    let told = home.supervisord(&["-n", "-c", "supervisord.conf", "-a", "100"]);
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(told.stderr.contains("invalid literal for int() with base 10: 'few'"), "{told:?}");
}

/// SIG-41.
fn limits_that_cannot_be_had_are_refused(subject: Subject) {
    let home = Home::with(subject, "");
    let told = home.supervisord(&["-n", "-c", "supervisord.conf", "--minfds", "9000000000000000000"]);
    let text = "Error: The minimum number of file descriptors required to run this process is 9000000000000000000 as per the \
                \"minfds\" command-line argument or config file setting. The current environment will only allow you to open \
                <N> file descriptors.  Either raise the number of usable file descriptors in your environment (see README.rst) \
                or lower the minfds setting in the config file to allow the process to start.\nFor help, use <ANY>supervisord -h\n";
    told.complains(2, text);
}

/// SIG-33.
fn an_address_that_is_not_ours_is_refused(subject: Subject) {
    // An address for documentation: nobody has it.
    let home = Home::with(subject, "[inet_http_server]\nport=192.0.2.1:9001\ninsecure=true\n");
    let told = home.supervisord(&["-n", "-c", "supervisord.conf"]);
    assert_eq!(told.code, Some(2), "{told:?}");
    let text = "Error: Cannot open an HTTP server: socket.error reported errno.EADDRNOTAVAIL (99)\n";
    assert!(told.stderr.contains(text), "{told:?}");
}

/// SIG-40, CLI-37.
fn a_number_of_processes_is_ensured(subject: Subject) {
    let home =
        Home::with(subject, "[supervisord]\nminprocs=20000\n").under(&["prlimit", "--nproc=10000:30000"]);
    let daemon = Daemon::start_in(home, &["--minprocs", "20001"]);
    let line = "INFO Increased RLIMIT_NPROC limit to 20001".to_owned();
    assert!(daemon.log().contains(&line), "{:#?}", daemon.log());
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.pid)).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max processes")).unwrap();
    assert_eq!(line.split_whitespace().collect::<Vec<_>>()[2..4], ["20001", "30000"], "{line}");
}
