//! What a certificate speaks of: a history in the form in which its promise is judged.

use std::hash::Hasher;

use base::Fingerprint;
use history::event::Events;
use history::object::{Action, Objects};
use history::txn::Transactions;
use history::{Columns, History};

use crate::workload::{Refusal, Workload};

/// A history, ready to be judged. Operations are numbered in order of invocation, from 0.
#[derive(Debug)]
pub enum Subject {
    /// Registers.
    Registers(Box<History>),
    /// Another object.
    Objects(Objects),
    /// Transactions.
    Transactions(Box<Transactions>),
}

impl Subject {
    /// The history of a workload.
    pub fn of(events: &Events, workload: &Workload) -> Result<Subject, Refusal> {
        Ok(match workload.name {
            "register" | "cas-register" => Subject::Registers(Box::new(history::register::from_events(events)?)),
            "list-append" | "rw-register" => {
                let lists = workload.name == "list-append";
                Subject::Transactions(Box::new(history::txn::from_events(events, lists)?))
            }
            name => {
                let mut objects = history::object::from_events(events)?;
                if name == "comments" {
                    // The rows are a set that only grows.
                    let writes = objects.calls.iter_mut().filter(|call| call.action == Action::Transact);
                    writes.for_each(|call| call.action = Action::Add);
                }
                Subject::Objects(objects)
            }
        })
    }

    /// How many operations or transactions.
    pub fn len(&self) -> usize {
        match self {
            Subject::Registers(history) => history.len(),
            Subject::Objects(history) => history.len(),
            Subject::Transactions(history) => history.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A number that another history hardly has: over all that is judged, in order. It tells a mistake, it does not stop a forger.
    pub fn fingerprint(&self) -> u64 {
        let mut all = Fingerprint::new();
        match self {
            Subject::Registers(history) => registers(&mut all, &history.operations),
            Subject::Objects(history) => objects(&mut all, history),
            Subject::Transactions(history) => transactions(&mut all, history),
        }
        all.finish()
    }
}

fn registers(all: &mut Fingerprint, columns: &Columns) {
    for i in 0..columns.len() {
        let what = u64::from(columns.key[i]) << 16 | (columns.function[i] as u64) << 8 | columns.outcome[i] as u64;
        let seen = [columns.argument[i], columns.expected[i], columns.result[i]];
        [what, columns.sent[i], columns.done[i], columns.process[i].into()]
            .iter()
            .chain(&seen)
            .for_each(|word| all.word(*word));
    }
}

fn objects(all: &mut Fingerprint, history: &Objects) {
    for call in &history.calls {
        let what = u64::from(call.key) << 16 | (call.action as u64) << 8 | call.outcome as u64;
        let seen = [call.argument as u64, call.result as u64, u64::from(call.list.len)];
        [what, call.invoked, call.completed, call.process.into()].iter().chain(&seen).for_each(|word| all.word(*word));
    }
    history.elements.iter().for_each(|element| all.word(*element as u64));
    history.names.iter().for_each(|name| all.write(name.as_bytes()));
}

fn transactions(all: &mut Fingerprint, history: &Transactions) {
    for t in 0..history.len() {
        let when = u64::from(history.invoked[t]) << 32 | u64::from(history.completed[t]);
        let what = u64::from(history.process[t]) << 8 | history.outcome[t] as u64;
        [when, what, history.first[t].into()].iter().for_each(|word| all.word(*word));
    }
    for op in &history.ops {
        all.word(u64::from(op.key) << 8 | op.kind as u64);
        all.word(u64::from(op.value) << 32 | u64::from(op.length));
    }
    history.elements.iter().for_each(|element| all.word((*element).into()));
    history.version_value.iter().for_each(|value| all.word(*value as u64));
    history.keys.iter().for_each(|key| all.write(key.as_bytes()));
}
