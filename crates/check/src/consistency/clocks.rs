//! Which operation comes before which: an order of all operations along known edges, and for each operation a vector clock of its past.
//!
//! A clock counts, for each *chain*, how many of its operations are in the past. A chain is a session; but when a session has ended,
//! another goes on with its chain as soon as it has all of it in its past. So there are about as many chains as processes at a time,
//! however often a process has to begin anew after an unknown outcome.

use super::sessions::{INITIAL, NONE, Sessions};

/// Something that keeps the checker from an answer.
pub(super) type Reason = String;

/// Most bytes of one table: beyond, the checker says that it cannot.
const TABLE: usize = 4 << 30;

/// Edges between operations beside sessions and who saw whose value, by their end.
#[derive(Clone, Debug, Default)]
pub(super) struct Edges {
    start: Vec<u32>,
    sources: Vec<u32>,
}

impl Edges {
    /// Sorts edges (source, target) by target. Linear.
    pub fn new(edges: &[(u32, u32)], operations: usize) -> Edges {
        if edges.is_empty() {
            return Edges::default();
        }
        let mut start = vec![0u32; operations + 1];
        edges.iter().for_each(|(_, target)| start[*target as usize + 1] += 1);
        for op in 0..operations {
            start[op + 1] += start[op];
        }
        let (mut at, mut sources) = (start.clone(), vec![0; edges.len()]);
        for (source, target) in edges {
            let place = &mut at[*target as usize];
            sources[*place as usize] = *source;
            *place += 1;
        }
        Edges { start, sources }
    }

    /// Where the edges that end in `op` begin.
    #[inline]
    pub fn to(&self, op: u32) -> &[u32] {
        match self.start.get(op as usize..op as usize + 2) {
            Some(&[from, to]) => &self.sources[from as usize..to as usize],
            _ => &[],
        }
    }
}

/// Operations and the edges between them.
#[derive(Clone, Copy)]
pub(super) struct Graph<'a> {
    pub sessions: &'a Sessions,
    /// For each operation, whose value it saw, as far as that orders them.
    pub from: &'a [u32],
    pub edges: &'a Edges,
}

impl Graph<'_> {
    /// The operations that directly precede `op`.
    fn before(&self, op: u32) -> impl Iterator<Item = u32> + '_ {
        let i = op as usize;
        let direct = [self.sessions.previous[i], self.from[i]].into_iter().filter(|before| *before < INITIAL);
        direct.chain(self.edges.to(op).iter().copied())
    }

    /// All operations, each after those that precede it, as near to the order of invocation as that allows; or a cycle. Linear.
    pub fn order(&self) -> Result<Vec<u32>, Vec<u32>> {
        const OPEN: u8 = 1;
        const DONE: u8 = 2;
        let mut state = vec![0u8; self.sessions.len()];
        let mut order = Vec::with_capacity(state.len());
        let mut path = Vec::new();
        for root in 0..state.len() as u32 {
            path.push(root);
            while let Some(&op) = path.last() {
                if state[op as usize] == DONE {
                    path.pop();
                    continue;
                }
                state[op as usize] = OPEN;
                let open = path.len();
                for before in self.before(op) {
                    match state[before as usize] {
                        DONE => {}
                        // Something open that is no longer waiting to be looked at is on the way here.
                        OPEN => return Err(cycle(&path, &state, before)),
                        _ => path.push(before),
                    }
                }
                if path.len() == open {
                    state[op as usize] = DONE;
                    order.push(op);
                    path.pop();
                }
            }
        }
        Ok(order)
    }
}

/// The open operations on the path since `start`: each precedes the one before it.
fn cycle(path: &[u32], state: &[u8], start: u32) -> Vec<u32> {
    let from = path.iter().rposition(|op| *op == start).unwrap_or(0);
    let mut ops: Vec<u32> = path[from..].iter().copied().filter(|op| state[*op as usize] == 1).collect();
    ops.dedup();
    ops
}

/// The past of every operation.
pub(super) struct Clocks {
    /// Entries of a row; a multiple of eight.
    pub width: usize,
    rows: Vec<u32>,
    /// The chain of each operation.
    pub chain: Vec<u32>,
    /// Its place in its chain, from 1.
    pub position: Vec<u32>,
}

impl Clocks {
    /// The clocks of operations in this order. `O(n k)`.
    ///
    /// # Errors
    /// If there are too many sessions at a time for memory.
    pub fn of(graph: &Graph<'_>, order: &[u32]) -> Result<Clocks, Reason> {
        let mut width = graph.sessions.sessions.clamp(1, 32).next_multiple_of(8);
        loop {
            if width.saturating_mul(order.len()) > TABLE / size_of::<u32>() {
                return Err(format!("too many sessions at a time ({width}) for {} operations", order.len()));
            }
            match Clocks::with_width(graph, order, width) {
                Some(clocks) => return Ok(clocks),
                None => width *= 2,
            }
        }
    }

    fn with_width(graph: &Graph<'_>, order: &[u32], width: usize) -> Option<Clocks> {
        let n = graph.sessions.len();
        let mut clocks = Clocks { width, rows: vec![0; n * width], chain: vec![0; n], position: vec![0; n] };
        let mut chains = Chains::new(graph.sessions, width);
        let mut row = vec![0; width];
        for &op in order {
            row.fill(0);
            for before in graph.before(op) {
                join(&mut row, clocks.row(before));
            }
            let (chain, position) = chains.place(graph.sessions, op, &row)?;
            row[chain] = position;
            clocks.chain[op as usize] = chain as u32;
            clocks.position[op as usize] = position;
            clocks.rows[op as usize * width..][..width].copy_from_slice(&row);
        }
        Some(clocks)
    }

    /// How many operations of each chain are in the past of `op`, itself included.
    #[inline]
    pub fn row(&self, op: u32) -> &[u32] {
        &self.rows[op as usize * self.width..][..self.width]
    }

    /// Whether `a` comes before `b`, or is it.
    #[inline]
    pub fn ordered(&self, a: u32, b: u32) -> bool {
        self.row(b)[self.chain[a as usize] as usize] >= self.position[a as usize]
    }
}

/// The later of two pasts, entry by entry.
#[inline]
pub(super) fn join(row: &mut [u32], other: &[u32]) {
    for (entry, other) in row.iter_mut().zip(other) {
        *entry = (*entry).max(*other);
    }
}

/// Which session goes on with which chain.
struct Chains {
    width: usize,
    lengths: Vec<u32>,
    /// Chains whose session has ended or has moved to another.
    free: Vec<usize>,
    /// The chain of each session.
    of: Vec<u32>,
    /// Operations of each session that are still to come.
    left: Vec<u32>,
}

impl Chains {
    fn new(sessions: &Sessions, width: usize) -> Chains {
        let mut left = vec![0; sessions.sessions];
        sessions.session.iter().for_each(|session| left[*session as usize] += 1);
        Chains { width, lengths: Vec::new(), free: Vec::new(), of: vec![NONE; sessions.sessions], left }
    }

    /// The chain of the next operation of a session and the place in it; `row` is its past. `None`: there are more chains than `width`.
    fn place(&mut self, sessions: &Sessions, op: u32, row: &[u32]) -> Option<(usize, u32)> {
        let session = sessions.session[op as usize] as usize;
        let own = self.of[session];
        let chain = match self.take(own, row) {
            Some(chain) => chain,
            None if own != NONE => own as usize,
            None if self.lengths.len() < self.width => {
                self.lengths.push(0);
                self.lengths.len() - 1
            }
            None => return None,
        };
        if own != NONE && own as usize != chain {
            self.free.push(own as usize);
        }
        self.of[session] = chain as u32;
        self.left[session] -= 1;
        if self.left[session] == 0 {
            self.free.push(chain);
        }
        self.lengths[chain] += 1;
        Some((chain, self.lengths[chain]))
    }

    /// A free chain with a lower number than `own`, all of which is in the past.
    fn take(&mut self, own: u32, row: &[u32]) -> Option<usize> {
        let fits = |chain: &usize| (*chain as u64) < u64::from(own) && row[*chain] == self.lengths[*chain];
        let at = self.free.iter().position(fits)?;
        Some(self.free.swap_remove(at))
    }
}
