//! The states that were seen: sixteen bytes each in open addressing, in shards that grow one by one and are locked one by one.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The first bits of a fingerprint choose the shard.
const SHARD_BITS: u32 = 6;
/// Number of shards.
pub(super) const SHARDS: usize = 1 << SHARD_BITS;
/// The low bits of a link, which hold the level; the others are the parent's first bits.
const LEVEL: u64 = (1 << LEVEL_BITS) - 1;
const LEVEL_BITS: u32 = 12;
/// The parent of a state that has none.
pub(super) const ROOT: u64 = 0;

/// Fingerprints, each with its parent's.
pub(super) struct Store {
    shards: Vec<Mutex<Shard>>,
}

/// Fingerprints that begin alike.
pub(super) struct Shard {
    /// Fingerprint and link; a fingerprint of 0 is a free slot. Length: a power of two, at least an eighth free.
    slots: Vec<(u64, u64)>,
    used: usize,
}

/// What came of an insertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inserted {
    /// It is new.
    New,
    /// It was there, reached in more steps (only if asked).
    Nearer,
    /// It was there.
    Seen,
}

impl Store {
    pub(super) fn new() -> Self {
        let shard = || Mutex::new(Shard { slots: vec![(0, 0); 64], used: 0 });
        Store { shards: (0..SHARDS).map(|_| shard()).collect() }
    }

    pub(super) fn shard_of(fingerprint: u64) -> usize {
        (fingerprint >> (64 - SHARD_BITS)) as usize
    }

    pub(super) fn lock(&self, shard: usize) -> MutexGuard<'_, Shard> {
        // A shard is consistent between insertions, so a worker that panicked elsewhere left it whole.
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> u64 {
        (0..SHARDS).map(|shard| self.lock(shard).used as u64).sum()
    }

    pub(super) fn bytes(&self) -> u64 {
        (0..SHARDS).map(|shard| self.lock(shard).slots.len() as u64 * 16).sum()
    }

    /// The fingerprints of the path that led to `fingerprint`, from its first state on.
    pub(super) fn path(&self, fingerprint: u64) -> Vec<u64> {
        let mut path = Vec::new();
        let mut next = Some(fingerprint);
        while let Some((found, link)) = next.and_then(|prefix| self.lock(Self::shard_of(prefix)).find(prefix)) {
            path.push(found);
            next = (link & !LEVEL != ROOT).then_some(link & !LEVEL);
        }
        path.reverse();
        path
    }
}

impl Shard {
    /// Inserts a state that was reached from `parent` in `level` steps.
    ///
    /// Of the parents on one level the smallest stays, so that paths do not depend on which worker came first. With `nearer`, a state
    /// that is reached in fewer steps than before is said to be.
    pub(super) fn insert(&mut self, fingerprint: u64, parent: u64, level: u32, nearer: bool) -> Inserted {
        let fingerprint = fingerprint.max(1);
        let link = parent & !LEVEL | u64::from(level).min(LEVEL);
        let slot = self.probe(fingerprint);
        let (found, old) = self.slots[slot];
        if found == 0 {
            self.slots[slot] = (fingerprint, link);
            self.used += 1;
            if self.used * 8 > self.slots.len() * 7 {
                self.grow();
            }
            return Inserted::New;
        }
        if nearer && link & LEVEL < old & LEVEL {
            self.slots[slot].1 = link;
            return Inserted::Nearer;
        }
        if !nearer && link & LEVEL == old & LEVEL && old & LEVEL < LEVEL && link < old && old & !LEVEL != ROOT {
            self.slots[slot].1 = link;
        }
        Inserted::Seen
    }

    /// Looks at where these fingerprints will be sought: loads that do not depend on each other overlap, and the processor waits for
    /// memory once a group, not once a fingerprint.
    pub(super) fn warm(&self, fingerprints: &mut dyn Iterator<Item = u64>) {
        let read = fingerprints.fold(0, |sum: u64, fingerprint| sum ^ self.slots[self.home(fingerprint)].0);
        std::hint::black_box(read);
    }

    /// Where `fingerprint` is, or belongs.
    fn probe(&self, fingerprint: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = self.home(fingerprint);
        while self.slots[slot].0 != 0 && self.slots[slot].0 != fingerprint {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn home(&self, fingerprint: u64) -> usize {
        ((fingerprint << SHARD_BITS) >> (64 - self.slots.len().trailing_zeros())) as usize
    }

    /// The first entry that has the first bits of `prefix`.
    fn find(&self, prefix: u64) -> Option<(u64, u64)> {
        let mask = self.slots.len() - 1;
        let mut slot = self.home(prefix);
        loop {
            let (found, link) = self.slots[slot];
            match found {
                0 => return None,
                _ if found >> LEVEL_BITS == prefix >> LEVEL_BITS => return Some((found, link)),
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    fn grow(&mut self) {
        let larger = vec![(0, 0); self.slots.len() * 2];
        for entry in std::mem::replace(&mut self.slots, larger) {
            if entry.0 != 0 {
                let slot = self.probe(entry.0);
                self.slots[slot] = entry;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::mix;

    #[test]
    fn every_state_is_found_again_with_the_path_that_led_to_it() {
        let store = Store::new();
        let print = |n: u64| mix(n, 7);
        for n in 0..100_000 {
            let parent = if n == 0 { ROOT } else { print(n / 3) };
            let mut shard = store.lock(Store::shard_of(print(n)));
            assert_eq!(shard.insert(print(n), parent, 1, false), Inserted::New);
            assert_eq!(shard.insert(print(n), parent, 1, false), Inserted::Seen);
        }
        assert_eq!(store.len(), 100_000);
        assert!(store.bytes() <= 100_000 * 16 * 8 / 3, "{} bytes", store.bytes());
        assert_eq!(store.path(print(15)), [0, 1, 5, 15].map(print));
        assert!(store.path(12345).is_empty());
    }

    #[test]
    fn the_smallest_parent_of_a_level_stays_and_nearer_ones_are_told() {
        let store = Store::new();
        let insert = |parent, level, nearer| store.lock(0).insert(77, parent, level, nearer);
        assert_eq!(insert(5 << 20, 3, false), Inserted::New);
        insert(4 << 20, 3, false);
        insert(3 << 20, 4, false);
        assert_eq!(store.lock(0).find(77), Some((77, 4 << 20 | 3)));
        assert_eq!(insert(9 << 20, 2, true), Inserted::Nearer);
        assert_eq!(insert(1 << 20, 2, true), Inserted::Seen);
        assert_eq!(store.lock(0).find(77), Some((77, 9 << 20 | 2)));
    }
}
