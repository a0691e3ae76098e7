//! A witness in words that a tired person can follow.

use std::collections::BTreeMap;

use history::{Function, NIL, Operation, Outcome};

use crate::report::AnomalyKind;

/// Tells why the operations (of one key, in order of invocation) are a contradiction, one sentence each.
pub fn story(kind: AnomalyKind, operations: &[Operation]) -> Vec<String> {
    match kind {
        AnomalyKind::PhantomRead => phantom(operations),
        AnomalyKind::AbortedRead => aborted(operations),
        AnomalyKind::ReadFromTheFuture => future(operations),
        AnomalyKind::LostUpdate => lost_update(operations),
        AnomalyKind::StaleRead | AnomalyKind::SplitBrain => two_values(operations),
        AnomalyKind::CasCycle | AnomalyKind::NoOrder => None,
    }
    .unwrap_or_else(|| no_order(operations))
}

/// A value as people read it.
pub fn show_value(value: u64) -> String {
    if value == NIL { "nothing".to_string() } else { value.to_string() }
}

/// What an operation did: `read 4`, `wrote 5`, `replaced 4 by 5`, `found something else than 4`.
pub fn deed(operation: &Operation) -> String {
    let request = &operation.request;
    let argument = show_value(request.argument);
    let expected = show_value(request.expected);
    match (request.function, operation.completion.outcome) {
        (Function::Read, _) => format!("read {}", show_value(operation.completion.result)),
        (Function::Write, Outcome::Ok) => format!("wrote {argument}"),
        (Function::Write, Outcome::Info) => format!("tried to write {argument} (outcome unknown)"),
        (Function::Write, Outcome::Fail) => format!("failed to write {argument} ({})", operation.completion.error),
        (Function::Cas, Outcome::Ok) => format!("replaced {expected} by {argument}"),
        (Function::Cas, Outcome::Info) => format!("tried to replace {expected} by {argument} (outcome unknown)"),
        (Function::Cas, Outcome::Fail) => {
            format!("failed to replace {expected} by {argument} ({})", operation.completion.error)
        }
    }
}

fn sees(operation: &Operation) -> Option<u64> {
    match (operation.request.function, operation.completion.outcome) {
        (Function::Read, Outcome::Ok) => Some(operation.completion.result),
        (Function::Cas, Outcome::Ok | Outcome::Info) => Some(operation.request.expected),
        _ => None,
    }
}

fn makes(operation: &Operation) -> Option<u64> {
    let mutation = operation.request.function.is_mutation() && operation.completion.outcome != Outcome::Fail;
    mutation.then_some(operation.request.argument)
}

/// The operation and when it ran: `p3 read 4 (1.180 s to 1.200 s)`.
fn told(operation: &Operation) -> String {
    format!("{} {} ({})", operation.process, deed(operation), span(operation))
}

fn span(operation: &Operation) -> String {
    if operation.done == base::Time::MAX {
        format!("{}, never answered", instant(operation.sent))
    } else {
        format!("{} to {}", instant(operation.sent), instant(operation.done))
    }
}

/// Seconds, with as many digits as tell instants of a network apart.
fn instant(time: base::Time) -> String {
    format!("{:.6} s", time.seconds())
}

fn phantom(operations: &[Operation]) -> Option<Vec<String>> {
    let reader = operations.iter().find(|op| sees(op).is_some())?;
    let value = show_value(sees(reader)?);
    Some(vec![format!("{}, but nobody ever wrote {value}.", told(reader))])
}

fn aborted(operations: &[Operation]) -> Option<Vec<String>> {
    let reader = operations.iter().find(|op| sees(op).is_some())?;
    let value = sees(reader)?;
    let failed = operations.iter().find(|op| {
        op.completion.outcome == Outcome::Fail && op.request.argument == value && op.request.function.is_mutation()
    })?;
    Some(vec![
        format!("{}, so that value {} must never be seen.", told(failed), show_value(value)),
        format!("But {}.", told(reader)),
    ])
}

fn future(operations: &[Operation]) -> Option<Vec<String>> {
    let reader = operations.iter().find(|op| sees(op).is_some())?;
    let value = sees(reader)?;
    let writer = operations.iter().find(|op| makes(op) == Some(value))?;
    Some(vec![
        format!("{}.", told(reader)),
        format!(
            "But the only write of {} was invoked by {} later, at {}.",
            show_value(value),
            writer.process,
            instant(writer.sent)
        ),
    ])
}

fn lost_update(operations: &[Operation]) -> Option<Vec<String>> {
    let mut by_expected: BTreeMap<u64, Vec<&Operation>> = BTreeMap::new();
    for op in operations.iter().filter(|op| op.request.function == Function::Cas && makes(op).is_some()) {
        by_expected.entry(op.request.expected).or_default().push(op);
    }
    let (value, pair) = by_expected.into_iter().find(|(_, ops)| ops.len() >= 2)?;
    let once = if value == NIL { "a key is empty only once".into() } else { format!("{value} was written only once") };
    Some(vec![
        format!("{}.", told(pair[0])),
        format!("{}.", told(pair[1])),
        format!("Both replaced {}, but {once}: one of the two updates was lost.", show_value(value)),
    ])
}

/// Two values, each of which had to be there before the other: `a` before `b` by one pair of operations, `b` before `a` by another.
fn two_values(operations: &[Operation]) -> Option<Vec<String>> {
    let mut values: Vec<u64> = operations.iter().flat_map(|op| [sees(op), makes(op)]).flatten().collect();
    values.sort_unstable();
    values.dedup();
    for &a in &values {
        for &b in values.iter().filter(|&&b| b != a) {
            if let (Some(forth), Some(back)) = (precedence(operations, a, b), precedence(operations, b, a)) {
                return Some(contradiction(a, b, forth, back));
            }
        }
    }
    None
}

type Pair<'a> = (Option<&'a Operation>, &'a Operation);

/// An operation of value `a` that had ended before one of value `b` was invoked. The initial value precedes all others.
fn precedence(operations: &[Operation], a: u64, b: u64) -> Option<Pair<'_>> {
    let of = |value: u64| operations.iter().filter(move |op| sole_value(op) == Some(value));
    let late = of(b).max_by_key(|op| op.sent)?;
    if a == NIL {
        return Some((None, late));
    }
    let early = of(a).min_by_key(|op| op.done)?;
    (early.done < late.sent).then_some((Some(early), late))
}

/// The value whose cluster an operation belongs to: what a read saw, what a mutation made.
fn sole_value(operation: &Operation) -> Option<u64> {
    makes(operation).or_else(|| sees(operation))
}

fn contradiction(a: u64, b: u64, forth: Pair<'_>, back: Pair<'_>) -> Vec<String> {
    // The pair that ends with the later invocation is the surprise: told last.
    let ((a, b), (forth, back)) =
        if forth.1.sent <= back.1.sent { ((a, b), (forth, back)) } else { ((b, a), (back, forth)) };
    let (a, b) = (show_value(a), show_value(b));
    let mut story = Vec::new();
    match forth.0 {
        None => story.push(format!("At first the key held nothing; later {}.", told(forth.1))),
        Some(early) => {
            story.push(format!("{} had ended before {} began: {a} came before {b}.", told(early), told(forth.1)));
        }
    }
    match back.0 {
        None => story.push(format!("But {}, after the key had held {a}.", told(back.1))),
        Some(early) => {
            let ended = instant(early.done);
            story.push(format!(
                "But {} at {}, and by then, at {ended}, {} {} already: {b} came before {a}.",
                told(back.1).split(" (").next().unwrap_or_default(),
                instant(back.1.sent),
                early.process,
                past(early)
            ));
        }
    }
    story.push(format!("Each value was written once, so {a} cannot be both before and after {b}."));
    story
}

fn past(operation: &Operation) -> String {
    match operation.request.function {
        Function::Read => format!("had {}", deed(operation)),
        Function::Write => format!("had its write of {} acknowledged", show_value(operation.request.argument)),
        Function::Cas => format!("had {}", deed(operation)),
    }
}

fn no_order(operations: &[Operation]) -> Vec<String> {
    let mut story: Vec<String> = operations.iter().map(|op| format!("{}.", told(op))).collect();
    story.push("No order of these operations that respects their times explains what they returned.".to_string());
    story
}
