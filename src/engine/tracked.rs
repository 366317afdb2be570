//! Collections that remember what may have changed since it was last written down.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Deref;

use serde::{Deserialize, Serialize, Serializer};

use super::group::Group;
use super::process::ProcessId;

/// A map that remembers which of its entries may have changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(
    transparent,
    bound(
        serialize = "K: Serialize, V: Serialize",
        deserialize = "K: Deserialize<'de>, V: Deserialize<'de>"
    )
)]
pub(super) struct Tracked<K: Ord, V> {
    /// Boxed: half of the places in a tree are empty.
    map: BTreeMap<K, Box<V>>,
    #[serde(skip)]
    touched: BTreeSet<K>,
    /// Whose change nobody has looked at yet; some more than once.
    #[serde(skip)]
    stirred: Vec<K>,
    /// What of them never changes was not written down yet.
    #[serde(skip)]
    fresh: BTreeSet<K>,
    /// How often something was touched.
    #[serde(skip)]
    version: u64,
}

impl<K: Ord, V> Default for Tracked<K, V> {
    fn default() -> Self {
        Self {
            map: BTreeMap::new(),
            touched: BTreeSet::new(),
            stirred: Vec::new(),
            fresh: BTreeSet::new(),
            version: 0,
        }
    }
}

impl<K: Ord + Copy, V> Tracked<K, V> {
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.map.get(key).map(|value| &**value)
    }

    pub(super) fn contains_key(&self, key: &K) -> bool {
        self.map.contains_key(key)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.map.values().map(|value| &**value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.map.iter().map(|(key, value)| (key, &**value))
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let found = self.map.get_mut(key).map(|value| &mut **value);
        if found.is_some() {
            self.touched.insert(*key);
            self.version += 1;
            // Who is changed is changed several times in a row.
            if self.stirred.last() != Some(key) {
                self.stirred.push(*key);
            }
        }
        found
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        self.stir(key);
        self.map.insert(key, Box::new(value));
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        self.stir(*key);
        self.map.remove(key).map(|value| *value)
    }

    fn stir(&mut self, key: K) {
        self.touched.insert(key);
        self.stirred.push(key);
        self.fresh.insert(key);
        self.version += 1;
    }

    /// Which may have changed since this was last taken.
    pub(super) fn stirred(&self) -> &[K] {
        &self.stirred
    }

    /// The same, which are looked at now.
    pub(super) fn take_stirred(&mut self) -> Vec<K> {
        std::mem::take(&mut self.stirred)
    }

    /// For what is no change.
    pub(super) fn untouched(&mut self) -> impl Iterator<Item = &mut V> {
        self.map.values_mut().map(|value| &mut **value)
    }

    /// As long as it is the same, nothing is touched.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Everything is to be written down.
    pub(super) fn touch_all(&mut self) {
        self.touched.extend(self.map.keys().copied());
        self.fresh.extend(self.map.keys().copied());
    }

    /// Which have come or gone since this was last asked.
    pub(super) fn take_fresh(&mut self) -> BTreeSet<K> {
        std::mem::take(&mut self.fresh)
    }

    /// Which may have changed since this was last asked.
    pub(super) fn take_touched(&mut self) -> BTreeSet<K> {
        std::mem::take(&mut self.touched)
    }
}

impl<K: Ord, V: PartialEq> PartialEq for Tracked<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.map == other.map
    }
}

impl<K: Ord, V: Eq> Eq for Tracked<K, V> {}

impl<K: Ord, V> FromIterator<(K, V)> for Tracked<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let map = entries.into_iter().map(|(key, value)| (key, Box::new(value))).collect();
        Self { map, ..Self::default() }
    }
}

/// What is known of what was last written down. It is no part of the state: one is as good as another.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mark<T>(pub(super) T);

impl<T> PartialEq for Mark<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> Eq for Mark<T> {}

/// The active groups, which remember the same by name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "Vec<Group>")]
pub(super) struct Groups {
    list: Vec<Group>,
    touched: BTreeSet<String>,
    reordered: bool,
    /// Where those are that have a pool.
    pools: Vec<usize>,
    /// The place of each process among all, once somebody has asked.
    ranks: Option<HashMap<ProcessId, usize>>,
}

impl Groups {
    /// Where those are that have a pool.
    pub(super) fn pools(&self) -> &[usize] {
        &self.pools
    }

    /// Processes in the order of the groups, and within a group in that of its members.
    pub(super) fn sort_by_rank(&mut self, ids: &mut [ProcessId]) {
        if ids.len() < 2 {
            return;
        }
        let members = || self.list.iter().flat_map(|group| &group.members).zip(0..);
        let ranks = self.ranks.get_or_insert_with(|| members().map(|(id, rank)| (*id, rank)).collect());
        ids.sort_by_key(|id| ranks.get(id).copied());
    }

    fn is_reordered(&mut self) {
        self.reordered = true;
        self.ranks = None;
        let pools = self.list.iter().enumerate().filter(|(_, group)| group.pool.is_some());
        self.pools = pools.map(|(at, _)| at).collect();
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut Group> {
        let group = self.list.get_mut(at)?;
        if !self.touched.contains(&group.spec.name) {
            self.touched.insert(group.spec.name.clone());
        }
        Some(group)
    }

    /// For what is no change.
    pub(super) fn untouched(&mut self) -> impl Iterator<Item = &mut Group> {
        self.list.iter_mut()
    }

    pub(super) fn insert(&mut self, at: usize, group: Group) {
        self.touched.insert(group.spec.name.clone());
        self.list.insert(at, group);
        self.is_reordered();
    }

    pub(super) fn remove(&mut self, at: usize) -> Group {
        let group = self.list.remove(at);
        self.touched.insert(group.spec.name.clone());
        self.is_reordered();
        group
    }

    /// Everything is to be written down.
    pub(super) fn touch_all(&mut self) {
        self.touched.extend(self.list.iter().map(|group| group.spec.name.clone()));
        self.reordered = true;
    }

    /// Which may have changed since this was last asked.
    pub(super) fn take_touched(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.touched)
    }

    /// Whether one has come or gone since this was last asked.
    pub(super) fn take_reordered(&mut self) -> bool {
        std::mem::take(&mut self.reordered)
    }
}

impl Deref for Groups {
    type Target = [Group];

    fn deref(&self) -> &Self::Target {
        &self.list
    }
}

impl PartialEq for Groups {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

impl Eq for Groups {}

impl FromIterator<Group> for Groups {
    fn from_iter<I: IntoIterator<Item = Group>>(groups: I) -> Self {
        let mut groups = Self { list: groups.into_iter().collect(), ..Self::default() };
        groups.is_reordered();
        groups.reordered = false;
        groups
    }
}

impl From<Vec<Group>> for Groups {
    fn from(groups: Vec<Group>) -> Self {
        groups.into_iter().collect()
    }
}

impl Serialize for Groups {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.list.serialize(serializer)
    }
}
