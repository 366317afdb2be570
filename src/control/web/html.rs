//! Text as HTML, and the frame that all pages share.

use std::fmt::{self, Display, Write as _};

use crate::api::{SupervisorState, VERSION};

/// Text that stays text wherever it stands in a page: between tags, and in a quoted attribute.
#[must_use]
pub fn esc(text: &str) -> impl Display + '_ {
    Escaped(text)
}

struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // What HTML cannot say, and what would let text pretend to be another's.
                '\0'..='\x08'
                | '\x0b'..='\x1f'
                | '\x7f'
                | '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                    if c != '\r' =>
                {
                    f.write_char('\u{fffd}')?;
                }
                _ => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Text as a part of a URL (Python's `urllib.quote`): safe in an attribute as it is.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' | b'/' => {
                quoted.push(byte.into());
            }
            // To write to a text cannot fail.
            _ => drop(write!(quoted, "%{byte:02X}")),
        }
    }
    quoted
}

/// Bytes for people; a kB has 1024, as in the configuration.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut whole, mut rest, mut unit) = (bytes / 1024, bytes % 1024, 0);
    while whole >= 1000 && unit + 1 < UNITS.len() {
        (whole, rest, unit) = (whole / 1024, whole % 1024, unit + 1);
    }
    if whole >= 100 {
        format!("{whole} {}", UNITS[unit])
    } else {
        format!("{whole}.{} {}", rest * 10 / 1024, UNITS[unit])
    }
}

/// What a page needs to know of the daemon, whatever it shows.
#[derive(Debug, Clone)]
pub struct Around {
    /// `identifier=`
    pub identifier: String,
    /// The daemon's pid.
    pub pid: i32,
    /// What it is doing.
    pub state: SupervisorState,
    /// Names this start of the daemon: a page of another start loads itself anew.
    pub boot: String,
    /// What the forms send; `None`: nothing can be changed here.
    pub token: Option<String>,
    /// Seconds of the monotonic clock, from which the page goes on counting.
    pub now: u64,
    /// What to tell: the outcome of what was done.
    pub message: Option<String>,
}

/// A whole page.
#[must_use]
pub fn frame(around: &Around, title: &str, nav: &str, scripts: &[&str], body: &str) -> String {
    let scripts: String =
        scripts.iter().map(|name| format!("<script src=\"scripts/{name}\" defer></script>\n")).collect();
    let (identifier, pid, boot) = (esc(&around.identifier), around.pid, esc(&around.boot));
    let message = around.message.as_deref().unwrap_or_default();
    let tone = if is_bad(message) { " bad" } else { "" };
    let hidden = if message.is_empty() { " hidden" } else { "" };
    format!(
        r##"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="stylesheet" href="stylesheets/supervisor.css">
<link rel="icon" href="images/icon.svg" type="image/svg+xml">
{scripts}</head>
<body data-boot="{boot}" data-now="{now}">
<a class="skip" href="#main">Skip to the content</a>
<header class="top">
<a class="home" href="./"><img src="images/icon.svg" alt="" width="20" height="20"> {identifier}</a>
<nav aria-label="Pages">{nav}</nav>
<span id="live" class="live" role="status" hidden></span>
</header>
<main id="main">
{banner}<div id="message" class="status_msg{tone}" role="status" aria-live="polite"{hidden}>{message}</div>
{body}</main>
<footer>supervisord {VERSION}, pid {pid}{readonly}</footer>
</body>
</html>
"##,
        title = esc(title),
        now = around.now,
        banner = banner(around.state),
        message = esc(message),
        readonly = if around.token.is_none() { " · read-only" } else { "" },
    )
}

/// A message that tells of a failure.
#[must_use]
pub fn is_bad(message: &str) -> bool {
    ["ERROR", "No such", "unexpected"].iter().any(|start| message.starts_with(start))
}

fn banner(state: SupervisorState) -> String {
    let (hidden, text) = match state {
        SupervisorState::Running => (" hidden", ""),
        _ => ("", leaving(state)),
    };
    format!("<p id=\"banner\" class=\"banner\" role=\"status\"{hidden}>{text}</p>\n")
}

/// What is said while the supervisor is on its way out.
#[must_use]
pub fn leaving(state: SupervisorState) -> &'static str {
    match state {
        SupervisorState::Running => "",
        SupervisorState::Restarting => "supervisord is restarting: it stops every program and begins again.",
        SupervisorState::Shutdown => "supervisord is shutting down: it stops every program.",
    }
}

/// The hidden fields of a form that changes something.
#[must_use]
pub fn token_field(token: &str) -> String {
    format!("<input type=\"hidden\" name=\"token\" value=\"{}\">", esc(token))
}

/// What the tests of the other pages stand in as well.
#[cfg(test)]
pub mod tests {
    use super::*;

    /// What stands around a page for tests, 15 seconds after the clock began.
    pub fn around(token: Option<&str>) -> Around {
        Around {
            identifier: "s".into(),
            pid: 1,
            state: SupervisorState::Running,
            boot: "b".into(),
            token: token.map(str::to_owned),
            now: 15,
            message: None,
        }
    }

    #[test]
    fn text_stays_text() {
        let text = "<script>alert('1')</script> & \"x\" \u{1b}[31m\0 ü\u{202e}";
        let expected = "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;x&quot; \u{fffd}[31m\u{fffd} ü\u{fffd}";
        assert_eq!(esc(text).to_string(), expected);
        assert_eq!(esc("a\tb\r\nc").to_string(), "a\tb\r\nc");
    }

    #[test]
    fn urls_are_quoted_as_python_quotes_them() {
        assert_eq!(quote("web:a b/ü\"&~"), "web%3Aa%20b/%C3%BC%22%26~");
    }

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 kB"),
            (1_572_864, "1.5 MB"),
            (999 * 1024, "999 kB"),
            (1000 * 1024, "0.9 MB"),
            (5 << 30, "5.0 GB"),
            (u64::MAX, "16383 PB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn a_page_shows_no_markup_of_others() {
        let around = Around {
            identifier: "<i>".into(),
            pid: 1,
            state: SupervisorState::Shutdown,
            boot: "\"".into(),
            token: None,
            now: 0,
            message: Some("<b>".into()),
        };
        let page = frame(&around, "</title>", "", &[], "");
        for part in [
            "&lt;i&gt;",
            "&lt;b&gt;",
            "<title>&lt;/title&gt;",
            "data-boot=\"&quot;\"",
            "shutting down",
            "read-only",
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
    }
}
