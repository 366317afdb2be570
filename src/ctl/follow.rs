//! Logs that grow: `tail -f` and `maintail -f`, until Ctrl-C or the daemon's end.

use std::os::fd::AsFd as _;

use super::client::{Grown, Tail};
use super::console::Unanswered;
use super::session::{Session, exit};

/// The address of a process's log.
pub(super) fn path_of(name: &str, channel: &str) -> String {
    format!("/logtail/{name}/{channel}")
}

/// A log that somebody looks at, and where it is, for messages.
pub(super) struct Followed {
    url: String,
    tail: Tail,
}

impl Followed {
    /// Asks for a log; says so where it cannot be had.
    pub(super) fn open(session: &mut Session<'_>, path: &str) -> Option<Self> {
        let url = format!("{}{path}", session.rpc.url());
        match session.rpc.follow(&encoded(path)) {
            Ok(tail) => Some(Self { url, tail }),
            Err(error) => {
                session.warn(&format!("{url} Cannot connect, error: {error}"));
                None
            }
        }
    }

    /// Prints what has come; whether there may be more, and somebody to read it.
    pub(super) fn print(&mut self, session: &mut Session<'_>) -> bool {
        let (bytes, more) = match self.tail.read() {
            Ok(Grown::By(bytes)) => (bytes, true),
            Ok(Grown::Last(bytes)) => (bytes, false),
            Ok(Grown::Refused(code)) => {
                session.warn(&format!("{} Cannot read, status code {code}", self.url));
                return false;
            }
            Err(error) => {
                session.warn(&format!("{} Cannot read, error: {error}", self.url));
                return false;
            }
        };
        session.console.print(&bytes).is_ok() && more
    }

    /// To wait for.
    pub(super) fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.tail.as_fd()
    }
}

/// Names may have blanks, and characters that are not ASCII.
pub(super) fn encoded(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/:-._~*".contains(&byte);
    path.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Prints a log as it grows.
pub(super) fn follow(session: &mut Session<'_>, path: &str) {
    session.say(format_args!("==> Press Ctrl-C to exit <=="));
    session.heed_interrupts();
    let Some(mut followed) = Followed::open(session, path) else { return };
    session.flush();
    loop {
        match session.console.hear(&[followed.as_fd()], false) {
            Ok(heard) if heard.typed == Some(Err(Unanswered::Interrupted)) => {
                return session.say(format_args!(""));
            }
            Ok(_) if followed.print(session) => {}
            Ok(_) => return,
            Err(error) => {
                session.say(format_args!("error: {error}"));
                session.code = exit::GENERIC;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_has_an_address() {
        assert_eq!(encoded(&path_of("web:a-1_b.c", "stdout")), "/logtail/web:a-1_b.c/stdout");
        assert_eq!(encoded("/logtail/m\u{e9} %\r\n/stderr"), "/logtail/m%C3%A9%20%25%0D%0A/stderr");
    }
}
