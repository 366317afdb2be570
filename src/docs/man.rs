//! Manual pages: prose (`pages/`) around what the tables say, in roff.

use std::fmt::Write as _;

use crate::api::VERSION;
use crate::cli::{self, Opt};
use crate::config::options::{OptionRow, SECTIONS, wrapped};
use crate::ctl::commands::{COMMANDS, Command};
use crate::ctl::flags;

const HEAD: &str =
    ".\\\" Made from the tables of options and commands and from src/docs/pages; do not edit.\n";

/// The length of a line that readers of manuals take without a murmur.
const WIDTH: usize = 80;

/// A page: its prose, and the tables in it.
pub fn page(prose: &str) -> String {
    let (mut text, mut verbatim) = (String::new(), false);
    for line in filled(prose).lines() {
        verbatim = (verbatim || line == ".nf") && line != ".fi";
        if verbatim || line.starts_with(['.', '\'']) {
            text.push_str(line);
            text.push('\n');
        } else {
            wrapped(line, WIDTH).iter().for_each(|line| write_text(&mut text, line));
        }
    }
    text
}

/// A line of text, which is never a request.
fn write_text(text: &mut String, line: &str) {
    let guard = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
    let _ = writeln!(text, "{guard}{line}");
}

/// The prose, with what the tables say in its places.
fn filled(prose: &str) -> String {
    let prose = prose.replace("@VERSION@", VERSION);
    let (mut text, mut options) = (HEAD.to_owned(), cli::SUPERVISORD);
    for line in prose.lines() {
        match line {
            "@OPTIONS@" => options.iter().for_each(|option| write_switch(&mut text, option)),
            "@COMMANDS@" => COMMANDS.iter().for_each(|command| write_command(&mut text, command)),
            "@SECTIONS@" => write_sections(&mut text),
            line => {
                if line.starts_with(".TH SUPERVISORCTL") {
                    options = cli::SUPERVISORCTL;
                }
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

fn write_switch(text: &mut String, option: &Opt) {
    let short = option.short.map(|short| format!("\\fB\\-{short}\\fR, ")).unwrap_or_default();
    let value = option.value.map(|value| format!(" \\fI{}\\fR", escaped(value))).unwrap_or_default();
    let (long, help) = (escaped(option.long), escaped(option.help));
    let _ = write!(text, ".TP\n{short}\\fB\\-\\-{long}\\fR{value}\n{help}\n");
}

/// The lines of its help: each a form and what it does, parted by tabs. A line without a form goes on with the one before it.
fn write_command(text: &mut String, command: &Command) {
    let help = command.help.to_owned() + &flags::help(command.name);
    for line in help.lines().filter(|line| *line != "Ex:") {
        match line.split_once('\t').map(|(form, does)| (form.trim(), does.trim())) {
            Some(("", does)) => {
                let _ = writeln!(text, "{}", escaped(does));
            }
            Some((form, does)) => {
                let _ = write!(text, ".TP\n{}\n{}\n", in_fonts(form), escaped(does));
            }
            None if line.starts_with(command.name) => {
                let _ = write!(text, ".PP\n{}\n", in_fonts(line));
            }
            None => {
                let _ = write!(text, ".IP\n{}\n", escaped(line));
            }
        }
    }
}

/// Names of things in italics, all else as it is typed.
fn in_fonts(form: &str) -> String {
    let form = escaped(form).replace('<', "\\fI").replace('>', "\\fB");
    format!("\\fB{form}\\fR")
}

fn write_sections(text: &mut String) {
    for section in SECTIONS {
        let name =
            if section.name.ends_with(':') { format!("{}x", section.name) } else { section.name.to_owned() };
        let _ = write!(text, ".SH [{}]\n{}\n", escaped(&name), escaped(section.doc));
        let is_program = section.name == "program:";
        let own = if is_program { section.options } else { section.options.get(..1).unwrap_or_default() };
        for option in own.iter().copied().flatten() {
            write_option(text, option);
        }
        if section.options.len() > own.len() {
            text.push_str(".PP\nAnd every option of [program:x].\n");
        }
    }
}

fn write_option(text: &mut String, option: &OptionRow) {
    let (name, kind) = (escaped(option.name), escaped(option.kind.name()));
    let (doc, default) = (escaped(option.doc), escaped(option.default));
    let _ = write!(text, ".TP\n.B {name}\n({kind}) {doc} Default: {default}.\n");
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-").replace("\n.", "\n\\&.")
}
