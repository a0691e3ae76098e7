//! Objects of one's own: ten lines that say what the object does one operation at a time are enough to judge whether a
//! concurrent history of it is linearizable.
//!
//! ```
//! use check::sequential::{Recording, SequentialModel};
//!
//! struct Counter;
//!
//! #[derive(Clone, Debug, PartialEq, Eq, Hash)]
//! enum Call { Add(i64), Get }
//!
//! impl SequentialModel for Counter {
//!     type State = i64;
//!     type Call = Call;
//!     type Answer = i64;
//!
//!     fn initial(&self) -> i64 { 0 }
//!
//!     fn step(&self, state: &i64, call: &Call, answer: Option<&i64>) -> Option<i64> {
//!         match call {
//!             Call::Add(n) => Some(state + n),
//!             Call::Get => answer.is_none_or(|seen| seen == state).then_some(*state),
//!         }
//!     }
//! }
//!
//! let (counter, history) = (std::sync::atomic::AtomicI64::new(0), Recording::default());
//! std::thread::scope(|threads| {
//!     for process in 0..4 {
//!         let (counter, history) = (&counter, &history);
//!         threads.spawn(move || {
//!             let order = std::sync::atomic::Ordering::SeqCst;
//!             history.call(process, Call::Add(1), || { counter.fetch_add(1, order); 0 });
//!             history.call(process, Call::Get, || counter.load(order));
//!         });
//!     }
//! });
//! check::assert_linearizable(&Counter, &history.finish());
//! ```
//!
//! - [`SequentialModel`]: the object; [`Interval`]: one operation on it; [`Recording`]: makes the history in a test.
//! - [`linearize`]: the search, within a [`Budget`]; [`contradiction`]: the few operations that cannot be explained; [`assert_linearizable`]: for `cargo test`.

mod beam;
mod best;
mod dive;
mod frontier;
mod kinds;
mod search;
mod seen;
mod shrink;
mod space;
mod walk;

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use best::Best;
pub(crate) use kinds::{Map, Table};
pub use search::{Budget, Linearized, Searched, linearize};
pub use shrink::contradiction;

/// What an object does, one operation at a time.
///
/// The object is deterministic: `step` without an answer must allow whatever `step` with any answer allows, and lead to the same state.
pub trait SequentialModel {
    /// All that the object remembers. Two equal states must behave alike.
    type State: Clone + Eq + Hash;
    /// What is asked: function and argument.
    type Call: Clone + Eq + Hash + Debug;
    /// What comes back.
    type Answer: Clone + Eq + Hash + Debug;

    /// The state before the first operation.
    fn initial(&self) -> Self::State;

    /// The state after `call` that returned `answer` (`None`: unknown), or `None` if it cannot return that in this state.
    fn step(&self, state: &Self::State, call: &Self::Call, answer: Option<&Self::Answer>) -> Option<Self::State>;

    /// Whether an operation changes nothing, in whatever state. `true` makes the search faster; `false` is always right.
    fn is_read(&self, _call: &Self::Call, _answer: Option<&Self::Answer>) -> bool {
        false
    }

    /// Whether an operation is possible in every state and leads to the same state from each, as a blind write does. `true` makes
    /// the search much faster; `false` is always right.
    fn overwrites(&self, _call: &Self::Call, _answer: Option<&Self::Answer>) -> bool {
        false
    }

    /// A search of one's own, where the general one is slow. `None`: there is none for these operations.
    fn search(&self, _operations: &[IntervalOf<Self>], _budget: &Budget) -> Option<Searched>
    where
        Self: Sized,
    {
        None
    }

    /// The value that an operation puts in or sees. Operations of one value stay together in a witness, so that it shows no
    /// value that nobody put in.
    fn value(&self, _call: &Self::Call, _answer: Option<&Self::Answer>) -> Option<u64> {
        None
    }
}

/// One operation: what was asked, what came back, and between which instants it took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval<C, A> {
    /// Who asked.
    pub process: u32,
    /// What was asked.
    pub call: C,
    /// What came back; `None`: unknown.
    pub answer: Option<A>,
    /// The invocation, in any unit.
    pub invoked: u64,
    /// The completion; `None`: never, so it may take effect at any time after the invocation, or not at all. Operations that
    /// touch (one completes when the other is invoked) are concurrent.
    pub completed: Option<u64>,
}

/// The operation of a model.
pub type IntervalOf<M> = Interval<<M as SequentialModel>::Call, <M as SequentialModel>::Answer>;

/// Records a history in a test: from any thread, in memory.
#[derive(Debug)]
pub struct Recording<C, A> {
    clock: AtomicU64,
    operations: Mutex<Vec<Interval<C, A>>>,
}

impl<C, A> Default for Recording<C, A> {
    fn default() -> Self {
        Recording { clock: AtomicU64::new(0), operations: Mutex::new(Vec::new()) }
    }
}

impl<C, A> Recording<C, A> {
    /// Runs `operate` as the operation `call` of `process`, and returns what it returns.
    pub fn call(&self, process: u32, call: C, operate: impl FnOnce() -> A) -> A
    where
        A: Clone,
    {
        let invoked = self.clock.fetch_add(1, Ordering::SeqCst);
        let answer = operate();
        let completed = Some(self.clock.fetch_add(1, Ordering::SeqCst));
        self.push(Interval { process, call, answer: Some(answer.clone()), invoked, completed });
        answer
    }

    /// Runs `operate` as an operation of which nobody will know whether it happened.
    pub fn unknown(&self, process: u32, call: C, operate: impl FnOnce()) {
        let invoked = self.clock.fetch_add(1, Ordering::SeqCst);
        operate();
        self.push(Interval { process, call, answer: None, invoked, completed: None });
    }

    fn push(&self, operation: Interval<C, A>) {
        self.operations.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(operation);
    }

    /// The history in order of invocation.
    pub fn finish(self) -> Vec<Interval<C, A>> {
        let mut operations = self.operations.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        operations.sort_by_key(|op| op.invoked);
        operations
    }
}

/// Panics unless the operations are linearizable (Herlihy & Wing, 1990), and says which few of them contradict each other. Panics too
/// when that cannot be decided within ten million configurations: a test that proves nothing should not pass.
#[track_caller]
pub fn assert_linearizable<M: SequentialModel>(model: &M, operations: &[IntervalOf<M>]) {
    const BUDGET: usize = 10_000_000;
    match linearize(model, operations, BUDGET) {
        Linearized::Order(_) => {}
        Linearized::Undecided { from, at, reason } => {
            panic!("not decided whether the history is linearizable: {reason}, between {from} and {at}")
        }
        Linearized::Contradiction { .. } => {
            let witness = contradiction(model, operations, BUDGET).unwrap_or_default();
            let lines: Vec<String> = witness.iter().map(|&i| tell(&operations[i as usize])).collect();
            panic!("not linearizable: no order explains these operations\n{}", lines.join("\n"))
        }
    }
}

fn tell<C: Debug, A: Debug>(op: &Interval<C, A>) -> String {
    let Interval { process, call, answer, invoked, completed } = op;
    match (answer, completed) {
        (Some(answer), Some(completed)) => format!("  p{process} [{invoked}, {completed}] {call:?} -> {answer:?}"),
        (_, Some(completed)) => format!("  p{process} [{invoked}, {completed}] {call:?}"),
        (_, None) => format!("  p{process} [{invoked}, ...] {call:?} -> unknown"),
    }
}

#[cfg(test)]
mod tests;
