//! How to mend a value: one line for each option that can be wrong.

/// What was expected of an option, and what usually mends it.
#[must_use]
pub(super) fn remedy(option: &str, problem: &str) -> Option<String> {
    if problem.contains("no section headers") {
        return Some("begin with a section, whose name stands in square brackets: [supervisord]".to_owned());
    }
    if problem.contains("is badly formatted") {
        return Some("a literal per cent sign is written `%%`".to_owned());
    }
    if problem.contains("cannot be expanded") {
        return Some(
            "use one of the available names; `%(ENV_X)s` needs X in the environment of supervisord"
                .to_owned(),
        );
    }
    let text = match option {
        "loglevel" => "use one of critical, error, warn, info, debug, trace, blather",
        "nodaemon"
        | "silent"
        | "nocleanup"
        | "strip_ansi"
        | "autostart"
        | "stopasgroup"
        | "killasgroup"
        | "redirect_stderr"
        | "stdout_events_enabled"
        | "stderr_events_enabled"
        | "stdout_syslog"
        | "stderr_syslog" => "use true or false",
        "autorestart" => "use true, false or unexpected",
        "umask" | "chmod" | "socket_mode" => "use an octal mode, as in 022 or 0700",
        "minfds"
        | "minprocs"
        | "logfile_backups"
        | "stdout_logfile_backups"
        | "stderr_logfile_backups"
        | "numprocs"
        | "numprocs_start"
        | "priority"
        | "startsecs"
        | "startretries"
        | "stopwaitsecs" => "use a whole number",
        "logfile_maxbytes"
        | "stdout_logfile_maxbytes"
        | "stderr_logfile_maxbytes"
        | "stdout_capture_maxbytes"
        | "stderr_capture_maxbytes" => "use bytes, or a whole number with KB, MB or GB, as in 50MB",
        "exitcodes" => "use numbers from 0 to 255, separated by commas",
        "stopsignal" => "use a signal name or number, as in TERM, HUP, INT, QUIT, KILL, USR1 or USR2",
        "user" | "chown" => "use the name or number of a user of this machine (getent passwd)",
        "directory" | "childlogdir" => "create the directory, or name one that exists",
        "logfile" | "pidfile" | "stdout_logfile" | "stderr_logfile" | "file" => {
            "create the directory first, with mkdir -p"
        }
        "environment" => "write KEY=\"value\" pairs, separated by commas",
        "programs" => "name programs that have a [program:x] section, separated by commas",
        "process_name" => "use for example process_name=%(program_name)s_%(process_num)02d",
        "command" => "add a line command=/path/to/program and its arguments",
        "events" => {
            "name kinds of events, as in PROCESS_STATE, TICK_60 or EVENT for all, separated by commas"
        }
        "buffer_size" => "use a whole number, 1 or more",
        "result_handler" => {
            "leave it out: handlers written in Python cannot be loaded, OK and anything else are told apart"
        }
        "port" => "use host:port, as in 127.0.0.1:9001",
        "supervisor.rpcinterface_factory" => {
            "use supervisor.rpcinterface:make_main_rpcinterface; interfaces written in Python cannot be loaded"
        }
        "username" => "give both username and password, or neither",
        _ => return None,
    };
    Some(text.to_owned())
}
