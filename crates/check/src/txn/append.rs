//! List-append: reads of whole lists tell the order of versions (Kingsbury & Alvaro, 2020).
//!
//! Pass 1 finds the longest read of every key and the writer of every element; pass 2 walks along the longest reads; pass 3
//! compares every read with them. O(micro-operations + elements), except that appends that nobody read are ordered after every read of the
//! whole list: readers times such appends per key.

use history::Outcome;
use history::txn::{Kind, Micro, Transactions, UNREAD};

use super::anomaly::Class;
use super::explain::show_transaction;
use super::facts::Facts;
use super::graph::{Edge, EdgeKind};
use super::weak::{NOBODY, Reads};

const NONE: u32 = u32::MAX;
/// Flag of [`Version::writer`]: the last append of its transaction to its key.
const FINAL: u32 = 1 << 31;

/// Who wrote a version and where it stands in its list.
#[derive(Clone, Copy)]
struct Version {
    writer: u32,
    position: u32,
}

impl Version {
    fn writer(self) -> Option<u32> {
        (self.writer != NONE).then_some(self.writer & !FINAL)
    }

    fn is_final(self) -> bool {
        self.writer & FINAL != 0
    }
}

/// Reads the dependencies of list-append transactions off their data.
pub fn facts(transactions: &Transactions) -> Facts {
    let mut reading = Reading::new(transactions);
    reading.find_writers();
    reading.walk_lists();
    reading.find_unread();
    reading.compare_reads();
    reading.order_unread();
    reading.find_lost_updates();
    reading.facts
}

/// What the reads of one transaction say about a key, while the transaction is looked at.
#[derive(Clone, Copy)]
struct View {
    transaction: u32,
    /// Where the list begins that others had made, and how long it is; [`NONE`] while it is not known.
    base: u32,
    length: u32,
    /// Own appends so far.
    own: u32,
}

struct Reading<'a> {
    transactions: &'a Transactions,
    versions: Vec<Version>,
    /// The longest read of each key: where it begins in the elements, how long it is, and who read it.
    longest: Vec<(u32, u32, u32)>,
    /// The last live writer in the longest read of each key.
    last: Vec<u32>,
    views: Vec<View>,
    /// Appends by live transactions that no read shows, by key.
    unread: Vec<(u32, u32)>,
    has_unread: Vec<bool>,
    /// Readers of the whole list of keys with unread appends.
    tail_readers: Vec<(u32, u32)>,
    facts: Facts,
}

impl<'a> Reading<'a> {
    fn new(transactions: &'a Transactions) -> Reading<'a> {
        let (keys, versions) = transactions.sizes();
        let facts = Facts {
            live: transactions.outcome.iter().map(|outcome| *outcome == Outcome::Ok).collect(),
            edges: Vec::with_capacity(transactions.ops.len() * 2),
            ..Facts::default()
        };
        Reading {
            transactions,
            versions: vec![Version { writer: NONE, position: NONE }; versions],
            longest: vec![(0, 0, NONE); keys],
            last: vec![NONE; keys],
            views: vec![View { transaction: NONE, base: NONE, length: 0, own: 0 }; keys],
            unread: Vec::new(),
            has_unread: vec![false; keys],
            tail_readers: Vec::new(),
            facts,
        }
    }

    fn outcome(&self, transaction: u32) -> Outcome {
        self.transactions.outcome[transaction as usize]
    }

    /// Pass 1: the writer of every version, and the longest read of every key.
    fn find_writers(&mut self) {
        for transaction in 0..self.transactions.len() as u32 {
            let ok = self.outcome(transaction) == Outcome::Ok;
            for op in self.transactions.ops(transaction) {
                let view = self.view(transaction, op.key);
                match op.kind {
                    Kind::Append => {
                        let before = std::mem::replace(&mut view.base, op.value);
                        view.own += 1;
                        if before != NONE && self.versions[before as usize].writer() == Some(transaction) {
                            self.versions[before as usize].writer &= !FINAL;
                        }
                        self.set_writer(op, transaction);
                    }
                    Kind::ReadList if ok && op.value != UNREAD && op.length > self.longest[op.key as usize].1 => {
                        let length = self.foreign(transaction, op).len() as u32;
                        if length > self.longest[op.key as usize].1 {
                            self.longest[op.key as usize] = (op.value, length, transaction);
                        }
                    }
                    _ => {}
                }
            }
        }
        self.views.iter_mut().for_each(|view| view.transaction = NONE);
    }

    /// What the transaction at hand knows about a key.
    fn view(&mut self, transaction: u32, key: u32) -> &mut View {
        let view = &mut self.views[key as usize];
        if view.transaction != transaction {
            *view = View { transaction, base: NONE, length: 0, own: 0 };
        }
        view
    }

    /// A list as others had made it: without the transaction's own appends at its end. Those say nothing about the order in
    /// which lists are committed.
    fn foreign(&self, transaction: u32, op: &Micro) -> &'a [u32] {
        let (list, own) = (self.transactions.list(op), self.views[op.key as usize].own as usize);
        if own > 0 && self.ends_with_own(transaction, op, own, list) { &list[..list.len() - own] } else { list }
    }

    fn set_writer(&mut self, op: &Micro, transaction: u32) {
        let version = self.versions[op.value as usize];
        if let Some(other) = version.writer() {
            if self.outcome(transaction) == Outcome::Fail {
                return;
            }
            if self.outcome(other) != Outcome::Fail {
                let (key, value) = (&self.transactions.keys[op.key as usize], self.transactions.value(op.value));
                let reason = format!("{value} was appended to {key} more than once, so reads do not tell who wrote it");
                self.facts.ambiguous.get_or_insert(reason);
                return;
            }
        }
        self.versions[op.value as usize].writer = transaction | FINAL;
    }

    /// Pass 2: along the longest read of every key: positions, who is live, ww edges.
    fn walk_lists(&mut self) {
        for key in 0..self.longest.len() {
            let (mut previous, mut aborted, mut good) = (NONE, NONE, true);
            let list = self.longest_list(key as u32);
            for (position, version) in list.iter().enumerate() {
                let known = &mut self.versions[*version as usize];
                if known.position != NONE {
                    self.duplicate(key as u32, *version, list);
                    continue;
                }
                known.position = position as u32;
                let Some(writer) = known.writer() else {
                    good = false;
                    continue;
                };
                match self.outcome(writer) {
                    Outcome::Fail => {
                        (aborted, good) = (writer, false);
                        continue;
                    }
                    Outcome::Info => self.facts.live[writer as usize] = true,
                    Outcome::Ok => {}
                }
                if aborted != NONE {
                    self.dirty_update(key as u32, std::mem::replace(&mut aborted, NONE), writer);
                }
                if previous == writer {
                    self.program_order(key as u32, writer, list[position - 1], *version);
                } else if previous != NONE {
                    self.edge(EdgeKind::Ww, previous, writer, key as u32);
                }
                previous = writer;
            }
            self.last[key] = previous;
            if !good {
                self.judge_elements(self.longest[key].2, key as u32, list);
            }
        }
    }

    fn longest_list(&self, key: u32) -> &'a [u32] {
        let (at, length, _) = self.longest[key as usize];
        &self.transactions.elements[at as usize..at as usize + length as usize]
    }

    fn edge(&mut self, kind: EdgeKind, from: u32, to: u32, key: u32) {
        self.facts.edges.push(Edge::new(kind, from, to, key));
    }

    fn duplicate(&mut self, key: u32, version: u32, list: &[u32]) {
        let transactions = self.transactions;
        self.facts.note(Class::DuplicateElements, &[], || {
            let (key, value) = (&transactions.keys[key as usize], transactions.value(version));
            vec![format!("a read of {key} shows {value} twice: {}", transactions.show_list(list))]
        });
    }

    fn dirty_update(&mut self, key: u32, aborted: u32, writer: u32) {
        let transactions = self.transactions;
        self.facts.note(Class::DirtyUpdate, &[aborted, writer], || {
            let key = &transactions.keys[key as usize];
            vec![format!("T{writer} appended to {key} right after T{aborted}, which had failed")]
        });
    }

    /// Two neighbours in a list by the same transaction stand as it appended them.
    fn program_order(&mut self, key: u32, writer: u32, earlier: u32, later: u32) {
        let transactions = self.transactions;
        let appends = || transactions.ops(writer).iter().filter(|op| op.kind == Kind::Append);
        let place = |version| appends().position(|op| op.value == version);
        if place(earlier) > place(later) {
            self.facts.note(Class::IncompatibleOrder, &[writer], || {
                let (a, b) = (transactions.value(earlier), transactions.value(later));
                let key = &transactions.keys[key as usize];
                vec![format!("T{writer} appended {b} to {key} before {a}, but reads show {a} before {b}")]
            });
        }
    }

    /// Appends of live transactions that no prefix of the longest read shows.
    fn find_unread(&mut self) {
        if self.transactions.outcome.contains(&Outcome::Info) {
            self.observe_strays();
        }
        for transaction in 0..self.transactions.len() as u32 {
            if !self.facts.live[transaction as usize] {
                continue;
            }
            for (place, op) in self.transactions.ops(transaction).iter().enumerate() {
                if op.kind == Kind::Append && self.versions[op.value as usize].position == NONE {
                    self.unread.push((op.key, transaction));
                    self.has_unread[op.key as usize] = true;
                    self.skipped(transaction, place, op);
                }
            }
        }
        self.unread.sort_unstable();
        self.unread.dedup();
    }

    /// A list that shows a later append of a transaction shows the earlier ones.
    fn skipped(&mut self, t: u32, place: usize, op: &Micro) {
        let transactions = self.transactions;
        let shown = |later: &&Micro| {
            let version = later.kind == Kind::Append && later.key == op.key;
            version && self.versions[later.value as usize].position != NONE
        };
        let Some(later) = transactions.ops(t)[place + 1..].iter().find(shown) else { return };
        let (reader, list) = (self.longest[op.key as usize].2, self.longest_list(op.key));
        self.facts.note(Class::IncompatibleOrder, &[t, reader], || {
            let (a, b) = (transactions.value(op.value), transactions.value(later.value));
            let (key, list) = (&transactions.keys[op.key as usize], transactions.show_list(list));
            vec![format!("T{t} appended {a} and then {b} to {key}, but T{reader} read {key} = {list}, without {a}")]
        });
    }

    /// An unknown transaction may be observed in a read that is no prefix of the longest one, too.
    fn observe_strays(&mut self) {
        for transaction in 0..self.transactions.len() as u32 {
            if self.outcome(transaction) != Outcome::Ok {
                continue;
            }
            for op in self.transactions.ops(transaction) {
                self.view(transaction, op.key).own += u32::from(op.kind == Kind::Append);
                let list = self.foreign(transaction, op);
                if self.longest_list(op.key).starts_with(list) {
                    continue;
                }
                for version in list {
                    if let Some(writer) = self.versions[*version as usize].writer()
                        && self.outcome(writer) == Outcome::Info
                    {
                        self.facts.live[writer as usize] = true;
                    }
                }
            }
        }
        self.views.iter_mut().for_each(|view| view.transaction = NONE);
    }

    /// Pass 3: every read against the longest one of its key, and against its own transaction.
    fn compare_reads(&mut self) {
        for transaction in 0..self.transactions.len() as u32 {
            if self.outcome(transaction) != Outcome::Ok {
                continue;
            }
            for op in self.transactions.ops(transaction) {
                let view = self.view(transaction, op.key);
                match op.kind {
                    Kind::Append => view.own += 1,
                    Kind::ReadList if op.value != UNREAD => self.compare_read(transaction, op),
                    _ => {}
                }
            }
        }
    }

    fn compare_read(&mut self, transaction: u32, op: &Micro) {
        let (view, list) = (self.views[op.key as usize], self.transactions.list(op));
        let base = self.foreign(transaction, op);
        let whole = list.len() == base.len() + view.own as usize;
        if !whole {
            self.internal(transaction, op, list);
        }
        if view.base != NONE {
            let before = &self.transactions.elements[view.base as usize..(view.base + view.length) as usize];
            if before == base {
                return; // The same version again: the same edges.
            }
            if whole {
                self.internal(transaction, op, list);
            }
        }
        let view = &mut self.views[op.key as usize];
        (view.base, view.length) = (op.value, base.len() as u32);
        let fits = self.longest_list(op.key).starts_with(base);
        if !fits {
            self.stray(transaction, op, base);
        }
        self.depend(transaction, op, base, fits);
    }

    fn ends_with_own(&self, transaction: u32, op: &Micro, own: usize, list: &[u32]) -> bool {
        let ops = self.transactions.ops(transaction);
        let appends = ops.iter().filter(|other| other.kind == Kind::Append && other.key == op.key);
        list.len() >= own && appends.take(own).map(|append| &append.value).eq(&list[list.len() - own..])
    }

    /// The edges of a read whose list others had made.
    fn depend(&mut self, transaction: u32, op: &Micro, base: &[u32], fits: bool) {
        if let Some(last) = base.last() {
            let version = self.versions[*last as usize];
            match version.writer() {
                None => {}
                Some(writer) if writer == transaction => self.own_element(transaction, op, base),
                Some(writer) if self.outcome(writer) == Outcome::Fail => {}
                Some(writer) => {
                    self.edge(EdgeKind::Wr, writer, transaction, op.key);
                    if !version.is_final() {
                        self.intermediate(writer, transaction, op, base);
                    }
                }
            }
        }
        if !fits {
            return;
        }
        for next in &self.longest_list(op.key)[base.len()..] {
            let writer = self.versions[*next as usize].writer();
            if let Some(writer) = writer.filter(|writer| self.outcome(*writer) != Outcome::Fail) {
                if writer != transaction {
                    self.edge(EdgeKind::Rw, transaction, writer, op.key);
                }
                return;
            }
        }
        if self.has_unread[op.key as usize] {
            self.tail_readers.push((op.key, transaction));
        }
    }

    /// Garbage and aborted elements. Looked for in the longest reads, of which every other good read is a prefix, and in strays.
    fn judge_elements(&mut self, transaction: u32, key: u32, list: &[u32]) {
        let transactions = self.transactions;
        let key = &transactions.keys[key as usize];
        for version in list {
            let value = || transactions.value(*version);
            match self.versions[*version as usize].writer() {
                None => self.facts.note(Class::GarbageRead, &[transaction], || {
                    vec![format!("T{transaction} read {} from {key}, which nobody appended", value())]
                }),
                Some(writer) if self.outcome(writer) == Outcome::Fail => {
                    self.facts.note(Class::G1a, &[writer, transaction], || {
                        vec![format!(
                            "T{transaction} read {} from {key}, but its append by T{writer} had failed",
                            value()
                        )]
                    });
                }
                Some(_) => {}
            }
        }
    }

    fn intermediate(&mut self, writer: u32, reader: u32, op: &Micro, base: &[u32]) {
        let transactions = self.transactions;
        self.facts.note(Class::G1b, &[writer, reader], || {
            let (key, list) = (&transactions.keys[op.key as usize], transactions.show_list(base));
            vec![format!("T{reader} read {key} = {list}, before T{writer} had made its last append to {key}")]
        });
    }

    /// A list that ends with an own element which is not an earlier append in its place: one that was yet to be made.
    fn own_element(&mut self, transaction: u32, op: &Micro, base: &[u32]) {
        let transactions = self.transactions;
        let own = self.views[op.key as usize].own as usize;
        let mut earlier =
            transactions.ops(transaction).iter().filter(|o| o.kind == Kind::Append && o.key == op.key).take(own);
        if earlier.any(|append| base.last() == Some(&append.value)) {
            return; // Told as a contradiction inside the transaction.
        }
        self.facts.note(Class::FutureRead, &[transaction], || {
            let (key, list) = (&transactions.keys[op.key as usize], transactions.show_list(base));
            vec![format!("T{transaction} read {key} = {list}, which shows an append that it made only later")]
        });
    }

    fn internal(&mut self, transaction: u32, op: &Micro, list: &[u32]) {
        let transactions = self.transactions;
        self.facts.note(Class::Internal, &[transaction], || {
            let (key, list) = (&transactions.keys[op.key as usize], transactions.show_list(list));
            let all = show_transaction(transactions, transaction);
            let odd =
                format!("T{transaction} read {key} = {list}, which contradicts what it had read and appended before");
            vec![all, odd]
        });
    }

    fn stray(&mut self, transaction: u32, op: &Micro, list: &[u32]) {
        let mut sorted = list.to_vec();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            self.duplicate(op.key, pair[0], list);
        }
        self.judge_elements(transaction, op.key, list);
        let (transactions, longest) = (self.transactions, self.longest_list(op.key));
        let reader = self.longest[op.key as usize].2;
        self.facts.note(Class::IncompatibleOrder, &[transaction, reader], || {
            let key = &transactions.keys[op.key as usize];
            let (short, long) = (transactions.show_list(list), transactions.show_list(longest));
            vec![
                format!("T{transaction} read {key} = {short}"),
                format!("T{reader} read {key} = {long}"),
                "neither begins with the other".to_string(),
            ]
        });
    }

    /// Appends that nobody read come after the longest read and its readers, in an order that is not known.
    fn order_unread(&mut self) {
        let unread = std::mem::take(&mut self.unread);
        self.tail_readers.sort_unstable();
        self.tail_readers.dedup();
        let readers = std::mem::take(&mut self.tail_readers);
        for (key, writer) in &unread {
            let last = self.last[*key as usize];
            if last != NONE && last != *writer {
                self.edge(EdgeKind::Ww, last, *writer, *key);
            }
            let from = readers.partition_point(|(k, _)| k < key);
            for (_, reader) in readers[from..].iter().take_while(|(k, _)| k == key) {
                if reader != writer {
                    self.edge(EdgeKind::Rw, *reader, *writer, *key);
                }
            }
        }
        self.facts.unread = unread;
    }

    /// Transactions that read a list and appended to it, with another's append in between, or in an unknown order with another that
    /// did the same.
    fn find_lost_updates(&mut self) {
        // By key, the last transaction whose append to the whole list nobody read.
        let mut last = vec![NONE; self.longest.len()];
        for t in (0..self.transactions.len() as u32).filter(|t| self.transactions.outcome[*t as usize] == Outcome::Ok) {
            let ops = self.transactions.ops(t);
            for (place, op) in ops.iter().enumerate().filter(|(_, op)| op.kind == Kind::Append) {
                let first = !ops[..place].iter().any(|other| other.kind == Kind::Append && other.key == op.key);
                let Some(base) = self.base(t, op.key).filter(|_| first) else { continue };
                let longest = self.longest_list(op.key);
                if !longest.starts_with(base) {
                    continue;
                }
                let position = self.versions[op.value as usize].position;
                let end = longest.len().min(position as usize).max(base.len());
                let writers = longest[base.len()..end].iter().map(|version| self.versions[*version as usize].writer());
                let between = writers.flatten().find(|other| *other != t && self.facts.live[*other as usize]);
                let unread = position == NONE && base.len() == longest.len();
                let before = if unread { std::mem::replace(&mut last[op.key as usize], t) } else { NONE };
                if let Some(other) = between.or((before != NONE).then_some(before)) {
                    self.lost_update(t, other, op.key, base);
                }
            }
        }
    }

    /// The list that a transaction read first, as others had made it.
    fn base(&self, t: u32, key: u32) -> Option<&'a [u32]> {
        let ops = self.transactions.ops(t);
        let read = ops.iter().position(|op| op.kind == Kind::ReadList && op.key == key && op.value != UNREAD)?;
        let own = ops[..read].iter().filter(|op| op.kind == Kind::Append && op.key == key).map(|op| op.value);
        let (list, own): (_, Vec<u32>) = (self.transactions.list(&ops[read]), own.collect());
        Some(list.strip_suffix(&own[..]).unwrap_or(list))
    }

    fn lost_update(&mut self, t: u32, other: u32, key: u32, base: &[u32]) {
        let transactions = self.transactions;
        let both = self.base(other, key) == Some(base);
        self.facts.note(Class::LostUpdate, &[t.min(other), t.max(other)], || {
            let (name, list) = (&transactions.keys[key as usize], transactions.show_list(base));
            let (a, b) = (t.min(other), t.max(other));
            vec![if both {
                format!("T{a} and T{b} both read {name} = {list}, and both appended to {name}")
            } else {
                format!("T{t} read {name} = {list} and appended to {name}, but what T{other} appended came in between")
            }]
        });
    }
}

/// Every read as a read of the last element's writer, for the levels that look at who read from whom.
pub fn reads(transactions: &Transactions, facts: &Facts) -> Reads {
    let mut writer = vec![NONE; transactions.sizes().1];
    for t in (0..transactions.len() as u32).filter(|t| facts.live[*t as usize]) {
        let appends = transactions.ops(t).iter().filter(|op| op.kind == Kind::Append);
        appends.for_each(|op| writer[op.value as usize] = t);
    }
    let mut reads = Reads::with_capacity(transactions);
    for t in 0..transactions.len() as u32 {
        reads.first_read.push(reads.reads.len() as u32);
        let ok = transactions.outcome[t as usize] == Outcome::Ok;
        for op in transactions.ops(t).iter().filter(|op| ok && op.kind == Kind::ReadList && op.value != UNREAD) {
            let foreign = |version: &&u32| writer[**version as usize] != t;
            match transactions.list(op).iter().rfind(foreign) {
                None => reads.reads.push((op.key, NOBODY)),
                Some(version) if writer[*version as usize] != NONE => {
                    reads.reads.push((op.key, writer[*version as usize]));
                }
                Some(_) => {}
            }
        }
    }
    reads.first_read.push(reads.reads.len() as u32);
    reads.add_writes(transactions);
    reads.add_sessions(transactions, &facts.live);
    reads
}
