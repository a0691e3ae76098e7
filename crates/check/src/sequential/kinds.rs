//! Operations that ask the same and get the same answer are of one kind, and values have dense names.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash};

use base::Fingerprint;

use super::{IntervalOf, SequentialModel};

pub(crate) type Map<K, V> = HashMap<K, V, BuildHasherDefault<Fingerprint>>;

/// No kind, no place.
pub(super) const FREE: u32 = u32::MAX;

/// The kinds of a history.
pub(super) struct Kinds {
    /// The kind of each operation; `FREE`: it constrains nothing.
    pub(super) of: Vec<u32>,
    /// Of each kind: an operation, what it asks (dense), whether it only reads, whether it overwrites.
    pub(super) example: Vec<u32>,
    pub(super) asks: Vec<u32>,
    pub(super) reads: Vec<bool>,
    pub(super) overwrites: Vec<bool>,
    /// Of each kind, its pending operations in order of invocation.
    pub(super) pending: Vec<Vec<u32>>,
}

impl Kinds {
    pub(super) fn of<M: SequentialModel>(model: &M, operations: &[IntervalOf<M>]) -> Kinds {
        let mut calls: Map<&M::Call, u32> = Map::default();
        let mut known: Map<(u32, Option<&M::Answer>, bool), u32> = Map::default();
        let mut kinds = Kinds {
            of: vec![FREE; operations.len()],
            example: Vec::new(),
            asks: Vec::new(),
            reads: Vec::new(),
            overwrites: Vec::new(),
            pending: Vec::new(),
        };
        for (i, op) in operations.iter().enumerate() {
            let pending = op.completed.is_none();
            let reads = model.is_read(&op.call, op.answer.as_ref());
            if pending && reads {
                continue;
            }
            let next = calls.len() as u32;
            let asks = *calls.entry(&op.call).or_insert(next);
            let kind = *known.entry((asks, op.answer.as_ref(), pending)).or_insert_with(|| {
                kinds.example.push(i as u32);
                kinds.asks.push(asks);
                kinds.reads.push(reads);
                kinds.overwrites.push(model.overwrites(&op.call, op.answer.as_ref()));
                kinds.pending.push(Vec::new());
                kinds.example.len() as u32 - 1
            });
            kinds.of[i] = kind;
            if pending {
                kinds.pending[kind as usize].push(i as u32);
            }
        }
        for pending in &mut kinds.pending {
            by_invocation(pending, &|i| operations[i as usize].invoked);
        }
        kinds
    }
}

/// Sorts places of operations by invocation; not generic in these, so that it is compiled once.
pub(super) fn by_invocation(places: &mut [u32], invoked: &dyn Fn(u32) -> u64) {
    places.sort_unstable_by_key(|&i| (invoked(i), i));
}

/// Values with dense names.
pub(crate) struct Table<T> {
    pub(crate) all: Vec<T>,
    place: Map<T, u32>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table { all: Vec::new(), place: Map::default() }
    }
}

impl<T: Clone + Eq + Hash> Table<T> {
    pub(crate) fn place(&mut self, value: T) -> u32 {
        if let Some(place) = self.place.get(&value) {
            return *place;
        }
        let place = self.all.len() as u32;
        self.all.push(value.clone());
        self.place.insert(value, place);
        place
    }
}

impl Table<Vec<u16>> {
    /// Whether the counts named `a` are nowhere greater than those named `b`; what is missing is 0.
    pub(crate) fn no_more(&self, a: u32, b: u32) -> bool {
        let (a_counts, b_counts) = (&self.all[a as usize], &self.all[b as usize]);
        a == b || a_counts.iter().enumerate().all(|(i, &n)| n <= b_counts.get(i).copied().unwrap_or(0))
    }
}
