//! Objects with all that they show, made one after the other while they are written: of ten thousand there is never more than
//! one at a time.

use std::collections::HashMap;

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use zbus::{OwnedObjectPath, Signature, Type};

use super::describe::{self, Group, Values};
use super::path;
use super::table::Interface;
use crate::api::{ProcessDetails, ProcessName};

/// Interfaces with their properties.
pub type Interfaces = HashMap<&'static str, Values>;

/// The objects of some processes, and of the groups that they make up.
#[derive(Debug)]
pub struct Objects(Vec<ProcessDetails>);

impl Objects {
    /// Of these processes.
    #[must_use]
    pub fn new(mut all: Vec<ProcessDetails>) -> Self {
        all.sort_by(|one, other| one.info.name.cmp(&other.info.name));
        Self(all)
    }

    /// One after the other, each group before its processes.
    pub fn iter(&self) -> impl Iterator<Item = (OwnedObjectPath, Interfaces)> {
        self.0.chunk_by(|one, other| one.info.name.group == other.info.name.group).flat_map(|members| {
            let processes = members.iter().map(process);
            members.first().map(|first| group(&first.info.name.group, members)).into_iter().chain(processes)
        })
    }
}

fn group(name: &str, members: &[ProcessDetails]) -> (OwnedObjectPath, Interfaces) {
    let members: Vec<ProcessName> = members.iter().map(|member| member.info.name.clone()).collect();
    let values = describe::group(&Group { name: name.to_owned(), members });
    (path::of_group(name), Interfaces::from([(Interface::Group.name(), values)]))
}

fn process(details: &ProcessDetails) -> (OwnedObjectPath, Interfaces) {
    let values = describe::process(details);
    (path::of_process(&details.info.name), Interfaces::from([(Interface::Process.name(), values)]))
}

impl Type for Objects {
    const SIGNATURE: &'static Signature = <HashMap<OwnedObjectPath, Interfaces> as Type>::SIGNATURE;
}

impl Serialize for Objects {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (path, interfaces) in self.iter() {
            map.serialize_entry(&path, &interfaces)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use zbus::{Message, OwnedVariant};

    use super::*;
    use crate::api::ProcessState;
    use crate::dbus::describe::tests::details;

    #[test]
    fn a_group_is_told_before_its_processes() {
        let all = vec![details("b", ProcessState::Stopped), details("a", ProcessState::Running)];
        let paths: Vec<String> = Objects::new(all).iter().map(|(path, _)| path.to_string()).collect();
        assert_eq!(
            paths,
            [
                "/org/supervisord/Supervisor1/group/web",
                "/org/supervisord/Supervisor1/process/web/a",
                "/org/supervisord/Supervisor1/process/web/b",
            ]
        );
    }

    #[test]
    fn objects_are_written_as_a_dictionary() {
        let objects = Objects::new(vec![details("a", ProcessState::Running)]);
        let message = Message::method_call("/", "M").build(&objects).unwrap();
        assert_eq!(message.body().signature().to_string(), "a{oa{sa{sv}}}");
        type Read = HashMap<OwnedObjectPath, HashMap<String, HashMap<String, OwnedVariant>>>;
        let body = message.body();
        let read = body.deserialize::<Read>().unwrap();
        let process = &read[&path::of_process(&ProcessName::new("web", "a"))][Interface::Process.name()];
        assert_eq!(process["State"].downcast_ref::<String>().unwrap(), "RUNNING");
        assert_eq!(read.len(), 2);
    }
}
