//! Reading logs over XML-RPC: offsets, lengths, and what becomes of bytes that are no text.

use serde_json::json;

use crate::support::{Daemon, Home, Subject};

compliance!(
    read_takes_offsets_and_lengths,
    read_refuses_what_makes_no_sense,
    tail_gives_the_end_and_the_new_offset,
    tail_of_nothing_is_empty,
    the_main_log_is_read_in_the_same_way,
    the_read_methods_have_two_names,
    characters_beyond_ascii_are_kept,
);

const PROGRAMS: &str = "\
[program:x]\ncommand=/bin/cat\nautostart=false\nstdout_logfile=%(here)s/out\nstderr_logfile=%(here)s/err\n
[program:quiet]\ncommand=/bin/cat\nautostart=false\nstdout_logfile=NONE\nstderr_logfile=NONE\n
[program:gone]\ncommand=/bin/cat\nautostart=false\nstdout_logfile=%(here)s/gone\n
";

fn with_logs(subject: Subject, out: &str) -> Daemon {
    let home = Home::with(subject, PROGRAMS);
    home.write("out", out);
    home.write("err", "abc");
    Daemon::start_in(home, &[])
}

/// RPC-31.
fn read_takes_offsets_and_lengths(subject: Subject) {
    let daemon = with_logs(subject, "012345678");
    for (offset, length, expected) in [
        (0, 0, "012345678"),
        (0, 3, "012"),
        (3, 3, "345"),
        (3, 0, "345678"),
        (3, 100, "345678"),
        (8, 1, "8"),
        (9, 0, ""),
        (9, 5, ""),
        (100, 0, ""),
        (100, 1, ""),
        (-3, 0, "678"),
        (-9, 0, "012345678"),
        (-100, 0, "012345678"),
    ] {
        daemon.answers("readProcessStdoutLog", json!(["x", offset, length]), &format!("{expected:?}"));
    }
    daemon.answers("readProcessStderrLog", json!(["x", 1, 1]), "\"b\"");
}

/// RPC-30, RPC-32.
fn read_refuses_what_makes_no_sense(subject: Subject) {
    let daemon = with_logs(subject, "012345678");
    for (offset, length) in [(-1, 1), (-1, -1), (0, -1), (5, -3), (-5, 3)] {
        daemon.answers("readProcessStdoutLog", json!(["x", offset, length]), "fault 3 BAD_ARGUMENTS");
        daemon.answers("readLog", json!([offset, length]), "fault 3 BAD_ARGUMENTS");
    }
    daemon.answers("readProcessStdoutLog", json!(["quiet", 0, 0]), "fault 20 NO_FILE");
    daemon.answers("readProcessStderrLog", json!(["quiet", -1, 1]), "fault 20 NO_FILE");
    daemon.answers("readProcessStdoutLog", json!(["gone", 0, 0]), "fault 20 NO_FILE: <DIR>/gone");
    daemon.answers("readProcessStdoutLog", json!(["nobody", 0, 0]), "fault 10 BAD_NAME: nobody");
    daemon.answers("readProcessStdoutLog", json!(["x:*", 0, 0]), "fault 10 BAD_NAME: x:*");
    daemon.answers("readProcessStdoutLog", json!(["x:y", 0, 0]), "fault 10 BAD_NAME: x:y");
    daemon.answers("readProcessStdoutLog", json!(["x", 0]), "fault 2 INCORRECT_PARAMETERS");
    daemon.answers("readProcessStdoutLog", json!(["x", 0, 0, 0]), "fault 2 INCORRECT_PARAMETERS");
}

/// RPC-34.
fn tail_gives_the_end_and_the_new_offset(subject: Subject) {
    let daemon = with_logs(subject, "012345678");
    for (offset, length, text, overflow) in [
        (0, 100, "012345678", false),
        (0, 9, "012345678", false),
        (0, 3, "678", true),
        (3, 100, "012345678", false),
        (3, 2, "78", true),
        (100, 100, "", false),
        (9, 5, "", false),
        (-5, 100, "012345678", false),
        (0, 0, "", true),
        (0, -1, "", true),
    ] {
        let expected = format!("[{text:?}, 9, {overflow}]");
        daemon.answers("tailProcessStdoutLog", json!(["x", offset, length]), &expected);
    }
    daemon.answers("tailProcessStderrLog", json!(["x", 0, 2]), "[\"bc\", 3, true]");
}

/// RPC-35.
fn tail_of_nothing_is_empty(subject: Subject) {
    let daemon = with_logs(subject, "");
    daemon.answers("tailProcessStdoutLog", json!(["x", 0, 10]), "[\"\", 0, false]");
    for name in ["quiet", "gone"] {
        daemon.answers("tailProcessStdoutLog", json!([name, 7, 10]), "[\"\", 0, false]");
    }
    daemon.answers("tailProcessStderrLog", json!(["nobody", 0, 10]), "fault 10 BAD_NAME: nobody");
}

/// API-7.
fn the_main_log_is_read_in_the_same_way(subject: Subject) {
    let daemon = with_logs(subject, "");
    let text = daemon.home.read("main.log");
    daemon.answers("readLog", json!([0, 0]), &serde_json::to_string(&text).unwrap());
    daemon.answers("readLog", json!([0, 4]), &format!("{:?}", &text[..4]));
    daemon.answers("readLog", json!([-5, 0]), &serde_json::to_string(&text[text.len() - 5..]).unwrap());
    daemon.answers("readLog", json!([1_000_000, 0]), "\"\"");
    std::fs::remove_file(daemon.home.path("main.log")).unwrap();
    daemon.answers("readLog", json!([0, 0]), "fault 20 NO_FILE: <DIR>/main.log");
}

/// API-8, API-28, API-31, API-34, API-2.
fn the_read_methods_have_two_names(subject: Subject) {
    let daemon = with_logs(subject, "012345678");
    daemon.answers("readProcessLog", json!(["x", 0, 2]), "\"01\"");
    daemon.answers("tailProcessLog", json!(["x", 0, 2]), "[\"78\", 9, true]");
    daemon.answers("readMainLog", json!([0, 2]), "\"20\"");
    daemon.answers("clearProcessLog", json!(["x"]), "true");
    daemon.answers("getVersion", json!([]), "\"3.0\"");
    daemon.answers("getAPIVersion", json!([]), "\"3.0\"");
}

fn characters_beyond_ascii_are_kept(subject: Subject) {
    let text = "h\u{e9}llo <&> \u{20ac} \u{1f600}\r\n\ttab\n";
    let daemon = with_logs(subject, text);
    // An XML reader turns a carriage return and a line feed into one line feed.
    let read = serde_json::to_string(&text.replace("\r\n", "\n")).unwrap();
    daemon.answers("readProcessStdoutLog", json!(["x", 0, 0]), &read);
    daemon.answers(
        "tailProcessStdoutLog",
        json!(["x", 0, 1000]),
        &format!("[{read}, {}, false]", text.len()),
    );
    daemon.answers("readProcessStdoutLog", json!(["x", 1, 2]), "\"\u{e9}\"");
}
