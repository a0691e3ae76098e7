//! Lost writes: a number for people who ask "did we lose data?".
//!
//! **Definition.** A write is *lost* if it was acknowledged (`ok`), and no order that is consistent with the final reads contains
//! it. The final reads run when faults are healed and the load has ended, so a value that they contradict cannot come back: the
//! write of `v` to a key is lost if a final read of the key returned a value `u` whose write had certainly been replaced by
//! `v` (somebody completed an operation on `u` before the write of `v` was invoked, or the key was still empty), although nothing else can have
//! put `u` there after `v`. So every order holds `v` after `u`, and the final read says that `v` never was.
//!
//! Overwriting is not losing: if the final value may have been written after `v`, then `v` is not lost. Final reads that
//! disagree among each other are each taken at its word. Unique values are assumed: writes of values written more than once are left out.

use std::collections::BTreeMap;

use history::{Function, History, NIL, Outcome, Phase};

/// One acknowledged write that the final reads contradict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LostWrite {
    /// The key.
    pub key: u32,
    /// The write, as an index into the history.
    pub write: u32,
    /// The final read that contradicts it, as an index into the history.
    pub read: u32,
}

/// What is known of the value that a final read returned.
#[derive(Clone, Copy)]
struct Last {
    read: u32,
    /// The earliest completion of an operation that wrote or saw it: from then on it had certainly been written.
    established: u64,
    /// How many mutations may have made it.
    writes: u32,
}

/// The lost writes in order of key and invocation. `O(n log n)`; empty without final reads.
pub fn lost_writes(history: &History) -> Vec<LostWrite> {
    let columns = &history.operations;
    let mut last: BTreeMap<(u32, u64), Last> = BTreeMap::new();
    for i in 0..columns.len() {
        let read = columns.function[i] == Function::Read && columns.outcome[i] == Outcome::Ok;
        if read && columns.phase[i] == Phase::Final {
            let established = if columns.result[i] == NIL { 0 } else { u64::MAX };
            last.entry((columns.key[i], columns.result[i])).or_insert(Last { read: i as u32, established, writes: 0 });
        }
    }
    establish(history, &mut last);
    let mut by_key: BTreeMap<u32, Vec<(u64, Last)>> = BTreeMap::new();
    for ((key, value), last) in last {
        by_key.entry(key).or_default().push((value, last));
    }
    let mut lost = Vec::new();
    for i in 0..columns.len() {
        let acknowledged = columns.function[i].is_mutation() && columns.outcome[i] == Outcome::Ok;
        let Some(finals) = by_key.get(&columns.key[i]).filter(|_| acknowledged) else { continue };
        let contradicts = |(value, last): &&(u64, Last)| {
            let before_the_read = columns.done[i] < columns.sent[last.read as usize];
            *value != columns.argument[i] && before_the_read && last.established < columns.sent[i]
        };
        if let Some((_, last)) = finals.iter().find(contradicts) {
            lost.push(LostWrite { key: columns.key[i], write: i as u32, read: last.read });
        }
    }
    lost.sort_unstable();
    lost
}

/// Finds for each final value when it had certainly been written; a value written twice is never certain.
fn establish(history: &History, last: &mut BTreeMap<(u32, u64), Last>) {
    let columns = &history.operations;
    for i in 0..columns.len() {
        let (value, writes) = match (columns.function[i], columns.outcome[i]) {
            (Function::Read, Outcome::Ok) => (columns.result[i], 0),
            (Function::Write | Function::Cas, Outcome::Ok | Outcome::Info) => (columns.argument[i], 1),
            _ => continue,
        };
        let done = if columns.outcome[i] == Outcome::Info { u64::MAX } else { columns.done[i] };
        if let Some(last) = last.get_mut(&(columns.key[i], value)) {
            last.established = last.established.min(done);
            last.writes += writes;
        }
    }
    for ((_, value), last) in last.iter_mut() {
        // The initial value is there before every write, but a write of it may come at any time.
        if last.writes > u32::from(*value != NIL) {
            last.established = u64::MAX;
        }
    }
}
