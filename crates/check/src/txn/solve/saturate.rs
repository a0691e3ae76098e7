//! Saturation: orders of versions that every solution has, until nothing follows any more or a cycle shows that there is no solution.
//!
//! For a version `w` of a key, its reader `r`, and another writer `b` of that key:
//! - if `b` is in the past of `r`, then `b` was overwritten by `w`: `b -> w`;
//! - if `w` cannot come after `b`, then `w -> b`, and `b` overwrote what `r` had read: `r -> b`.
//!
//! In every chain of transactions it is enough to look at the last `b` before, and at the first `b` after: found by binary search, so a round
//! costs versions times chains, not pairs of versions. This is the pruning of PolySI (Huang et al. 2023) without its n² matrix.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};

use super::clocks::{Chains, Clocks};
use super::form::{Form, Layout};
use super::problem::Problem;
use super::rules::{NOBODY, Rules};
use crate::limit::Limit;
use crate::txn::graph::{Adjacency, Edge, EdgeKind, components};

/// Numbers in the clocks, at most: 1 GB.
const CLOCKS: usize = 1 << 28;
/// Rounds, at most.
const ROUNDS: usize = 1000;
/// Edges from which a shortest cycle is searched in each part of the graph that has one, and parts that are looked at.
const ROOTS: usize = 32;
const PARTS: usize = 256;

/// Why an edge must be there.
#[derive(Clone, Copy, Debug)]
pub struct Reason {
    /// Of `b -> w`: the reader of `w` whose past has `b`. Of an anti-dependency: who wrote what was read. Else nobody.
    pub via: u32,
    /// How many edges were there when it was derived: they prove it.
    pub horizon: u32,
}

/// A graph of one form that grows by what follows from it.
pub struct Graph<'a> {
    /// What it is of.
    pub problem: &'a Problem,
    /// Its nodes.
    pub layout: Layout,
    /// Its edges between transactions: the known ones, then those that follow.
    pub edges: Vec<Edge>,
    /// Of *parallel*: anti-dependencies that no path may go back.
    pub barred: Vec<Edge>,
    /// How many edges were known from the beginning.
    pub known: usize,
    /// Why the further ones are there.
    pub reasons: Vec<Reason>,
}

/// Edges that contradict each other: the places of a closed walk's edges.
#[derive(Clone, Debug)]
pub struct Contradiction {
    /// The walk.
    pub walk: Vec<u32>,
    /// Of *parallel*: the anti-dependency that closes it.
    pub closing: Option<Edge>,
    /// Edges of further contradictions.
    pub others: Vec<u32>,
}

impl Contradiction {
    /// The pairs of transactions that it closes with.
    pub fn pairs(&self) -> Vec<(u32, u32)> {
        self.closing.iter().map(|edge| (edge.from, edge.to)).collect()
    }
}

/// What saturation left.
pub enum Saturated {
    /// There is no solution.
    Contradiction(Contradiction),
    /// These pairs of versions of a key are open (places in [`Problem::versions`]).
    Open(Vec<(u32, u32)>),
    /// Too large, or stopped.
    GaveUp(String),
}

impl<'a> Graph<'a> {
    /// With what is known.
    pub fn new(problem: &'a Problem, form: Form) -> Graph<'a> {
        let layout = Layout { form, count: problem.count, instants: problem.instants };
        let (edges, barred): (Vec<Edge>, Vec<Edge>) = problem.edges.iter().partition(|edge| layout.has(edge));
        Graph { problem, layout, known: edges.len(), edges, barred, reasons: Vec::new() }
    }

    /// Takes an order of two versions for known. Nothing was derived yet.
    pub fn suppose(&mut self, order: Edge) {
        self.edges.push(order);
        self.known += 1;
    }

    /// Adds what follows, round by round.
    pub fn saturate(&mut self, limit: &Limit) -> Saturated {
        let graph = self.adjacency(self.edges.len());
        let order = self.topological(&graph);
        if order.len() < self.layout.nodes() {
            return Saturated::Contradiction(self.cycle(&graph));
        }
        let starts =
            order.iter().filter(|node| self.layout.transaction(**node).is_some_and(|t| self.layout.start(t) == **node));
        let chains = Chains::new(self.problem, starts.map(|node| node / self.layout.width()));
        let numbers = self.layout.nodes() * chains.count as usize;
        if numbers > CLOCKS || !limit.reserve(numbers as u64 * 4) {
            return Saturated::GaveUp(format!(
                "{} transactions have {} chains",
                self.problem.members.len(),
                chains.count
            ));
        }
        let rules = Rules::new(self.problem, self.layout, &chains);
        let (mut graph, mut order, mut before) = (graph, order, None);
        for _ in 0..ROUNDS {
            if let Some(reason) = limit.exceeded() {
                return Saturated::GaveUp(reason.to_string());
            }
            let clocks = Clocks::new(&chains, self.layout, &graph, &order);
            let derived = match rules.derive(&clocks, before.as_ref(), &self.barred) {
                Ok(derived) => derived,
                Err(missed) => return Saturated::Contradiction(self.skew(&graph, missed)),
            };
            if derived.is_empty() {
                return Saturated::Open(rules.open(&clocks));
            }
            let horizon = self.edges.len() as u32;
            for (edge, via) in derived {
                self.edges.push(edge);
                self.reasons.push(Reason { via, horizon });
            }
            graph = self.adjacency(self.edges.len());
            order = self.topological(&graph);
            if order.len() < self.layout.nodes() {
                return Saturated::Contradiction(self.cycle(&graph));
            }
            before = Some(clocks);
        }
        Saturated::GaveUp(format!("orders still followed from each other after {ROUNDS} rounds"))
    }

    /// Successors by the first edges, and from every start to its commit: these have places beyond those of the edges.
    pub fn adjacency(&self, edges: usize) -> Adjacency {
        let split = if self.layout.form.split() { self.layout.count } else { 0 };
        let inside = (0..split).map(|t| (self.layout.start(t), self.layout.commit(t)));
        let ends = self.edges[..edges].iter().map(|edge| self.layout.ends(edge));
        Adjacency::new(self.layout.nodes(), ends.chain(inside))
    }

    /// The nodes in an order that keeps the edges; those behind a cycle are left out.
    fn topological(&self, graph: &Adjacency) -> Vec<u32> {
        let nodes = self.layout.nodes() as u32;
        let mut waits = vec![0u32; nodes as usize];
        let places = |node| graph.range(node).map(|at| graph.at(at).0);
        (0..nodes).flat_map(places).for_each(|to| waits[to as usize] += 1);
        let mut order: Vec<u32> = (0..nodes).filter(|node| waits[*node as usize] == 0).collect();
        let mut next = 0;
        while let Some(node) = order.get(next).copied() {
            next += 1;
            for to in places(node) {
                waits[to as usize] -= 1;
                if waits[to as usize] == 0 {
                    order.push(to);
                }
            }
        }
        order
    }

    /// The place of every node in an order that keeps the edges and, as far as they let it, time.
    pub fn places(&self, graph: &Adjacency) -> Vec<u32> {
        let nodes = self.layout.nodes() as u32;
        let mut waits = vec![0u32; nodes as usize];
        let targets = |node| graph.range(node).map(|at| graph.at(at).0);
        (0..nodes).flat_map(targets).for_each(|to| waits[to as usize] += 1);
        let time = |node: u32| match self.layout.transaction(node) {
            Some(t) => self.problem.time.get(t as usize).copied().unwrap_or(0),
            None => 0,
        };
        let ready = (0..nodes).filter(|node| waits[*node as usize] == 0);
        let mut ready: BinaryHeap<Reverse<(u64, u32)>> = ready.map(|node| Reverse((time(node), node))).collect();
        let (mut places, mut next) = (vec![0; nodes as usize], 0);
        while let Some(Reverse((_, node))) = ready.pop() {
            places[node as usize] = next;
            next += 1;
            for to in targets(node) {
                waits[to as usize] -= 1;
                if waits[to as usize] == 0 {
                    ready.push(Reverse((time(to), to)));
                }
            }
        }
        places
    }

    /// Some edges and all that prove them, each with the path that it follows from: empty if it was known.
    pub fn proof(&self, edges: Vec<u32>) -> BTreeMap<u32, Vec<u32>> {
        let mut graphs: BTreeMap<u32, Adjacency> = BTreeMap::new();
        let mut proof = BTreeMap::new();
        let mut left = edges;
        while let Some(edge) = left.pop() {
            if proof.contains_key(&edge) {
                continue;
            }
            let mut way = Vec::new();
            // That the root precedes everything needs no proof.
            if let Some(reason) = self.reason(edge).filter(|reason| reason.via != self.problem.root()) {
                let graph = graphs.entry(reason.horizon).or_insert_with(|| self.adjacency(reason.horizon as usize));
                let (begin, end) = self.ground(&self.edges[edge as usize], reason.via);
                way = path(graph, begin, end).unwrap_or_default();
                way.retain(|edge| (*edge as usize) < self.edges.len());
            }
            left.extend(&way);
            proof.insert(edge, way);
        }
        proof
    }

    /// Why an edge is there; `None` if it was known.
    pub fn reason(&self, edge: u32) -> Option<Reason> {
        (edge as usize).checked_sub(self.known).map(|at| self.reasons[at])
    }

    /// The transactions (their numbers in the history) of some edges and pairs, and of the edges that prove those.
    pub fn transactions(&self, edges: Vec<u32>, pairs: Vec<(u32, u32)>) -> Vec<u32> {
        let mut found: Vec<u32> = pairs.into_iter().flat_map(|(a, b)| [a, b]).collect();
        for edge in self.proof(edges).keys() {
            let Edge { from, to, .. } = self.edges[*edge as usize];
            found.extend([from, to]);
            found.extend(self.reason(*edge).map(|reason| reason.via));
        }
        found.retain(|t| *t < self.problem.root());
        found.sort_unstable();
        found.dedup();
        found.iter().map(|t| self.problem.members[*t as usize]).collect()
    }

    /// Whether some edges, or what proves them, are of the order of a process.
    pub fn blames_sessions(&self, edges: Vec<u32>) -> bool {
        self.proof(edges).keys().any(|edge| self.is_session(&self.edges[*edge as usize]))
    }

    /// The edges of the order of processes at the transactions of some edges and of what proves them.
    pub fn sessions_near(&self, edges: impl Iterator<Item = u32>) -> Vec<(u32, u32)> {
        let mut near = vec![false; self.layout.count as usize + self.layout.instants as usize];
        for edge in self.proof(edges.collect()).keys() {
            let Edge { from, to, .. } = self.edges[*edge as usize];
            (near[from as usize], near[to as usize]) = (true, true);
        }
        let sessions = self.edges[..self.known].iter().filter(|edge| self.is_session(edge));
        sessions.filter(|edge| near[edge.from as usize] || near[edge.to as usize]).map(|e| (e.from, e.to)).collect()
    }

    fn is_session(&self, edge: &Edge) -> bool {
        edge.kind() == EdgeKind::So && edge.from != self.problem.root()
    }

    /// Between which nodes there is a path that proves an edge.
    fn ground(&self, edge: &Edge, via: u32) -> (u32, u32) {
        let layout = &self.layout;
        match edge.kind() {
            EdgeKind::Rw => (layout.head(via), layout.commit(edge.to)),
            _ if via == NOBODY => (layout.head(edge.from), layout.commit(edge.to)),
            _ => (layout.commit(edge.from), layout.start(via)),
        }
    }

    /// The way back from an anti-dependency's writer to its reader, which it closes.
    fn skew(&self, graph: &Adjacency, closing: Edge) -> Contradiction {
        let way = path(graph, self.layout.commit(closing.to), self.layout.start(closing.from));
        Contradiction { walk: way.unwrap_or_default(), closing: Some(closing), others: Vec::new() }
    }

    /// A short cycle, known to be there; and of every other part that has one, the edges of one too.
    fn cycle(&self, graph: &Adjacency) -> Contradiction {
        let component = components(graph);
        let part = |edge: &u32| {
            let (from, to) = self.layout.ends(&self.edges[*edge as usize]);
            let (from, to) = (component[from as usize], component[to as usize]);
            (from == to).then_some(from)
        };
        let mut inside: Vec<(u32, u32)> =
            (0..self.edges.len() as u32).filter_map(|edge| part(&edge).map(|part| (part, edge))).collect();
        inside.sort_unstable();
        let shortest = |edges: &[(u32, u32)]| {
            let roots = edges.iter().step_by(edges.len().div_ceil(ROOTS)).map(|(part, edge)| {
                let (_, to) = self.layout.ends(&self.edges[*edge as usize]);
                path_inside(graph, to, to, |node| component[node as usize] == *part)
            });
            roots.flatten().min_by_key(Vec::len)
        };
        let walks = inside.chunk_by(|a, b| a.0 == b.0).take(PARTS).filter_map(shortest);
        let mut walks: Vec<Vec<u32>> = walks.collect();
        walks.iter_mut().for_each(|walk| walk.retain(|edge| (*edge as usize) < self.edges.len()));
        walks.sort_by_key(Vec::len);
        let others = walks.iter().skip(1).flatten().copied().collect();
        Contradiction { walk: walks.into_iter().next().unwrap_or_default(), closing: None, others }
    }
}

/// The edges of a shortest walk of at least one edge.
pub fn path(graph: &Adjacency, from: u32, to: u32) -> Option<Vec<u32>> {
    path_inside(graph, from, to, |_| true)
}

fn path_inside(graph: &Adjacency, from: u32, to: u32, inside: impl Fn(u32) -> bool) -> Option<Vec<u32>> {
    let mut came: HashMap<u32, (u32, u32)> = HashMap::new();
    let mut queue = VecDeque::from([from]);
    while let Some(node) = queue.pop_front() {
        for (target, edge) in graph.range(node).map(|at| graph.at(at)) {
            if !inside(target) || came.contains_key(&target) {
                continue;
            }
            came.insert(target, (node, edge));
            if target == to {
                let (mut path, mut at) = (Vec::new(), to);
                loop {
                    let (before, edge) = came[&at];
                    path.push(edge);
                    at = before;
                    if at == from {
                        path.reverse();
                        return Some(path);
                    }
                }
            }
            queue.push_back(target);
        }
    }
    None
}
