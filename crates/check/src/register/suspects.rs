//! Suspects: the operations that a contradiction is looked for among.

use std::collections::BTreeMap;

use history::{Function, NIL, Outcome};

use super::clusters::{Index, NONE};
use super::decide::Decider;

impl Decider<'_> {
    /// All operations that see one of these values.
    pub(super) fn operations_of(&self, ids: &[u32]) -> Vec<u32> {
        let mut wanted = ids.to_vec();
        wanted.sort_unstable();
        self.operations_where(self.clusters.all[ids[0] as usize].key, |id| wanted.binary_search(&id).is_ok())
    }

    pub(super) fn operations_of_chains(&self, heads: &[u32]) -> Vec<u32> {
        let head_of = |mut id: u32| {
            while self.clusters.all[id as usize].from != NONE && self.clusters.all[id as usize].live() {
                id = self.clusters.all[id as usize].from;
            }
            id
        };
        self.operations_where(self.clusters.all[heads[0] as usize].key, |id| heads.contains(&head_of(id)))
    }

    fn operations_where(&self, key: u32, mut wanted: impl FnMut(u32) -> bool) -> Vec<u32> {
        let mut found = Vec::new();
        let mut known: BTreeMap<u32, bool> = BTreeMap::new();
        let mut check = |id: Option<u32>| id.is_some_and(|id| *known.entry(id).or_insert_with(|| wanted(id)));
        for i in self.operations_of_key(key) {
            let (columns, at) = (self.columns, i as usize);
            let of_value = |value| self.existing(key, value);
            let found_one = match columns.function[at] {
                Function::Read => columns.outcome[at] == Outcome::Ok && check(of_value(columns.result[at])),
                Function::Write => check(of_value(columns.argument[at])),
                Function::Cas => check(of_value(columns.argument[at])) || check(of_value(columns.expected[at])),
            };
            if found_one {
                found.push(i);
            }
        }
        found
    }

    pub(super) fn existing(&self, key: u32, value: u64) -> Option<u32> {
        if value == NIL {
            return Some(key);
        }
        match &self.clusters.index {
            // What was not seen may be the value of another key.
            Index::Dense(ids) => {
                let id = ids.get(value as usize).copied().filter(|id| *id != NONE)?;
                (self.clusters.all[id as usize].key == key).then_some(id)
            }
            Index::Hashed(ids) => ids.get(&(key, value)).copied(),
        }
    }

    pub(super) fn operations_of_key(&self, key: u32) -> impl Iterator<Item = u32> + '_ {
        let name = self.key_name(key);
        self.columns.key.iter().enumerate().filter(move |(_, k)| **k == name).map(|(i, _)| i as u32)
    }
}
