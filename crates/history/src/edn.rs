//! Jepsen's histories in EDN: a map per event, `{:index 4, :time 1200, :type :invoke, :process 3, :f :write, :value 5}`.
//!
//! Read: a map per line, or one vector or list of maps; comments, discards and tagged records; keys and values that are keywords,
//! symbols or strings. `:f` is `:read`, `:write` or `:cas` (of `[old new]`); with several keys every value is a tuple `[key value]`,
//! as in `jepsen.independent`. An event comes after all events before it, whatever their times: a completion and a later
//! invocation at the same nanosecond are told apart. A `:fail` did not happen; that a cas found another value is an observation only
//! where `:error :precondition-failed` says so (Knossos drops failed operations, and so do we). Events of processes that are no numbers (`:nemesis`) are skipped.
//!
//! Written: the same, and beside it on each invocation what Jepsen does not know (`:due`, `:node`, `:phase`, `:size`), so that
//! reading it again gives the same operations.

use std::collections::BTreeMap;
use std::fmt::Write;

use base::{NodeId, ProcessId, Time};

use crate::error::TextError;
use crate::history::{History, Origin};
use crate::names::Names;
use crate::operation::{Completion, ErrorKind, Function, NIL, Operation, Outcome, Phase, Request};

mod reader;
use reader::{Edn, Node};

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
        let _ = match history.key_names.get(request.key as usize) {
            Some(name) => write!(out, "[{name:?} "),
            None => write!(out, "[{} ", request.key),
        };
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
    let events = events(reader::read_all(text)?).map_err(|(at, message)| reader::error_at(text, at, message))?;
    let mut builder = Builder { keyed: is_keyed(&events), ..Builder::default() };
    for event in &events {
        builder.event(event).map_err(|(at, message)| reader::error_at(text, at, message))?;
    }
    Ok(builder.finish())
}

type Wrong = (usize, String);

/// One event of a client.
struct Event<'a> {
    at: usize,
    time: Option<u64>,
    kind: &'a str,
    process: u32,
    function: Function,
    value: Node<'a>,
    extra: BTreeMap<&'a str, Node<'a>>,
}

fn events(nodes: Vec<Node<'_>>) -> Result<Vec<Event<'_>>, Wrong> {
    let nodes = match <[Node<'_>; 1]>::try_from(nodes) {
        Ok([Node { value: Edn::Sequence(inner), .. }]) => inner,
        Ok([node]) => vec![node],
        Err(nodes) => nodes,
    };
    let mut events = Vec::with_capacity(nodes.len());
    for node in nodes {
        events.extend(event(node)?);
    }
    Ok(events)
}

fn event(node: Node<'_>) -> Result<Option<Event<'_>>, Wrong> {
    let at = node.at;
    let Edn::Map(pairs) = node.value else {
        return Err((at, format!("expected a map like `{{:type :invoke, ...}}`, not {}", node.value.kind())));
    };
    let mut fields: BTreeMap<&str, Node<'_>> = BTreeMap::new();
    for (key, value) in pairs {
        if let Edn::Name(name) = key.value {
            fields.insert(name, value);
        }
    }
    let missing = |name: &str| (at, format!("expected `:{name}` in the event"));
    let process = match fields.get("process").ok_or_else(|| missing("process"))?.value {
        Edn::Integer(process) => {
            u32::try_from(process).map_err(|_| (at, format!("expected a process, not `{process}`")))?
        }
        _ => return Ok(None),
    };
    let kind = fields.remove("type").ok_or_else(|| missing("type"))?;
    let Edn::Name(kind @ ("invoke" | "ok" | "fail" | "info")) = kind.value else {
        return Err((kind.at, "expected `:invoke`, `:ok`, `:fail` or `:info`".to_string()));
    };
    let f = fields.remove("f").ok_or_else(|| missing("f"))?;
    let name = if let Edn::Name(name) = f.value { name } else { "" };
    let function = Function::ALL.iter().copied().find(|function| function.name() == name);
    let function = function.ok_or_else(|| (f.at, "expected `:read`, `:write` or `:cas`".to_string()))?;
    let time = match fields.get("time").map(|node| &node.value) {
        Some(Edn::Integer(time)) => u64::try_from(*time).ok(),
        _ => None,
    };
    let value = fields.remove("value").unwrap_or(Node { at, value: Edn::Nil });
    Ok(Some(Event { at, time, kind, process, function, value, extra: fields }))
}

/// Whether every value is a tuple of key and value.
fn is_keyed(events: &[Event<'_>]) -> bool {
    let mut tuples = 0;
    for event in events {
        match &event.value.value {
            Edn::Nil => {}
            Edn::Sequence(items) if items.len() == 2 => {
                let cas = event.function == Function::Cas;
                if cas != matches!(items[1].value, Edn::Sequence(_)) {
                    return false;
                }
                tuples += 1;
            }
            _ => return false,
        }
    }
    tuples > 0
}

#[derive(Default)]
struct Builder {
    keyed: bool,
    operations: Vec<Operation>,
    /// The operation under way of each process.
    open: BTreeMap<u32, usize>,
    names: Names,
    values: BTreeMap<String, u64>,
    now: u64,
    after_completion: bool,
}

impl Builder {
    fn event(&mut self, event: &Event<'_>) -> Result<(), Wrong> {
        let invokes = event.kind == "invoke";
        // Order in the file is order in time: an invocation after a completion is later, if only by a nanosecond.
        let earliest = self.now + u64::from(invokes && self.after_completion);
        self.now = event.time.map_or(self.now + 1, |time| time.max(earliest));
        self.after_completion = !invokes;
        if invokes { self.invoke(event) } else { self.complete(event) }
    }

    fn invoke(&mut self, event: &Event<'_>) -> Result<(), Wrong> {
        if self.open.insert(event.process, self.operations.len()).is_some() {
            return Err((
                event.at,
                format!("process {} invokes before its last operation has completed", event.process),
            ));
        }
        let (key, value) = self.key_and_value(event)?;
        let mut request = Request { function: event.function, key, argument: NIL, expected: NIL, size: 0 };
        match event.function {
            Function::Read => {}
            Function::Write => request.argument = self.value(value)?,
            Function::Cas => (request.expected, request.argument) = self.pair(value)?,
        }
        let integer = |name: &str| match event.extra.get(name).map(|node| &node.value) {
            Some(Edn::Integer(number)) => u64::try_from(*number).ok(),
            _ => None,
        };
        let text = |name: &str| match event.extra.get(name).map(|node| &node.value) {
            Some(Edn::Name(text) | Edn::Text(text)) => *text,
            _ => "",
        };
        request.size = integer("size").unwrap_or(0) as u32;
        self.operations.push(Operation {
            process: ProcessId(event.process),
            node: text("node").parse().unwrap_or(NodeId(0)),
            request,
            due: Time(integer("due").unwrap_or(self.now)),
            sent: Time(self.now),
            done: Time::MAX,
            // A completion that is missing means unknown.
            completion: Completion::info(ErrorKind::Abandoned),
            phase: Phase::ALL.iter().copied().find(|phase| phase.name() == text("phase")).unwrap_or_default(),
        });
        Ok(())
    }

    fn complete(&mut self, event: &Event<'_>) -> Result<(), Wrong> {
        let Some(index) = self.open.remove(&event.process) else {
            return Err((event.at, format!("process {} completes an operation that it did not invoke", event.process)));
        };
        let request = self.operations[index].request;
        if event.function != request.function {
            return Err((
                event.at,
                format!("expected the completion of a {}, not of a {}", request.function, event.function),
            ));
        }
        let error = match event.extra.get("error").map(|node| &node.value) {
            Some(Edn::Name(text) | Edn::Text(text)) => {
                ErrorKind::ALL.iter().copied().find(|kind| kind.name() == *text).unwrap_or(ErrorKind::Other)
            }
            Some(_) => ErrorKind::Other,
            None => ErrorKind::None,
        };
        let completion = match event.kind {
            "fail" => Completion::fail(error),
            "info" => Completion::info(error),
            _ if event.function == Function::Read => {
                let (key, value) = self.key_and_value(event)?;
                if key != request.key {
                    return Err((event.value.at, "expected the key that was invoked".to_string()));
                }
                Completion::ok(self.value(value)?)
            }
            _ => Completion::ok(NIL),
        };
        let operation = &mut self.operations[index];
        operation.completion = completion;
        if completion.outcome != Outcome::Info && error != ErrorKind::NeverSent {
            operation.done = Time(self.now);
        }
        Ok(())
    }

    fn key_and_value<'a>(&mut self, event: &'a Event<'_>) -> Result<(u32, &'a Node<'a>), Wrong> {
        match &event.value.value {
            Edn::Sequence(items) if self.keyed && items.len() == 2 => Ok((self.key(&items[0])?, &items[1])),
            _ if self.keyed => {
                Err((event.value.at, "expected a tuple `[key value]` as elsewhere in this history".to_string()))
            }
            _ => Ok((0, &event.value)),
        }
    }

    fn key(&mut self, node: &Node<'_>) -> Result<u32, Wrong> {
        match node.value {
            Edn::Integer(key) if (0..1 << 31).contains(&key) => Ok(self.names.number(key as u32)),
            Edn::Integer(key) => Ok(self.names.name(&key.to_string())),
            Edn::Name(name) | Edn::Text(name) => Ok(self.names.name(name)),
            _ => Err((node.at, format!("expected a key, not {}", node.value.kind()))),
        }
    }

    fn value(&mut self, node: &Node<'_>) -> Result<u64, Wrong> {
        let name = match node.value {
            Edn::Nil => return Ok(NIL),
            Edn::Integer(value) if value >= 0 => return Ok(value as u64),
            Edn::Integer(value) => value.to_string(),
            Edn::Name(name) => format!(":{name}"),
            Edn::Text(text) => format!("{text:?}"),
            _ => return Err((node.at, format!("expected a value, not {}", node.value.kind()))),
        };
        // Values that are no numbers get numbers that no such history holds.
        let next = (1 << 63) + self.values.len() as u64;
        Ok(*self.values.entry(name).or_insert(next))
    }

    fn pair(&mut self, node: &Node<'_>) -> Result<(u64, u64), Wrong> {
        match &node.value {
            Edn::Sequence(items) if items.len() == 2 => Ok((self.value(&items[0])?, self.value(&items[1])?)),
            other => Err((node.at, format!("expected `[old new]`, not {}", other.kind()))),
        }
    }

    fn finish(self) -> History {
        let mut history = self.names.finish(self.operations);
        history.origin = Origin::Edn;
        history
    }
}
