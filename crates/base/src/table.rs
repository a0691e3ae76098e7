use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use super::Fingerprint;

/// A map that is asked for keys and never for their order: what is in it is found by a hash that is the same in every run.
///
/// It hashes as the set of its entries, whatever the order in which they came. Keys that count up (slots of a log) lie side by side in
/// memory, as in a list; keys that an adversary chooses are not meant for it.
#[derive(Clone, Debug)]
pub struct Table<K, V>(HashMap<K, V, BuildHasherDefault<Near>>);

/// Hashes keys that differ by one in a word to places that differ by little. A place is the low bits; the topmost seven tell neighbours
/// apart.
#[derive(Clone, Copy, Debug)]
pub struct Near {
    sum: u64,
    /// What the next word is multiplied by: 1, then large odd numbers.
    factor: u64,
}

const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

impl Default for Near {
    fn default() -> Self {
        Near { sum: 0, factor: 1 }
    }
}

impl Hasher for Near {
    #[inline]
    fn finish(&self) -> u64 {
        self.sum & (u64::MAX >> 7) | self.sum.wrapping_mul(FACTOR) & !(u64::MAX >> 7)
    }

    #[inline]
    fn write_u64(&mut self, word: u64) {
        self.sum = self.sum.wrapping_add(word.wrapping_mul(self.factor));
        self.factor = self.factor.wrapping_mul(FACTOR);
    }

    fn write(&mut self, bytes: &[u8]) {
        self.write_u64(Fingerprint::of(&bytes));
    }
}

impl<K: Hash + Eq, V> Table<K, V> {
    /// An empty table, which allocates nothing.
    pub fn new() -> Self {
        Table(HashMap::default())
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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

    /// What stands for `key`; `value` from now on if nothing did.
    #[inline]
    pub fn get_or_insert(&mut self, key: K, value: V) -> &mut V {
        self.0.entry(key).or_insert(value)
    }

    /// What stands for `key`; the default from now on if nothing did.
    #[inline]
    pub fn entry(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.0.entry(key).or_default()
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl<K: Hash, V: Hash> Table<K, V> {
    /// How many entries there are, and the sum of their fingerprints: what a table hashes as. Those of disjoint tables add up.
    pub fn sum(&self) -> (usize, u64) {
        let sum = self.0.iter().fold(0u64, |sum, entry| sum.wrapping_add(Fingerprint::of(&entry)));
        (self.0.len(), sum)
    }
}

impl<K: Hash + Eq, V> Default for Table<K, V> {
    fn default() -> Self {
        Table::new()
    }
}

impl<K: Hash, V: Hash> Hash for Table<K, V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.sum().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_hashes_as_the_set_of_its_entries() {
        let of = |keys: &[u64]| {
            let mut table = Table::new();
            keys.iter().for_each(|key| assert_eq!(table.get_or_insert(*key, key + 1), &(key + 1)));
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
