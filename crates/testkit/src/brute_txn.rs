//! Isolation levels decided from their definitions, by trying every schedule or every commit order. Only for a handful of transactions.
//!
//! Serializability (Papadimitriou, 1979) and snapshot isolation (Berenson et al., 1995; prefix consistency is the same without
//! the conflict rule) replay schedules; monotonic snapshot reads do so statement by statement;
//! parallel snapshot isolation tries every visibility; the levels of Adya (1999) try every order of versions; read committed, read atomic and causal consistency are the axioms of Biswas & Enea (2019).

use std::collections::BTreeMap;

use history::Outcome;
use history::txn::{INITIAL, Kind, Micro, NEVER, Transactions, UNREAD};

mod adya;
mod every;
mod parallel;
mod random;
mod statements;

pub use adya::{Adya, adya, agrees_with_itself};
pub use every::{Small, every_small_history};
pub use parallel::parallel;
pub use random::{Shape, random_transactions};
pub use statements::statement_snapshots;

/// Which order beside the data must be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// None.
    Nothing,
    /// That of every process.
    Sessions,
    /// Real time.
    RealTime,
}

/// Whether some serial order of what happened explains every read.
pub fn serializable(history: &Transactions, keep: Keep) -> bool {
    some_subset(history, |members| {
        orders(members, &|a, b| must_precede(history, keep, a, b), &mut |order| {
            let mut store = Store::default();
            order.iter().all(|t| {
                let view = store.clone();
                store.run(history, *t, &view)
            })
        })
    })
}

/// Whether some schedule of snapshots and commits explains every read. With `conflicts`, of two transactions that overlap and write
/// to one key at most one may commit: snapshot isolation; without, prefix consistency.
pub fn snapshot(history: &Transactions, keep: Keep, conflicts: bool) -> bool {
    // Event 2t is the snapshot of t, 2t + 1 its commit.
    some_subset(history, |members| {
        let events: Vec<u32> = members.iter().flat_map(|t| [2 * t, 2 * t + 1]).collect();
        let before = |a: u32, b: u32| match (a % 2, b % 2) {
            (0, 1) if a / 2 == b / 2 => true,
            (1, 0) => must_precede(history, keep, a / 2, b / 2),
            _ => false,
        };
        orders(&events, &before, &mut |order| replay(history, order, conflicts))
    })
}

fn replay(history: &Transactions, order: &[u32], conflicts: bool) -> bool {
    let mut store = Store::default();
    let mut open: BTreeMap<u32, (Store, Vec<u32>)> = BTreeMap::new();
    for event in order {
        let t = event / 2;
        if event % 2 == 0 {
            open.insert(t, (store.clone(), Vec::new()));
            continue;
        }
        let Some((view, taken)) = open.remove(&t) else { return false };
        let written: Vec<u32> = history.ops(t).iter().filter(|op| writes(op)).map(|op| op.key).collect();
        if conflicts && written.iter().any(|key| taken.contains(key)) {
            return false;
        }
        open.values_mut().for_each(|(_, taken)| taken.extend(&written));
        if !store.run(history, t, &view) {
            return false;
        }
    }
    true
}

/// The axioms of Biswas & Enea.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axiom {
    /// What was read from earlier in the transaction was committed before what is read now.
    ReadCommitted,
    /// All transactions that are read from or precede in the process.
    ReadAtomic,
    /// Everything that they had seen, too.
    Causal,
}

/// Whether some commit order satisfies an axiom. The order of sessions counts in all of them.
pub fn axiomatic(history: &Transactions, axiom: Axiom) -> bool {
    axiomatic_keeping(history, axiom, Keep::Sessions)
}

/// The same, with or without the order of sessions.
pub fn axiomatic_keeping(history: &Transactions, axiom: Axiom, keep: Keep) -> bool {
    some_subset(history, |members| {
        let Some(sees) = Sees::of(history, members, keep) else { return false };
        let before = |a: u32, b: u32| must_precede(history, keep, a, b) || sees.direct(a, b);
        orders(members, &before, &mut |order| sees.keeps(history, order, axiom))
    })
}

/// Who reads from whom.
struct Sees {
    /// Reader, its micro-operation, key, writer (`None` is the initial version).
    reads: Vec<(u32, usize, u32, Option<u32>)>,
    /// Everything that precedes, closed transitively.
    past: Vec<(u32, u32)>,
    members: Vec<u32>,
    keep: Keep,
}

impl Sees {
    /// `None` if a read has no good writer or contradicts its own transaction.
    fn of(history: &Transactions, members: &[u32], keep: Keep) -> Option<Sees> {
        let mut reads = Vec::new();
        for t in members.iter().filter(|t| history.outcome[**t as usize] == Outcome::Ok) {
            for (place, op) in history.ops(*t).iter().enumerate().filter(|(_, op)| is_known_read(op)) {
                let own: Vec<u32> =
                    history.ops(*t)[..place].iter().filter(|o| writes(o) && o.key == op.key).map(|o| o.value).collect();
                let last = if op.kind == Kind::Read {
                    if let Some(own) = own.last() {
                        if *own != op.value {
                            return None;
                        }
                        continue;
                    }
                    (op.value != INITIAL).then_some(op.value)
                } else {
                    let list = history.list(op);
                    if !list.ends_with(&own) {
                        return None;
                    }
                    list[..list.len() - own.len()].last().copied()
                };
                let writer = match last {
                    None => None,
                    Some(version) => Some(final_writer(history, members, version).filter(|writer| writer != t)?),
                };
                reads.push((*t, place, op.key, writer));
            }
        }
        let mut sees = Sees { reads, past: Vec::new(), members: members.to_vec(), keep };
        sees.close(history);
        Some(sees)
    }

    fn direct(&self, a: u32, b: u32) -> bool {
        self.reads.iter().any(|(reader, _, _, writer)| *reader == b && *writer == Some(a))
    }

    fn close(&mut self, history: &Transactions) {
        let members = self.members.clone();
        for a in &members {
            for b in &members {
                if self.direct(*a, *b) || must_precede(history, self.keep, *a, *b) {
                    self.past.push((*a, *b));
                }
            }
        }
        for middle in &members {
            for a in &members {
                for b in &members {
                    let through = self.past.contains(&(*a, *middle)) && self.past.contains(&(*middle, *b));
                    if through && !self.past.contains(&(*a, *b)) {
                        self.past.push((*a, *b));
                    }
                }
            }
        }
    }

    fn keeps(&self, history: &Transactions, order: &[u32], axiom: Axiom) -> bool {
        let place = |t: u32| order.iter().position(|o| *o == t);
        let forced = |other: u32, reader: u32, at: usize| match axiom {
            Axiom::ReadCommitted => self.reads.iter().any(|(r, p, _, w)| *r == reader && *p < at && *w == Some(other)),
            Axiom::ReadAtomic => self.direct(other, reader) || must_precede(history, self.keep, other, reader),
            Axiom::Causal => self.past.contains(&(other, reader)),
        };
        let axiom_holds = self.reads.iter().all(|(reader, at, key, writer)| {
            order.iter().all(|other| {
                let applies = Some(*other) != *writer
                    && other != reader
                    && history.ops(*other).iter().any(|op| writes(op) && op.key == *key)
                    && forced(*other, *reader, *at);
                !applies || writer.is_some_and(|writer| place(*other) < place(writer))
            })
        });
        axiom_holds && lists_agree(history, order)
    }
}

/// Every list read shows a prefix of what the commit order appends, and its own appends.
fn lists_agree(history: &Transactions, order: &[u32]) -> bool {
    let appended = |key: u32, but: u32| -> Vec<u32> {
        let ops = order.iter().filter(|t| **t != but).flat_map(|t| history.ops(*t));
        ops.filter(|op| op.kind == Kind::Append && op.key == key).map(|op| op.value).collect()
    };
    order.iter().filter(|t| history.outcome[**t as usize] == Outcome::Ok).all(|t| {
        let ops = history.ops(*t);
        ops.iter().enumerate().filter(|(_, op)| op.kind == Kind::ReadList && op.value != UNREAD).all(|(place, op)| {
            let own = ops[..place].iter().filter(|o| o.kind == Kind::Append && o.key == op.key).count();
            let list = history.list(op);
            list.len() >= own && appended(op.key, *t).starts_with(&list[..list.len() - own])
        })
    })
}

fn final_writer(history: &Transactions, members: &[u32], version: u32) -> Option<u32> {
    let key = history.version_key[version as usize];
    members.iter().copied().find(|t| {
        let mut ops = history.ops(*t).iter().filter(|op| writes(op) && op.key == key);
        ops.next_back().is_some_and(|op| op.value == version)
    })
}

fn writes(op: &Micro) -> bool {
    matches!(op.kind, Kind::Append | Kind::Write)
}

fn is_known_read(op: &Micro) -> bool {
    matches!(op.kind, Kind::Read | Kind::ReadList) && op.value != UNREAD
}

fn must_precede(history: &Transactions, keep: Keep, a: u32, b: u32) -> bool {
    let (first, second) = (a as usize, b as usize);
    match keep {
        Keep::Nothing => false,
        Keep::Sessions => {
            history.process[first] == history.process[second]
                && history.invoked[first] < history.invoked[second]
                && history.outcome[first] == Outcome::Ok
        }
        Keep::RealTime => history.completed[first] != NEVER && history.completed[first] < history.invoked[second],
    }
}

/// What happened: every `ok` transaction, and any of the unknown ones.
fn some_subset(history: &Transactions, mut holds: impl FnMut(&[u32]) -> bool) -> bool {
    let all = 0..history.len() as u32;
    let unknown: Vec<u32> = all.clone().filter(|t| history.outcome[*t as usize] == Outcome::Info).collect();
    (0..1u32 << unknown.len()).any(|mask| {
        let taken = |t: &u32| match history.outcome[*t as usize] {
            Outcome::Ok => true,
            Outcome::Fail => false,
            Outcome::Info => unknown.iter().position(|u| u == t).is_some_and(|bit| mask >> bit & 1 == 1),
        };
        holds(&all.clone().filter(taken).collect::<Vec<u32>>())
    })
}

/// Whether an order that keeps `before` satisfies `holds`.
fn orders(members: &[u32], before: &dyn Fn(u32, u32) -> bool, holds: &mut dyn FnMut(&[u32]) -> bool) -> bool {
    fn extend(
        left: &mut Vec<u32>,
        order: &mut Vec<u32>,
        before: &dyn Fn(u32, u32) -> bool,
        holds: &mut dyn FnMut(&[u32]) -> bool,
    ) -> bool {
        if left.is_empty() {
            return holds(order);
        }
        for at in 0..left.len() {
            let next = left[at];
            if left.iter().any(|other| *other != next && before(*other, next)) {
                continue;
            }
            left.remove(at);
            order.push(next);
            let found = extend(left, order, before, holds);
            order.pop();
            left.insert(at, next);
            if found {
                return true;
            }
        }
        false
    }
    extend(&mut members.to_vec(), &mut Vec::new(), before, holds)
}

/// The versions of every key, oldest first.
#[derive(Clone, Default)]
struct Store(BTreeMap<u32, Vec<u32>>);

impl Store {
    /// Runs a transaction that reads from `view` and writes to the store; false if a read differs from what was recorded.
    fn run(&mut self, history: &Transactions, t: u32, view: &Store) -> bool {
        let mut view = view.clone();
        for op in history.ops(t) {
            let versions = view.0.entry(op.key).or_default();
            if writes(op) {
                versions.push(op.value);
                self.0.entry(op.key).or_default().push(op.value);
            } else if history.outcome[t as usize] == Outcome::Ok && op.value != UNREAD {
                let fits = match op.kind {
                    Kind::Read => versions.last().copied().unwrap_or(INITIAL) == op.value,
                    _ => versions == history.list(op),
                };
                if !fits {
                    return false;
                }
            }
        }
        true
    }
}
