//! Names for shells that complete words, on `supervisorctl __complete KIND`: one a line, quickly, and nothing but names.

use std::collections::BTreeMap;

use super::client::Rpc;
use super::session::{field, items, namespec};

/// The first word of a command line that asks for names.
pub const WORD: &str = "__complete";

/// The names of a kind: `processes`; `targets`, which are those, `all`, and groups of several as `group:*`; or `groups`.
/// `None`: there is nobody to ask, or no such kind.
pub fn names(rpc: &mut dyn Rpc, kind: &str) -> Option<Vec<String>> {
    let method = if kind == "groups" { "getAllConfigInfo" } else { "getAllProcessInfo" };
    let infos = items(rpc.call(&format!("supervisor.{method}"), Vec::new()).ok()?);
    let groups = || {
        let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for info in &infos {
            groups.entry(field(info, "group").to_owned()).or_default().push(namespec(info));
        }
        groups
    };
    let mut names: Vec<String> = match kind {
        "groups" => groups().into_keys().collect(),
        "processes" => infos.iter().map(namespec).collect(),
        "targets" => {
            let several = groups().into_iter().filter(|(group, members)| *members != [group.as_str()]);
            let several = several.map(|(group, _)| format!("{group}:*"));
            infos.iter().map(namespec).chain(several).chain(["all".to_owned()]).collect()
        }
        _ => return None,
    };
    names.retain(|name| is_plain(name));
    Some(names)
}

/// A shell takes the word as it is; `*` is only ours.
fn is_plain(name: &str) -> bool {
    let name = name.strip_suffix(":*").unwrap_or(name);
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-.:@%+,/".contains(c))
}
