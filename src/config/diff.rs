//! What a new configuration changes.

use super::spec::GroupSpec;
use crate::api::RereadResult;

/// Compares what is active with what is wanted (Supervisor 4.3 `supervisord.py`, `diff_to_active`): `added` and `changed` in
/// the order of `wanted`, `removed` in the order of `active`.
#[must_use]
pub fn between(active: &[&GroupSpec], wanted: &[GroupSpec]) -> RereadResult {
    let active_one = |name: &str| active.iter().find(|group| group.name == name);
    let names = |keep: &dyn Fn(&GroupSpec) -> bool| {
        wanted.iter().filter(|group| keep(group)).map(|group| group.name.clone()).collect()
    };
    RereadResult {
        added: names(&|group| active_one(&group.name).is_none()),
        changed: names(&|group| active_one(&group.name).is_some_and(|old| **old != *group)),
        removed: active
            .iter()
            .filter(|old| !wanted.iter().any(|group| group.name == old.name))
            .map(|old| old.name.clone())
            .collect(),
    }
}
