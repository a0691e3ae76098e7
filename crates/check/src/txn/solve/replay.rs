//! Certificates are replayed before a level is said to hold: from the history and the definitions alone, knowing nothing of graphs.

use std::collections::HashMap;

use history::Outcome;
use history::txn::{INITIAL, Kind, Micro, NEVER, Transactions, UNREAD};

use crate::limit::Limit;
use crate::txn::anomaly::Variant;

/// Numbers in the clocks of [`parallel`], at most: 1 GB.
const MOST: usize = 1 << 28;

/// Replays starts (`2 t`) and commits (`2 t + 1`) of all `members`: a transaction reads what was committed before it started, and its own
/// writes. With `conflicts`, nobody else commits to its keys between its start and its commit. O(micro-operations + list elements).
pub fn events(transactions: &Transactions, members: &[u32], events: &[u32], conflicts: bool, keep: Variant) -> bool {
    let mut place = vec![u32::MAX; transactions.len() * 2];
    events.iter().enumerate().for_each(|(at, event)| place[*event as usize] = at as u32);
    let both = |t: &u32| place[*t as usize * 2] < place[*t as usize * 2 + 1] && place[*t as usize * 2 + 1] != u32::MAX;
    let complete = events.len() == members.len() * 2 && members.iter().all(both);
    complete && keeps_order(transactions, events, &place, keep) && reads_fit(transactions, events, &place, conflicts)
}

/// Whether every transaction starts after all that must precede it have committed.
fn keeps_order(transactions: &Transactions, events: &[u32], place: &[u32], keep: Variant) -> bool {
    if keep == Variant::Realtime && transactions.timed {
        let mut earliest = NEVER;
        return events.iter().rev().all(|event| {
            let t = *event as usize / 2;
            if event % 2 == 1 {
                earliest = earliest.min(transactions.completed[t]);
            }
            event % 2 == 1 || earliest >= transactions.invoked[t] || earliest == NEVER
        });
    }
    let mut last: HashMap<u32, u32> = HashMap::new();
    keep == Variant::Plain
        || (0..transactions.len()).filter(|t| place[t * 2] != u32::MAX).all(|t| {
            let process = transactions.process[t];
            let fits = last.get(&process).is_none_or(|before| *before < place[t * 2]);
            if transactions.outcome[t] == Outcome::Ok {
                last.insert(process, place[t * 2 + 1]);
            }
            fits
        })
}

fn reads_fit(transactions: &Transactions, events: &[u32], place: &[u32], conflicts: bool) -> bool {
    let mut store = Store::new(transactions);
    let mut committed = vec![0u32; transactions.keys.len()];
    events.iter().enumerate().all(|(at, event)| {
        let t = event / 2;
        if event % 2 == 0 {
            return transactions.outcome[t as usize] != Outcome::Ok || store.explains(transactions, t);
        }
        let writes = transactions.ops(t).iter().filter(|op| is_write(op));
        let alone = !conflicts || writes.clone().all(|op| committed[op.key as usize] <= place[*event as usize - 1]);
        writes.for_each(|op| {
            committed[op.key as usize] = at as u32;
            store.write(op);
        });
        alone
    })
}

fn is_write(op: &Micro) -> bool {
    matches!(op.kind, Kind::Append | Kind::Write)
}

/// What is committed.
struct Store {
    registers: Vec<u32>,
    lists: Vec<Vec<u32>>,
}

impl Store {
    fn new(transactions: &Transactions) -> Store {
        let keys = transactions.keys.len();
        Store { registers: vec![INITIAL; keys], lists: vec![Vec::new(); keys] }
    }

    fn write(&mut self, op: &Micro) {
        match op.kind {
            Kind::Append => self.lists[op.key as usize].push(op.value),
            _ => self.registers[op.key as usize] = op.value,
        }
    }

    /// Whether all reads of a transaction are of this state and its own writes.
    fn explains(&self, transactions: &Transactions, t: u32) -> bool {
        let ops = transactions.ops(t);
        ops.iter().enumerate().filter(|(_, op)| !is_write(op) && op.value != UNREAD).all(|(place, op)| {
            let own =
                || ops[..place].iter().filter(|other| is_write(other) && other.key == op.key).map(|other| other.value);
            if op.kind == Kind::Read {
                return own().next_back().unwrap_or(self.registers[op.key as usize]) == op.value;
            }
            self.lists[op.key as usize].iter().copied().chain(own()).eq(transactions.list(op).iter().copied())
        })
    }
}

/// Replays an `order` of all members in which every key's versions are written: a transaction sees the latest of the versions in its past,
/// which is what it read from, what it must follow, what it overwrote, and their pasts. `None`: there is no room to do so.
///
/// A past is a clock over chains of transactions of which each has the one before in its past: O(n) memory and time for each chain. There are
/// as many as processes, or transactions open at once, where that order counts.
pub fn parallel(
    transactions: &Transactions,
    members: &[u32],
    order: &[u32],
    keep: Variant,
    limit: &Limit,
) -> Option<bool> {
    let events: Vec<u32> = order.iter().flat_map(|t| [2 * t, 2 * t + 1]).collect();
    let mut place = vec![u32::MAX; transactions.len() * 2];
    events.iter().enumerate().for_each(|(at, event)| place[*event as usize] = at as u32);
    let complete = order.len() == members.len() && members.iter().all(|t| place[*t as usize * 2] != u32::MAX);
    if !complete || !keeps_order(transactions, &events, &place, keep) {
        return Some(false);
    }
    let mut pasts = Pasts::new(transactions, order, keep);
    for at in 0..order.len() {
        // Room for the next ones.
        if pasts.numbers > MOST || at % 4096 == 0 && !limit.reserve(4096 * 8 * pasts.tails.len() as u64) {
            return None;
        }
        if !pasts.place(at) {
            return Some(false);
        }
    }
    Some(true)
}

struct Pasts<'a> {
    transactions: &'a Transactions,
    order: &'a [u32],
    keep: Variant,
    /// By place in the order: its chain, its place there, and how many of each chain are in its past, itself included.
    chain: Vec<(u32, u32)>,
    clocks: Vec<Vec<u32>>,
    /// The last place of each chain.
    tails: Vec<u32>,
    /// Where the transactions are in the order, and the last of each process.
    places: Vec<u32>,
    last: HashMap<u32, u32>,
    /// Places by completion, where real time counts, and the past of all up to each.
    completed: Vec<u32>,
    until: Vec<Vec<u32>>,
    /// Numbers in all clocks.
    numbers: usize,
    /// Per key, the writers so far (places) and their versions.
    written: Vec<Vec<(u32, u32)>>,
    /// The place of who wrote each version.
    writer: Vec<u32>,
}

impl<'a> Pasts<'a> {
    fn new(transactions: &'a Transactions, order: &'a [u32], keep: Variant) -> Pasts<'a> {
        let mut places = vec![u32::MAX; transactions.len()];
        order.iter().zip(0..).for_each(|(t, place)| places[*t as usize] = place);
        let timed = keep == Variant::Realtime && transactions.timed;
        let known = order.iter().filter(|t| timed && transactions.completed[**t as usize] != NEVER);
        let mut completed: Vec<u32> = known.copied().collect();
        completed.sort_unstable_by_key(|t| transactions.completed[*t as usize]);
        completed.iter_mut().for_each(|t| *t = places[*t as usize]);
        Pasts {
            transactions,
            order,
            keep,
            chain: Vec::with_capacity(order.len()),
            clocks: Vec::with_capacity(order.len()),
            tails: Vec::new(),
            places,
            last: HashMap::new(),
            completed,
            until: vec![Vec::new()],
            numbers: 0,
            written: vec![Vec::new(); transactions.keys.len()],
            writer: vec![u32::MAX; transactions.sizes().1],
        }
    }

    /// Takes up the next transaction; false if a read is of something that comes later, or not the latest of its past.
    fn place(&mut self, place: usize) -> bool {
        let t = self.order[place];
        let Some(direct) = self.direct(place) else { return false };
        let mut clock = self.time(t);
        direct.iter().for_each(|earlier| join(&mut clock, &self.clocks[*earlier as usize]));
        self.put_in_chain(place, &direct, clock);
        if self.transactions.outcome[t as usize] == Outcome::Ok && !self.explains(place) {
            return false;
        }
        for op in self.transactions.ops(t).iter().filter(|op| is_write(op)) {
            self.writer[op.value as usize] = place as u32;
            self.written[op.key as usize].push((place as u32, op.value));
        }
        true
    }

    fn put_in_chain(&mut self, place: usize, direct: &[u32], mut clock: Vec<u32>) {
        let is_tail = |earlier: &&u32| self.tails[self.chain[**earlier as usize].0 as usize] == **earlier;
        // In real time, what completed last is likely to be one.
        let recent = self.until.len().saturating_sub(1);
        let mut others = self.completed[recent.saturating_sub(64)..recent].iter().rev();
        let (chain, at) = match direct.iter().find(is_tail).or_else(|| {
            others.find(|earlier| {
                let (chain, at) = self.chain[**earlier as usize];
                is_tail(earlier) && clock.get(chain as usize).is_some_and(|seen| *seen > at)
            })
        }) {
            Some(earlier) => (self.chain[*earlier as usize].0, self.chain[*earlier as usize].1 + 1),
            None => (self.tails.len() as u32, 0),
        };
        if chain as usize == self.tails.len() {
            self.tails.push(0);
        }
        self.tails[chain as usize] = place as u32;
        clock.resize(clock.len().max(chain as usize + 1), 0);
        clock[chain as usize] = at + 1;
        self.numbers += clock.len();
        self.chain.push((chain, at));
        self.clocks.push(clock);
    }

    fn sees(&self, place: usize, earlier: u32) -> bool {
        let (chain, at) = self.chain[earlier as usize];
        earlier as usize != place && self.clocks[place].get(chain as usize).is_some_and(|seen| *seen > at)
    }

    /// The past of everything that had completed before a transaction was invoked: all of that comes earlier in the order.
    fn time(&mut self, t: u32) -> Vec<u32> {
        let invoked = self.transactions.invoked[t as usize];
        let order = self.order;
        let before = |place: &u32| self.transactions.completed[order[*place as usize] as usize] < invoked;
        let count = self.completed.partition_point(before);
        while self.until.len() <= count {
            let mut clock = self.until[self.until.len() - 1].clone();
            join(&mut clock, &self.clocks[self.completed[self.until.len() - 1] as usize]);
            self.numbers += clock.len();
            self.until.push(clock);
        }
        self.until[count].clone()
    }

    /// The places of what directly precedes in the process and by data; `None` if a read is of something that comes later.
    fn direct(&mut self, place: usize) -> Option<Vec<u32>> {
        let (transactions, t) = (self.transactions, self.order[place]);
        let mut direct = Vec::new();
        if self.keep != Variant::Plain && !(self.keep == Variant::Realtime && transactions.timed) {
            let process = transactions.process[t as usize];
            direct.extend(self.last.get(&process));
            if transactions.outcome[t as usize] == Outcome::Ok {
                self.last.insert(process, self.places[t as usize]);
            }
        }
        let ops = transactions.ops(t);
        for (at, op) in ops.iter().enumerate() {
            if is_write(op) {
                let last = self.written[op.key as usize].last();
                direct.extend(last.map(|(earlier, _)| *earlier));
                continue;
            }
            let own = |version: &u32| ops[..at].iter().any(|other| is_write(other) && other.value == *version);
            let version = match op.kind {
                Kind::Read => Some(op.value).filter(|version| *version != INITIAL),
                _ => transactions.list(op).iter().copied().rfind(|version| !own(version)),
            };
            let known = transactions.outcome[t as usize] == Outcome::Ok && op.value != UNREAD;
            if let Some(version) = version.filter(|version| known && !own(version)) {
                direct.push(Some(self.writer[version as usize]).filter(|earlier| *earlier != u32::MAX)?);
            }
        }
        Some(direct)
    }

    /// Whether every read is of the latest version in the past, or its own.
    fn explains(&self, place: usize) -> bool {
        let ops = self.transactions.ops(self.order[place]);
        ops.iter().enumerate().filter(|(_, op)| !is_write(op) && op.value != UNREAD).all(|(at, op)| {
            let own =
                || ops[..at].iter().filter(|other| is_write(other) && other.key == op.key).map(|other| other.value);
            let written = &self.written[op.key as usize];
            let seen = written.iter().rposition(|(writer, _)| self.sees(place, *writer)).map_or(0, |last| last + 1);
            let versions = written[..seen].iter().map(|(_, version)| *version);
            if op.kind == Kind::Read {
                return versions.chain(own()).next_back().unwrap_or(INITIAL) == op.value;
            }
            versions.chain(own()).eq(self.transactions.list(op).iter().copied())
        })
    }
}

/// The past of both.
fn join(clock: &mut Vec<u32>, other: &[u32]) {
    clock.resize(clock.len().max(other.len()), 0);
    clock.iter_mut().zip(other).for_each(|(clock, other)| *clock = (*clock).max(*other));
}
