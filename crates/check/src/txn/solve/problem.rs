//! What is known and what is open: transactions, the orders that must be kept, and per key who wrote and who read what.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use history::Outcome;
use history::txn::{Kind, NEVER, Transactions, UNREAD};

use crate::txn::anomaly::Variant;
use crate::txn::facts::Facts;
use crate::txn::graph::{Edge, EdgeKind};
use crate::txn::weak::{NOBODY, Reads};

/// Dependencies of a history, whatever its levels. Transactions have their numbers in the history.
#[derive(Clone, Default)]
pub struct Data {
    /// The transactions that happened, ascending.
    pub members: Vec<u32>,
    /// Dependencies that hold in every order of versions.
    pub edges: Vec<Edge>,
    /// Key and writer of the versions whose order is open; sorted, each once.
    pub writes: Vec<(u32, u32)>,
    /// Key, writer ([`NOBODY`] for the initial version) and reader of the reads of those; sorted, each once.
    pub reads: Vec<(u32, u32, u32)>,
}

impl Data {
    /// Of registers: who read from whom is known, nothing else.
    pub fn of_registers(facts: &Facts, reads: &Reads) -> Data {
        let mut data = Data::living(facts);
        for t in &data.members {
            let of = |first: &[u32]| first[*t as usize] as usize..first[*t as usize + 1] as usize;
            data.writes.extend(reads.writes[of(&reads.first_write)].iter().map(|key| (*key, *t)));
            data.reads.extend(reads.reads[of(&reads.first_read)].iter().map(|(key, writer)| (*key, *writer, *t)));
        }
        data.sorted()
    }

    /// Of lists: everything but the order of appends that nobody read.
    pub fn of_lists(transactions: &Transactions, facts: &Facts) -> Data {
        let mut data = Data::living(facts);
        data.edges = facts.edges.clone();
        let mut writer = vec![u32::MAX; transactions.sizes().1];
        for t in &data.members {
            let appends = transactions.ops(*t).iter().filter(|op| op.kind == Kind::Append);
            appends.for_each(|op| writer[op.value as usize] = *t);
        }
        for t in data.members.iter().filter(|t| transactions.outcome[**t as usize] == Outcome::Ok) {
            for op in transactions.ops(*t).iter().filter(|op| op.kind == Kind::ReadList && op.value != UNREAD) {
                for version in transactions.list(op) {
                    if writer[*version as usize] != *t {
                        writer[*version as usize] = u32::MAX;
                    }
                }
            }
        }
        let unread = writer.iter().enumerate().filter(|(_, t)| **t != u32::MAX);
        data.writes = unread.map(|(version, t)| (transactions.version_key[version], *t)).collect();
        data.sorted()
    }

    fn living(facts: &Facts) -> Data {
        let live = facts.live.iter().enumerate().filter(|(_, live)| **live);
        Data { members: live.map(|(t, _)| t as u32).collect(), ..Data::default() }
    }

    fn sorted(mut self) -> Data {
        self.writes.sort_unstable();
        self.writes.dedup();
        self.reads.sort_unstable();
        self.reads.dedup();
        self
    }

    /// The same without some transactions, and without the reads of what they wrote: whatever has an order keeps one.
    pub fn without(&self, gone: &dyn Fn(u32) -> bool) -> Data {
        let here = |t: u32| t == NOBODY || !gone(t);
        Data {
            members: self.members.iter().copied().filter(|t| here(*t)).collect(),
            edges: self.edges.iter().copied().filter(|edge| here(edge.from) && here(edge.to)).collect(),
            writes: self.writes.iter().copied().filter(|(_, t)| here(*t)).collect(),
            reads: self.reads.iter().copied().filter(|(_, w, r)| here(*w) && here(*r)).collect(),
        }
    }
}

/// A version of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// The key.
    pub key: u32,
    /// Who wrote it: a small number, or the root.
    pub writer: u32,
}

/// The data with the orders of one variant. Transactions have small numbers here; the last of them is the root, which comes before
/// all others and wrote every initial version. Numbers from `count` on are instants of real time.
pub struct Problem {
    /// The transaction in the history of each small number but the root's.
    pub members: Vec<u32>,
    /// Transactions, the root included.
    pub count: u32,
    /// Instants.
    pub instants: u32,
    /// Reads, known dependencies, and the order of the variant.
    pub edges: Vec<Edge>,
    /// Versions by key and writer.
    pub versions: Vec<Version>,
    /// Where the versions of each key with several of them begin and end.
    pub keys: Vec<(u32, u32)>,
    first_reader: Vec<u32>,
    readers: Vec<u32>,
    /// A number that grows with time, for each transaction: where to look for an order first.
    pub time: Vec<u64>,
    /// Invocation and completion of each transaction, if real time counts.
    pub spans: Option<Vec<(u32, u32)>>,
}

impl Problem {
    /// The problem of one variant. O(n log n).
    pub fn new(transactions: &Transactions, data: &Data, variant: Variant) -> Problem {
        let count = data.members.len() as u32 + 1;
        // A table for many, a search for the few of a witness.
        let mut number = vec![u32::MAX; if data.members.len() > 64 { transactions.len() } else { 0 }];
        if !number.is_empty() {
            data.members.iter().enumerate().for_each(|(i, t)| number[*t as usize] = i as u32);
        }
        let local = |t: u32| match number.get(t as usize) {
            _ if t == NOBODY => count - 1,
            Some(number) => *number,
            None => data.members.binary_search(&t).map_or(u32::MAX, |i| i as u32),
        };
        let mut edges: Vec<Edge> =
            data.edges.iter().map(|edge| edge.between(local(edge.from), local(edge.to))).collect();
        let mut problem = Problem {
            members: data.members.clone(),
            count,
            instants: 0,
            versions: Vec::new(),
            keys: Vec::new(),
            first_reader: Vec::new(),
            readers: Vec::new(),
            time: times(transactions, &data.members),
            spans: None,
            edges: Vec::new(),
        };
        edges.extend(problem.place_versions(data, local));
        problem.edges = edges;
        match variant {
            Variant::Plain => {}
            Variant::Realtime if transactions.timed => problem.real_time(transactions),
            _ => problem.session_order(transactions, &BTreeSet::new()),
        }
        problem.put_root_first();
        problem
    }

    /// A problem without any order, to which that of processes was added but for some pairs of transactions (their small numbers). Few chains
    /// make it easier; if it has no solution because of an order that was added, that says nothing.
    pub fn with_sessions(transactions: &Transactions, data: &Data, but: &BTreeSet<(u32, u32)>) -> Problem {
        let mut problem = Problem::new(transactions, data, Variant::Plain);
        problem.session_order(transactions, but);
        problem
    }

    /// The root: it comes before all others.
    pub fn root(&self) -> u32 {
        self.count - 1
    }

    /// The readers of a version (its place in [`versions`](Problem::versions)).
    pub fn readers(&self, version: u32) -> &[u32] {
        &self.readers[self.first_reader[version as usize] as usize..self.first_reader[version as usize + 1] as usize]
    }

    /// Fills in versions and readers; the reads as edges.
    fn place_versions(&mut self, data: &Data, local: impl Fn(u32) -> u32) -> Vec<Edge> {
        let mut edges = Vec::with_capacity(data.reads.len());
        let mut reads = data.reads.iter().copied().peekable();
        self.first_reader.push(0);
        for group in data.writes.chunk_by(|a, b| a.0 == b.0) {
            let (key, begin) = (group[0].0, self.versions.len() as u32);
            // The initial version has the greatest number for a writer, in reads as well.
            let initial = std::iter::once((key, NOBODY));
            for (_, writer) in group.iter().copied().chain(initial) {
                let before = self.readers.len();
                // Keys that nobody wrote have no versions.
                while reads.next_if(|(k, w, _)| (*k, *w) < (key, writer)).is_some() {}
                while let Some((_, _, reader)) = reads.next_if(|(k, w, _)| (*k, *w) == (key, writer)) {
                    self.readers.push(local(reader));
                    if writer != NOBODY {
                        edges.push(Edge::new(EdgeKind::Wr, local(writer), local(reader), key));
                    }
                }
                if writer == NOBODY && self.readers.len() == before {
                    continue;
                }
                self.first_reader.push(self.readers.len() as u32);
                self.versions.push(Version { key, writer: local(writer) });
            }
            if self.versions.len() as u32 - begin > 1 {
                self.keys.push((begin, self.versions.len() as u32));
            }
        }
        edges
    }

    fn session_order(&mut self, transactions: &Transactions, but: &BTreeSet<(u32, u32)>) {
        let mut last: HashMap<u32, u32> = HashMap::new();
        for (i, t) in self.members.iter().enumerate() {
            let process = transactions.process[*t as usize];
            if let Some(before) = last.get(&process).filter(|before| !but.contains(&(**before, i as u32))) {
                self.edges.push(Edge::new(EdgeKind::So, *before, i as u32, 0));
            }
            if transactions.outcome[*t as usize] == Outcome::Ok {
                last.insert(process, i as u32);
            }
        }
    }

    /// A chain of instants: completions lead to the next instant, and the last instant before an invocation leads to its
    /// transaction.
    fn real_time(&mut self, transactions: &Transactions) {
        let mut events: Vec<(u32, bool, u32)> = Vec::with_capacity(self.members.len() * 2);
        for (i, t) in self.members.iter().enumerate() {
            events.push((transactions.invoked[*t as usize], false, i as u32));
            if transactions.completed[*t as usize] != NEVER {
                events.push((transactions.completed[*t as usize], true, i as u32));
            }
        }
        events.sort_unstable();
        let rt = |from, to| Edge::new(EdgeKind::Rt, from, to, 0);
        let (mut instant, mut open) = (None, false);
        for (_, completion, i) in events {
            if completion {
                if !open {
                    let next = self.count + self.instants;
                    self.instants += 1;
                    self.edges.extend(instant.map(|last| rt(last, next)));
                    (instant, open) = (Some(next), true);
                }
                self.edges.extend(instant.map(|now| rt(i, now)));
            } else {
                self.edges.extend(instant.map(|last| rt(last, i)));
                open = false;
            }
        }
        let span = |t: &u32| (transactions.invoked[*t as usize], transactions.completed[*t as usize]);
        self.spans = Some(self.members.iter().map(span).collect());
    }

    fn put_root_first(&mut self) {
        let mut follows = vec![false; (self.count + self.instants) as usize];
        self.edges.iter().for_each(|edge| follows[edge.to as usize] = true);
        let root = self.root();
        let first = (0..root).filter(|i| !follows[*i as usize]);
        let edges: Vec<Edge> = first.map(|i| Edge::new(EdgeKind::So, root, i, 0)).collect();
        self.edges.extend(edges);
    }
}

/// A number that grows with time for each: completions, or where intervals are not known the share of its process's transactions that came before.
pub fn times(transactions: &Transactions, members: &[u32]) -> Vec<u64> {
    if transactions.timed {
        let time =
            |t: &u32| (u64::from(transactions.completed[*t as usize]), u64::from(transactions.invoked[*t as usize]));
        return members
            .iter()
            .map(time)
            .map(|(done, sent)| if done == u64::from(NEVER) { sent } else { done })
            .collect();
    }
    let mut lengths: BTreeMap<u32, u64> = BTreeMap::new();
    members.iter().for_each(|t| *lengths.entry(transactions.process[*t as usize]).or_default() += 1);
    let mut seen: BTreeMap<u32, u64> = BTreeMap::new();
    let mut share = |t: &u32| {
        let process = transactions.process[*t as usize];
        let place = seen.entry(process).or_default();
        *place += 1;
        (*place << 32) / lengths[&process]
    };
    members.iter().map(&mut share).collect()
}
