//! Writes follow reads: whoever sees a write has seen what its process had read before it, to whichever key.
//!
//! What a process has read rests on what the writers of that had read, and so on: reads form a graph of their own, in which a read comes after the
//! one before it in its session and after the last read before the write that it saw. Vector clocks over that graph tell which writes are
//! visible to a read: those that some read in its past saw.

use super::clocks::{Clocks, Edges, Graph, Reason};
use super::guarantees::{BySession, Lanes};
use super::judge_by;
use super::overwritten::Cursors;
use super::saturate::Derived;
use super::sessions::{INITIAL, NONE, Sessions};
use super::story::{Argument, Refutation};
use crate::limit::Limit;
use crate::model::Model;

/// Writes follow reads ([the family](super::guarantees)), for processes whose reads are monotonic. `O(n k²)` at worst with k processes at a
/// time; exact where values are unique.
pub static WRITES_FOLLOW_READS: Model = Model {
    name: "writes-follow-reads",
    summary: "monotonic reads, and nobody sees a write before what its process had read before it",
    decide: |history, options| judge_by(history, options, "writes-follow-reads", refute),
};

fn refute(sessions: &Sessions, _limit: &Limit) -> Result<Option<Refutation>, Reason> {
    let reads = Reads::of(sessions);
    let none = Edges::default();
    let graph = Graph { sessions: &reads.graph, from: &reads.graph.from, edges: &none };
    let order = match graph.order() {
        Ok(order) => order,
        Err(cycle) => {
            let path = cycle.iter().rev().map(|read| reads.ops[*read as usize]).collect();
            return Ok(Some(unfollowed(Argument::cycle(path))));
        }
    };
    let clocks = Clocks::of(&graph, &order)?;
    let by_session = BySession::of(sessions);
    let lanes = Lanes::of(sessions, &by_session);
    let seen = first_seen(sessions, &reads, &lanes, &clocks);
    Ok(Check { sessions, reads: &reads, graph, clocks: &clocks, lanes: &lanes, seen }.run(&order))
}

fn unfollowed(argument: Argument) -> Refutation {
    Refutation::new("a write was seen without what its process had read", argument)
}

/// The operations that saw a value, as sessions of their own in which a read "saw" the last read before the write that it saw.
struct Reads {
    graph: Sessions,
    /// The operation of each read.
    ops: Vec<u32>,
    /// By operation: the last read of its session up to it, or [`NONE`].
    last: Vec<u32>,
}

impl Reads {
    fn of(sessions: &Sessions) -> Reads {
        let mut reads = Reads { graph: Sessions::default(), ops: Vec::new(), last: vec![NONE; sessions.len()] };
        let mut latest = vec![NONE; sessions.sessions];
        for op in 0..sessions.len() {
            let latest = &mut latest[sessions.session[op] as usize];
            if sessions.from[op] != NONE {
                reads.graph.previous.push(*latest);
                *latest = reads.ops.len() as u32;
                reads.ops.push(op as u32);
            }
            reads.last[op] = *latest;
        }
        let pick = |column: &[u32]| reads.ops.iter().map(|op| column[*op as usize]).collect();
        let before_write = |op: &u32| match sessions.from[*op as usize] {
            INITIAL => NONE,
            from => reads.last[from as usize],
        };
        reads.graph.from = reads.ops.iter().map(before_write).collect();
        (reads.graph.index, reads.graph.session) = (pick(&sessions.index), pick(&sessions.session));
        reads.graph.key = pick(&sessions.key);
        (reads.graph.sessions, reads.graph.keys) = (sessions.sessions, sessions.keys);
        reads
    }
}

/// For each write and chain, the place of the first read of it or of a later write of its lane; `NONE` if there is none.
fn first_seen(sessions: &Sessions, reads: &Reads, lanes: &Lanes, clocks: &Clocks) -> Vec<u32> {
    let width = clocks.width;
    let mut seen = vec![NONE; sessions.len() * width];
    for (read, op) in reads.ops.iter().enumerate() {
        let from = sessions.from[*op as usize];
        if from != INITIAL {
            let entry = &mut seen[from as usize * width + clocks.chain[read] as usize];
            *entry = (*entry).min(clocks.position[read]);
        }
    }
    // A lane is in the order of its operations.
    for write in (0..sessions.len()).rev() {
        let next = lanes.next[write];
        if next != NONE {
            let (early, late) = seen.split_at_mut(next as usize * width);
            let own = &mut early[write * width..][..width];
            own.iter_mut().zip(&late[..width]).for_each(|(entry, other)| *entry = (*entry).min(*other));
        }
    }
    seen
}

struct Check<'a> {
    sessions: &'a Sessions,
    reads: &'a Reads,
    graph: Graph<'a>,
    clocks: &'a Clocks,
    lanes: &'a Lanes,
    seen: Vec<u32>,
}

impl Check<'_> {
    fn run(&self, order: &[u32]) -> Option<Refutation> {
        let width = self.clocks.width;
        let mut cursors = Cursors::new(self.sessions.keys, width, self.reads.ops.len());
        // By key and chain: what the writes rest on that the chain has seen of the key.
        let mut rests: Vec<u32> = Vec::new();
        let mut slots = vec![NONE; self.sessions.keys * width];
        // By key and session: the last read.
        let mut last: std::collections::BTreeMap<(u32, u32), u32> = std::collections::BTreeMap::new();
        for &read in order {
            let op = self.reads.ops[read as usize];
            let (key, from) = (self.sessions.key[op as usize], self.sessions.from[op as usize]);
            let slot = &mut slots[key as usize * width + self.clocks.chain[read as usize] as usize];
            if *slot == NONE {
                *slot = (rests.len() / width) as u32;
                rests.resize(rests.len() + width, 0);
            }
            let rests = &mut rests[*slot as usize * width..][..width];
            let tops = cursors.advance(key as usize, self.clocks, read, |passed| {
                let before = self.graph.from[passed as usize];
                if before < INITIAL {
                    super::clocks::join(rests, self.clocks.row(before));
                }
            });
            if from == INITIAL {
                if let Some(top) = tops.iter().find(|top| **top != NONE) {
                    return Some(self.missed(*top, read));
                }
                continue;
            }
            if let Some(refutation) = self.stale(read, from, rests) {
                return Some(refutation);
            }
            let place = (self.sessions.session[op as usize], key);
            if let Some(before) = last.insert(place, read)
                && self.sessions.from[self.reads.ops[before as usize] as usize] != from
                && let Some(known) = self.known(from, self.clocks.row(before))
            {
                return Some(self.again(known, before, read));
            }
            cursors.add(key as usize, self.clocks, read);
        }
        None
    }

    /// A read, in the past that `row` stands for, of this write or a later one of its lane.
    fn known(&self, write: u32, row: &[u32]) -> Option<u32> {
        if write == NONE {
            return None;
        }
        let seen = &self.seen[write as usize * self.clocks.width..][..self.clocks.width];
        let chain = (0..row.len()).find(|chain| seen[*chain] <= row[*chain])?;
        let is_it = |read: &u32| {
            let read = *read as usize;
            self.clocks.chain[read] as usize == chain && self.clocks.position[read] == seen[chain]
        };
        (0..self.reads.ops.len() as u32).find(is_it)
    }

    /// A read of a write of which something newer is visible.
    fn stale(&self, read: u32, from: u32, rests: &[u32]) -> Option<Refutation> {
        if let Some(newer) = self.known(self.lanes.next[from as usize], self.clocks.row(read)) {
            let path = self.path(newer, read);
            let text = "{0} saw something that the same process wrote after {1}; but {2}, which comes later ({path}), saw the former.";
            return Some(unfollowed(Argument::along(text, vec![path[0], from, self.reads.ops[read as usize]], path)));
        }
        let known = self.known(from, rests)?;
        // Some visible write of the key was written by a process that had read this one.
        let shows = |shown: &u32| {
            let i = *shown as usize;
            let before = self.graph.from[i];
            self.graph.sessions.key[i] == self.graph.sessions.key[read as usize]
                && *shown != read
                && before < INITIAL
                && self.clocks.ordered(*shown, read)
                && self.clocks.ordered(known, before)
        };
        let shown = (0..self.reads.ops.len() as u32).find(shows)?;
        let mut path = self.path(known, self.graph.from[shown as usize]);
        let newer = self.sessions.from[self.reads.ops[shown as usize] as usize];
        path.push(newer);
        path.extend(self.path(shown, read));
        let text = "{0} was read before {1} was written; but {2}, which rests on the latter, saw the former: {path}.";
        Some(unfollowed(Argument::along(text, vec![from, newer, self.reads.ops[read as usize]], path)))
    }

    fn missed(&self, top: u32, read: u32) -> Refutation {
        let path = self.path(top, read);
        let text = "{0} saw a value, and {1}, which comes later ({path}), found nothing.";
        unfollowed(Argument::along(text, vec![path[0], self.reads.ops[read as usize]], path))
    }

    fn again(&self, known: u32, before: u32, read: u32) -> Refutation {
        let mut path = self.path(known, before);
        path.push(self.reads.ops[read as usize]);
        let [known, before, read] = [known, before, read].map(|read| self.reads.ops[read as usize]);
        let text = "What {2} saw was known when {1} saw another value ({path}), so that one is newer; {0} shows that it was known.";
        unfollowed(Argument::along(text, vec![known, before, read], path))
    }

    /// The operations on a shortest way from one read to another.
    fn path(&self, early: u32, late: u32) -> Vec<u32> {
        if early == late {
            return vec![self.reads.ops[early as usize]];
        }
        let path = Derived::new(self.graph).way(early, late);
        path.into_iter().map(|read| self.reads.ops[read as usize]).collect()
    }
}
