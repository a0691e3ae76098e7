//! Read committed, read atomic and causal consistency, by the axioms of Biswas & Enea (2019) with the algorithms of AWDIT (2025), on flat
//! arrays: n micro-operations in all, k sessions.
//!
//! Each level says which writes must have been committed before the one that was read. With session order and reads, these orders must be
//! acyclic. Read committed and read atomic look at the smaller of two key sets each time: O(n^1.5); causal keeps a clock of one
//! entry per session for every transaction: O(n k). Session order is part of all three.

use super::graph::{Edge, EdgeKind, components_of};

const NONE: u32 = u32::MAX;
/// The writer of what was there before every transaction.
pub const NOBODY: u32 = u32::MAX;

/// What the three levels look at.
pub struct Reads {
    /// Sessions, each with its transactions in order.
    pub sessions: Vec<Vec<u32>>,
    /// Where the reads of each transaction begin; one more entry than transactions.
    pub first_read: Vec<u32>,
    /// Key and writer of every read of another transaction's write, in program order.
    pub reads: Vec<(u32, u32)>,
    /// Where the keys that each transaction writes begin; one more entry than transactions.
    pub first_write: Vec<u32>,
    /// The keys, sorted, each once.
    pub writes: Vec<u32>,
    /// How many keys there are.
    pub keys: usize,
}

/// One of the three levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weak {
    /// Read committed.
    ReadCommitted,
    /// Read atomic.
    ReadAtomic,
    /// Causal consistency.
    Causal,
}

/// The orders that contradict each other, as a cycle of `so`, `wr` and forced `ww` edges; the same transaction twice if one missed
/// a write although it read the initial version. `known`: further edges that must be kept.
pub fn violation(reads: &Reads, level: Weak, known: &[Edge]) -> Option<Vec<Edge>> {
    let mut edges = reads.base();
    let base = edges.len();
    if level == Weak::Causal {
        // A cycle of sessions and reads has no clocks.
        if let Some(cycle) = cycle(reads.len(), &edges) {
            return Some(cycle);
        }
    }
    let missed = match level {
        Weak::ReadCommitted => reads.read_committed(&mut edges),
        Weak::ReadAtomic => reads.read_atomic(&mut edges),
        Weak::Causal => reads.causal(&mut edges),
    };
    if let Some((other, reader, key)) = missed {
        let kind = if reads.of(reader).iter().any(|(_, w)| *w == other) { EdgeKind::Wr } else { EdgeKind::So };
        return Some(vec![Edge::new(kind, other, reader, key), Edge::new(EdgeKind::Rw, reader, other, key)]);
    }
    edges.extend_from_slice(known);
    debug_assert!(base <= edges.len());
    cycle(reads.len(), &edges)
}

/// A shortest cycle through one edge of every component that has one.
fn cycle(count: usize, edges: &[Edge]) -> Option<Vec<Edge>> {
    if super::graph::acyclic(count, edges) {
        return None;
    }
    let component = components_of(count, edges);
    let inside: Vec<Edge> =
        edges.iter().copied().filter(|e| component[e.from as usize] == component[e.to as usize]).collect();
    super::cycles::shortest_cycle(count, inside)
}

/// A write that was missed by a read of the initial version: who wrote, who read, which key.
type Missed = Option<(u32, u32, u32)>;

impl Reads {
    /// The same with every transaction in a session of its own.
    pub fn without_sessions(&self) -> Reads {
        Reads {
            sessions: (0..self.len() as u32).map(|t| vec![t]).collect(),
            first_read: self.first_read.clone(),
            reads: self.reads.clone(),
            first_write: self.first_write.clone(),
            writes: self.writes.clone(),
            keys: self.keys,
        }
    }

    fn len(&self) -> usize {
        self.first_read.len() - 1
    }

    fn of(&self, t: u32) -> &[(u32, u32)] {
        &self.reads[self.first_read[t as usize] as usize..self.first_read[t as usize + 1] as usize]
    }

    fn written(&self, t: u32) -> &[u32] {
        &self.writes[self.first_write[t as usize] as usize..self.first_write[t as usize + 1] as usize]
    }

    /// Session order and reads.
    fn base(&self) -> Vec<Edge> {
        let mut edges = Vec::with_capacity(self.len() + self.reads.len() * 2);
        for session in &self.sessions {
            edges.extend(session.windows(2).map(|pair| Edge::new(EdgeKind::So, pair[0], pair[1], 0)));
        }
        for t in 0..self.len() as u32 {
            let mut last = (NONE, NONE);
            for (key, writer) in self.of(t).iter().filter(|(_, writer)| *writer != NOBODY) {
                if last != (*key, *writer) {
                    edges.push(Edge::new(EdgeKind::Wr, *writer, t, *key));
                }
                last = (*key, *writer);
            }
        }
        edges
    }

    /// What was read from earlier in the transaction was committed before what it reads afterwards.
    fn read_committed(&self, edges: &mut Vec<Edge>) -> Missed {
        // Per key the next two distinct writers that the transaction reads from.
        let mut next = vec![(NONE, NONE, NONE); self.keys];
        let mut pending: Vec<u32> = Vec::new();
        for t in 0..self.len() as u32 {
            pending.clear();
            let reads = self.of(t);
            if reads.len() < 2 {
                continue;
            }
            for (at, (key, writer)) in reads.iter().enumerate().rev() {
                let first = *writer != NOBODY && !reads[..at].iter().rev().take(64).any(|(_, other)| other == writer);
                if first {
                    let missed = self.both(
                        *writer,
                        &pending,
                        |x| {
                            let (stamp, one, two) = next[x as usize];
                            let target = if one == *writer { two } else { one };
                            (stamp == t && target != NONE - 1).then_some((x, target))
                        },
                        t,
                        edges,
                    );
                    if missed.is_some() {
                        return missed;
                    }
                }
                let slot = &mut next[*key as usize];
                if slot.0 != t {
                    *slot = (t, *writer, NONE - 1);
                    pending.push(*key);
                } else if slot.1 != *writer {
                    *slot = (t, *writer, slot.1);
                }
            }
        }
        None
    }

    /// Orders `other` before what was read of the keys that it wrote, walking over the smaller set.
    fn both(
        &self,
        other: u32,
        pending: &[u32],
        target: impl Fn(u32) -> Option<(u32, u32)>,
        reader: u32,
        edges: &mut Vec<Edge>,
    ) -> Missed {
        let written = self.written(other);
        let mut missed = None;
        let mut put = |x: u32| {
            if let Some((key, writer)) = target(x)
                && writer != other
            {
                if writer == NOBODY {
                    missed = Some((other, reader, key));
                } else {
                    edges.push(Edge::new(EdgeKind::Ww, other, writer, key));
                }
            }
        };
        if written.len() <= pending.len() {
            written.iter().for_each(|x| put(*x));
        } else {
            pending.iter().filter(|x| written.binary_search(x).is_ok()).for_each(|x| put(*x));
        }
        missed
    }

    /// All of what a transaction reads from, and what its session wrote before, was committed before whatever it reads of
    /// the same keys.
    fn read_atomic(&self, edges: &mut Vec<Edge>) -> Missed {
        let mut last = vec![(NONE, NONE); self.keys];
        let mut read = vec![(NONE, NONE); self.keys];
        let mut keys: Vec<u32> = Vec::new();
        for (number, session) in self.sessions.iter().enumerate() {
            for t in session {
                keys.clear();
                for (key, writer) in self.of(*t) {
                    let (of, before) = last[*key as usize];
                    if of == number as u32 && before != *writer {
                        if *writer == NOBODY {
                            return Some((before, *t, *key));
                        }
                        edges.push(Edge::new(EdgeKind::Ww, before, *writer, *key));
                    }
                    let slot = &mut read[*key as usize];
                    if slot.0 != *t {
                        keys.push(*key);
                    } else if slot.1 != *writer && *writer != NOBODY && slot.1 != NOBODY {
                        // Read twice, from two transactions: each before the other.
                        edges.push(Edge::new(EdgeKind::Ww, slot.1, *writer, *key));
                        edges.push(Edge::new(EdgeKind::Ww, *writer, slot.1, *key));
                    }
                    *slot = (*t, *writer);
                }
                let mut previous = NOBODY;
                for (_, writer) in self.of(*t).iter().filter(|(_, writer)| *writer != NOBODY) {
                    if std::mem::replace(&mut previous, *writer) == *writer {
                        continue;
                    }
                    let target = |x: u32| (read[x as usize].0 == *t).then_some((x, read[x as usize].1));
                    let missed = self.both(*writer, &keys, target, *t, edges);
                    if missed.is_some() {
                        return missed;
                    }
                }
                self.written(*t).iter().for_each(|key| last[*key as usize] = (number as u32, *t));
            }
        }
        None
    }

    /// Everything that a transaction knows of was committed before whatever it reads of the same keys. Sessions and reads are
    /// acyclic.
    fn causal(&self, edges: &mut Vec<Edge>) -> Missed {
        let clocks = Clocks::new(self, edges);
        let mut writers = Writers::new(self, &clocks);
        for session in &self.sessions {
            writers.rewind();
            for t in session {
                let clock = clocks.of(*t);
                for (key, writer) in self.of(*t) {
                    let read = (*writer != NOBODY).then(|| clocks.of(*writer));
                    let (entries, places) = writers.of(*key);
                    for entry in entries {
                        let other = entry.last_before(clock[entry.session as usize], places, &self.sessions);
                        if other == NONE || other == *writer || other == *t {
                            continue;
                        }
                        match read {
                            None => return Some((other, *t, *key)),
                            Some(read) if read[entry.session as usize] > clocks.place[other as usize] => {}
                            Some(_) => edges.push(Edge::new(EdgeKind::Ww, other, *writer, *key)),
                        }
                    }
                }
            }
        }
        None
    }
}

/// For every transaction, how many of each session's it knows of (its own predecessors included, itself not).
struct Clocks {
    width: usize,
    flat: Vec<u32>,
    /// The place of every transaction in its session.
    place: Vec<u32>,
    session: Vec<u32>,
}

impl Clocks {
    fn new(reads: &Reads, edges: &[Edge]) -> Clocks {
        let (count, width) = (reads.len(), reads.sessions.len());
        let mut clocks =
            Clocks { width, flat: vec![0; count * width], place: vec![NONE; count], session: vec![NONE; count] };
        for (session, members) in reads.sessions.iter().enumerate() {
            for (place, t) in members.iter().enumerate() {
                (clocks.place[*t as usize], clocks.session[*t as usize]) = (place as u32, session as u32);
            }
        }
        for t in super::graph::topological(count, edges) {
            let (session, place) = (clocks.session[t as usize], clocks.place[t as usize]);
            if session == NONE {
                continue;
            }
            if place > 0 {
                clocks.join(t, reads.sessions[session as usize][place as usize - 1]);
            }
            for (_, writer) in reads.of(t).iter().filter(|(_, writer)| *writer != NOBODY) {
                clocks.join(t, *writer);
            }
        }
        clocks
    }

    fn of(&self, t: u32) -> &[u32] {
        &self.flat[t as usize * self.width..(t as usize + 1) * self.width]
    }

    /// `t` knows `earlier` and all that it knew.
    fn join(&mut self, t: u32, earlier: u32) {
        let (to, from) = (t as usize * self.width, earlier as usize * self.width);
        let (session, place) = (self.session[earlier as usize] as usize, self.place[earlier as usize]);
        if self.flat[to + session] > place {
            return; // Known already, with everything before it.
        }
        for at in 0..self.width {
            self.flat[to + at] = self.flat[to + at].max(self.flat[from + at]);
        }
        self.flat[to + session] = self.flat[to + session].max(place + 1);
    }
}

/// Who wrote a key in one session, with a cursor that only moves on while one reading session is looked at.
struct Entry {
    session: u32,
    begin: u32,
    end: u32,
    cursor: u32,
    /// The place in the session of the next writer at the cursor, and the writer before it.
    next: u32,
    last: u32,
}

impl Entry {
    /// The last writer among the first `known` transactions of the session.
    fn last_before(&mut self, known: u32, places: &[u32], sessions: &[Vec<u32>]) -> u32 {
        while self.next < known {
            self.last = sessions[self.session as usize][self.next as usize];
            self.cursor += 1;
            self.next = if self.cursor < self.end { places[self.cursor as usize] } else { NONE };
        }
        self.last
    }

    fn rewind(&mut self, places: &[u32]) {
        (self.cursor, self.last, self.next) = (self.begin, NONE, places[self.begin as usize]);
    }
}

struct Writers {
    /// Where the entries of a key begin.
    first: Vec<u32>,
    entries: Vec<Entry>,
    /// The places of all writers in their sessions, by key and session.
    places: Vec<u32>,
}

impl Writers {
    fn new(reads: &Reads, clocks: &Clocks) -> Writers {
        let mut all: Vec<(u32, u32, u32)> = Vec::with_capacity(reads.writes.len());
        for t in 0..reads.len() as u32 {
            let (session, place) = (clocks.session[t as usize], clocks.place[t as usize]);
            all.extend(reads.written(t).iter().map(|key| (*key, session, place)));
        }
        all.sort_unstable();
        let places = all.iter().map(|(_, _, place)| *place).collect();
        let (mut first, mut entries) = (vec![0u32; reads.keys + 1], Vec::new());
        let mut begin = 0;
        for group in all.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let end = begin + group.len() as u32;
            let (key, session, next) = group[0];
            first[key as usize + 1] += 1;
            entries.push(Entry { session, begin, end, cursor: begin, next, last: NONE });
            begin = end;
        }
        (0..reads.keys).for_each(|key| first[key + 1] += first[key]);
        Writers { first, entries, places }
    }

    fn of(&mut self, key: u32) -> (&mut [Entry], &[u32]) {
        let range = self.first[key as usize] as usize..self.first[key as usize + 1] as usize;
        (&mut self.entries[range], &self.places)
    }

    fn rewind(&mut self) {
        let Writers { entries, places, .. } = self;
        entries.iter_mut().for_each(|entry| entry.rewind(places));
    }
}
