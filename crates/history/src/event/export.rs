//! Events as text again: Jepsen's EDN, or the same in JSON Lines. Reading it gives the same events.
//!
//! - Keywords and symbols are keywords in EDN and strings in JSON; of a history that came from JSON, the function of a micro-operation
//!   (`["append" 3 1]`) is a keyword again.
//! - A history without real time says so in each event (`:real-time false`), since Jepsen's format knows no such thing.

use std::fmt::{self, Write as _};
use std::io;

use super::{Event, Events, Value};
use crate::quote;

/// Which notation to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    /// Jepsen's EDN: a map per line.
    Edn,
    /// An object per line.
    JsonLines,
}

/// Writes every event on a line of its own. Memory is for one line at a time.
pub fn export(events: &Events, notation: Notation, out: &mut dyn io::Write) -> io::Result<()> {
    let mut line = Line { text: String::new(), json: notation == Notation::JsonLines };
    for (index, event) in events.iter().enumerate() {
        line.text.clear();
        // Writing into a text cannot fail.
        let _ = line.event(index, &event, events.real_time);
        out.write_all(line.text.as_bytes())?;
    }
    Ok(())
}

struct Line {
    text: String,
    json: bool,
}

impl Line {
    fn event(&mut self, index: usize, event: &Event<'_>, real_time: bool) -> fmt::Result {
        self.text.push('{');
        self.field("index")?;
        write!(self.text, "{index}")?;
        if let Some(time) = event.time {
            self.field("time")?;
            write!(self.text, "{time}")?;
        }
        self.field("type")?;
        self.name(event.kind.name())?;
        if let Some(process) = event.process {
            self.field("process")?;
            write!(self.text, "{process}")?;
        }
        self.field("f")?;
        self.name(event.function)?;
        if !event.key.is_nil() {
            self.field("key")?;
            self.value(event.key)?;
        }
        self.field("value")?;
        self.value(event.value)?;
        if !event.error.is_nil() {
            self.field("error")?;
            self.value(event.error)?;
        }
        for (name, value) in event.extra.pairs() {
            self.field(name.word().unwrap_or(""))?;
            self.value(value)?;
        }
        if !real_time {
            self.field("real-time")?;
            self.text.push_str("false");
        }
        self.text.push_str("}\n");
        Ok(())
    }

    fn field(&mut self, name: &str) -> fmt::Result {
        let first = self.text.len() == 1;
        match (self.json, first) {
            (true, true) => write!(self.text, "\"{name}\":"),
            (true, false) => write!(self.text, ",\"{name}\":"),
            (false, true) => write!(self.text, ":{name} "),
            (false, false) => write!(self.text, ", :{name} "),
        }
    }

    /// A keyword or symbol; `true`, `false` and numbers that are no integers stand for themselves. What is no word of the notation is a
    /// string.
    fn name(&mut self, name: &str) -> fmt::Result {
        let plain = matches!(name, "true" | "false") || is_number(name);
        let word = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || ",;()[]{}\"".contains(c));
        match self.json {
            _ if plain => self.text.push_str(name),
            false if word => write!(self.text, ":{name}")?,
            _ => quote::put(&mut self.text, name),
        }
        Ok(())
    }

    fn value(&mut self, value: Value<'_>) -> fmt::Result {
        if let Some(number) = value.integer() {
            return write!(self.text, "{number}");
        }
        match value.word() {
            Some(word) if value.is_text() => quote::put(&mut self.text, word),
            Some(word) => self.name(word)?,
            None if value.is_sequence() => self.sequence(value)?,
            None if value.is_map() => self.map(value)?,
            None => self.text.push_str(if self.json { "null" } else { "nil" }),
        }
        Ok(())
    }

    fn sequence(&mut self, value: Value<'_>) -> fmt::Result {
        self.text.push('[');
        for (i, item) in value.items().enumerate() {
            if i > 0 {
                self.text.push(if self.json { ',' } else { ' ' });
            }
            match item.word() {
                Some(word) if i == 0 && MICRO.contains(&word) => self.name(word)?,
                _ => self.value(item)?,
            }
        }
        self.text.push(']');
        Ok(())
    }

    fn map(&mut self, value: Value<'_>) -> fmt::Result {
        self.text.push('{');
        for (i, (key, value)) in value.pairs().enumerate() {
            if i > 0 {
                self.text.push_str(if self.json { "," } else { ", " });
            }
            if self.json {
                // The keys of an object are strings; one that is written like an integer is read as one.
                quote::put(&mut self.text, &key.to_string());
                self.text.push(':');
            } else {
                self.value(key)?;
                self.text.push(' ');
            }
            self.value(value)?;
        }
        self.text.push('}');
        Ok(())
    }
}

/// The functions of micro-operations.
const MICRO: [&str; 8] = ["append", "r", "w", "read", "write", "send", "poll", "cas"];

/// Whether it is a decimal fraction as JSON has it: no `+`, no leading zero, no exponent.
fn is_number(name: &str) -> bool {
    let digits = name.strip_prefix('-').unwrap_or(name);
    let Some((whole, fraction)) = digits.split_once('.') else { return false };
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all_digits(whole) && all_digits(fraction) && (whole.len() == 1 || !whole.starts_with('0'))
}
