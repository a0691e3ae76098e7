//! The objects one operation at a time, and those that the search decides alone: stack, priority queue, lock without owner.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::Hash;

use history::object::{Action, NOTHING};

use super::search::{Asked, by_search};
use super::{Exactness, Object, fifo, stack};
use crate::sequential::{Budget, IntervalOf, Searched, SequentialModel};

macro_rules! searched {
    ($(#[doc = $doc:literal])+ $object:ident, $name:literal, $summary:literal, $model:expr, owned: $owned:literal) => {
        $(#[doc = $doc])+
        pub static $object: Object = Object {
            name: $name,
            summary: $summary,
            exactness: Exactness::Exact,
            decide: |history, options| by_search(history, options, &$model, $owned),
        };
    };
}

searched!(
    /// A stack.
    STACK, "stack", "a pop returns the value that was pushed last and not popped yet, linearizably", Holding(Stack), owned: false);
searched!(
    /// A priority queue.
    PRIORITY_QUEUE, "priority-queue", "a dequeue returns the least value in the queue, linearizably", Holding(PriorityQueue), owned: false);
searched!(
    /// A lock that anyone may release, as in Knossos.
    MUTEX, "mutex", "a lock is acquired only when it is free and released only when it is held", Mutex, owned: false);

/// What holds values and gives them back, each in an order of its own.
pub trait Container {
    /// What it holds.
    type Values: Clone + Default + Eq + Hash;

    /// Takes `value` in.
    fn put(values: &mut Self::Values, value: i64);

    /// Gives the value out whose turn it is, if there is one.
    fn take(values: &mut Self::Values) -> Option<i64>;

    /// Its own search, as [`SequentialModel::search`].
    fn search(_operations: &[IntervalOf<Holding<Self>>], _budget: &Budget) -> Option<Searched>
    where
        Self: Sized,
    {
        None
    }
}

/// A container as a sequential model: what is enqueued or pushed is put, what is dequeued or popped is taken.
pub struct Holding<C>(pub C);

impl<C: Container> SequentialModel for Holding<C> {
    type State = C::Values;
    type Call = Asked;
    type Answer = Vec<i64>;

    fn initial(&self) -> C::Values {
        C::Values::default()
    }

    fn step(&self, state: &C::Values, call: &Asked, answer: Option<&Vec<i64>>) -> Option<C::Values> {
        let mut next = state.clone();
        match call.1 {
            Action::Enqueue | Action::Push => C::put(&mut next, call.2),
            Action::Dequeue | Action::Pop => {
                let taken = C::take(&mut next).unwrap_or(NOTHING);
                return fits(answer, taken).then_some(next);
            }
            _ => return None,
        }
        Some(next)
    }

    fn search(&self, operations: &[IntervalOf<Self>], budget: &Budget) -> Option<Searched> {
        C::search(operations, budget)
    }

    fn is_read(&self, call: &Asked, answer: Option<&Vec<i64>>) -> bool {
        matches!(call.1, Action::Dequeue | Action::Pop) && is_nothing(answer)
    }

    fn value(&self, call: &Asked, answer: Option<&Vec<i64>>) -> Option<u64> {
        match call.1 {
            Action::Enqueue | Action::Push => Some(call.2 as u64),
            _ => answer.and_then(|answer| answer.first()).filter(|value| **value != NOTHING).map(|value| *value as u64),
        }
    }
}

/// First in, first out.
pub struct Fifo;

impl Container for Fifo {
    type Values = VecDeque<i64>;

    fn put(values: &mut VecDeque<i64>, value: i64) {
        values.push_back(value);
    }

    fn take(values: &mut VecDeque<i64>) -> Option<i64> {
        values.pop_front()
    }

    fn search(operations: &[IntervalOf<Holding<Self>>], budget: &Budget) -> Option<Searched> {
        fifo::search(operations, budget)
    }
}

/// Last in, first out.
pub struct Stack;

impl Container for Stack {
    type Values = Vec<i64>;

    fn put(values: &mut Vec<i64>, value: i64) {
        values.push(value);
    }

    fn take(values: &mut Vec<i64>) -> Option<i64> {
        values.pop()
    }

    fn search(operations: &[IntervalOf<Holding<Self>>], budget: &Budget) -> Option<Searched> {
        stack::search(operations, budget)
    }
}

/// Least first; equal values are counted.
pub struct PriorityQueue;

impl Container for PriorityQueue {
    type Values = BTreeMap<i64, u32>;

    fn put(values: &mut BTreeMap<i64, u32>, value: i64) {
        *values.entry(value).or_insert(0) += 1;
    }

    fn take(values: &mut BTreeMap<i64, u32>) -> Option<i64> {
        let mut least = values.first_entry()?;
        let value = *least.key();
        *least.get_mut() -= 1;
        if *least.get() == 0 {
            least.remove();
        }
        Some(value)
    }
}

/// A set that answers for single elements and for all.
pub struct Set;

impl SequentialModel for Set {
    type State = BTreeSet<i64>;
    type Call = Asked;
    type Answer = Vec<i64>;

    fn initial(&self) -> BTreeSet<i64> {
        BTreeSet::new()
    }

    fn step(&self, state: &BTreeSet<i64>, call: &Asked, answer: Option<&Vec<i64>>) -> Option<BTreeSet<i64>> {
        let mut next = state.clone();
        match call.1 {
            Action::Add => drop(next.insert(call.2)),
            Action::Remove => drop(next.remove(&call.2)),
            Action::Contains => return fits(answer, i64::from(state.contains(&call.2))).then_some(next),
            Action::Read => return answer.is_none_or(|seen| is_all(state, seen)).then_some(next),
            _ => return None,
        }
        Some(next)
    }

    fn is_read(&self, call: &Asked, _answer: Option<&Vec<i64>>) -> bool {
        matches!(call.1, Action::Contains | Action::Read)
    }

    fn value(&self, call: &Asked, _answer: Option<&Vec<i64>>) -> Option<u64> {
        (call.1 != Action::Read).then_some(call.2 as u64)
    }
}

fn is_all(state: &BTreeSet<i64>, seen: &[i64]) -> bool {
    let seen = if seen == [NOTHING] { &[] } else { seen };
    seen.len() == state.len() && seen.iter().all(|element| state.contains(element))
}

/// A counter.
pub struct Counter;

impl SequentialModel for Counter {
    type State = i64;
    type Call = Asked;
    type Answer = Vec<i64>;

    fn initial(&self) -> i64 {
        0
    }

    fn step(&self, state: &i64, call: &Asked, answer: Option<&Vec<i64>>) -> Option<i64> {
        match call.1 {
            // An increment may answer with the new value.
            Action::Add => state.checked_add(call.2).filter(|next| is_nothing_or_none(answer) || fits(answer, *next)),
            Action::Read => fits(answer, *state).then_some(*state),
            _ => None,
        }
    }

    fn is_read(&self, call: &Asked, _answer: Option<&Vec<i64>>) -> bool {
        call.1 == Action::Read
    }
}

/// A lock without an owner.
pub struct Mutex;

impl SequentialModel for Mutex {
    type State = bool;
    type Call = Asked;
    type Answer = Vec<i64>;

    fn initial(&self) -> bool {
        false
    }

    fn step(&self, held: &bool, call: &Asked, _answer: Option<&Vec<i64>>) -> Option<bool> {
        match call.1 {
            Action::Acquire => (!held).then_some(true),
            Action::Release => held.then_some(false),
            _ => None,
        }
    }
}

/// A lock of an owner, who may take it `most` times before giving it back as often.
pub struct Reentrant {
    /// How often.
    pub most: u32,
}

impl SequentialModel for Reentrant {
    /// The holder and how often it holds; nobody holds zero times.
    type State = (u32, u32);
    type Call = Asked;
    type Answer = Vec<i64>;

    fn initial(&self) -> (u32, u32) {
        (0, 0)
    }

    fn step(&self, state: &(u32, u32), call: &Asked, _answer: Option<&Vec<i64>>) -> Option<(u32, u32)> {
        let (process, (owner, times)) = (call.0, *state);
        match call.1 {
            Action::Acquire if times == 0 => Some((process, 1)),
            Action::Acquire => (owner == process && times < self.most).then_some((owner, times + 1)),
            Action::Release if times == 0 || owner != process => None,
            Action::Release if times == 1 => Some((0, 0)),
            Action::Release => Some((owner, times - 1)),
            _ => None,
        }
    }
}

/// A lock of an owner, with tokens that grow. A token that is not known is one more than the last, the least it can be.
pub struct Fenced;

impl SequentialModel for Fenced {
    /// The holder, and the last token.
    type State = (Option<u32>, i64);
    type Call = Asked;
    type Answer = Vec<i64>;

    fn initial(&self) -> Self::State {
        (None, NOTHING)
    }

    fn step(&self, state: &Self::State, call: &Asked, answer: Option<&Vec<i64>>) -> Option<Self::State> {
        let (holder, last) = *state;
        match call.1 {
            Action::Acquire if holder.is_none() => {
                let token = answer.and_then(|answer| answer.first()).copied().filter(|token| *token != NOTHING);
                // Without an answer the least that can be: one that allows every token to come.
                let token = token.unwrap_or(last);
                (token > last || is_nothing_or_none(answer)).then_some((Some(call.0), token))
            }
            Action::Release => (holder == Some(call.0)).then_some((None, last)),
            _ => None,
        }
    }
}

/// Permits that processes take and give back.
pub struct Semaphore {
    /// How many there are.
    pub permits: u32,
}

impl SequentialModel for Semaphore {
    /// How many each process holds.
    type State = BTreeMap<u32, u32>;
    type Call = Asked;
    type Answer = Vec<i64>;

    fn initial(&self) -> Self::State {
        BTreeMap::new()
    }

    fn step(&self, state: &Self::State, call: &Asked, _answer: Option<&Vec<i64>>) -> Option<Self::State> {
        let mut next = state.clone();
        match call.1 {
            Action::Acquire => {
                *next.entry(call.0).or_insert(0) += 1;
                (next.values().sum::<u32>() <= self.permits).then_some(next)
            }
            Action::Release => {
                let held = next.get_mut(&call.0)?;
                *held -= 1;
                if *held == 0 {
                    next.remove(&call.0);
                }
                Some(next)
            }
            _ => None,
        }
    }
}

/// Whether `value` can be the answer.
fn fits(answer: Option<&Vec<i64>>, value: i64) -> bool {
    answer.is_none_or(|answer| answer.first() == Some(&value))
}

fn is_nothing(answer: Option<&Vec<i64>>) -> bool {
    answer.is_some_and(|answer| answer.first() == Some(&NOTHING))
}

fn is_nothing_or_none(answer: Option<&Vec<i64>>) -> bool {
    answer.is_none() || is_nothing(answer)
}
