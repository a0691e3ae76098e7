//! Dependency graphs of transactions, flat: edges, order by Kahn with the real-time order as a cursor, strongly connected components.

use history::txn::{NEVER, Transactions};

/// Why one transaction must precede another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EdgeKind {
    /// The second overwrote (appended after) what the first wrote.
    Ww = 0,
    /// The second read what the first wrote.
    Wr = 1,
    /// The second overwrote what the first had read.
    Rw = 2,
    /// Both are of one process, in this order.
    So = 3,
    /// The first had completed before the second was invoked.
    Rt = 4,
}

impl EdgeKind {
    /// The kind of this abbreviation.
    pub fn find(name: &str) -> Option<EdgeKind> {
        [EdgeKind::Ww, EdgeKind::Wr, EdgeKind::Rw, EdgeKind::So, EdgeKind::Rt]
            .into_iter()
            .find(|kind| kind.name() == name)
    }

    /// The usual abbreviation.
    pub fn name(self) -> &'static str {
        ["ww", "wr", "rw", "so", "rt"][self as usize]
    }
}

/// An edge of the dependency graph and the key that causes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The transaction that comes first.
    pub from: u32,
    /// The transaction that comes after it.
    pub to: u32,
    tag: u32,
}

impl Edge {
    /// `from` before `to`, because of `key`.
    pub fn new(kind: EdgeKind, from: u32, to: u32, key: u32) -> Edge {
        Edge { from, to, tag: (kind as u32) << 29 | key & 0x1fff_ffff }
    }

    /// Why.
    pub fn kind(self) -> EdgeKind {
        [EdgeKind::Ww, EdgeKind::Wr, EdgeKind::Rw, EdgeKind::So, EdgeKind::Rt][(self.tag >> 29) as usize]
    }

    /// The key; of no meaning for `so` and `rt`.
    pub fn key(self) -> u32 {
        self.tag & 0x1fff_ffff
    }

    /// The same edge between other numbers.
    pub fn between(self, from: u32, to: u32) -> Edge {
        Edge { from, to, tag: self.tag }
    }
}

/// Successors of every node in one array.
pub struct Adjacency {
    first: Vec<u32>,
    /// The successors, and at the same place the edge they come by, as an index into the edges given.
    to: Vec<u32>,
    edge: Vec<u32>,
}

impl Adjacency {
    /// By counting sort: O(nodes + edges).
    pub fn new(nodes: usize, edges: impl Iterator<Item = (u32, u32)> + Clone) -> Adjacency {
        let mut first = vec![0u32; nodes + 1];
        edges.clone().for_each(|(from, _)| first[from as usize + 1] += 1);
        (0..nodes).for_each(|node| first[node + 1] += first[node]);
        let mut next = first.clone();
        let (mut to, mut edge) = (vec![0; first[nodes] as usize], vec![0; first[nodes] as usize]);
        for (index, (from, target)) in edges.enumerate() {
            let slot = &mut next[from as usize];
            (to[*slot as usize], edge[*slot as usize]) = (target, index as u32);
            *slot += 1;
        }
        Adjacency { first, to, edge }
    }

    /// Where a node's successors stand.
    pub fn range(&self, node: u32) -> std::ops::Range<usize> {
        self.first[node as usize] as usize..self.first[node as usize + 1] as usize
    }

    /// The successor and the edge at a place.
    pub fn at(&self, place: usize) -> (u32, u32) {
        (self.to[place], self.edge[place])
    }

    /// A node's successors.
    pub fn targets(&self, node: u32) -> impl Iterator<Item = u32> + '_ {
        self.to[self.range(node)].iter().copied()
    }

    fn nodes(&self) -> usize {
        self.first.len() - 1
    }
}

/// An order of the live transactions that keeps every edge and, if intervals are known, real time; or those that were placed
/// before no other could be. O(transactions + edges).
///
/// Real-time edges are never made. One cursor walks over invocations and completions: it releases what was invoked, and stops at
/// the completion of a transaction that is not placed yet, because nothing invoked later may come before that one.
pub fn order(transactions: &Transactions, live: &[bool], edges: &[Edge]) -> Result<Vec<u32>, Vec<bool>> {
    let count = transactions.len();
    let (first, to) = successors(count, edges);
    let mut waits = vec![0u32; count];
    edges.iter().for_each(|edge| waits[edge.to as usize] += 1);
    let events = events(transactions, live);
    let (mut placed, mut released) = (vec![false; count], vec![false; count]);
    let (mut ready, mut order, mut cursor) = (Vec::new(), Vec::with_capacity(count), 0);
    let total = live.iter().filter(|live| **live).count();
    while order.len() < total {
        while let Some(node) = ready.pop() {
            placed[node as usize] = true;
            order.push(node);
            for target in &to[first[node as usize] as usize..first[node as usize + 1] as usize] {
                let wait = &mut waits[*target as usize];
                *wait -= 1;
                if *wait == 0 && released[*target as usize] {
                    ready.push(*target);
                }
            }
        }
        let Some(&event) = events.get(cursor) else { break };
        let node = event >> 1;
        match event & 1 {
            0 => {
                released[node as usize] = true;
                if waits[node as usize] == 0 {
                    ready.push(node);
                }
            }
            _ if !placed[node as usize] => break,
            _ => {}
        }
        cursor += 1;
    }
    if order.len() == total { Ok(order) } else { Err(placed) }
}

fn successors(count: usize, edges: &[Edge]) -> (Vec<u32>, Vec<u32>) {
    let mut first = vec![0u32; count + 2];
    edges.iter().for_each(|edge| first[edge.from as usize + 2] += 1);
    (0..=count).for_each(|node| first[node + 1] += first[node]);
    let mut to = vec![0; edges.len()];
    for edge in edges {
        let slot = &mut first[edge.from as usize + 1];
        to[*slot as usize] = edge.to;
        *slot += 1;
    }
    first.pop();
    (first, to)
}

/// Invocations (even) and completions (odd) of live transactions, in order.
fn events(transactions: &Transactions, live: &[bool]) -> Vec<u32> {
    const NONE: u32 = u32::MAX;
    let mut events = vec![NONE; transactions.len() * 2];
    for (at, live) in live.iter().enumerate().filter(|(_, live)| **live) {
        debug_assert!(*live);
        events[transactions.invoked[at] as usize] = (at as u32) << 1;
        if transactions.timed && transactions.completed[at] != NEVER {
            events[transactions.completed[at] as usize] = (at as u32) << 1 | 1;
        }
    }
    events.retain(|event| *event != NONE);
    events
}

/// The strongly connected component of every node; components are numbered against the direction of the edges (a component's
/// successors have smaller numbers). Tarjan, 1972, without recursion.
pub fn components(graph: &Adjacency) -> Vec<u32> {
    const NEW: u32 = u32::MAX;
    let count = graph.nodes();
    let (mut index, mut low) = (vec![NEW; count], vec![0u32; count]);
    let mut component = vec![NEW; count];
    let (mut stack, mut path): (Vec<u32>, Vec<(u32, usize)>) = (Vec::new(), Vec::new());
    let (mut clock, mut made) = (0, 0);
    for root in 0..count as u32 {
        if index[root as usize] != NEW {
            continue;
        }
        path.push((root, graph.range(root).start));
        while let Some((node, place)) = path.last_mut() {
            let at = *node as usize;
            if index[at] == NEW {
                (index[at], low[at]) = (clock, clock);
                clock += 1;
                stack.push(*node);
            }
            if *place < graph.range(*node).end {
                let (target, _) = graph.at(*place);
                *place += 1;
                if index[target as usize] == NEW {
                    path.push((target, graph.range(target).start));
                } else if component[target as usize] == NEW {
                    low[at] = low[at].min(index[target as usize]);
                }
                continue;
            }
            if low[at] == index[at] {
                while let Some(member) = stack.pop() {
                    component[member as usize] = made;
                    if member as usize == at {
                        break;
                    }
                }
                made += 1;
            }
            let done = low[at];
            path.pop();
            if let Some((parent, _)) = path.last() {
                low[*parent as usize] = low[*parent as usize].min(done);
            }
        }
    }
    component
}

/// The components of a graph given by its edges.
pub fn components_of(count: usize, edges: &[Edge]) -> Vec<u32> {
    components(&Adjacency::new(count, edges.iter().map(|edge| (edge.from, edge.to))))
}

/// Nodes in an order that keeps every edge; those behind a cycle are left out.
pub fn topological(count: usize, edges: &[Edge]) -> Vec<u32> {
    let (first, to) = successors(count, edges);
    let mut waits = vec![0u32; count];
    edges.iter().for_each(|edge| waits[edge.to as usize] += 1);
    let mut order: Vec<u32> = Vec::with_capacity(count);
    let mut ready = Vec::new();
    for root in 0..count as u32 {
        if waits[root as usize] == 0 {
            ready.push(root);
            waits[root as usize] = u32::MAX;
        }
        // Depth first, from the earliest on: neighbours in time stay neighbours in memory.
        while let Some(node) = ready.pop() {
            order.push(node);
            for target in &to[first[node as usize] as usize..first[node as usize + 1] as usize] {
                let wait = &mut waits[*target as usize];
                *wait -= 1;
                if *wait == 0 && *target < root {
                    *wait = u32::MAX;
                    ready.push(*target);
                }
            }
        }
    }
    order
}
