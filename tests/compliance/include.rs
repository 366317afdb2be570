//! `[include]`: which files are read, in which order, and what they change.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value as Json, json};

use crate::support::reading::Reading;
use crate::support::{Paper, Subject};

compliance!(
    an_include_needs_files,
    files_are_expanded_and_split_at_blanks,
    patterns_are_globs_beside_the_main_file,
    what_matches_nothing_is_told,
    files_are_read_in_order_and_told,
    a_file_that_cannot_be_read_is_left_out,
    what_is_included_overrides,
    includes_do_not_nest,
    here_is_the_directory_of_each_file,
    a_literal_here_survives_an_include,
    a_file_with_an_error_is_named,
    errors_of_programs_name_section_and_file,
);

/// A paper with `[program:NAME]` in each of these files.
fn with(subject: Subject, files: &[&str]) -> Paper {
    let paper = Paper::new(subject);
    for (number, name) in files.iter().enumerate() {
        let path = paper.home.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        paper.home.write(name, format!("[program:p{number}]\ncommand=x\n"));
    }
    paper
}

/// The files that are told as included by this `[include]`.
#[track_caller]
fn included(paper: &Paper, files: &str) -> Vec<String> {
    let settings = paper.settings(&format!("[supervisord]\n[include]\nfiles={files}\n"));
    let lines = settings["infos"].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
    let name = |line: &str| {
        let path = line.strip_prefix("Included extra file \"<DIR>/").unwrap();
        path.strip_suffix("\" during parsing").unwrap().to_owned()
    };
    lines.map(name).collect()
}

/// INI-30, OPT-92.
fn an_include_needs_files(subject: Subject) {
    let paper = Paper::new(subject);
    paper.refuses("[supervisord]\n[include]\n", ".ini file has [include] section, but no files setting");
    assert!(included(&paper, "").is_empty());
}

/// INI-31, INI-51.
fn files_are_expanded_and_split_at_blanks(subject: Subject) {
    let paper = with(subject, &["a.conf", "ex.conf", "c,d.conf"]);
    assert_eq!(included(&paper, "a.conf \t ex.conf"), ["a.conf", "ex.conf"]);
    assert_eq!(included(&paper, "\n  a.conf\n\n  ex.conf"), ["a.conf", "ex.conf"]);
    assert_eq!(included(&paper, "%(here)s/a.conf %(ENV_X)s.conf"), ["a.conf", "ex.conf"]);
    assert_eq!(included(&paper, "c,d.conf"), ["c,d.conf"]);
    let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
    paper.home.write(&format!("{host}.conf"), "");
    assert_eq!(included(&paper, "%(host_node_name)s.conf"), [format!("{host}.conf")]);
    let names = "Available names: ENV_HOME, ENV_N, ENV_P, ENV_Q, ENV_TMPDIR, ENV_X, here, host_node_name";
    let text = "[supervisord]\n[include]\nfiles=%(nope)s\n";
    paper.refuses(
        text,
        &format!(
            "Format string '%(nope)s' for 'include.files' contains names ('nope') which cannot be expanded. {names}"
        ),
    );
}

/// INI-32.
fn patterns_are_globs_beside_the_main_file(subject: Subject) {
    let files = ["a.conf", "B.CONF", "d/a.conf", "d/b.conf", "d/.hidden.conf", "d/e/c.conf", "x[1].conf"];
    let paper = with(subject, &files);
    for (pattern, expected) in [
        ("*.conf", &["a.conf", "supervisord.conf", "x[1].conf"][..]),
        ("?.conf", &["a.conf"]),
        ("[a-c].conf d/[!a].conf", &["a.conf", "d/b.conf"]),
        ("[bB].*", &["B.CONF"]),
        ("d/*", &["d/a.conf", "d/b.conf", "d/e"]),
        ("d/.*", &["d/.hidden.conf"]),
        ("**/a.conf", &["d/a.conf"]),
        ("**/c.conf", &[]),
        ("d/*/*", &["d/e/c.conf"]),
        ("*/../a.conf", &["d/../a.conf"]),
        ("~/a.conf", &[]),
        ("{a,b}.conf", &[]),
        ("x[1].conf", &[]),
        ("x[[]1].conf", &["x[1].conf"]),
        ("x[1.conf", &[]),
        ("[^a].conf", &["a.conf"]),
    ] {
        assert_eq!(included(&paper, pattern), expected, "{pattern}");
    }
}

/// INI-33.
fn what_matches_nothing_is_told(subject: Subject) {
    let paper = with(subject, &["a.conf"]);
    let text = "[supervisord]\n[include]\nfiles=a.conf no/*.ini /no/such\n";
    let words = |pattern: &str| json!(format!("No file matches via include \"{pattern}\""));
    let expected = json!([words("<DIR>/no/*.ini"), words("/no/such")]);
    paper.means(text, "/warnings", expected);
}

/// INI-34.
fn files_are_read_in_order_and_told(subject: Subject) {
    let paper = with(subject, &["d/b", "d/a", "d-e/a", "c"]);
    assert_eq!(included(&paper, "c d/*"), ["c", "d/a", "d/b"]);
    assert_eq!(included(&paper, "d*/a"), ["d-e/a", "d/a"]);
    assert_eq!(included(&paper, "d/* c d/b"), ["d/a", "d/b", "c", "d/b"]);
}

/// INI-34: what cannot be read contributes nothing.
fn a_file_that_cannot_be_read_is_left_out(subject: Subject) {
    let paper = with(subject, &["a.conf", "d.conf/x"]);
    std::os::unix::fs::symlink("nowhere", paper.home.path("e.conf")).unwrap();
    fs::set_permissions(paper.home.path("a.conf"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(included(&paper, "d.conf"), ["d.conf"]);
    let settings = paper.settings("[supervisord]\n[include]\nfiles=d.conf e.conf a.conf\n");
    assert_eq!(settings["groups"].as_array().unwrap().len(), 1);
}

/// INI-35, INI-12.
fn what_is_included_overrides(subject: Subject) {
    let paper = Paper::new(subject);
    paper.home.write(
        "a",
        "[supervisord]\nminfds=2\nidentifier=a\n[program:x]\npriority=2\n[program:y]\ncommand=y\n",
    );
    paper.home.write("b", "[supervisord]\nminfds=3\n[program:x]\nautostart=false\n[program:y]\ncommand=z\n");
    let text =
        "[include]\nfiles=a b\n[supervisord]\nminfds=1\nminprocs=1\n[program:x]\ncommand=x\npriority=1\n";
    paper.means(text, "/supervisord/minfds", 3);
    paper.means(text, "/supervisord/minprocs", 1);
    paper.means(text, "/supervisord/identifier", "a");
    let settings = paper.settings(text);
    let x = settings.pointer("/groups/0/processes/0").unwrap();
    let found: Vec<&Json> = ["command", "priority", "autostart"].iter().map(|name| &x[*name]).collect();
    assert_eq!(found, [&json!("x"), &json!(2), &json!(false)]);
    assert_eq!(settings.pointer("/groups/1/processes/0/command"), Some(&json!("z")));
}

/// INI-36.
fn includes_do_not_nest(subject: Subject) {
    let paper = with(subject, &["b.conf"]);
    paper.home.write("a.conf", "[include]\nfiles=b.conf\n");
    assert_eq!(included(&paper, "a.conf"), ["a.conf"]);
}

/// INI-37.
fn here_is_the_directory_of_each_file(subject: Subject) {
    let paper = Paper::new(subject);
    fs::create_dir(paper.home.path("d")).unwrap();
    paper.home.write(
        "d/a.conf",
        "[program:y]\ncommand=%(here)s/y\n[inet_http_server]\nport=1\nusername=%(here)s\npassword=b\n[program:z]\n",
    );
    let text = "[include]\nfiles=d/a.conf\n[supervisord]\n[program:x]\ncommand=%(here)s/x\nstdout_logfile=%(here)s/%%%%\n\
                [DEFAULT]\ndirectory=%(here)s\ncommand=default\n";
    let text = text.replace("[supervisord]\n", "[supervisord]\ndirectory=%(here)s\n");
    for (place, expected) in [
        ("/groups/0/processes/0/command", "<DIR>/x"),
        ("/groups/0/processes/0/stdout/logfile", "<DIR>/%"),
        ("/groups/0/processes/0/directory", "<DIR>"),
        ("/groups/1/processes/0/command", "<DIR>/d/y"),
        ("/groups/1/processes/0/directory", "<DIR>/d"),
        ("/groups/2/processes/0/command", "default"),
        ("/servers/0/username", "<DIR>/d"),
    ] {
        paper.means(&text, place, expected);
    }
    // Without an include, and with one that has nothing of it, the server has no such name.
    let server = "[supervisord]\n[inet_http_server]\nport=1\nusername=%(here)s\npassword=b\n";
    paper.refuses(server, "<ANY> contains names ('here') which cannot be expanded. <ANY>");
    paper.means(&format!("{server}[include]\nfiles=\n"), "/servers/0/username", "<DIR>");
}

/// INI-37, and what ours does better: RE-49.
fn a_literal_here_survives_an_include(subject: Subject) {
    let paper = Paper::new(subject);
    let program = "[supervisord]\n[program:x]\ncommand=100%%(here)s\n";
    paper.means(program, "/groups/0/processes/0/command", "100%(here)s");
    let text = format!("{program}[include]\nfiles=\n");
    match subject {
        Subject::Theirs => {
            let words = "Format string '100%<DIR>' for 'program:x.command' is badly formatted: \
                         unsupported format character '/' (0x2f) at index 4";
            paper.refuses(&text, words);
        }
        Subject::Ours => paper.means(&text, "/groups/0/processes/0/command", "100%(here)s"),
    }
}

/// INI-38.
fn a_file_with_an_error_is_named(subject: Subject) {
    let paper = Paper::new(subject);
    paper.home.write("a.conf", "[program:x]\ncommand=x\njunk\n");
    let text = "[supervisord]\n[include]\nfiles=a.conf\n";
    match subject {
        Subject::Theirs => {
            paper.refuses(text, "Source contains parsing errors: '<DIR>/a.conf'\n\t[line  3]: 'junk\\n'");
        }
        Subject::Ours => {
            paper.refuses(text, "expected `option = value`, a [section] or a comment");
            let told = paper.home.supervisord(&["-n", "-c", "supervisord.conf"]);
            assert_eq!(told.code, Some(2));
            assert!(told.stderr.contains("<DIR>/a.conf:3:1"), "{told:?}");
        }
    }
    paper.home.write("a.conf", "junk\n");
    let Reading::Refused(reasons) = paper.read(text) else { panic!("it is accepted") };
    assert!(reasons[0].words.starts_with("File contains no section headers."), "{reasons:?}");
}

/// INI-39.
fn errors_of_programs_name_section_and_file(subject: Subject) {
    let paper = Paper::new(subject);
    paper.home.write("a.conf", "[program:y]\ncommand=y\nstartsecs=b\n");
    for (text, section, theirs, ours) in [
        (
            "[supervisord]\n[program:x]\ncommand=x\nstartsecs=a\n",
            "program:x",
            "supervisord.conf",
            "supervisord.conf",
        ),
        ("[supervisord]\n[include]\nfiles=a.conf\n", "program:y", "<DIR>/a.conf", "a.conf"),
        // Where the section begins, and where the option stands.
        ("[supervisord]\n[include]\nfiles=a.conf\n[program:y]\n", "program:y", "supervisord.conf", "a.conf"),
    ] {
        let Reading::Refused(reasons) = paper.read(text) else { panic!("it is accepted") };
        let file = match subject {
            Subject::Theirs => theirs.to_owned(),
            Subject::Ours => format!("<DIR>/{ours}"),
        };
        assert_eq!(reasons[0].place, Some((section.to_owned(), file)), "{text:?}");
        assert!(reasons[0].words.starts_with("invalid literal for int() with base 10: '"), "{reasons:?}");
    }
}
