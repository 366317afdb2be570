//! The page of a process, with its log; and that of the main log.

use std::fmt::Write as _;

use super::html::{Around, esc, frame, quote, size};
use super::status::{NAV, buttons, forms};
use super::view::{Row, Tone};
use crate::api::ProcessDetails;
use crate::logs::read::Tail;

/// Bytes of a log that a page shows at least, as Supervisor's does.
pub const LIMIT_LEAST: u64 = 1024;
/// Bytes that it shows when nobody says how many.
pub const LIMIT_USUAL: u64 = 16 * 1024;
/// Bytes that it shows at most.
pub const LIMIT_MOST: u64 = 4 * 1024 * 1024;

/// How many bytes `limit=` asks for.
#[must_use]
pub fn limit(given: Option<&str>) -> u64 {
    match given {
        None => LIMIT_USUAL,
        Some(text) => match text.parse::<u64>() {
            Ok(limit) => limit.clamp(LIMIT_LEAST, LIMIT_MOST),
            Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => LIMIT_MOST,
            Err(_) => LIMIT_LEAST,
        },
    }
}

/// The end of a log, or why there is none to be seen.
#[derive(Debug, Clone)]
pub struct Log {
    /// What it is the log of.
    pub label: String,
    /// The page that shows it again, without `limit=`.
    pub page: String,
    /// How many bytes were asked for.
    pub limit: u64,
    /// The text, or Supervisor's sentence.
    pub tail: Result<Tail, String>,
    /// What goes on telling it, from an offset on.
    pub stream: String,
    /// The sizes of both logs of the process, stdout's first.
    pub sizes: [Option<u64>; 2],
}

/// An output of a process, as a page shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// stdout
    Stdout,
    /// stderr
    Stderr,
}

impl Output {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Stdout, Self::Stderr];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// The address of the page of a process.
#[must_use]
pub fn address(name: &str, output: Output) -> String {
    let channel = if output == Output::Stderr { "&channel=stderr" } else { "" };
    format!("tail.html?processname={}{channel}", quote(name))
}

/// Title of the page, in Supervisor's words.
#[must_use]
pub fn title(name: &str) -> String {
    format!("Supervisor tail of process {name}")
}

/// The page of a process that is known.
#[must_use]
pub fn page(around: &Around, details: &ProcessDetails, row: &Row, output: Output, log: &Log) -> String {
    let mut body = head(around, row);
    let open = if row.tone == Tone::Failed { " open" } else { "" };
    let _ = write!(
        body,
        "<details class=\"facts\"{open}><summary>Configuration</summary>\n<dl>{}</dl></details>\n</section>\n",
        facts(details)
    );
    body.push_str(&log_view(log, &tabs(&row.id, output, log.sizes)));
    body.push_str(&forms(around, Some("tail")));
    frame(around, &title(&row.id), NAV, &["console.js", "log.js"], &body)
}

fn head(around: &Around, row: &Row) -> String {
    let actions = if around.token.is_some() { buttons(row) } else { String::new() };
    let since = row.since.map_or_else(String::new, |since| format!(" data-since=\"{since}\""));
    let metric = |class: &str, label: &str, text: &str| {
        format!("<div><dt>{label}</dt><dd class=\"{class}\">{}</dd></div>", esc(text))
    };
    format!(
        "<section class=\"program\" data-id=\"{id}\" data-tone=\"{tone}\">\n\
         <div class=\"title\"><h1>{id}</h1> <span class=\"state\"><span class=\"{class}\">{state}</span></span> \
         <span class=\"actions\">{actions}</span></div>\n<p class=\"note\">{note}</p>\n\
         <dl class=\"metrics\">{pid}<div><dt>Uptime</dt><dd class=\"uptime\"{since}>{uptime}</dd></div>\
         {restarts}{cpu}{memory}</dl>\n",
        id = esc(&row.id),
        tone = row.tone.word(),
        class = row.class,
        state = row.state,
        note = esc(&row.note),
        pid = metric("pid", "PID", &row.pid),
        uptime = row.uptime,
        restarts = metric("restarts", "Restarts", &row.restarts),
        cpu = metric("cpu", "CPU", &row.cpu),
        memory = metric("memory", "Memory", &row.memory),
    )
}

fn tabs(name: &str, output: Output, sizes: [Option<u64>; 2]) -> String {
    let tab = |(tab, bytes): (Output, Option<u64>)| {
        let current = if tab == output { " aria-current=\"page\"" } else { "" };
        let bytes = bytes.map_or_else(String::new, |bytes| format!(" <small>{}</small>", size(bytes)));
        let (href, word) = (address(name, tab), tab.word());
        format!("<a class=\"tab\" href=\"{}\"{current}>{word}{bytes}</a>", esc(&href))
    };
    Output::ALL.into_iter().zip(sizes).map(tab).collect()
}

/// The page of a process that is not there, or was not named.
#[must_use]
pub fn missing(around: &Around, title: &str, text: &str) -> String {
    let body = format!(
        "<pre id=\"log\" class=\"none\">{}</pre>\n<p><a class=\"button\" href=\"./\">Programs</a></p>\n",
        esc(text)
    );
    frame(around, title, NAV, &["console.js"], &body)
}

/// The page of the main log.
#[must_use]
pub fn main_log(around: &Around, logfile: &str, log: &Log) -> String {
    let mut body =
        String::from("<section class=\"program\">\n<div class=\"title\"><h1>Main log</h1></div>\n");
    let _ = writeln!(body, "<p class=\"note\">{}</p>\n</section>", esc(logfile));
    body.push_str(&log_view(log, ""));
    frame(around, "Supervisor main log", NAV, &["console.js", "log.js"], &body)
}

fn facts(details: &ProcessDetails) -> String {
    let path =
        |path: Option<&std::path::Path>| path.map_or_else(String::new, |path| path.display().to_string());
    let info = &details.info;
    let pairs = [
        ("command", details.command.clone()),
        ("directory", path(details.directory.as_deref())),
        ("user", details.user.clone().unwrap_or_default()),
        ("autostart", details.autostart.to_string()),
        ("autorestart", details.autorestart.name().to_owned()),
        ("priority", details.priority.to_string()),
        ("stdout_logfile", path(info.stdout_logfile.as_deref())),
        ("stderr_logfile", path(info.stderr_logfile.as_deref())),
    ];
    let given = pairs.iter().filter(|(_, value)| !value.is_empty());
    given.map(|(name, value)| format!("<div><dt>{name}</dt><dd>{}</dd></div>", esc(value))).collect()
}

fn log_view(log: &Log, tabs: &str) -> String {
    let join = if log.page.contains('?') { "&amp;" } else { "?" };
    let page = esc(&log.page).to_string();
    let (text, stream, more) = match &log.tail {
        Err(sentence) => (sentence.clone(), String::new(), String::new()),
        Ok(tail) => {
            let stream = format!(" data-stream=\"{}?from={}\"", esc(&log.stream), tail.offset);
            let wider = (log.limit * 16).min(LIMIT_MOST);
            let more = if tail.overflow && wider > log.limit {
                format!(
                    "<a class=\"button\" href=\"{page}{join}limit={wider}\">Show the last {}</a>",
                    size(wider)
                )
            } else {
                String::new()
            };
            (plain(&tail.text), stream, more)
        }
    };
    let none = if log.tail.is_err() { " class=\"none\"" } else { "" };
    format!(
        "<section class=\"log\" aria-label=\"Log\">\n<div class=\"logbar\">{tabs}<span id=\"controls\"></span>{more}\
         <a class=\"button\" id=\"refresh\" href=\"{page}{join}limit={limit}\">Refresh</a></div>\n\
         <pre id=\"log\" tabindex=\"0\" role=\"region\" aria-label=\"{label}\"{stream}{none}>\n{text}</pre>\n</section>\n",
        limit = log.limit,
        label = esc(&log.label),
        text = esc(&text),
    )
}

/// A log without what colours it on a terminal.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\x1b[") {
        plain.push_str(&rest[..at]);
        let sequence = &rest[at + 2..];
        let parameters = sequence.bytes().take_while(|byte| (0x20..0x40).contains(byte)).count();
        // The byte that ends it, unless the text does.
        rest = match sequence.as_bytes().get(parameters) {
            Some(0x40..0x7f) => &sequence[parameters + 1..],
            _ => &sequence[parameters..],
        };
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ProcessState;
    use crate::control::web::html::tests::around;
    use crate::control::web::view::Rates;
    use crate::control::web::view::tests::{NOW, details};

    fn log(tail: Result<Tail, String>) -> Log {
        let page = address("web:a", Output::Stdout);
        Log {
            label: "stdout of web:a".into(),
            page,
            limit: LIMIT_USUAL,
            tail,
            stream: "logtail/web%3Aa".into(),
            sizes: [Some(99_999), None],
        }
    }

    #[test]
    fn limits_are_read_as_supervisor_reads_them() {
        for (given, bytes) in [
            (None, LIMIT_USUAL),
            (Some("1"), 1024),
            (Some("5000"), 5000),
            (Some("-5000"), 1024),
            (Some("x"), 1024),
            (Some("99999999999999999999999"), LIMIT_MOST),
        ] {
            assert_eq!(limit(given), bytes, "{given:?}");
        }
    }

    #[test]
    fn a_process_is_shown_with_what_is_known_of_it_and_its_log() {
        let mut details = details("web:a", ProcessState::Fatal);
        details.diagnosis = "no such <file>".into();
        details.command = "/bin/x \"<y>\"".into();
        let row = Row::new(&details, NOW, &Rates::default());
        let tail = Tail { text: "<script>\n\x1b[1;31mred\x1b[0m\n".into(), offset: 99_999, overflow: true };
        let page = page(&around(Some("t0k")), &details, &row, Output::Stdout, &log(Ok(tail)));
        for part in [
            "<title>Supervisor tail of process web:a</title>",
            "<h1>web:a</h1>",
            "<p class=\"note\">no such &lt;file&gt;</p>",
            "<dd>/bin/x &quot;&lt;y&gt;&quot;</dd>",
            ">\n&lt;script&gt;\nred\n</pre>",
            "data-stream=\"logtail/web%3Aa?from=99999\"",
            "href=\"tail.html?processname=web%3Aa&amp;limit=16384\">Refresh",
            "limit=262144\">Show the last 256 kB",
            "href=\"tail.html?processname=web%3Aa&amp;channel=stderr\">stderr</a>",
            "aria-current=\"page\">stdout <small>97.6 kB</small></a>",
            "name=\"page\" value=\"tail\"",
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
    }

    #[test]
    fn a_log_that_is_not_there_is_said_so() {
        let details = details("web:a", ProcessState::Running);
        let row = Row::new(&details, NOW, &Rates::default());
        let page =
            page(&around(Some("t0k")), &details, &row, Output::Stderr, &log(Err("No file for web:a".into())));
        assert!(
            page.contains("class=\"none\">\nNo file for web:a</pre>") && !page.contains("data-stream"),
            "{page}"
        );
        let missing = missing(&around(Some("t0k")), "t", "ERROR: <x>");
        assert!(missing.contains(">ERROR: &lt;x&gt;</pre>"), "{missing}");
    }

    #[test]
    fn colours_are_taken_off() {
        for (text, bare) in [
            ("a\x1b[31mb\x1b[0m", "ab"),
            ("\x1b[38;5;1", ""),
            ("\x1b[?25lx", "x"),
            ("\x1b[üx", "üx"),
            ("\x1b", "\x1b"),
        ] {
            assert_eq!(plain(text), bare);
        }
    }
}
