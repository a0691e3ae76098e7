//! One round of saturation: what follows from the clocks.

use super::clocks::{Chains, Clocks};
use super::form::Form;
use super::saturate::Graph;
use crate::txn::graph::{Edge, EdgeKind};

/// Nobody: see [`Reason::via`](super::saturate::Reason::via).
pub const NOBODY: u32 = u32::MAX;

/// What a round looks at.
pub struct Rules<'a> {
    /// The graph, which must be acyclic.
    pub graph: &'a Graph<'a>,
    /// Of that graph.
    pub clocks: &'a Clocks<'a>,
    /// Of its transactions.
    pub chains: &'a Chains,
    /// The versions of every key, sorted by their writers' chains and places.
    pub by_chain: &'a [u32],
}

impl Rules<'_> {
    /// Edges that follow and are not there yet, and by whom; or an anti-dependency that a path goes back.
    pub fn derive(&self) -> Result<Vec<(Edge, u32)>, Edge> {
        let (layout, root) = (self.graph.layout, self.graph.problem.root());
        let back = |edge: &&Edge| self.clocks.reaches(layout.commit(edge.to), layout.start(edge.from));
        if let Some(missed) = self.graph.barred.iter().find(back) {
            return Err(*missed);
        }
        let mut derived = Vec::new();
        for (begin, end) in &self.graph.problem.keys {
            for version in *begin..*end {
                for chain in self.chains_of(*begin, *end) {
                    self.after(version, chain, &mut derived);
                    self.before(version, chain, &mut derived);
                }
            }
        }
        let missed = |(edge, via): &&(Edge, u32)| !layout.has(edge) && *via == root;
        if let Some((edge, _)) = derived.iter().find(missed) {
            return Err(*edge);
        }
        derived.retain(|(edge, _)| layout.has(edge));
        derived.sort_unstable_by_key(|(edge, _)| (edge.from, edge.to, edge.kind()));
        derived.dedup_by_key(|(edge, _)| (edge.from, edge.to, edge.kind()));
        Ok(derived)
    }

    /// Pairs of versions of a key that nothing orders, and something must. Nothing is left to derive.
    pub fn open(&self) -> Vec<(u32, u32)> {
        let problem = self.graph.problem;
        let unread = |version: u32| problem.readers(version).is_empty();
        let mut open = Vec::new();
        for (begin, end) in &problem.keys {
            for (at, group) in self.chains_of(*begin, *end).enumerate() {
                for version in group {
                    let (commit, head) = self.ends(*version);
                    for other in self.chains_of(*begin, *end).skip(at + 1) {
                        let earlier = other.partition_point(|b| self.clocks.reaches(self.ends(*b).1, commit));
                        let later = other.partition_point(|b| !self.clocks.reaches(head, self.ends(*b).0));
                        let pairs = other[earlier.min(later)..later].iter().map(|b| (*version, *b));
                        let needless =
                            |(a, b): &(u32, u32)| self.graph.layout.form.ignores_unread() && unread(*a) && unread(*b);
                        open.extend(pairs.filter(|pair| !needless(pair)));
                    }
                }
            }
        }
        open
    }

    fn chains_of(&self, begin: u32, end: u32) -> impl Iterator<Item = &[u32]> {
        let chain = |version: &u32| self.chains.chain[self.writer(*version) as usize];
        self.by_chain[begin as usize..end as usize].chunk_by(move |a, b| chain(a) == chain(b))
    }

    #[inline]
    fn writer(&self, version: u32) -> u32 {
        self.graph.problem.versions[version as usize].writer
    }

    /// Commit and head of the writer of a version.
    #[inline]
    fn ends(&self, version: u32) -> (u32, u32) {
        let (layout, writer) = (self.graph.layout, self.writer(version));
        (layout.commit(writer), layout.head(writer))
    }

    /// The first version of a chain that cannot come before this one comes after it, and after its readers.
    fn after(&self, version: u32, chain: &[u32], derived: &mut Vec<(Edge, u32)>) {
        let (layout, (commit, head)) = (self.graph.layout, self.ends(version));
        let first = chain.partition_point(|b| !self.clocks.reaches(head, self.ends(*b).0));
        let Some(other) = chain[first..].iter().find(|b| **b != version) else { return };
        let (w, b, key) =
            (self.writer(version), self.writer(*other), self.graph.problem.versions[version as usize].key);
        let mut read = false;
        if layout.form != Form::Parallel {
            for r in self.graph.problem.readers(version).iter().filter(|r| **r != b) {
                read = true;
                if !self.clocks.reaches(layout.start(*r), layout.commit(b)) {
                    derived.push((Edge::new(EdgeKind::Rw, *r, b, key), w));
                }
            }
        }
        // From a commit to a commit, the way by a reader is as good.
        let told = read && layout.form.ignores_unread();
        if !told && !self.clocks.reaches(commit, layout.head(b)) {
            derived.push((Edge::new(EdgeKind::Ww, w, b, key), NOBODY));
        }
    }

    /// The last version of a chain in the past of a reader comes before what was read.
    fn before(&self, version: u32, chain: &[u32], derived: &mut Vec<(Edge, u32)>) {
        let (layout, w) = (self.graph.layout, self.writer(version));
        let key = self.graph.problem.versions[version as usize].key;
        for r in self.graph.problem.readers(version) {
            let start = layout.start(*r);
            let seen = |b: &u32| self.writer(*b) != *r && self.clocks.reaches(self.ends(*b).0, start);
            let last = chain.partition_point(seen);
            let Some(other) = last.checked_sub(1).map(|last| chain[last]).filter(|other| *other != version) else {
                continue;
            };
            let b = self.writer(other);
            if w == self.graph.problem.root() {
                derived.push((Edge::new(EdgeKind::Rw, *r, b, key), w));
            } else if !self.clocks.reaches(layout.commit(b), layout.head(w)) {
                derived.push((Edge::new(EdgeKind::Ww, b, w, key), *r));
            }
        }
    }
}
