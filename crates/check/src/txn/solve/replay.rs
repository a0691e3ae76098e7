//! Certificates are replayed before a level is said to hold: from the history and the definitions alone, knowing nothing of graphs.

use std::collections::HashMap;

use history::Outcome;
use history::txn::{INITIAL, Kind, Micro, NEVER, Transactions, UNREAD};

use crate::txn::anomaly::Variant;

/// Transactions that [`parallel`] can replay: its sets of pasts take 120 MB then.
pub const MOST_PARALLEL: usize = 32_000;

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
/// which is what it read from, what it must follow, what it overwrote, and their pasts. O(n²) bits.
pub fn parallel(transactions: &Transactions, members: &[u32], order: &[u32], keep: Variant) -> bool {
    let events: Vec<u32> = order.iter().flat_map(|t| [2 * t, 2 * t + 1]).collect();
    let mut place = vec![u32::MAX; transactions.len() * 2];
    events.iter().enumerate().for_each(|(at, event)| place[*event as usize] = at as u32);
    let complete = order.len() == members.len() && members.iter().all(|t| place[*t as usize * 2] != u32::MAX);
    complete && keeps_order(transactions, &events, &place, keep) && Pasts::new(transactions, order, keep).explain()
}

struct Pasts<'a> {
    transactions: &'a Transactions,
    order: &'a [u32],
    keep: Variant,
    /// The transactions, by their places in the order, that each sees: rows of bits.
    bits: Vec<u64>,
    width: usize,
    /// Per key, the writers so far (places) and their versions.
    written: Vec<Vec<(u32, u32)>>,
}

impl<'a> Pasts<'a> {
    fn new(transactions: &'a Transactions, order: &'a [u32], keep: Variant) -> Pasts<'a> {
        let width = order.len().div_ceil(64);
        let written = vec![Vec::new(); transactions.keys.len()];
        Pasts { transactions, order, keep, bits: vec![0; width * order.len()], width, written }
    }

    fn sees(&self, place: usize, earlier: u32) -> bool {
        self.bits[place * self.width + earlier as usize / 64] >> (earlier % 64) & 1 == 1
    }

    fn join(&mut self, place: usize, earlier: u32) {
        let (past, own) = self.bits.split_at_mut(place * self.width);
        let from = &past[earlier as usize * self.width..(earlier as usize + 1) * self.width];
        own.iter_mut().zip(from).for_each(|(own, from)| *own |= from);
        own[earlier as usize / 64] |= 1 << (earlier % 64);
    }

    fn explain(&mut self) -> bool {
        let mut writer = vec![u32::MAX; self.transactions.sizes().1];
        for place in 0..self.order.len() {
            let t = self.order[place];
            if !self.follow(place, &writer) {
                return false;
            }
            let ok = self.transactions.outcome[t as usize] == Outcome::Ok;
            if ok && !self.explains(place) {
                return false;
            }
            for op in self.transactions.ops(t).iter().filter(|op| is_write(op)) {
                writer[op.value as usize] = place as u32;
                self.written[op.key as usize].push((place as u32, op.value));
            }
        }
        true
    }

    /// Joins everything that directly precedes; false if a read is of something that comes later.
    fn follow(&mut self, place: usize, writer: &[u32]) -> bool {
        let (transactions, t) = (self.transactions, self.order[place]);
        for earlier in 0..place {
            let other = self.order[earlier] as usize;
            let before = match self.keep {
                Variant::Plain => false,
                Variant::Realtime if transactions.timed => {
                    transactions.completed[other] < transactions.invoked[t as usize]
                }
                _ => {
                    transactions.process[other] == transactions.process[t as usize]
                        && transactions.outcome[other] == Outcome::Ok
                }
            };
            if before {
                self.join(place, earlier as u32);
            }
        }
        let ops = transactions.ops(t);
        for (at, op) in ops.iter().enumerate() {
            if is_write(op) {
                let last = self.written[op.key as usize].last();
                if let Some((earlier, _)) = last.copied().filter(|(earlier, _)| *earlier as usize != place) {
                    self.join(place, earlier);
                }
                continue;
            }
            let own = |version: &u32| ops[..at].iter().any(|other| is_write(other) && other.value == *version);
            let version = match op.kind {
                Kind::Read => Some(op.value).filter(|version| *version != INITIAL),
                _ => transactions.list(op).iter().copied().rfind(|version| !own(version)),
            };
            let known = transactions.outcome[t as usize] == Outcome::Ok && op.value != UNREAD;
            if let Some(version) = version.filter(|version| known && !own(version)) {
                match writer[version as usize] {
                    u32::MAX => return false,
                    earlier => self.join(place, earlier),
                }
            }
        }
        true
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
