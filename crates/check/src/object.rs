//! Promises of objects other than registers.
//!
//! - [`OBJECTS`]: the registry. A new object is one file here and one line there.
//! - [`check_object`]: a history against an [`Object`] gives a [`Report`].
//! - `model`: the objects as sequential models, for the exact search; `fifo` and `stack`: searches of their own.
//! - One file each: `queue` (first in, first out; fast and exact), `delivery` (at least once, and Jepsen's total queue), `set`,
//!   `counter`, `lock` (owned, reentrant, fenced, semaphore), `bank`, `unique_ids`, `log` (Kafka-like), `long_fork`,
//!   `broadcast`, `leader`, `watch`, `comments`, `strings`, `multi_register` (transactions over several).

pub(crate) mod bank;
pub(crate) mod broadcast;
pub(crate) mod comments;
pub(crate) mod counter;
mod cut;
pub(crate) mod delivery;
mod draw;
mod element;
mod fifo;
pub(crate) mod leader;
pub(crate) mod lock;
pub(crate) mod log;
pub(crate) mod long_fork;
pub(crate) mod model;
pub(crate) mod multi_register;
mod needs;
mod part;
pub(crate) mod queue;
mod search;
pub(crate) mod set;
mod stack;
pub(crate) mod strings;
mod tell;
pub(crate) mod unique_ids;
mod values;
pub(crate) mod watch;

use std::collections::{BTreeMap, BTreeSet};

use history::object::Objects;

use crate::certificate;
use crate::model::Options;
use crate::report::{Anomaly, AnomalyKind, Report};
use crate::verdict::{BUG, Verdict};

pub(crate) use part::{Part, each_key};
pub use search::linearizable;
pub use tell::sentence;
pub(crate) use values::Values;

/// What a verdict of a checker means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exactness {
    /// `valid` if and only if the promise was kept.
    Exact,
    /// `invalid` is a proof; `valid` says that the named conditions hold, which the summary states.
    Conditions,
}

/// A promise that a history of an object can be held against.
pub struct Object {
    /// The name in plans, on the command line and in reports.
    pub name: &'static str,
    /// What it promises, in a sentence.
    pub summary: &'static str,
    /// What its verdict means.
    pub exactness: Exactness,
    pub(crate) decide: fn(&Objects, &Options) -> Findings,
}

/// Every object that assize judges.
pub static OBJECTS: &[&Object] = &[
    &queue::FIFO_QUEUE,
    &delivery::AT_LEAST_ONCE_QUEUE,
    &delivery::TOTAL_QUEUE,
    &model::STACK,
    &model::PRIORITY_QUEUE,
    &set::LINEARIZABLE_SET,
    &set::SET,
    &set::SET_FULL,
    &set::SET_FULL_LINEARIZABLE,
    &counter::LINEARIZABLE_COUNTER,
    &counter::COUNTER,
    &counter::PN_COUNTER,
    &model::MUTEX,
    &lock::OWNED_MUTEX,
    &lock::REENTRANT_MUTEX,
    &lock::FENCED_MUTEX,
    &lock::SEMAPHORE,
    &bank::BANK,
    &unique_ids::UNIQUE_IDS,
    &log::KAFKA,
    &long_fork::LONG_FORK,
    &broadcast::BROADCAST,
    &leader::LEADER,
    &watch::WATCH,
    &comments::COMMENTS,
    &strings::KV,
    &multi_register::MULTI_REGISTER,
];

impl Object {
    /// The object of this name.
    pub fn find(name: &str) -> Option<&'static Object> {
        OBJECTS.iter().copied().find(|object| object.name == name)
    }
}

/// What a checker of objects found: contradictions, and what it could not decide.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    found: Vec<Found>,
    undecided: Vec<String>,
    /// The keys for which an order was found, and the orders, one after another.
    ordered: BTreeSet<u32>,
    order: Vec<u32>,
}

/// One contradiction: its kind, where it is and the operations that show it.
#[derive(Debug)]
struct Found {
    title: &'static str,
    place: String,
    because: String,
    witness: Vec<u32>,
}

impl Findings {
    /// Adds a contradiction that these operations show; `because` is the reason in one sentence.
    pub(crate) fn add(
        &mut self,
        title: &'static str,
        place: String,
        because: String,
        witness: impl IntoIterator<Item = usize>,
    ) {
        let mut witness: Vec<u32> = witness.into_iter().map(|i| i as u32).collect();
        witness.sort_unstable();
        witness.dedup();
        self.found.push(Found { title, place, because, witness });
    }

    /// Adds the order that proves a key right.
    pub(crate) fn certify(&mut self, key: u32, order: impl Iterator<Item = u32>) {
        self.ordered.insert(key);
        self.order.extend(order);
    }

    pub(crate) fn undecided(&mut self, reason: String) {
        self.undecided.push(reason);
    }

    /// Whether no contradiction was found.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Whether no contradiction was found and all was decided.
    pub(crate) fn is_clean(&self) -> bool {
        self.found.is_empty() && self.undecided.is_empty()
    }

    pub(crate) fn extend(&mut self, other: Findings) {
        self.found.extend(other.found);
        self.undecided.extend(other.undecided);
        self.ordered.extend(other.ordered);
        self.order.extend(other.order);
    }
}

/// Decides whether `history` keeps what `object` promises. The witness of an anomaly is in [`Anomaly::indices`], as places in
/// `history`; [`Anomaly::operations`] is for registers and stays empty.
pub fn check_object(history: &Objects, object: &Object, options: &Options) -> Report {
    let mut findings = (object.decide)(history, options);
    if options.recheck && object.exactness == Exactness::Exact && !counts(object) {
        recheck(history, object, &mut findings, options);
    }
    if options.recheck && object.exactness == Exactness::Exact {
        let workload = object.name.strip_prefix("linearizable-").unwrap_or(object.name);
        show_order(history, workload, &BTreeMap::new(), &mut findings, options);
    }
    conclude(history, object.name, findings, options)
}

/// What was found right without an order is shown by one.
pub(crate) fn show_order(
    history: &Objects,
    workload: &str,
    settings: &BTreeMap<String, String>,
    findings: &mut Findings,
    options: &Options,
) {
    if findings.is_clean() && options.limit.exceeded().is_none() {
        let doubt = certificate::recheck(history, workload, settings, options);
        doubt.into_iter().for_each(|doubt| findings.undecided(format!("{doubt} {BUG}")));
    }
}

/// Whether the witnesses of an object are no contradictions alone: of sets and counters they show a read, and count in words what makes it wrong.
fn counts(object: &Object) -> bool {
    ["linearizable-set", "linearizable-counter", "set-full-linearizable"].contains(&object.name)
}

/// Judges the witnesses that will be told alone; those that are no contradiction become a doubt.
fn recheck(history: &Objects, object: &Object, findings: &mut Findings, options: &Options) {
    let found = std::mem::take(&mut findings.found);
    for (at, found) in found.into_iter().enumerate() {
        let alone = || (object.decide)(&history.part(&found.witness), options);
        if at < options.anomalies && alone().is_empty() {
            findings.undecided(format!("{} is no contradiction {BUG}", found.title));
        } else {
            findings.found.push(found);
        }
    }
}

/// The report on `findings`.
pub(crate) fn conclude(history: &Objects, model: &'static str, mut findings: Findings, options: &Options) -> Report {
    let broken = findings.found.len();
    let whole = history.calls.iter().all(|call| findings.ordered.contains(&call.key));
    let order = std::mem::take(&mut findings.order);
    let anomalies = findings.found.into_iter().take(options.anomalies).map(|found| explain(history, found)).collect();
    let verdict = match findings.undecided.first() {
        _ if broken > 0 => Verdict::Invalid,
        Some(reason) => Verdict::unknown(reason.clone()),
        None if options.own_run && history.is_empty() => Verdict::unknown("there are no operations to judge"),
        None => Verdict::Valid,
    };
    let order = (options.certificate && whole && verdict == Verdict::Valid).then_some(order);
    Report { anomalies, broken, order, ..Report::new(model, verdict, history.len()) }
}

fn explain(history: &Objects, found: Found) -> Anomaly {
    let Found { title, place, because, witness } = found;
    let (place, because) = (with_names(history, place), with_names(history, because));
    let calls = witness.iter().filter_map(|&i| history.calls.get(i as usize));
    let mut story: Vec<String> = calls.map(|call| sentence(history, call)).collect();
    story.push(because);
    let title_and_place = if place.is_empty() { title.to_string() } else { format!("{title}, {place}") };
    Anomaly {
        kind: AnomalyKind::Object(title),
        drawing: Some(draw::svg(history, &title_and_place, &witness)),
        title: title_and_place,
        story,
        operations: Vec::new(),
        indices: witness,
    }
}

/// Puts the names of values in place of their numbers, which are so far below all others that they stand for nothing else.
fn with_names(history: &Objects, text: String) -> String {
    let low = text.split(|c: char| c != '-' && !c.is_ascii_digit()).filter(|word| word.starts_with("-9223372036854"));
    let numbers: Vec<i64> = low.filter_map(|word| word.parse().ok()).collect();
    numbers.into_iter().fold(text.clone(), |text, number| text.replace(&number.to_string(), &history.show(number)))
}
