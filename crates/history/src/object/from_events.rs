//! Objects from events: what the functions of an imported history mean.
//!
//! - `broadcast` is an addition to a set; `inspect` answers `[leader term]`.
//! - `increment` and `decrement` are additions of 1 and -1; `subscribe` is an assignment; other functions are called like their [`Action`].
//! - A list of `[:r k v]` and `[:w k v]` (or `:read` and `:write`) is a transaction, one of `[:send k v]`, `[:send k [offset v]]` and `[:poll {k [[offset v] ...]}]`
//!   uses logs, whatever the function is called.
//! - Values that are no integers (words, tuples) become numbers of their own, counted from the least.
//! - Values `[key value]` throughout, as of `jepsen.independent`, are of several objects, as are keys beside the values.

use super::{Action, Call, NEVER, NOTHING, Objects};
use crate::event::{Events, Interner, Paired, Value, Wrong};
use crate::operation::Outcome;

/// The operations of these events on objects.
pub fn from_events(events: &Events) -> Result<Objects, Wrong> {
    let operations = events.operations()?;
    let times = crate::register::times(events);
    let mut reader = Reader { keyed: is_keyed(events), keys: Interner::default(), others: Interner::default() };
    let (mut history, mut list) = (Objects::default(), Vec::new());
    history.calls.reserve(operations.len());
    for pair in operations.iter() {
        list.clear();
        let mut call = reader.call(&pair, &mut list)?;
        call.invoked = times[pair.invoked as usize];
        // What happened, nobody knows when, had happened at the end.
        call.completed = times.get(pair.completed as usize).copied().unwrap_or(NEVER - 1);
        history.push(call, &list);
    }
    (history.names, history.keys) = (reader.others.names(), reader.keys.names());
    Ok(history)
}

/// Whether every value is a tuple of key and value.
fn is_keyed(events: &Events) -> bool {
    let mut tuples = 0;
    for event in events.iter().filter(|event| !event.value.is_nil()) {
        match event.value.tuple() {
            Some([key, inner]) if !key.is_sequence() => match action(event.function) {
                // These are tuples themselves.
                Some(Action::Assign) => return false,
                Some(Action::Inspect) if !inner.is_sequence() => return false,
                _ => tuples += 1,
            },
            _ => return false,
        }
    }
    tuples > 0
}

fn action(function: &str) -> Option<Action> {
    match function {
        "increment" | "inc" | "decrement" | "dec" | "broadcast" => Some(Action::Add),
        "subscribe" => Some(Action::Assign),
        "send" | "poll" => Some(Action::Log),
        "write" => Some(Action::Transact),
        name => Action::find(name),
    }
}

struct Reader<'a> {
    keyed: bool,
    keys: Interner<'a>,
    others: Interner<'a>,
}

impl<'a> Reader<'a> {
    fn call(&mut self, pair: &Paired<'a>, list: &mut Vec<i64>) -> Result<Call, Wrong> {
        let at = pair.invoke.at;
        let action = action(pair.function)
            .ok_or_else(|| Wrong::new(at, format!("expected an operation on an object, not `:{}`", pair.function)))?;
        let mut call = Call::new(pair.process, action, 0, 0);
        call.outcome = pair.outcome;
        let (key, asked) = self.split(pair.invoke.value);
        let key = key.or(Some(pair.invoke.key).filter(|key| !key.is_nil()));
        let (_, got) = self.split(pair.value());
        if let Some(key) = key {
            call.key = self.keys.id(key);
        }
        if let Some(action) = self.micro_operations(got, list) {
            return Ok(Call { action, ..call });
        }
        let known = pair.outcome == Outcome::Ok;
        match action {
            Action::Add if pair.function.starts_with("dec") => call.argument = asked.integer().map_or(-1, |n| -n),
            Action::Add if pair.function.starts_with("inc") => call.argument = asked.integer().unwrap_or(1),
            Action::Add | Action::Remove | Action::Enqueue | Action::Push | Action::Put | Action::Append => {
                call.argument = self.number(asked);
            }
            Action::Contains => {
                call.argument = self.number(asked.tuple().map_or(asked, |[element, _]| element));
                let answer = got.tuple().map_or(got, |[_, answer]| answer);
                call.result = answer.integer().unwrap_or(i64::from(answer.to_string() == "true"));
            }
            Action::Transfer => self.transfer(asked, list),
            Action::Assign => list.extend(asked.items().map(|item| self.number(item))),
            // A write of one value, which a watcher may see.
            Action::Transact => call.argument = self.number(asked),
            _ if !known => {}
            Action::Dequeue | Action::Pop | Action::Generate | Action::Get => call.result = self.number(got),
            Action::Acquire => call.result = got.integer().unwrap_or(NOTHING),
            Action::Inspect => {
                if let Some([leader, term]) = got.tuple() {
                    (call.argument, call.result) = (self.number(leader), self.number(term));
                }
            }
            Action::Read | Action::Drain | Action::Watch if got.is_sequence() || got.is_map() => {
                list.extend(got.items().map(|item| self.number(item)));
            }
            Action::Read => call.result = self.number(got),
            Action::Drain | Action::Release | Action::Log | Action::Watch => {}
        }
        Ok(call)
    }

    fn split(&self, value: Value<'a>) -> (Option<Value<'a>>, Value<'a>) {
        match value.tuple().filter(|_| self.keyed) {
            Some([key, value]) => (Some(key), value),
            None => (None, value),
        }
    }

    fn number(&mut self, value: Value<'a>) -> i64 {
        if value.is_nil() {
            return NOTHING;
        }
        value.integer().unwrap_or_else(|| NOTHING + 1 + i64::from(self.others.id(value)))
    }

    fn transfer(&mut self, value: Value<'a>, list: &mut Vec<i64>) {
        for name in ["from", "to", "amount"] {
            list.push(value.get(name).map_or(NOTHING, |value| self.number(value)));
        }
    }

    /// Reads a list of micro-operations; `None`: it is none.
    fn micro_operations(&mut self, value: Value<'a>, list: &mut Vec<i64>) -> Option<Action> {
        let kind = value.items().next().filter(|_| value.is_sequence())?.items().next()?.word()?;
        let action = match kind {
            "r" | "w" | "read" | "write" => Action::Transact,
            "send" | "poll" => Action::Log,
            _ => return None,
        };
        for operation in value.items() {
            let mut parts = operation.items();
            let kind = parts.next().and_then(Value::word);
            match (kind, parts.next(), parts.next()) {
                (Some("r" | "read"), Some(key), value) => {
                    list.extend([0, self.number(key), value.map_or(NOTHING, |value| self.number(value))]);
                }
                (Some("w" | "write"), Some(key), Some(value)) => list.extend([1, self.number(key), self.number(value)]),
                (Some("send"), Some(log), Some(sent)) => self.record(0, log, sent, list),
                (Some("poll"), Some(logs), _) => {
                    for (log, records) in logs.pairs() {
                        records.items().for_each(|record| self.record(1, log, record, list));
                    }
                }
                _ => {}
            }
        }
        Some(action)
    }

    fn record(&mut self, kind: i64, log: Value<'a>, record: Value<'a>, list: &mut Vec<i64>) {
        let (offset, value) = match record.tuple() {
            Some([offset, value]) => (self.number(offset), self.number(value)),
            None => (NOTHING, self.number(record)),
        };
        list.extend([kind, self.number(log), offset, value]);
    }
}
