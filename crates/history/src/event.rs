//! Events: what an imported history is made of, whatever its format and whatever the object or transaction.
//!
//! A client's process *invokes* a function and later *completes* it (`ok`, `fail`, `info`). [`Events`] holds all of them flat:
//! a row of fixed size per event, and one arena of eight-byte tokens for all values, so that a list of a thousand elements
//! costs eight kilobytes and no allocation. Every reader fills it; every checker's columns are made from
//! [`Events::operations`], which pairs invocations with completions.
//!
//! - A missing completion means unknown, as `info` does.
//! - Order in the file is order in real time. An operation's ranks are the places of its two events, so an operation whose
//!   completion stands before another's invocation happened before it. A format without real time
//!   ([`Events::real_time`] is false) leaves every completion at [`NEVER`]: nothing happened before anything else.
//! - The order of a process breaks at an unknown outcome: a process that goes on after `info` is a new [`Paired::session`].
//! - Where events name no process, a completion belongs to the earliest open invocation that it fits.

use std::collections::{BTreeMap, BTreeSet};

use crate::operation::Outcome;

mod export;
mod intern;
mod value;

pub use export::{Notation, export};
pub use intern::Interner;
pub(crate) use value::{Arena, Mark};
pub use value::{Symbol, Value};

/// The rank of a completion that never came, or of whose time nothing is known.
pub const NEVER: u32 = u32::MAX;

/// What an event says about its operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The client asks.
    Invoke,
    /// It happened.
    Ok,
    /// It certainly did not happen.
    Fail,
    /// Unknown: it may have happened, at any later time too.
    Info,
}

impl Kind {
    /// The name in histories.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Invoke => "invoke",
            Kind::Ok => "ok",
            Kind::Fail => "fail",
            Kind::Info => "info",
        }
    }

    /// The kind of this name.
    pub fn find(name: &str) -> Option<Kind> {
        match name {
            "invoke" => Some(Kind::Invoke),
            "ok" => Some(Kind::Ok),
            "fail" => Some(Kind::Fail),
            "info" => Some(Kind::Info),
            _ => None,
        }
    }
}

/// One event of a client.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Who; `None` where the history names no processes.
    pub process: Option<u32>,
    /// What it says.
    pub kind: Kind,
    /// The function: `read`, `cas`, `enqueue`, `txn`, ... Transactions without a function are `txn`.
    pub function: &'a str,
    /// The key, where it stands beside the value; else nil. (A tuple `[key value]` is in the value.)
    pub key: Value<'a>,
    /// The argument, or what came back.
    pub value: Value<'a>,
    /// Why it is not `ok`; else nil.
    pub error: Value<'a>,
    /// Other fields that a history of ours has (`:due`, `:node`, `:phase`, `:size`), as a map; else nil.
    pub extra: Value<'a>,
    /// When, ns since some instant, if the history says so. Ranks are what counts.
    pub time: Option<u64>,
    /// The byte of the text where the event begins.
    pub at: usize,
    /// The byte where its value begins; `at` if it has none.
    pub value_at: usize,
}

/// An invocation and its completion.
#[derive(Clone, Copy, Debug)]
pub struct Paired<'a> {
    /// Who, as the history says; 0, 1, ... by the first free number where it names nobody.
    pub process: u32,
    /// The process, until an outcome is unknown: dense, counted in order of the first invocation. Order within a session is order
    /// of invocation.
    pub session: u32,
    /// What was asked.
    pub function: &'a str,
    /// What came of it; `Info` if no completion is there.
    pub outcome: Outcome,
    /// The invocation.
    pub invoke: Event<'a>,
    /// The completion, if there is one.
    pub complete: Option<Event<'a>>,
    /// The rank of the invocation among all events.
    pub invoked: u32,
    /// The rank of the completion; [`NEVER`] for `Info`, and for everything in a history without real time.
    pub completed: u32,
}

impl<'a> Paired<'a> {
    /// The value of the completion where the operation was `ok`, else that of the invocation.
    pub fn value(&self) -> Value<'a> {
        match self.complete {
            Some(event) if self.outcome == Outcome::Ok => event.value,
            _ => self.invoke.value,
        }
    }

    /// Why it is not `ok`; nil if the history does not say.
    pub fn error(&self) -> Value<'a> {
        self.complete.map_or(self.invoke.error, |event| event.error)
    }
}

/// What is wrong with an event, and at which byte of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The byte where it stands.
    pub at: usize,
    /// What was expected, and what is there.
    pub message: String,
}

impl Wrong {
    /// Something wrong at this byte.
    pub fn new(at: usize, message: impl Into<String>) -> Wrong {
        Wrong { at, message: message.into() }
    }
}

const NOBODY: u32 = u32::MAX;
const NO_TIME: u64 = u64::MAX;

/// One event in 56 bytes; values are places in the arena.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub time: u64,
    pub at: usize,
    /// Bytes from `at` to the value.
    pub value_behind: u32,
    pub process: u32,
    pub function: Symbol,
    pub key: Mark,
    pub value: Mark,
    pub error: Mark,
    pub extra: Mark,
    pub kind: Kind,
}

impl Row {
    pub(crate) fn new(at: usize, kind: Kind, function: Symbol) -> Row {
        let nil = Mark::NIL;
        Row {
            time: NO_TIME,
            at,
            value_behind: 0,
            process: NOBODY,
            function,
            key: nil,
            value: nil,
            error: nil,
            extra: nil,
            kind,
        }
    }

    /// A row of this process.
    pub(crate) fn of(mut self, process: u32) -> Row {
        self.process = process;
        self
    }
}

/// All events of the clients, in the order of the file. Events of others (`:nemesis`) are left out.
#[derive(Clone, Debug)]
pub struct Events {
    /// Whether the order of the events is an order in real time.
    pub real_time: bool,
    pub(crate) arena: Arena,
    pub(crate) rows: Vec<Row>,
}

impl Default for Events {
    fn default() -> Self {
        Events { real_time: true, arena: Arena::default(), rows: Vec::new() }
    }
}

impl Events {
    /// How many events.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// One event. Panics when `index` is not below [`Events::len`].
    #[inline]
    pub fn get(&self, index: usize) -> Event<'_> {
        let row = &self.rows[index];
        let arena = &self.arena;
        Event {
            process: (row.process != NOBODY).then_some(row.process),
            kind: row.kind,
            function: arena.name(row.function),
            key: arena.value(row.key),
            value: arena.value(row.value),
            error: arena.value(row.error),
            extra: arena.value(row.extra),
            time: (row.time != NO_TIME).then_some(row.time),
            at: row.at,
            value_at: row.at + row.value_behind as usize,
        }
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Event<'_>> + '_ {
        (0..self.len()).map(|index| self.get(index))
    }

    /// What each says, and when.
    pub(crate) fn kinds_and_times(&self) -> impl Iterator<Item = (Kind, Option<u64>)> + '_ {
        self.rows.iter().map(|row| (row.kind, (row.time != NO_TIME).then_some(row.time)))
    }

    /// The functions that occur, each once.
    pub fn functions(&self) -> impl Iterator<Item = &str> + '_ {
        let mut seen = Vec::new();
        let mut is_new = move |symbol: Symbol| {
            let place = symbol.0 as usize;
            if seen.len() <= place {
                seen.resize(place + 1, false);
            }
            !std::mem::replace(&mut seen[place], true)
        };
        self.rows.iter().filter(move |row| is_new(row.function)).map(|row| self.arena.name(row.function))
    }

    /// Pairs invocations with completions, in order of invocation. Linear, but for open operations of nobody.
    pub fn operations(&self) -> Result<Operations<'_>, Wrong> {
        let mut pairing = Pairing::of(self);
        for index in 0..self.rows.len() {
            pairing.event(index as u32)?;
        }
        Ok(Operations { events: self, pairs: pairing.pairs })
    }

    /// Leaves out completions without an invocation, and gives an operation that its process left behind an unknown outcome.
    /// Afterwards [`Events::operations`] finds no mistake. Every mistake is told to `note`.
    pub(crate) fn repair(&mut self, mut note: impl FnMut(Wrong)) {
        let mut rows = Vec::with_capacity(self.rows.len());
        let mut pairing = Pairing::of(self);
        for index in 0..self.rows.len() {
            let mut row = self.rows[index];
            let Err(wrong) = pairing.event(index as u32) else {
                rows.push(row);
                continue;
            };
            note(wrong);
            if row.kind == Kind::Invoke {
                rows.push(Row::new(row.at, Kind::Info, pairing.under_way(row.process)).of(row.process));
                pairing.abandon(row.process);
                rows.push(row);
                let _ = pairing.event(index as u32);
            } else if pairing.under_way_of(row.process).is_some() {
                // The completion of another function: nothing is known of the operation.
                row.function = pairing.under_way(row.process);
                row.kind = Kind::Info;
                pairing.abandon(row.process);
                rows.push(row);
            }
        }
        self.rows = rows;
    }
}

/// The operations of a history, in order of invocation.
#[derive(Clone, Debug)]
pub struct Operations<'a> {
    events: &'a Events,
    pairs: Vec<Pair>,
}

#[derive(Clone, Copy, Debug)]
struct Pair {
    invoke: u32,
    complete: u32,
    process: u32,
    session: u32,
}

impl<'a> Operations<'a> {
    /// How many operations.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// One operation. Panics when `index` is not below [`Operations::len`].
    #[inline]
    pub fn get(&self, index: usize) -> Paired<'a> {
        let pair = self.pairs[index];
        let invoke = self.events.get(pair.invoke as usize);
        let complete = (pair.complete != NEVER).then(|| self.events.get(pair.complete as usize));
        let outcome = match complete.map(|event| event.kind) {
            Some(Kind::Ok) => Outcome::Ok,
            Some(Kind::Fail) => Outcome::Fail,
            _ => Outcome::Info,
        };
        let known = self.events.real_time && outcome != Outcome::Info;
        Paired {
            process: pair.process,
            session: pair.session,
            function: invoke.function,
            outcome,
            invoke,
            complete,
            invoked: pair.invoke,
            completed: if known { pair.complete } else { NEVER },
        }
    }

    /// All of them, in order of invocation.
    pub fn iter(&self) -> impl Iterator<Item = Paired<'a>> + '_ {
        (0..self.len()).map(|index| self.get(index))
    }
}

/// Finds the completion of each invocation.
struct Pairing<'a> {
    events: &'a Events,
    pairs: Vec<Pair>,
    /// The operation under way of each process, by a dense table first and a tree for large numbers.
    open: Slots,
    /// Open operations of nobody, by the number they borrow.
    nobody: BTreeMap<u32, u32>,
    /// The processes that events name; found when the first operation of nobody begins.
    named: Option<BTreeSet<u32>>,
    sessions: u32,
}

/// What is known of a process.
#[derive(Clone, Copy)]
struct Slot {
    /// Its operation under way, or [`NEVER`].
    pair: u32,
    /// Its session, or [`NEVER`] if the next invocation begins one.
    session: u32,
}

const IDLE: Slot = Slot { pair: NEVER, session: NEVER };

/// Slots by process: processes below [`DENSE`] in an array.
#[derive(Default)]
struct Slots {
    dense: Vec<Slot>,
    sparse: BTreeMap<u32, Slot>,
}

const DENSE: u32 = 1 << 16;

impl Slots {
    #[inline]
    fn of(&mut self, process: u32) -> &mut Slot {
        if process >= DENSE {
            return self.sparse.entry(process).or_insert(IDLE);
        }
        if self.dense.len() <= process as usize {
            self.dense.resize(process as usize + 1, IDLE);
        }
        &mut self.dense[process as usize]
    }
}

impl<'a> Pairing<'a> {
    fn of(events: &'a Events) -> Pairing<'a> {
        Pairing {
            events,
            pairs: Vec::with_capacity(events.len() / 2),
            open: Slots::default(),
            nobody: BTreeMap::new(),
            named: None,
            sessions: 0,
        }
    }

    fn event(&mut self, index: u32) -> Result<(), Wrong> {
        let row = &self.events.rows[index as usize];
        match (row.kind, row.process) {
            (Kind::Invoke, NOBODY) => {
                let process = self.first_free();
                self.nobody.insert(process, self.pairs.len() as u32);
                self.invoke(index, process)
            }
            (Kind::Invoke, process) => self.invoke(index, process),
            (_, NOBODY) => match self.fitting(index) {
                Some(process) => {
                    self.nobody.remove(&process);
                    self.complete(index, process)
                }
                None => Err(Wrong::new(row.at, "expected an open invocation that this completes")),
            },
            (_, process) => self.complete(index, process),
        }
    }

    fn invoke(&mut self, index: u32, process: u32) -> Result<(), Wrong> {
        let pair = self.pairs.len() as u32;
        let slot = self.open.of(process);
        if slot.pair != NEVER {
            let at = self.events.rows[index as usize].at;
            return Err(Wrong::new(at, format!("process {process} invokes before its last operation has completed")));
        }
        if slot.session == NEVER {
            slot.session = self.sessions;
            self.sessions += 1;
        }
        slot.pair = pair;
        self.pairs.push(Pair { invoke: index, complete: NEVER, process, session: slot.session });
        Ok(())
    }

    fn complete(&mut self, index: u32, process: u32) -> Result<(), Wrong> {
        let row = &self.events.rows[index as usize];
        let slot = self.open.of(process);
        if slot.pair == NEVER {
            let message = format!("process {process} completes an operation that it did not invoke");
            return Err(Wrong::new(row.at, message));
        }
        let pair = &mut self.pairs[slot.pair as usize];
        let invoked = self.events.rows[pair.invoke as usize].function;
        if invoked != row.function {
            let name = |symbol| self.events.arena.name(symbol);
            let message = format!("expected the completion of a {}, not of a {}", name(invoked), name(row.function));
            return Err(Wrong::new(row.at, message));
        }
        pair.complete = index;
        slot.pair = NEVER;
        if row.kind == Kind::Info {
            slot.session = NEVER;
        }
        Ok(())
    }

    /// The function of the operation that the process has under way.
    fn under_way_of(&mut self, process: u32) -> Option<Symbol> {
        let pair = if process == NOBODY { NEVER } else { self.open.of(process).pair };
        (pair != NEVER).then(|| self.events.rows[self.pairs[pair as usize].invoke as usize].function)
    }

    fn under_way(&mut self, process: u32) -> Symbol {
        self.under_way_of(process).unwrap_or(Symbol(0))
    }

    fn abandon(&mut self, process: u32) {
        *self.open.of(process) = IDLE;
    }

    /// The first number that no open operation of nobody and no named process has.
    fn first_free(&mut self) -> u32 {
        let rows = &self.events.rows;
        let named = self.named.get_or_insert_with(|| rows.iter().map(|row| row.process).collect());
        (0..NOBODY).find(|number| !self.nobody.contains_key(number) && !named.contains(number)).unwrap_or(0)
    }

    /// The earliest open operation of nobody with the same function and a value that may have become this one.
    fn fitting(&self, index: u32) -> Option<u32> {
        let completion = self.events.get(index as usize);
        let fits = |pair: u32| {
            let invoke = self.events.get(self.pairs[pair as usize].invoke as usize);
            invoke.function == completion.function && completion.value.answers(invoke.value)
        };
        self.nobody.iter().filter(|(_, pair)| fits(**pair)).min_by_key(|(_, pair)| **pair).map(|(process, _)| *process)
    }
}
