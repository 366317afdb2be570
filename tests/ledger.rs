//! Reads the ledger, `docs/compat.md`: every statement about Supervisor has a test that exists, or an exception.
#![allow(clippy::unwrap_used, reason = "a test may stop at what cannot be")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A row of a table: `| id | Supervisor 4.3 says | test | exception |`.
struct Row {
    line: usize,
    /// The heading that it stands under.
    chapter: String,
    id: String,
    says: String,
    tests: Vec<String>,
    exception: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The rows of all tables, with what is wrong in their shape.
fn read(text: &str) -> (Vec<Row>, Vec<String>) {
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    let mut chapter = "";
    for (number, line) in text.lines().enumerate().map(|(number, line)| (number + 1, line)) {
        chapter = line.strip_prefix("## ").unwrap_or(chapter);
        let Some(inner) = line.strip_prefix('|') else { continue };
        // A bar in a text is written `\|`.
        let inner = inner.replace("\\|", "\0");
        let cells: Vec<String> = inner.split('|').map(|cell| cell.trim().replace('\0', "|")).collect();
        let [id, says, tests, exception, end] = cells.as_slice() else {
            wrong.push(format!("line {number}: {} cells", cells.len()));
            continue;
        };
        if id == "id" || id.starts_with("--") {
            continue;
        }
        if !end.is_empty() {
            wrong.push(format!("line {number}: text behind the table"));
        }
        let names = tests.split(',').map(|name| name.trim().trim_matches('`').to_owned());
        rows.push(Row {
            line: number,
            chapter: chapter.to_owned(),
            id: id.clone(),
            says: says.clone(),
            tests: names.filter(|name| !name.is_empty()).collect(),
            exception: exception.clone(),
        });
    }
    (rows, wrong)
}

/// The names of all functions below a directory.
fn functions(dir: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let after = text.split("fn ").skip(1);
            let name = |rest: &str| {
                rest.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect()
            };
            found.extend(after.map(name));
        }
    }
}

/// What is wrong with the rows.
fn judge(rows: &[Row], known: &BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut ids = BTreeSet::new();
    for Row { line, id, says, tests, exception, .. } in rows {
        let mut blame = |what: String| wrong.push(format!("line {line}, {id}: {what}"));
        if !ids.insert(id) {
            blame("a second row".to_owned());
        }
        if says.is_empty() {
            blame("says nothing".to_owned());
        }
        if tests.is_empty() && exception.is_empty() {
            blame("neither a test nor an exception".to_owned());
        }
        for test in tests.iter().filter(|test| !known.contains(*test)) {
            blame(format!("no `fn {test}` in tests or src"));
        }
    }
    wrong
}

/// How many statements there are of each kind.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Totals {
    /// As in Supervisor, and tested.
    alike: usize,
    /// Otherwise on purpose, and tested.
    better: usize,
    /// With an exception, and no test.
    untested: usize,
}

impl Totals {
    fn add(&mut self, row: &Row) {
        let count = statements(&row.id);
        match (row.tests.is_empty(), row.exception.is_empty()) {
            (false, true) => self.alike += count,
            (false, false) => self.better += count,
            (true, _) => self.untested += count,
        }
    }

    fn line(&self, name: &str) -> String {
        let Self { alike, better, untested } = self;
        format!("{:5} {alike:6} {better:10} {untested:9}  {name}", alike + better + untested)
    }
}

/// `OPT-62..67` are six.
fn statements(id: &str) -> usize {
    let bounds = id.rsplit('-').next().and_then(|numbers| numbers.split_once(".."));
    let ends =
        bounds.and_then(|(first, last)| Some((first.parse::<usize>().ok()?, last.parse::<usize>().ok()?)));
    ends.map_or(1, |(first, last)| last + 1 - first)
}

/// A line for each chapter, and one for all.
fn totals(rows: &[Row]) -> Vec<String> {
    let mut chapters: Vec<(&str, Totals)> = Vec::new();
    let mut all = Totals::default();
    for row in rows {
        if chapters.last().is_none_or(|(name, _)| *name != row.chapter) {
            chapters.push((&row.chapter, Totals::default()));
        }
        chapters.last_mut().unwrap().1.add(row);
        all.add(row);
    }
    let mut lines = vec!["total  alike  otherwise  untested".to_owned()];
    lines.extend(chapters.iter().map(|(name, totals)| totals.line(name)));
    lines.push(all.line("all"));
    lines
}

/// `make ledger` shows what this prints.
#[test]
fn the_totals_are_told() {
    let (rows, _) = read(&fs::read_to_string(root().join("docs/compat.md")).unwrap());
    println!("{}", totals(&rows).join("\n"));
    let text = "## 1. One\n| A-1 | a | one | |\n| A-2..4 | a | one | b |\n## Two\n| B-1 | a | | b |\n";
    let (rows, _) = read(text);
    let expected = [
        "total  alike  otherwise  untested",
        "    4      1          3         0  1. One",
        "    1      0          0         1  Two",
        "    5      1          3         1  all",
    ];
    assert_eq!(totals(&rows), expected);
}

#[test]
fn every_statement_has_a_test_or_an_exception() {
    let text = fs::read_to_string(root().join("docs/compat.md")).unwrap();
    let (rows, mut wrong) = read(&text);
    let mut known = BTreeSet::new();
    functions(&root().join("tests"), &mut known);
    functions(&root().join("src"), &mut known);
    wrong.extend(judge(&rows, &known));
    assert!(wrong.is_empty(), "docs/compat.md:\n{}", wrong.join("\n"));
    assert!(rows.len() > 300, "only {} rows were read", rows.len());
}

#[test]
fn a_bad_ledger_is_found_out() {
    let known = BTreeSet::from(["one".to_owned(), "two".to_owned()]);
    let judged = |text: &str| {
        let (rows, mut wrong) = read(text);
        wrong.extend(judge(&rows, &known));
        wrong
    };
    assert_eq!(
        judged("| id | says | test | exception |\n|---|---|---|---|\n| A | a \\| b | one, `two` | |\n"),
        [""; 0]
    );
    assert_eq!(judged("| A | a | | differs |"), [""; 0]);
    assert_eq!(judged("| A | a | | |"), ["line 1, A: neither a test nor an exception"]);
    assert_eq!(judged("| A | a | three | |"), ["line 1, A: no `fn three` in tests or src"]);
    assert_eq!(judged("| A | | one | |"), ["line 1, A: says nothing"]);
    assert_eq!(judged("| A | a | one | |\n| A | b | one | |"), ["line 2, A: a second row"]);
    assert_eq!(judged("| A | a | one |"), ["line 1: 4 cells"]);
}
