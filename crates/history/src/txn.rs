//! Transactions: what each did, in flat columns.
//!
//! - [`Transactions`]: processes, intervals and outcomes of all transactions, their micro-operations, and the lists they read.
//! - [`Builder`]: makes one, from any order of input; keys and values get small numbers.
//! - [`from_events`]: those of an imported history.
//! - [`notation`]: transactions as one draws them on a whiteboard, for tests and documents.
//!
//! A *version* is a pair of key and value. It has one number, so that "who wrote it" is an array, not a map.

mod builder;
mod import;
mod notation;

use base::Time;

use crate::operation::Outcome;

pub use builder::{Builder, TooLarge};
pub use import::from_events;
pub use notation::notation;

/// The version of a read that is not known (the transaction did not end `ok`).
pub const UNREAD: u32 = u32::MAX;

/// The version that a register holds before anyone wrote to it.
pub const INITIAL: u32 = u32::MAX - 1;

/// The completion rank of a transaction that never completed.
pub const NEVER: u32 = u32::MAX;

/// What a micro-operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Appends a value to a list.
    Append,
    /// Reads a whole list.
    ReadList,
    /// Sets a register.
    Write,
    /// Reads a register.
    Read,
}

/// One step of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Micro {
    /// What it does.
    pub kind: Kind,
    /// To which key.
    pub key: u32,
    /// The version written or read ([`INITIAL`] for none yet); of a list read, where its elements begin in
    /// [`Transactions::elements`]; [`UNREAD`] if the result of a read is not known.
    pub value: u32,
    /// How many elements a list read returned.
    pub length: u32,
}

/// All transactions of a history, in order of invocation.
#[derive(Clone, Debug, Default)]
pub struct Transactions {
    /// The process of each; one transaction at a time.
    pub process: Vec<u32>,
    /// The place of its invocation among all invocations and completions. At the same instant, invocations come first:
    /// transactions that touch are concurrent.
    pub invoked: Vec<u32>,
    /// The place of its completion; [`NEVER`] unless the outcome is known.
    pub completed: Vec<u32>,
    /// Invocation times, for people.
    pub sent: Vec<Time>,
    /// Completion times, for people; [`Time::MAX`] if the outcome is unknown.
    pub done: Vec<Time>,
    /// What became of it. Reads count only if `ok`.
    pub outcome: Vec<Outcome>,
    /// Where its micro-operations begin in `ops`; one more entry than transactions.
    pub first: Vec<u32>,
    /// The micro-operations of all transactions, one after another.
    pub ops: Vec<Micro>,
    /// The versions of all list reads, one after another.
    pub elements: Vec<u32>,
    /// The names of the keys.
    pub keys: Vec<String>,
    /// The key of each version.
    pub version_key: Vec<u32>,
    /// The value of each version, if it is a number; else the place in `texts`.
    pub version_value: Vec<i64>,
    /// Values that are no numbers, by version.
    pub texts: std::collections::BTreeMap<u32, String>,
    /// Whether intervals were recorded. Without, only the order within a process is known.
    pub timed: bool,
    /// Whether some events named no process: then each transaction stands for itself in `process`, and order within one is not known.
    pub anonymous: bool,
}

impl Transactions {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.process.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.process.is_empty()
    }

    /// Takes the processes for not known.
    pub fn forget_processes(&mut self) {
        self.anonymous = true;
        self.process = (0..self.len() as u32).collect();
    }

    /// The micro-operations of a transaction.
    pub fn ops(&self, transaction: u32) -> &[Micro] {
        let at = transaction as usize;
        &self.ops[self.first[at] as usize..self.first[at + 1] as usize]
    }

    /// What a list read returned; empty for other micro-operations and unknown results.
    pub fn list(&self, op: &Micro) -> &[u32] {
        if op.kind != Kind::ReadList || op.value == UNREAD {
            return &[];
        }
        &self.elements[op.value as usize..op.value as usize + op.length as usize]
    }

    /// How many keys and versions there are.
    pub fn sizes(&self) -> (usize, usize) {
        (self.keys.len(), self.version_key.len())
    }

    /// A version's value in words.
    pub fn value(&self, version: u32) -> String {
        match version {
            UNREAD => "?".into(),
            INITIAL => "nil".into(),
            _ => self.texts.get(&version).cloned().unwrap_or_else(|| self.version_value[version as usize].to_string()),
        }
    }

    /// A micro-operation in words: `append x 1`, `read x [1 2]`, `write x 3`, `read x nil`.
    pub fn show(&self, op: &Micro) -> String {
        let key = &self.keys[op.key as usize];
        match op.kind {
            Kind::Append => format!("append {key} {}", self.value(op.value)),
            Kind::Write => format!("write {key} {}", self.value(op.value)),
            Kind::Read => format!("read {key} {}", self.value(op.value)),
            Kind::ReadList if op.value == UNREAD => format!("read {key} ?"),
            Kind::ReadList => format!("read {key} {}", self.show_list(self.list(op))),
        }
    }

    /// A list in words, its middle left out if it is long.
    pub fn show_list(&self, list: &[u32]) -> String {
        let mut words: Vec<String> = list.iter().map(|version| self.value(*version)).collect();
        if words.len() > 12 {
            words.splice(3..words.len() - 6, [format!("({} more)", list.len() - 9)]);
        }
        format!("[{}]", words.join(" "))
    }
}
