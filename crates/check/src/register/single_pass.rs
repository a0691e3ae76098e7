//! Whether a history of reads and writes is linearizable, in one pass in order of invocation: nothing is sorted, and of a value no more than its
//! earliest completion is kept. What is not shown right here (compare-and-sets, values written twice, whatever is wrong) is left to the zones.
//!
//! An operation that is invoked after the earliest completion `f` of its cluster makes the forward zone of its value reach its invocation, which is
//! later than the end of every other zone of the key so far. The key's *holder* is the value whose forward zone grew last. Then
//!
//! - forward zones overlap if and only if one but the holder's own has got beyond the holder's `f`. Zones that do not overlap first grow in their
//!   order, so the one before the holder's is the one to ask.
//! - A zone inside the holder's is one whose last operation was invoked after the holder's `f` and that completed first before the holder's zone
//!   ended. It is enough to know the earliest completion of all clusters but the holder's with an operation that was invoked after its `f`: a
//!   cluster of which one operation was, and that completed first before the holder's zone ended, is inside it or overlaps it.

use history::{Columns, Function, NIL, Outcome};

use super::{Keys, Part};

/// Whether the keys of this part are shown to be linearizable.
pub(super) fn shows(columns: &Columns, keys: &Keys, part: Part) -> bool {
    let all = columns.len();
    let mut pass = Pass {
        columns,
        ids: vec![0; 4 * all + 1024],
        clusters: Vec::with_capacity((all >> (part.bits + 1)) + 16),
        keys: vec![Key { open: NEVER, ..Key::default() }; part.count(keys.count)],
        previous: vec![0; all],
        unwritten: 0,
        now: 0,
    };
    pass.clusters.push(Cluster { f: 0, key: NONE, written: true });
    let shown = part.operations(columns, keys, |i, key| pass.see(i, key).ok_or(()));
    shown.is_ok() && pass.unwritten == 0
}

const NONE: u32 = u32::MAX;
const NEVER: u64 = u64::MAX;

/// The number of the cluster of every initial value: it was there before everything.
const INITIAL: u32 = 0;

/// All operations that see one value.
#[derive(Clone, Copy)]
struct Cluster {
    /// Earliest completion.
    f: u64,
    key: u32,
    /// Whether a write of it is known.
    written: bool,
}

#[derive(Clone, Copy, Default)]
struct Key {
    /// When the forward zone before the holder's ended, and until when the holder's reaches.
    before: u64,
    until: u64,
    /// The earliest completion of the other clusters with an operation that was invoked after the holder's.
    open: u64,
    holder: u32,
    /// One more than the place of the latest operation.
    latest: u32,
}

struct Pass<'a> {
    columns: &'a Columns,
    /// The cluster of each value. Values are small and belong to one key each, or nothing is shown.
    ids: Vec<u32>,
    clusters: Vec<Cluster>,
    keys: Vec<Key>,
    /// Of each operation, one more than the place of the one before it on the same key.
    previous: Vec<u32>,
    /// Values that were seen but not written so far.
    unwritten: usize,
    /// The invocation of the latest operation.
    now: u64,
}

impl Pass<'_> {
    /// The next operation. `None`: left to the zones.
    #[inline]
    fn see(&mut self, i: usize, key: u32) -> Option<()> {
        let (sent, done) = (self.columns.sent[i], self.columns.done[i]);
        if sent < self.now || done < sent {
            return None;
        }
        self.now = sent;
        match (self.columns.function[i], self.columns.outcome[i]) {
            (Function::Read, Outcome::Ok) => {
                let value = self.columns.result[i];
                let id = if value == NIL { INITIAL } else { self.cluster_of(key, value)? };
                self.reach(id, key, i, done)
            }
            (Function::Write, Outcome::Ok) => self.write(key, i, done),
            // It counts only if somebody saw it.
            (Function::Write, Outcome::Info) => self.write(key, i, NEVER),
            (Function::Write, Outcome::Fail) => self.fail(self.columns.argument[i]),
            (Function::Read, _) => Some(()),
            (Function::Cas, _) => None,
        }
    }

    #[inline]
    fn write(&mut self, key: u32, i: usize, done: u64) -> Option<()> {
        let id = self.cluster_of(key, self.columns.argument[i])?;
        let cluster = &mut self.clusters[id as usize];
        // Written twice, or seen before it was written?
        if cluster.written || cluster.f < self.now {
            return None;
        }
        cluster.written = true;
        self.unwritten -= 1;
        self.reach(id, key, i, done)
    }

    /// A value that nobody must see, before or after.
    fn fail(&mut self, value: u64) -> Option<()> {
        let id = self.ids.get_mut(value as usize)?;
        (*id == INITIAL || *id == NONE).then(|| *id = NONE)
    }

    /// `None` of values that are too great, belong to another key, or failed.
    #[inline(always)]
    fn cluster_of(&mut self, key: u32, value: u64) -> Option<u32> {
        let id = self.ids.get_mut(value as usize)?;
        if *id == INITIAL {
            *id = self.clusters.len() as u32;
            self.clusters.push(Cluster { f: NEVER, key, written: false });
            self.unwritten += 1;
            return Some(*id);
        }
        (self.clusters.get(*id as usize)?.key == key).then_some(*id)
    }

    /// An operation saw the value of a cluster, or wrote it.
    #[inline(always)]
    fn reach(&mut self, id: u32, key: u32, i: usize, done: u64) -> Option<()> {
        let f = self.clusters[id as usize].f;
        let mut state = self.keys[key as usize];
        if f < self.now {
            if state.holder != id {
                state = Key { holder: id, before: state.until, open: self.open_since(id, f, state.latest), ..state };
            }
            if f < state.before || state.open < self.now {
                return None;
            }
            state.until = self.now;
        }
        let f = f.min(done);
        self.clusters[id as usize].f = f;
        if state.holder != id {
            state.open = state.open.min(f);
        }
        self.previous[i] = std::mem::replace(&mut state.latest, i as u32 + 1);
        self.keys[key as usize] = state;
        Some(())
    }

    /// The earliest completion of the clusters but `id` that had an operation invoked after `f`.
    #[inline]
    fn open_since(&self, id: u32, f: u64, latest: u32) -> u64 {
        let (mut open, mut at) = (NEVER, latest);
        while let Some(i) = (at as usize).checked_sub(1).filter(|&i| self.columns.sent[i] > f) {
            let read = self.columns.function[i] == Function::Read;
            let value = if read { self.columns.result[i] } else { self.columns.argument[i] };
            let other = if value == NIL { INITIAL } else { self.ids[value as usize] };
            if other != id {
                open = open.min(self.clusters[other as usize].f);
            }
            at = self.previous[i];
        }
        open
    }
}

#[cfg(test)]
mod tests {
    use base::{Rng, Seed};
    use history::History;
    use testkit::{Mix, brute, random_history};

    use super::*;

    /// Whatever is linearizable is shown, where there are no compare-and-sets and values are unique.
    #[test]
    fn shows_all_that_is_linearizable_and_nothing_else() {
        let mut rng = Rng::new(Seed(7).derive("single pass"));
        let mut shown = 0;
        for round in 0..20_000 {
            let mix = Mix { operations: 8, keys: 1 + round % 2, unique: true, cas: 0.0, pending: 0.15, lies: 0.15 };
            let operations = random_history(&mut rng, mix);
            let columns = History::from_operations(operations.iter().copied()).operations;
            let keys = Keys::of(&columns);
            let shows = shows(&columns, &keys, Part { shard: 0, bits: 0 });
            assert_eq!(shows, brute::linearizable(&operations), "{operations:#?}");
            shown += u32::from(shows);
        }
        assert!((2_000..18_000).contains(&shown), "{shown}");
    }
}
