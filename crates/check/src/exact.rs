//! Exact search on one register, for what the zones cannot decide: values written more than once, and failed compare-and-sets.
//!
//! The search itself is [`linearize`]; here a register becomes a [`SequentialModel`]. Values that nobody sees are one
//! value to the search.

use std::collections::BTreeSet;

use history::{Columns, ErrorKind, Function, Outcome};

use crate::sequential::{Budget, Interval, Linearized, SequentialModel, linearize};

/// One operation of a key, as the search needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op {
    /// Its place in the history.
    pub index: u32,
    /// What it did, or would have done.
    pub step: Step,
    /// Invocation, ns.
    pub sent: u64,
    /// Completion, ns; `u64::MAX`: never.
    pub done: u64,
}

/// The effect of an operation on a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Saw this value.
    Read(u64),
    /// Set this value.
    Write(u64),
    /// Saw the first and set the second.
    Cas(u64, u64),
    /// Saw any value but this.
    Not(u64),
}

impl Step {
    /// The value it needs to find.
    pub fn needs(self) -> Option<u64> {
        match self {
            Step::Read(value) | Step::Cas(value, _) => Some(value),
            Step::Write(_) | Step::Not(_) => None,
        }
    }

    /// The value it leaves behind.
    pub fn sets(self) -> Option<u64> {
        match self {
            Step::Write(value) | Step::Cas(_, value) => Some(value),
            Step::Read(_) | Step::Not(_) => None,
        }
    }

    /// The value that it tells from others.
    fn names(self) -> Option<u64> {
        match self {
            Step::Not(value) => Some(value),
            step => step.needs(),
        }
    }

    /// The same, with a value that is not `named` replaced by `unseen`.
    fn merged(self, named: &BTreeSet<u64>, unseen: u64) -> Step {
        let merge = |value| if named.contains(&value) { value } else { unseen };
        match self {
            Step::Write(value) => Step::Write(merge(value)),
            Step::Cas(old, new) => Step::Cas(old, merge(new)),
            step => step,
        }
    }

    fn apply(self, state: u64) -> Option<u64> {
        match self {
            Step::Read(value) => (state == value).then_some(state),
            Step::Write(value) => Some(value),
            Step::Cas(old, new) => (state == old).then_some(new),
            Step::Not(value) => (state != value).then_some(state),
        }
    }
}

impl Op {
    /// The operation at `index`, or `None` if it constrains nothing: no answer, or certainly no effect.
    pub fn of(columns: &Columns, index: u32) -> Option<Op> {
        let i = index as usize;
        let (argument, expected) = (columns.argument[i], columns.expected[i]);
        let step = match (columns.function[i], columns.outcome[i]) {
            (Function::Read, Outcome::Ok) => Step::Read(columns.result[i]),
            (Function::Read, _) => return None,
            (Function::Write, Outcome::Ok | Outcome::Info) => Step::Write(argument),
            (Function::Cas, Outcome::Ok | Outcome::Info) => Step::Cas(expected, argument),
            (Function::Cas, Outcome::Fail) if columns.error[i] == ErrorKind::Precondition => Step::Not(expected),
            (Function::Write | Function::Cas, Outcome::Fail) => return None,
        };
        let done = if columns.outcome[i] == Outcome::Info { u64::MAX } else { columns.done[i] };
        Some(Op { index, step, sent: columns.sent[i], done })
    }

    fn is_pending(&self) -> bool {
        self.done == u64::MAX
    }
}

/// What the search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Search {
    /// An order that explains everything, as indices into the history.
    Order(Vec<u32>),
    /// No order explains the operations up to the return at this time.
    None {
        /// When it became certain, ns.
        at: u64,
    },
    /// The budget ran out.
    GaveUp {
        /// How far the search came, ns.
        at: u64,
        /// Why.
        reason: &'static str,
    },
}

/// Searches an order of `ops` (of one key, whose first value is `initial`) within `budget`.
pub fn search(ops: &[Op], initial: u64, budget: impl Into<Budget>) -> Search {
    let mut named: BTreeSet<u64> = ops.iter().filter_map(|op| op.step.names()).collect();
    named.insert(initial);
    if let Some(phantom) = phantom(ops, initial) {
        return Search::None { at: phantom.done };
    }
    let denied = ops.iter().any(|op| matches!(op.step, Step::Not(_)));
    // Without a denial, nothing can tell a pending mutation whose value is unseen from one that did not happen.
    let relevant = |op: &&Op| denied || !op.is_pending() || op.step.sets().is_some_and(|value| named.contains(&value));
    let kept: Vec<&Op> = ops.iter().filter(relevant).collect();
    let unseen = (0..=u64::MAX).find(|value| !named.contains(value)).unwrap_or(initial);
    let interval = |op: &&Op| Interval {
        process: 0,
        call: op.step.merged(&named, unseen),
        answer: (!op.is_pending()).then_some(()),
        invoked: op.sent,
        completed: (!op.is_pending()).then_some(op.done),
    };
    let intervals: Vec<_> = kept.iter().map(interval).collect();
    match linearize(&Register { initial }, &intervals, budget) {
        Linearized::Order(order) => Search::Order(order.into_iter().map(|i| kept[i as usize].index).collect()),
        Linearized::Contradiction { at, .. } => Search::None { at },
        Linearized::Undecided { at, reason, .. } => Search::GaveUp { at, reason },
    }
}

/// The operation that returned first of those that found a value which nobody set.
fn phantom(ops: &[Op], initial: u64) -> Option<&Op> {
    let mut set: BTreeSet<u64> = ops.iter().filter_map(|op| op.step.sets()).collect();
    set.insert(initial);
    let found = |op: &&Op| !op.is_pending() && op.step.needs().is_some_and(|value| !set.contains(&value));
    ops.iter().filter(found).min_by_key(|op| op.done)
}

/// A register that first holds `initial`.
struct Register {
    initial: u64,
}

impl SequentialModel for Register {
    type State = u64;
    type Call = Step;
    type Answer = ();

    fn initial(&self) -> u64 {
        self.initial
    }

    fn step(&self, state: &u64, call: &Step, _answer: Option<&()>) -> Option<u64> {
        call.apply(*state)
    }

    fn is_read(&self, call: &Step, _answer: Option<&()>) -> bool {
        call.sets().is_none()
    }

    fn overwrites(&self, call: &Step, _answer: Option<&()>) -> bool {
        matches!(call, Step::Write(_))
    }
}
