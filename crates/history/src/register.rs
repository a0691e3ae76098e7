//! Registers from events: what `read`, `write` and `cas` of an imported history mean.
//!
//! - `cas` is of `[old new]`. With several keys every value is a tuple `[key value]`, as in `jepsen.independent`.
//! - nil, and the keyword `:nil`, are the value of a key that holds none; so is the value before the first write.
//! - A `fail` did not happen. That a cas found another value is an observation only where the error says so
//!   (`precondition-failed`, `:precondition`); Knossos drops failed operations, and so do we otherwise.
//! - An event comes after all events before it, whatever their times: a completion and a later invocation at the same nanosecond
//!   are told apart.

use std::collections::BTreeMap;

use base::{NodeId, ProcessId, Time};

use crate::event::{Event, Events, Kind, Paired, Value, Wrong};
use crate::history::{History, Origin};
use crate::names::Names;
use crate::operation::{Completion, ErrorKind, Function, NIL, Operation, Outcome, Phase, Request};

/// The registers of these events, keys and values as they are called there.
pub fn from_events(events: &Events) -> Result<History, Wrong> {
    let operations = events.operations()?;
    let times = times(events);
    let mut builder = Builder { keyed: is_keyed(events), names: Names::default(), values: BTreeMap::new() };
    let mut converted = Vec::with_capacity(operations.len());
    for pair in operations.iter() {
        converted.push(builder.operation(&pair, &times)?);
    }
    let mut history = builder.names.finish(converted);
    history.origin = Origin::Edn;
    Ok(history)
}

/// A time for every event that never goes back, and moves on between a completion and the next invocation.
pub(crate) fn times(events: &Events) -> Vec<u64> {
    let mut now = 0;
    let mut after_completion = false;
    let mut times = Vec::with_capacity(events.len());
    for (kind, time) in events.kinds_and_times() {
        let invokes = kind == Kind::Invoke;
        let earliest = now + u64::from(invokes && after_completion);
        now = time.map_or(now + 1, |time| time.max(earliest));
        after_completion = !invokes;
        times.push(now);
    }
    times
}

/// Whether every value is a tuple of key and value.
pub fn is_keyed(events: &Events) -> bool {
    let mut tuples = 0;
    for event in events.iter().filter(|event| !event.value.is_nil()) {
        let Some([_, inner]) = event.value.tuple() else { return false };
        if (event.function == "cas") != inner.is_sequence() {
            return false;
        }
        tuples += 1;
    }
    tuples > 0
}

struct Builder {
    keyed: bool,
    names: Names,
    values: BTreeMap<String, u64>,
}

impl Builder {
    fn operation(&mut self, pair: &Paired<'_>, times: &[u64]) -> Result<Operation, Wrong> {
        let event = &pair.invoke;
        let function = Function::ALL.iter().copied().find(|function| function.name() == pair.function);
        let function = function.ok_or_else(|| {
            Wrong::new(event.at, format!("expected `:read`, `:write` or `:cas`, not `:{}`", pair.function))
        })?;
        let (key, value) = self.key_and_value(event)?;
        let mut request = Request { function, key, argument: NIL, expected: NIL, size: 0 };
        match function {
            Function::Read => {}
            Function::Write => request.argument = self.value(event, value)?,
            Function::Cas => (request.expected, request.argument) = self.pair(event, value)?,
        }
        let natural = |name: &str| event.extra.get(name).and_then(Value::integer).and_then(|n| u64::try_from(n).ok());
        let text = |name: &str| event.extra.get(name).and_then(Value::word).unwrap_or("");
        request.size = natural("size").unwrap_or(0) as u32;
        let sent = times[pair.invoked as usize];
        let completion = self.completion(pair, &request)?;
        let open = completion.outcome == Outcome::Info || completion.error == ErrorKind::NeverSent;
        Ok(Operation {
            process: ProcessId(pair.process),
            node: text("node").parse().unwrap_or(NodeId(0)),
            request,
            due: Time(natural("due").unwrap_or(sent)),
            sent: Time(sent),
            done: if open { Time::MAX } else { Time(times.get(pair.completed as usize).copied().unwrap_or(u64::MAX)) },
            completion,
            phase: Phase::ALL.iter().copied().find(|phase| phase.name() == text("phase")).unwrap_or_default(),
        })
    }

    fn completion(&mut self, pair: &Paired<'_>, request: &Request) -> Result<Completion, Wrong> {
        let Some(event) = &pair.complete else { return Ok(Completion::info(ErrorKind::Abandoned)) };
        let error = error(event.error);
        Ok(match pair.outcome {
            Outcome::Fail => Completion::fail(error),
            Outcome::Info => Completion::info(error),
            Outcome::Ok if request.function == Function::Read => {
                let (key, value) = self.key_and_value(event)?;
                if key != request.key {
                    return Err(Wrong::new(event.value_at, "expected the key that was invoked"));
                }
                Completion::ok(self.value(event, value)?)
            }
            Outcome::Ok => Completion::ok(NIL),
        })
    }

    fn key_and_value<'a>(&mut self, event: &Event<'a>) -> Result<(u32, Value<'a>), Wrong> {
        if !event.key.is_nil() {
            return Ok((self.key(event, event.key)?, event.value));
        }
        match event.value.tuple() {
            Some([key, value]) if self.keyed => Ok((self.key(event, key)?, value)),
            _ if self.keyed => {
                Err(Wrong::new(event.value_at, "expected a tuple `[key value]` as elsewhere in this history"))
            }
            _ => Ok((0, event.value)),
        }
    }

    fn key(&mut self, event: &Event<'_>, key: Value<'_>) -> Result<u32, Wrong> {
        match (key.integer(), key.word()) {
            (Some(key), _) if (0..1 << 31).contains(&key) => Ok(self.names.number(key as u32)),
            (Some(key), _) => Ok(self.names.name(&key.to_string())),
            (_, Some(name)) => Ok(self.names.name(name)),
            _ => Err(Wrong::new(event.value_at, format!("expected a key, not {}", key.describe()))),
        }
    }

    fn value(&mut self, event: &Event<'_>, value: Value<'_>) -> Result<u64, Wrong> {
        let name = match (value.integer(), value.word()) {
            (Some(number), _) if number >= 0 => return Ok(number as u64),
            (Some(number), _) => number.to_string(),
            (_, Some("nil")) => return Ok(NIL),
            (_, Some(word)) => format!("{word:?}"),
            _ if value.is_nil() => return Ok(NIL),
            _ => return Err(Wrong::new(event.value_at, format!("expected a value, not {}", value.describe()))),
        };
        // Values that are no numbers get numbers that no such history holds.
        let next = (1 << 63) + self.values.len() as u64;
        Ok(*self.values.entry(name).or_insert(next))
    }

    fn pair(&mut self, event: &Event<'_>, value: Value<'_>) -> Result<(u64, u64), Wrong> {
        match value.tuple() {
            Some([old, new]) => Ok((self.value(event, old)?, self.value(event, new)?)),
            None => Err(Wrong::new(event.value_at, format!("expected `[old new]`, not {}", value.describe()))),
        }
    }
}

/// The kind of error that the value names; `precondition` is Jepsen tests' word for ours.
fn error(value: Value<'_>) -> ErrorKind {
    match value.word() {
        None if value.is_nil() => ErrorKind::None,
        Some("precondition") => ErrorKind::Precondition,
        Some(text) => ErrorKind::ALL.iter().copied().find(|kind| kind.name() == text).unwrap_or(ErrorKind::Other),
        None => ErrorKind::Other,
    }
}
