//! Registers: since when each value was there.
//!
//! Let the values of a key follow each other, each from an instant `since` on until the next one's. If every operation overlaps the
//! time of the value that it sees (`sent <= until` and `since <= done`), every mutation is open at the `since` of its value, and every
//! compare-and-set found the value before it, then the key is linearizable: put operations in the order of their values, in each the mutation
//! first. Two operations of values `a` before `b` are then in real-time order, because the one was sent before the time of `a` had ended,
//! which is not after that of `b` began, which is not after the other was done.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasherDefault;

use base::Fingerprint;
use history::{Columns, ErrorKind, Function, History, NIL, Outcome};

use super::file::Doubt;

/// A value of a key and the instant from which it was there, until that of the next row of the same key. The rows of a key stand
/// together, in order of time, the first is `NIL` since 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// The key.
    pub key: u32,
    /// The value.
    pub value: u64,
    /// When it was written, ns.
    pub since: u64,
}

/// Why the rows do not prove that the keys for which `certified` says so are linearizable; `None`: they do. One pass over rows and operations.
pub fn refute(columns: &Columns, rows: &[Since], certified: impl Fn(u32) -> bool) -> Option<String> {
    let wrong_row = |pair: &[Since]| {
        let starts = pair[1].value == NIL && pair[1].since == 0;
        if pair[0].key == pair[1].key { starts || pair[1].since < pair[0].since } else { !starts }
    };
    if rows.windows(2).any(wrong_row) || rows.first().is_some_and(|row| row.value != NIL || row.since != 0) {
        return Some("the times of the values are not in order".to_string());
    }
    let Some(index) = Index::of(columns, rows) else {
        return Some("a value is there twice".to_string());
    };
    let mut replay = Replay { columns, rows, index, written: vec![false; rows.len()] };
    let wrong = (0..columns.len()).find(|&i| !replay.fits(i) && certified(columns.key[i]));
    if let Some(i) = wrong {
        return Some(format!("operation {i} does not fit the times of the values"));
    }
    let from_nowhere = |row: &usize| rows[*row].value != NIL && !replay.written[*row] && certified(rows[*row].key);
    (0..rows.len()).find(from_nowhere).map(|row| format!("nobody wrote {}", rows[row].value))
}

/// Finds the row of a value.
struct Index {
    /// By value, if values are small and belong to one key each.
    dense: Vec<u32>,
    sparse: HashMap<(u32, u64), u32, BuildHasherDefault<Fingerprint>>,
    /// The first row of each key.
    first: HashMap<u32, u32, BuildHasherDefault<Fingerprint>>,
    few: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl Index {
    /// `None`: a value has two rows.
    fn of(columns: &Columns, rows: &[Since]) -> Option<Index> {
        let room = columns.len() as u64 * 4 + 1024;
        let greatest = rows.iter().filter(|row| row.value != NIL).map(|row| row.value).max().unwrap_or(0);
        let mut index =
            Index { dense: Vec::new(), sparse: HashMap::default(), first: HashMap::default(), few: Vec::new() };
        if greatest < room {
            index.dense = vec![NONE; greatest as usize + 1];
        }
        let keys = rows.iter().map(|row| u64::from(row.key)).max().unwrap_or(0);
        if keys < room {
            index.few = vec![NONE; keys as usize + 1];
        }
        for (at, row) in rows.iter().enumerate() {
            let at = at as u32;
            if row.value == NIL {
                if !index.few.is_empty() {
                    index.few[row.key as usize] = at;
                } else {
                    index.first.insert(row.key, at);
                }
                continue;
            }
            match index.dense.get_mut(row.value as usize) {
                Some(place) if *place == NONE => *place = at,
                // Values of several keys: those that come later are looked up by key.
                _ => {
                    if index.find(rows, row.key, row.value).is_some() {
                        return None;
                    }
                    index.sparse.insert((row.key, row.value), at);
                }
            }
        }
        Some(index)
    }

    #[inline]
    fn find(&self, rows: &[Since], key: u32, value: u64) -> Option<usize> {
        if value == NIL {
            let first = if self.few.is_empty() { self.first.get(&key) } else { self.few.get(key as usize) };
            return first.copied().filter(|at| *at != NONE).map(|at| at as usize);
        }
        let dense = self.dense.get(value as usize).copied().unwrap_or(NONE);
        if dense != NONE && rows[dense as usize].key == key {
            return Some(dense as usize);
        }
        if self.sparse.is_empty() { None } else { self.sparse.get(&(key, value)).map(|at| *at as usize) }
    }
}

struct Replay<'a> {
    columns: &'a Columns,
    rows: &'a [Since],
    index: Index,
    /// Of each row, whether a mutation has claimed it.
    written: Vec<bool>,
}

impl Replay<'_> {
    /// Whether an operation agrees with the rows.
    #[inline]
    fn fits(&mut self, i: usize) -> bool {
        let columns = self.columns;
        let (key, outcome) = (columns.key[i], columns.outcome[i]);
        match columns.function[i] {
            Function::Read if outcome == Outcome::Ok => {
                let Some(row) = self.index.find(self.rows, key, columns.result[i]) else { return false };
                columns.sent[i] <= self.until(row) && self.rows[row].since <= columns.done[i]
            }
            Function::Read => true,
            Function::Write | Function::Cas if outcome == Outcome::Ok => self.mutates(i, key),
            Function::Write | Function::Cas if outcome == Outcome::Info => {
                // It need not have happened.
                self.index.find(self.rows, key, columns.argument[i]).is_none() || self.mutates(i, key)
            }
            Function::Cas if columns.error[i] == ErrorKind::Precondition => self.misses(i, key),
            Function::Write | Function::Cas => true,
        }
    }

    /// Until when a value was there.
    #[inline]
    fn until(&self, row: usize) -> u64 {
        match self.rows.get(row + 1) {
            Some(next) if next.key == self.rows[row].key => next.since,
            _ => u64::MAX,
        }
    }

    #[inline]
    fn mutates(&mut self, i: usize, key: u32) -> bool {
        let Some(row) = self.index.find(self.rows, key, self.columns.argument[i]) else { return false };
        let since = self.rows[row].since;
        let found = self.columns.function[i] == Function::Write
            || row > 0 && (self.rows[row - 1].key, self.rows[row - 1].value) == (key, self.columns.expected[i]);
        let fresh = row > 0 && self.rows[row].value != NIL && !std::mem::replace(&mut self.written[row], true);
        fresh && found && self.columns.sent[i] <= since && since <= self.columns.done[i]
    }

    /// Whether a compare-and-set could find another value than the one it expected.
    fn misses(&self, i: usize, key: u32) -> bool {
        let Some(row) = self.index.find(self.rows, key, self.columns.expected[i]) else { return true };
        let before = self.rows[row].value != NIL && self.columns.sent[i] <= self.rows[row].since;
        before || self.columns.done[i] >= self.until(row)
    }
}

/// Why an order does not prove that the keys in it are linearizable; `None`: it does. Keys stand one after another or mixed: what must
/// hold must hold in each.
pub fn refute_order(history: &History, order: &[u32]) -> Option<String> {
    refute_orders(&history.operations, order, |_| true)
}

/// The same for some keys only: what else happened is not looked at.
pub(crate) fn refute_orders(columns: &Columns, order: &[u32], certified: impl Fn(u32) -> bool) -> Option<String> {
    doubt(columns, order, certified).map(|doubt| doubt.why)
}

/// The same, and at which place of the order.
pub(super) fn doubt(columns: &Columns, order: &[u32], certified: impl Fn(u32) -> bool) -> Option<Doubt> {
    // Of each key its value and the latest invocation so far: whatever follows must not have been done before that.
    let mut registers = Registers::of(columns);
    let mut seen = vec![false; columns.len()];
    for (place, &at) in order.iter().enumerate() {
        let i = at as usize;
        if i >= columns.len() || std::mem::replace(&mut seen[i], true) {
            return Some(Doubt::at(place, at, "is in the order twice, or does not exist"));
        }
        let (value, latest) = registers.of_key(columns.key[i]);
        let pending = columns.outcome[i] == Outcome::Info;
        let late = !pending && columns.done[i] < *latest;
        let Some(next) = after(columns, i, *value).filter(|_| !late) else {
            return Some(Doubt::at(place, at, "does not fit after what came before it"));
        };
        (*value, *latest) = (next, columns.sent[i].max(*latest));
    }
    let missing = |i: &usize| !seen[*i] && must_happen(columns, *i) && certified(columns.key[*i]);
    (0..columns.len()).find(missing).map(|i| Doubt::at(order.len(), i as u32, "is not in the order"))
}

/// What each key holds, and the latest invocation of those that saw it.
struct Registers {
    few: Vec<(u64, u64)>,
    many: BTreeMap<u32, (u64, u64)>,
}

impl Registers {
    fn of(columns: &Columns) -> Registers {
        let greatest = columns.key.iter().max().map_or(0, |key| *key as usize);
        let few = if greatest < columns.len() * 4 + 1024 { vec![(NIL, 0); greatest + 1] } else { Vec::new() };
        Registers { few, many: BTreeMap::new() }
    }

    fn of_key(&mut self, key: u32) -> &mut (u64, u64) {
        if self.few.is_empty() { self.many.entry(key).or_insert((NIL, 0)) } else { &mut self.few[key as usize] }
    }
}

/// The value after an operation that finds this one; `None`: it cannot have found it.
fn after(columns: &Columns, i: usize, value: u64) -> Option<u64> {
    let (argument, expected) = (columns.argument[i], columns.expected[i]);
    match (columns.function[i], columns.outcome[i]) {
        (Function::Read, Outcome::Ok) => (columns.result[i] == value).then_some(value),
        (Function::Write, Outcome::Ok | Outcome::Info) => Some(argument),
        (Function::Cas, Outcome::Ok | Outcome::Info) => (expected == value).then_some(argument),
        (Function::Cas, Outcome::Fail) if columns.error[i] == ErrorKind::Precondition => {
            (expected != value).then_some(value)
        }
        _ => None,
    }
}

/// Whether an order must contain the operation.
fn must_happen(columns: &Columns, i: usize) -> bool {
    let refused = columns.function[i] == Function::Cas && columns.error[i] == ErrorKind::Precondition;
    match columns.outcome[i] {
        Outcome::Ok => true,
        Outcome::Fail => refused,
        Outcome::Info => false,
    }
}
