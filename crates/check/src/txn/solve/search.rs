//! The search for an order of the pairs of versions that saturation left open: conflict-driven clause learning, with acyclicity of the graph as
//! its theory (as in MonoSAT, which PolySI and Viper hand their graphs to).
//!
//! A variable is a pair of transactions that wrote to the same keys: which comes first. It puts edges into a graph that keeps itself in
//! order; a cycle is a clause. Whatever is not forced is decided as the graph's order of the moment has it, from early to late: in a history that
//! has an order, hardly any decision is wrong.

use super::acyclic::Acyclic;
use super::clauses::Clauses;
use super::form::Form;
use super::saturate::Graph;
use crate::limit::Limit;

/// Conflicts before the first restart.
const RESTART: u64 = 256;
/// Pairs, at most: 2 GB or so.
const PAIRS: usize = 1 << 24;

/// How a search ended.
pub enum Searched {
    /// An order of the nodes that keeps everything.
    Order(Vec<u32>),
    /// There is none. The edges of the graph, and pairs of transactions, that prove it.
    None {
        /// Places of edges.
        edges: Vec<u32>,
        /// Transactions whose order was tried both ways.
        pairs: Vec<(u32, u32)>,
        /// Places of the edges of further contradictions.
        others: Vec<u32>,
    },
    /// It was given up, for this reason.
    GaveUp(String),
}

/// Orders the open pairs of versions within so many steps.
pub fn search(graph: &Graph, open: &[(u32, u32)], budget: u64, limit: &Limit) -> Searched {
    if open.len() > PAIRS || !limit.reserve(open.len() as u64 * 128) {
        return Searched::GaveUp(format!("{} pairs of versions have no known order", open.len()));
    }
    let mut search = Search::new(graph, open);
    search.run(budget, limit)
}

struct Search<'a> {
    graph: &'a Graph<'a>,
    /// The transactions of every variable: it is true if the first one comes first.
    pairs: Vec<(u32, u32)>,
    /// Where the versions of each pair begin in `versions`.
    first: Vec<u32>,
    versions: Vec<(u32, u32)>,
    clauses: Clauses,
    theory: Acyclic,
    /// Labels from here on are literals.
    labels: u32,
    /// For the literals of the trail that the theory knows: how many edges it had before.
    told: Vec<usize>,
    scratch: Vec<(u32, u32)>,
    used_edges: Vec<bool>,
    used_pairs: Vec<bool>,
}

impl<'a> Search<'a> {
    fn new(graph: &'a Graph<'a>, open: &[(u32, u32)]) -> Search<'a> {
        let writer = |version: u32| graph.problem.versions[version as usize].writer;
        let forward = |(a, b): &(u32, u32)| if writer(*a) < writer(*b) { (*a, *b) } else { (*b, *a) };
        let mut versions: Vec<(u32, u32)> = open.iter().map(forward).collect();
        versions.sort_unstable_by_key(|(a, b)| (writer(*a), writer(*b)));
        let (mut pairs, mut first) = (Vec::new(), Vec::new());
        for (at, (a, b)) in versions.iter().enumerate() {
            let pair = (writer(*a), writer(*b));
            if pairs.last() != Some(&pair) {
                pairs.push(pair);
                first.push(at as u32);
            }
        }
        first.push(versions.len() as u32);
        let fixed = graph.adjacency(graph.edges.len());
        let place = graph.places(&fixed);
        let rank =
            |(a, b): &(u32, u32)| place[graph.layout.commit(*a) as usize].min(place[graph.layout.commit(*b) as usize]);
        let clauses = Clauses::new(pairs.iter().map(rank).collect());
        let labels = graph.edges.len() as u32 + graph.layout.count;
        Search {
            graph,
            first,
            versions,
            clauses,
            theory: Acyclic::new(fixed, place),
            labels,
            told: Vec::new(),
            scratch: Vec::new(),
            used_edges: vec![false; graph.edges.len()],
            used_pairs: vec![false; pairs.len()],
            pairs,
        }
    }

    fn run(&mut self, budget: u64, limit: &Limit) -> Searched {
        let (mut conflicts, mut restart, mut polled) = (0u64, RESTART, 0u64);
        loop {
            if let Some(conflict) = self.propagate() {
                conflicts += 1;
                let Some(left) = self.clauses.learn(conflict) else { return self.none() };
                self.undo(left);
                continue;
            }
            if conflicts >= restart {
                (conflicts, restart) = (0, restart + restart / 4);
                let left = self.clauses.restart();
                self.undo(left);
            }
            polled += 1;
            let steps = self.theory.steps + self.clauses.steps;
            let stopped = (polled % 1024 == 0).then(|| limit.exceeded()).flatten();
            if steps >= budget || stopped.is_some() {
                let reason = stopped.unwrap_or("the search ran out of its budget");
                return Searched::GaveUp(format!("{reason}, with {} of {} pairs open", self.open(), self.pairs.len()));
            }
            match self.clauses.choose() {
                Some(pair) => self.decide(pair),
                None => match self.skew() {
                    Some(conflict) => {
                        let Some(left) = self.clauses.learn(conflict) else { return self.none() };
                        self.undo(left);
                    }
                    None => return self.order(),
                },
            }
        }
    }

    fn open(&self) -> usize {
        self.pairs.len() - self.clauses.trail.len()
    }

    /// As the order of the moment has it.
    fn decide(&mut self, pair: u32) {
        let (a, b) = self.pairs[pair as usize];
        let layout = &self.graph.layout;
        let backward = self.theory.place(layout.commit(a)) > self.theory.place(layout.commit(b));
        self.clauses.decide(pair * 2 + u32::from(backward));
    }

    /// Literals to edges, clauses to literals; the clause that is violated, if one is.
    fn propagate(&mut self) -> Option<Vec<u32>> {
        if let Some(conflict) = self.clauses.propagate() {
            return Some(conflict);
        }
        while let Some(literal) = self.clauses.trail.get(self.told.len()).copied() {
            self.told.push(self.theory.added());
            self.edges_of(literal);
            for at in 0..self.scratch.len() {
                let (from, to) = self.scratch[at];
                if let Err(path) = self.theory.add(from, to, self.labels + literal) {
                    self.used_pairs[literal as usize / 2] = true;
                    let mut clause = self.clause(&path);
                    clause.push(literal ^ 1);
                    return Some(clause);
                }
            }
        }
        None
    }

    fn undo(&mut self, left: usize) {
        if let Some(edges) = self.told.get(left) {
            self.theory.undo(*edges);
            self.told.truncate(left);
        }
    }

    /// The edges of a literal, into the scratch.
    fn edges_of(&mut self, literal: u32) {
        let (problem, layout) = (self.graph.problem, &self.graph.layout);
        let pair = literal as usize / 2;
        let forward = literal.is_multiple_of(2);
        let (a, b) = self.pairs[pair];
        let (earlier, later) = if forward { (a, b) } else { (b, a) };
        self.scratch.clear();
        let mut needed = !layout.form.ignores_unread();
        for (a, b) in &self.versions[self.first[pair] as usize..self.first[pair + 1] as usize] {
            let overwritten = if forward { *a } else { *b };
            let mut read = false;
            for reader in problem.readers(overwritten).iter().filter(|reader| **reader != later) {
                read = true;
                if layout.form != Form::Parallel {
                    self.scratch.push((layout.start(*reader), layout.commit(later)));
                }
            }
            needed |= !read;
        }
        if needed {
            self.scratch.push((layout.commit(earlier), layout.head(later)));
        }
    }

    /// That not all of these edges are there together.
    fn clause(&mut self, path: &[u32]) -> Vec<u32> {
        let mut clause = Vec::new();
        for label in path {
            match label.checked_sub(self.labels) {
                Some(literal) => {
                    self.used_pairs[literal as usize / 2] = true;
                    clause.push(literal ^ 1);
                }
                None if (*label as usize) < self.used_edges.len() => self.used_edges[*label as usize] = true,
                None => {}
            }
        }
        clause
    }

    /// Of *parallel*, once all pairs are ordered: a read of a version although a later one is in its past, as a clause.
    fn skew(&mut self) -> Option<Vec<u32>> {
        if self.graph.layout.form != Form::Parallel {
            return None;
        }
        let (problem, layout) = (self.graph.problem, self.graph.layout);
        for edge in &self.graph.barred {
            if let Some(path) = self.theory.path(layout.commit(edge.to), layout.start(edge.from)) {
                return Some(self.clause(&path));
            }
        }
        for (begin, end) in &problem.keys {
            for version in *begin..*end {
                let w = problem.versions[version as usize].writer;
                for other in (*begin..*end).filter(|other| *other != version) {
                    let b = problem.versions[other as usize].writer;
                    if self.theory.place(layout.commit(b)) < self.theory.place(layout.commit(w)) {
                        continue;
                    }
                    for reader in problem.readers(version).iter().filter(|reader| **reader != b) {
                        if let Some(mut path) = self.theory.path(layout.commit(b), layout.start(*reader)) {
                            path.extend(self.theory.path(layout.commit(w), layout.commit(b)).unwrap_or_default());
                            return Some(self.clause(&path));
                        }
                    }
                }
            }
        }
        None
    }

    fn order(&self) -> Searched {
        let mut nodes: Vec<u32> = (0..self.graph.layout.nodes() as u32).collect();
        nodes.sort_unstable_by_key(|node| self.theory.place(*node));
        Searched::Order(nodes)
    }

    fn none(&self) -> Searched {
        let used = |flags: &[bool]| (0..flags.len()).filter(|at| flags[*at]).collect::<Vec<usize>>();
        Searched::None {
            edges: used(&self.used_edges).into_iter().map(|edge| edge as u32).collect(),
            pairs: used(&self.used_pairs).into_iter().map(|pair| self.pairs[pair]).collect(),
            others: Vec::new(),
        }
    }
}
