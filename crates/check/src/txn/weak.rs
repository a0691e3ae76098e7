//! Read committed, read atomic and causal consistency, by the axioms of Biswas & Enea (2019) with the algorithms of AWDIT (2025), on flat
//! arrays: n micro-operations in all, k sessions.
//!
//! Each level says which writes must have been committed before the one that was read. With session order and reads, these orders must be
//! acyclic. Read committed and read atomic look at the smaller of two key sets each time: O(n^1.5); causal keeps a clock of one
//! entry per session for every transaction: O(n k). Nearly all edges go forward in time, so cycles are looked for only
//! where some go back. Session order is part of all three.

mod causal;
mod reads;
mod windows;

pub use reads::{NOBODY, Reads};

use super::graph::{Edge, EdgeKind};
use windows::Order;

const NONE: u32 = u32::MAX;
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

/// The orders that contradict each other, as a short cycle of `so`, `wr` and forced `ww` edges; or, if a write was missed by a read of the
/// initial version, the way from the one to the other and back. `known`: further edges that must be kept.
pub fn violation(reads: &Reads, level: Weak, known: &[Edge]) -> Option<Vec<Edge>> {
    let mut order = Order::identity(reads.len());
    let mut edges = Vec::new();
    let missed = match level {
        Weak::ReadCommitted => reads.read_committed(&mut edges),
        Weak::ReadAtomic => reads.read_atomic(&mut edges),
        Weak::Causal => {
            // Clocks need an order of sessions and reads.
            if let Err(cycle) = order.keep(|visit| reads.dependencies(visit)) {
                return Some(cycle);
            }
            causal::forced(reads, &order, &mut edges)
        }
    };
    if let Some((other, reader, key)) = missed {
        let mut cycle = reads.way(other, reader);
        cycle.push(Edge::new(EdgeKind::Rw, reader, other, key));
        return Some(cycle);
    }
    let all = |visit: &mut dyn FnMut(Edge)| {
        reads.dependencies(visit);
        edges.iter().chain(known).for_each(|edge| visit(*edge));
    };
    order.keep(all).err()
}

/// A write that was missed by a read of the initial version: who wrote, who read, which key.
type Missed = Option<(u32, u32, u32)>;

impl Reads {
    /// Session order and reads, edge by edge.
    fn dependencies(&self, visit: &mut dyn FnMut(Edge)) {
        for t in 0..self.len() as u32 {
            if self.previous[t as usize] != NONE {
                visit(Edge::new(EdgeKind::So, self.previous[t as usize], t, 0));
            }
            let mut last = (NONE, NONE);
            for (key, writer) in self.of(t).iter().filter(|(_, writer)| *writer != NOBODY) {
                if last != (*key, *writer) {
                    visit(Edge::new(EdgeKind::Wr, *writer, t, *key));
                }
                last = (*key, *writer);
            }
        }
    }

    /// A shortest way by sessions and reads.
    fn way(&self, from: u32, to: u32) -> Vec<Edge> {
        let mut edges = Vec::new();
        self.dependencies(&mut |edge| edges.push(edge));
        super::cycles::shortest_way(self.len(), edges, from, to)
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
    /// the same keys. In order of invocation, for as many sessions at a time as there is room for what each wrote last to every key.
    fn read_atomic(&self, edges: &mut Vec<Edge>) -> Missed {
        let column_of = self.columns();
        let busy = column_of.iter().filter(|column| **column != NONE).max().map_or(0, |most| *most as usize + 1);
        let mut atomic = Atomic { read: vec![(NONE, NONE); self.keys], keys: Vec::new() };
        let width = self.room().clamp(1, busy.max(1));
        let mut last = vec![NONE; self.keys * width];
        for t in (0..self.len() as u32).filter(|t| column_of[*t as usize] == NONE) {
            let missed = self.see_atomically(t, &last[..self.keys], &mut atomic, edges);
            if missed.is_some() {
                return missed;
            }
        }
        for block in (0..busy).step_by(width) {
            last.fill(NONE);
            for t in 0..self.len() as u32 {
                let column = (column_of[t as usize] as usize).wrapping_sub(block);
                if column >= width {
                    continue;
                }
                let mine = &mut last[column * self.keys..(column + 1) * self.keys];
                let missed = self.see_atomically(t, mine, &mut atomic, edges);
                if missed.is_some() {
                    return missed;
                }
                self.written(t).iter().for_each(|key| mine[*key as usize] = t);
            }
        }
        None
    }

    /// Numbers for the sessions of more than one transaction, by transaction: in the others nothing was written before.
    fn columns(&self) -> Vec<u32> {
        let mut columns = vec![NONE; self.len()];
        for (column, session) in self.sessions.iter().filter(|session| session.len() > 1).enumerate() {
            session.iter().for_each(|t| columns[*t as usize] = column as u32);
        }
        columns
    }

    fn see_atomically(&self, t: u32, mine: &[u32], atomic: &mut Atomic, edges: &mut Vec<Edge>) -> Missed {
        atomic.keys.clear();
        for (key, writer) in self.of(t) {
            let before = mine[*key as usize];
            if before != NONE && before != *writer {
                if *writer == NOBODY {
                    return Some((before, t, *key));
                }
                edges.push(Edge::new(EdgeKind::Ww, before, *writer, *key));
            }
            let slot = &mut atomic.read[*key as usize];
            if slot.0 != t {
                atomic.keys.push(*key);
            } else if slot.1 != *writer {
                // Read twice, from two: each before the other.
                if *writer == NOBODY || slot.1 == NOBODY {
                    return Some((*writer.min(&slot.1), t, *key));
                }
                edges.push(Edge::new(EdgeKind::Ww, slot.1, *writer, *key));
                edges.push(Edge::new(EdgeKind::Ww, *writer, slot.1, *key));
            }
            *slot = (t, *writer);
        }
        let mut previous = NOBODY;
        for (_, writer) in self.of(t).iter().filter(|(_, writer)| *writer != NOBODY) {
            if std::mem::replace(&mut previous, *writer) == *writer {
                continue;
            }
            let read = &atomic.read;
            let target = |x: u32| (read[x as usize].0 == t).then_some((x, read[x as usize].1));
            let missed = self.both(*writer, &atomic.keys, target, t, edges);
            if missed.is_some() {
                return missed;
            }
        }
        None
    }

    /// How many entries per key are in proportion to the history.
    fn room(&self) -> usize {
        8 * (self.reads.len() + self.writes.len()) / self.keys.max(1)
    }
}

/// What the transaction at hand reads.
struct Atomic {
    /// By key: the transaction at hand, if it read the key, and the writer it read from last.
    read: Vec<(u32, u32)>,
    keys: Vec<u32>,
}
