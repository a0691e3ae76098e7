//! Which keys a thread decides: keys are shared out by their lowest bits.

use std::thread;

use history::Columns;

/// What each part gives, each on a thread of its own.
pub(super) fn in_parallel<T: Send>(parts: &[Part], decide: impl Fn(Part) -> T + Sync) -> Vec<T> {
    if let [part] = parts {
        return vec![decide(*part)];
    }
    thread::scope(|scope| {
        let handles: Vec<_> = parts.iter().map(|part| scope.spawn(|| decide(*part))).collect();
        let joined = handles.into_iter().map(|handle| handle.join());
        joined.map(|decided| decided.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

/// Keys as dense numbers: their own when those are dense enough, else their rank.
pub(super) struct Keys {
    pub(super) count: usize,
    pub(super) ranked: Option<Vec<u32>>,
}

impl Keys {
    pub(super) fn of(columns: &Columns) -> Keys {
        let greatest = columns.key.iter().fold(0, |greatest, &key| greatest.max(key as usize + 1));
        if greatest <= columns.len() * 4 + 1024 {
            return Keys { count: greatest, ranked: None };
        }
        let mut ranked = columns.key.clone();
        ranked.sort_unstable();
        ranked.dedup();
        Keys { count: ranked.len(), ranked: Some(ranked) }
    }

    #[inline]
    pub(super) fn dense(&self, key: u32) -> u32 {
        match &self.ranked {
            None => key,
            Some(ranked) => ranked.binary_search(&key).unwrap_or(0) as u32,
        }
    }
}

/// The keys of one thread: those whose dense number has `shard` in its lowest `bits`.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub(super) shard: usize,
    pub(super) bits: u32,
}

impl Part {
    #[inline]
    pub(super) fn local(self, dense: u32) -> Option<u32> {
        (dense as usize & ((1 << self.bits) - 1) == self.shard).then_some(dense >> self.bits)
    }

    /// Every operation on its keys, with the local number of its key. Which thread a key belongs to is as good as random, so nothing branches
    /// on it.
    #[inline]
    pub(super) fn operations<E>(
        self,
        columns: &Columns,
        keys: &Keys,
        mut see: impl FnMut(usize, u32) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.bits == 0 {
            return (0..columns.len()).try_for_each(|i| see(i, keys.dense(columns.key[i])));
        }
        let mut mine = [(0, 0); 1024];
        for start in (0..columns.len()).step_by(mine.len()) {
            let mut count = 0;
            for i in start..(start + mine.len()).min(columns.len()) {
                let dense = keys.dense(columns.key[i]);
                mine[count] = (i, dense >> self.bits);
                count += usize::from(self.local(dense).is_some());
            }
            mine[..count].iter().try_for_each(|(i, key)| see(*i, *key))?;
        }
        Ok(())
    }

    pub(super) fn count(self, keys: usize) -> usize {
        (keys + (1 << self.bits) - 1 - self.shard) >> self.bits
    }

    /// The dense number of a local one.
    pub(super) fn dense(self, local: u32) -> usize {
        (local as usize) << self.bits | self.shard
    }
}
