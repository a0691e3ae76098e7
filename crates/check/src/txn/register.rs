//! Transactions on registers with unique values: who read from whom, and the order of versions as far as read-modify-writes tell it.
//!
//! A transaction that reads a key before it writes to it puts its version right behind the one it read (Tan et al., "mini-transactions",
//! 2025): if all do, the versions of a key are a chain, and serializability and snapshot isolation are decided exactly, in linear
//! time. The initial version comes before all others. A write without a read leaves the order open: then cycles that are found are
//! real, but that there is none proves nothing.

use history::Outcome;
use history::txn::{INITIAL, Kind, Micro, Transactions, UNREAD};

use super::anomaly::Class;
use super::facts::Facts;
use super::graph::{Edge, EdgeKind};
use super::weak::{NOBODY, Reads};

const NONE: u32 = u32::MAX;

/// The dependencies, and the reads for the weak levels.
pub fn facts(transactions: &Transactions) -> (Facts, Reads) {
    let mut reading = Reading::new(transactions);
    reading.find_writers();
    reading.look_at_reads();
    reading.order_versions();
    reading.finish()
}

/// The same without the order of versions and its edges: enough for the weak levels.
pub fn reads(transactions: &Transactions) -> (Facts, Reads) {
    let mut reading = Reading::new(transactions);
    reading.find_writers();
    reading.look_at_reads();
    reading.finish()
}

struct Reading<'a> {
    transactions: &'a Transactions,
    writer: Vec<u32>,
    /// Whether a version is its transaction's last of its key.
    last: Vec<bool>,
    /// What the weak levels look at, while it is collected; the version of each read beside it.
    reads: Reads,
    versions: Vec<u32>,
    facts: Facts,
}

impl<'a> Reading<'a> {
    fn new(transactions: &'a Transactions) -> Reading<'a> {
        let (_, versions) = transactions.sizes();
        let facts = Facts {
            live: transactions.outcome.iter().map(|outcome| *outcome == Outcome::Ok).collect(),
            ..Facts::default()
        };
        let reads = Reads::with_capacity(transactions);
        let room = reads.reads.capacity();
        let (writer, last) = (vec![NONE; versions], vec![true; versions]);
        Reading { transactions, writer, last, reads, versions: Vec::with_capacity(room), facts }
    }

    fn outcome(&self, t: u32) -> Outcome {
        self.transactions.outcome[t as usize]
    }

    fn find_writers(&mut self) {
        let mut before = vec![(NONE, NONE); self.transactions.keys.len()];
        for t in 0..self.transactions.len() as u32 {
            for op in self.transactions.ops(t).iter().filter(|op| op.kind == Kind::Write) {
                let (of, version) = std::mem::replace(&mut before[op.key as usize], (t, op.value));
                if of == t {
                    self.last[version as usize] = false;
                }
                let known = self.writer[op.value as usize];
                if known == NONE || self.outcome(known) == Outcome::Fail {
                    self.writer[op.value as usize] = t;
                } else if self.outcome(t) != Outcome::Fail {
                    let (key, value) = (&self.transactions.keys[op.key as usize], self.transactions.value(op.value));
                    let reason =
                        format!("{value} was written to {key} more than once, so reads do not tell who wrote it");
                    self.facts.ambiguous.get_or_insert(reason);
                }
            }
        }
    }

    /// Every read against its own transaction and against the writer of its value.
    fn look_at_reads(&mut self) {
        // Per key what the transaction expects to read, and whether it wrote that itself.
        let mut views = vec![(NONE, UNREAD, false); self.transactions.keys.len()];
        for t in 0..self.transactions.len() as u32 {
            self.reads.first_read.push(self.reads.reads.len() as u32);
            if self.outcome(t) != Outcome::Ok {
                continue;
            }
            for op in self.transactions.ops(t) {
                let view = &mut views[op.key as usize];
                if view.0 != t {
                    *view = (t, UNREAD, false);
                }
                match op.kind {
                    Kind::Write => *view = (t, op.value, true),
                    Kind::Read if op.value != UNREAD => {
                        let (_, expected, own) = *view;
                        if expected != UNREAD && expected != op.value {
                            self.internal(t, op, expected, own);
                        }
                        if !own {
                            *view = (t, op.value, false);
                        }
                        if !own || expected != op.value {
                            self.look_at(t, op, own);
                        }
                    }
                    _ => {}
                }
            }
        }
        self.reads.first_read.push(self.reads.reads.len() as u32);
    }

    fn look_at(&mut self, reader: u32, op: &Micro, own: bool) {
        let (key, version) = (op.key, op.value);
        if version == INITIAL {
            self.see(key, version, NOBODY);
            return;
        }
        let (transactions, writer) = (self.transactions, self.writer[version as usize]);
        let read =
            || format!("T{reader} read {} from {}", transactions.value(version), transactions.keys[key as usize]);
        if writer == NONE {
            return self.facts.note(Class::GarbageRead, &[reader], || vec![format!("{}, which nobody wrote", read())]);
        }
        if writer == reader {
            if !own {
                self.facts
                    .note(Class::FutureRead, &[reader], || vec![format!("{}, which it wrote only later", read())]);
            }
            return;
        }
        if self.outcome(writer) == Outcome::Fail {
            let story = || vec![format!("{}, but its write by T{writer} had failed", read())];
            return self.facts.note(Class::G1a, &[writer, reader], story);
        }
        if !self.last[version as usize] {
            let story = || vec![format!("{}, which T{writer} itself overwrote", read())];
            self.facts.note(Class::G1b, &[writer, reader], story);
        }
        self.facts.live[writer as usize] = true;
        self.see(key, version, writer);
    }

    fn see(&mut self, key: u32, version: u32, writer: u32) {
        self.reads.reads.push((key, writer));
        self.versions.push(version);
    }

    fn internal(&mut self, t: u32, op: &Micro, expected: u32, own: bool) {
        let transactions = self.transactions;
        let story = || {
            let (key, value) = (&transactions.keys[op.key as usize], transactions.value(op.value));
            let (before, done) = (transactions.value(expected), if own { "written" } else { "read" });
            vec![format!("T{t} read {value} from {key}, although it had {done} {before} before")]
        };
        self.facts.note(Class::Internal, &[t], story);
        if own {
            self.facts.note(Class::OwnWriteMissed, &[t], story);
        }
    }

    /// Versions behind versions, by transactions that read a key and then wrote to it: ww and rw edges.
    fn order_versions(&mut self) {
        let mut links = self.link_versions();
        self.cyclic_versions(&links.before);
        self.lost_updates(&links);
        if let Some((key, t)) = links.example {
            self.blind_writes(links.blind, key, t);
        }
        links.later.sort_unstable();
        self.connect_readers(&links);
    }

    /// Which version each transaction replaced, if it read one before it wrote.
    fn link_versions(&mut self) -> Links {
        let (keys, versions) = self.transactions.sizes();
        let mut links = Links::new(keys, versions);
        let beginnings = self.reads.reads.iter().filter(|(_, writer)| *writer == NOBODY);
        let mut initial = vec![false; keys];
        beginnings.for_each(|(key, _)| initial[*key as usize] = true);
        let mut views = vec![(NONE, UNREAD); keys];
        for t in 0..self.transactions.len() as u32 {
            if !self.facts.live[t as usize] {
                continue;
            }
            let ok = self.transactions.outcome[t as usize] == Outcome::Ok;
            for op in self.transactions.ops(t) {
                let view = &mut views[op.key as usize];
                if view.0 != t {
                    *view = (t, if op.kind == Kind::Read && ok { op.value } else { UNREAD });
                }
                if op.kind != Kind::Write || !self.last[op.value as usize] {
                    continue;
                }
                match view.1 {
                    UNREAD => links.blind(t, op.key, initial[op.key as usize]),
                    version => {
                        links.link(version, op.key, t);
                        if version != INITIAL && self.writer[version as usize] != t {
                            links.before[op.value as usize] = version;
                        }
                        self.follow(version, t, op.key);
                    }
                }
            }
        }
        links
    }

    /// From every read: to its writer a wr edge, to whoever replaced the version an rw edge.
    fn connect_readers(&mut self, links: &Links) {
        self.facts.edges.reserve(self.reads.reads.len() * 2);
        for reader in 0..self.transactions.len() as u32 {
            let range =
                self.reads.first_read[reader as usize] as usize..self.reads.first_read[reader as usize + 1] as usize;
            for ((key, writer), version) in self.reads.reads[range.clone()].iter().zip(&self.versions[range]) {
                if *writer != NOBODY {
                    self.facts.edges.push(Edge::new(EdgeKind::Wr, *writer, reader, *key));
                }
                let others = links.replaced(*version, *key).filter(|writer| *writer != reader);
                self.facts.edges.extend(others.map(|writer| Edge::new(EdgeKind::Rw, reader, writer, *key)));
            }
        }
    }

    fn follow(&mut self, version: u32, t: u32, key: u32) {
        let before = if version == INITIAL { NONE } else { self.writer[version as usize] };
        if before != NONE && before != t && self.outcome(before) != Outcome::Fail {
            self.facts.edges.push(Edge::new(EdgeKind::Ww, before, t, key));
        }
    }

    /// Versions that replaced each other in turn. Each replaced one at most, so every walk ends or comes back.
    fn cyclic_versions(&mut self, before: &[u32]) {
        let mut walked = vec![NONE; before.len()];
        for start in 0..before.len() as u32 {
            let mut at = start;
            while at != NONE && walked[at as usize] == NONE {
                walked[at as usize] = start;
                at = before[at as usize];
            }
            if at == NONE || walked[at as usize] != start || before[start as usize] == NONE {
                continue;
            }
            let next = |version: &u32| Some(before[*version as usize]).filter(|next| *next != at);
            let cycle: Vec<u32> = std::iter::successors(Some(at), next).collect();
            let writers: Vec<u32> = cycle.iter().map(|version| self.writer[*version as usize]).collect();
            let transactions = self.transactions;
            self.facts.note(Class::CyclicVersions, &writers, || {
                let key = &transactions.keys[transactions.version_key[at as usize] as usize];
                let tell = |(version, t): (&u32, &u32)| {
                    let (old, new) = (transactions.value(before[*version as usize]), transactions.value(*version));
                    format!("T{t} read {old} from {key} and replaced it by {new}")
                };
                cycle.iter().zip(&writers).map(tell).collect()
            });
        }
    }

    fn lost_updates(&mut self, links: &Links) {
        let (transactions, versions) = (self.transactions, self.transactions.sizes().1);
        for (slot, at) in links.head.iter().enumerate().filter(|(_, at)| **at != NONE) {
            let (second, next) = links.chain[*at as usize];
            let Some((first, _)) = links.chain.get(next as usize).copied() else { continue };
            let reason = "two transactions replaced the same version, so the order of versions is not known";
            self.facts.unordered.get_or_insert_with(|| reason.to_string());
            self.facts.note(Class::LostUpdate, &[first, second], || {
                let initial = slot >= versions;
                let key = if initial { slot - versions } else { transactions.version_key[slot] as usize };
                let value = if initial { "nil".into() } else { transactions.value(slot as u32) };
                let key = &transactions.keys[key];
                vec![format!("T{first} and T{second} both read {value} from {key}, and both wrote to {key}")]
            });
        }
    }

    fn blind_writes(&mut self, count: usize, key: u32, t: u32) {
        let key = &self.transactions.keys[key as usize];
        self.facts.unordered = Some(format!(
            "{count} writes did not follow a read of their key (T{t} to {key}, for one), so the order of versions is not known"
        ));
    }

    fn finish(mut self) -> (Facts, Reads) {
        self.reads.add_writes(self.transactions);
        self.reads.add_sessions(self.transactions, &self.facts.live);
        (self.facts, self.reads)
    }
}

/// Which versions were replaced, and by whom.
struct Links {
    versions: usize,
    /// Who replaced every version, then the initial version of every key: the last one found, and chains of those found before.
    head: Vec<u32>,
    chain: Vec<(u32, u32)>,
    /// The version that each replaced.
    before: Vec<u32>,
    /// Writes without a read: how many, and key and writer of one of them.
    blind: usize,
    example: Option<(u32, u32)>,
    /// Those to keys whose initial version somebody read.
    later: Vec<(u32, u32)>,
}

impl Links {
    fn new(keys: usize, versions: usize) -> Links {
        let (head, before) = (vec![NONE; versions + keys], vec![NONE; versions]);
        Links { versions, head, chain: Vec::new(), before, blind: 0, example: None, later: Vec::new() }
    }

    fn slot(&self, version: u32, key: u32) -> usize {
        if version == INITIAL { self.versions + key as usize } else { version as usize }
    }

    fn link(&mut self, version: u32, key: u32, t: u32) {
        let slot = self.slot(version, key);
        self.chain.push((t, self.head[slot]));
        self.head[slot] = self.chain.len() as u32 - 1;
    }

    fn blind(&mut self, t: u32, key: u32, initial_was_read: bool) {
        self.blind += 1;
        self.example.get_or_insert((key, t));
        if initial_was_read {
            self.later.push((key, t));
        }
    }

    /// Who certainly wrote to the key after this version: those who replaced it, and everyone after the initial one.
    fn replaced(&self, version: u32, key: u32) -> impl Iterator<Item = u32> {
        let link = |at: u32| self.chain.get(at as usize).copied();
        let found = std::iter::successors(link(self.head[self.slot(version, key)]), move |(_, next)| link(*next));
        let from = match version {
            INITIAL => self.later.partition_point(|(other, _)| *other < key),
            _ => self.later.len(),
        };
        let later = self.later[from..].iter().take_while(move |(other, _)| *other == key);
        found.map(|(writer, _)| writer).chain(later.map(|(_, writer)| *writer))
    }
}
