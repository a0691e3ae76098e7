//! A graph that stays acyclic while edges come and go: Pearce & Kelly, "A dynamic topological sort algorithm for directed acyclic graphs" (2007).
//!
//! An order of the nodes is kept. An edge along the order costs nothing; one against it looks at the nodes between its ends only, and
//! moves those that must. Taking edges away leaves the order as it is.

use crate::txn::graph::Adjacency;

/// See above. Edges have labels, which are handed back as the explanation of a cycle.
pub struct Acyclic {
    /// The place of every node in the order.
    place: Vec<u32>,
    fixed: Adjacency,
    fixed_back: Adjacency,
    out: Vec<Vec<(u32, u32)>>,
    back: Vec<Vec<u32>>,
    added: Vec<(u32, u32)>,
    /// Where a node was reached from, and by which label, in the search of this stamp.
    reached: Vec<(u32, u32, u32)>,
    stamp: u32,
    /// Edges looked at so far.
    pub steps: u64,
}

impl Acyclic {
    /// The edges of `fixed`, whose labels are their places there. `place`: the place of every node in an order that keeps them.
    pub fn new(fixed: Adjacency, place: Vec<u32>) -> Acyclic {
        let nodes = place.len();
        let edges: Vec<(u32, u32)> = (0..nodes as u32)
            .flat_map(|node| fixed.range(node).map(move |at| (node, at)))
            .map(|(node, at)| (fixed.at(at).0, node))
            .collect();
        let fixed_back = Adjacency::new(nodes, edges.into_iter().collect::<Vec<_>>().iter().copied());
        Acyclic {
            place,
            fixed,
            fixed_back,
            out: vec![Vec::new(); nodes],
            back: vec![Vec::new(); nodes],
            added: Vec::new(),
            reached: vec![(0, 0, 0); nodes],
            stamp: 0,
            steps: 0,
        }
    }

    /// The place of a node.
    pub fn place(&self, node: u32) -> u32 {
        self.place[node as usize]
    }

    /// How many edges were added.
    pub fn added(&self) -> usize {
        self.added.len()
    }

    /// Adds an edge, or says by which path it would close a cycle (the labels from `to` to `from`, shortest first found).
    pub fn add(&mut self, from: u32, to: u32, label: u32) -> Result<(), Vec<u32>> {
        if self.place(from) >= self.place(to) {
            let forward = self.forward(to, from)?;
            let backward = self.backward(from, self.place(to));
            self.reorder(backward, forward);
        }
        self.out[from as usize].push((to, label));
        self.back[to as usize].push(from);
        self.added.push((from, to));
        Ok(())
    }

    /// Takes the edges away that came after the first `count`.
    pub fn undo(&mut self, count: usize) {
        while self.added.len() > count {
            if let Some((from, to)) = self.added.pop() {
                self.out[from as usize].pop();
                self.back[to as usize].pop();
            }
        }
    }

    /// The labels of a shortest path, if there is one.
    pub fn path(&mut self, from: u32, to: u32) -> Option<Vec<u32>> {
        if self.place(from) > self.place(to) {
            return None;
        }
        self.forward(from, to).err()
    }

    /// The nodes that `root` leads to and that stand before `end`; the labels of the path if `end` is one of them.
    fn forward(&mut self, root: u32, end: u32) -> Result<Vec<u32>, Vec<u32>> {
        self.stamp += 1;
        self.reached[root as usize] = (self.stamp, root, 0);
        if root == end {
            return Err(Vec::new());
        }
        let (limit, mut found, mut next) = (self.place(end), vec![root], 0);
        while let Some(node) = found.get(next).copied() {
            next += 1;
            let fixed = self.fixed.range(node).map(|at| self.fixed.at(at));
            for (to, label) in fixed.chain(self.out[node as usize].iter().copied()) {
                self.steps += 1;
                if self.reached[to as usize].0 == self.stamp || self.place[to as usize] > limit {
                    continue;
                }
                self.reached[to as usize] = (self.stamp, node, label);
                if to == end {
                    return Err(self.trace(root, end));
                }
                found.push(to);
            }
        }
        Ok(found)
    }

    fn trace(&self, root: u32, mut node: u32) -> Vec<u32> {
        let mut labels = Vec::new();
        while node != root {
            let (_, before, label) = self.reached[node as usize];
            labels.push(label);
            node = before;
        }
        labels.reverse();
        labels
    }

    /// The nodes that lead to `root` and do not stand before `first`.
    fn backward(&mut self, root: u32, first: u32) -> Vec<u32> {
        self.stamp += 1;
        self.reached[root as usize].0 = self.stamp;
        let (mut found, mut next) = (vec![root], 0);
        while let Some(node) = found.get(next).copied() {
            next += 1;
            let fixed = self.fixed_back.range(node).map(|at| self.fixed_back.at(at).0);
            for from in fixed.chain(self.back[node as usize].iter().copied()) {
                self.steps += 1;
                if self.reached[from as usize].0 != self.stamp && self.place[from as usize] >= first {
                    self.reached[from as usize].0 = self.stamp;
                    found.push(from);
                }
            }
        }
        found
    }

    /// Puts the first nodes before the second ones, into the places that they hold together.
    fn reorder(&mut self, mut first: Vec<u32>, mut second: Vec<u32>) {
        first.sort_unstable_by_key(|node| self.place[*node as usize]);
        second.sort_unstable_by_key(|node| self.place[*node as usize]);
        first.append(&mut second);
        let mut places: Vec<u32> = first.iter().map(|node| self.place[*node as usize]).collect();
        places.sort_unstable();
        first.iter().zip(places).for_each(|(node, place)| self.place[*node as usize] = place);
    }
}
