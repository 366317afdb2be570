//! `environment=`: how the pairs are read.

use serde_json::{Value as Json, json};

use crate::support::{Paper, Subject};

compliance!(
    pairs_are_words_and_quoted_strings,
    what_separates_pairs_is_not_looked_at,
    pairs_that_are_none_are_refused,
    quotes_must_be_closed,
    pairs_may_stand_on_several_lines,
    letters_beyond_ascii_need_quotes,
    a_program_has_the_pairs_of_the_daemon_too,
);

/// What is made of `environment=` of a program.
#[track_caller]
fn has(paper: &Paper, text: &str, expected: impl Into<Json>) {
    let program = paper.program(&format!("environment={text}"));
    assert_eq!(program["environment"], expected.into(), "{text:?}");
}

/// INI-70, INI-71.
fn pairs_are_words_and_quoted_strings(subject: Subject) {
    let paper = Paper::new(subject);
    has(&paper, "", json!({}));
    has(&paper, "A=1", json!({"A": "1"}));
    has(&paper, "A=\"x y\",B='z'", json!({"A": "x y", "B": "z"}));
    has(&paper, "A = 1 , B\t=2", json!({"A": "1", "B": "2"}));
    has(&paper, "PATH=/a-b/c.d:(e)+f_G", json!({"PATH": "/a-b/c.d:(e)+f_G"}));
    has(&paper, "a.b-c/(d):=1", json!({"a.b-c/(d):": "1"}));
    has(&paper, "A=\"'x'\"", json!({"A": "x"}));
    has(&paper, "A='\"x\"'", json!({"A": "x"}));
    has(&paper, "A=\"\"", json!({"A": ""}));
    has(&paper, "A=x'y'z", json!({"A": "x'y'z"}));
    has(&paper, "A=\"a,b=c;d#e\"", json!({"A": "a,b=c;d#e"}));
    has(&paper, "A=\"x\\\"y\"z", json!({"A": "x\\"}));
    has(&paper, "A='a\\nb'", json!({"A": "a\\nb"}));
    has(&paper, "A=1#comment,B=2", json!({"A": "1"}));
}

/// INI-72.
fn what_separates_pairs_is_not_looked_at(subject: Subject) {
    let paper = Paper::new(subject);
    has(&paper, "A=\"x\";B=\"y\"", json!({"A": "x", "B": "y"}));
    has(&paper, "A=1,", json!({"A": "1"}));
    has(&paper, "A=a b", json!({"A": "a"}));
    has(&paper, "A=a b B=2", json!({"A": "a", "B": "2"}));
    has(&paper, "A=a = B=2", json!({"A": "a", "B": "2"}));
    has(&paper, "E=\"a\"b\"", json!({"E": "a"}));
    has(&paper, "A=,,B=2", json!({"A": ",", "B": "2"}));
}

/// INI-73.
fn pairs_that_are_none_are_refused(subject: Subject) {
    let paper = Paper::new(subject);
    for text in
        ["A", "A=", "A=,B=2", "A=a@b", "A=a=b", "A=\"x\" B=\"y\"", "=1", "A=1,,B=2", "A=1,B", "$A=1", ","]
    {
        let words = format!("Unexpected end of key/value pairs in value '{text}'");
        paper.program_refuses(&format!("environment={text}"), &words);
        paper.daemon_refuses(&format!("environment={text}"), &words);
    }
}

/// INI-74.
fn quotes_must_be_closed(subject: Subject) {
    let paper = Paper::new(subject);
    for text in ["A=\"x", "A='x", "A=\"x'", "\"", "A=1,B=\"", "A=1,'"] {
        paper.program_refuses(&format!("environment={text}"), "No closing quotation");
    }
}

/// INI-75.
fn pairs_may_stand_on_several_lines(subject: Subject) {
    let paper = Paper::new(subject);
    has(&paper, "A=\"x\",\n  B=\"y\"", json!({"A": "x", "B": "y"}));
    has(&paper, "\n  A=1,\n\n  b=2,\n", json!({"A": "1", "b": "2"}));
    has(&paper, "A=\"x\n  y\"", json!({"A": "x\ny"}));
    has(&paper, "A=1,a=2,A=3", json!({"A": "3", "a": "2"}));
}

/// INI-76.
fn letters_beyond_ascii_need_quotes(subject: Subject) {
    let paper = Paper::new(subject);
    has(&paper, "A=\u{e9}", json!({"A": "\u{e9}"}));
    has(&paper, "A=\"\u{e9}t\u{e9}\"", json!({"A": "\u{e9}t\u{e9}"}));
    has(&paper, "A=\u{e9}t", json!({"A": "\u{e9}"}));
    for text in ["\u{e9}t=1", "A=\u{e9}t,B=2"] {
        let words = format!("Unexpected end of key/value pairs in value '{text}'");
        paper.program_refuses(&format!("environment={text}"), &words);
    }
}

/// INI-77.
fn a_program_has_the_pairs_of_the_daemon_too(subject: Subject) {
    let paper = Paper::new(subject);
    let text = "[supervisord]\nenvironment=A=\"1\",B=\"2\"\n[program:x]\ncommand=x\nenvironment=B=\"3\",C=\"4\"\n\
                [program:y]\ncommand=x\n";
    paper.means(text, "/groups/0/processes/0/environment", json!({"A": "1", "B": "3", "C": "4"}));
    paper.means(text, "/groups/1/processes/0/environment", json!({"A": "1", "B": "2"}));
}
