//! The page at `/`: every process, by group.

use std::fmt::Write as _;

use super::action::Verb;
use super::html::{Around, esc, frame, quote, token_field};
use super::view::{Row, Tone};

/// What of all is shown; the rest is in the page, and hidden.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those whose name or note has this.
    pub text: String,
    /// Only those of this tone.
    pub tone: Option<Tone>,
}

impl Filter {
    /// From the fields of a request.
    #[must_use]
    pub fn new(text: Option<&str>, tone: Option<&str>) -> Self {
        let tone = tone.and_then(|word| Tone::ALL.into_iter().find(|tone| tone.word() == word));
        Self { text: text.unwrap_or_default().to_lowercase(), tone }
    }

    fn admits(&self, row: &Row) -> bool {
        let has = |text: &str| text.to_lowercase().contains(&self.text);
        self.tone.is_none_or(|tone| tone == row.tone) && (has(&row.id) || has(&row.note))
    }
}

/// Something odd about the configuration.
#[derive(Debug, Clone)]
pub struct Oddity {
    /// Where: file and line.
    pub place: String,
    /// What.
    pub problem: String,
    /// What to do.
    pub help: String,
}

/// The page.
#[must_use]
pub fn page(around: &Around, rows: &[Row], filter: &Filter, oddities: &[Oddity]) -> String {
    let mut body = toolbar(around, rows, filter);
    body.push_str(&warnings(oddities));
    if rows.is_empty() {
        body.push_str("<p class=\"none\">No programs to manage</p>\n");
    } else {
        body.push_str(&table(around, rows, filter));
    }
    body.push_str(&forms(around, None));
    frame(around, "Supervisor Status", NAV, &["console.js"], &body)
}

/// The forms to which buttons belong, wherever they stand: one that acts, and one that asks. `page` is where they lead back to,
/// if not to `/`.
#[must_use]
pub fn forms(around: &Around, page: Option<&str>) -> String {
    let Some(token) = &around.token else { return String::new() };
    let page = page
        .map_or_else(String::new, |page| format!("<input type=\"hidden\" name=\"page\" value=\"{page}\">"));
    format!(
        "<form id=\"act\" method=\"post\" action=\"index.html\">{}{page}</form><form id=\"ask\" action=\"index.html\"></form>\n",
        token_field(token)
    )
}

/// The links in the head of each page.
pub const NAV: &str = "<a href=\"./\">Programs</a> <a href=\"mainlog.html\">Main log</a>";

fn toolbar(around: &Around, rows: &[Row], filter: &Filter) -> String {
    let mut chips = chip(None, rows.len(), filter);
    for tone in Tone::ALL {
        let count = rows.iter().filter(|row| row.tone == tone).count();
        chips.push_str(&chip(Some(tone), count, filter));
    }
    let verbs = if around.token.is_some() { &Verb::ALL[..] } else { &[] };
    let all: String = verbs.iter().map(|verb| asking(*verb, None)).collect();
    format!(
        "<div class=\"tools\">\n<nav id=\"tones\" aria-label=\"Show\">{chips}</nav>\n\
         <form id=\"filter\" role=\"search\" action=\"./\"><label><span class=\"sr\">Filter by name or text</span>\
         <input type=\"search\" name=\"q\" value=\"{}\" placeholder=\"Filter  /\" autocomplete=\"off\" spellcheck=\"false\"></label>\
         <noscript><button>Filter</button></noscript></form>\n\
         <div class=\"all\" role=\"group\" aria-label=\"All programs\">{all}</div>\n</div>\n",
        esc(&filter.text)
    )
}

fn chip(tone: Option<Tone>, count: usize, filter: &Filter) -> String {
    let word = tone.map_or("", Tone::word);
    let label = if word.is_empty() { "all" } else { word };
    let current = if filter.tone == tone { " aria-current=\"true\"" } else { "" };
    let hidden = if tone == Some(Tone::Changing) && count == 0 { " hidden" } else { "" };
    let none = if count == 0 { " none" } else { "" };
    format!(
        "<a class=\"chip {word}{none}\" data-tone=\"{word}\" href=\"./?show={word}\"{current}{hidden}><b>{count}</b> {label}</a>"
    )
}

/// A button that asks before it does: for all, or for a group.
fn asking(verb: Verb, group: Option<&str>) -> String {
    let (word, label) = (verb.word(), verb.label());
    match group.map(esc) {
        None => {
            let label =
                if verb == Verb::ClearLog { "Clear all logs".to_owned() } else { format!("{label} all") };
            format!("<button form=\"ask\" name=\"do\" value=\"{word}all\">{label}</button>")
        }
        Some(group) => format!(
            "<button form=\"ask\" name=\"do\" value=\"{word} {group}:*\" aria-label=\"{label} group {group}\">{label}</button>"
        ),
    }
}

fn warnings(oddities: &[Oddity]) -> String {
    if oddities.is_empty() {
        return String::new();
    }
    let mut list = String::new();
    for oddity in oddities {
        // To write to a text cannot fail.
        let _ = write!(list, "<li><code>{}</code> {}", esc(&oddity.place), esc(&oddity.problem));
        if !oddity.help.is_empty() {
            let _ = write!(list, " <em>{}</em>", esc(&oddity.help));
        }
        list.push_str("</li>\n");
    }
    let count = oddities.len();
    let plural = if count == 1 { "" } else { "s" };
    format!(
        "<details class=\"oddities\"><summary>{count} warning{plural} about the configuration</summary>\n<ul>\n{list}</ul></details>\n"
    )
}

const HEAD: &str = "<thead><tr><th scope=\"col\">State</th><th scope=\"col\">Name</th><th scope=\"col\">PID</th>\
    <th scope=\"col\">Uptime</th><th scope=\"col\">Restarts</th><th scope=\"col\">CPU</th>\
    <th scope=\"col\">Memory</th><th scope=\"col\">Action</th></tr></thead>\n";

fn table(around: &Around, rows: &[Row], filter: &Filter) -> String {
    let mut out = format!("<table id=\"programs\">\n{HEAD}");
    for members in rows.chunk_by(|a, b| a.group == b.group) {
        let hidden = if members.iter().any(|row| filter.admits(row)) { "" } else { " hidden" };
        let name = &members[0].group;
        let _ = writeln!(out, "<tbody data-group=\"{}\"{hidden}>", esc(name));
        if members.len() > 1 || members[0].id != *name {
            out.push_str(&heading(around, name, members));
        }
        for row in members {
            out.push_str(&line(around, row, filter.admits(row)));
        }
        out.push_str("</tbody>\n");
    }
    let none = if rows.iter().any(|row| filter.admits(row)) { " hidden" } else { "" };
    let _ = writeln!(out, "</table>\n<p id=\"nothing\" class=\"none\"{none}>No program fits the filter</p>");
    out
}

fn heading(around: &Around, group: &str, members: &[Row]) -> String {
    let running = members.iter().filter(|row| row.tone == Tone::Running).count();
    let verbs = if around.token.is_some() { &Verb::ALL[..] } else { &[] };
    let buttons: String = verbs.iter().map(|verb| asking(*verb, Some(group))).collect();
    format!(
        "<tr class=\"group\"><th scope=\"rowgroup\" colspan=\"7\">{} <span class=\"count\">{running} of {} running</span></th>\
         <td class=\"actions\">{buttons}</td></tr>\n",
        esc(group),
        members.len()
    )
}

fn line(around: &Around, row: &Row, shown: bool) -> String {
    let (id, quoted) = (esc(&row.id).to_string(), quote(&row.id));
    let since = row.since.map_or_else(String::new, |since| format!(" data-since=\"{since}\""));
    format!(
        "<tr class=\"row\" data-id=\"{id}\" data-tone=\"{tone}\"{hidden}>\
         <td class=\"state\"><span class=\"{class}\">{state}</span></td>\
         <th scope=\"row\" class=\"name\"><a href=\"tail.html?processname={quoted}\">{id}</a><span class=\"note\">{note}</span></th>\
         <td class=\"pid\">{pid}</td><td class=\"uptime\"{since}>{uptime}</td><td class=\"restarts\">{restarts}</td>\
         <td class=\"cpu\">{cpu}</td><td class=\"memory\">{memory}</td><td class=\"actions\">{buttons}</td></tr>\n",
        tone = row.tone.word(),
        hidden = if shown { "" } else { " hidden" },
        class = row.class,
        state = row.state,
        note = esc(&row.note),
        pid = row.pid,
        uptime = row.uptime,
        restarts = row.restarts,
        cpu = row.cpu,
        memory = row.memory,
        buttons = if around.token.is_some() { buttons(row) } else { String::new() },
    )
}

/// The buttons of a process.
#[must_use]
pub fn buttons(row: &Row) -> String {
    let id = esc(&row.id).to_string();
    let button = |verb: Verb| {
        let can = match verb {
            Verb::Start => row.start,
            Verb::Stop | Verb::Restart => row.stop,
            Verb::ClearLog => true,
        };
        let (word, label, disabled) = (verb.word(), verb.label(), if can { "" } else { " disabled" });
        format!(
            "<button form=\"act\" name=\"do\" value=\"{word} {id}\" aria-label=\"{label} {id}\"{disabled}>{label}</button>"
        )
    };
    Verb::ALL.map(button).concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ProcessState;
    use crate::control::web::html::tests::around;
    use crate::control::web::view::Rates;
    use crate::control::web::view::tests::{NOW, details};

    fn rows() -> Vec<Row> {
        let mut bad = details("solo", ProcessState::Fatal);
        bad.diagnosis = "can't <exec>".into();
        let all = [bad, details("web:a", ProcessState::Running), details("web:b&c", ProcessState::Stopped)];
        all.iter().map(|details| Row::new(details, NOW, &Rates::default())).collect()
    }

    #[test]
    fn every_process_has_its_row_and_every_group_its_head() {
        let page = page(&around(Some("t0k")), &rows(), &Filter::default(), &[]);
        for part in [
            "<span class=\"statusrunning\">running</span>",
            "<span class=\"statuserror\">fatal</span>",
            "<a href=\"tail.html?processname=web%3Ab%26c\">web:b&amp;c</a>",
            "<span class=\"note\">can&#39;t &lt;exec&gt;</span>",
            "data-since=\"5\">0:00:10</td>",
            "web <span class=\"count\">1 of 2 running</span>",
            "form=\"ask\" name=\"do\" value=\"stop web:*\"",
            "value=\"restartall\"",
            "form=\"act\" name=\"do\" value=\"start web:a\" aria-label=\"Start web:a\" disabled>",
            "value=\"stop web:a\" aria-label=\"Stop web:a\">",
            "<b>3</b> all",
            "<b>1</b> failed",
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
        assert_eq!(page.matches("class=\"group\"").count(), 1);
        assert_eq!(page.matches("name=\"token\" value=\"t0k\"").count(), 1);
    }

    #[test]
    fn read_only_there_is_no_button() {
        let page = page(&around(None), &rows(), &Filter::default(), &[]);
        assert!(!page.contains("name=\"do\"") && !page.contains("token"), "{page}");
    }

    #[test]
    fn a_filter_hides_the_rest() {
        let shown = |text, tone| {
            let page = page(&around(None), &rows(), &Filter::new(text, tone), &[]);
            page.lines().filter(|line| line.contains("class=\"row\"") && !line.contains(" hidden>")).count()
        };
        assert_eq!(shown(None, None), 3);
        assert_eq!(shown(Some("WEB"), None), 2);
        assert_eq!(shown(Some("exec"), None), 1);
        assert_eq!(shown(None, Some("failed")), 1);
        assert_eq!(shown(Some("web"), Some("failed")), 0);
    }

    #[test]
    fn without_programs_it_says_so_and_oddities_are_listed() {
        let oddity = Oddity { place: "a.conf:3".into(), problem: "<b>".into(), help: "do".into() };
        let page = page(&around(None), &[], &Filter::default(), &[oddity]);
        for part in
            ["No programs to manage", "1 warning about", "<code>a.conf:3</code> &lt;b&gt; <em>do</em>"]
        {
            assert!(page.contains(part), "{part}\n{page}");
        }
    }
}
