//! Formats that list transactions by session, without real time: each transaction becomes an invocation and a completion with
//! the value `[[:r key value] [:w key value] ...]`.
//!
//! - Plume: a line `r(key,value,session,txn)` or `w(...)` per operation; 0, and a value that nobody wrote, is the initial one.
//! - AWDIT's tests: lines `r key value`, `w key value`; `-----` ends a transaction, `=====` a session. No initial values.
//! - dbcop: a list of sessions of transactions of reads and writes, in bincode (version 0.1) or JSON (0.2); 0 is the initial value.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;

use super::notation::{Notation, Scanner};
use super::window::{Stop, Window};
use crate::event::{Events, Kind, Row, Symbol, Value, Wrong};
use crate::import::Problems;
use base::Fingerprint;

/// One read or write.
#[derive(Clone, Copy)]
struct Operation {
    write: bool,
    key: i64,
    /// `None`: the initial one.
    value: Option<i64>,
}

/// Collects transactions.
struct Builder {
    events: Events,
    transaction: Symbol,
    operations: Vec<Operation>,
}

impl Builder {
    fn new() -> Builder {
        let mut events = Events { real_time: false, ..Events::default() };
        let transaction = events.arena.symbol("txn");
        Builder { events, transaction, operations: Vec::new() }
    }

    /// Ends the transaction, which began at the byte `at`; one without operations is left out.
    fn end(&mut self, at: usize, session: u32, committed: bool) -> Result<(), Wrong> {
        if self.operations.is_empty() {
            return Ok(());
        }
        let arena = &mut self.events.arena;
        let mark = arena.mark().ok_or_else(|| Wrong::new(at, "the history has more than 2^32 values"))?;
        let all = arena.open();
        for operation in self.operations.drain(..) {
            let one = arena.open();
            arena.word(if operation.write { "w" } else { "r" });
            arena.integer(operation.key);
            match operation.value {
                Some(value) => arena.integer(value),
                None => arena.nil(),
            }
            arena.close(one, false);
        }
        arena.close(all, false);
        let completion = if committed { Kind::Ok } else { Kind::Fail };
        for kind in [Kind::Invoke, completion] {
            let mut row = Row::new(at, kind, self.transaction).of(session);
            row.value = mark;
            self.events.rows.push(row);
        }
        Ok(())
    }
}

/// Reads Plume's text.
pub(super) fn read_plume(window: Window<'_>, problems: &mut Problems) -> Result<Events, Stop> {
    let mut lines = Vec::new();
    let mut written: HashSet<(i64, i64), BuildHasherDefault<Fingerprint>> = HashSet::default();
    window.lines(problems, &mut |at, line| {
        let wrong = || Wrong::new(at, "expected `r(key,value,session,txn)` or `w(...)`");
        let (write, [key, value, session, transaction]) = plume_line(line).ok_or_else(wrong)?;
        if write {
            written.insert((key, value));
        }
        lines.push((at, write, key, value, session, transaction));
        Ok(())
    })?;
    let mut builder = Builder::new();
    let mut current: Option<(usize, i64, i64)> = None;
    for (at, write, key, value, session, transaction) in lines {
        if let Some((begin, last_session, last)) = current
            && (last_session, last) != (session, transaction)
        {
            builder.end(begin, session_number(last_session, begin)?, true)?;
            current = None;
        }
        current.get_or_insert((at, session, transaction));
        let initial = !write && !written.contains(&(key, value));
        builder.operations.push(Operation { write, key, value: (!initial).then_some(value) });
    }
    if let Some((begin, session, _)) = current {
        builder.end(begin, session_number(session, begin)?, true)?;
    }
    Ok(builder.events)
}

fn session_number(session: i64, at: usize) -> Result<u32, Wrong> {
    let number = u32::try_from(session).ok().filter(|number| *number != u32::MAX);
    number.ok_or_else(|| Wrong::new(at, format!("expected a session, not `{session}`")))
}

fn plume_line(line: &str) -> Option<(bool, [i64; 4])> {
    let (kind, rest) = line.split_once('(')?;
    let write = match kind.trim() {
        "w" => true,
        "r" => false,
        _ => return None,
    };
    let mut numbers = [0; 4];
    let mut fields = rest.strip_suffix(')')?.split(',');
    for number in &mut numbers {
        *number = fields.next()?.trim().parse().ok()?;
    }
    fields.next().is_none().then_some((write, numbers))
}

/// Reads AWDIT's test format.
pub(super) fn read_awdit(window: Window<'_>, problems: &mut Problems) -> Result<Events, Stop> {
    let mut builder = Builder::new();
    let mut session = 0;
    let mut begin = 0;
    window.lines(problems, &mut |at, line| {
        if is_ruler(line, b'-') || is_ruler(line, b'=') {
            builder.end(begin, session, true)?;
            session += u32::from(line.starts_with('='));
            return Ok(());
        }
        let wrong = || Wrong::new(at, "expected `r key value`, `w key value`, `-----` or `=====`");
        let operation = awdit_line(line).ok_or_else(wrong)?;
        if builder.operations.is_empty() {
            begin = at;
        }
        builder.operations.push(operation);
        Ok(())
    })?;
    builder.end(begin, session, true)?;
    Ok(builder.events)
}

fn is_ruler(line: &str, dash: u8) -> bool {
    line.len() >= 3 && line.bytes().all(|byte| byte == dash)
}

fn awdit_line(line: &str) -> Option<Operation> {
    let mut words = line.split_whitespace();
    let write = match words.next()? {
        "w" => true,
        "r" => false,
        _ => return None,
    };
    let key = words.next()?.parse().ok()?;
    let value = words.next()?.parse().ok()?;
    words.next().is_none().then_some(Operation { write, key, value: Some(value) })
}

/// Reads dbcop's bincode: little-endian words of 64 bits, strings and lists with their length before them.
pub(super) fn read_bincode(bytes: &[u8]) -> Result<Events, Wrong> {
    let mut reader = Bincode { bytes, at: 0 };
    for what in ["an id", "the nodes", "the variables", "the transactions", "the events"] {
        reader.word(what)?;
    }
    for what in ["the name of the system", "the time of the start", "the time of the end"] {
        let length = reader.length(what, 1)?;
        reader.at += length;
    }
    let mut builder = Builder::new();
    for session in 0..reader.length("the number of sessions", 8)? {
        for _ in 0..reader.length("the number of transactions", 9)? {
            let begin = reader.at;
            for _ in 0..reader.length("the number of operations", 18)? {
                let write = reader.flag("whether it writes")?;
                let (key, value) = (reader.word("the variable")?, reader.word("the value")?);
                if reader.flag("whether it succeeded")? {
                    builder.operations.push(Operation { write, key, value: Some(value).filter(|v| write || *v != 0) });
                }
            }
            let committed = reader.flag("whether the transaction committed")?;
            builder.end(begin, session_number(session as i64, begin)?, committed)?;
        }
    }
    if reader.at != bytes.len() {
        return Err(Wrong::new(reader.at, "expected the end of the history"));
    }
    Ok(builder.events)
}

struct Bincode<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bincode<'_> {
    fn word(&mut self, what: &str) -> Result<i64, Wrong> {
        let bytes = self.bytes.get(self.at..self.at + 8);
        let bytes = bytes.ok_or_else(|| Wrong::new(self.at, format!("expected {what} in 8 bytes")))?;
        self.at += 8;
        Ok(i64::from_le_bytes(bytes.try_into().expect("eight bytes")))
    }

    /// A number of things of at least `size` bytes each; no more than there is room for.
    fn length(&mut self, what: &str, size: usize) -> Result<usize, Wrong> {
        let at = self.at;
        let number = self.word(what)?;
        let most = (self.bytes.len() - self.at) / size;
        let fits = usize::try_from(number).ok().filter(|number| *number <= most);
        fits.ok_or_else(|| Wrong::new(at, format!("expected {what}, at most {most}, not {number}")))
    }

    fn flag(&mut self, what: &str) -> Result<bool, Wrong> {
        let wrong = || Wrong::new(self.at, format!("expected {what}: 0 or 1"));
        let flag = *self.bytes.get(self.at).filter(|byte| **byte < 2).ok_or_else(wrong)?;
        self.at += 1;
        Ok(flag == 1)
    }
}

/// Reads dbcop's JSON: `{"data": [[{"events": [{"Write": {"variable": 1, "version": 2}}, ...], "committed": true}, ...], ...]}`.
pub(super) fn read_dbcop_json(text: &str) -> Result<Events, Wrong> {
    let mut whole = Events::default();
    let mark = whole.arena.mark().expect("it is empty");
    let mut scanner = Scanner::new(text, Notation::Json);
    scanner.value(&mut whole.arena)?;
    if scanner.peek()?.is_some() {
        return Err(Wrong::new(scanner.at, "expected the end of the history"));
    }
    let lost = |what: &str| Wrong::new(0, format!("expected {what}"));
    let sessions = whole.arena.value(mark).get("data").ok_or_else(|| lost("`data`: a list of sessions"))?;
    let mut builder = Builder::new();
    for (number, session) in (0..).zip(sessions.items()) {
        for transaction in session.items() {
            let operations = transaction.get("events").ok_or_else(|| lost("`events` in each transaction"))?;
            let committed = transaction.get("committed").and_then(Value::word);
            let committed = committed.ok_or_else(|| lost("`committed` in each transaction: true or false"))? == "true";
            for operation in operations.items() {
                let wrong = || lost("`{\"Read\": {...}}` or `{\"Write\": {...}}` with `variable` and `version`");
                builder.operations.push(dbcop_operation(operation).ok_or_else(wrong)?);
            }
            builder.end(0, number, committed)?;
        }
    }
    Ok(builder.events)
}

fn dbcop_operation(operation: Value<'_>) -> Option<Operation> {
    let (kind, what) = operation.pairs().next()?;
    let write = match kind.word()? {
        "Write" => true,
        "Read" => false,
        _ => return None,
    };
    let key = what.get("variable")?.integer()?;
    let value = what.get("version").and_then(Value::integer);
    if write {
        value?;
    }
    Some(Operation { write, key, value: value.filter(|value| write || *value != 0) })
}
