//! The configuration file: its lines, its sections and its names.

use serde_json::json;

use crate::support::reading::Reading;
use crate::support::{Daemon, Paper, Subject};

compliance!(
    bytes_that_are_no_text_are_refused,
    lines_may_end_in_any_way,
    comments_are_left_out,
    headers_end_at_the_last_bracket_and_are_taken_literally,
    what_stands_before_any_header_is_refused,
    options_are_split_at_the_first_delimiter,
    lines_that_mean_nothing_are_refused,
    an_empty_value_is_a_value,
    deeper_lines_continue_a_value,
    of_two_values_the_last_counts,
    the_default_section_is_for_all,
    what_is_not_known_is_ignored,
    quotes_and_tildes_mean_nothing_to_the_reader,
    sections_are_known_by_the_beginning_of_their_names,
    a_configuration_may_be_nearly_empty,
    names_must_not_hold_blanks_colons_or_slashes,
    a_group_finds_programs_by_their_whole_headers,
    names_given_twice_are_decided,
);

/// The command of the only program, and `None` where there is none.
#[track_caller]
fn command(paper: &Paper, text: &str) -> Option<String> {
    let settings = paper.settings(text);
    settings["groups"][0]["processes"][0]["command"].as_str().map(str::to_owned)
}

/// INI-1.
fn bytes_that_are_no_text_are_refused(subject: Subject) {
    let words = match subject {
        Subject::Theirs => "'utf-8' codec can't decode byte 0xff in position 17: invalid start byte",
        Subject::Ours => "this line is not UTF-8 (byte 17 of the file)",
    };
    Paper::new(subject).refuses(b"[supervisord]\nxx=\xff\n", words);
}

/// INI-2b.
fn lines_may_end_in_any_way(subject: Subject) {
    let paper = Paper::new(subject);
    for end in ["\n", "\r\n", "\r"] {
        let text = ["[supervisord]", "[program:x]", "command=a", "  b", "priority=3", ""].join(end);
        assert_eq!(command(&paper, &text).as_deref(), Some("a\nb"), "{end:?}");
    }
}

/// INI-3, INI-4.
fn comments_are_left_out(subject: Subject) {
    let paper = Paper::new(subject);
    for (value, read) in [
        ("a;b", "a;b"),
        ("a#b", "a#b"),
        ("a ;b", "a"),
        ("a #b", "a"),
        ("a\t;b", "a"),
        ("a;b ;c", "a;b"),
        ("a ;b #c", "a"),
        (";b", ";b"),
        (" ;b", ""),
        ("bash -c 'foo ; bar'", "bash -c 'foo"),
        ("\"a ;b\"", "\"a"),
        ("a\n;comment\n  b", "a\nb"),
        ("a\n   # comment\n  b", "a\nb"),
        ("a\n  b ; comment\n  c", "a\nb\nc"),
        ("a\nrem=no comment", "a"),
    ] {
        let text = format!("# first\n ; second\n[supervisord]\n[program:x] ; third\ncommand={value}\n");
        assert_eq!(command(&paper, &text).as_deref(), Some(read), "{value:?}");
    }
}

/// INI-5.
fn headers_end_at_the_last_bracket_and_are_taken_literally(subject: Subject) {
    let paper = Paper::new(subject);
    for (header, group) in [
        ("[program:x]", Some("x")),
        ("[program:x] junk", Some("x")),
        ("[program:x] ] junk", Some("x]")),
        ("[program:a]b]", Some("a]b")),
        ("[program:[x]", Some("[x")),
        ("[ program:x ]", None),
        ("[ program:x]", None),
        ("[Program:x]", None),
    ] {
        let settings = paper.settings(&format!("[supervisord]\n{header}\ncommand=a\n"));
        assert_eq!(settings["groups"][0]["name"].as_str(), group, "{header}");
    }
    paper.refuses("[SUPERVISORD]\n", ".ini file does not include supervisord section");
}

/// INI-6.
fn what_stands_before_any_header_is_refused(subject: Subject) {
    let paper = Paper::new(subject);
    for (text, line, at) in [
        ("x=1\n[supervisord]\n", "x=1", 1),
        ("\n; comment\nx=1\n[supervisord]\n", "x=1", 3),
        ("x\n", "x", 1),
        ("[supervisord\n", "[supervisord", 1),
        ("[]\n[supervisord]\n", "[]", 1),
    ] {
        let words = match subject {
            Subject::Theirs => {
                format!(
                    "File contains no section headers.\nfile: 'supervisord.conf', line: {at}\n'{line}\\n'"
                )
            }
            Subject::Ours => "File contains no section headers.".to_owned(),
        };
        paper.refuses(text, &words);
    }
}

/// INI-7.
fn options_are_split_at_the_first_delimiter(subject: Subject) {
    let paper = Paper::new(subject);
    for (line, read) in [
        ("command=/bin/cat", "/bin/cat"),
        ("command: /bin/cat", "/bin/cat"),
        ("command   =   /bin/cat  ", "/bin/cat"),
        ("command = a:b=c", "a:b=c"),
        ("command:a=b", "a=b"),
        ("COMMAND=/bin/cat", "/bin/cat"),
        ("Command : x", "x"),
    ] {
        let text = format!("[supervisord]\n[program:x]\n{line}\n");
        assert_eq!(command(&paper, &text).as_deref(), Some(read), "{line}");
    }
}

/// INI-8.
fn lines_that_mean_nothing_are_refused(subject: Subject) {
    let paper = Paper::new(subject);
    let Reading::Refused(reasons) = paper.read("[supervisord]\nfoo\nminfds=1\n=bar\n") else {
        panic!("it is accepted")
    };
    let words: Vec<&str> = reasons.iter().map(|reason| reason.words.as_str()).collect();
    let expected = match subject {
        Subject::Theirs => &[
            "Source contains parsing errors: 'supervisord.conf'\n\t[line  2]: 'foo\\n'\n\t[line  4]: '=bar\\n'",
        ][..],
        Subject::Ours => &[
            "expected `option = value`, a [section] or a comment",
            "expected the name of an option before the delimiter",
        ],
    };
    assert_eq!(words, expected);
}

/// INI-9.
fn an_empty_value_is_a_value(subject: Subject) {
    let paper = Paper::new(subject);
    paper.program_has("command=", "/command", "");
    paper.program_has("command=x\nprocess_name=", "/name", "");
    paper.program_has("environment=", "/environment", json!({}));
    paper.program_has("exitcodes=", "/exitcodes", json!([]));
    paper.daemon_has("identifier=", "identifier", "");
    paper.program_refuses("priority=", "invalid literal for int() with base 10: ''");
    paper.program_refuses("autostart=", "not a valid boolean value: ''");
    paper.daemon_refuses("directory=", " is not an existing directory");
}

/// INI-10, INI-11.
fn deeper_lines_continue_a_value(subject: Subject) {
    let paper = Paper::new(subject);
    for (lines, read) in [
        ("command=a\n  b\n\tc\n", "a\nb\nc"),
        ("command=a\n\n  b\n\n\n", "a\n\nb"),
        ("command=a\n  autostart=false\n", "a\nautostart=false"),
        ("command=a\n  [program:y]\n  command=b\n", "a\n[program:y]\ncommand=b"),
        ("  command=a\n  priority=3\n", "a"),
        ("  command=a\n   b\n priority=3\n", "a\nb"),
        ("    command=a\n  directory=b\n    priority=4\n", "a"),
        ("command=\n  a\n", "\na"),
    ] {
        let text = format!("[supervisord]\n[program:x]\n{lines}");
        assert_eq!(command(&paper, &text).as_deref(), Some(read), "{lines:?}");
    }
    // Without an option that is open a header may be indented.
    assert_eq!(command(&paper, "[supervisord]\n   [program:x]\ncommand=a\n").as_deref(), Some("a"));
}

/// INI-12.
fn of_two_values_the_last_counts(subject: Subject) {
    let paper = Paper::new(subject);
    paper.program_has("command=a\npriority=1\ncommand=b", "/command", "b");
    let text = "[supervisord]\n[program:x]\ncommand=a\npriority=1\n[supervisord]\nminfds=5\n[program:x]\ncommand=b\n";
    paper.means(text, "/groups/0/processes/0/command", "b");
    paper.means(text, "/groups/0/processes/0/priority", 1);
    paper.means(text, "/supervisord/minfds", 5);
}

/// INI-13.
fn the_default_section_is_for_all(subject: Subject) {
    let paper = Paper::new(subject);
    let text = "[DEFAULT]\ncommand=/bin/%(program_name)s\nenvironment=A=1\n[supervisord]\n[program:x]\n\
                [program:y]\ncommand=own\n[default]\ncommand=other\n";
    paper.means(text, "/groups/0/processes/0/command", "/bin/x");
    paper.means(text, "/groups/1/processes/0/command", "own");
    paper.means(text, "/supervisord/environment/A", "1");
}

/// INI-14.
fn what_is_not_known_is_ignored(subject: Subject) {
    let paper = Paper::new(subject);
    let text = "[supervisord]\nfoo=%(bar)s\n[programm:x]\ncommand=a\n[rpcinterface:supervisor]\nretries=1\n\
                supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\
                [program:x]\ncomand=a\ncommand=b\n[nonsense]\n";
    paper.means(text, "/groups/0/processes/0/command", "b");
    assert_eq!(paper.settings(text)["groups"].as_array().unwrap().len(), 1);
}

/// INI-15.
fn quotes_and_tildes_mean_nothing_to_the_reader(subject: Subject) {
    let paper = Paper::new(subject);
    for text in ["\"/bin/cat\" 'a'", "~/x $HOME \\n \\", "'", "a\\;b"] {
        paper.program_has(&format!("command={text}"), "/command", text);
    }
    paper.program_has("directory=\"/tmp\"", "/directory", "\"/tmp\"");
    paper.daemon_has("identifier='it'", "identifier", "'it'");
}

/// INI-16, INI-17.
fn sections_are_known_by_the_beginning_of_their_names(subject: Subject) {
    let paper = Paper::new(subject);
    let text = "[supervisord]\n[inet_http_server]\nport=h:1\nusername=u\npassword=p\n[inet_http_server:two]\nport=localhost:2\n\
                [inet_http_serverfoo]\nport=3\ninsecure=true\n\
                [unix_http_server]\nfile=/a\n[unix_http_server:two]\nfile=/b\n[unix_http_servers]\nfile=/c\n\
                [program:p]\ncommand=x\n[fcgi-program:f]\ncommand=x\nsocket=tcp://h:1\n[eventlistener:e]\ncommand=x\n\
                events=TICK_5\n[group:g]\nprograms=p\n[programs:q]\n[supervisorctl]\nserverurl=%(x)s\n";
    let settings = paper.settings(text);
    let names = |list: &str, member: &str| {
        let items = settings[list].as_array().unwrap().iter();
        items.map(|item| item[member].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        names("servers", "section"),
        [
            "inet_http_server",
            "inet_http_server:two",
            "inet_http_serverfoo",
            "unix_http_server",
            "unix_http_server:two",
            "unix_http_servers"
        ]
    );
    assert_eq!(names("groups", "name"), ["e", "f", "g"]);
    paper.refuses("[program:x]\ncommand=x\n", ".ini file does not include supervisord section");
    paper.refuses("[supervisord:x]\n", ".ini file does not include supervisord section");
    paper.home.write("more.conf", "[supervisord]\nminfds=3\n");
    paper.means("[include]\nfiles=more.conf\n", "/supervisord/minfds", 3);
}

/// INI-18.
fn a_configuration_may_be_nearly_empty(subject: Subject) {
    let paper = Paper::new(subject);
    paper.means("[supervisord]\n", "/groups", json!([]));
    paper.means("[supervisord]", "/servers", json!([]));
    paper.means("\n\n[supervisord]\n[group:g]\n", "/groups/0/processes", json!([]));
}

/// INI-20, INI-21.
fn names_must_not_hold_blanks_colons_or_slashes(subject: Subject) {
    let paper = Paper::new(subject);
    let sections = [
        ("program", "command=x"),
        ("fcgi-program", "command=x\nsocket=tcp://h:1"),
        ("eventlistener", "command=x\nevents=TICK_5"),
        ("group", ""),
    ];
    for (kind, options) in sections {
        let text = |name: &str| format!("[supervisord]\n[{kind}:{name}]\n{options}\n");
        for (name, character) in [("a b", ' '), ("a:b", ':'), ("a/b", '/'), ("/: ", ':'), ("a/ b:", ' ')] {
            let words = format!("Invalid name: '{name}' because of character: '{character}'");
            paper.refuses(text(name), &words);
        }
        paper.means(&text("a\\b\u{e9}'"), "/groups/0/name", "a\\b\u{e9}'");
        paper.means(&text(""), "/groups/0/name", "");
    }
    paper.refuses("[supervisord]\n[group: g's x]\n", "Invalid name: \" g's x\" because of character: ' '");
    for name in ["a b", "a:b", "a/b", "p%(process_num) 3d"] {
        let character = name.chars().find(|c| " :/".contains(*c)).unwrap();
        let words = format!("Invalid name: '{name}' because of character: '{character}'");
        paper.program_refuses(&format!("process_name={name}"), &words);
    }
    // What an expansion brings is not looked at.
    paper.program_has("environment=S=\"a/b:c d\"\nprocess_name=%(ENV_S)s", "/name", "a/b:c d");
    paper.program_has("process_name=  y  ", "/name", "y");
}

/// INI-22.
fn a_group_finds_programs_by_their_whole_headers(subject: Subject) {
    let paper = Paper::new(subject);
    let program = "[supervisord]\n[program: x ]\ncommand=%(program_name)s|%(group_name)s\n";
    paper.means(program, "/groups/0/name", "x");
    paper.means(program, "/groups/0/processes/0/command", "x|x");
    let text = format!("{program}[group:g]\nprograms=x\n");
    paper.refuses(text, "[group:g] names unknown program or fcgi-program x");
}

/// INI-23.
fn names_given_twice_are_decided(subject: Subject) {
    let sections = "[program:x]\nprocess_name=p\ncommand=/bin/sleep 1000\nautostart=false\n\
                    [program:y]\nprocess_name=p\ncommand=/bin/cat\nstartsecs=0\n\
                    [program:a]\ncommand=/bin/sleep 3000\nautostart=false\n[group:a]\nprograms=z\npriority=1000\n\
                    [program:z]\ncommand=/bin/cat\n[group:g]\nprograms=x,y\n";
    let daemon = Daemon::start(subject, sections);
    daemon.await_state("g:p", "RUNNING");
    daemon.ctl("status").says(3, "a                                STOPPED   Not started\ng:p                              RUNNING   pid <PID>, uptime <UPTIME>\n");
    let avail = daemon.ctl("avail");
    let lines: Vec<Vec<&str>> = avail.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        lines,
        [
            ["a", "in", "use", "manual", "999:999"],
            ["g:p", "in", "use", "manual", "999:999"],
            ["g:p", "in", "use", "auto", "999:999"],
            ["a:z", "in", "use", "auto", "1000:999"],
        ]
    );
    let log = daemon.log().join("\n");
    for line in [
        "WARN [program:a] has the same name 'a' as a group: this one is ignored in section 'group:a' (file: ",
        "WARN 2 processes of this group are named 'p': the last one runs, the others do not in section 'group:g' (file: ",
    ] {
        assert_eq!(log.contains(line), subject == Subject::Ours, "{line}\n{log}");
    }
}
