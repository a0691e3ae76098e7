//! Queues, stacks, sets, counters, locks, banks, logs: workloads whose models are [`Object`]s.

use history::event::Events;
use history::object::{Action, Objects, from_events};

use super::{JEPSEN, Question, Refusal, Workload};
use crate::object::{self, Findings, Object, check_object, conclude};
use crate::report::Report;

/// Workloads by name, with the object that each of their models is.
macro_rules! workloads {
    ($($workload:ident, $name:literal, $aliases:expr, $summary:literal, { $($model:expr => $object:path),+ } $(, settings $settings:expr)?;)+) => {$(
        pub(super) static $workload: Workload = Workload {
            name: $name,
            aliases: $aliases,
            summary: $summary,
            models: &[$($model),+],
            settings: workloads!(@settings $($settings)?),
            decide: |events, model, question| decide(events, model, question, &[$(($model, &$object)),+]),
        };
    )+};
    (@settings) => { &[] };
    (@settings $settings:expr) => { $settings };
}

workloads! {
    FIFO_QUEUE, "fifo-queue", &["queue"], "`enqueue` and `dequeue` of a queue, first in, first out",
        { "linearizable" => object::queue::FIFO_QUEUE, "at-least-once" => object::delivery::AT_LEAST_ONCE_QUEUE, JEPSEN => object::delivery::TOTAL_QUEUE };
    AT_LEAST_ONCE, "at-least-once", &["at-least-once-queue"], "`enqueue` and `dequeue` of a queue that may deliver a value twice",
        { "at-least-once" => object::delivery::AT_LEAST_ONCE_QUEUE, JEPSEN => object::delivery::TOTAL_QUEUE };
    TOTAL_QUEUE, "total-queue", &[], "`enqueue`, `dequeue` and a last `drain` of a queue",
        { JEPSEN => object::delivery::TOTAL_QUEUE, "at-least-once" => object::delivery::AT_LEAST_ONCE_QUEUE };
    STACK, "stack", &[], "`push` and `pop` of a stack", { "linearizable" => object::model::STACK };
    PRIORITY_QUEUE, "priority-queue", &[], "`enqueue` and `dequeue` of a queue that gives its least value first",
        { "linearizable" => object::model::PRIORITY_QUEUE };
    SET, "set", &[], "`add` (and `remove`, `contains`) of elements and a `read` of the whole set at the end",
        { JEPSEN => object::set::SET, "linearizable" => object::set::LINEARIZABLE_SET };
    SET_FULL, "set-full", &[], "`add` of elements and `read`s of the whole set all the time",
        { JEPSEN => object::set::SET_FULL, "linearizable" => object::set::SET_FULL_LINEARIZABLE };
    KV, "kv", &[], "`get`, `put` and `append` of strings, one for each key", { "linearizable" => object::strings::KV };
    COUNTER, "counter", &[], "`add` to a number and `read` of it",
        { JEPSEN => object::counter::COUNTER, "linearizable" => object::counter::LINEARIZABLE_COUNTER };
    PN_COUNTER, "pn-counter", &[], "`add` to a number, also of less than nothing, and `read` of it at the end",
        { JEPSEN => object::counter::PN_COUNTER, "linearizable" => object::counter::LINEARIZABLE_COUNTER };
    MUTEX, "mutex", &["lock"], "`acquire` and `release` of a lock, by anyone", { "linearizable" => object::model::MUTEX };
    OWNED_MUTEX, "owned-mutex", &["owner-aware-mutex"], "`acquire` and `release` of a lock, by its holder",
        { "linearizable" => object::lock::OWNED_MUTEX };
    FENCED_MUTEX, "fenced-mutex", &[], "`acquire` of a lock that gives a token, and `release` by its holder",
        { "linearizable" => object::lock::FENCED_MUTEX };
    BANK, "bank", &[], "`transfer` between accounts and `read` of them all", { JEPSEN => object::bank::BANK };
    UNIQUE_IDS, "unique-ids", &[], "`generate` of an id", { JEPSEN => object::unique_ids::UNIQUE_IDS };
    KAFKA, "kafka", &[], "`send` to and `poll` of append-only logs", { JEPSEN => object::log::KAFKA };
    BROADCAST, "broadcast", &["g-set"], "`broadcast` (or `add`) of elements to nodes that tell each other, and `read`s of all",
        { "convergence" => object::broadcast::BROADCAST };
    LEADER, "leader", &["leader-election"], "`inspect` of `[leader term]`", { "one-leader" => object::leader::LEADER };
    WATCH, "watch", &[], "`write` of values and `watch` of what was written", { "watch-order" => object::watch::WATCH };
    LONG_FORK, "long-fork", &[], "transactions that write one key, once, or read a group of keys",
        { JEPSEN => object::long_fork::LONG_FORK }, settings &[("group-size", "how many keys are read together; told by the reads themselves")];
}

fn decide(
    events: &Events,
    model: &str,
    question: &Question,
    objects: &[(&str, &'static Object)],
) -> Result<Report, Refusal> {
    let missing = || Refusal::Unsupported(format!("no object keeps `{model}`"));
    let (_, object) = objects.iter().find(|(name, _)| *name == model).ok_or_else(missing)?;
    Ok(check_object(&from_events(events)?, object, &question.options))
}

pub(super) static COMMENTS: Workload = Workload {
    name: "comments",
    aliases: &[],
    summary: "`write` of rows and `read`s of them all",
    models: &[JEPSEN, "linearizable"],
    settings: &[],
    decide: |events, model, question| {
        let mut history = from_events(events)?;
        // The rows are a set that only grows.
        let writes = history.calls.iter_mut().filter(|call| call.action == Action::Transact);
        writes.for_each(|call| call.action = Action::Add);
        let object = if model == JEPSEN { &object::comments::COMMENTS } else { &object::set::LINEARIZABLE_SET };
        Ok(check_object(&history, object, &question.options))
    },
};

pub(super) static MULTI_REGISTER: Workload = Workload {
    name: "multi-register",
    aliases: &[],
    summary: "transactions that `read` and `write` several registers at once",
    models: &["linearizable"],
    settings: &[("initial", "what every register holds at first; what the first read of it finds, if not told")],
    decide: |events, _, question| {
        let initial = question.number("initial")?;
        searched(events, question, MULTI_REGISTER.name, |history| {
            object::multi_register::decide(history, &question.options, initial)
        })
    },
};

pub(super) static REENTRANT: Workload = Workload {
    name: "reentrant-mutex",
    aliases: &["reentrant"],
    summary: "`acquire` and `release` of a lock that its holder may take again",
    models: &["linearizable"],
    settings: &[("holds", "how often its holder may take it; unlimited if not told")],
    decide: |events, _, question| {
        let most = question.number("holds")?.unwrap_or(u32::MAX);
        searched(events, question, REENTRANT.name, |history| object::lock::reentrant(history, &question.options, most))
    },
};

pub(super) static SEMAPHORE: Workload = Workload {
    name: "semaphore",
    aliases: &[],
    summary: "`acquire` and `release` of permits",
    models: &["linearizable"],
    settings: &[("permits", "how many there are; 2 if not told")],
    decide: |events, _, question| {
        let permits = question.number("permits")?.unwrap_or(2);
        searched(events, question, SEMAPHORE.name, |history| {
            object::lock::semaphore(history, &question.options, permits)
        })
    },
};

fn searched(
    events: &Events,
    question: &Question,
    workload: &str,
    decide: impl FnOnce(&Objects) -> Findings,
) -> Result<Report, Refusal> {
    let history = from_events(events)?;
    let mut findings = decide(&history);
    if question.options.recheck {
        object::show_order(&history, workload, &question.settings, &mut findings, &question.options);
    }
    Ok(conclude(&history, "linearizable", findings, &question.options))
}
