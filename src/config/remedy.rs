//! How to mend a value: what its kind expects, or what usually is the cause.

use super::expand::TOO_LONG;
use super::load::NUL;
use super::options;

/// What was expected of an option, and what usually mends it.
#[must_use]
pub(super) fn remedy(section: &str, option: &str, problem: &str) -> Option<String> {
    by_problem(section, option, problem)
        .or_else(|| by_option(option))
        .or_else(|| options::option(section, option)?.kind.expected())
        .map(str::to_owned)
}

fn by_problem(section: &str, option: &str, problem: &str) -> Option<&'static str> {
    if problem.contains("no section headers") {
        return Some("begin with a section, whose name stands in square brackets: [supervisord]");
    }
    if problem.contains("would let everybody") {
        return Some(
            "set username and password, or listen on 127.0.0.1; with insecure=true it is done all the same",
        );
    }
    if problem.contains("files match") {
        return Some("write a narrower pattern; a link to its own directory makes endless ones");
    }
    if problem == NUL {
        return Some("take it out; if there are more, restore the file, which is damaged");
    }
    if problem.ends_with(TOO_LONG) {
        return Some("keep a long text in a file of its own, and let the program read it");
    }
    if problem.contains("is badly formatted") {
        let log = matches!(option, "stdout_logfile" | "stderr_logfile");
        let twice = log || (section, option) == ("supervisord", "environment");
        return Some(if twice {
            "a literal per cent sign is written `%%%%` here: this option is expanded twice"
        } else {
            "a literal per cent sign is written `%%`"
        });
    }
    if problem.contains("leads past supervisord") {
        return Some("with journal, supervisord sends the lines, and sees them");
    }
    let unknown_name = problem.contains("cannot be expanded");
    unknown_name
        .then_some("use one of the available names; `%(ENV_X)s` needs X in the environment of supervisord")
}

/// Where the kind of the value says too little.
fn by_option(option: &str) -> Option<&'static str> {
    Some(match option {
        "process_name" => "use for example process_name=%(program_name)s_%(process_num)02d",
        "command" => "add a line command=/path/to/program and its arguments",
        "buffer_size" => "use a whole number, 1 or more",
        "result_handler" => {
            "leave it out: handlers written in Python cannot be loaded, OK and anything else are told apart"
        }
        "supervisor.rpcinterface_factory" => {
            "use supervisor.rpcinterface:make_main_rpcinterface; interfaces written in Python cannot be loaded"
        }
        "password" => "make one with supervisord --password-hash, and copy all of it",
        "username" => "give both username and password, or neither",
        _ => return None,
    })
}
