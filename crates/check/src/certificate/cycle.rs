//! Cycles of dependencies between transactions: every edge is shown again from the history.
//!
//! `a` before `b` because of a key, if both committed and
//!
//! - *wr*: `b` read what `a` wrote;
//! - *rw*: `b` wrote what the read of `a` does not have yet: of lists, an element that is not in what `a` read (lists only grow); of
//!   registers, the version that replaced it;
//! - *ww*: some list that was read has an element of `a` before one of `b`, or does not have one of `b` yet; or `b` read what `a` wrote and
//!   replaced it;
//! - *so*: one process asked for them in this order; *rt*: `a` was over when `b` began.
//!
//! What the weak levels infer of the order of versions (a read that missed a write which it should have seen) is an *ww* of another kind: `b`
//! was read, of the same key, by one that had `a` behind it.

use std::collections::{BTreeMap, BTreeSet};

use history::Outcome;
use history::txn::{INITIAL, Kind, Micro, NEVER, Transactions, UNREAD};

use super::single;
use crate::txn::{Class, Edge, EdgeKind, TxnAnomaly};

/// Why the anomaly is none, for all that the history says; `None`: it is one. Linear in the history if there is an edge *ww* in it.
pub fn refute(transactions: &Transactions, anomaly: &TxnAnomaly) -> Option<String> {
    if anomaly.cycle.is_empty() {
        return single::refute(transactions, anomaly);
    }
    let cycle = &anomaly.cycle;
    let next = |at: usize| &cycle[(at + 1) % cycle.len()];
    if (0..cycle.len()).any(|at| cycle[at].to != next(at).from || cycle[at].from == cycle[at].to) {
        return Some("the edges are no cycle".to_string());
    }
    let sessions = with_sessions(transactions, anomaly.class);
    let belongs = |kind| anomaly.variant.has(kind) || sessions && kind == EdgeKind::So;
    if let Some(edge) = cycle.iter().find(|edge| !belongs(edge.kind())) {
        return Some(format!("an edge {} does not belong to this anomaly", edge.kind().name()));
    }
    // Read committed, by its axiom: who saw a transaction sees no state from before it.
    let history = Readers::of(transactions, cycle);
    let missed = sessions && matches!(&cycle[..], [seen, _] if history.saw_any(seen.to, seen.from));
    if !missed && !has_shape(anomaly.class, cycle) {
        return Some("the cycle is of another class".to_string());
    }
    let doubt = cycle.iter().find(|edge| !history.shows(edge))?;
    Some(format!("nothing shows that {} precedes {} ({})", doubt.from, doubt.to, doubt.kind().name()))
}

/// Whether the order of each process belongs to a class in any variant: to causality always, of registers to all that the axioms of Biswas &
/// Enea define.
fn with_sessions(transactions: &Transactions, class: Class) -> bool {
    let lists = transactions.ops.iter().any(|op| matches!(op.kind, Kind::Append | Kind::ReadList));
    class == Class::StaleCausal || !lists && matches!(class, Class::FracturedRead | Class::G1c)
}

fn has_shape(class: Class, cycle: &[Edge]) -> bool {
    let count = |kind| cycle.iter().filter(|edge| edge.kind() == kind).count();
    let rw = |at: usize| cycle[at % cycle.len()].kind() == EdgeKind::Rw;
    let adjacent = cycle.len() > 1 && (0..cycle.len()).any(|at| rw(at) && rw(at + 1));
    match class {
        Class::G0 => count(EdgeKind::Rw) + count(EdgeKind::Wr) == 0,
        Class::G1c => count(EdgeKind::Rw) == 0,
        Class::GSingle => count(EdgeKind::Rw) == 1,
        Class::GNonadjacent => count(EdgeKind::Rw) >= 1 && !adjacent,
        Class::G2Item => count(EdgeKind::Rw) >= 1,
        _ => true,
    }
}

/// What shows that one version of a key came before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    /// A list, or who replaced what it had read.
    Versions,
    /// Somebody read from the writer of the one, and in the same transaction after that the other: read committed is enough to conclude.
    Statements,
    /// Somebody read from the writer of the one, and read the other: read atomic is.
    Direct,
    /// Somebody followed the writer of the one in its process, and read the other.
    Session,
    /// Somebody had the writer of the one behind it: causality is.
    Causal,
}

/// What the order of versions in a cycle rests on; `None`: there is no such order in it, or one that is not shown.
pub(super) fn weakest_order(transactions: &Transactions, cycle: &[Edge]) -> Option<Order> {
    let history = Readers::of(transactions, cycle);
    cycle.iter().filter(|edge| edge.kind() == EdgeKind::Ww).map(|edge| history.versions_of(edge)).max().flatten()
}

/// What was done to the keys of a cycle, by transaction.
struct Readers<'a> {
    transactions: &'a Transactions,
    /// Of each key, who read what of it.
    reads: BTreeMap<u32, Vec<(u32, &'a Micro)>>,
}

impl<'a> Readers<'a> {
    fn of(transactions: &'a Transactions, cycle: &[Edge]) -> Readers<'a> {
        let wants = |edge: &&Edge| matches!(edge.kind(), EdgeKind::Ww);
        let mut reads: BTreeMap<u32, Vec<(u32, &Micro)>> =
            cycle.iter().filter(wants).map(|edge| (edge.key(), Vec::new())).collect();
        if reads.is_empty() {
            return Readers { transactions, reads };
        }
        for t in (0..transactions.len() as u32).filter(|t| transactions.outcome[*t as usize] == Outcome::Ok) {
            for op in transactions.ops(t).iter().filter(|op| is_read(op)) {
                if let Some(reads) = reads.get_mut(&op.key) {
                    reads.push((t, op));
                }
            }
        }
        Readers { transactions, reads }
    }

    fn shows(&self, edge: &Edge) -> bool {
        let (from, to) = (edge.from, edge.to);
        let t = self.transactions;
        match edge.kind() {
            // What failed has no place, and the order of a process ends with what is not known to have happened.
            EdgeKind::So => {
                self.ok(from) && self.committed(to) && t.process[from as usize] == t.process[to as usize] && from < to
            }
            EdgeKind::Rt => {
                let over = t.completed[from as usize];
                self.ok(from) && self.committed(to) && over != NEVER && over < t.invoked[to as usize]
            }
            EdgeKind::Wr => self.committed(from) && self.saw(to, from, edge.key()),
            EdgeKind::Rw => self.committed(to) && self.missed(from, to, edge.key()),
            EdgeKind::Ww => self.committed(from) && self.committed(to) && self.versions_of(edge).is_some(),
        }
    }

    /// What shows the order of the versions that two transactions wrote, if anything does.
    fn versions_of(&self, edge: &Edge) -> Option<Order> {
        let (before, after, key) = (edge.from, edge.to, edge.key());
        if self.overwrote(after, before, key) {
            return Some(Order::Versions);
        }
        self.writes(before, key).next()?;
        self.read_after(after, before, key)
    }

    fn ok(&self, t: u32) -> bool {
        self.transactions.outcome[t as usize] == Outcome::Ok
    }

    /// Whether the effects of a transaction count: it is `ok`, or of unknown outcome (which of its effects were seen is the reader's word).
    fn committed(&self, t: u32) -> bool {
        self.transactions.outcome[t as usize] != Outcome::Fail
    }

    fn writes(&self, t: u32, key: u32) -> impl Iterator<Item = u32> + '_ {
        let written = move |op: &&Micro| op.key == key && matches!(op.kind, Kind::Append | Kind::Write);
        self.transactions.ops(t).iter().filter(written).map(|op| op.value)
    }

    fn reads_of(&self, t: u32, key: u32) -> impl Iterator<Item = &'a Micro> {
        let ok = self.transactions.outcome[t as usize] == Outcome::Ok;
        self.transactions.ops(t).iter().filter(move |op| ok && op.key == key && is_read(op))
    }

    /// Whether the reader saw a version that the writer wrote.
    fn saw(&self, reader: u32, writer: u32, key: u32) -> bool {
        let written: BTreeSet<u32> = self.writes(writer, key).collect();
        self.reads_of(reader, key).any(|op| self.versions(op).any(|version| written.contains(&version)))
    }

    /// Whether the reader read the key before the writer wrote to it.
    fn missed(&self, reader: u32, writer: u32, key: u32) -> bool {
        let written: Vec<u32> = self.writes(writer, key).collect();
        self.reads_of(reader, key).any(|op| match op.kind {
            Kind::ReadList => {
                let list = self.transactions.list(op);
                written.iter().any(|version| !list.contains(version))
            }
            _ => self.replaced(op.value, writer, key),
        })
    }

    /// Whether a transaction wrote over this version: it read it before it wrote, or the version is the initial one.
    fn replaced(&self, version: u32, writer: u32, key: u32) -> bool {
        let of_key = self.transactions.ops(writer).iter().filter(|op| op.key == key);
        let mut found = version == INITIAL;
        for op in of_key {
            match op.kind {
                Kind::Read if op.value == version => found = true,
                Kind::Write if op.value != version => return found,
                _ => {}
            }
        }
        false
    }

    /// Whether a list shows an element of `before` and behind it, or not yet, one of `after`; or a register was read from one and written by
    /// the other. A transaction that appends twice may well be both before and after another: that is a cycle by itself.
    fn overwrote(&self, after: u32, before: u32, key: u32) -> bool {
        let (first, second): (BTreeSet<u32>, BTreeSet<u32>) =
            (self.writes(before, key).collect(), self.writes(after, key).collect());
        if first.iter().any(|version| self.replaced(*version, after, key)) {
            return true;
        }
        let shows = |(_, op): &(u32, &Micro)| {
            let list = self.transactions.list(op);
            let early = list.iter().position(|version| first.contains(version));
            let late = match second.iter().all(|version| list.contains(version)) {
                true => list.iter().rposition(|version| second.contains(version)),
                false => Some(list.len()),
            };
            early.zip(late).is_some_and(|(early, late)| early < late)
        };
        self.reads.get(&key).is_some_and(|reads| reads.iter().any(shows))
    }

    /// How somebody who read the key from `seen` had `missed` behind it.
    fn read_after(&self, seen: u32, missed: u32, key: u32) -> Option<Order> {
        let reads = self.reads.get(&key).into_iter().flatten();
        let others = reads.filter(|(reader, op)| ![seen, missed].contains(reader) && self.stops_at(op, seen, missed));
        let mut readers: Vec<u32> = others.map(|(reader, _)| *reader).collect();
        readers.dedup();
        let session = |reader: u32| self.shows(&Edge::new(EdgeKind::So, missed, reader, 0));
        if readers.iter().any(|&reader| self.saw_before(reader, missed, seen, key)) {
            Some(Order::Statements)
        } else if readers.iter().any(|&reader| self.saw_any(reader, missed)) {
            Some(Order::Direct)
        } else if readers.iter().any(|&reader| session(reader)) {
            Some(Order::Session)
        } else {
            let behind = if readers.is_empty() { BTreeSet::new() } else { self.behind(missed) };
            readers.iter().any(|reader| behind.contains(reader)).then_some(Order::Causal)
        }
    }

    /// Whether a read shows what `seen` wrote to its key, and nothing that `missed` did.
    fn stops_at(&self, op: &'a Micro, seen: u32, missed: u32) -> bool {
        let wrote = |writer: u32, version| self.writes(writer, op.key).any(|own| own == version);
        self.versions(op).any(|version| wrote(seen, version))
            && !self.versions(op).any(|version| wrote(missed, version))
    }

    /// Whether a transaction read from `first`, and after that the key from `then`.
    fn saw_before(&self, reader: u32, first: u32, then: u32, key: u32) -> bool {
        let wrote = |writer: u32, op: &'a Micro| {
            self.versions(op).any(|version| self.writes(writer, op.key).any(|own| own == version))
        };
        let reads = || self.transactions.ops(reader).iter().filter(|op| is_read(op));
        let begun = reads().position(|op| wrote(first, op));
        begun.is_some_and(|begun| reads().skip(begun + 1).any(|op| op.key == key && self.stops_at(op, then, first)))
    }

    fn saw_any(&self, reader: u32, writer: u32) -> bool {
        let keys: BTreeSet<u32> = self.transactions.ops(writer).iter().map(|op| op.key).collect();
        keys.into_iter().any(|key| self.saw(reader, writer, key))
    }

    /// Everything that has a transaction behind it: by its process, by reading, and so on.
    fn behind(&self, start: u32) -> BTreeSet<u32> {
        let t = self.transactions;
        let mut writer: BTreeSet<u32> = BTreeSet::new();
        let (mut found, mut processes) = (BTreeSet::from([start]), BTreeSet::from([t.process[start as usize]]));
        let note = |of: u32, writer: &mut BTreeSet<u32>| {
            let written = t.ops(of).iter().filter(|op| matches!(op.kind, Kind::Append | Kind::Write));
            written.for_each(|op| _ = writer.insert(op.value));
        };
        note(start, &mut writer);
        // A cause is mostly invoked before its effect; where it is not, another round finds it.
        loop {
            let before = found.len();
            for next in 0..t.len() as u32 {
                if t.outcome[next as usize] == Outcome::Fail || found.contains(&next) {
                    continue;
                }
                let so = processes.contains(&t.process[next as usize]) && self.follows(&found, next);
                let ok = t.outcome[next as usize] == Outcome::Ok;
                let reads = || t.ops(next).iter().filter(|op| is_read(op)).flat_map(|op| self.versions(op));
                if so || ok && reads().any(|version| writer.contains(&version)) {
                    found.insert(next);
                    processes.insert(t.process[next as usize]);
                    note(next, &mut writer);
                }
            }
            if found.len() == before {
                return found;
            }
        }
    }

    /// Whether the process of `next` ran one of these before.
    fn follows(&self, found: &BTreeSet<u32>, next: u32) -> bool {
        let process = self.transactions.process[next as usize];
        found.range(..next).rev().any(|t| self.transactions.process[*t as usize] == process)
    }

    fn versions(&self, op: &'a Micro) -> impl Iterator<Item = u32> + use<'a> {
        let single = (op.kind == Kind::Read && op.value != UNREAD && op.value != INITIAL).then_some(op.value);
        self.transactions.list(op).iter().copied().chain(single)
    }
}

/// Whether a micro-operation is a read of known result.
pub(super) fn is_read(op: &Micro) -> bool {
    matches!(op.kind, Kind::Read | Kind::ReadList) && op.value != UNREAD
}
