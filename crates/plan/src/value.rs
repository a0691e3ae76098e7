//! What can be read from a plan, and how it is written back.

use crate::effective::string;
use crate::tree::{Item, Span, Value};
use base::{NodeId, units};
use std::collections::BTreeMap;
use std::time::Duration;

/// A type that a setting can have.
pub trait FromValue: Sized {
    /// What is wanted, with an example: `` a duration like `250ms` ``.
    fn kind() -> String;
    /// Reads it, or says what is wrong with it.
    fn from_value(item: &Item) -> Result<Self, Wrong>;
    /// Writes it as TOML. Read again, it gives the same value.
    fn literal(&self) -> String;
}

/// Why a value cannot be what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub(crate) message: String,
    pub(crate) help: String,
    pub(crate) span: Option<Span>,
}

impl Wrong {
    /// A value of the right type that cannot be used: `` `9` is not ... ``, and what to write instead.
    pub fn new(item: &Item, message: impl Into<String>, help: impl Into<String>) -> Self {
        Wrong { message: message.into(), help: help.into(), span: Some(item.span) }
    }

    /// A value of another type than the wanted one.
    pub fn kind<T: FromValue>(item: &Item) -> Self {
        Wrong::new(item, format!("expected {}, found {}", T::kind(), item.found()), "")
    }
}

/// Operations (or anything else) per second: `500/s`, `60/m`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Rate(pub f64);

/// A part of the whole, from 0 to 1: `5%`, `0.05`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Share(pub f64);

/// Bytes: `256B`, `4KiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// One plain value of whatever type, as text, for whoever knows better what it should be: `"150ms"`, `64`, `true`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain(pub String);

/// A span of time that may vary: `1s..3s`, or `2s` when it does not. Both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DurationRange {
    /// The shortest.
    pub min: Duration,
    /// The longest. Invariant: `min <= max`.
    pub max: Duration,
}

impl FromValue for Plain {
    fn kind() -> String {
        "a plain value".to_owned()
    }

    fn from_value(item: &Item) -> Result<Self, Wrong> {
        match &item.value {
            Value::Boolean(value) => Ok(Plain(value.to_string())),
            Value::Integer { written, .. } | Value::Float { written, .. } => Ok(Plain(written.clone())),
            Value::Text(text) => Ok(Plain(text.clone())),
            Value::Datetime(_) | Value::Array(_) | Value::Table(_) => Err(Wrong::kind::<Self>(item)),
        }
    }

    fn literal(&self) -> String {
        string(&self.0)
    }
}

impl FromValue for bool {
    fn kind() -> String {
        "`true` or `false`".to_owned()
    }

    fn from_value(item: &Item) -> Result<Self, Wrong> {
        match item.value {
            Value::Boolean(value) => Ok(value),
            _ => Err(Wrong::kind::<Self>(item)),
        }
    }

    fn literal(&self) -> String {
        self.to_string()
    }
}

impl FromValue for String {
    fn kind() -> String {
        "a string in quotes".to_owned()
    }

    fn from_value(item: &Item) -> Result<Self, Wrong> {
        match &item.value {
            Value::Text(text) => Ok(text.clone()),
            Value::Integer { written, .. } | Value::Float { written, .. } | Value::Datetime(written) => {
                let help = format!("put it in quotes: `\"{written}\"`");
                Err(Wrong { help, ..Wrong::kind::<Self>(item) })
            }
            _ => Err(Wrong::kind::<Self>(item)),
        }
    }

    fn literal(&self) -> String {
        string(self)
    }
}

macro_rules! whole_number {
    ($($type:ty),*) => {$(
        impl FromValue for $type {
            fn kind() -> String {
                "a whole number".to_owned()
            }

            fn from_value(item: &Item) -> Result<Self, Wrong> {
                let Value::Integer { value, written } = &item.value else { return Err(Wrong::kind::<Self>(item)) };
                <$type>::try_from(*value).map_err(|_| out_of_range(item, written, *value < 0, <$type>::MAX))
            }

            fn literal(&self) -> String {
                self.to_string()
            }
        }
    )*};
}
whole_number!(u16, u32, u64, usize, i64);

impl FromValue for f64 {
    fn kind() -> String {
        "a number".to_owned()
    }

    fn from_value(item: &Item) -> Result<Self, Wrong> {
        match &item.value {
            Value::Integer { value, .. } => Ok(*value as f64),
            Value::Float { value, .. } if value.is_finite() => Ok(*value),
            Value::Float { written, .. } => Err(Wrong::new(item, format!("`{written}` is not a finite number"), "")),
            _ => Err(Wrong::kind::<Self>(item)),
        }
    }

    fn literal(&self) -> String {
        format!("{self:?}")
    }
}

impl FromValue for Duration {
    fn kind() -> String {
        "a duration like `250ms`".to_owned()
    }

    fn from_value(item: &Item) -> Result<Self, Wrong> {
        quantity::<Self, _>(item, "ms", units::parse_duration)
    }

    fn literal(&self) -> String {
        string(&duration(*self))
    }
}

impl FromValue for DurationRange {
    fn kind() -> String {
        "a duration like `2s` or a range like `1s..3s`".to_owned()
    }

    fn from_value(item: &Item) -> Result<Self, Wrong> {
        quantity::<Self, _>(item, "s", parse_range)
    }

    fn literal(&self) -> String {
        match self.min == self.max {
            true => string(&duration(self.min)),
            false => string(&format!("{}..{}", duration(self.min), duration(self.max))),
        }
    }
}

impl FromValue for Rate {
    fn kind() -> String {
        "a rate like `2000/s`".to_owned()
    }

    fn from_value(item: &Item) -> Result<Self, Wrong> {
        let rate = quantity::<Self, _>(item, "/s", units::parse_rate)?;
        if rate.is_finite() { Ok(Rate(rate)) } else { Err(Wrong::kind::<Self>(item)) }
    }

    fn literal(&self) -> String {
        string(&format!("{}/s", self.0))
    }
}

impl FromValue for Share {
    fn kind() -> String {
        "a share like `5%` or `0.05`".to_owned()
    }

    fn from_value(item: &Item) -> Result<Self, Wrong> {
        let text = match &item.value {
            Value::Integer { written, .. } | Value::Float { written, .. } => written,
            _ => return quantity::<Self, _>(item, "%", units::parse_share).map(Share),
        };
        let advice = format!("write it like `\"{text}%\"`, or as a part of 1");
        units::parse_share(text).map(Share).map_err(|reason| Wrong { help: advice, ..explained(item, &reason) })
    }

    /// In per cent where that gives the same number.
    fn literal(&self) -> String {
        let percent = format!("{}%", self.0 * 100.0);
        if percent.len() <= 6 && units::parse_share(&percent) == Ok(self.0) {
            string(&percent)
        } else {
            self.0.literal()
        }
    }
}

impl FromValue for Size {
    fn kind() -> String {
        "a size like `256B` or `4KiB`".to_owned()
    }

    fn from_value(item: &Item) -> Result<Self, Wrong> {
        match &item.value {
            Value::Integer { .. } => u64::from_value(item).map(Size),
            _ => quantity::<Self, _>(item, "B", units::parse_size).map(Size),
        }
    }

    fn literal(&self) -> String {
        string(&format!("{}B", self.0))
    }
}

impl FromValue for NodeId {
    fn kind() -> String {
        "a node like `n1`".to_owned()
    }

    fn from_value(item: &Item) -> Result<Self, Wrong> {
        let text = item.as_str().ok_or_else(|| Wrong::kind::<Self>(item))?;
        text.parse().map_err(|reason: String| explained(item, &reason))
    }

    fn literal(&self) -> String {
        string(&self.to_string())
    }
}

impl<T: FromValue> FromValue for Vec<T> {
    fn kind() -> String {
        format!("a list in brackets, each {}", T::kind())
    }

    fn from_value(item: &Item) -> Result<Self, Wrong> {
        match &item.value {
            Value::Array(items) => items.iter().map(T::from_value).collect(),
            Value::Text(text) => {
                Err(Wrong { help: format!("put it in brackets: `[{}]`", string(text)), ..Wrong::kind::<Self>(item) })
            }
            _ => Err(Wrong::kind::<Self>(item)),
        }
    }

    fn literal(&self) -> String {
        format!("[{}]", self.iter().map(T::literal).collect::<Vec<_>>().join(", "))
    }
}

/// Names that the plan's author chooses, such as environment variables.
impl<T: FromValue> FromValue for BTreeMap<String, T> {
    fn kind() -> String {
        format!("a table of names, each with {}", T::kind())
    }

    fn from_value(item: &Item) -> Result<Self, Wrong> {
        match &item.value {
            Value::Table(table) => {
                table.entries.iter().map(|it| Ok((it.key.clone(), T::from_value(&it.item)?))).collect()
            }
            _ => Err(Wrong::kind::<Self>(item)),
        }
    }

    fn literal(&self) -> String {
        let pairs: Vec<String> =
            self.iter().map(|(key, value)| format!("{} = {}", crate::effective::key(key), value.literal())).collect();
        if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) }
    }
}

/// Reads a quantity from a string. A bare number gets the advice to add a unit.
fn quantity<T: FromValue, V>(item: &Item, unit: &str, parse: impl Fn(&str) -> Result<V, String>) -> Result<V, Wrong> {
    match &item.value {
        Value::Text(text) => parse(text).map_err(|reason| explained(item, &reason)),
        Value::Integer { written, .. } | Value::Float { written, .. } => {
            let message = format!("`{written}` has no unit");
            Err(Wrong::new(item, message, format!("write it in quotes, like `\"{written}{unit}\"`")))
        }
        _ => Err(Wrong::kind::<T>(item)),
    }
}

fn out_of_range(item: &Item, written: &str, negative: bool, max: impl std::fmt::Display) -> Wrong {
    let message = if negative { "is too small" } else { "is too large" };
    Wrong::new(item, format!("`{written}` {message}"), format!("take a whole number up to {max}"))
}

/// The reasons of [`base::units`] end with advice after a semicolon.
fn explained(item: &Item, reason: &str) -> Wrong {
    let (message, help) = reason.split_once("; ").unwrap_or((reason, ""));
    Wrong::new(item, message, help)
}

fn parse_range(text: &str) -> Result<DurationRange, String> {
    let Some((min, max)) = text.split_once("..") else {
        return units::parse_duration(text).map(|fixed| DurationRange { min: fixed, max: fixed });
    };
    let wrong = |reason: String| match reason.split_once("; ") {
        Some((message, _)) => format!("{message}; write a range like `1s..3s`"),
        None => reason,
    };
    let range = DurationRange {
        min: units::parse_duration(min).map_err(wrong)?,
        max: units::parse_duration(max).map_err(wrong)?,
    };
    if range.min > range.max {
        Err(format!("`{text}` ends before it begins; write the shorter one first"))
    } else {
        Ok(range)
    }
}

/// Exactly, in the largest unit that needs no fraction: `1500ms`.
fn duration(span: Duration) -> String {
    let nanos = span.as_nanos();
    let (size, unit) = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"), (1, "ns")]
        .into_iter()
        .find(|(size, _)| nanos.is_multiple_of(*size))
        .expect("every number is a multiple of 1");
    format!("{}{unit}", nanos / size)
}
