//! The types of values: what each accepts, and how it refuses the rest.

use serde_json::json;

use crate::support::{Paper, Subject};

compliance!(
    whole_numbers,
    numbers_beyond_64_bits,
    booleans,
    sizes_in_bytes,
    octal_modes,
    modes_that_are_none,
    signals_by_name_and_number,
    signals_that_are_none_though_python_has_them,
    lists_of_exit_codes,
    lists_of_names,
    levels_of_the_log,
    when_to_restart,
);

/// TYP-1, TYP-17.
fn whole_numbers(subject: Subject) {
    let paper = Paper::new(subject);
    for (text, number) in [("0", 0), ("-1", -1), ("+5", 5), ("007", 7), ("1_000", 1000), ("-0", 0)] {
        paper.program_has(&format!("startsecs={text}"), "/startsecs", number);
        paper.daemon_has(&format!("logfile_backups={text}"), "logfile_backups", number);
    }
    for text in ["", "x", "1.5", "1__0", "_1", "1_", "-_1", "- 1", "0x10", "1e3", "10s", "--1", "it's"] {
        let quoted = if text == "it's" { "\"it's\"".to_owned() } else { format!("'{text}'") };
        let words = format!("invalid literal for int() with base 10: {quoted}");
        for option in [
            "priority",
            "startsecs",
            "startretries",
            "stopwaitsecs",
            "numprocs",
            "numprocs_start",
            "stdout_logfile_backups",
        ] {
            paper.program_refuses(&format!("{option}={text}"), &words);
        }
        for option in ["minfds", "minprocs", "logfile_backups"] {
            paper.daemon_refuses(&format!("{option}={text}"), &words);
        }
    }
}

/// TYP-1: what no program can mean is capped.
fn numbers_beyond_64_bits(subject: Subject) {
    let paper = Paper::new(subject);
    let found = paper.program("startretries=99999999999999999999\nstdout_logfile_maxbytes=99999999999GB");
    let [retries, bytes] =
        ["/startretries", "/stdout/maxbytes"].map(|place| found.pointer(place).unwrap().as_f64().unwrap());
    assert!(retries >= 9.2e18 && bytes >= 9.2e18, "{retries} {bytes}");
    assert_eq!(found["startretries"].as_i64().is_some(), subject == Subject::Ours);
}

/// TYP-2.
fn booleans(subject: Subject) {
    let paper = Paper::new(subject);
    for (text, truth) in [
        ("yes", true),
        ("true", true),
        ("on", true),
        ("1", true),
        ("YES", true),
        ("tRuE", true),
        ("no", false),
        ("false", false),
        ("off", false),
        ("0", false),
        ("Off", false),
    ] {
        paper.program_has(&format!("autostart={text}"), "/autostart", truth);
        paper.daemon_has(&format!("silent={text}"), "silent", truth);
    }
    for text in ["", "2", "maybe", "t", "\"true\"", "none"] {
        let words = format!("not a valid boolean value: '{text}'");
        for option in [
            "autostart",
            "stopasgroup",
            "killasgroup",
            "redirect_stderr",
            "stdout_events_enabled",
            "stderr_syslog",
        ] {
            paper.program_refuses(&format!("{option}={text}"), &words);
        }
        for option in ["nodaemon", "silent", "nocleanup", "strip_ansi"] {
            paper.daemon_refuses(&format!("{option}={text}"), &words);
        }
    }
}

/// TYP-3.
fn sizes_in_bytes(subject: Subject) {
    let paper = Paper::new(subject);
    for (text, bytes) in [
        ("0", 0_i64),
        ("1024", 1024),
        ("1KB", 1 << 10),
        ("2mb", 2 << 20),
        ("3Gb", 3 << 30),
        ("10 KB", 10 << 10),
        ("-1", -1),
        ("-5MB", -(5 << 20)),
        ("1_0kb", 10 << 10),
    ] {
        paper.program_has(&format!("stdout_logfile_maxbytes={text}"), "/stdout/maxbytes", bytes);
        paper.program_has(&format!("stderr_capture_maxbytes={text}"), "/stderr/capture_maxbytes", bytes);
        paper.daemon_has(&format!("logfile_maxbytes={text}"), "logfile_maxbytes", bytes);
    }
    for (text, quoted) in [
        ("10M", "10m"),
        ("10B", "10b"),
        ("1.5MB", "1.5"),
        ("KB", ""),
        ("", ""),
        ("10 K B", "10 k b"),
        ("MB10", "mb10"),
    ] {
        let words = format!("invalid literal for int() with base 10: '{quoted}'");
        paper.program_refuses(&format!("stdout_logfile_maxbytes={text}"), &words);
        paper.daemon_refuses(&format!("logfile_maxbytes={text}"), &words);
    }
}

/// TYP-4.
fn octal_modes(subject: Subject) {
    let paper = Paper::new(subject);
    for (text, mode) in [
        ("022", 0o22),
        ("22", 0o22),
        ("0o22", 0o22),
        ("0O7", 7),
        ("0", 0),
        ("0_22", 0o22),
        ("+7", 7),
        ("7777", 0o7777),
        ("0o_7", 7),
    ] {
        paper.program_has(&format!("umask={text}"), "/umask", mode);
        paper.daemon_has(&format!("umask={text}"), "umask", mode);
    }
    for text in ["", "9", "x", "0x1", "u+x", "0o", "2_", "0b1", "08"] {
        let words = format!("{text} can not be converted to an octal type");
        paper.program_refuses(&format!("umask={text}"), &words);
        paper.daemon_refuses(&format!("umask={text}"), &words);
    }
}

/// TYP-4, and what no file can have.
fn modes_that_are_none(subject: Subject) {
    let paper = Paper::new(subject);
    for (text, number) in [("-1", -1), ("10000", 0o10000)] {
        match subject {
            Subject::Theirs => paper.program_has(&format!("umask={text}"), "/umask", number),
            Subject::Ours => {
                let words = format!("{text} can not be converted to an octal type");
                paper.program_refuses(&format!("umask={text}"), &words);
            }
        }
    }
}

/// TYP-5.
fn signals_by_name_and_number(subject: Subject) {
    let paper = Paper::new(subject);
    for (text, number) in [
        ("TERM", 15),
        ("SIGTERM", 15),
        ("sigterm", 15),
        ("  term  ", 15),
        ("15", 15),
        ("9", 9),
        ("HUP", 1),
        ("usr1", 10),
        ("CLD", 17),
        ("CHLD", 17),
        ("IOT", 6),
        ("ABRT", 6),
        ("POLL", 29),
        ("IO", 29),
        ("PWR", 30),
        ("SYS", 31),
        ("RTMIN", 34),
        ("34", 34),
        ("RTMAX", 64),
        ("64", 64),
        ("31", 31),
        ("1_5", 15),
    ] {
        paper.program_has(&format!("stopsignal={text}"), "/stopsignal", number);
    }
    for (text, kind) in [
        ("FOO", "name"),
        ("", "name"),
        ("SIGSIGTERM", "name"),
        ("RTMIN+1", "name"),
        ("15.0", "name"),
        ("33", "number"),
        ("35", "number"),
        ("65", "number"),
        ("-1", "number"),
        ("1000", "number"),
    ] {
        paper.program_refuses(
            &format!("stopsignal={text}"),
            &format!("value '{text}' is not a valid signal {kind}"),
        );
    }
}

/// TYP-5, RE-52.
fn signals_that_are_none_though_python_has_them(subject: Subject) {
    let paper = Paper::new(subject);
    for (text, number, kind) in [
        ("0", 0, "number"),
        ("_DFL", 0, "name"),
        ("_IGN", 1, "name"),
        ("SIG_BLOCK", 0, "name"),
        ("sig_setmask", 2, "name"),
    ] {
        let options = format!("stopsignal={text}");
        match subject {
            Subject::Theirs => paper.program_has(&options, "/stopsignal", number),
            Subject::Ours => {
                paper.program_refuses(&options, &format!("value '{text}' is not a valid signal {kind}"));
            }
        }
    }
}

/// TYP-6.
fn lists_of_exit_codes(subject: Subject) {
    let paper = Paper::new(subject);
    for (text, codes) in [
        ("0", json!([0])),
        ("0,2", json!([0, 2])),
        (" 1 , 255 ", json!([1, 255])),
        ("", json!([])),
        ("+1,1_0", json!([1, 10])),
        ("2,2", json!([2, 2])),
    ] {
        paper.program_has(&format!("exitcodes={text}"), "/exitcodes", codes);
    }
    for text in ["256", "-1", "a", "0,,1", "1,", ",", "0 1", "1.0"] {
        paper.program_refuses(
            &format!("exitcodes={text}"),
            &format!("not a valid list of exit codes: '{text}'"),
        );
    }
}

/// TYP-7.
fn lists_of_names(subject: Subject) {
    let paper = Paper::new(subject);
    let programs = "[supervisord]\n[program:x]\ncommand=x\n[program:y]\ncommand=y\n[group:g]\n";
    let members = |list: &str| {
        let settings = paper.settings(&format!("{programs}programs={list}\n"));
        let groups = settings["groups"].as_array().unwrap();
        let group = groups.iter().find(|group| group["name"] == "g").unwrap();
        let processes = group["processes"].as_array().unwrap().iter();
        processes.map(|process| process["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(members(" y , x "), ["y", "x"]);
    assert_eq!(members("y,\n  x"), ["y", "x"]);
    assert_eq!(members(""), [""; 0]);
    let empty = "[<ANY>] names unknown program or fcgi-program ";
    paper.refuses(format!("{programs}programs=x,\n"), empty);
    paper.refuses(format!("{programs}programs=,\n"), empty);
    let listener = "[supervisord]\n[eventlistener:e]\ncommand=x\nevents=TICK_5,\n";
    paper.refuses(listener, "Unknown event type  in [eventlistener:e] events");
}

/// TYP-8.
fn levels_of_the_log(subject: Subject) {
    let paper = Paper::new(subject);
    for (text, level) in [
        ("critical", 50),
        ("error", 40),
        ("warn", 30),
        ("info", 20),
        ("debug", 10),
        ("trace", 5),
        ("blather", 3),
        ("INFO", 20),
        ("BlaTher", 3),
    ] {
        paper.daemon_has(&format!("loglevel={text}"), "loglevel", level);
    }
    for text in ["WARNING", "crit", "", "20", "notset"] {
        paper.daemon_refuses(&format!("loglevel={text}"), &format!("bad logging level name '{text}'"));
    }
}

/// TYP-15.
fn when_to_restart(subject: Subject) {
    let paper = Paper::new(subject);
    for (text, when) in [
        ("true", "true"),
        ("YES", "true"),
        ("1", "true"),
        ("off", "false"),
        ("0", "false"),
        ("unexpected", "unexpected"),
        ("UnExpected", "unexpected"),
    ] {
        paper.program_has(&format!("autorestart={text}"), "/autorestart", when);
    }
    for (text, quoted) in
        [("maybe", "'maybe'"), ("MAYBE", "'maybe'"), ("", "''"), ("2", "'2'"), ("It's", "\"it's\"")]
    {
        paper.program_refuses(
            &format!("autorestart={text}"),
            &format!("invalid 'autorestart' value {quoted}"),
        );
    }
}
