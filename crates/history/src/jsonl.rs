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

use crate::error::TextError;
use crate::event::Wrong;
use crate::history::{History, Origin};
use crate::import::Problems;
use crate::import::notation::{Notation, Scalar, Scanner};
use crate::import::window::{PORTION, Stop, Window};
use crate::names::Names;
use crate::operation::{Completion, ErrorKind, Function, NIL, Operation, Outcome, Phase, Request};
use crate::quote;

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
    let value = if request.function == Function::Read { op.completion.result } else { request.argument };
    let _ = write!(out, "{{\"process\":{},\"f\":\"{}\",\"key\":", op.process.0, request.function);
    match history.key_names.get(request.key as usize) {
        Some(name) => quote::put(out, name),
        None => drop(write!(out, "{}", request.key)),
    }
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

/// Reads what [`export`] writes, and what others write in its fields.
pub fn parse(text: &str) -> Result<History, TextError> {
    let read = Window::open(text.as_bytes(), PORTION)
        .map_err(Stop::Io)
        .and_then(|window| read(window, &mut Problems::new(false)));
    read.map_err(|stop| TextError::of(text.as_bytes(), stop.into()))
}

/// Reads a text, a window at a time.
pub(crate) fn read(window: Window<'_>, problems: &mut Problems) -> Result<History, Stop> {
    let mut operations = Vec::new();
    let mut names = Names::default();
    window.lines(problems, &mut |at, line| {
        let mut scanner = Scanner::new(line, Notation::Json);
        let operation = Line::read(&mut scanner).and_then(|line| line.operation(&mut names));
        operations.push(operation.map_err(|wrong| Wrong { at: at + wrong.at, ..wrong })?);
        Ok(())
    })?;
    let mut history = names.finish(operations);
    history.origin = Origin::JsonLines;
    Ok(history)
}

/// A scalar, and the byte of the line where it stands.
type Field<'a> = (usize, Scalar<'a>);

/// The fields of a line.
#[derive(Default)]
struct Line<'a> {
    /// By the places of [`FIELDS`].
    fields: [Option<Field<'a>>; FIELDS.len()],
    /// The byte behind the line.
    end: usize,
}

const FIELDS: [&str; 13] =
    ["process", "f", "key", "value", "expected", "sent", "done", "outcome", "error", "due", "node", "phase", "size"];

impl<'a> Line<'a> {
    fn read(scanner: &mut Scanner<'a>) -> Result<Line<'a>, Wrong> {
        let mut line = Line::default();
        if scanner.peek()? != Some(b'{') {
            return Err(Wrong::new(scanner.at, "expected an operation: `{\"process\": ...}`"));
        }
        let begin = scanner.at;
        scanner.at += 1;
        let mut next = 0;
        while scanner.next_key(begin)?.is_some() {
            let key = scanner.word()?;
            scanner.before_value()?;
            let at = scanner.at;
            let key = key.as_deref().unwrap_or("");
            // The fields usually stand in this order.
            let place = (next..FIELDS.len()).chain(0..next).find(|place| FIELDS[*place] == key);
            let scalar = scanner.scalar()?;
            if let Some(place) = place {
                let wrong = || Wrong::new(at, format!("expected a number, a string or null in `{key}`"));
                line.fields[place] = Some((at, scalar.ok_or_else(wrong)?));
                next = place + 1;
            }
        }
        if scanner.peek()?.is_some() {
            return Err(Wrong::new(scanner.at, "expected the end of the line"));
        }
        line.end = scanner.at;
        Ok(line)
    }

    /// The field, unless it is null or not there.
    fn get(&self, name: &str) -> Option<&Field<'a>> {
        let place = FIELDS.iter().position(|field| *field == name)?;
        self.fields[place].as_ref().filter(|(_, scalar)| *scalar != Scalar::Nil)
    }

    fn natural<T: TryFrom<u64>>(&self, name: &str) -> Result<Option<T>, Wrong> {
        let Some((at, scalar)) = self.get(name) else { return Ok(None) };
        let number = match scalar {
            Scalar::Integer(number) => u64::try_from(*number).ok(),
            Scalar::Word(word) => word.parse().ok(),
            Scalar::Nil => None,
        };
        let number = number.and_then(|number| T::try_from(number).ok());
        number.map(Some).ok_or_else(|| Wrong::new(*at, format!("expected a natural number in `{name}`")))
    }

    fn word(&self, name: &str) -> Result<Option<(usize, &str)>, Wrong> {
        match self.get(name) {
            Some((at, Scalar::Word(word))) => Ok(Some((*at, word))),
            Some((at, _)) => Err(Wrong::new(*at, format!("expected a string in `{name}`"))),
            None => Ok(None),
        }
    }

    fn missing(&self, name: &str) -> Wrong {
        Wrong::new(self.end.saturating_sub(1), format!("expected `{name}` in the operation"))
    }

    fn operation(&self, names: &mut Names) -> Result<Operation, Wrong> {
        let needed = |name| self.word(name)?.ok_or_else(|| self.missing(name));
        let process = self.natural("process")?.ok_or_else(|| self.missing("process"))?;
        let function = pick(needed("f")?, Function::ALL, Function::name)?;
        let outcome = pick(needed("outcome")?, &[Outcome::Ok, Outcome::Fail, Outcome::Info], Outcome::name)?;
        let error = match self.word("error")? {
            Some((_, text)) => {
                let found = ErrorKind::ALL.iter().copied().find(|kind| kind.name() == text);
                found.unwrap_or(ErrorKind::Other)
            }
            None => ErrorKind::None,
        };
        let node = match self.word("node")? {
            Some((at, text)) => text.parse::<NodeId>().map_err(|message| Wrong::new(at, message))?,
            None => NodeId(0),
        };
        let phase = self.word("phase")?.map(|phase| pick(phase, Phase::ALL, Phase::name)).transpose()?;
        let value = self.natural("value")?.unwrap_or(NIL);
        let reads = function == Function::Read;
        let sent = self.natural("sent")?.ok_or_else(|| self.missing("sent"))?;
        Ok(Operation {
            process: ProcessId(process),
            node,
            request: Request {
                function,
                key: self.key(names)?,
                argument: if reads { NIL } else { value },
                expected: self.natural("expected")?.unwrap_or(NIL),
                size: self.natural("size")?.unwrap_or(0),
            },
            due: Time(self.natural("due")?.unwrap_or(sent)),
            sent: Time(sent),
            done: self.done(outcome, error, sent)?,
            completion: Completion { outcome, result: if reads { value } else { NIL }, error },
            phase: phase.unwrap_or_default(),
        })
    }

    fn done(&self, outcome: Outcome, error: ErrorKind, sent: u64) -> Result<Time, Wrong> {
        match self.natural("done")? {
            _ if outcome == Outcome::Info => Ok(Time::MAX),
            Some(done) if done >= sent => Ok(Time(done)),
            Some(done) => {
                let at = self.get("done").map_or(0, |(at, _)| *at);
                Err(Wrong::new(at, format!("expected a time in `done` that is not before `sent`, {sent}, not {done}")))
            }
            None if error == ErrorKind::NeverSent => Ok(Time::MAX),
            None => {
                let at = self.get("outcome").map_or(0, |(at, _)| *at);
                Err(Wrong::new(at, format!("expected a number in `done`: the operation is `{outcome}`")))
            }
        }
    }

    fn key(&self, names: &mut Names) -> Result<u32, Wrong> {
        match self.get("key") {
            Some((_, Scalar::Integer(number))) if u32::try_from(*number).is_ok() => Ok(names.number(*number as u32)),
            Some((_, Scalar::Word(name))) => Ok(names.name(name)),
            Some((at, _)) => Err(Wrong::new(*at, "expected a key: a number of 32 bits or a name")),
            None => Err(self.missing("key")),
        }
    }
}

fn pick<T: Copy>((at, text): (usize, &str), all: &[T], name: impl Fn(T) -> &'static str) -> Result<T, Wrong> {
    all.iter().copied().find(|one| name(*one) == text).ok_or_else(|| {
        let names = all.iter().map(|one| format!("`{}`", name(*one))).collect::<Vec<_>>().join(", ");
        Wrong::new(at, format!("expected one of {names}, not `{text}`"))
    })
}
