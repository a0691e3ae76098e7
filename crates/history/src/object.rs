//! Histories of objects other than registers: queues, stacks, sets, counters, locks, logs, banks.
//!
//! [`Objects`] holds one [`Call`] of fixed size per operation, in order of invocation, and one arena for all lists. What
//! argument, result and list mean depends on the [`Action`] and stands there. [`from_events`] makes them of an imported history.

use std::fmt;

use crate::operation::Outcome;

mod from_events;

pub use from_events::from_events;

/// A result that is nothing: an empty queue, no token, a balance that is missing. Also an argument that is not there.
pub const NOTHING: i64 = i64::MIN;

/// The time of a completion that never came.
pub const NEVER: u64 = u64::MAX;

macro_rules! actions {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal;)+) => {
        /// What an operation asks of its object.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action { $($(#[doc = $doc])+ $variant,)+ }

        impl Action {
            /// Every action.
            pub const ALL: &[Action] = &[$(Action::$variant,)+];

            /// The name in histories and reports.
            pub fn name(self) -> &'static str {
                match self { $(Action::$variant => $name,)+ }
            }

            /// The action of this name.
            pub fn find(name: &str) -> Option<Action> {
                Self::ALL.iter().copied().find(|action| action.name() == name)
            }
        }
    };
}

actions! {
    /// The whole object: the result of a counter; the list of a set; pairs (account, balance) of a bank.
    Read = "read";
    /// Puts `argument` at the end of a queue, or into a priority queue.
    Enqueue = "enqueue";
    /// Takes the first value of a queue: `result`, or [`NOTHING`] if it was empty.
    Dequeue = "dequeue";
    /// Takes all that is in a queue: the list.
    Drain = "drain";
    /// Puts `argument` on a stack.
    Push = "push";
    /// Takes the top of a stack: `result`, or [`NOTHING`] if it was empty.
    Pop = "pop";
    /// Puts `argument` into a set, or adds it to a counter.
    Add = "add";
    /// Takes `argument` out of a set.
    Remove = "remove";
    /// Whether `argument` is in a set: `result` 1 or 0.
    Contains = "contains";
    /// Takes a lock or a permit; `result` is the fencing token, if there is one.
    Acquire = "acquire";
    /// Gives a lock or a permit back.
    Release = "release";
    /// Moves money: the list is from, to, amount.
    Transfer = "transfer";
    /// Asks for a new id: `result`.
    Generate = "generate";
    /// The string `result`.
    Get = "get";
    /// Puts the string `argument` in place of what was there.
    Put = "put";
    /// Adds `argument` at the end of a string.
    Append = "append";
    /// Appends to and reads from logs: the list is of (0 send | 1 poll, log, offset, value); a send without an answer has the offset [`NOTHING`].
    Log = "log";
    /// Chooses the logs that a consumer polls from now on: the list. Its position may be anywhere afterwards.
    Assign = "assign";
    /// Who leads: `argument` leads the term `result`; [`NOTHING`] if nobody is known to.
    Inspect = "inspect";
    /// What a watcher was told, in order: the list.
    Watch = "watch";
    /// Reads and writes registers at once: the list is of (0 read | 1 write, key, value).
    Transact = "txn";
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A list, as a part of [`Objects::elements`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Its first element.
    pub start: u32,
    /// Its length.
    pub len: u32,
}

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Who asked.
    pub process: u32,
    /// Of which object, counted densely from 0.
    pub key: u32,
    /// What was asked.
    pub action: Action,
    /// What came of it.
    pub outcome: Outcome,
    /// With which argument; [`NOTHING`] if none.
    pub argument: i64,
    /// What came back; [`NOTHING`] if nothing.
    pub result: i64,
    /// The list that came back, or that was asked.
    pub list: Span,
    /// The invocation, in nanoseconds or as a rank.
    pub invoked: u64,
    /// The completion; [`NEVER`] if the outcome is unknown.
    pub completed: u64,
}

impl Call {
    /// An operation that is `ok`, with neither argument nor result.
    pub fn new(process: u32, action: Action, invoked: u64, completed: u64) -> Call {
        Call {
            process,
            key: 0,
            action,
            outcome: Outcome::Ok,
            argument: NOTHING,
            result: NOTHING,
            list: Span::default(),
            invoked,
            completed,
        }
    }

    /// Whether it certainly happened.
    #[inline]
    pub fn is_ok(&self) -> bool {
        self.outcome == Outcome::Ok
    }

    /// Whether it may have happened.
    #[inline]
    pub fn may_have_happened(&self) -> bool {
        self.outcome != Outcome::Fail
    }
}

/// All operations of a history, in order of invocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    /// The operations.
    pub calls: Vec<Call>,
    /// The elements of all lists.
    pub elements: Vec<i64>,
    /// What values are called that are no integers: the first is `NOTHING + 1`.
    pub names: Vec<String>,
    /// What keys are called; the others by their number.
    pub keys: Vec<String>,
}

impl Objects {
    /// Adds an operation and its list. An operation of unknown outcome never completes.
    pub fn push(&mut self, call: Call, list: &[i64]) {
        let span = Span { start: self.elements.len() as u32, len: list.len() as u32 };
        self.elements.extend_from_slice(list);
        let completed = if call.outcome == Outcome::Info { NEVER } else { call.completed };
        self.calls.push(Call { list: span, completed, ..call });
    }

    /// Puts the operations in order of invocation.
    pub fn sort(&mut self) {
        self.calls.sort_by_key(|call| call.invoked);
    }

    /// The list of an operation.
    pub fn list(&self, call: &Call) -> &[i64] {
        let start = call.list.start as usize;
        self.elements.get(start..start + call.list.len as usize).unwrap_or(&[])
    }

    /// A value as the history calls it.
    pub fn show(&self, value: i64) -> String {
        let name = usize::try_from(value.wrapping_sub(NOTHING)).ok().filter(|_| value < 0);
        match name {
            Some(0) => "nothing".into(),
            Some(place) => self.names.get(place - 1).cloned().unwrap_or_else(|| value.to_string()),
            None => value.to_string(),
        }
    }

    /// A key as the history calls it.
    pub fn key_name(&self, key: u32) -> String {
        self.keys.get(key as usize).cloned().unwrap_or_else(|| key.to_string())
    }

    /// How many operations.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// A part of the history: the operations at these places, with all lists.
    pub fn part(&self, places: &[u32]) -> Objects {
        let mut part = Objects { names: self.names.clone(), keys: self.keys.clone(), ..Objects::default() };
        for call in places.iter().filter_map(|&i| self.calls.get(i as usize)) {
            part.push(*call, self.list(call));
        }
        part
    }
}
