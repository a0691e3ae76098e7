//! Checkers that run while the load runs: told of one event after another, they say at which one the promise was certainly broken,
//! and keep only what a later event can still contradict.
//!
//! - [`Registers`]: registers with compare-and-set, by key.
//! - [`Calls`]: queues, sets, counters and locks.
//! - [`Appends`]: transactions that append to lists and read them.
//! - [`Ticket`]: an operation under way; [`Alarm`]: the first contradiction of an object.
//!
//! # What they are told
//!
//! Invocations and completions in the order of real time, of all processes. Events at the same instant: invocations first, because
//! operations that touch are concurrent. A completion that is told late is harmless: the operation then seems to have lasted
//! longer, which allows more. An invocation must never be told late.
//!
//! # What they promise
//!
//! An alarm is a proof: the events told so far, with everything under way counted as unknown, break the promise. Where nothing else
//! is said, it comes with the first event of which that is true. What leaves the case that a checker can follow (a value written again
//! while the first may still be seen) makes its object undecided: [`Verdict::Unknown`] at the end, and the whole history
//! decides. Nothing undecided is ever called valid.

mod append;
mod counter;
mod frontier;
mod lock;
mod object;
mod open;
mod queue;
mod register;
mod set;
mod zones;

use std::fmt;

use crate::verdict::Verdict;

pub use append::{Appends, Step};
pub use object::Calls;
pub use register::Registers;

/// An operation under way, from its invocation to its completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u32);

/// When an operation was invoked and when it ended, as ranks: numbers of events.
#[derive(Clone, Copy, Debug)]
struct Span {
    invoked: u64,
    now: u64,
}

/// The first contradiction of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// The time of the completion that made it certain, as the stream was told.
    pub at: u64,
    /// The key of the object.
    pub key: u32,
    /// What it is: `stale read`.
    pub title: &'static str,
    /// The reason, in a sentence.
    pub because: String,
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of key {}: {}", self.title, self.key, self.because)
    }
}

/// What a stream knows at some point.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Operations that have ended.
    pub checked: u64,
    /// Objects with a contradiction.
    pub broken: u64,
    /// Objects that it cannot follow.
    pub undecided: u64,
    /// The reason of the first of those.
    pub reason: Option<String>,
}

impl Progress {
    /// The verdict if nothing more comes.
    pub fn verdict(&self) -> Verdict {
        match &self.reason {
            _ if self.broken > 0 => Verdict::Invalid,
            Some(reason) => Verdict::unknown(format!("{reason}: check the history afterwards")),
            None => Verdict::Valid,
        }
    }

    fn give_up(&mut self, reason: impl FnOnce() -> String) {
        self.undecided += 1;
        self.reason.get_or_insert_with(reason);
    }
}
