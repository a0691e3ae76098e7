//! Which workload a history is of, by its functions and values.

use std::collections::BTreeSet;

use history::event::{Events, Value};
use history::register;

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
    } else if has("push") || has("pop") {
        "stack"
    } else if has("acquire") || has("release") {
        if acquires_give_tokens(events) { "fenced-mutex" } else { "mutex" }
    } else if has("send") || has("poll") {
        "kafka"
    } else if has("append") || has("put") {
        "kv"
    } else if has("broadcast") {
        "broadcast"
    } else if has("inspect") {
        "leader"
    } else if has("watch") {
        "watch"
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
