use base::Time;

use super::{Builder, Kind, Transactions};
use crate::event::{Event, Events, Interner, Paired, Value, Wrong};
use crate::operation::Outcome;

/// The transactions of these events: each value is a sequence of `[function key value]`, with `append` and `r` of lists, or `w` and
/// `r` of registers. A read of a list that returned nil found it empty. `lists`: whether reads are of lists. If an event names no
/// process, none is known.
pub fn from_events(events: &Events, lists: bool) -> Result<Transactions, Wrong> {
    let operations = events.operations()?;
    let mut import = Import {
        builder: Builder::with_room(events.real_time, operations.len()),
        keys: Interner::default(),
        lists,
        longest: Vec::new(),
        latest: Vec::new(),
    };
    let mut more = Vec::new();
    let mut anonymous = false;
    for pair in operations.iter() {
        anonymous |= pair.invoke.process.is_none();
        import.transaction(&pair, &mut more)?;
    }
    let mut transactions = import.builder.finish().map_err(|large| Wrong::new(0, large.to_string()))?;
    if anonymous {
        transactions.forget_processes();
    }
    Ok(transactions)
}

struct Import<'a> {
    builder: Builder,
    keys: Interner<'a>,
    lists: bool,
    /// The longest list read of each key: lists grow, so that nearly all of another one is known from it, without looking up a version.
    longest: Vec<Option<Longest<'a>>>,
    /// The number that was met last with each key, and its version: what is read was often just written.
    latest: Vec<Option<(i64, u32)>>,
}

/// A list that was read.
#[derive(Clone, Copy)]
struct Longest<'a> {
    value: Value<'a>,
    length: usize,
    /// Where its elements begin.
    at: u32,
}

impl<'a> Import<'a> {
    fn transaction(&mut self, pair: &Paired<'a>, more: &mut Vec<u32>) -> Result<(), Wrong> {
        let time = |event: &Event<'_>| event.time.unwrap_or(0);
        self.builder.begin(pair.session, u64::from(pair.invoked), Time(time(&pair.invoke)));
        let event = pair.complete.as_ref().filter(|_| pair.outcome == Outcome::Ok).unwrap_or(&pair.invoke);
        for micro in pair.value().items() {
            let Some([function, key, value]) = micro.tuple() else {
                return Err(Wrong::new(event.at, format!("expected `[function key value]`, not {}", micro.describe())));
            };
            self.micro(event, (function, key, value), pair.outcome, more)?;
        }
        let done = pair.complete.as_ref().map_or(0, time);
        self.builder.end(u64::from(pair.completed), Time(done), pair.outcome);
        Ok(())
    }

    fn micro(
        &mut self,
        event: &Event<'a>,
        (function, key, value): (Value<'a>, Value<'a>, Value<'a>),
        outcome: Outcome,
        more: &mut Vec<u32>,
    ) -> Result<(), Wrong> {
        let key = self.key(key);
        match function.word() {
            Some("append") => {
                let version = self.version(key, value);
                self.builder.append(version);
            }
            Some("w" | "write") => {
                let version = self.version(key, value);
                self.builder.write(version);
            }
            Some("r" | "read") if outcome != Outcome::Ok => {
                self.builder.unread(if self.lists { Kind::ReadList } else { Kind::Read }, key);
            }
            Some("r" | "read") if self.lists => {
                if !value.is_nil() && !value.is_sequence() {
                    return Err(Wrong::new(
                        event.at,
                        format!("expected a list that was read, not {}", value.describe()),
                    ));
                }
                self.list(key, value, more);
            }
            Some("r" | "read") => {
                let version = (!value.is_nil()).then(|| self.version(key, value));
                self.builder.read(key, version);
            }
            _ => {
                let found = function.describe();
                return Err(Wrong::new(event.at, format!("expected `append`, `r` or `w`, not {found}")));
            }
        }
        Ok(())
    }

    fn list(&mut self, key: u32, value: Value<'a>, more: &mut Vec<u32>) {
        let longest = self.longest[key as usize];
        let common = longest.map_or(0, |longest| longest.value.common(value));
        more.clear();
        more.extend(value.items_behind(common).map(|element| self.version(key, element)));
        let at = self.builder.read_list_like(key, longest.map_or(0, |longest| longest.at), common, more);
        let length = common + more.len();
        if longest.is_none_or(|longest| longest.length < length) {
            self.longest[key as usize] = Some(Longest { value, length, at });
        }
    }

    fn key(&mut self, key: Value<'a>) -> u32 {
        let known = self.keys.values().len();
        let id = self.keys.id(key);
        if id as usize == known {
            self.longest.push(None);
            self.latest.push(None);
            return self.builder.new_key(key.to_string());
        }
        id
    }

    fn version(&mut self, key: u32, value: Value<'a>) -> u32 {
        let Some(number) = value.integer() else { return self.builder.text(key, &value.to_string()) };
        let latest = &mut self.latest[key as usize];
        if let Some((_, version)) = latest.filter(|(known, _)| *known == number) {
            return version;
        }
        let version = self.builder.version(key, number);
        *latest = Some((number, version));
        version
    }
}
