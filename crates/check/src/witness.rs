//! From suspects to a witness: operations that are a contradiction alone, and no longer one when any is taken away.
//!
//! A value that is seen keeps the writes that could have made it: without them every read would be a contradiction, which
//! explains nothing.

use std::collections::{BTreeMap, BTreeSet};

use history::{Columns, Function, History, NIL, Outcome};

use crate::certificate;
use crate::exact::{self, Op, Search, Step};
use crate::explain;
use crate::report::{Anomaly, AnomalyKind};
use crate::verdict::BUG;

/// Configurations of one search.
const BUDGET: usize = 1_000_000;
/// Operations searched for one witness, over all searches: enough to make thousands of suspects minimal in a second. When it
/// runs out the witness is what it is then: a contradiction, but perhaps not the smallest.
const WORK: usize = 1_000_000;
/// Configurations of one search while shrinking: a piece whose absence makes the rest hard to decide stays.
const SHRINK_BUDGET: usize = 2_000;

/// Shrinks the suspects (of one key) and confirms that what is left is a contradiction by itself, by search, which shares no
/// reasoning with the zones that raised the suspicion. `Err`: it is not; the key is undecided and the bench has a bug.
pub fn confirm(history: &History, kind: AnomalyKind, suspects: &[u32]) -> Result<Anomaly, String> {
    let columns = &history.operations;
    let Some(&first) = suspects.first() else {
        return Err("a contradiction without operations (a bug in assize)".into());
    };
    let key = columns.key[first as usize];
    let of_key = (0..columns.len() as u32).filter(|&i| columns.key[i as usize] == key);
    let mut makers: BTreeMap<u64, Vec<Op>> = BTreeMap::new();
    for op in of_key.filter_map(|i| Op::of(columns, i)) {
        if let Some(value) = op.step.sets() {
            makers.entry(value).or_default().push(op);
        }
    }
    let mut mutations: Vec<Op> = makers.values().flatten().copied().collect();
    mutations.sort_unstable_by_key(|op| op.sent);
    let mut shrinker = Shrinker { makers, mutations, work: WORK, budget: BUDGET };
    let start = shrinker.closed(suspects.iter().filter_map(|&i| Op::of(columns, i)).collect());
    if !shrinker.is_contradiction(&start) {
        return Err(format!("a suspected {} could not be confirmed by search", kind.title()));
    }
    shrinker.budget = SHRINK_BUDGET;
    let witness = shrinker.shrink(start);
    let mut indices: BTreeSet<u32> = witness.iter().map(|op| op.index).collect();
    let places: Vec<u32> = indices.iter().copied().collect();
    if certificate::witness::register_contradicts(columns, &places) == Some(false) {
        return Err(format!("the witness of a {} is no contradiction {BUG}", kind.title()));
    }
    indices.extend(failed_writes(columns, key, &witness));
    let indices: Vec<u32> = indices.into_iter().collect();
    let operations: Vec<_> = indices.iter().map(|&i| columns.get(i as usize)).collect();
    // What is left may be simpler than what raised the suspicion.
    let reads: BTreeSet<u64> = witness.iter().filter_map(|op| op.step.needs()).collect();
    let kind = if kind == AnomalyKind::SplitBrain && reads.len() < 2 { AnomalyKind::StaleRead } else { kind };
    let title = format!("{}, key {}", kind.title(), history.key_name(key));
    Ok(Anomaly { kind, title, story: explain::story(kind, &operations), operations, indices, drawing: None })
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

struct Shrinker {
    /// The mutations of the key that may have made each value.
    makers: BTreeMap<u64, Vec<Op>>,
    /// All of them, in order of invocation.
    mutations: Vec<Op>,
    work: usize,
    /// Configurations of one search.
    budget: usize,
}

impl Shrinker {
    /// Takes away ever smaller pieces while a contradiction remains (Zeller's ddmin, with seen values closed under their writes).
    fn shrink(&mut self, mut ops: Vec<Op>) -> Vec<Op> {
        let mut piece = ops.len().div_ceil(2);
        while piece >= 1 && self.work > 0 {
            let mut shrunk = false;
            let mut at = 0;
            while at < ops.len() && self.work > 0 {
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

    /// Adds the writes of all values that are seen; of a value that was not found, whatever may have stood in its place.
    fn closed(&self, ops: Vec<Op>) -> Vec<Op> {
        let mut values: BTreeSet<u64> = BTreeSet::new();
        let mut chosen: BTreeMap<u32, Op> = ops.iter().map(|op| (op.index, *op)).collect();
        for op in &ops {
            if let Step::Not(value) = op.step {
                chosen.extend(self.in_place_of(value, op).map(|op| (op.index, *op)));
            }
        }
        let mut wanted: Vec<u64> = chosen.values().filter_map(|op| op.step.needs()).collect();
        while let Some(value) = wanted.pop() {
            if !values.insert(value) {
                continue;
            }
            for op in self.makers.get(&value).into_iter().flatten() {
                chosen.insert(op.index, *op);
                wanted.extend(op.step.needs());
            }
        }
        chosen.into_values().collect()
    }

    /// What may have been written after the value, before the operation was over.
    fn in_place_of(&self, value: u64, op: &Op) -> impl Iterator<Item = &Op> {
        let written = self.makers.get(&value).into_iter().flatten().map(|maker| maker.sent).min();
        let since = if value == NIL { Some(0) } else { written };
        let until = self.mutations.partition_point(|mutation| mutation.sent <= op.done);
        self.mutations[..until].iter().filter(move |mutation| since.is_some_and(|since| mutation.done >= since))
    }

    fn is_contradiction(&mut self, ops: &[Op]) -> bool {
        self.work = self.work.saturating_sub(ops.len());
        matches!(exact::search(ops, NIL, self.budget), Search::None { .. })
    }
}
