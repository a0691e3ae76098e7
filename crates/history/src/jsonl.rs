//! JSON Lines: one object per operation, in order of invocation.
//!
//! | field | value |
//! | --- | --- |
//! | `process` | number of the logical process |
//! | `f` | `read`, `write` or `cas` |
//! | `key` | number, or a name |
//! | `value` | what a read returned (`null`: nothing) or what a write or cas sets |
//! | `expected` | cas only: the value it wants to find |
//! | `sent`, `done` | invocation and completion, ns since the start; `done` is `null` for `info` |
//! | `outcome` | `ok`, `fail` or `info` |
//! | `error` | why it is not `ok`; optional. A cas that failed with `precondition-failed` observed another value; any other failure observed nothing |
//! | `due` | when the load profile wanted it, ns; optional (`sent`) |
//! | `node` | the node asked first, `n1`, ...; optional |
//! | `phase` | `warmup`, `load`, `settle` or `final`; optional (`load`) |
//! | `size` | bytes of the value on the wire; optional |

use std::fmt::Write;

use base::{NodeId, ProcessId, Time};
use serde::Deserialize;

use crate::error::TextError;
use crate::history::{History, Origin};
use crate::operation::{Completion, ErrorKind, Function, NIL, Operation, Outcome, Phase, Request};

/// Writes the history: every operation, those that were never sent too.
pub fn export(history: &History) -> String {
    let mut out = String::with_capacity(history.len() * 160);
    for op in history.iter().chain(history.never_sent.iter()) {
        put(&mut out, history, &op);
    }
    out
}

fn put(out: &mut String, history: &History, op: &Operation) {
    let request = &op.request;
    let key = match history.key_names.get(request.key as usize) {
        Some(name) => serde_json::Value::from(name.as_str()).to_string(),
        None => request.key.to_string(),
    };
    let value = if request.function == Function::Read { op.completion.result } else { request.argument };
    let _ = write!(out, "{{\"process\":{},\"f\":\"{}\",\"key\":{key}", op.process.0, request.function);
    let _ = write!(out, ",\"value\":{}", or_null(value));
    if request.function == Function::Cas {
        let _ = write!(out, ",\"expected\":{}", or_null(request.expected));
    }
    let _ = write!(out, ",\"sent\":{},\"done\":{}", op.sent.0, or_null(op.done.0));
    let _ = write!(out, ",\"outcome\":\"{}\"", op.completion.outcome);
    if op.completion.error != ErrorKind::None {
        let _ = write!(out, ",\"error\":\"{}\"", op.completion.error);
    }
    let _ = write!(out, ",\"due\":{},\"node\":\"{}\",\"phase\":\"{}\"", op.due.0, op.node, op.phase);
    let _ = writeln!(out, ",\"size\":{}}}", request.size);
}

fn or_null(number: u64) -> String {
    if number == u64::MAX { "null".to_string() } else { number.to_string() }
}

#[derive(Deserialize)]
struct Line<'a> {
    process: u32,
    f: &'a str,
    #[serde(borrow)]
    key: Key<'a>,
    #[serde(default)]
    value: Option<u64>,
    #[serde(default)]
    expected: Option<u64>,
    sent: u64,
    #[serde(default)]
    done: Option<u64>,
    outcome: &'a str,
    #[serde(default)]
    error: Option<&'a str>,
    #[serde(default)]
    due: Option<u64>,
    #[serde(default)]
    node: Option<&'a str>,
    #[serde(default)]
    phase: Option<&'a str>,
    #[serde(default)]
    size: u32,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a key: a number or a name")]
enum Key<'a> {
    Number(u32),
    #[serde(borrow)]
    Name(std::borrow::Cow<'a, str>),
}

/// Reads what [`export`] writes, and what others write in its fields.
pub fn parse(text: &str) -> Result<History, TextError> {
    let mut operations = Vec::new();
    let mut names = crate::names::Names::default();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |column: usize, message: String| TextError { line: number + 1, column, message };
        let parsed: Line<'_> = serde_json::from_str(line).map_err(|error| {
            let full = error.to_string();
            let message = full.rsplit_once(" at line ").map_or(full.as_str(), |(message, _)| message);
            wrong(error.column().max(1), message.to_string())
        })?;
        // The column of the value whose text this is.
        let column = |text: &str| text.as_ptr() as usize - line.as_ptr() as usize + 1;
        let operation = operation(&parsed, &mut names).map_err(|(at, message)| wrong(column(at), message))?;
        operations.push(operation);
    }
    let mut history = names.finish(operations);
    history.origin = Origin::JsonLines;
    Ok(history)
}

fn operation<'a>(line: &Line<'a>, names: &mut crate::names::Names) -> Result<Operation, (&'a str, String)> {
    let function = pick(line.f, Function::ALL, |function| function.name())?;
    let outcome = pick(line.outcome, &[Outcome::Ok, Outcome::Fail, Outcome::Info], |outcome| outcome.name())?;
    let error = match line.error {
        Some(text) => ErrorKind::ALL.iter().copied().find(|kind| kind.name() == text).unwrap_or(ErrorKind::Other),
        None => ErrorKind::None,
    };
    let node = match line.node {
        Some(text) => text.parse::<NodeId>().map_err(|message| (text, message))?,
        None => NodeId(0),
    };
    let phase = match line.phase {
        Some(text) => pick(text, Phase::ALL, |phase| phase.name())?,
        None => Phase::Load,
    };
    let done = match (outcome, line.done) {
        (Outcome::Info, _) => Time::MAX,
        (_, Some(done)) => Time(done),
        (_, None) if error == ErrorKind::NeverSent => Time::MAX,
        (_, None) => return Err((line.outcome, format!("expected a number in `done`: the operation is `{outcome}`"))),
    };
    let value = line.value.unwrap_or(NIL);
    let reads = function == Function::Read;
    let key = match &line.key {
        Key::Number(number) => names.number(*number),
        Key::Name(name) => names.name(name),
    };
    Ok(Operation {
        process: ProcessId(line.process),
        node,
        request: Request {
            function,
            key,
            argument: if reads { NIL } else { value },
            expected: line.expected.unwrap_or(NIL),
            size: line.size,
        },
        due: Time(line.due.unwrap_or(line.sent)),
        sent: Time(line.sent),
        done,
        completion: Completion { outcome, result: if reads { value } else { NIL }, error },
        phase,
    })
}

fn pick<'a, T: Copy>(text: &'a str, all: &[T], name: impl Fn(T) -> &'static str) -> Result<T, (&'a str, String)> {
    let names = || all.iter().map(|one| format!("`{}`", name(*one))).collect::<Vec<_>>().join(", ");
    all.iter()
        .copied()
        .find(|one| name(*one) == text)
        .ok_or_else(|| (text, format!("expected one of {}, not `{text}`", names())))
}
