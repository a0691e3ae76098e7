//! Anomalies of transactions that are no cycles: by their definitions, in the transactions of the witness.

use std::collections::BTreeSet;

use history::Outcome;
use history::txn::{Kind, Micro, Transactions};

use super::cycle::is_read;
use crate::txn::{Class, TxnAnomaly};

/// Why the anomaly is none; `None`: it is one, or of a class that is taken as told.
pub fn refute(transactions: &Transactions, anomaly: &TxnAnomaly) -> Option<String> {
    let scene = Scene { transactions };
    let holds = match (anomaly.class, &anomaly.transactions[..]) {
        (Class::DuplicateElements, []) => scene.all().any(|t| scene.reads_twice(t)),
        (Class::DuplicateElements, those) => those.iter().any(|&t| scene.reads_twice(t)),
        (Class::GarbageRead, &[t]) => scene.reads_garbage(t),
        (Class::FutureRead, &[t]) => scene.reads_its_future(t),
        (Class::Internal | Class::OwnWriteMissed, &[t]) => scene.contradicts_itself(t),
        (Class::G1a, &[writer, reader]) => scene.failed(writer) && scene.saw(reader, writer),
        (Class::G1b, &[writer, reader]) => scene.saw_the_middle(reader, writer),
        (Class::DirtyUpdate, &[failed, writer]) => {
            scene.failed(failed) && scene.all().any(|t| scene.saw_both(t, failed, writer))
        }
        (Class::LostUpdate, &[a, b]) => scene.write_to_the_same(a, b),
        _ => true,
    };
    (!holds).then(|| format!("transactions {:?} show no {}", anomaly.transactions, anomaly.class.name()))
}

/// Whether [`refute`] leaves nothing to what is told: the definition is checked whole.
pub(super) fn is_whole(transactions: &Transactions, anomaly: &TxnAnomaly) -> bool {
    let scene = Scene { transactions };
    match (anomaly.class, &anomaly.transactions[..]) {
        (Class::DuplicateElements, _) => true,
        (Class::GarbageRead | Class::FutureRead | Class::Internal | Class::OwnWriteMissed, &[_]) => true,
        (Class::G1a | Class::G1b | Class::DirtyUpdate, &[_, _]) => true,
        (Class::LostUpdate, &[a, b]) => scene.replace_the_same(a, b),
        (Class::IncompatibleOrder, those) => scene.disagree(those),
        _ => false,
    }
}

struct Scene<'a> {
    transactions: &'a Transactions,
}

impl<'a> Scene<'a> {
    fn all(&self) -> std::ops::Range<u32> {
        0..self.transactions.len() as u32
    }

    fn failed(&self, t: u32) -> bool {
        self.transactions.outcome[t as usize] == Outcome::Fail
    }

    fn reads(&self, t: u32) -> impl Iterator<Item = &'a Micro> {
        let ok = self.transactions.outcome[t as usize] == Outcome::Ok;
        self.transactions.ops(t).iter().filter(move |op| ok && is_read(op))
    }

    fn writes(&self, t: u32) -> impl Iterator<Item = &'a Micro> {
        self.transactions.ops(t).iter().filter(|op| matches!(op.kind, Kind::Append | Kind::Write))
    }

    /// The versions that a read shows, oldest first.
    fn shows(&self, op: &'a Micro) -> &'a [u32] {
        if op.kind == Kind::Read { std::slice::from_ref(&op.value) } else { self.transactions.list(op) }
    }

    fn reads_twice(&self, t: u32) -> bool {
        self.reads(t).any(|op| {
            let list = self.shows(op);
            list.iter().copied().collect::<BTreeSet<_>>().len() < list.len()
        })
    }

    fn reads_garbage(&self, t: u32) -> bool {
        let mut garbage: BTreeSet<u32> = self.reads(t).flat_map(|op| self.shows(op)).copied().collect();
        garbage.remove(&history::txn::INITIAL);
        self.all().flat_map(|t| self.writes(t)).for_each(|op| _ = garbage.remove(&op.value));
        !garbage.is_empty()
    }

    fn reads_its_future(&self, t: u32) -> bool {
        let ops = self.transactions.ops(t);
        let read = ops.iter().enumerate().filter(|(_, op)| is_read(op));
        read.into_iter().any(|(at, op)| {
            self.shows(op).iter().any(|version| {
                ops[at..].iter().any(|later| {
                    !is_read(later) && later.value == *version && matches!(later.kind, Kind::Append | Kind::Write)
                })
            })
        })
    }

    /// Whether a read differs from what the transaction itself had made of the key before.
    fn contradicts_itself(&self, t: u32) -> bool {
        let mut known: std::collections::BTreeMap<u32, (bool, Vec<u32>)> = std::collections::BTreeMap::new();
        for op in self.transactions.ops(t) {
            let (whole, list) = known.entry(op.key).or_default();
            match op.kind {
                Kind::Append => list.push(op.value),
                Kind::Write => (*whole, *list) = (true, vec![op.value]),
                _ if !is_read(op) => {}
                _ => {
                    let shown = self.shows(op);
                    if if *whole { shown != *list } else { !shown.ends_with(list) } {
                        return true;
                    }
                    (*whole, *list) = (true, shown.to_vec());
                }
            }
        }
        false
    }

    fn saw(&self, reader: u32, writer: u32) -> bool {
        let written: BTreeSet<u32> = self.writes(writer).map(|op| op.value).collect();
        self.reads(reader).any(|op| self.shows(op).iter().any(|version| written.contains(version)))
    }

    /// Whether a read shows a version of the writer, but not its last of that key.
    fn saw_the_middle(&self, reader: u32, writer: u32) -> bool {
        self.reads(reader).any(|op| {
            let written: Vec<u32> =
                self.writes(writer).filter(|write| write.key == op.key).map(|op| op.value).collect();
            let shown = self.shows(op);
            let some = written.iter().any(|version| shown.contains(version));
            some && written.last().is_some_and(|last| !shown.contains(last))
        })
    }

    /// Whether a read shows a version of the second behind one of the first, or the second wrote to what it read of the first.
    fn saw_both(&self, reader: u32, first: u32, second: u32) -> bool {
        let in_order = |op: &'a Micro| {
            let by = |writer, version: &u32| self.writes(writer).any(|write| write.value == *version);
            let shown = self.shows(op);
            let one = shown.iter().position(|version| by(first, version));
            one.is_some_and(|one| shown[one..].iter().any(|version| by(second, version)))
        };
        let replaced = || {
            let read = |op: &&Micro| self.writes(first).any(|write| write.value == op.value);
            reader == second
                && self.reads(second).filter(read).any(|op| self.writes(second).any(|write| write.key == op.key))
        };
        replaced() || self.reads(reader).any(in_order)
    }

    /// Whether both transactions read the same of a key first, and then wrote to it.
    fn replace_the_same(&self, a: u32, b: u32) -> bool {
        self.updates(a).any(|one| {
            a != b && self.updates(b).any(|other| one.key == other.key && self.shows(one) == self.shows(other))
        })
    }

    /// The reads of keys that the transaction had not touched before, and wrote to later.
    fn updates(&self, t: u32) -> impl Iterator<Item = &'a Micro> {
        let ops = self.transactions.ops(t);
        let live = self.transactions.outcome[t as usize] == Outcome::Ok;
        ops.iter()
            .enumerate()
            .filter(move |(at, op)| {
                let writes = |later: &Micro| later.key == op.key && matches!(later.kind, Kind::Append | Kind::Write);
                live && is_read(op)
                    && !ops[..*at].iter().any(|before| before.key == op.key)
                    && ops[*at..].iter().any(writes)
            })
            .map(|(_, op)| op)
    }

    /// Whether two reads of a list are no beginnings of each other, or one shows appends of a transaction the other way round.
    fn disagree(&self, those: &[u32]) -> bool {
        let reads = || those.iter().flat_map(|&t| self.reads(t)).filter(|op| op.kind == Kind::ReadList);
        let forks = |a: &Micro, b: &Micro| {
            let (a, b) = (self.transactions.list(a), self.transactions.list(b));
            a.iter().zip(b).any(|(one, other)| one != other)
        };
        let turned = |op: &&'a Micro| {
            let list = self.shows(op);
            let place = |write: &Micro| list.iter().position(|version| *version == write.value);
            those.iter().any(|&t| {
                let places: Vec<usize> = self.writes(t).filter_map(place).collect();
                !places.is_sorted()
            })
        };
        reads().any(|a| reads().any(|b| a.key == b.key && forks(a, b))) || reads().any(|op| turned(&op))
    }

    /// Whether both transactions wrote to one key. That they started from one version is taken as told: it rests on the order of versions.
    fn write_to_the_same(&self, a: u32, b: u32) -> bool {
        self.writes(a).any(|one| self.writes(b).any(|other| other.key == one.key))
    }
}
