//! A set that only grows, on nodes that tell each other (Maelstrom's `broadcast` and `g-set`). `O(n log n)` over all elements read.
//!
//! Reads may lag, but not for ever: every process that reads after all additions have ended must, with its last read, see every
//! acknowledged element and what the others see. Nothing is seen that nobody tried to add, and nothing before.

use std::collections::{BTreeMap, BTreeSet};

use history::object::{Action, NOTHING, Objects};

use super::{Exactness, Findings, Object, Part, each_key};
use crate::model::Options;

/// A growing set that converges.
pub static BROADCAST: Object = Object {
    name: "broadcast",
    summary: "nothing is seen before it is added, and once additions have ended every process's last read sees all that was acknowledged, the same as the others",
    exactness: Exactness::Exact,
    decide: |history: &Objects, options: &Options| each_key(history, options, &judge),
};

fn judge(part: Part<'_>) -> Findings {
    let mut findings = Findings::default();
    let adds = additions(part);
    let acknowledged = part.happened().filter(|(_, call)| call.action == Action::Add && call.is_ok());
    let quiet = acknowledged.map(|(_, call)| call.completed).max().unwrap_or(0);
    let mut last: BTreeMap<u32, usize> = BTreeMap::new();
    for (i, call) in part.happened().filter(|(_, call)| call.action == Action::Read && call.is_ok()) {
        seen_too_early(part, &adds, i, &mut findings);
        if call.invoked >= quiet {
            last.insert(call.process, i);
        }
    }
    if last.is_empty() {
        if findings.is_empty() && !adds.is_empty() {
            findings.undecided(format!("nobody read after the last addition, {}", part.name()));
        }
        return findings;
    }
    for &read in last.values() {
        let seen: BTreeSet<i64> = part.history.list(&part.history.calls[read]).iter().copied().collect();
        for (element, &add) in
            adds.iter().filter(|(element, add)| part.history.calls[**add].is_ok() && !seen.contains(element))
        {
            let because = format!("{element} was acknowledged, but a last read does not see it");
            findings.add("lost element", part.name(), because, [add, read]);
        }
    }
    if findings.is_empty() {
        disagree(part, last.into_values().collect(), &mut findings);
    }
    findings
}

/// The addition of each element: the first that was acknowledged, else the first that may have happened.
fn additions(part: Part<'_>) -> BTreeMap<i64, usize> {
    let mut adds: BTreeMap<i64, usize> = BTreeMap::new();
    for (i, call) in part.happened().filter(|(_, call)| call.action == Action::Add) {
        let known = adds.entry(call.argument).or_insert(i);
        if call.is_ok() && !part.history.calls[*known].is_ok() {
            *known = i;
        }
    }
    adds
}

fn seen_too_early(part: Part<'_>, adds: &BTreeMap<i64, usize>, read: usize, findings: &mut Findings) {
    let call = &part.history.calls[read];
    for element in part.history.list(call).iter().filter(|element| **element != NOTHING) {
        let begun = |i: &u32| {
            let add = &part.history.calls[*i as usize];
            add.action == Action::Add
                && add.argument == *element
                && add.may_have_happened()
                && add.invoked <= call.completed
        };
        match adds.get(element) {
            Some(&add) if part.history.calls[add].invoked <= call.completed => {}
            None => {
                let because = format!("{element} was seen, but nobody tried to add it");
                findings.add("phantom element", part.name(), because, [read]);
            }
            Some(&add) if !part.places.iter().any(begun) => {
                let because = format!("{element} was seen before anybody began to add it");
                findings.add("element from the future", part.name(), because, [add, read]);
            }
            Some(_) => {}
        }
    }
}

/// Last reads that differ, by what was never acknowledged.
fn disagree(part: Part<'_>, reads: Vec<usize>, findings: &mut Findings) {
    let sorted = |read: usize| {
        let mut seen = part.history.list(&part.history.calls[read]).to_vec();
        seen.retain(|element| *element != NOTHING);
        seen.sort_unstable();
        seen.dedup();
        seen
    };
    let (first, expected) = (reads[0], sorted(reads[0]));
    if let Some(&other) = reads[1..].iter().find(|read| sorted(**read) != expected) {
        let because = "the last reads of two processes do not see the same".to_string();
        findings.add("no convergence", part.name(), because, [first, other]);
    }
}
