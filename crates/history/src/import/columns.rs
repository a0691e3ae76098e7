//! Jepsen's `history.txt` and the log of its runs: a line per event, `process TAB :type TAB :f TAB value [TAB error]`.
//! Some logs have blanks for tabs.
//!
//! In a log these stand behind `INFO  jepsen.util - ` (the logs of etcd 2.0 that Porcupine ships); other lines are skipped. There a
//! failed `:cas` found another value, and `:timed-out` stands in the place of the value and means unknown, of a read too.

use crate::event::{Events, Kind, Mark, Row, Wrong};
use crate::import::Problems;
use crate::import::notation::{Notation, Scanner, integer};
use crate::import::window::{Stop, Window};

const LOGGER: &str = "jepsen.util - ";

/// Reads `history.txt`.
pub(super) fn read_table(window: Window<'_>, problems: &mut Problems) -> Result<Events, Stop> {
    read(window, problems, false)
}

/// Reads a log.
pub(super) fn read_log(window: Window<'_>, problems: &mut Problems) -> Result<Events, Stop> {
    read(window, problems, true)
}

fn read(window: Window<'_>, problems: &mut Problems, log: bool) -> Result<Events, Stop> {
    let mut events = Events::default();
    window.lines(problems, &mut |at, line| {
        let Some(behind) = (if log { logged(line) } else { Some(0) }) else { return Ok(()) };
        let mark = events.arena.mark().unwrap_or(Mark::NIL);
        event(&mut events, &line[behind..], at + behind, log).inspect_err(|_| events.arena.forget(mark))
    })?;
    Ok(events)
}

/// Where the event of a log's line begins. Other messages of the same logger have no process.
fn logged(line: &str) -> Option<usize> {
    let behind = line.find(LOGGER)? + LOGGER.len();
    line[behind..].starts_with(|c: char| c.is_ascii_digit()).then_some(behind)
}

/// One line, which begins at the byte `at`. Between columns stand tabs, or blanks where tabs were expanded.
fn event(events: &mut Events, line: &str, at: usize, log: bool) -> Result<(), Wrong> {
    let mut rest = line;
    let (_, process) = word(&mut rest, line, at, "a process")?;
    let (kind_at, kind) = word(&mut rest, line, at, "`:invoke`, `:ok`, `:fail` or `:info`")?;
    let Some(process) = integer(process) else {
        let is_word = process.starts_with(':');
        return if is_word { Ok(()) } else { Err(Wrong::new(at, format!("expected a process, not `{process}`"))) };
    };
    let number = u32::try_from(process).ok().filter(|process| *process != u32::MAX);
    let process = number.ok_or_else(|| Wrong::new(at, format!("expected a process, not `{process}`")))?;
    let kind = kind.strip_prefix(':').and_then(Kind::find);
    let kind = kind.ok_or_else(|| Wrong::new(kind_at, "expected `:invoke`, `:ok`, `:fail` or `:info`"))?;
    let (_, function) = word(&mut rest, line, at, "a function")?;
    let function = function.strip_prefix(':').unwrap_or(function);
    let value_at = at + line.len() - rest.len();
    let mut row = Row::new(at, kind, events.arena.symbol(function)).of(process);
    row.value_behind = (value_at - at) as u32;
    let mut scanner = Scanner::new(rest, Notation::Edn);
    if log && rest.trim() == ":timed-out" {
        row.kind = Kind::Info;
        row.error = put(events, &mut scanner, value_at)?;
    } else {
        row.value = put(events, &mut scanner, value_at)?;
        row.error = put(events, &mut scanner, value_at)?;
    }
    if log && row.kind == Kind::Fail && function == "cas" && row.error == Mark::NIL {
        row.error = put(events, &mut Scanner::new("precondition-failed", Notation::Edn), value_at)?;
    }
    events.rows.push(row);
    Ok(())
}

/// The next word of the line and the byte where it begins.
fn word<'a>(rest: &mut &'a str, line: &str, at: usize, what: &str) -> Result<(usize, &'a str), Wrong> {
    *rest = rest.trim_start();
    let place = at + line.len() - rest.len();
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let (word, behind) = rest.split_at(end);
    *rest = behind.trim_start();
    if word.is_empty() { Err(Wrong::new(place, format!("expected a tab and {what}"))) } else { Ok((place, word)) }
}

/// The next value behind the words, nil if there is none; `at` is where the scanner's text begins.
fn put(events: &mut Events, scanner: &mut Scanner<'_>, at: usize) -> Result<Mark, Wrong> {
    let wrong = |wrong: Box<Wrong>| Wrong { at: at + wrong.at, ..*wrong };
    if scanner.peek().map_err(wrong)?.is_none() {
        return Ok(Mark::NIL);
    }
    let mark = events.arena.mark().ok_or_else(|| Wrong::new(at, "the history has more than 2^32 values"))?;
    scanner.value(&mut events.arena).map_err(wrong)?;
    Ok(mark)
}
