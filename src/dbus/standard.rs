//! The interfaces that every object has by the specification of D-Bus, and the one that lists all objects.

use std::collections::BTreeSet;
use std::sync::Arc;

use zbus::{Message, Variant};

use super::asker::ourselves;
use super::describe::{self, Daemon, Group, Values};
use super::introspect;
use super::objects::Objects;
use super::path::{self, Node};
use super::refusal::Refusal;
use super::table::Interface;
use crate::api::{Fault, FaultCode, ProcessDetails, ProcessInfo, ProcessName, Reply, Request};
use crate::runtime::handle::Supervisor;

/// An interface of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standard {
    /// `org.freedesktop.DBus.Peer`
    Peer,
    /// `org.freedesktop.DBus.Introspectable`
    Introspectable,
    /// `org.freedesktop.DBus.Properties`
    Properties,
    /// `org.freedesktop.DBus.ObjectManager`
    ObjectManager,
}

/// Its methods: where, name and signature of the arguments.
const METHODS: [(Standard, &str, &str); 7] = [
    (Standard::Peer, "Ping", ""),
    (Standard::Peer, "GetMachineId", ""),
    (Standard::Introspectable, "Introspect", ""),
    (Standard::Properties, "Get", "ss"),
    (Standard::Properties, "GetAll", "s"),
    (Standard::Properties, "Set", "ssv"),
    (Standard::ObjectManager, "GetManagedObjects", ""),
];

/// What is answered.
#[derive(Debug)]
pub enum Answer {
    /// Nothing.
    Nothing,
    /// A text.
    Text(String),
    /// One value.
    Value(Variant<'static>),
    /// The values of an interface.
    Values(Values),
    /// Everything.
    Objects(Objects),
}

impl Standard {
    /// The interface of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Some(match name {
            "org.freedesktop.DBus.Peer" => Self::Peer,
            "org.freedesktop.DBus.Introspectable" => Self::Introspectable,
            "org.freedesktop.DBus.Properties" => Self::Properties,
            "org.freedesktop.DBus.ObjectManager" => Self::ObjectManager,
            _ => return None,
        })
    }

    /// The interface that has a method of that name, for callers who do not name it.
    #[must_use]
    pub fn of_method(member: &str) -> Option<Self> {
        METHODS.iter().find(|(_, name, _)| *name == member).map(|(standard, ..)| *standard)
    }

    /// Whether an object has it.
    #[must_use]
    pub fn is_at(self, node: &Node) -> bool {
        match self {
            Self::Peer | Self::Introspectable => true,
            Self::Properties => node.interface().is_some(),
            Self::ObjectManager => *node == Node::Manager,
        }
    }

    /// Answers a call.
    ///
    /// # Errors
    /// When there is no such method, property or object.
    pub async fn answer(
        self,
        supervisor: &Supervisor,
        node: &Node,
        message: &Message,
    ) -> Result<Answer, Refusal> {
        let header = message.header();
        let member = header.member().map_or("", |member| member.as_str());
        let known = METHODS.iter().find(|(standard, name, _)| *standard == self && *name == member);
        let Some((_, _, signature)) = known else {
            return Err(Refusal::standard("UnknownMethod", format!("there is no method {member}")));
        };
        let body = message.body();
        let given = body.signature().to_string_no_parens();
        if given != *signature {
            let text = format!("{member} takes arguments of type '{signature}', not '{given}'");
            return Err(Refusal::arguments(text));
        }
        let wrong = |error: zbus::Error| Refusal::arguments(error.to_string());
        match member {
            "Ping" => Ok(Answer::Nothing),
            "GetMachineId" => machine_id().await.map(Answer::Text),
            "Introspect" => document(supervisor, node, header.path().map_or("", |path| path.as_str())).await,
            "Get" => {
                let (interface, name) = body.deserialize::<(String, String)>().map_err(wrong)?;
                let mut values = all(supervisor, node, &interface).await?;
                values.remove(name.as_str()).map(Answer::Value).ok_or_else(|| no_property(&name))
            }
            "GetAll" => {
                let interface = body.deserialize::<String>().map_err(wrong)?;
                all(supervisor, node, &interface).await.map(Answer::Values)
            }
            "Set" => {
                let (_, name, _) = body.deserialize::<(String, String, Variant<'_>)>().map_err(wrong)?;
                Err(Refusal::standard("PropertyReadOnly", format!("{name} can only be read")))
            }
            _ => Ok(Answer::Objects(Objects::new(details(supervisor).await?))),
        }
    }
}

fn no_property(name: &str) -> Refusal {
    Refusal::standard("UnknownProperty", format!("there is no property {name}"))
}

async fn machine_id() -> Result<String, Refusal> {
    let read = || std::fs::read_to_string("/etc/machine-id").map(|id| id.trim().to_owned());
    let failed = |error: String| Refusal::standard("Failed", format!("/etc/machine-id: {error}"));
    let read = tokio::task::spawn_blocking(read).await.map_err(|error| failed(error.to_string()))?;
    read.map_err(|error| failed(error.to_string()))
}

/// The properties of an object in one of its interfaces; of an empty name, in all.
async fn all(supervisor: &Supervisor, node: &Node, interface: &str) -> Result<Values, Refusal> {
    let own = node.interface().map(Interface::name);
    if !interface.is_empty() && own != Some(interface) {
        if Standard::find(interface).is_some_and(|standard| standard.is_at(node)) {
            return Ok(Values::new());
        }
        return Err(Refusal::standard("UnknownInterface", format!("there is no interface {interface}")));
    }
    match node {
        Node::Manager => Ok(describe::daemon(&daemon(supervisor))),
        Node::Group(name) => {
            let names = infos(supervisor).await?.into_iter().map(|info| info.name);
            let members: Vec<ProcessName> = names.filter(|member| *member.group == **name).collect();
            if members.is_empty() {
                return Err(Refusal::no_object(&path::of_group(name)));
            }
            Ok(describe::group(&Group { name: name.clone(), members }))
        }
        Node::Process(name) => match supervisor.call(&ourselves(), Request::Details(name.clone())).await {
            Ok(Reply::Details(details)) => Ok(describe::process(&details)),
            Ok(_) => Err(Fault::bare(FaultCode::Failed).into()),
            Err(fault) if fault.code == FaultCode::BadName => {
                Err(Refusal::no_object(&path::of_process(name)))
            }
            Err(fault) => Err(fault.into()),
        },
        Node::Above(_) | Node::Groups | Node::Processes | Node::Members(_) => Ok(Values::new()),
    }
}

/// The supervisor as a whole, as it is now.
#[must_use]
pub fn daemon(supervisor: &Supervisor) -> Daemon {
    Daemon { about: supervisor.about().clone(), standing: *supervisor.standing().borrow() }
}

/// What is known of all processes.
///
/// # Errors
/// When the supervisor has ended.
pub async fn details(supervisor: &Supervisor) -> Result<Vec<ProcessDetails>, Fault> {
    match supervisor.call(&ourselves(), Request::AllDetails).await? {
        Reply::AllDetails(all) => Ok(all),
        _ => Err(Fault::bare(FaultCode::Failed)),
    }
}

/// The same, without what has to be looked at.
///
/// # Errors
/// When the supervisor has ended.
pub async fn infos(supervisor: &Supervisor) -> Result<Vec<ProcessInfo>, Fault> {
    match supervisor.call(&ourselves(), Request::Infos).await? {
        Reply::Infos(all) => Ok(all),
        _ => Err(Fault::bare(FaultCode::Failed)),
    }
}

async fn document(supervisor: &Supervisor, node: &Node, path: &str) -> Result<Answer, Refusal> {
    let names = match node {
        Node::Above(next) => return Ok(Answer::Text(introspect::document(node, &[(*next).to_owned()]))),
        Node::Manager => {
            let children = ["group".to_owned(), "process".to_owned()];
            return Ok(Answer::Text(introspect::document(node, &children)));
        }
        Node::Groups | Node::Processes | Node::Members(_) | Node::Group(_) | Node::Process(_) => {
            infos(supervisor).await?.into_iter().map(|info| info.name)
        }
    };
    let (there, children) = below(node, names);
    if !there {
        return Err(Refusal::no_object(path));
    }
    let children: Vec<String> = children.iter().map(|name| path::escape(name)).collect();
    Ok(Answer::Text(introspect::document(node, &children)))
}

/// Whether the object is there, and the names of what is below it.
fn below(node: &Node, names: impl Iterator<Item = ProcessName>) -> (bool, BTreeSet<Arc<str>>) {
    let mut there = matches!(node, Node::Groups | Node::Processes);
    let mut children = BTreeSet::new();
    for name in names {
        match node {
            Node::Groups | Node::Processes => {
                children.insert(name.group);
            }
            Node::Members(group) if **group == *name.group => {
                there = true;
                children.insert(name.process);
            }
            Node::Group(group) => there |= **group == *name.group,
            Node::Process(process) => there |= *process == name,
            Node::Members(_) | Node::Above(_) | Node::Manager => {}
        }
    }
    (there, children)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_an_object_is_told_if_it_is_there() {
        let names =
            || [("web", "a"), ("web", "b"), ("x", "x")].map(|(group, name)| ProcessName::new(group, name));
        let told = |node| {
            let (there, children) = below(&node, names().into_iter());
            (there, children.into_iter().collect::<Vec<_>>())
        };
        let none = Vec::<Arc<str>>::new;
        assert_eq!(told(Node::Processes), (true, vec!["web".into(), "x".into()]));
        assert_eq!(told(Node::Members("web".into())), (true, vec!["a".into(), "b".into()]));
        assert_eq!(told(Node::Members("y".into())), (false, none()));
        assert_eq!(told(Node::Group("web".into())), (true, none()));
        assert_eq!(told(Node::Process(ProcessName::new("web", "x"))), (false, none()));
    }

    #[test]
    fn methods_are_found_without_their_interface() {
        assert_eq!(Standard::of_method("Introspect"), Some(Standard::Introspectable));
        assert_eq!(Standard::of_method("StartProcess"), None);
        assert!(!Standard::ObjectManager.is_at(&Node::Group("web".into())));
        assert!(!Standard::Properties.is_at(&Node::Groups));
    }
}
