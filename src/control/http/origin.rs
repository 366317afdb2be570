//! Where a request may come from: a change not from a page of somebody else's that a browser of ours shows, and nothing under
//! a name of somebody else's that leads here (DNS rebinding: such a page reads what it likes). Clients that are no browsers say
//! nothing of it.

use std::net::IpAddr;

use hyper::header::{self, HeaderMap, HeaderName};

/// What a server does with requests under names that are none of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strangers {
    /// Serves them: no name leads to it, or there is a password that the page of a stranger lacks.
    #[default]
    Welcome,
    /// Refuses those of browsers. Everybody reaches it, and programs may call it as they like.
    NoBrowsers,
    /// Refuses them: nobody but this machine reaches it, which has few names.
    Refused,
}

/// The names by which a server is called.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// Its own, and those of the configuration, in lower case; `*`: any.
    known: Vec<String>,
    strangers: Strangers,
}

impl Names {
    /// Those names, and the usual ones.
    pub fn new(known: impl IntoIterator<Item = String>, strangers: Strangers) -> Self {
        let known = known.into_iter().filter(|name| !name.is_empty());
        let known = known.map(|name| name.to_lowercase()).chain(["localhost".to_owned()]).collect();
        Self { known, strangers }
    }

    /// A server that no name leads to.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    fn knows(&self, name: &str) -> bool {
        self.known.iter().any(|known| known == "*" || known == name)
    }
}

/// What a head tells, in lower case.
fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    // What is no text is no name of ours.
    headers.get(name).map(|value| value.to_str().unwrap_or("?").to_lowercase())
}

/// The browser's own word where a request comes from, which no page can choose; it knows nothing of proxies.
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a request with this head is refused, whatever it asks for.
#[must_use]
pub fn stranger(names: &Names, headers: &HeaderMap, changes: bool) -> Option<&'static str> {
    let host = text(headers, &header::HOST)?;
    // Under a name of its own, a page that reads sends nothing else that tells a browser: no Origin, and without TLS no word
    // of the browser's either.
    let looks = || text(headers, &header::USER_AGENT).is_some_and(|agent| agent.starts_with("mozilla/"));
    let strict = match names.strangers {
        Strangers::Welcome => false,
        Strangers::NoBrowsers => {
            headers.contains_key(header::ORIGIN) || headers.contains_key(SITE) || (!changes && looks())
        }
        Strangers::Refused => true,
    };
    let known = || host_of(&host).parse::<IpAddr>().is_ok() || names.knows(host_of(&host));
    (strict && !known()).then_some(
        "The Host header has a name that is none of this server: if it is one, add it to hosts= in the section of the server, or \
         set a password.",
    )
}

/// Why a change with this head is refused.
#[must_use]
pub fn objection(names: &Names, headers: &HeaderMap) -> Option<&'static str> {
    if let Some(objection) = stranger(names, headers, true) {
        return Some(objection);
    }
    let (host, origin) = (text(headers, &header::HOST), text(headers, &header::ORIGIN));
    let site = text(headers, &SITE);
    let elsewhere = "A page from elsewhere asks for a change: if it comes through a proxy, add its host to hosts= in the section of \
                     the server.";
    match site.as_deref() {
        Some("same-origin" | "none") => return None,
        Some(_) => return Some(elsewhere),
        None => {}
    }
    let origin = origin?;
    let authority = origin.split_once("://").map_or("", |(_, authority)| authority);
    let ours = host.is_some_and(|host| host == authority) || names.knows(host_of(authority));
    (!ours).then_some(elsewhere)
}

/// A host without its port, and an address without brackets.
fn host_of(authority: &str) -> &str {
    if let Some((address, _)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address;
    }
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    host.strip_suffix('.').unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn refuses(names: &Names, lines: &[(&'static str, &'static str)]) -> bool {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        objection(names, &lines.iter().map(pair).collect()).is_some()
    }

    #[test]
    fn names_of_others_lead_nowhere() {
        let names =
            Names::new(["Box".to_owned(), "proxy.example".to_owned(), String::new()], Strangers::Refused);
        for host in [
            "127.0.0.1:9001",
            "[::1]:9001",
            "10.1.2.3",
            "localhost:9001",
            "LOCALHOST",
            "box",
            "proxy.example.",
        ] {
            assert!(!refuses(&names, &[("host", host)]), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:9001",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "",
            "a:b:c",
        ] {
            assert!(refuses(&names, &[("host", host)]), "{host}");
        }
        assert!(!refuses(&names, &[]));
        assert!(!refuses(&Names::new(["*".to_owned()], Strangers::Refused), &[("host", "evil.example")]));
        assert!(!refuses(&Names::none(), &[("host", "evil.example")]));
    }

    #[test]
    fn programs_may_call_an_open_server_as_they_like() {
        let names = Names::new([], Strangers::NoBrowsers);
        assert!(!refuses(&names, &[("host", "worker:9001")]));
        assert!(refuses(&names, &[("host", "worker:9001"), ("origin", "http://worker:9001")]));
        assert!(refuses(&names, &[("host", "worker:9001"), ("sec-fetch-site", "same-origin")]));
        assert!(!refuses(&names, &[("host", "10.1.2.3:9001"), ("origin", "http://10.1.2.3:9001")]));
    }

    #[test]
    fn pages_of_others_read_nothing_under_a_name_of_theirs() {
        let hides = |strangers, lines: &[(&'static str, &'static str)]| {
            let pair = |(name, value): &(&'static str, &'static str)| {
                (HeaderName::from_static(name), HeaderValue::from_static(value))
            };
            stranger(&Names::new([], strangers), &lines.iter().map(pair).collect(), false).is_some()
        };
        let (evil, browser) = (("host", "evil.example:9001"), ("user-agent", "Mozilla/5.0 (X11; Linux)"));
        assert!(hides(Strangers::Refused, &[evil]));
        assert!(!hides(Strangers::Refused, &[("host", "localhost:9001"), browser]));
        assert!(!hides(Strangers::Refused, &[browser]));
        assert!(!hides(Strangers::NoBrowsers, &[evil, ("user-agent", "curl/7.88.1")]));
        assert!(hides(Strangers::NoBrowsers, &[evil, browser]));
        assert!(hides(Strangers::NoBrowsers, &[evil, ("sec-fetch-site", "same-origin")]));
        assert!(!hides(Strangers::NoBrowsers, &[("host", "10.1.2.3:9001"), browser]));
        assert!(!hides(Strangers::Welcome, &[evil, browser]));
    }

    #[test]
    fn pages_of_others_change_nothing() {
        for names in [Names::none(), Names::new(["proxy.example".to_owned()], Strangers::Welcome)] {
            let refused = |lines: &[_]| refuses(&names, &[&[("host", "box:9001")], lines].concat());
            assert!(!refused(&[]));
            assert!(!refused(&[("origin", "http://box:9001")]));
            assert!(!refused(&[("origin", "http://evil"), ("sec-fetch-site", "same-origin")]));
            assert!(!refused(&[("sec-fetch-site", "none")]));
            assert!(refused(&[("origin", "http://box:9002")]));
            assert!(refused(&[("origin", "https://evil.example")]));
            assert!(refused(&[("origin", "null")]));
            assert!(refused(&[("origin", "http://box:9001"), ("sec-fetch-site", "cross-site")]));
            assert!(refused(&[("sec-fetch-site", "same-site")]));
            let proxied = names.knows("proxy.example");
            assert_eq!(refused(&[("origin", "https://proxy.example")]), !proxied);
        }
        assert!(refuses(&Names::none(), &[("origin", "http://evil")]));
    }
}
