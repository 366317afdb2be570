//! Random lines: headers, options, comments and what is none of them.

use super::dice::Dice;

const SPACES: &[&str] =
    &["", "", "", "", " ", "  ", "\t", " \t", "\u{a0}", "\u{3000}", "\u{b}", "\u{c}", "\u{1f}"];
const NAMES: &[&str] = &[
    "supervisord",
    "program:x",
    "program:x",
    "group:g",
    "include",
    "DEFAULT",
    "default",
    "a b",
    "x]y",
    "",
    " x ",
    "x;y",
    "x#y",
    "ü",
    "[x",
    "program: x",
    "eventlistener:e",
];
const KEYS: &[&str] = &[
    "command", "Command", "files", "a b", "key;x", "key ;x", "#key", ";key", "ключ", "x=y", "x:y", "[key",
    "key]", "İ", "ẞ", "rem", "REM x", "", "key#x",
];
const WORDS: &[&str] = &[
    "/bin/cat",
    " ",
    "=",
    ":",
    ";",
    "#",
    " ;",
    " #",
    "\t;",
    "%(here)s",
    "%%",
    "%(ENV_X)s",
    "\"",
    "'",
    "\\",
    "\\n",
    "ü",
    "\u{a0}",
    "\u{2028}",
    "\u{85}",
    "\u{1c}",
    "x",
    "0",
    "true",
    "[x]",
    "]",
    "{",
    "\u{feff}",
    "😀",
    "a=b",
    "a:b",
    "\u{b};",
];
const ENDS: &[&str] = &["\n", "\n", "\n", "\n", "\n", "\r\n", "\r", "\n\n", ""];

/// One line, most often one that means something.
fn line(dice: &mut Dice) -> String {
    let indent = if dice.one_in(3) { dice.pick(SPACES) } else { "" };
    let after = dice.some(1, SPACES);
    match dice.throw() % 10 {
        0 | 1 => {
            let rest = dice.some(2, WORDS);
            let close = if dice.one_in(12) { "" } else { "]" };
            format!("{indent}[{}{close}{after}{rest}", dice.pick(NAMES))
        }
        2 => format!("{indent}{}{}", dice.pick(&[";", "#", " ;", "rem "]), dice.some(4, WORDS)),
        3 => format!("{}{}", dice.pick(SPACES), dice.some(4, WORDS)),
        4 => indent.to_owned(),
        _ => {
            let between = dice.some(1, SPACES);
            let sign = dice.pick(&["=", "=", "=", ":", "", "==", "=:"]);
            format!("{indent}{}{between}{sign}{after}{}", dice.pick(KEYS), dice.some(6, WORDS))
        }
    }
}

/// The file of a seed.
pub fn file(seed: u64) -> String {
    let mut dice = Dice::new(seed);
    let lines = 1 + dice.throw() % 9;
    let mut text = if dice.one_in(4) { String::new() } else { "[supervisord]\n".to_owned() };
    for _ in 0..lines {
        text.push_str(&line(&mut dice));
        text.push_str(dice.pick(ENDS));
    }
    text
}
