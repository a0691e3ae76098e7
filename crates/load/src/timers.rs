use std::collections::{BTreeMap, BTreeSet};

use base::Time;

/// Deadlines by key. O(log n) each; setting one that is set moves it.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    by_key: BTreeMap<K, Time>,
    by_time: BTreeSet<(Time, K)>,
}

impl<K: Ord + Copy> Timers<K> {
    pub(crate) fn new() -> Self {
        Timers { by_key: BTreeMap::new(), by_time: BTreeSet::new() }
    }

    pub(crate) fn set(&mut self, key: K, at: Time) {
        self.cancel(key);
        self.by_key.insert(key, at);
        self.by_time.insert((at, key));
    }

    pub(crate) fn cancel(&mut self, key: K) {
        if let Some(at) = self.by_key.remove(&key) {
            self.by_time.remove(&(at, key));
        }
    }

    pub(crate) fn next(&self) -> Option<Time> {
        self.by_time.first().map(|&(at, _)| at)
    }

    /// Takes the earliest timer if its time has come.
    pub(crate) fn expire(&mut self, now: Time) -> Option<K> {
        let &(at, key) = self.by_time.first()?;
        (at <= now).then(|| {
            self.cancel(key);
            key
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_in_order_and_move_when_set_again() {
        let mut timers = Timers::new();
        timers.set('a', Time(10));
        timers.set('b', Time(20));
        timers.set('c', Time(30));
        timers.set('a', Time(25));
        timers.cancel('c');
        assert_eq!((timers.next(), timers.expire(Time(19))), (Some(Time(20)), None));
        let fired: Vec<char> = std::iter::from_fn(|| timers.expire(Time(30))).collect();
        assert_eq!((fired, timers.next()), (vec!['b', 'a'], None));
    }
}
