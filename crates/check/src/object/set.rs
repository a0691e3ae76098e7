//! Sets: linearizable ones, and Jepsen's two ways of asking whether additions survive.
//!
//! Linearizable: without whole reads, elements are independent and each is searched alone. A set that only grows, each element
//! added once, with whole reads only, is decided in `O(n log n + elements read)`: reads must form a chain of growing sets, which puts all
//! operations into groups (the additions that a read is the first to see, the reads that see the same, the next additions, ...),
//! and an order exists exactly if no operation of a later group ended before one of an earlier group began. All else is searched.

use std::collections::{BTreeMap, BTreeSet};

use base::Time;
use history::object::{Action, NOTHING, Objects};

use super::element::each_element;
use super::model::Set;
use super::search::decide as search;
use super::{Exactness, Findings, Object, Part, each_key};
use crate::model::Options;

/// A set: add, remove, contains, and reads of all.
pub static LINEARIZABLE_SET: Object = Object {
    name: "linearizable-set",
    summary: "an element is in the set from its addition to its removal, and reads see all of it, linearizably",
    exactness: Exactness::Exact,
    decide: linearizable,
};

/// Jepsen's `set`: the last read has every acknowledged element and none that nobody tried to add.
pub static SET: Object = Object {
    name: "set",
    summary: "the last read holds every acknowledged element and none that nobody tried to add (Jepsen's set)",
    exactness: Exactness::Conditions,
    decide: |history, options| each_key(history, options, &final_read),
};

/// Jepsen's `set-full`: what was seen or acknowledged does not vanish.
pub static SET_FULL: Object = Object {
    name: "set-full",
    summary: "no element that was acknowledged or seen vanishes for good, none is there twice (Jepsen's set-full)",
    exactness: Exactness::Conditions,
    decide: |history, options| each_key(history, options, &|part| every_read(part, false)),
};

/// Jepsen's `set-full` with `linearizable?`: nor for a while.
pub static SET_FULL_LINEARIZABLE: Object = Object {
    name: "set-full-linearizable",
    summary: "an element that was acknowledged or seen is in every later read (Jepsen's set-full, linearizable)",
    exactness: Exactness::Conditions,
    decide: |history, options| each_key(history, options, &|part| every_read(part, true)),
};

fn linearizable(history: &Objects, options: &Options) -> Findings {
    each_key(history, options, &|part| {
        let mut calls = part.happened();
        let mut findings = Findings::default();
        if !calls.any(|(_, call)| call.action == Action::Read && call.is_ok()) {
            return each_element(part, options);
        }
        let Some(chain) = Chain::of(part) else { return search(part, options, &Set, false) };
        chain.judge(part, &mut findings);
        findings
    })
}

/// A set that only grows, seen by whole reads.
struct Chain {
    /// The addition of each element.
    adds: BTreeMap<i64, usize>,
    /// The reads, smaller before greater.
    reads: Vec<usize>,
}

impl Chain {
    /// `None`: the set is not of this kind.
    fn of(part: Part<'_>) -> Option<Chain> {
        let history = part.history;
        let mut chain = Chain { adds: BTreeMap::new(), reads: Vec::new() };
        for (i, call) in part.happened() {
            match call.action {
                Action::Add => {
                    if chain.adds.insert(call.argument, i).is_some() {
                        return None;
                    }
                }
                Action::Read if call.is_ok() => chain.reads.push(i),
                Action::Read => {}
                _ => return None,
            }
        }
        chain.reads.sort_by_key(|&i| (elements(history, i).len(), history.calls[i].invoked));
        Some(chain)
    }

    fn judge(&self, part: Part<'_>, findings: &mut Findings) {
        let (history, place) = (part.history, part.name());
        let mut seen: BTreeSet<i64> = BTreeSet::new();
        let mut before: Option<usize> = None;
        // The operation of an earlier group that began last.
        let mut latest: Option<usize> = None;
        let mut group: Vec<usize> = Vec::new();
        for &read in &self.reads {
            let all = elements(history, read);
            let new: Vec<i64> = all.iter().copied().filter(|element| !seen.contains(element)).collect();
            if all.len() != seen.len() + new.len() || new.windows(2).any(|pair| pair[0] == pair[1]) {
                let because = "neither read sees all that the other sees, or one sees an element twice".to_string();
                return findings.add("reads that disagree", place, because, before.into_iter().chain([read]));
            }
            if !new.is_empty() {
                self.advance(history, &mut latest, &mut group);
                for element in &new {
                    let Some(&add) = self.adds.get(element) else {
                        let because = format!("{element} was seen, but nobody added it");
                        return findings.add("phantom element", place, because, [read]);
                    };
                    if let Some(early) = contradicts(history, latest, add) {
                        let because = format!("{element} was added before a read began that does not see it");
                        return findings.add("stale read", place, because, [early, add]);
                    }
                    group.push(add);
                }
                seen.extend(new);
                self.advance(history, &mut latest, &mut group);
            }
            if let Some(early) = contradicts(history, latest, read) {
                let because = "this read ended before an operation began whose effect, or more, it saw".to_string();
                return findings.add("read from the future", place, because, [early, read]);
            }
            group.push(read);
            before = Some(read);
        }
        self.advance(history, &mut latest, &mut group);
        for (element, &add) in self.adds.iter().filter(|(element, _)| !seen.contains(element)) {
            if let Some(early) = contradicts(history, latest, add) {
                let because = format!("{element} was acknowledged before a read began that does not see it");
                return findings.add("lost element", place, because, [add, early]);
            }
        }
    }

    fn advance(&self, history: &Objects, latest: &mut Option<usize>, group: &mut Vec<usize>) {
        let last = group.drain(..).chain(*latest).max_by_key(|&i| history.calls[i].invoked);
        *latest = last;
    }
}

/// The operation of an earlier group that began after this had ended.
fn contradicts(history: &Objects, latest: Option<usize>, i: usize) -> Option<usize> {
    latest.filter(|&latest| history.calls[i].completed < history.calls[latest].invoked)
}

fn elements(history: &Objects, read: usize) -> &[i64] {
    let list = history.list(&history.calls[read]);
    if list == [NOTHING] { &[] } else { list }
}

fn reads_of(part: Part<'_>) -> Vec<usize> {
    let reads = part.happened().filter(|(_, call)| call.action == Action::Read && call.is_ok());
    reads.map(|(i, _)| i).collect()
}

fn final_read(part: Part<'_>) -> Findings {
    let (history, mut findings) = (part.history, Findings::default());
    let Some(last) = reads_of(part).into_iter().max_by_key(|&i| history.calls[i].completed) else {
        findings.undecided(format!("the set was never read, {}", part.name()));
        return findings;
    };
    let seen: BTreeSet<i64> = elements(history, last).iter().copied().collect();
    let mut attempted: BTreeSet<i64> = BTreeSet::new();
    for i in part.places.iter().map(|&i| i as usize) {
        let call = &history.calls[i];
        if call.action != Action::Add {
            continue;
        }
        attempted.insert(call.argument);
        if call.is_ok() && !seen.contains(&call.argument) {
            let because = format!("{} was acknowledged, but the last read does not have it", call.argument);
            findings.add("lost element", part.name(), because, [i, last]);
        }
    }
    for element in seen.difference(&attempted) {
        let because = format!("{element} was seen, but nobody tried to add it");
        findings.add("phantom element", part.name(), because, [last]);
    }
    findings
}

/// What is known of one element.
#[derive(Default)]
struct Element {
    add: Option<usize>,
    /// When it was certainly there: the end of its addition or of the first read that saw it.
    known: Option<(u64, usize)>,
    /// The reads that saw it, as places in the reads by invocation.
    seen: Vec<u32>,
}

fn every_read(part: Part<'_>, linearizable: bool) -> Findings {
    let (history, place, mut findings) = (part.history, part.name(), Findings::default());
    // In order of invocation, as the history is.
    let reads = reads_of(part);
    let all = elements_of(part, &reads, &mut findings);
    let mut stable = 0;
    for (element, Element { add, known, seen }) in all {
        let Some(add) = add else {
            let because = format!("{element} was seen, but nobody tried to add it");
            let witness = seen.first().map(|&read| reads[read as usize]);
            findings.add("phantom element", place.clone(), because, witness);
            continue;
        };
        let Some((known, by)) = known else { continue };
        let absent = last_absent(&seen, reads.len()).map(|read| reads[read]);
        let absent = absent.filter(|&read| history.calls[read].invoked > known);
        let Some(absent) = absent else {
            stable += usize::from(!seen.is_empty());
            continue;
        };
        let present = seen.last().map(|&read| reads[read as usize]);
        let back = present.filter(|&present| history.calls[present].invoked > history.calls[absent].invoked);
        stable += usize::from(back.is_some());
        let since = Time(history.calls[absent].invoked - known);
        if back.is_none() {
            let because = format!(
                "{element} was certainly in the set, and {since} later a read did not see it, nor any after that"
            );
            findings.add("lost element", place.clone(), because, [add, by, absent]);
        } else if linearizable {
            let because = format!("{element} was certainly in the set, and {since} later a read did not see it");
            findings.add("stale read", place.clone(), because, [add, by, absent]);
        }
    }
    if stable == 0 && findings.is_empty() {
        findings.undecided(format!("no element was seen to stay, {place}"));
    }
    findings
}

fn elements_of(part: Part<'_>, reads: &[usize], findings: &mut Findings) -> BTreeMap<i64, Element> {
    let (history, place) = (part.history, part.name());
    let mut all: BTreeMap<i64, Element> = BTreeMap::new();
    for i in part.places.iter().map(|&i| i as usize).filter(|&i| history.calls[i].action == Action::Add) {
        let call = &history.calls[i];
        let element = all.entry(call.argument).or_default();
        element.add.get_or_insert(i);
        if call.is_ok() {
            let known = element.known.get_or_insert((call.completed, i));
            *known = (*known).min((call.completed, i));
        }
    }
    for (at, &read) in reads.iter().enumerate() {
        let completed = history.calls[read].completed;
        for &value in elements(history, read) {
            let element = all.entry(value).or_default();
            if element.seen.last() == Some(&(at as u32)) {
                let because = format!("{value} is in one read twice");
                findings.add("duplicate", place.clone(), because, [read]);
                continue;
            }
            element.seen.push(at as u32);
            let known = element.known.get_or_insert((completed, read));
            *known = (*known).min((completed, read));
        }
    }
    all
}

/// The last of `reads` reads that is not in `seen`.
fn last_absent(seen: &[u32], reads: usize) -> Option<usize> {
    let mut absent = reads.checked_sub(1)?;
    for &read in seen.iter().rev() {
        if (read as usize) < absent {
            break;
        }
        absent = absent.checked_sub(1)?;
    }
    Some(absent)
}
