//! What watchers are told: all the same, in the same order, nothing left out and nothing twice. `O(n)` over all that was told.
//!
//! The writes of a key have one order. What a process was told, over all its operations, must be a part of it without gaps: a watcher
//! begins somewhere and then misses nothing. So what comes after a value is the same for all.

use std::collections::BTreeMap;

use history::object::{Action, NOTHING, Objects};

use super::{Exactness, Findings, Object, Part, each_key};
use crate::model::Options;

/// Watchers of a key.
pub static WATCH: Object = Object {
    name: "watch",
    summary: "every watcher is told the writes in one order, none left out, none twice, none that nobody wrote",
    exactness: Exactness::Exact,
    decide: |history: &Objects, options: &Options| each_key(history, options, &judge),
};

/// A value that was told, and in which operation.
type Told = (i64, usize);

/// By value, what was told next to it, and in which operation.
type Neighbours = BTreeMap<i64, (Told, usize)>;

fn judge(part: Part<'_>) -> Findings {
    let mut findings = Findings::default();
    let logs = logs(part);
    phantoms(part, &logs, &mut findings);
    // After and before each value, as somebody was told.
    let (mut after, mut before) = (Neighbours::new(), Neighbours::new());
    for log in logs.values() {
        let mut seen: BTreeMap<i64, usize> = BTreeMap::new();
        for &(value, i) in log {
            if let Some(&first) = seen.get(&value) {
                findings.add("told twice", part.name(), format!("a watcher was told {value} twice"), [first, i]);
                return findings;
            }
            seen.insert(value, i);
        }
        for pair in log.windows(2) {
            let ((a, i), (b, j)) = (pair[0], pair[1]);
            let (next, from) = *after.entry(a).or_insert(((b, j), i));
            if next.0 != b {
                let because = format!("one watcher was told {} after {a}, another {b}", next.0);
                findings.add("different order", part.name(), because, [from, next.1, i, j]);
                return findings;
            }
            let (previous, to) = *before.entry(b).or_insert(((a, i), j));
            if previous.0 != a {
                let because = format!("one watcher was told {b} after {}, another after {a}", previous.0);
                findings.add("different order", part.name(), because, [previous.1, to, i, j]);
                return findings;
            }
        }
    }
    cycle(part, &after, &mut findings);
    findings
}

/// What each process was told, in order.
fn logs(part: Part<'_>) -> BTreeMap<u32, Vec<Told>> {
    let mut logs: BTreeMap<u32, Vec<Told>> = BTreeMap::new();
    for (i, call) in part.happened().filter(|(_, call)| call.action == Action::Watch && call.is_ok()) {
        let told = part.history.list(call).iter().map(|&value| (value, i));
        logs.entry(call.process).or_default().extend(told);
    }
    logs
}

/// Values that nobody wrote, if the history has writes, and those that were told before their write began.
fn phantoms(part: Part<'_>, logs: &BTreeMap<u32, Vec<Told>>, findings: &mut Findings) {
    let writes = part.happened().filter(|(_, call)| call.action == Action::Transact && call.argument != NOTHING);
    let mut written: BTreeMap<i64, usize> = BTreeMap::new();
    for (i, call) in writes {
        written.entry(call.argument).or_insert(i);
    }
    if written.is_empty() {
        return;
    }
    for &(value, i) in logs.values().flatten() {
        let told = &part.history.calls[i];
        match written.get(&value) {
            None => findings.add("phantom value", part.name(), format!("{value} was told, but nobody wrote it"), [i]),
            Some(&write) if told.completed < part.history.calls[write].invoked => {
                let because = format!("{value} was told before anybody began to write it");
                findings.add("value from the future", part.name(), because, [i, write]);
            }
            Some(_) => {}
        }
    }
}

/// Values that follow each other in a ring: what one watcher was told contradicts what several others were.
fn cycle(part: Part<'_>, after: &BTreeMap<i64, (Told, usize)>, findings: &mut Findings) {
    let mut walked: BTreeMap<i64, i64> = BTreeMap::new();
    for &start in after.keys() {
        let mut at = start;
        while let Some(((next, _), _)) = after.get(&at) {
            if let Some(&walk) = walked.get(&at) {
                if walk == start {
                    let because =
                        format!("going from each value to the next that a watcher was told, {at} comes again");
                    findings.add("different order", part.name(), because, ring(after, at));
                    return;
                }
                break;
            }
            walked.insert(at, start);
            at = *next;
        }
    }
}

/// The operations that a ring is made of.
fn ring(after: &BTreeMap<i64, (Told, usize)>, start: i64) -> Vec<usize> {
    let (mut places, mut at) = (Vec::new(), start);
    while let Some(&((next, j), i)) = after.get(&at) {
        places.extend([i, j]);
        at = next;
        if at == start {
            break;
        }
    }
    places
}
