use std::collections::BTreeMap;

use base::{Rng, Time};
use history::Outcome;
use history::txn::{Builder, Kind, Transactions};

/// What random transactions are made of.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Transactions, at most.
    pub transactions: u64,
    /// Micro-operations of each, at most.
    pub ops: u64,
    /// Keys.
    pub keys: u64,
    /// Processes.
    pub processes: u64,
    /// Lists, or registers.
    pub lists: bool,
    /// Every write to a register follows a read of it.
    pub read_before_write: bool,
    /// Share of unknown outcomes; a third as many fail.
    pub pending: f64,
    /// Share of reads that are falsified.
    pub lies: f64,
}

impl Shape {
    /// A few short transactions on two lists: what brute force decides at once.
    pub const LISTS: Shape = Shape {
        transactions: 4,
        ops: 3,
        keys: 2,
        processes: 3,
        lists: true,
        read_before_write: false,
        pending: 0.15,
        lies: 0.1,
    };
}

#[derive(Clone)]
struct Draft {
    process: u64,
    span: (u64, u64),
    outcome: Outcome,
    happens: bool,
    /// Write or read; key; value written.
    ops: Vec<(bool, usize, i64)>,
    reads: Vec<Vec<i64>>,
}

/// Random transactions: executed one after another, or from snapshots taken a while before the commit, or statement by statement on
/// what nobody has committed yet, so that all levels between serializable and nothing at all occur; then some reads are falsified.
pub fn random_transactions(rng: &mut Rng, shape: Shape) -> Transactions {
    let mut drafts = drafts(rng, shape);
    if rng.chance(0.15) {
        interleave(rng, &mut drafts);
    } else {
        execute(rng, shape, &mut drafts);
    }
    build(shape, &drafts)
}

fn drafts(rng: &mut Rng, shape: Shape) -> Vec<Draft> {
    let mut next = 0;
    let mut free = vec![0; shape.processes as usize];
    let count = rng.within(2..=shape.transactions);
    (0..count)
        .map(|at| {
            let process = rng.below(shape.processes);
            let begin = (at * 4 + rng.below(4)).max(free[process as usize]);
            let end = begin + 1 + rng.below(12);
            free[process as usize] = end + 1;
            let mut ops = Vec::new();
            for _ in 0..rng.within(1..=shape.ops) {
                let key = rng.below(shape.keys) as usize;
                let write = rng.chance(0.5);
                if write && shape.read_before_write && !ops.iter().any(|(_, k, _)| *k == key) {
                    ops.push((false, key, 0));
                }
                next += 1;
                ops.push((write, key, next));
            }
            let unknown = rng.chance(shape.pending);
            let failed = !unknown && rng.chance(shape.pending / 3.0);
            let outcome = if unknown {
                Outcome::Info
            } else if failed {
                Outcome::Fail
            } else {
                Outcome::Ok
            };
            let happens = !failed && (!unknown || rng.chance(0.5));
            Draft { process, span: (begin, end), outcome, happens, ops, reads: Vec::new() }
        })
        .collect()
}

fn execute(rng: &mut Rng, shape: Shape, drafts: &mut [Draft]) {
    let mut order: Vec<usize> = (0..drafts.len()).collect();
    if rng.chance(0.3) {
        rng.shuffle(&mut order);
    }
    let stale = if rng.chance(0.5) { 3 } else { 1 };
    let mut states: Vec<BTreeMap<usize, Vec<i64>>> = vec![BTreeMap::new()];
    for at in order {
        let snapshot = states.len() - 1 - rng.below(stale.min(states.len() as u64)) as usize;
        let (mut view, mut store) = (states[snapshot].clone(), states[states.len() - 1].clone());
        for (write, key, value) in drafts[at].ops.clone() {
            if write {
                view.entry(key).or_default().push(value);
                store.entry(key).or_default().push(value);
            }
            let mut read = view.get(&key).cloned().unwrap_or_default();
            if !write && rng.chance(shape.lies) {
                read = store.get(&key).cloned().unwrap_or_default();
                read.truncate(rng.below(read.len() as u64 + 1) as usize);
                if rng.chance(0.2) {
                    rng.shuffle(&mut read);
                }
            }
            drafts[at].reads.push(read);
        }
        if drafts[at].happens {
            states.push(store);
        }
    }
}

/// Statement by statement: reads see whatever is there, of failed transactions too.
fn interleave(rng: &mut Rng, drafts: &mut [Draft]) {
    let mut store: BTreeMap<usize, Vec<i64>> = BTreeMap::new();
    let mut turns: Vec<usize> = drafts.iter().enumerate().flat_map(|(at, draft)| vec![at; draft.ops.len()]).collect();
    rng.shuffle(&mut turns);
    for at in turns {
        let (write, key, value) = drafts[at].ops[drafts[at].reads.len()];
        let visible = drafts[at].happens || rng.chance(0.3);
        if write && visible {
            store.entry(key).or_default().push(value);
        }
        drafts[at].reads.push(store.get(&key).cloned().unwrap_or_default());
    }
}

fn build(shape: Shape, drafts: &[Draft]) -> Transactions {
    let mut builder = Builder::new(true);
    for key in 0..shape.keys {
        builder.key(&format!("k{key}"));
    }
    for draft in drafts {
        builder.begin(draft.process as u32, draft.span.0, Time(draft.span.0));
        for ((write, key, value), read) in draft.ops.iter().zip(&draft.reads) {
            let key = *key as u32;
            match (write, shape.lists) {
                (true, true) => {
                    let version = builder.version(key, *value);
                    builder.append(version);
                }
                (true, false) => {
                    let version = builder.version(key, *value);
                    builder.write(version);
                }
                (false, true) if draft.outcome == Outcome::Ok => {
                    let list: Vec<u32> = read.iter().map(|value| builder.version(key, *value)).collect();
                    builder.read_list(key, &list);
                }
                (false, false) if draft.outcome == Outcome::Ok => {
                    let version = read.last().map(|value| builder.version(key, *value));
                    builder.read(key, version);
                }
                (false, lists) => builder.unread(if lists { Kind::ReadList } else { Kind::Read }, key),
            }
        }
        builder.end(draft.span.1, Time(draft.span.1), draft.outcome);
    }
    builder.finish().expect("small")
}
