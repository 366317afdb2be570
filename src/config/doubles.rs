//! Names that stand for two things: accepted, as by Supervisor, but not in silence.

use std::collections::BTreeMap;

use super::load::Context;
use super::spec::GroupSpec;

/// Warns of groups of one name, of which the first runs, and of processes of one name in a group, of which the last does.
pub(super) fn warn(context: &mut Context<'_>, groups: &[Made]) {
    let mut first: BTreeMap<&str, &str> = BTreeMap::new();
    for Made { spec, section } in groups {
        match first.get(spec.name.as_str()) {
            None => {
                first.insert(&spec.name, section);
                processes(context, spec, section);
            }
            Some(other) => {
                let problem =
                    format!("[{other}] has the same name '{}' as a group: this one is ignored", spec.name);
                tell(context, section, problem, "give one of them another name");
            }
        }
    }
}

/// A group, and the section of which it was made.
pub(super) struct Made {
    pub(super) spec: GroupSpec,
    pub(super) section: String,
}

fn processes(context: &mut Context<'_>, group: &GroupSpec, section: &str) {
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for process in &group.processes {
        *count.entry(&process.name).or_default() += 1;
    }
    for (name, count) in count.into_iter().filter(|(_, count)| *count > 1) {
        let problem = format!(
            "{count} processes of this group are named '{name}': the last one runs, the others do not"
        );
        tell(context, section, problem, "give each a name of its own, with process_name=");
    }
}

fn tell(context: &mut Context<'_>, section: &str, problem: String, help: &str) {
    let Some(section) = context.section(section) else { return };
    let mut warning = section.warning(problem, None);
    warning.help = Some(help.to_owned());
    context.warnings.push(warning);
}
