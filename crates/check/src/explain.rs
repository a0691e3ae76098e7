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
        AnomalyKind::CasCycle | AnomalyKind::NoOrder | AnomalyKind::Object(_) | AnomalyKind::Isolation => None,
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

/// Two values, each of which had to be there before the other.
pub(crate) struct Clash<'a> {
    values: (u64, u64),
    /// Why the first value came before the second.
    forth: Pair<'a>,
    /// Why the second came before the first; ends with the later invocation, the surprise.
    back: Pair<'a>,
}

/// An operation that had ended before another was invoked; without the former, the other found the key no longer empty.
type Pair<'a> = (Option<&'a Operation>, &'a Operation);

impl<'a> Clash<'a> {
    /// The clash in a witness, if it is of that kind.
    pub(crate) fn of(operations: &'a [Operation]) -> Option<Clash<'a>> {
        let mut values: Vec<u64> = operations.iter().flat_map(|op| [sees(op), makes(op)]).flatten().collect();
        values.sort_unstable();
        values.dedup();
        let pairs = values.iter().flat_map(|&a| values.iter().filter(move |&&b| b != a).map(move |&b| (a, b)));
        let clash = |(a, b)| {
            let (forth, back) = (precedence(operations, a, b)?, precedence(operations, b, a)?);
            (forth.1.sent <= back.1.sent).then_some(Clash { values: (a, b), forth, back })
        };
        pairs.into_iter().find_map(clash)
    }

    /// The two precedences between operations, the surprise last.
    pub(crate) fn arrows(&self) -> impl Iterator<Item = (&'a Operation, &'a Operation)> {
        [self.forth, self.back].into_iter().filter_map(|(early, late)| Some((early?, late)))
    }
}

fn two_values(operations: &[Operation]) -> Option<Vec<String>> {
    Clash::of(operations).map(contradiction)
}

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

fn contradiction(Clash { values: (a, b), forth, back }: Clash<'_>) -> Vec<String> {
    let (a, b) = (show_value(a), show_value(b));
    let first = match forth.0 {
        None => format!("At first the key held nothing; then {}.", told(forth.1)),
        Some(early) => format!("{}. After that {}: so {b} came after {a}.", told(early), told(forth.1)),
    };
    let second = match back.0 {
        None => format!("But {}, when the key had held {a} before.", told(back.1)),
        Some(early) => format!(
            "But at {} {} {}, {} after {}: so {a} came after {b}.",
            instant(back.1.sent),
            back.1.process,
            begins(back.1),
            base::units::show_duration(back.1.sent.since(early.done)),
            past(early),
        ),
    };
    let third = if forth.0.is_none() || back.0.is_none() {
        "Nothing deletes, so a key is empty only before its first write.".to_string()
    } else {
        format!("Each value was written once, so {a} cannot come both before and after {b}.")
    };
    vec![first, second, third]
}

/// `asked and read 4`, `wrote 5`: an invocation and what came of it.
fn begins(operation: &Operation) -> String {
    match operation.request.function {
        Function::Read => format!("asked {} and {}", operation.node, deed(operation)),
        Function::Write | Function::Cas => format!("{} on {}", deed(operation), operation.node),
    }
}

/// `p0's write of 5 had returned`, `p1 had read 5`.
fn past(operation: &Operation) -> String {
    match operation.request.function {
        Function::Write => {
            format!("{}'s write of {} had returned", operation.process, show_value(operation.request.argument))
        }
        Function::Read | Function::Cas => format!("{} had {}", operation.process, deed(operation)),
    }
}

fn no_order(operations: &[Operation]) -> Vec<String> {
    let mut story: Vec<String> = operations.iter().map(|op| format!("{}.", told(op))).collect();
    story.push("No order of these operations that respects their times explains what they returned.".to_string());
    story
}
