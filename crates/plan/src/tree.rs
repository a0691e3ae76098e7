//! What was written, as a tree that remembers where.

use toml::de::{DeArray, DeTable, DeValue};

/// A stretch of one source: a file, a base plan, or a `--set` argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub source: usize,
    pub start: usize,
    pub end: usize,
}

/// One value as written, and where.
#[derive(Clone, Debug)]
pub struct Item {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Boolean(bool),
    Integer {
        value: i128,
        written: String,
    },
    Float {
        value: f64,
        written: String,
    },
    /// `bare`: an override without quotes, which may also stand where a string is wanted and a number was read.
    Text(String),
    Datetime(String),
    Array(Vec<Item>),
    Table(Branch),
}

/// A table's entries in the order of the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Branch {
    pub entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub key: String,
    pub key_span: Span,
    pub item: Item,
}

impl Item {
    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What was written, with its article, for a message: `` the integer `5` ``.
    pub fn found(&self) -> String {
        match &self.value {
            Value::Boolean(value) => format!("the boolean `{value}`"),
            Value::Integer { written, .. } => format!("the integer `{written}`"),
            Value::Float { written, .. } => format!("the float `{written}`"),
            Value::Text(text) => format!("the string `{}`", shortened(text)),
            Value::Datetime(written) => format!("the date `{written}`"),
            Value::Array(_) => "an array".to_owned(),
            Value::Table(_) => "a table".to_owned(),
        }
    }
}

fn shortened(text: &str) -> String {
    let escaped = text.escape_debug().to_string();
    match escaped.char_indices().nth(40) {
        Some((end, _)) => format!("{}...", &escaped[..end]),
        None => escaped,
    }
}

impl Branch {
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    pub fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.key == key)
    }

    /// Lays `over` on top: tables are merged key by key, everything else is replaced.
    pub fn overlay(&mut self, over: Branch) {
        for entry in over.entries {
            let Some(under) = self.get_mut(&entry.key) else {
                self.entries.push(entry);
                continue;
            };
            match (&mut under.item.value, entry.item.value) {
                (Value::Table(under_table), Value::Table(table)) => {
                    under_table.overlay(table);
                    under.item.span = entry.item.span;
                }
                (value, over_value) => {
                    *value = over_value;
                    under.item.span = entry.item.span;
                }
            }
            under.key_span = entry.key_span;
        }
    }
}

/// Owns a parsed table. `offset` shifts spans when the text was part of a longer one.
pub(crate) fn branch(source: usize, offset: usize, table: &DeTable<'_>) -> Branch {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            key_span: span(source, offset, key.span()),
            item: item(source, offset, value.span(), value.get_ref()),
        })
        .collect();
    entries.sort_by_key(|entry| (entry.key_span.start, entry.item.span.start));
    Branch { entries }
}

pub(crate) fn item(source: usize, offset: usize, range: std::ops::Range<usize>, value: &DeValue<'_>) -> Item {
    let value = match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(integer) => integer_value(integer.as_str(), integer.radix()),
        DeValue::Float(float) => {
            Value::Float { value: float.as_str().parse().unwrap_or(f64::NAN), written: float.as_str().to_owned() }
        }
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Datetime(datetime) => Value::Datetime(datetime.to_string()),
        DeValue::Array(array) => Value::Array(items(source, offset, array)),
        DeValue::Table(table) => Value::Table(branch(source, offset, table)),
    };
    Item { span: span(source, offset, range), value }
}

/// A number beyond 128 bits cannot be any setting; as a float it is refused wherever an integer is wanted.
fn integer_value(digits: &str, radix: u32) -> Value {
    match i128::from_str_radix(digits, radix) {
        Ok(value) => Value::Integer { value, written: value.to_string() },
        Err(_) => Value::Float { value: f64::INFINITY, written: "inf".to_owned() },
    }
}

fn items(source: usize, offset: usize, array: &DeArray<'_>) -> Vec<Item> {
    array.iter().map(|value| item(source, offset, value.span(), value.get_ref())).collect()
}

fn span(source: usize, offset: usize, range: std::ops::Range<usize>) -> Span {
    Span { source, start: range.start + offset, end: range.end + offset }
}
