//! `[eventlistener:x]` (Supervisor 4.3 `options.py`, `process_groups_from_parser`).

use super::doubles::Made;
use super::load::Context;
use super::program::processes;
use super::reader::Reader;
use super::section::Section;
use super::spec::{DaemonSpec, GroupKind, GroupSpec, PoolSpec};
use super::value;
use crate::api::EventKind;

/// A pool comes before every program, and is stopped after them.
const PRIORITY: i64 = -1;

/// What judges a listener's answers; others would be Python code.
const DEFAULT_HANDLER: &str = "supervisor.dispatchers:default_handler";

/// Every pool of listeners.
pub(super) fn read(context: &mut Context<'_>, daemon: &DaemonSpec) -> Vec<Made> {
    let sections = context.sections_named("eventlistener:");
    let pools = sections.into_iter().filter_map(|section| {
        let spec = pool(context, daemon, &section)?;
        Some(Made { spec, section: section.name })
    });
    pools.collect()
}

fn pool(context: &mut Context<'_>, daemon: &DaemonSpec, section: &Section) -> Option<GroupSpec> {
    let mut reader = Reader::new(context, section);
    let name = reader.name("eventlistener:")?;
    let priority = reader.integer("priority", PRIORITY);
    let buffer_size = reader.integer("buffer_size", 10);
    if buffer_size < 1 {
        let problem = format!("[{}] section sets invalid buffer_size ({buffer_size})", section.name);
        reader.fail("buffer_size", problem);
    }
    if let Some(handler) = reader.text("result_handler").filter(|handler| handler.trim() != DEFAULT_HANDLER) {
        reader.fail("result_handler", format!("{handler} cannot be resolved within [{}]", section.name));
    }
    let events = events(&mut reader);
    if reader.boolean("redirect_stderr", false) {
        let problem = format!(
            "[{}] section sets redirect_stderr=true but this is not allowed because it will interfere with the eventlistener protocol",
            section.name
        );
        reader.fail("redirect_stderr", problem);
    }
    let processes = processes(context, daemon, section, &name, &name);
    let buffer_size = usize::try_from(buffer_size).unwrap_or(1);
    Some(GroupSpec {
        name,
        priority,
        processes,
        kind: GroupKind::Listeners(PoolSpec { events, buffer_size }),
    })
}

fn events(reader: &mut Reader<'_, '_>) -> Vec<EventKind> {
    let section = reader.section.name.clone();
    let names = value::list(&reader.text("events").unwrap_or_default());
    if names.is_empty() {
        reader.fail("events", format!("[{section}] section requires an \"events\" line"));
    }
    let mut events = Vec::new();
    for name in names {
        match EventKind::parse(&name) {
            Some(event) => events.push(event),
            None => {
                let name = name.to_uppercase();
                reader.fail("events", format!("Unknown event type {name} in [{section}] events"));
            }
        }
    }
    events.sort_unstable();
    events.dedup();
    events
}
