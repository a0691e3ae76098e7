//! A few operations: is there any order that explains them? By trying (Wing & Gong, 1993), with the states that were tried kept (Lowe,
//! 2017). Nothing is left out to make it faster.

use std::collections::HashSet;
use std::hash::Hash;

use history::{Columns, ErrorKind, Function, NIL, Outcome};

/// Most operations of a witness that are tried.
const MOST: usize = 128;
/// States tried before giving up.
const STATES: usize = 100_000;

/// Whether no order explains these operations, given as invocation and completion (`None`: never), where `step` is the state after the
/// operation at a place, if it can happen then. `None`: too many to tell.
pub fn contradicts<S: Clone + Eq + Hash>(
    operations: &[(u64, Option<u64>)],
    initial: S,
    step: impl Fn(usize, &S) -> Option<S>,
) -> Option<bool> {
    if operations.len() > MOST {
        return None;
    }
    let mut tried: HashSet<(u128, S)> = HashSet::new();
    let mut open = vec![(0u128, initial)];
    while let Some((taken, state)) = open.pop() {
        let left = || (0..operations.len()).filter(move |i| taken & (1 << i) == 0);
        // What returns first must be in before anything that is invoked later.
        let Some(first) = left().filter_map(|i| operations[i].1).min() else { return Some(false) };
        if tried.len() > STATES {
            return None;
        }
        for i in left().filter(|i| operations[*i].0 <= first) {
            let next = step(i, &state).map(|state| (taken | 1 << i, state));
            open.extend(next.filter(|next| tried.insert(next.clone())));
        }
    }
    Some(true)
}

/// Whether no order explains the operations on a register at these places, all of one key; `None`: too many to tell.
pub fn register_contradicts(columns: &Columns, places: &[u32]) -> Option<bool> {
    let refused = |i: usize| columns.function[i] == Function::Cas && columns.error[i] == ErrorKind::Precondition;
    let says_something = |i: &usize| match columns.outcome[*i] {
        Outcome::Ok => true,
        Outcome::Fail => refused(*i),
        Outcome::Info => columns.function[*i] != Function::Read,
    };
    let places: Vec<usize> = places.iter().map(|&i| i as usize).filter(says_something).collect();
    let done = |i: usize| (columns.outcome[i] != Outcome::Info).then_some(columns.done[i]);
    let operations: Vec<_> = places.iter().map(|&i| (columns.sent[i], done(i))).collect();
    contradicts(&operations, NIL, |at, value| {
        let i = places[at];
        match columns.function[i] {
            Function::Read => (columns.result[i] == *value).then_some(*value),
            Function::Write => Some(columns.argument[i]),
            Function::Cas if columns.outcome[i] == Outcome::Fail => (columns.expected[i] != *value).then_some(*value),
            Function::Cas => (columns.expected[i] == *value).then_some(columns.argument[i]),
        }
    })
}
