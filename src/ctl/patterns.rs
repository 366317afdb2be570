//! Names with `*`, `?` and `[…]` in them, for the processes that they match.

use glob::Pattern;

use super::session::{Session, field, items, namespec};
use crate::api::Target;
use crate::wire::xmlrpc::Value;

/// The names, with each pattern replaced by what it matches. A pattern that matches nothing is told, with this exit code.
pub(super) fn expand(session: &mut Session<'_>, names: &[&str], unknown: u8) -> Vec<String> {
    let as_they_are = || names.iter().map(|name| (*name).to_owned()).collect();
    if names.contains(&"all") || !names.iter().any(|name| is_pattern(name)) {
        return as_they_are();
    }
    let infos = match session.call("getAllProcessInfo", Vec::new()) {
        Ok(infos) => items(infos),
        Err(error) => {
            session.problem(&error);
            return Vec::new();
        }
    };
    expand_among(session, &infos, names, unknown)
}

/// The same, where the processes are known already.
pub(super) fn expand_among(
    session: &mut Session<'_>,
    infos: &[Value],
    names: &[&str],
    unknown: u8,
) -> Vec<String> {
    let mut expanded: Vec<String> = Vec::new();
    for name in names {
        if !is_pattern(name) || is_known(infos, name) {
            expanded.push((*name).to_owned());
            continue;
        }
        let matching = matching(infos, name);
        if matching.is_empty() {
            session.say(format_args!("{name}: ERROR (no such process)"));
            session.code = unknown;
        }
        for found in matching {
            // What two patterns match is meant once.
            if !expanded.contains(&found) {
                expanded.push(found);
            }
        }
    }
    expanded
}

/// Whether it is to be expanded; `group:*` is not, which the daemon understands.
fn is_pattern(name: &str) -> bool {
    match Target::from_namespec(name) {
        Target::Group(group) => has_wildcard(&group),
        Target::Process(_) | Target::All => has_wildcard(name),
    }
}

fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether somebody is called so, wildcards and all.
fn is_known(infos: &[Value], name: &str) -> bool {
    match Target::from_namespec(name) {
        Target::Group(group) => infos.iter().any(|info| field(info, "group") == group),
        Target::Process(process) => infos
            .iter()
            .any(|info| field(info, "group") == &*process.group && field(info, "name") == &*process.process),
        Target::All => true,
    }
}

/// The processes that a pattern matches: without a colon by their own names, with one by group and name.
fn matching(infos: &[Value], pattern: &str) -> Vec<String> {
    let (group, process) = pattern.split_once(':').unwrap_or(("*", pattern));
    let process = if process.is_empty() { "*" } else { process };
    let (Ok(group), Ok(process)) = (Pattern::new(group), Pattern::new(process)) else { return Vec::new() };
    let matches = |info: &&Value| group.matches(field(info, "group")) && process.matches(field(info, "name"));
    infos.iter().filter(matches).map(namespec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn infos() -> Vec<Value> {
        let info = |(group, name): (&str, &str)| {
            let member = |name: &'static str, text: &str| (name.into(), Value::String(text.to_owned()));
            Value::Struct(vec![member("group", group), member("name", name)])
        };
        let names = [("cron", "cron"), ("web", "web_00"), ("web", "web_01"), ("web2", "api"), ("w[x]", "w*")];
        names.map(info).to_vec()
    }

    #[test]
    fn a_pattern_is_for_names_and_with_a_colon_for_groups_too() {
        for (pattern, expected) in [
            ("cr*", &["cron"][..]),
            ("web_0?", &["web:web_00", "web:web_01"]),
            ("*_00", &["web:web_00"]),
            ("*_0[!0]", &["web:web_01"]),
            ("web*:*", &["web:web_00", "web:web_01", "web2:api"]),
            ("web*:", &["web:web_00", "web:web_01", "web2:api"]),
            ("web?:a*", &["web2:api"]),
            ("web*", &["web:web_00", "web:web_01"]),
            ("nope*", &[]),
            ("[", &[]),
            ("web_**", &[]),
        ] {
            assert_eq!(matching(&infos(), pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn who_is_called_so_is_meant_so() {
        for name in ["web:*", "web:", "cron", "web:web_00", "w:x"] {
            assert!(!is_pattern(name), "{name}");
        }
        for name in ["w*", "w?b:*", "web:w*", "w[ab]:x"] {
            assert!(is_pattern(name), "{name}");
        }
        assert!(is_known(&infos(), "w[x]:w*") && is_known(&infos(), "w[x]:*"));
        assert!(!is_known(&infos(), "w*"));
    }
}
