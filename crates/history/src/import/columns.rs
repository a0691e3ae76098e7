//! Jepsen's `history.txt` and the log of its runs: a line per event, `process TAB :type TAB :f TAB value [TAB error]`.
//!
//! In a log these stand behind `INFO  jepsen.util - ` (the logs of etcd 2.0 that Porcupine ships); other lines are skipped. There a
//! failed `:cas` found another value, and `:timed-out` stands in the place of the value and means unknown, of a read too.

use crate::event::{Events, Kind, Mark, Row, Wrong};
use crate::import::Problems;
use crate::import::notation::{Notation, Scanner, integer};

const LOGGER: &str = "jepsen.util - ";

/// Reads `history.txt`.
pub(super) fn read_table(text: &str, problems: &mut Problems) -> Result<Events, Wrong> {
    read(text, problems, false)
}

/// Reads a log.
pub(super) fn read_log(text: &str, problems: &mut Problems) -> Result<Events, Wrong> {
    read(text, problems, true)
}

fn read(text: &str, problems: &mut Problems, log: bool) -> Result<Events, Wrong> {
    let mut events = Events::default();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let behind = if log { line.find(LOGGER).map(|i| i + LOGGER.len()) } else { Some(0) };
        if let Some(behind) = behind.filter(|_| !line.trim().is_empty()) {
            let mark = events.arena.mark().unwrap_or(Mark::NIL);
            if let Err(wrong) = event(&mut events, line[behind..].trim_end(), at + behind, log) {
                problems.pass(wrong)?;
                events.arena.forget(mark);
            }
        }
        at += line.len();
    }
    Ok(events)
}

/// One line, which begins at the byte `at`.
fn event(events: &mut Events, line: &str, at: usize, log: bool) -> Result<(), Wrong> {
    let mut columns = line.split('\t').map(|column| (at + (column.as_ptr() as usize - line.as_ptr() as usize), column));
    let mut next =
        |what: &str| columns.next().ok_or_else(|| Wrong::new(at + line.len(), format!("expected a tab and {what}")));
    let (_, process) = next("a process")?;
    let (kind_at, kind) = next("`:invoke`, `:ok`, `:fail` or `:info`")?;
    let (_, function) = next("a function")?;
    let (value_at, value) = columns.next().unwrap_or((at + line.len(), "nil"));
    let error = columns.next();
    let Some(process) = integer(process.trim()) else {
        let is_word = process.trim().starts_with(':');
        return if is_word { Ok(()) } else { Err(Wrong::new(at, format!("expected a process, not `{process}`"))) };
    };
    let Some(process) = u32::try_from(process).ok().filter(|process| *process != u32::MAX) else {
        return Err(Wrong::new(at, format!("expected a process, not `{process}`")));
    };
    let kind = kind.trim().strip_prefix(':').and_then(Kind::find);
    let kind = kind.ok_or_else(|| Wrong::new(kind_at, "expected `:invoke`, `:ok`, `:fail` or `:info`"))?;
    let function = function.trim();
    let function = function.strip_prefix(':').unwrap_or(function);
    let timed_out = log && value.trim() == ":timed-out";
    let mut row = Row::new(at, kind, events.arena.symbol(function)).of(process);
    row.value_behind = (value_at - at) as u32;
    if timed_out {
        row.kind = Kind::Info;
        row.error = put(events, value, value_at)?;
    } else {
        row.value = put(events, value, value_at)?;
    }
    match error {
        Some((error_at, error)) => row.error = put(events, error, error_at)?,
        None if log && row.kind == Kind::Fail && function == "cas" => {
            row.error = put(events, "precondition-failed", value_at)?;
        }
        None => {}
    }
    events.rows.push(row);
    Ok(())
}

fn put(events: &mut Events, text: &str, at: usize) -> Result<Mark, Wrong> {
    let mark = events.arena.mark().ok_or_else(|| Wrong::new(at, "the history has more than 2^32 values"))?;
    let mut scanner = Scanner::new(text, Notation::Edn);
    if scanner.peek()?.is_none() {
        return Ok(Mark::NIL);
    }
    scanner.value(&mut events.arena).map_err(|wrong| Wrong::new(at + wrong.at, wrong.message))?;
    Ok(mark)
}
