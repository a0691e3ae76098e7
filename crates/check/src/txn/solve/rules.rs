//! One round of saturation: what follows from what the clocks newly say.

use super::clocks::{Chains, Clocks};
use super::form::{Form, Layout};
use super::problem::Problem;
use crate::txn::graph::{Adjacency, Edge, EdgeKind};

/// Nobody: see [`Reason::via`](super::saturate::Reason::via).
pub const NOBODY: u32 = u32::MAX;

/// The versions, where the rules find them. Made once for all rounds.
pub struct Rules<'a> {
    problem: &'a Problem,
    layout: Layout,
    /// The versions of every key, sorted by their writers' chains and places.
    by_chain: Vec<u32>,
    /// The versions of one key in one chain: chain, begin and end in `by_chain`; by key.
    groups: Vec<(u32, u32, u32)>,
    /// Where the groups of each key of [`Problem::keys`] begin.
    first_group: Vec<u32>,
    /// The versions that each transaction wrote, and those that it read, as successors.
    written: Adjacency,
    read: Adjacency,
    /// The place of each version's key in [`Problem::keys`].
    key_of: Vec<u32>,
}

impl<'a> Rules<'a> {
    /// For transactions in such chains.
    pub fn new(problem: &'a Problem, layout: Layout, chains: &Chains) -> Rules<'a> {
        let count = problem.versions.len() as u32;
        let mut by_chain: Vec<u32> = (0..count).collect();
        let (mut groups, mut first_group, mut key_of) = (Vec::new(), vec![0], vec![NOBODY; count as usize]);
        let at = |version: &u32| {
            let writer = problem.versions[*version as usize].writer as usize;
            (chains.chain[writer], chains.place[writer])
        };
        for (number, (begin, end)) in problem.keys.iter().enumerate() {
            let versions = &mut by_chain[*begin as usize..*end as usize];
            versions.sort_unstable_by_key(at);
            let mut from = *begin;
            for group in versions.chunk_by(|a, b| at(a).0 == at(b).0) {
                groups.push((at(&group[0]).0, from, from + group.len() as u32));
                from += group.len() as u32;
            }
            first_group.push(groups.len() as u32);
            key_of[*begin as usize..*end as usize].fill(number as u32);
        }
        let open = || (0..count).filter(|version| key_of[*version as usize] != NOBODY);
        let written = open().map(|version| (problem.versions[version as usize].writer, version));
        let read: Vec<(u32, u32)> =
            open().flat_map(|version| problem.readers(version).iter().map(move |reader| (*reader, version))).collect();
        let written = Adjacency::new(problem.count as usize, written.collect::<Vec<_>>().iter().copied());
        let read = Adjacency::new(problem.count as usize, read.iter().copied());
        Rules { problem, layout, by_chain, groups, first_group, written, read, key_of }
    }

    /// Edges that follow from what is new since the clocks of the round `before`, and by whom; or an anti-dependency that a path goes back.
    pub fn derive(&self, clocks: &Clocks, before: Option<&Clocks>, barred: &[Edge]) -> Result<Vec<(Edge, u32)>, Edge> {
        let layout = self.layout;
        let back = |edge: &&Edge| clocks.reaches(layout.commit(edge.to), layout.start(edge.from));
        if let Some(missed) = barred.iter().find(back) {
            return Err(*missed);
        }
        let mut derived = Vec::new();
        // Where each search in a group ended: the next one, of a neighbour in time, ends near.
        let (mut near_writer, mut near_reader) = (vec![0; self.groups.len()], vec![0; self.groups.len()]);
        for t in 0..self.problem.count {
            if clocks.differ(before, layout.commit(t)) {
                for version in self.written.targets(t) {
                    let new = |at: &usize| clocks.news(before, layout.commit(t), self.groups[*at].0);
                    for at in self.groups(version).filter(new) {
                        self.overwritten(clocks, version, at, &mut near_writer[at], &mut derived);
                    }
                }
            }
            if clocks.differ(before, layout.start(t)) {
                for version in self.read.targets(t) {
                    let new = |at: &usize| clocks.news(before, layout.start(t), self.groups[*at].0);
                    for at in self.groups(version).filter(new) {
                        self.seen(clocks, (version, t), at, &mut near_reader[at], &mut derived);
                    }
                }
            }
        }
        let missed = |(edge, _): &&(Edge, u32)| !layout.has(edge);
        if let Some((edge, _)) = derived.iter().find(missed) {
            return Err(*edge);
        }
        derived.sort_unstable_by_key(|(edge, _)| (edge.from, edge.to, edge.kind()));
        derived.dedup_by_key(|(edge, _)| (edge.from, edge.to, edge.kind()));
        Ok(derived)
    }

    /// Pairs of versions of a key that nothing orders, and something must. Nothing is left to derive.
    pub fn open(&self, clocks: &Clocks) -> Vec<(u32, u32)> {
        let unread = |version: u32| self.problem.readers(version).is_empty();
        let needless = |(a, b): &(u32, u32)| self.layout.form.ignores_unread() && unread(*a) && unread(*b);
        let mut open = Vec::new();
        for key in self.first_group.windows(2) {
            let groups = &self.groups[key[0] as usize..key[1] as usize];
            for (at, group) in groups.iter().enumerate() {
                for version in self.versions(group) {
                    let (commit, head) = self.ends(*version);
                    for other in groups[at + 1..].iter().map(|group| self.versions(group)) {
                        let earlier = other.partition_point(|b| clocks.reaches(self.ends(*b).0, head));
                        let later = other.partition_point(|b| !clocks.reaches(commit, self.ends(*b).1));
                        let pairs = other[earlier.min(later)..later].iter().map(|b| (*version, *b));
                        open.extend(pairs.filter(|pair| !needless(pair)));
                    }
                }
            }
        }
        open
    }

    /// The places of the groups of a version's key.
    fn groups(&self, version: u32) -> std::ops::Range<usize> {
        let key = self.key_of[version as usize] as usize;
        self.first_group[key] as usize..self.first_group[key + 1] as usize
    }

    fn versions(&self, group: &(u32, u32, u32)) -> &[u32] {
        &self.by_chain[group.1 as usize..group.2 as usize]
    }

    #[inline]
    fn writer(&self, version: u32) -> u32 {
        self.problem.versions[version as usize].writer
    }

    /// Commit and head of the writer of a version.
    #[inline]
    fn ends(&self, version: u32) -> (u32, u32) {
        let writer = self.writer(version);
        (self.layout.commit(writer), self.layout.head(writer))
    }

    /// The last version of a chain that cannot come after this one comes before it, and so do its readers.
    fn overwritten(
        &self,
        clocks: &Clocks,
        version: u32,
        group: usize,
        near: &mut usize,
        derived: &mut Vec<(Edge, u32)>,
    ) {
        let (layout, chain, b) = (self.layout, self.versions(&self.groups[group]), self.writer(version));
        let key = self.problem.versions[version as usize].key;
        let before = |w: &u32| *w != version && clocks.reaches(self.ends(*w).1, layout.commit(b));
        let Some(last) = partition_near(chain, near, before).checked_sub(1).map(|last| chain[last]) else { return };
        let (w, mut read) = (self.writer(last), false);
        if layout.form != Form::Parallel {
            for r in self.problem.readers(last).iter().filter(|r| **r != b) {
                read = true;
                if !clocks.reaches(layout.start(*r), layout.commit(b)) {
                    derived.push((Edge::new(EdgeKind::Rw, *r, b, key), w));
                }
            }
        }
        // From a commit to a commit, the way by a reader is as good.
        let told = read && layout.form.ignores_unread();
        if !told && !clocks.reaches(layout.commit(w), layout.head(b)) {
            derived.push((Edge::new(EdgeKind::Ww, w, b, key), NOBODY));
        }
    }

    /// The last version of a chain in the past of a reader comes before what was read.
    fn seen(
        &self,
        clocks: &Clocks,
        (version, r): (u32, u32),
        group: usize,
        near: &mut usize,
        derived: &mut Vec<(Edge, u32)>,
    ) {
        let (layout, chain, w) = (self.layout, self.versions(&self.groups[group]), self.writer(version));
        let key = self.problem.versions[version as usize].key;
        let seen = |b: &u32| self.writer(*b) != r && clocks.reaches(self.ends(*b).0, layout.start(r));
        let last = partition_near(chain, near, seen).checked_sub(1).map(|last| chain[last]);
        let Some(b) = last.filter(|last| *last != version).map(|last| self.writer(last)) else { return };
        if w == self.problem.root() {
            derived.push((Edge::new(EdgeKind::Rw, r, b, key), w));
        } else if !clocks.reaches(layout.commit(b), layout.head(w)) {
            derived.push((Edge::new(EdgeKind::Ww, b, w, key), r));
        }
    }
}

/// How many of a chain are before, which are the first ones; looked for from where it was `near` last.
fn partition_near(chain: &[u32], near: &mut usize, before: impl Fn(&u32) -> bool) -> usize {
    let (mut low, mut high, mut step) = (*near + 1, chain.len(), 1);
    if *near < high && before(&chain[*near]) {
        while low + step <= high && before(&chain[low + step - 1]) {
            low += step;
            step *= 2;
        }
        high = high.min(low + step);
    } else {
        high = high.min(*near);
        while high >= step && !before(&chain[high - step]) {
            high -= step;
            step *= 2;
        }
        low = high.saturating_sub(step);
    }
    *near = low + chain[low..high].partition_point(before);
    *near
}
