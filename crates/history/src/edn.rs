//! Jepsen's histories in EDN: a map per event, `{:index 4, :time 1200, :type :invoke, :process 3, :f :write, :value 5}`.
//!
//! Reading is in [`import`] (events) and [`register`] (what they mean). Written is a map per line, and beside it on each invocation what Jepsen does not know (`:due`, `:node`, `:phase`, `:size`), so that
//! reading it again gives the same operations.

use std::fmt::Write;

use base::Time;

use crate::error::TextError;
use crate::history::History;
use crate::import::{self, Format};
use crate::operation::{ErrorKind, Function, NIL, Operation};
use crate::quote;
use crate::register;

/// Writes the history as events in order of time. An operation with unknown outcome ends at the end, as `:info`.
pub fn export(history: &History) -> String {
    let operations: Vec<Operation> = history.iter().chain(history.never_sent.iter()).collect();
    let keyed = !history.key_names.is_empty() || operations.iter().any(|op| op.request.key != 0);
    let ends = |op: &Operation| if op.was_never_sent() { op.sent } else { op.done };
    let mut events: Vec<(Time, bool, usize)> = Vec::with_capacity(operations.len() * 2);
    for (i, op) in operations.iter().enumerate() {
        events.push((op.sent, false, i));
        events.push((ends(op), true, i));
    }
    // At one instant invocations come first: those operations are concurrent.
    events.sort_unstable();
    let last = events.iter().map(|event| event.0).filter(|time| *time != Time::MAX).max().unwrap_or_default();
    let mut out = String::with_capacity(events.len() * 110);
    for (index, (time, ended, i)) in events.into_iter().enumerate() {
        let op = &operations[i];
        let kind = if ended { op.completion.outcome.name() } else { "invoke" };
        let _ = write!(out, "{{:index {index}, :time {}, :type :{kind}", time.min(last).0);
        let _ = write!(out, ", :process {}, :f :{}, :value ", op.process.0, op.request.function);
        put_value(&mut out, history, op, keyed, ended);
        if ended && op.completion.error != ErrorKind::None {
            let _ = write!(out, ", :error :{}", op.completion.error);
        }
        if !ended {
            let _ = write!(
                out,
                ", :due {}, :node \"{}\", :phase :{}, :size {}",
                op.due.0, op.node, op.phase, op.request.size
            );
        }
        out.push_str("}\n");
    }
    out
}

fn put_value(out: &mut String, history: &History, op: &Operation, keyed: bool, ended: bool) {
    let request = &op.request;
    if keyed {
        out.push('[');
        match history.key_names.get(request.key as usize) {
            Some(name) => quote::put(out, name),
            None => drop(write!(out, "{}", request.key)),
        }
        out.push(' ');
    }
    let _ = match request.function {
        Function::Read if ended => write!(out, "{}", or_nil(op.completion.result)),
        Function::Read => write!(out, "nil"),
        Function::Write => write!(out, "{}", or_nil(request.argument)),
        Function::Cas => write!(out, "[{} {}]", or_nil(request.expected), or_nil(request.argument)),
    };
    if keyed {
        out.push(']');
    }
}

fn or_nil(value: u64) -> String {
    if value == NIL { "nil".to_string() } else { value.to_string() }
}

/// Reads a history of registers.
pub fn parse(text: &str) -> Result<History, TextError> {
    let wrong = |wrong| TextError::of(text.as_bytes(), wrong);
    let events = import::read(text.as_bytes(), Format::JepsenEdn).map_err(wrong)?;
    register::from_events(&events).map_err(wrong)
}
