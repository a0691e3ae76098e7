//! Things that are kept once and named by a number: participants, messages, histories.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Length of the first chunk; each further one is twice as long.
const FIRST: u32 = 64;
const CHUNKS: usize = 26;
const SHARDS: usize = 16;

/// Values by number, found by their hash. Never forgets; reading takes no lock.
///
/// Values with equal hashes are taken to be equal: see the module's note on collisions.
pub(super) struct Interner<T> {
    numbers: Vec<Mutex<HashMap<u64, u32, Plain>>>,
    chunks: [OnceLock<Box<[OnceLock<T>]>>; CHUNKS],
    next: AtomicU32,
}

impl<T> Interner<T> {
    pub(super) fn new() -> Self {
        Interner {
            numbers: (0..SHARDS).map(|_| Mutex::default()).collect(),
            chunks: std::array::from_fn(|_| OnceLock::new()),
            next: AtomicU32::new(0),
        }
    }

    /// The number of the value with this hash, which `make` makes if it is new.
    pub(super) fn number(&self, hash: u64, make: impl FnOnce() -> T) -> u32 {
        let shard = &self.numbers[(hash >> 32) as usize % SHARDS];
        let mut numbers = shard.lock().unwrap_or_else(PoisonError::into_inner);
        *numbers.entry(hash).or_insert_with(|| {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let (chunk, place) = locate(number);
            let empty = || (0..FIRST << chunk).map(|_| OnceLock::new()).collect();
            // A number is given once, so nothing was at this place.
            _ = self.chunks[chunk].get_or_init(empty)[place].set(make());
            number
        })
    }

    /// The value of a number that [`number`](Self::number) gave.
    #[inline]
    pub(super) fn get(&self, number: u32) -> &T {
        let (chunk, place) = locate(number);
        let value = self.chunks[chunk].get().and_then(|chunk| chunk[place].get());
        value.expect("only numbers that were given are asked for")
    }

    pub(super) fn len(&self) -> usize {
        self.next.load(Ordering::Relaxed) as usize
    }
}

#[inline]
fn locate(number: u32) -> (usize, usize) {
    let place = number + FIRST;
    let chunk = place.ilog2() - FIRST.ilog2();
    (chunk as usize, (place - (FIRST << chunk)) as usize)
}

/// For keys that are well-mixed hashes already.
pub(super) type Plain = BuildHasherDefault<Last>;

/// The last word that was written.
#[derive(Default)]
pub(super) struct Last(u64);

impl Hasher for Last {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = base::mix(self.0, u64::from(*byte)));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_get_one_number_and_are_found_by_it() {
        let words = Interner::new();
        let numbers: Vec<u32> = (0..1000u64).map(|n| words.number(base::mix(n, 1), || n)).collect();
        assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
        assert_eq!(words.number(base::mix(7, 1), || unreachable!()), 7);
        assert!((0..1000).all(|n| *words.get(n) == u64::from(n)));
        assert_eq!(words.len(), 1000);
    }
}
