//! Signals: what happens, told on. A bus that is slow makes us miss news, never wait; what was missed is made good by
//! telling how things are.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tokio::sync::watch;
use zbus::{DynamicType, Message};

use super::NAME;
use super::asker::ourselves;
use super::bus::Bus;
use super::describe::{self, Daemon, Values, clean};
use super::objects::Objects;
use super::path::{self, ROOT};
use super::serve::Service;
use super::standard;
use super::table::Interface;
use crate::api::{Event, Fault, ProcessInfo, ProcessName, Reply, Request};
use crate::runtime::handle::News;

/// News that are told together.
const BATCH: usize = 256;

/// Processes that are asked for one by one; of more, all are looked at together.
const ASKED_ALONE: usize = 4;

/// What was told of the supervisor last, and which objects were announced: no more is kept.
struct Announcer {
    service: Arc<Service>,
    told: Daemon,
    /// Names of processes by group.
    members: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    messages: Vec<Message>,
}

/// Why there is nobody to tell anything to.
enum Gone {
    Bus,
    Supervisor,
}

impl From<zbus::Error> for Gone {
    fn from(_: zbus::Error) -> Self {
        Self::Bus
    }
}

impl From<Fault> for Gone {
    fn from(_: Fault) -> Self {
        Self::Supervisor
    }
}

/// Tells what happens, until there is no bus, or no supervisor, or everything was told when it is told to close.
pub async fn run(service: Arc<Service>, closing: watch::Receiver<()>) {
    let supervisor = &service.parts.supervisor;
    let mut announcer = Announcer {
        told: standard::daemon(supervisor),
        members: BTreeMap::new(),
        messages: Vec::new(),
        service: Arc::clone(&service),
    };
    // Either way there is nothing left to do here: the connection's end is seen by who reads from it.
    match announcer.tell_all(closing).await {
        Ok(()) | Err(Gone::Bus | Gone::Supervisor) => {}
    }
}

impl Announcer {
    async fn tell_all(&mut self, mut closing: watch::Receiver<()>) -> Result<(), Gone> {
        let mut news = self.service.parts.supervisor.news();
        let mut standing = self.service.parts.supervisor.standing();
        self.members = self.groups().await?;
        let mut open = true;
        while open {
            let mut batch = Vec::new();
            tokio::select! {
                one = news.next() => match one {
                    Some(one) => batch.push(one),
                    None => open = false,
                },
                // The counts come after the news that changed them.
                shown = standing.changed() => if shown.is_err() { open = false },
                _ = closing.changed() => open = false,
            }
            // At the end, everything that is left.
            while batch.len() < BATCH || !open {
                let Some(one) = news.waiting() else { break };
                batch.push(one);
            }
            self.batch(&batch).await?;
            if news.has_missed() {
                self.make_good().await?;
            }
            self.supervisor_changed()?;
            let messages = std::mem::take(&mut self.messages);
            self.service.connection.send_all(&messages).await?;
        }
        Ok(())
    }

    async fn batch(&mut self, batch: &[News]) -> Result<(), Gone> {
        // The last transition of a process in the batch is told with all that has changed with it.
        let mut last: HashMap<&ProcessName, usize> = HashMap::new();
        for (at, news) in batch.iter().enumerate() {
            if let News::Event(event) = news
                && let Event::ProcessState { name, .. } = &**event
            {
                last.insert(name, at);
            }
        }
        let mut infos = self.infos(last.keys().copied()).await;
        for (at, news) in batch.iter().enumerate() {
            match news {
                News::Event(event) => {
                    let info = match &**event {
                        Event::ProcessState { name, .. } if last.get(name) == Some(&at) => infos.remove(name),
                        _ => None,
                    };
                    self.event(event, info).await?;
                }
                News::Reread(found) => {
                    self.signal("ConfigurationReread", &(&found.added, &found.changed, &found.removed))?;
                }
            }
        }
        Ok(())
    }

    /// What is known of some processes; who is not there any more is left out, and everybody when the supervisor ends.
    async fn infos(
        &self,
        names: impl ExactSizeIterator<Item = &ProcessName>,
    ) -> HashMap<ProcessName, ProcessInfo> {
        let supervisor = &self.service.parts.supervisor;
        if names.len() > ASKED_ALONE {
            let all = standard::infos(supervisor).await.unwrap_or_default();
            return all.into_iter().map(|info| (info.name.clone(), info)).collect();
        }
        let mut infos = HashMap::new();
        for name in names {
            if let Ok(Reply::Info(info)) = supervisor.call(&ourselves(), Request::Info(name.clone())).await {
                infos.insert(name.clone(), *info);
            }
        }
        infos
    }

    async fn event(&mut self, event: &Event, info: Option<ProcessInfo>) -> Result<(), Gone> {
        match event {
            Event::ProcessState { name, from, to } => {
                let (path, state) = (path::of_process(name), to.state());
                let pid = to.pid().and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0);
                let body = (name.to_string(), &path, from.name(), state.name(), pid);
                self.signal("ProcessStateChanged", &body)?;
                let mut values = info.map(|info| describe::changing(&info)).unwrap_or_default();
                values.entry("State").or_insert_with(|| state.name().into());
                values.entry("StateCode").or_insert_with(|| state.code().into());
                self.properties(&path, Interface::Process, values)?;
            }
            Event::GroupAdded(name) => {
                self.signal("GroupAdded", &name)?;
                self.added(name).await?;
            }
            Event::GroupRemoved(name) => {
                self.signal("GroupRemoved", &name)?;
                self.removed(name)?;
            }
            Event::SupervisorState(_)
            | Event::RemoteCommunication { .. }
            | Event::ProcessLog { .. }
            | Event::ProcessCommunication { .. }
            | Event::Tick { .. } => {}
        }
        let headers: HashMap<&str, String> =
            event.headers().into_iter().map(|(name, value)| (name, clean(&value))).collect();
        let data = told_to_everybody(event, self.service.parts.bus);
        self.signal("Event", &(event.kind().name(), headers, data))
    }

    /// News were missed: everything is told as it is.
    async fn make_good(&mut self) -> Result<(), Gone> {
        let now = self.groups().await?;
        let (added, removed): (Vec<Arc<str>>, Vec<Arc<str>>) = (
            now.keys().filter(|group| !self.members.contains_key(*group)).cloned().collect(),
            self.members.keys().filter(|group| !now.contains_key(*group)).cloned().collect(),
        );
        for group in removed {
            self.removed(&group)?;
        }
        for group in added {
            self.added(&group).await?;
        }
        for info in standard::infos(&self.service.parts.supervisor).await? {
            self.properties(&path::of_process(&info.name), Interface::Process, describe::changing(&info))?;
        }
        Ok(())
    }

    async fn added(&mut self, group: &str) -> Result<(), Gone> {
        let mut details = standard::details(&self.service.parts.supervisor).await?;
        details.retain(|details| *details.info.name.group == *group);
        let names = details.iter().map(|details| details.info.name.process.clone()).collect();
        self.members.insert(group.into(), names);
        for object in Objects::new(details).iter() {
            self.message("org.freedesktop.DBus.ObjectManager", ROOT, "InterfacesAdded", &object)?;
        }
        Ok(())
    }

    fn removed(&mut self, group: &str) -> Result<(), Gone> {
        let members = self.members.remove(group).unwrap_or_default();
        let processes = members.iter().map(|process| {
            (path::of_process(&ProcessName::new(group, Arc::clone(process))), vec![Interface::Process.name()])
        });
        let group = (path::of_group(group), vec![Interface::Group.name()]);
        let gone: Vec<_> = processes.chain(std::iter::once(group)).collect();
        for object in gone {
            self.message("org.freedesktop.DBus.ObjectManager", ROOT, "InterfacesRemoved", &object)?;
        }
        Ok(())
    }

    fn supervisor_changed(&mut self) -> Result<(), Gone> {
        let now = standard::daemon(&self.service.parts.supervisor);
        let changed = describe::difference(&self.told, &now);
        self.told = now;
        if changed.is_empty() {
            return Ok(());
        }
        self.properties(ROOT, Interface::Manager, changed)
    }

    async fn groups(&self) -> Result<BTreeMap<Arc<str>, BTreeSet<Arc<str>>>, Gone> {
        let mut groups: BTreeMap<Arc<str>, BTreeSet<Arc<str>>> = BTreeMap::new();
        for info in standard::infos(&self.service.parts.supervisor).await? {
            groups.entry(info.name.group).or_default().insert(info.name.process);
        }
        Ok(groups)
    }

    fn properties(&mut self, path: &str, interface: Interface, values: Values) -> Result<(), Gone> {
        let nothing: [&str; 0] = [];
        let body = (interface.name(), values, nothing.as_slice());
        self.message("org.freedesktop.DBus.Properties", path, "PropertiesChanged", &body)
    }

    fn signal<B: serde::Serialize + DynamicType>(&mut self, name: &str, body: &B) -> Result<(), Gone> {
        self.message(&format!("{NAME}.Manager"), ROOT, name, body)
    }

    fn message<B: serde::Serialize + DynamicType>(
        &mut self,
        interface: &str,
        path: &str,
        name: &str,
        body: &B,
    ) -> Result<(), Gone> {
        self.messages.push(Message::signal(path, interface, name).build(body)?);
        Ok(())
    }
}

/// What follows the headers of an event. On the system bus everybody listens: what programs wrote, and what was sent to
/// the listeners, is not for everybody.
fn told_to_everybody(event: &Event, bus: Bus) -> String {
    let private = event.is_output() || matches!(event, Event::RemoteCommunication { .. });
    match (bus, private) {
        (Bus::System, true) => String::new(),
        (Bus::System | Bus::Session, _) => event.data().map(|data| clean(&data)).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Channel;
    use crate::api::event::Source;

    #[test]
    fn what_programs_write_is_not_told_to_everybody() {
        let from = Source { name: ProcessName::new("g", "p"), pid: 7, channel: Channel::Stdout };
        let secret = || b"secret\0".to_vec();
        for event in [
            Event::ProcessLog { from: from.clone(), data: secret() },
            Event::ProcessCommunication { from, data: secret() },
            Event::RemoteCommunication { kind: "k".into(), data: "secret\0".into() },
        ] {
            assert_eq!(told_to_everybody(&event, Bus::System), "");
            assert_eq!(told_to_everybody(&event, Bus::Session), "secret\u{fffd}");
        }
    }
}
