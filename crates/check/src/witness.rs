//! From suspects to a witness: operations that are a contradiction alone, and no longer one when any is taken away.
//!
//! A value that is seen keeps the writes that could have made it: without them every read would be a contradiction, which
//! explains nothing.

use std::collections::BTreeSet;

use history::{Columns, Function, History, NIL, Outcome};

use crate::exact::{self, Op, Search};
use crate::explain;
use crate::report::{Anomaly, AnomalyKind};

/// Configurations of one search, and searches for one witness: enough to make hundreds of suspects minimal.
const BUDGET: usize = 100_000;
const SEARCHES: usize = 4_000;

/// Shrinks the suspects (of one key) and confirms that what is left is a contradiction by itself, by search, which shares no
/// reasoning with the zones that raised the suspicion. `Err`: it is not; the key is undecided and the bench has a bug.
pub fn confirm(history: &History, kind: AnomalyKind, suspects: &[u32]) -> Result<Anomaly, String> {
    let columns = &history.operations;
    let Some(&first) = suspects.first() else {
        return Err("a contradiction without operations (a bug in assize)".into());
    };
    let key = columns.key[first as usize];
    let all: Vec<Op> = (0..columns.len() as u32)
        .filter(|&i| columns.key[i as usize] == key)
        .filter_map(|i| Op::of(columns, i))
        .collect();
    let start: Vec<Op> = suspects.iter().filter_map(|&i| Op::of(columns, i)).collect();
    let mut shrinker = Shrinker { all: &all, searches: SEARCHES };
    let start = shrinker.closed(start);
    if !shrinker.is_contradiction(&start) {
        return Err(format!("a suspected {} could not be confirmed by search", kind.title()));
    }
    let witness = shrinker.shrink(start);
    let mut indices: BTreeSet<u32> = witness.iter().map(|op| op.index).collect();
    indices.extend(failed_writes(columns, key, &witness));
    let indices: Vec<u32> = indices.into_iter().collect();
    let operations: Vec<_> = indices.iter().map(|&i| columns.get(i as usize)).collect();
    // What is left may be simpler than what raised the suspicion.
    let reads: BTreeSet<u64> = witness.iter().filter_map(|op| op.step.needs()).collect();
    let kind = if kind == AnomalyKind::SplitBrain && reads.len() < 2 { AnomalyKind::StaleRead } else { kind };
    let title = format!("{}, key {}", kind.title(), history.key_name(key));
    Ok(Anomaly { kind, title, story: explain::story(kind, &operations), operations, indices })
}

/// Failed writes of values that the witness saw although nobody else wrote them.
fn failed_writes(columns: &Columns, key: u32, witness: &[Op]) -> Vec<u32> {
    let needed: BTreeSet<u64> = witness.iter().filter_map(|op| op.step.needs()).filter(|&value| value != NIL).collect();
    let made: BTreeSet<u64> = witness.iter().filter_map(|op| op.step.sets()).collect();
    let failed = |&i: &usize| {
        columns.key[i] == key
            && columns.function[i] != Function::Read
            && columns.outcome[i] == Outcome::Fail
            && needed.contains(&columns.argument[i])
            && !made.contains(&columns.argument[i])
    };
    (0..columns.len()).filter(failed).map(|i| i as u32).collect()
}

struct Shrinker<'a> {
    /// Every operation of the key: where the writes of seen values are found.
    all: &'a [Op],
    searches: usize,
}

impl Shrinker<'_> {
    /// Takes away ever smaller pieces while a contradiction remains (Zeller's ddmin, with seen values closed under their writes).
    fn shrink(&mut self, mut ops: Vec<Op>) -> Vec<Op> {
        let mut piece = ops.len().div_ceil(2);
        while piece >= 1 && self.searches > 0 {
            let mut shrunk = false;
            let mut at = 0;
            while at < ops.len() && self.searches > 0 {
                let rest = ops.iter().enumerate().filter(|(i, _)| !(at..at + piece).contains(i)).map(|(_, op)| *op);
                let rest = self.closed(rest.collect());
                if rest.len() < ops.len() && self.is_contradiction(&rest) {
                    ops = rest;
                    shrunk = true;
                } else {
                    at += piece;
                }
            }
            if piece == 1 && !shrunk {
                break;
            }
            piece = if piece == 1 { 1 } else { piece / 2 };
        }
        ops
    }

    /// Adds the writes of all values that are seen, and drops mutations nobody sees that are only pending.
    fn closed(&self, ops: Vec<Op>) -> Vec<Op> {
        let mut chosen: BTreeSet<u32> = ops.iter().map(|op| op.index).collect();
        let mut values: BTreeSet<u64> = BTreeSet::new();
        let mut wanted: Vec<u64> = ops.iter().filter_map(|op| op.step.needs()).collect();
        while let Some(value) = wanted.pop() {
            if !values.insert(value) {
                continue;
            }
            for op in self.all.iter().filter(|op| op.step.sets() == Some(value)) {
                chosen.insert(op.index);
                wanted.extend(op.step.needs());
            }
        }
        self.all.iter().filter(|op| chosen.contains(&op.index)).copied().collect()
    }

    fn is_contradiction(&mut self, ops: &[Op]) -> bool {
        self.searches = self.searches.saturating_sub(1);
        matches!(exact::search(ops, NIL, BUDGET), Search::None { .. })
    }
}
