//! Several registers that are read and written at once: by search over the whole history, since no register stands alone.
//!
//! What a register holds before its first write is whatever the first read of it finds, if no setting tells: a history says nothing else
//! about it.

use std::collections::BTreeMap;

use history::object::{Action, Call, NEVER, Objects};

use super::needs::shrink_with_needs;
use super::search::conclude;
use super::{Exactness, Findings, Object};
use crate::model::Options;
use crate::sequential::{Interval, Linearized, SequentialModel, linearize};

/// Registers that are read and written at once.
pub static MULTI_REGISTER: Object = Object {
    name: "multi-register",
    summary: "transactions over several registers take effect one at a time, each between its invocation and its completion",
    exactness: Exactness::Exact,
    decide: |history, options| decide(history, options, None),
};

/// Decides whether the transactions are strictly serializable; `initial`: what every register holds at first.
pub(crate) fn decide(history: &Objects, options: &Options, initial: Option<i64>) -> Findings {
    let transactions = Transactions::of(history);
    let model = Registers { count: transactions.keys.len(), initial };
    let places: Vec<usize> = (0..history.len()).filter(|&i| transactions.has(i)).collect();
    let intervals: Vec<Transaction> = places.iter().map(|&i| transactions.interval(i)).collect();
    options.limit.expect(places.len() as u64);
    let contradicts = |some: &[u32]| {
        let mut some: Vec<Transaction> = some.iter().map(|&i| intervals[i as usize].clone()).collect();
        // Without some of the writes, any read may be the first.
        some.iter_mut().for_each(|transaction| transaction.call.first = true);
        matches!(linearize(&model, &some, options), Linearized::Contradiction { .. })
    };
    let shrink = || shrink_with_needs(&transactions.sources(&places), contradicts);
    conclude(linearize(&model, &intervals, options), &places, String::new(), shrink)
}

/// One register of a transaction, in order: written with this value, or read.
type Access = (u32, Option<i64>);

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Asked {
    accesses: Vec<Access>,
    /// It may be the first to see a register, so that its read says what was there in the beginning.
    first: bool,
}

type Transaction = Interval<Asked, Vec<i64>>;

struct Transactions<'a> {
    history: &'a Objects,
    keys: BTreeMap<i64, u32>,
    /// When the first write of each register had been acknowledged.
    written: Vec<u64>,
}

impl<'a> Transactions<'a> {
    fn of(history: &'a Objects) -> Transactions<'a> {
        let mut keys = BTreeMap::new();
        let mut written = Vec::new();
        for call in history.calls.iter().filter(|call| call.action == Action::Transact) {
            for access in history.list(call).chunks_exact(3) {
                let next = keys.len() as u32;
                let key = *keys.entry(access[1]).or_insert(next) as usize;
                written.resize(keys.len(), NEVER);
                if access[0] == 1 && call.is_ok() {
                    written[key] = call.completed.min(written[key]);
                }
            }
        }
        Transactions { history, keys, written }
    }

    /// Whether the operation matters: it happened, or may have and writes.
    fn has(&self, i: usize) -> bool {
        let call = &self.history.calls[i];
        call.action == Action::Transact && call.may_have_happened()
    }

    fn accesses(&self, call: &Call) -> impl Iterator<Item = (bool, u32, i64)> {
        self.history.list(call).chunks_exact(3).map(|access| (access[0] == 1, self.keys[&access[1]], access[2]))
    }

    fn interval(&self, i: usize) -> Transaction {
        let call = &self.history.calls[i];
        let accesses = self.accesses(call).map(|(writes, key, value)| (key, writes.then_some(value))).collect();
        let first = self.accesses(call).any(|(writes, key, _)| !writes && call.invoked <= self.written[key as usize]);
        let seen = self.accesses(call).filter(|(writes, ..)| !writes).map(|(_, _, value)| value);
        Interval {
            process: call.process,
            call: Asked { accesses, first },
            answer: call.is_ok().then(|| seen.collect()),
            invoked: call.invoked,
            completed: (call.completed != NEVER).then_some(call.completed),
        }
    }

    /// What each transaction needs: those that wrote what it read.
    fn sources(&self, places: &[usize]) -> Vec<Vec<u32>> {
        let mut writers: BTreeMap<(u32, i64), Vec<u32>> = BTreeMap::new();
        for (at, &i) in places.iter().enumerate() {
            for (_, key, value) in self.accesses(&self.history.calls[i]).filter(|(writes, ..)| *writes) {
                writers.entry((key, value)).or_default().push(at as u32);
            }
        }
        let of = |&i: &usize| {
            let reads = self.accesses(&self.history.calls[i]).filter(|(writes, ..)| !writes);
            reads.filter_map(|(_, key, value)| writers.get(&(key, value))).flatten().copied().collect()
        };
        places.iter().map(of).collect()
    }
}

struct Registers {
    count: usize,
    initial: Option<i64>,
}

impl SequentialModel for Registers {
    /// What each register holds; `None` before anything is known of it.
    type State = Box<[Option<i64>]>;
    type Call = Asked;
    type Answer = Vec<i64>;

    fn initial(&self) -> Self::State {
        vec![self.initial; self.count].into()
    }

    fn step(&self, state: &Self::State, call: &Asked, answer: Option<&Vec<i64>>) -> Option<Self::State> {
        let mut next = state.clone();
        let mut seen = answer.into_iter().flatten();
        for (key, written) in &call.accesses {
            let register = &mut next[*key as usize];
            if written.is_some() {
                *register = *written;
            } else if let Some(value) = seen.next() {
                match register {
                    Some(held) if held == value => {}
                    None if call.first => *register = Some(*value),
                    _ => return None,
                }
            }
        }
        Some(next)
    }

    fn is_read(&self, call: &Asked, _answer: Option<&Vec<i64>>) -> bool {
        (!call.first || self.initial.is_some()) && call.accesses.iter().all(|(_, written)| written.is_none())
    }
}
