//! Who precedes whom, by clocks: the transactions are covered by chains, and every node knows how much of each chain precedes it.
//!
//! O((nodes + edges) chains) time, nodes times chains numbers of memory; a question is one comparison. Chains are the processes where their
//! order counts, and few in real time: no more than transactions are ever open at once, and those of unknown outcome.

use std::collections::BTreeSet;

use history::txn::NEVER;

use super::form::Layout;
use super::problem::Problem;
use crate::txn::graph::{Adjacency, EdgeKind};

const NONE: u32 = u32::MAX;

/// A cover of the transactions by chains: each precedes the next.
pub struct Chains {
    /// The chain of each transaction.
    pub chain: Vec<u32>,
    /// Its place in the chain.
    pub place: Vec<u32>,
    /// How many there are.
    pub count: u32,
}

impl Chains {
    /// Puts every transaction behind one that is known to precede it, if that is the last of its chain. `order`: an order of
    /// transactions that keeps what is known.
    pub fn new(problem: &Problem, order: impl Iterator<Item = u32>) -> Chains {
        // The order of a process first: what others read from it must not take its place.
        let of = |kind: EdgeKind| problem.edges.iter().filter(move |edge| edge.kind() == kind);
        let known: Vec<(u32, u32)> =
            of(EdgeKind::So).chain(of(EdgeKind::Wr)).map(|edge| (edge.to, edge.from)).collect();
        let before = Adjacency::new(problem.count as usize, known.iter().copied());
        let count = problem.count as usize;
        let mut chains = Chains { chain: vec![NONE; count], place: vec![0; count], count: 0 };
        let mut tail = vec![false; count];
        let mut completed: BTreeSet<(u32, u32)> = BTreeSet::new();
        for t in order {
            let mut known = before.range(t).map(|at| before.at(at).0).filter(|p| tail[*p as usize]);
            let span = problem.spans.as_ref().and_then(|spans| spans.get(t as usize));
            let earlier = || span.and_then(|span| completed.range(..(span.0, 0)).next_back()).map(|(_, p)| *p);
            match known.next().or_else(earlier) {
                Some(previous) => {
                    let at = previous as usize;
                    tail[at] = false;
                    if let Some(span) = problem.spans.as_ref().and_then(|spans| spans.get(at)) {
                        completed.remove(&(span.1, previous));
                    }
                    (chains.chain[t as usize], chains.place[t as usize]) = (chains.chain[at], chains.place[at] + 1);
                }
                None => {
                    chains.chain[t as usize] = chains.count;
                    chains.count += 1;
                }
            }
            tail[t as usize] = true;
            if let Some((_, done)) = span.filter(|span| span.1 != NEVER) {
                completed.insert((*done, t));
            }
        }
        chains
    }
}

/// For every node, how many nodes of each chain precede it or are it.
pub struct Clocks<'a> {
    chains: &'a Chains,
    layout: Layout,
    flat: Vec<u32>,
}

impl<'a> Clocks<'a> {
    /// Of a graph whose nodes stand in a topological `order`.
    pub fn new(chains: &'a Chains, layout: Layout, graph: &Adjacency, order: &[u32]) -> Clocks<'a> {
        let width = chains.count as usize;
        let mut clocks = Clocks { chains, layout, flat: vec![0; layout.nodes() * width] };
        let mut row = vec![0; width];
        for node in order {
            let begin = *node as usize * width;
            if let Some(t) = layout.transaction(*node) {
                clocks.flat[begin + chains.chain[t as usize] as usize] = clocks.place(*node) + 1;
            }
            row.copy_from_slice(&clocks.flat[begin..begin + width]);
            for at in graph.range(*node) {
                let begin = graph.at(at).0 as usize * width;
                clocks.flat[begin..begin + width].iter_mut().zip(&row).for_each(|(to, from)| *to = (*to).max(*from));
            }
        }
        clocks
    }

    /// Whether `from`, a node of a transaction, is `to` or leads there.
    #[inline]
    pub fn reaches(&self, from: u32, to: u32) -> bool {
        let chain = self.chains.chain[(from / self.layout.width()) as usize];
        self.flat[to as usize * self.chains.count as usize + chain as usize] > self.place(from)
    }

    /// Whether a node's clock says more than it did `before`.
    pub fn differ(&self, before: Option<&Clocks>, node: u32) -> bool {
        before.is_none_or(|before| before.row(node) != self.row(node))
    }

    /// Whether it does about one chain.
    #[inline]
    pub fn news(&self, before: Option<&Clocks>, node: u32, chain: u32) -> bool {
        before.is_none_or(|before| before.row(node)[chain as usize] != self.row(node)[chain as usize])
    }

    fn row(&self, node: u32) -> &[u32] {
        let width = self.chains.count as usize;
        &self.flat[node as usize * width..(node as usize + 1) * width]
    }

    /// The place of a transaction's node in its chain.
    #[inline]
    fn place(&self, node: u32) -> u32 {
        let width = self.layout.width();
        self.chains.place[(node / width) as usize] * width + node % width
    }
}
