//! Object paths: names of groups and processes, escaped as systemd escapes the names of units (`bus_label_escape`).

use zbus::OwnedObjectPath;

use super::table::Interface;
use crate::api::ProcessName;

/// Where everything is.
pub const ROOT: &str = "/org/supervisord/Supervisor1";

/// What a path stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A path above everything of ours; the next element of the way down.
    Above(&'static str),
    /// [`ROOT`]: the supervisor as a whole.
    Manager,
    /// Where the groups are.
    Groups,
    /// Where the processes are, by group.
    Processes,
    /// Where the processes of a group are.
    Members(String),
    /// A group, if there is one of that name.
    Group(String),
    /// A process, if there is one of that name.
    Process(ProcessName),
}

impl Node {
    /// What the path stands for; `None` when nothing of ours can be there.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let Some(below) = path.strip_prefix(ROOT) else { return above(path) };
        let mut elements = below.split('/');
        // What stands before the first slash.
        if elements.next() != Some("") {
            return None;
        }
        let elements: Vec<&str> = elements.collect();
        Some(match elements.as_slice() {
            [] => Self::Manager,
            ["group"] => Self::Groups,
            ["process"] => Self::Processes,
            ["group", group] => Self::Group(unescape(group)?),
            ["process", group] => Self::Members(unescape(group)?),
            ["process", group, process] => {
                Self::Process(ProcessName::new(unescape(group)?, unescape(process)?))
            }
            _ => return None,
        })
    }

    /// The interface of ours that it has.
    #[must_use]
    pub fn interface(&self) -> Option<Interface> {
        match self {
            Self::Manager => Some(Interface::Manager),
            Self::Group(_) => Some(Interface::Group),
            Self::Process(_) => Some(Interface::Process),
            Self::Above(_) | Self::Groups | Self::Processes | Self::Members(_) => None,
        }
    }
}

fn above(path: &str) -> Option<Node> {
    let way = if path == "/" { "" } else { path };
    let next = ROOT.strip_prefix(way)?.strip_prefix('/')?;
    next.split('/').next().map(Node::Above)
}

/// The path of a process.
#[must_use]
pub fn of_process(name: &ProcessName) -> OwnedObjectPath {
    valid(format!("{ROOT}/process/{}/{}", escape(&name.group), escape(&name.process)))
}

/// The path of a group.
#[must_use]
pub fn of_group(name: &str) -> OwnedObjectPath {
    valid(format!("{ROOT}/group/{}", escape(name)))
}

fn valid(path: String) -> OwnedObjectPath {
    // Slashes, letters, digits and underscores, and no element is empty.
    OwnedObjectPath::try_from(path).unwrap_or_default()
}

/// A name as an element of a path: what is neither a letter nor, behind the first place, a digit is written `_xx`.
#[must_use]
pub fn escape(name: &str) -> String {
    if name.is_empty() {
        return "_".to_owned();
    }
    let mut element = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphabetic() || (byte.is_ascii_digit() && !element.is_empty()) {
            element.push(char::from(byte));
        } else {
            element.push_str(&format!("_{byte:02x}"));
        }
    }
    element
}

/// The name; `None` when nobody would have escaped it so, for every object has one path.
#[must_use]
pub fn unescape(element: &str) -> Option<String> {
    if element == "_" {
        return Some(String::new());
    }
    let (mut bytes, mut rest) = (Vec::with_capacity(element.len()), element.as_bytes());
    while let [first, after @ ..] = rest {
        (bytes, rest) = match (first, after) {
            (b'_', [_, _, after @ ..]) => {
                let digits = std::str::from_utf8(&rest[1..3]).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                (bytes, after)
            }
            (b'_', _) => return None,
            (byte, after) => {
                bytes.push(*byte);
                (bytes, after)
            }
        };
    }
    let name = String::from_utf8(bytes).ok()?;
    (escape(&name) == element).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_as_systemd_escapes_them() {
        for (name, element) in [
            ("web", "web"),
            ("", "_"),
            ("w_0", "w_5f0"),
            ("0web", "_30web"),
            ("my-app.service", "my_2dapp_2eservice"),
            ("gr\u{fc}n", "gr_c3_bcn"),
            ("_", "_5f"),
            ("a b:c", "a_20b_3ac"),
        ] {
            assert_eq!(escape(name), element);
            assert_eq!(unescape(element).as_deref(), Some(name), "{element}");
        }
    }

    #[test]
    fn an_object_has_one_path() {
        for element in ["_2", "a_", "a_zz", "_77eb", "a_2D", "_+a", "a_ff", "we-b", "0", "", "__"] {
            assert_eq!(unescape(element), None, "{element}");
        }
    }

    #[test]
    fn paths_stand_for_what_is_there() {
        let process = |group: &str, name: &str| Node::Process(ProcessName::new(group, name));
        for (path, node) in [
            ("/", Some(Node::Above("org"))),
            ("/org", Some(Node::Above("supervisord"))),
            ("/org/supervisord", Some(Node::Above("Supervisor1"))),
            (ROOT, Some(Node::Manager)),
            ("/org/supervisord/Supervisor10", None),
            ("/org/super", None),
            ("/com", None),
            ("/org/supervisord/Supervisor1/group", Some(Node::Groups)),
            ("/org/supervisord/Supervisor1/process", Some(Node::Processes)),
            ("/org/supervisord/Supervisor1/other", None),
            ("/org/supervisord/Supervisor1/group/web", Some(Node::Group("web".into()))),
            ("/org/supervisord/Supervisor1/group/web/x", None),
            ("/org/supervisord/Supervisor1/process/web", Some(Node::Members("web".into()))),
            ("/org/supervisord/Supervisor1/process/web/w_5f0", Some(process("web", "w_0"))),
            ("/org/supervisord/Supervisor1/process/web/w/x", None),
        ] {
            assert_eq!(Node::parse(path), node, "{path}");
        }
        let name = ProcessName::new("a/../b", "*");
        assert_eq!(Node::parse(&of_process(&name)), Some(Node::Process(name)));
        assert_eq!(Node::parse(&of_group("1")), Some(Node::Group("1".into())));
    }
}
