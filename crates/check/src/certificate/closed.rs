//! Why a few operations speak for a whole history: whatever could explain what they saw is among them.
//!
//! A witness is a contradiction alone, but a part of a good history can be one too: a read without the write of what it saw. Of a part that
//! is *closed*, this cannot be: take any order that explains the history, leave out all others, and it explains the part. What must be in a
//! part for that depends on the object, and no operation that was invoked when all of the part were over need be.
//!
//! - Registers, one or many, and strings: whatever may have written what was read. For a compare-and-set that found another value than it
//!   expected, whatever may have stood in the place of that value.
//! - Queues and stacks: all operations on the values of the part, and whatever may have taken one of unknown outcome.
//! - Sets: all changes of its elements; whole reads are looked at for these elements alone.
//! - Locks of an owner, permits: what is left out of a process are pairs, an acquire and the release that follows.
//! - All else: whatever had been invoked.

use std::collections::{BTreeMap, BTreeSet};

use history::object::{Action, Call, Objects};
use history::{Columns, ErrorKind, Function, NIL, Outcome};

use super::definition::{State, elements, words};
use super::witness::{self, register_contradicts};

/// What came of a witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trial {
    /// It is a contradiction, and speaks for the history.
    Contradiction,
    /// An order explains it.
    Explained,
    /// It lacks these operations.
    Lacks(Vec<u32>),
    /// There are too many operations to try.
    TooMany,
}

fn judged(contradicts: Option<bool>) -> Trial {
    match contradicts {
        None => Trial::TooMany,
        Some(true) => Trial::Contradiction,
        Some(false) => Trial::Explained,
    }
}

/// Whether operations on a register contradict each other, and speak for the whole history. All are of one key.
pub(crate) fn registers(columns: &Columns, witness: &[u32]) -> Trial {
    let inside: BTreeSet<u32> = witness.iter().copied().collect();
    let key = witness.first().map(|&i| columns.key[i as usize]);
    if witness.iter().any(|&i| Some(columns.key[i as usize]) != key) {
        return Trial::Explained;
    }
    let end = witness.iter().filter(|&&i| columns.outcome[i as usize] != Outcome::Info);
    let end = end.map(|&i| columns.done[i as usize]).max().unwrap_or(0);
    let changes = |i: &usize| {
        Some(columns.key[*i]) == key
            && columns.function[*i] != Function::Read
            && columns.outcome[*i] != Outcome::Fail
            && columns.sent[*i] <= end
    };
    let mutations: Vec<usize> = (0..columns.len()).filter(changes).collect();
    let mut wanted: BTreeSet<u32> = BTreeSet::new();
    let seen: BTreeSet<u64> = witness.iter().filter_map(|&i| seen(columns, i as usize)).collect();
    wanted.extend(mutations.iter().filter(|&&i| seen.contains(&columns.argument[i])).map(|&i| i as u32));
    for &i in witness {
        let i = i as usize;
        if columns.outcome[i] == Outcome::Fail && columns.error[i] == ErrorKind::Precondition {
            let expected = columns.expected[i];
            let makers = || mutations.iter().filter(|&&m| columns.argument[m] == expected);
            let since = if expected == NIL { Some(0) } else { makers().map(|&m| columns.sent[m]).min() };
            let Some(since) = since else { continue };
            let may_follow = |m: &&usize| columns.sent[**m] <= columns.done[i] && done(columns, **m) >= since;
            wanted.extend(mutations.iter().filter(may_follow).map(|&m| m as u32));
        }
    }
    match wanted.difference(&inside).copied().collect::<Vec<u32>>() {
        lacks if lacks.is_empty() => judged(register_contradicts(columns, witness)),
        lacks => Trial::Lacks(lacks),
    }
}

fn done(columns: &Columns, i: usize) -> u64 {
    if columns.outcome[i] == Outcome::Info { u64::MAX } else { columns.done[i] }
}

/// The value that an operation found, if it tells.
fn seen(columns: &Columns, i: usize) -> Option<u64> {
    let answered = columns.outcome[i] == Outcome::Ok;
    match columns.function[i] {
        Function::Read => answered.then(|| columns.result[i]),
        Function::Cas => (columns.outcome[i] != Outcome::Fail).then(|| columns.expected[i]),
        Function::Write => None,
    }
}

/// Whether no process has two operations at a time.
fn are_sequential<'a>(mut calls: impl Iterator<Item = &'a Call>) -> bool {
    let mut busy: BTreeMap<u32, u64> = BTreeMap::new();
    calls.all(|call| busy.insert(call.process, call.completed).is_none_or(|until| until < call.invoked))
}

/// Whether operations on an object contradict each other, and speak for the whole history.
pub(crate) fn objects(history: &Objects, first: &State, witness: &[u32]) -> Trial {
    let calls: Vec<(u32, &Call)> = witness.iter().map(|&i| (i, &history.calls[i as usize])).collect();
    let key = calls.first().map(|(_, call)| call.key);
    if calls.is_empty() || !first.spans_keys() && calls.iter().any(|(_, call)| Some(call.key) != key) {
        return Trial::Explained;
    }
    let part = Part { history, first, key: key.filter(|_| !first.spans_keys()), calls };
    if let Some(found) = part.counted() {
        return found;
    }
    match part.lacks() {
        lacks if lacks.is_empty() => part.explained(),
        lacks => Trial::Lacks(lacks),
    }
}

struct Part<'a> {
    history: &'a Objects,
    first: &'a State,
    key: Option<u32>,
    calls: Vec<(u32, &'a Call)>,
}

impl<'a> Part<'a> {
    /// What may have happened before the end of the witness, and is not in it.
    fn others(&self) -> impl Iterator<Item = (u32, &'a Call)> {
        let inside: BTreeSet<u32> = self.calls.iter().map(|(i, _)| *i).collect();
        let end = self.calls.iter().filter(|(_, call)| call.is_ok()).map(|(_, call)| call.completed).max().unwrap_or(0);
        let key = self.key;
        let matters = move |(i, call): &(u32, &Call)| {
            call.may_have_happened()
                && call.invoked <= end
                && key.is_none_or(|key| key == call.key)
                && !inside.contains(i)
        };
        self.history.calls.iter().enumerate().map(|(i, call)| (i as u32, call)).filter(matters)
    }

    fn lacks(&self) -> Vec<u32> {
        let pick = |needed: &dyn Fn(&Call) -> bool| {
            self.others().filter(|(_, call)| needed(call)).map(|(i, _)| i).collect::<Vec<u32>>()
        };
        let values = || self.calls.iter().flat_map(|(_, call)| [call.argument, call.result]).collect::<BTreeSet<i64>>();
        match self.first {
            State::Queue(_) | State::Stack(_) | State::Least(_) => {
                let (values, nothing) = (values(), history::object::NOTHING);
                let of = |value: i64| value != nothing && values.contains(&value);
                pick(&|call| match call.action {
                    Action::Dequeue | Action::Pop => !call.is_ok() || of(call.result),
                    _ => of(call.argument),
                })
            }
            State::Set(_) => {
                let elements = self.elements();
                pick(&|call| matches!(call.action, Action::Add | Action::Remove) && elements.contains(&call.argument))
            }
            State::Registers(..) => {
                let read: BTreeSet<(i64, i64)> = self
                    .calls
                    .iter()
                    .filter(|(_, call)| call.is_ok())
                    .flat_map(|(_, call)| self.accesses(call, 0))
                    .collect();
                pick(&|call| self.accesses(call, 1).any(|access| read.contains(&access)))
            }
            State::Text(_) => {
                let gets = self.calls.iter().filter(|(_, call)| call.action == Action::Get && call.is_ok());
                let seen: Vec<String> = gets.map(|(_, call)| words(self.history, call.result)).collect();
                let inside = |text: &str| seen.iter().any(|seen| seen.contains(text));
                pick(&|call| call.action != Action::Get && inside(&words(self.history, call.argument)))
            }
            State::Owned { .. } | State::Fenced(..) | State::Permits { .. } => self.unpaired(),
            State::Counter(_) | State::Lock(_) | State::Element(_) => pick(&|_| true),
        }
    }

    /// Keys and values that a transaction reads (0) or writes (1).
    fn accesses(&self, call: &Call, kind: i64) -> impl Iterator<Item = (i64, i64)> + use<'a> {
        let list = self.history.list(call).chunks_exact(3);
        list.filter(move |access| access[0] == kind).map(|access| (access[1], access[2]))
    }

    /// The elements of a set that the witness is about: those that its operations name; of what reads saw, what nobody added.
    fn elements(&self) -> BTreeSet<i64> {
        let named = self.calls.iter().filter(|(_, call)| call.action != Action::Read).map(|(_, call)| call.argument);
        let mut all: BTreeSet<i64> = named.collect();
        let reads = self.calls.iter().filter(|(_, call)| call.action == Action::Read && call.is_ok());
        let mut phantoms: BTreeSet<i64> = reads.flat_map(|(_, call)| elements(self.history, call)).copied().collect();
        let adds = self.history.calls.iter().filter(|call| call.action == Action::Add && call.may_have_happened());
        adds.filter(|call| Some(call.key) == self.key).for_each(|call| _ = phantoms.remove(&call.argument));
        all.append(&mut phantoms);
        all
    }

    /// Of the processes of the witness, what is neither in it nor an acquire with the release that follows.
    fn unpaired(&self) -> Vec<u32> {
        let processes: BTreeSet<u32> = self.calls.iter().map(|(_, call)| call.process).collect();
        let mut open: BTreeMap<u32, u32> = BTreeMap::new();
        let mut lacks = Vec::new();
        let inside = self.calls.iter().map(|(i, call)| (*i, *call, true));
        let outside = self.others().map(|(i, call)| (i, call, false));
        let mut all: Vec<_> = inside.chain(outside).filter(|(_, call, _)| processes.contains(&call.process)).collect();
        all.sort_by_key(|(i, ..)| *i);
        if !are_sequential(all.iter().map(|(_, call, _)| *call)) {
            return all.into_iter().filter(|(.., inside)| !inside).map(|(i, ..)| i).collect();
        }
        for (i, call, inside) in all {
            let before = open.remove(&call.process);
            match (before, call.action) {
                (None, Action::Release) if !inside => lacks.push(i),
                (None, Action::Acquire) if !inside => _ = open.insert(call.process, i),
                (Some(_), Action::Release) if !inside => {}
                (Some(before), _) => {
                    lacks.push(before);
                    lacks.extend((!inside).then_some(i));
                }
                (None, _) => {}
            }
        }
        lacks.extend(open.into_values());
        lacks
    }

    /// Of counters: what was read is out of bounds, or went back. All additions are counted, none is in the witness.
    fn counted(&self) -> Option<Trial> {
        if !matches!(self.first, State::Counter(_)) {
            return None;
        }
        let reads =
            || self.calls.iter().map(|(_, call)| *call).filter(|call| call.action == Action::Read && call.is_ok());
        let only_grows = || self.additions().all(|call| call.argument >= 0);
        let back = reads().any(|a| reads().any(|b| a.completed < b.invoked && b.result < a.result));
        let wrong = reads().any(|read| !self.bounds(read).contains(&i128::from(read.result)));
        (wrong || back && only_grows()).then_some(Trial::Contradiction)
    }

    fn additions(&self) -> impl Iterator<Item = &'a Call> {
        let key = self.key;
        let adds = self.history.calls.iter().filter(|call| call.action == Action::Add && call.may_have_happened());
        adds.filter(move |call| Some(call.key) == key)
    }

    /// The least and the most that a read can have found.
    fn bounds(&self, read: &Call) -> std::ops::RangeInclusive<i128> {
        let (mut low, mut high) = (0, 0);
        for add in self.additions() {
            let (amount, certain) = (i128::from(add.argument), add.completed < read.invoked);
            if certain || amount < 0 && add.invoked <= read.completed {
                low += amount;
            }
            if certain || amount > 0 && add.invoked <= read.completed {
                high += amount;
            }
        }
        low..=high
    }

    /// Tries all orders.
    fn explained(&self) -> Trial {
        let set = matches!(self.first, State::Set(_)).then(|| self.elements());
        // Elements beside those of the witness are of no interest, but no read shows one twice.
        let twice = |call: &Call| {
            let list = elements(self.history, call);
            list.iter().copied().collect::<BTreeSet<_>>().len() < list.len()
        };
        let reads = || self.calls.iter().filter(|(_, call)| call.action == Action::Read && call.is_ok());
        if set.is_some() && reads().any(|(_, call)| twice(call)) {
            return Trial::Contradiction;
        }
        let intervals: Vec<(u64, Option<u64>)> =
            self.calls.iter().map(|(_, call)| (call.invoked, call.is_ok().then_some(call.completed))).collect();
        judged(witness::contradicts(&intervals, self.first.clone(), |at, state| {
            let call = self.calls[at].1;
            let mut next = state.clone();
            match (&mut next, &set) {
                (State::Set(held), Some(about)) if call.action == Action::Read => {
                    let shown = elements(self.history, call).iter().filter(|element| about.contains(element));
                    return (!call.is_ok() || shown.copied().collect::<BTreeSet<i64>>() == *held).then_some(next);
                }
                _ => {}
            }
            next.run(self.history, call).then_some(next)
        }))
    }
}
