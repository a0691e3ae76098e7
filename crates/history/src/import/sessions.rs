//! Formats that list transactions by session, without real time: each transaction becomes an invocation and a completion with
//! the value `[[:r key value] [:w key value] ...]`.
//!
//! - Plume: a line `r(key,value,session,txn)` or `w(...)` per operation; 0, and a value that nobody wrote, is the initial one.
//! - AWDIT's tests: lines `r key value`, `w key value`; `-----` ends a transaction, `=====` a session. No initial values.
//! - dbcop: a list of sessions of transactions of reads and writes, in bincode (version 0.1) or JSON (0.2); 0 is the initial value.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;

use base::Fingerprint;
use serde::Deserialize;

use crate::event::{Events, Kind, Row, Symbol, Wrong};
use crate::import::Problems;

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
pub(super) fn read_plume(text: &str, problems: &mut Problems) -> Result<Events, Wrong> {
    let mut lines = Vec::new();
    let mut written: HashSet<(i64, i64), BuildHasherDefault<Fingerprint>> = HashSet::default();
    for (at, line) in numbered(text) {
        match plume_line(line) {
            Some((write, [key, value, session, transaction])) => {
                if write {
                    written.insert((key, value));
                }
                lines.push((at, write, key, value, session, transaction));
            }
            None => problems.pass(Wrong::new(at, "expected `r(key,value,session,txn)` or `w(...)`"))?,
        }
    }
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

/// The lines that are not empty, trimmed, with the byte where each begins.
fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let start = text.as_ptr() as usize;
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(move |line| (line.as_ptr() as usize - start, line))
}

/// Reads AWDIT's test format.
pub(super) fn read_awdit(text: &str, problems: &mut Problems) -> Result<Events, Wrong> {
    let mut builder = Builder::new();
    let mut session = 0;
    let mut begin = 0;
    for (at, line) in numbered(text) {
        if is_ruler(line, b'-') || is_ruler(line, b'=') {
            builder.end(begin, session, true)?;
            session += u32::from(line.starts_with('='));
            continue;
        }
        match awdit_line(line) {
            Some(operation) => {
                if builder.operations.is_empty() {
                    begin = at;
                }
                builder.operations.push(operation);
            }
            None => problems.pass(Wrong::new(at, "expected `r key value`, `w key value`, `-----` or `=====`"))?,
        }
    }
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

#[derive(Deserialize)]
struct Dbcop {
    data: Vec<Vec<DbcopTransaction>>,
}

#[derive(Deserialize)]
struct DbcopTransaction {
    events: Vec<DbcopEvent>,
    committed: bool,
}

#[derive(Deserialize)]
enum DbcopEvent {
    Write { variable: i64, version: i64 },
    Read { variable: i64, version: Option<i64> },
}

/// Reads dbcop's JSON.
pub(super) fn read_dbcop_json(text: &str) -> Result<Events, Wrong> {
    let parsed: Dbcop = serde_json::from_str(text).map_err(|error| {
        let full = error.to_string();
        let message = full.rsplit_once(" at line ").map_or(full.as_str(), |(message, _)| message);
        Wrong::new(byte_of(text, error.line(), error.column()), message)
    })?;
    let mut builder = Builder::new();
    for (session, transactions) in (0..).zip(parsed.data) {
        for transaction in transactions {
            builder.operations.extend(transaction.events.iter().map(|event| match *event {
                DbcopEvent::Write { variable, version } => {
                    Operation { write: true, key: variable, value: Some(version) }
                }
                DbcopEvent::Read { variable, version } => {
                    Operation { write: false, key: variable, value: version.filter(|version| *version != 0) }
                }
            }));
            builder.end(0, session, transaction.committed)?;
        }
    }
    Ok(builder.events)
}

fn byte_of(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    before + column.saturating_sub(1)
}
