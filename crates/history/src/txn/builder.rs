use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasherDefault;

use base::{Fingerprint, Time};

use super::{INITIAL, Kind, Micro, NEVER, Transactions, UNREAD};
use crate::operation::Outcome;

/// Makes [`Transactions`]: `begin`, the micro-operations, `end`, and so on; `finish` puts them in order of invocation.
#[derive(Default)]
pub struct Builder {
    made: Transactions,
    orders: Vec<(u64, u64)>,
    known_keys: HashMap<String, u32>,
    small: Small,
    known_versions: HashMap<(u32, i64), u32, BuildHasherDefault<Fingerprint>>,
    known_texts: HashMap<(u32, String), u32>,
}

/// More micro-operations, elements or versions than 32 bits can count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("more than 4 billion micro-operations or list elements in one history")
    }
}

impl std::error::Error for TooLarge {}

impl Builder {
    /// Nothing yet. `timed`: whether `order` means real time; otherwise it orders the transactions of a process only.
    pub fn new(timed: bool) -> Builder {
        let made = Transactions { timed, ..Transactions::default() };
        Builder { made, ..Builder::default() }
    }

    /// Nothing yet, with room for so many transactions.
    pub(super) fn with_room(timed: bool, transactions: usize) -> Builder {
        let mut builder = Builder::new(timed);
        builder.small.last = vec![NONE; transactions * 4 + 1024];
        builder.orders.reserve(transactions);
        let made = &mut builder.made;
        made.ops.reserve(transactions * 4);
        made.first.reserve(transactions + 1);
        made.process.reserve(transactions);
        made.sent.reserve(transactions);
        made.done.reserve(transactions);
        made.outcome.reserve(transactions);
        builder
    }

    /// The number of a key.
    pub fn key(&mut self, name: &str) -> u32 {
        if let Some(known) = self.known_keys.get(name) {
            return *known;
        }
        let number = self.made.keys.len() as u32;
        self.made.keys.push(name.to_string());
        self.known_keys.insert(name.to_string(), number);
        number
    }

    /// A key that is known to be new: without looking it up.
    pub(super) fn new_key(&mut self, name: String) -> u32 {
        self.made.keys.push(name);
        self.made.keys.len() as u32 - 1
    }

    /// The number of a version.
    pub fn version(&mut self, key: u32, value: i64) -> u32 {
        let made = &mut self.made;
        match self.small.find(made, key, value) {
            Place::Known(version) => version,
            Place::New => {
                let version = new_version(made, key, value);
                self.small.add(version, value);
                version
            }
            Place::Elsewhere => {
                *self.known_versions.entry((key, value)).or_insert_with(|| new_version(made, key, value))
            }
        }
    }

    /// The number of a version whose value is a text.
    pub fn text(&mut self, key: u32, value: &str) -> u32 {
        let made = &mut self.made;
        *self.known_texts.entry((key, value.to_string())).or_insert_with(|| {
            let version = new_version(made, key, 0);
            made.texts.insert(version, value.to_string());
            version
        })
    }

    /// A version that is known to be new: without looking it up.
    pub fn fresh(&mut self, key: u32, value: i64) -> u32 {
        new_version(&mut self.made, key, value)
    }

    /// A transaction begins. `order` places its invocation among all events, `time` is for people.
    pub fn begin(&mut self, process: u32, order: u64, time: Time) {
        self.made.process.push(process);
        self.made.sent.push(time);
        self.made.first.push(self.made.ops.len() as u32);
        self.orders.push((order, u64::MAX));
    }

    /// It appends a version to its key.
    pub fn append(&mut self, version: u32) {
        self.push(Kind::Append, self.made.version_key[version as usize], version, 0);
    }

    /// It writes a version to its key.
    pub fn write(&mut self, version: u32) {
        self.push(Kind::Write, self.made.version_key[version as usize], version, 0);
    }

    /// It reads a register: nothing there yet if `None`.
    pub fn read(&mut self, key: u32, version: Option<u32>) {
        self.push(Kind::Read, key, version.unwrap_or(INITIAL), 0);
    }

    /// It reads a list.
    pub fn read_list(&mut self, key: u32, elements: &[u32]) {
        let at = self.made.elements.len() as u32;
        self.made.elements.extend_from_slice(elements);
        self.push(Kind::ReadList, key, at, elements.len() as u32);
    }

    /// It reads a list that begins with the `common` elements at the place `from`; the place where its own begin.
    pub(super) fn read_list_like(&mut self, key: u32, from: u32, common: usize, behind: &[u32]) -> u32 {
        let (at, from) = (self.made.elements.len() as u32, from as usize);
        self.made.elements.extend_from_within(from..from + common);
        self.made.elements.extend_from_slice(behind);
        self.push(Kind::ReadList, key, at, (common + behind.len()) as u32);
        at
    }

    /// It reads a list or a register, with a result that is not known.
    pub fn unread(&mut self, kind: Kind, key: u32) {
        self.push(kind, key, UNREAD, 0);
    }

    fn push(&mut self, kind: Kind, key: u32, value: u32, length: u32) {
        self.made.ops.push(Micro { kind, key, value, length });
    }

    /// The transaction ends; with an unknown outcome it never does.
    pub fn end(&mut self, order: u64, time: Time, outcome: Outcome) {
        let known = outcome != Outcome::Info;
        self.made.outcome.push(outcome);
        self.made.done.push(if known { time } else { Time::MAX });
        if let (true, Some(last)) = (known, self.orders.last_mut()) {
            last.1 = order;
        }
    }

    /// All transactions, in order of invocation.
    pub fn finish(self) -> Result<Transactions, TooLarge> {
        let Builder { mut made, orders, .. } = self;
        let limit = INITIAL as usize;
        if made.elements.len() >= limit || made.ops.len() >= limit || made.version_key.len() >= limit {
            return Err(TooLarge);
        }
        made.first.push(made.ops.len() as u32);
        let mut places: Vec<u32> = (0..made.len() as u32).collect();
        places.sort_by_key(|at| orders[*at as usize].0);
        if !places.is_sorted() {
            made = permuted(made, &places);
        }
        rank(&mut made, places.iter().map(|at| orders[*at as usize]).collect());
        Ok(made)
    }
}

const NONE: u32 = u32::MAX;
/// Most keys that have a value in common and are found by it.
const CHAIN: usize = 8;

/// Versions of small values, by value: those that are met together stand together, where a hash would scatter them.
#[derive(Default)]
struct Small {
    /// Of each value, the version that was made last.
    last: Vec<u32>,
    /// Of each version, the one of the same value that was made before it.
    before: Vec<u32>,
}

enum Place {
    Known(u32),
    New,
    /// The value is not small, or too many keys have it.
    Elsewhere,
}

impl Small {
    #[inline]
    fn find(&self, made: &Transactions, key: u32, value: i64) -> Place {
        let Some(&last) = usize::try_from(value).ok().and_then(|value| self.last.get(value)) else {
            return Place::Elsewhere;
        };
        let mut version = last;
        for _ in 0..CHAIN {
            if version == NONE {
                return Place::New;
            }
            if made.version_key[version as usize] == key {
                return Place::Known(version);
            }
            version = self.before[version as usize];
        }
        Place::Elsewhere
    }

    fn add(&mut self, version: u32, value: i64) {
        self.before.resize(version as usize + 1, NONE);
        self.before[version as usize] = std::mem::replace(&mut self.last[value as usize], version);
    }
}

fn new_version(made: &mut Transactions, key: u32, value: i64) -> u32 {
    made.version_key.push(key);
    made.version_value.push(value);
    made.version_key.len() as u32 - 1
}

fn permuted(mut made: Transactions, places: &[u32]) -> Transactions {
    let mut ops = Vec::with_capacity(made.ops.len());
    let mut first = Vec::with_capacity(made.first.len());
    for at in places {
        first.push(ops.len() as u32);
        ops.extend_from_slice(made.ops(*at));
    }
    first.push(ops.len() as u32);
    fn pick<T: Copy>(column: &[T], places: &[u32]) -> Vec<T> {
        places.iter().map(|at| column[*at as usize]).collect()
    }
    made.process = pick(&made.process, places);
    made.sent = pick(&made.sent, places);
    made.done = pick(&made.done, places);
    made.outcome = pick(&made.outcome, places);
    (made.ops, made.first) = (ops, first);
    made
}

/// Turns places in time into dense ranks.
fn rank(made: &mut Transactions, orders: Vec<(u64, u64)>) {
    made.invoked = vec![0; orders.len()];
    made.completed = vec![NEVER; orders.len()];
    if rank_by_seats(made, &orders) {
        return;
    }
    let mut events = Vec::with_capacity(orders.len() * 2);
    for (at, (invoked, completed)) in orders.iter().enumerate() {
        events.push((*invoked, false, at as u32));
        if *completed != u64::MAX {
            events.push(((*completed).max(*invoked), true, at as u32));
        }
    }
    events.sort_unstable();
    for (rank, (_, completion, at)) in events.into_iter().enumerate() {
        let column = if completion { &mut made.completed } else { &mut made.invoked };
        column[at as usize] = rank as u32;
    }
}

/// The same without sorting, where every place is small and of one event, as the places in a file are; `false` where that is not so.
fn rank_by_seats(made: &mut Transactions, orders: &[(u64, u64)]) -> bool {
    const FREE: u32 = u32::MAX;
    let room = orders.len() as u64 * 4;
    let mut seats = vec![FREE; room as usize];
    // The lowest bit of what sits there: whether it is the completion.
    let mut sit = |order: u64, what: u32| {
        let free = order < room && seats[order as usize] == FREE;
        if free {
            seats[order as usize] = what;
        }
        free
    };
    for (at, (invoked, completed)) in (0u32..).step_by(2).zip(orders) {
        let ended = *completed != u64::MAX;
        if completed < invoked || at > u32::MAX - 4 || !sit(*invoked, at) || ended && !sit(*completed, at + 1) {
            return false;
        }
    }
    for (rank, what) in (0..).zip(seats.into_iter().filter(|what| *what != FREE)) {
        let column = if what & 1 == 1 { &mut made.completed } else { &mut made.invoked };
        column[what as usize / 2] = rank;
    }
    true
}
