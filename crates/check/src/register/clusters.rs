//! Clusters: all operations that see one value, gathered in one pass.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use base::Fingerprint;
use history::{Columns, ErrorKind, Function, NIL, Outcome};

use super::keys::{Keys, Part};

pub(super) const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Writer {
    /// The value before the first write.
    Initial,
    Nobody,
    Failed,
    Pending,
    Ok,
}

/// All operations that see one value.
#[derive(Clone, Copy)]
pub(super) struct Cluster {
    /// Earliest completion.
    pub(super) f: u64,
    /// Latest invocation.
    pub(super) s: u64,
    /// The write, as an index into the history.
    pub(super) write: u32,
    /// The dense local key.
    pub(super) key: u32,
    /// The cluster of the value that the write, a compare-and-set, found.
    pub(super) from: u32,
    pub(super) writer: Writer,
    /// Whether a read, or a compare-and-set that happened, saw the value.
    pub(super) seen: bool,
}

impl Cluster {
    fn new(key: u32, writer: Writer) -> Cluster {
        let f = if writer == Writer::Initial { 0 } else { u64::MAX };
        Cluster { f, s: 0, write: NONE, key, from: NONE, writer, seen: false }
    }

    #[inline]
    pub(super) fn live(&self) -> bool {
        self.writer == Writer::Ok || self.seen
    }
}

/// Finds the cluster of a value.
pub(super) enum Index {
    /// By value, when values are dense and unique over all keys, as those of our own workloads are.
    Dense(Vec<u32>),
    /// By key and value.
    Hashed(HashMap<(u32, u64), u32, BuildHasherDefault<Fingerprint>>),
}

/// Two keys share a value, or one was read that nobody wrote: start again with the other index.
pub(super) struct NotDense;

pub(super) struct Clusters {
    pub(super) all: Vec<Cluster>,
    pub(super) index: Index,
    pub(super) keys: Vec<KeyState>,
}

#[derive(Clone, Copy, Default)]
pub(super) struct KeyState {
    /// How many values it had, beside the initial one.
    pub(super) values: u32,
    pub(super) touched: bool,
    /// A value was written twice, or the initial one was written: clusters mean nothing.
    pub(super) ambiguous: bool,
    pub(super) has_cas: bool,
    pub(super) has_failed_cas: bool,
    /// A failed compare-and-set does not fit the times of the values that were chosen; it may fit others.
    pub(super) misplaced: bool,
    pub(super) broken: bool,
}

impl Clusters {
    /// One pass over the history.
    pub(super) fn gather(columns: &Columns, keys: &Keys, part: Part, index: Index) -> Result<Clusters, NotDense> {
        let count = part.count(keys.count);
        let mut all = Vec::with_capacity(count + (columns.len() >> (part.bits + 1)) + 16);
        all.extend((0..count as u32).map(|key| Cluster::new(key, Writer::Initial)));
        let mut clusters = Clusters { all, index, keys: vec![KeyState::default(); count] };
        part.operations(columns, keys, |i, key| clusters.add(columns, i, key))?;
        Ok(clusters)
    }

    #[inline]
    fn add(&mut self, columns: &Columns, i: usize, key: u32) -> Result<(), NotDense> {
        let (sent, done, outcome) = (columns.sent[i], columns.done[i], columns.outcome[i]);
        match columns.function[i] {
            Function::Read => {
                if outcome == Outcome::Ok {
                    let id = self.cluster_of(key, columns.result[i])?;
                    let cluster = &mut self.all[id as usize];
                    cluster.f = cluster.f.min(done);
                    cluster.s = cluster.s.max(sent);
                    cluster.seen = true;
                }
            }
            Function::Write => {
                self.write(key, columns.argument[i], i, sent, done, outcome)?;
            }
            Function::Cas => self.cas(columns, i, key)?,
        }
        Ok(())
    }

    fn cas(&mut self, columns: &Columns, i: usize, key: u32) -> Result<(), NotDense> {
        let outcome = columns.outcome[i];
        if outcome == Outcome::Fail && columns.error[i] == ErrorKind::Precondition {
            self.keys[key as usize].has_failed_cas = true;
        }
        if outcome == Outcome::Fail {
            // What it expected may be any value: it is looked up when it is placed.
            return self.write(key, columns.argument[i], i, columns.sent[i], columns.done[i], outcome).map(drop);
        }
        let from = self.cluster_of(key, columns.expected[i])?;
        let id = self.write(key, columns.argument[i], i, columns.sent[i], columns.done[i], outcome)?;
        self.keys[key as usize].has_cas = true;
        self.all[id as usize].from = from;
        self.all[from as usize].seen |= outcome == Outcome::Ok;
        Ok(())
    }

    #[inline]
    fn write(
        &mut self,
        key: u32,
        value: u64,
        i: usize,
        sent: u64,
        done: u64,
        outcome: Outcome,
    ) -> Result<u32, NotDense> {
        let id = self.cluster_of(key, value)?;
        let cluster = &mut self.all[id as usize];
        let fresh = matches!(cluster.writer, Writer::Nobody | Writer::Failed);
        match outcome {
            Outcome::Fail if fresh => {
                cluster.writer = Writer::Failed;
                cluster.write = i as u32;
            }
            Outcome::Fail => {}
            _ if !fresh => self.keys[key as usize].ambiguous = true,
            _ => {
                cluster.writer = if outcome == Outcome::Ok { Writer::Ok } else { Writer::Pending };
                cluster.write = i as u32;
                cluster.s = cluster.s.max(sent);
                if outcome == Outcome::Ok {
                    cluster.f = cluster.f.min(done);
                }
            }
        }
        Ok(id)
    }

    #[inline(always)]
    fn cluster_of(&mut self, key: u32, value: u64) -> Result<u32, NotDense> {
        self.keys[key as usize].touched = true;
        if value == NIL {
            return Ok(key);
        }
        let fresh = self.all.len() as u32;
        let id = match &mut self.index {
            Index::Dense(ids) => match ids.get_mut(value as usize) {
                Some(id) => {
                    if *id == NONE {
                        *id = fresh;
                    }
                    *id
                }
                // Greater than everything written: nobody wrote it.
                None => return Err(NotDense),
            },
            Index::Hashed(ids) => *ids.entry((key, value)).or_insert(fresh),
        };
        if id == fresh {
            self.all.push(Cluster::new(key, Writer::Nobody));
            self.keys[key as usize].values += 1;
        } else if self.all[id as usize].key != key {
            return Err(NotDense);
        }
        Ok(id)
    }
}

/// The greatest value written, if values are dense.
pub(super) fn greatest_dense(columns: &Columns) -> Option<usize> {
    // NIL becomes 0, so that reads do not count.
    let greatest = columns.argument.iter().fold(0, |greatest, &value| value.wrapping_add(1).max(greatest));
    let room = columns.len() as u64 * 4 + 1024;
    (greatest <= room).then_some(greatest as usize)
}
