//! Causal consistency: clocks with an entry for every session (AWDIT, 2025, §4), a block of sessions at a time.
//!
//! One pass over the transactions in an order that keeps sessions and reads computes the clocks and compares them with the last
//! write of every session to every key that is read. An entry says how many transactions of a session are known, the own one included. A
//! session's column needs no other's, so the sessions are taken in blocks, which bounds memory: O(n k) time, O(n + block (n + keys)) memory.

use super::super::graph::{Edge, EdgeKind};
use super::windows::Order;
use super::{Missed, NOBODY, Reads};

const NONE: u32 = u32::MAX;
/// Sessions in a block, at most.
const WIDTH: usize = 32;

/// Everything that a transaction knows of was committed before whatever it reads of the same keys: those edges. `order` keeps sessions
/// and reads.
pub fn forced(reads: &Reads, order: &Order, edges: &mut Vec<Edge>) -> Missed {
    let sessions = reads.sessions.len();
    // What is kept for keys times sessions is kept in proportion to the history.
    let blocks = sessions.div_ceil(reads.room().clamp(4, WIDTH));
    let width = sessions.div_ceil(blocks.max(1));
    let (session, place) = reads.places();
    let places = Places { session, place };
    for block in 0..blocks {
        let columns = block * width..((block + 1) * width).min(sessions);
        let missed = Block::new(reads, &places, columns).run(order, edges);
        if missed.is_some() {
            return missed;
        }
    }
    None
}

/// The session of every transaction and its place there; [`NONE`] if it is in none.
struct Places {
    session: Vec<u32>,
    place: Vec<u32>,
}

/// The columns of some sessions.
struct Block<'a> {
    reads: &'a Reads,
    places: &'a Places,
    columns: std::ops::Range<usize>,
    width: usize,
    /// By transaction and column.
    clocks: Vec<u32>,
    /// By key and column: one more than the place of the last writer that was passed.
    last: Vec<u32>,
    /// By key and column: where the places of its writers begin in `writers`, and where those end that were passed.
    begin: Vec<u32>,
    end: Vec<u32>,
    /// Places of writers in their sessions, by key and session.
    writers: Vec<u32>,
}

impl<'a> Block<'a> {
    fn new(reads: &'a Reads, places: &'a Places, columns: std::ops::Range<usize>) -> Block<'a> {
        let width = columns.len();
        let mut begin = vec![0u32; reads.keys * width + 1];
        let each = |visit: &mut dyn FnMut(usize, u32)| {
            for t in 0..reads.len() as u32 {
                let column = (places.session[t as usize] as usize).wrapping_sub(columns.start);
                if column < width {
                    let place = places.place[t as usize];
                    reads.written(t).iter().for_each(|key| visit(*key as usize * width + column, place));
                }
            }
        };
        each(&mut |slot, _| begin[slot + 1] += 1);
        (0..reads.keys * width).for_each(|slot| begin[slot + 1] += begin[slot]);
        let mut end = begin.clone();
        let mut writers = vec![0; begin[reads.keys * width] as usize];
        each(&mut |slot, place| {
            writers[end[slot] as usize] = place;
            end[slot] += 1;
        });
        end.copy_from_slice(&begin);
        let clocks = vec![0; reads.len() * width];
        Block { reads, places, width, clocks, last: vec![0; reads.keys * width], begin, end, writers, columns }
    }

    fn run(mut self, order: &Order, edges: &mut Vec<Edge>) -> Missed {
        for t in &order.at {
            if self.places.session[*t as usize] == NONE {
                continue;
            }
            self.set_clock(*t);
            for (key, writer) in self.reads.of(*t) {
                if self.unknown_to(*key, *writer) {
                    let missed = self.force(*t, *key, *writer, edges);
                    if missed.is_some() {
                        return missed;
                    }
                }
            }
            self.pass(*t);
        }
        None
    }

    /// The column of a transaction's session, if it is in this block.
    fn column(&self, t: u32) -> Option<usize> {
        let column = (self.places.session[t as usize] as usize).wrapping_sub(self.columns.start);
        (column < self.width).then_some(column)
    }

    fn clock(&self, t: u32) -> &[u32] {
        &self.clocks[t as usize * self.width..(t as usize + 1) * self.width]
    }

    fn set_clock(&mut self, t: u32) {
        let reads = self.reads;
        if reads.previous[t as usize] != NONE {
            self.join(t, reads.previous[t as usize]);
        }
        for (_, writer) in reads.of(t).iter().filter(|(_, writer)| *writer != NOBODY) {
            self.join(t, *writer);
        }
        if let Some(column) = self.column(t) {
            self.clocks[t as usize * self.width + column] = self.places.place[t as usize] + 1;
        }
    }

    /// `t` knows all that `earlier` knew.
    fn join(&mut self, t: u32, earlier: u32) {
        if let Some(column) = self.column(earlier)
            && self.clocks[t as usize * self.width + column] > self.places.place[earlier as usize]
        {
            return; // Known already, with all that it knew.
        }
        let (to, from) = (t as usize * self.width, earlier as usize * self.width);
        let Ok([to, from]) = self.clocks.get_disjoint_mut([to..to + self.width, from..from + self.width]) else {
            return;
        };
        to.iter_mut().zip(from).for_each(|(to, from)| *to = (*to).max(*from));
    }

    /// Whether some session wrote the key without the writer's knowledge: most reads end here.
    fn unknown_to(&self, key: u32, writer: u32) -> bool {
        let last = &self.last[key as usize * self.width..(key as usize + 1) * self.width];
        if writer == NOBODY {
            return last.iter().any(|last| *last > 0);
        }
        // No early exit: compares several at a time.
        last.iter().zip(self.clock(writer)).fold(false, |any, (last, known)| any | (last > known))
    }

    /// The last writer of each session that `t` knows of precedes the one it read from.
    fn force(&self, t: u32, key: u32, writer: u32, edges: &mut Vec<Edge>) -> Missed {
        for column in 0..self.width {
            let known = self.clocks[t as usize * self.width + column];
            let Some(place) = self.last_before(key as usize * self.width + column, known) else { continue };
            let other = self.reads.sessions[self.columns.start + column][place as usize];
            if other == writer || other == t {
                continue;
            }
            if writer == NOBODY {
                return Some((other, t, key));
            }
            if self.clock(writer)[column] <= place {
                edges.push(Edge::new(EdgeKind::Ww, other, writer, key));
            }
        }
        None
    }

    /// The place of the last writer of a key and session among its first `known` transactions.
    fn last_before(&self, slot: usize, known: u32) -> Option<u32> {
        let last = self.last[slot];
        if last <= known {
            return last.checked_sub(1);
        }
        let writers = &self.writers[self.begin[slot] as usize..self.end[slot] as usize];
        writers[..writers.partition_point(|place| *place < known)].last().copied()
    }

    /// From now on others may know what `t` wrote.
    fn pass(&mut self, t: u32) {
        let Some(column) = self.column(t) else { return };
        let place = self.places.place[t as usize];
        for key in self.reads.written(t) {
            let slot = *key as usize * self.width + column;
            (self.last[slot], self.end[slot]) = (place + 1, self.end[slot] + 1);
        }
    }
}
