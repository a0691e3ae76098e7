use std::collections::BTreeMap;

use history::Outcome;
use history::txn::{INITIAL, Kind, Transactions, UNREAD};

use super::{some_subset, writes};

/// Monotonic snapshot reads (Adya, 1999, PL-MSR): whether some interleaving of statements and commits explains every read, where a read sees
/// what is committed at that moment and its own transaction's writes.
pub fn statement_snapshots(history: &Transactions) -> bool {
    some_subset(history, |members| {
        let next: Vec<(u32, usize)> = members.iter().map(|t| (*t, 0)).collect();
        step(history, next, &BTreeMap::new())
    })
}

/// Runs the next statement, or the commit, of any transaction.
fn step(history: &Transactions, mut next: Vec<(u32, usize)>, store: &BTreeMap<u32, Vec<u32>>) -> bool {
    // A statement that may run now may as well: it changes nothing for the others.
    for (t, at) in &mut next {
        while *at < history.ops(*t).len() && runs(history, *t, *at, store) {
            *at += 1;
        }
    }
    if next.is_empty() {
        return true;
    }
    (0..next.len()).any(|chosen| {
        let (t, at) = next[chosen];
        if at < history.ops(t).len() {
            return false;
        }
        let mut store = store.clone();
        for op in history.ops(t).iter().filter(|op| writes(op)) {
            store.entry(op.key).or_default().push(op.value);
        }
        let mut rest = next.clone();
        rest.remove(chosen);
        step(history, rest, &store)
    })
}

fn runs(history: &Transactions, t: u32, at: usize, store: &BTreeMap<u32, Vec<u32>>) -> bool {
    let op = history.ops(t)[at];
    if writes(&op) || history.outcome[t as usize] != Outcome::Ok || op.value == UNREAD {
        return true;
    }
    let own = history.ops(t)[..at].iter().filter(|o| writes(o) && o.key == op.key).map(|o| o.value);
    let seen: Vec<u32> = store.get(&op.key).into_iter().flatten().copied().chain(own).collect();
    match op.kind {
        Kind::Read => seen.last().copied().unwrap_or(INITIAL) == op.value,
        _ => seen == history.list(&op),
    }
}
