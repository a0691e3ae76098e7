use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use super::Fingerprint;

/// A map that is asked for keys and never for their order: what is in it is found by a hash that is the same in every run.
///
/// It hashes as the set of its entries, whatever the order in which they came.
#[derive(Clone, Debug)]
pub struct Table<K, V>(HashMap<K, V, BuildHasherDefault<Fingerprint>>);

impl<K: Hash + Eq, V> Table<K, V> {
    /// An empty table, which allocates nothing.
    pub fn new() -> Self {
        Table(HashMap::default())
    }

    /// What stands for `key`.
    #[inline]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.0.get(key)
    }

    /// Whether something stands for `key`.
    #[inline]
    pub fn contains(&self, key: &K) -> bool {
        self.0.contains_key(key)
    }

    /// Puts `value` for `key`, and returns what stood there.
    #[inline]
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.0.insert(key, value)
    }

    /// What stands for `key`; `value` from now on if nothing did. And whether nothing did.
    #[inline]
    pub fn get_or_insert(&mut self, key: K, value: V) -> (&mut V, bool) {
        match self.0.entry(key) {
            Entry::Occupied(entry) => (entry.into_mut(), false),
            Entry::Vacant(entry) => (entry.insert(value), true),
        }
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl<K: Hash + Eq, V> Default for Table<K, V> {
    fn default() -> Self {
        Table::new()
    }
}

impl<K: Hash, V: Hash> Hash for Table<K, V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let sum = self.0.iter().fold(0u64, |sum, entry| sum.wrapping_add(Fingerprint::of(&entry)));
        (self.0.len(), sum).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_hashes_as_the_set_of_its_entries() {
        let of = |keys: &[u64]| {
            let mut table = Table::new();
            keys.iter().for_each(|key| assert_eq!(table.get_or_insert(*key, key + 1), (&mut (key + 1), true)));
            table
        };
        let numbers: Vec<u64> = (0..1000).collect();
        let backwards: Vec<u64> = (0..1000).rev().collect();
        assert_eq!(Fingerprint::of(&of(&numbers)), Fingerprint::of(&of(&backwards)));
        assert_ne!(Fingerprint::of(&of(&numbers)), Fingerprint::of(&of(&numbers[1..])));
        let mut table = of(&numbers);
        assert_eq!((table.insert(7, 0), table.get(&7), table.contains(&1000)), (Some(8), Some(&0), false));
        table.clear();
        assert_eq!(Fingerprint::of(&table), Fingerprint::of(&Table::<u64, u64>::new()));
    }
}
