//! Imported histories: which object or transaction they are of, and the promises that can be asked of it.
//!
//! A new workload is one line in [`WORKLOADS`]: its name, the models it can be held against (the first is the default), and the
//! function that turns [`Events`] into columns and asks the checker.

use std::collections::{BTreeMap, BTreeSet};

use history::event::{Events, Value, Wrong};
use history::register;

use crate::model::{LINEARIZABLE, Options, check};
use crate::report::Report;

/// What is asked of a history.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The model; the workload's default if `None`.
    pub model: Option<String>,
    /// What the workload needs to know: `group-size=3`.
    pub settings: BTreeMap<String, String>,
    /// How to check.
    pub options: Options,
}

/// Why there is no report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// An event that means nothing to this workload.
    Malformed(Wrong),
    /// The workload has no such model, or there is no such workload.
    Unsupported(String),
}

impl From<Wrong> for Refusal {
    fn from(wrong: Wrong) -> Refusal {
        Refusal::Malformed(wrong)
    }
}

/// An object or kind of transaction whose histories can be judged.
pub struct Workload {
    /// The name on the command line and in tables of questions.
    pub name: &'static str,
    /// What its operations do, in a sentence.
    pub summary: &'static str,
    /// The models it can be held against; the first is the default.
    pub models: &'static [&'static str],
    pub(crate) decide: fn(&Events, &str, &Question) -> Result<Report, Refusal>,
}

/// Every workload of imported histories.
pub static WORKLOADS: &[&Workload] = &[&REGISTER, &CAS_REGISTER, &LIST_APPEND, &RW_REGISTER];

static REGISTER: Workload = Workload {
    name: "register",
    summary: "`read` and `write` of one value, or of one for each key",
    models: &["linearizable"],
    decide: registers,
};

static CAS_REGISTER: Workload = Workload {
    name: "cas-register",
    summary: "registers with `cas` of `[old new]`",
    models: &["linearizable"],
    decide: registers,
};

static LIST_APPEND: Workload = Workload {
    name: "list-append",
    summary: "transactions that append to lists and read whole lists",
    models: crate::txn::level::NAMES,
    decide: |events, model, question| Ok(transactions(&history::txn::from_events(events, true)?, model, question)),
};

static RW_REGISTER: Workload = Workload {
    name: "rw-register",
    summary: "transactions that write and read registers, every value once",
    models: crate::txn::level::NAMES,
    decide: |events, model, question| Ok(transactions(&history::txn::from_events(events, false)?, model, question)),
};

fn transactions(transactions: &history::txn::Transactions, model: &str, question: &Question) -> Report {
    crate::txn::check_transactions_with(transactions, &question.options).answer(transactions, model)
}

fn registers(events: &Events, _model: &str, question: &Question) -> Result<Report, Refusal> {
    let history = register::from_events(events)?;
    Ok(check(&history, &LINEARIZABLE, &question.options))
}

impl Workload {
    /// The workload of this name.
    pub fn find(name: &str) -> Option<&'static Workload> {
        WORKLOADS.iter().copied().find(|workload| workload.name == name)
    }

    /// Answers the question. A checker that panics says `unknown`.
    pub fn judge(&self, events: &Events, question: &Question) -> Result<Report, Refusal> {
        let model = question.model.as_deref().unwrap_or(self.models[0]);
        if !self.models.contains(&model) {
            let known = self.models.join("`, `");
            return Err(Refusal::Unsupported(format!(
                "`{}` cannot be held against `{model}`, only against `{known}`",
                self.name
            )));
        }
        let decide = std::panic::AssertUnwindSafe(|| (self.decide)(events, model, question));
        std::panic::catch_unwind(decide)
            .unwrap_or_else(|_| Err(Refusal::Unsupported("the checker failed (a bug in assize)".to_string())))
    }
}

/// The name of the workload that the events look like, whether or not it can be judged; `None` if they look like none. Linear, but stops at the first
/// event that decides.
pub fn recognise(events: &Events) -> Option<&'static str> {
    let functions: BTreeSet<&str> = events.functions().collect();
    let has = |name: &str| functions.contains(name);
    if has("txn") {
        return Some(micro_operations(events));
    }
    let name = if has("enqueue") || has("dequeue") {
        if has("drain") { "total-queue" } else { "fifo-queue" }
    } else if has("acquire") || has("release") {
        if acquires_give_tokens(events) { "fenced-mutex" } else { "mutex" }
    } else if has("send") || has("poll") {
        "kafka"
    } else if has("append") || has("put") {
        "kv"
    } else if has("generate") {
        "unique-ids"
    } else if has("transfer") || (has("read") && reads(events, |value| value.is_map())) {
        "bank"
    } else if has("cas") {
        "cas-register"
    } else if has("add") || has("increment") || has("decrement") {
        additions(events)
    } else if has("read") && reads(events, is_micro_operations) {
        "long-fork"
    } else if has("write") && reads(events, |value| value.is_sequence()) && !register::is_keyed(events) {
        "comments"
    } else if has("read") || has("write") {
        "register"
    } else {
        return None;
    };
    Some(name)
}

/// Whether a value is like `[[:r 0 nil] ...]`.
fn is_micro_operations(value: Value<'_>) -> bool {
    let mut items = value.items();
    let micro = |item: Value<'_>| item.tuple().is_some_and(|[f, _, _]: [Value<'_>; 3]| f.word().is_some());
    items.next().is_some_and(micro) && items.all(micro)
}

/// By the micro-operations that occur.
fn micro_operations(events: &Events) -> &'static str {
    let mut found = "rw-register";
    for item in events.iter().flat_map(|event| event.value.items()) {
        match item.items().next().and_then(Value::word) {
            Some("append") => return "list-append",
            Some("send" | "poll") => return "kafka",
            Some("read" | "write") => found = "multi-register",
            _ => {}
        }
    }
    found
}

/// Whether the values of `ok` reads that are not nil, of which there must be some, all are so. The value of a tuple is `[key value]`'s too.
fn reads(events: &Events, so: impl Fn(Value<'_>) -> bool) -> bool {
    let mut read = events.iter().filter(|event| event.function == "read" && !event.value.is_nil());
    read.next().is_some_and(|event| so(event.value)) && read.all(|event| so(event.value))
}

fn acquires_give_tokens(events: &Events) -> bool {
    let mut given = events.iter().filter(|event| event.function == "acquire" && event.kind.name() == "ok");
    given.any(|event| event.value.integer().is_some())
}

/// A set if reads give collections, else a counter; a set that is read while it grows is a `set-full`.
fn additions(events: &Events) -> &'static str {
    let keyed = register::is_keyed(events);
    let inner = |value: Value<'_>| match value.tuple() {
        Some([_, inner]) if keyed => inner.is_sequence(),
        _ => value.is_sequence(),
    };
    let collections =
        events.iter().any(|event| event.function == "read" && event.kind.name() == "ok" && inner(event.value));
    if !collections {
        return "counter";
    }
    let mut last_add = 0;
    let mut first_read = usize::MAX;
    for (index, event) in events.iter().enumerate() {
        match event.function {
            "add" => last_add = index,
            "read" => first_read = first_read.min(index),
            _ => {}
        }
    }
    if first_read < last_add { "set-full" } else { "set" }
}
