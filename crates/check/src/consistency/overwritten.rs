//! Reads of values that had been replaced in the reader's past, and what follows from them.
//!
//! If a read saw the value of `w` although another write `v` of the key comes before the read, then `v` must come before `w` (the read
//! would have seen `v`); if `w` comes before `v` already, that is a contradiction. And if `w` comes before `v`, every read of `w` must
//! come before `v`, where all agree on one order. Bouajjani, Enea, Guerraoui & Hamza, *On Verifying Causal Consistency* (POPL 2017) name
//! the patterns; the cursors that find them in `O(n k)` follow AWDIT (PLDI 2025).

use super::clocks::{Clocks, Edges, Graph};
use super::sessions::{INITIAL, NONE};

/// For each key and chain the writes so far, and for each key and *reading* chain how far it has seen them.
pub(super) struct Cursors {
    width: usize,
    /// By key and chain: the first and the last write so far.
    heads: Vec<u32>,
    tails: Vec<u32>,
    /// By operation: the next write of its key in its chain.
    next: Vec<u32>,
    /// By key and reading chain: its row of `seen`.
    slots: Vec<u32>,
    /// Rows of the last write seen in each chain.
    seen: Vec<u32>,
}

impl Cursors {
    pub fn new(keys: usize, width: usize, operations: usize) -> Cursors {
        let table = || vec![NONE; keys * width];
        Cursors { width, heads: table(), tails: table(), next: vec![NONE; operations], slots: table(), seen: vec![] }
    }

    /// Adds a write, after all that precede it.
    pub fn add(&mut self, key: usize, clocks: &Clocks, write: u32) {
        let place = key * self.width + clocks.chain[write as usize] as usize;
        match std::mem::replace(&mut self.tails[place], write) {
            NONE => self.heads[place] = write,
            tail => self.next[tail as usize] = write,
        }
    }

    /// Moves the cursors of a chain up to the past of `op`. Returns the row of the last writes it has seen; `passed` gets each
    /// write that is new to it.
    #[inline]
    pub fn advance(&mut self, key: usize, clocks: &Clocks, op: u32, mut passed: impl FnMut(u32)) -> &[u32] {
        let width = self.width;
        let slot = &mut self.slots[key * width + clocks.chain[op as usize] as usize];
        if *slot == NONE {
            *slot = (self.seen.len() / width) as u32;
            self.seen.resize(self.seen.len() + width, NONE);
        }
        let seen = &mut self.seen[*slot as usize * width..][..width];
        let (heads, row) = (&self.heads[key * width..][..width], clocks.row(op));
        for chain in 0..width {
            if row[chain] == 0 {
                continue;
            }
            loop {
                let next = if seen[chain] == NONE { heads[chain] } else { self.next[seen[chain] as usize] };
                if next == NONE || clocks.position[next as usize] > row[chain] {
                    break;
                }
                seen[chain] = next;
                passed(next);
            }
        }
        seen
    }
}

/// Calls `found(read, over)` for every read in scope and the last write `over` of its key in each chain of its past, other than the
/// one it saw: that one comes before what it saw, or there is a contradiction. Stops at the first `Some`. `O(n k)`.
pub(super) fn overwritten<T>(
    graph: &Graph<'_>,
    clocks: &Clocks,
    order: &[u32],
    in_scope: impl Fn(u32) -> bool,
    mut found: impl FnMut(u32, u32) -> Option<T>,
) -> Option<T> {
    let sessions = graph.sessions;
    let mut cursors = Cursors::new(sessions.keys, clocks.width, sessions.len());
    for &op in order {
        let (i, key) = (op as usize, sessions.key[op as usize] as usize);
        let from = graph.from[i];
        if from != NONE && in_scope(op) {
            for &over in cursors.advance(key, clocks, op, |_| ()) {
                if over != NONE
                    && over != from
                    && let Some(answer) = found(op, over)
                {
                    return Some(answer);
                }
            }
        }
        if sessions.writes[i] {
            cursors.add(key, clocks, op);
        }
    }
    None
}

/// Calls `found(read, write)` for every operation that saw a value and the first write of the key after that value's in each chain,
/// unless the read comes before the write anyway. `O(n k)` beside the calls.
pub(super) fn must_precede(graph: &Graph<'_>, clocks: &Clocks, order: &[u32], mut found: impl FnMut(u32, u32)) {
    let sessions = graph.sessions;
    let readers = Readers::of_all(graph);
    let mut cursors = Cursors::new(sessions.keys, clocks.width, sessions.len());
    for &op in order.iter().filter(|op| sessions.writes[**op as usize]) {
        let key = sessions.key[op as usize] as usize;
        let mut replaces = |saw: &[u32]| {
            let late = saw.iter().filter(|&&read| read != op && !clocks.ordered(read, op));
            late.for_each(|&read| found(read, op));
        };
        // Nothing before this one in its chain replaced the initial value.
        if cursors.heads[key * cursors.width + clocks.chain[op as usize] as usize] == NONE {
            replaces(readers.of_initial(key));
        }
        cursors.advance(key, clocks, op, |write| replaces(readers.of(write)));
        cursors.add(key, clocks, op);
    }
}

/// Who saw the value of each write, and of each initial value.
struct Readers {
    edges: Edges,
    operations: usize,
}

impl Readers {
    fn of_all(graph: &Graph<'_>) -> Readers {
        let (sessions, operations) = (graph.sessions, graph.sessions.len());
        let target = |op: usize| match graph.from[op] {
            NONE => None,
            INITIAL => Some((op as u32, operations as u32 + sessions.key[op])),
            from => Some((op as u32, from)),
        };
        let pairs: Vec<(u32, u32)> = (0..operations).filter_map(target).collect();
        Readers { edges: Edges::new(&pairs, operations + sessions.keys), operations }
    }

    fn of(&self, write: u32) -> &[u32] {
        self.edges.to(write)
    }

    fn of_initial(&self, key: usize) -> &[u32] {
        self.edges.to((self.operations + key) as u32)
    }
}
