//! Cycles of dependencies by class, and the shortest of each as a witness.
//!
//! A class is a small automaton over the kinds of edges. Whether a cycle of the class exists is a question of strongly connected
//! components in the product of graph and automaton, which is linear; the shortest is then searched from a bounded number of edges
//! of that component. Only "exactly one anti-dependency" needs a search per anti-dependency, under a budget.

use std::collections::VecDeque;

use history::txn::{NEVER, Transactions};

use super::anomaly::{Class, Variant};
use super::graph::{Adjacency, Edge, EdgeKind, components};
use super::{statements, updates};
use crate::limit::Limit;

/// Edges looked at in searches of one class before giving up.
const BUDGET: usize = 30_000_000;

/// What is looked for.
const CLASSES: [Class; 9] = [
    Class::G0,
    Class::G1c,
    Class::PrefixCycle,
    Class::GSingle,
    Class::GNonadjacent,
    Class::G2Item,
    Class::GMonotonic,
    Class::GMsr,
    Class::GUpdate,
];

/// The part of the graph that has no order: transactions and, between them, real time as a chain of instants.
pub struct Core {
    /// The transaction of a node; nodes beyond are instants.
    transactions: Vec<u32>,
    nodes: usize,
    edges: Vec<Edge>,
}

/// A cycle that was found.
pub struct Found {
    /// Its class.
    pub class: Class,
    /// The order it needs.
    pub variant: Variant,
    /// Its edges between transactions.
    pub cycle: Vec<Edge>,
}

/// What the cycles of a core say.
#[derive(Default)]
pub struct Cycles {
    /// One witness per class and variant; none for a variant if a smaller one has it.
    pub found: Vec<Found>,
    /// Classes that were not decided within the budget.
    pub undecided: Vec<(Class, Variant)>,
    /// The transactions that have no order, ascending, and the strongly connected component of each: cycles are inside one.
    pub components: Vec<(u32, u32)>,
}

/// Every class of cycle in what `order` could not place.
///
/// Stops early when the limit says so: then what was not found is not known to be absent.
pub fn cycles(transactions: &Transactions, live: &[bool], placed: &[bool], edges: &[Edge], limit: &Limit) -> Cycles {
    let core = Core::new(transactions, live, placed, edges);
    let mut cycles = Cycles::default();
    for variant in Variant::ALL {
        if variant == Variant::Realtime && !transactions.timed {
            break;
        }
        core.search(transactions, variant, &mut cycles, limit);
    }
    let all = Part::of(core.nodes, core.transactions.len(), core.edges);
    cycles.components = core.transactions.into_iter().zip(components(&all.adjacency)).collect();
    cycles
}

/// A shortest cycle of any kind that a bounded search finds, among edges inside strongly connected components.
pub fn shortest_cycle(count: usize, edges: Vec<Edge>) -> Option<Vec<Edge>> {
    let part = Part::of(count, count, edges);
    [EdgeKind::Ww, EdgeKind::Wr].into_iter().find_map(|needs| part.shortest_with(needs))
}

/// A shortest way between two nodes; empty if there is none.
pub fn shortest_way(count: usize, edges: Vec<Edge>, from: u32, to: u32) -> Vec<Edge> {
    let part = Part::of(count, count, edges);
    let way = Search::new(count).path(&part, 1, from, to, u32::MAX, |_, _| Some(0));
    way.unwrap_or_default().into_iter().map(|edge| part.edges[edge as usize]).collect()
}

impl Core {
    fn new(transactions: &Transactions, live: &[bool], placed: &[bool], edges: &[Edge]) -> Core {
        const NONE: u32 = u32::MAX;
        let members: Vec<u32> =
            (0..transactions.len() as u32).filter(|t| live[*t as usize] && !placed[*t as usize]).collect();
        let mut number = vec![NONE; transactions.len()];
        members.iter().enumerate().for_each(|(node, t)| number[*t as usize] = node as u32);
        let inside = |edge: &Edge| {
            let (from, to) = (number[edge.from as usize], number[edge.to as usize]);
            (from != NONE && to != NONE).then(|| edge.between(from, to))
        };
        let mut core =
            Core { nodes: members.len(), edges: edges.iter().filter_map(inside).collect(), transactions: members };
        core.session_order(transactions);
        if transactions.timed {
            core.real_time(transactions);
        }
        core
    }

    fn session_order(&mut self, transactions: &Transactions) {
        let mut last = std::collections::BTreeMap::new();
        for (node, t) in self.transactions.iter().enumerate() {
            let process = transactions.process[*t as usize];
            if let Some(before) = last.get(&process) {
                self.edges.push(Edge::new(EdgeKind::So, *before, node as u32, 0));
            }
            if transactions.outcome[*t as usize] == history::Outcome::Ok {
                last.insert(process, node as u32);
            }
        }
    }

    /// Real time: a chain of instants, one per completion. A transaction leads to the instant of its completion, the last
    /// instant before an invocation leads to its transaction.
    fn real_time(&mut self, transactions: &Transactions) {
        let mut events: Vec<(u32, bool, u32)> = Vec::with_capacity(self.transactions.len() * 2);
        for (node, t) in self.transactions.iter().enumerate() {
            events.push((transactions.invoked[*t as usize], false, node as u32));
            if transactions.completed[*t as usize] != NEVER {
                events.push((transactions.completed[*t as usize], true, node as u32));
            }
        }
        events.sort_unstable();
        let mut instant = None;
        for (_, completion, node) in events {
            let rt = |from, to| Edge::new(EdgeKind::Rt, from, to, 0);
            if completion {
                let next = self.nodes as u32;
                self.nodes += 1;
                self.edges.extend(instant.map(|last| rt(last, next)));
                self.edges.push(rt(node, next));
                instant = Some(next);
            } else {
                self.edges.extend(instant.map(|last| rt(last, node)));
            }
        }
    }

    fn search(&self, transactions: &Transactions, variant: Variant, cycles: &mut Cycles, limit: &Limit) {
        if limit.exceeded().is_some() {
            cycles.undecided.extend(CLASSES.iter().map(|class| (*class, variant)));
            return;
        }
        let graph = Part::new(self, variant);
        for class in [Class::G0, Class::G1c] {
            self.look(&graph, class, variant, &automaton(class), cycles);
        }
        if variant == Variant::Process {
            self.look(&graph, Class::PrefixCycle, variant, &automaton(Class::PrefixCycle), cycles);
        }
        let known = |cycles: &Cycles, class| cycles.found.iter().any(|found| found.class == class);
        if !known(cycles, Class::GSingle) {
            match graph.read_skew() {
                Ok(Some(cycle)) => {
                    cycles.found.push(Found { class: Class::GSingle, variant, cycle: self.tell(&cycle) })
                }
                Ok(None) => {}
                Err(OutOfBudget) => cycles.undecided.push((Class::GSingle, variant)),
            }
        }
        // Where read skew exists, a long fork beside it changes no level; it is looked for where there is none.
        if !known(cycles, Class::GSingle) {
            self.look(&graph, Class::GNonadjacent, variant, &automaton(Class::GNonadjacent), cycles);
        }
        self.look(&graph, Class::G2Item, variant, &automaton(Class::G2Item), cycles);
        if variant == Variant::Plain {
            self.look_inside(transactions, &graph, cycles);
        }
    }

    /// Classes that need more than the edges between transactions: their statements, and which of them write.
    fn look_inside(&self, transactions: &Transactions, graph: &Part, cycles: &mut Cycles) {
        // Transactions on cycles, and the edges between those of one component.
        let component = components(&graph.adjacency);
        let inside = |edge: &&Edge| component[edge.from as usize] == component[edge.to as usize];
        let mut number = vec![u32::MAX; graph.nodes];
        let mut members = Vec::new();
        let mut edges = Vec::new();
        for edge in graph.edges.iter().filter(inside) {
            let mut member = |node: u32| {
                if number[node as usize] == u32::MAX {
                    number[node as usize] = members.len() as u32;
                    members.push(self.transactions[node as usize]);
                }
                number[node as usize]
            };
            edges.push(edge.between(member(edge.from), member(edge.to)));
        }
        for looked in [
            statements::monotonic_view(transactions, &members, &edges),
            statements::monotonic_snapshot(transactions, &members, &edges),
            updates::update_serializable(transactions, &members, &edges),
        ] {
            match looked {
                Ok(found) => cycles.found.extend(found),
                Err(class) => cycles.undecided.push((class, Variant::Plain)),
            }
        }
    }

    fn look(&self, graph: &Part, class: Class, variant: Variant, automaton: &Automaton, cycles: &mut Cycles) {
        if cycles.found.iter().any(|found| found.class == class) {
            return;
        }
        if let Some(cycle) = graph.shortest(automaton) {
            let cycle = self.tell(&cycle);
            let anti = cycle.iter().filter(|edge| edge.kind() == EdgeKind::Rw).count();
            match class {
                // The shortest cycle of any edges is of a class that was reported already.
                Class::G2Item if !adjacent_rw(&cycle) => {}
                Class::GNonadjacent if anti == 1 => cycles.found.push(Found { class: Class::GSingle, variant, cycle }),
                _ => cycles.found.push(Found { class, variant, cycle }),
            }
        }
    }

    /// The edges between transactions: a walk along instants is one real-time edge.
    fn tell(&self, cycle: &[Edge]) -> Vec<Edge> {
        let count = self.transactions.len() as u32;
        let begin = cycle.iter().position(|edge| edge.from < count).unwrap_or(0);
        let mut told: Vec<Edge> = Vec::new();
        let mut left = None;
        for edge in cycle[begin..].iter().chain(&cycle[..begin]) {
            let from = left.take().unwrap_or(edge.from);
            if edge.to >= count {
                left = Some(from);
            } else {
                told.push(edge.between(self.transactions[from as usize], self.transactions[edge.to as usize]));
            }
        }
        told
    }
}

fn adjacent_rw(cycle: &[Edge]) -> bool {
    let rw = |at: usize| cycle[at % cycle.len()].kind() == EdgeKind::Rw;
    cycle.len() > 1 && (0..cycle.len()).any(|at| rw(at) && rw(at + 1))
}

/// Which walks belong to a class: states, the steps between them, and the kind of edge that must occur.
struct Automaton {
    states: u32,
    step: fn(u32, EdgeKind) -> Option<u32>,
    needs: EdgeKind,
}

fn automaton(class: Class) -> Automaton {
    use EdgeKind::{Rt, Rw, So, Wr, Ww};
    match class {
        Class::G0 => Automaton { states: 1, step: |_, kind| (!matches!(kind, Wr | Rw)).then_some(0), needs: Ww },
        Class::G1c => Automaton { states: 1, step: |_, kind| (kind != Rw).then_some(0), needs: Wr },
        // The state says whether the last edge was an anti-dependency.
        Class::GNonadjacent => Automaton {
            states: 2,
            step: |state, kind| match (state, kind) {
                (0, Rw) => Some(1),
                (_, Rw) => None,
                _ => Some(0),
            },
            needs: Rw,
        },
        // The state says whether the last edge was a read or the order of a process.
        Class::PrefixCycle => Automaton {
            states: 2,
            step: |state, kind| match (state, kind) {
                (_, Wr | So | Rt) => Some(1),
                (_, Ww) => Some(0),
                (1, Rw) => Some(0),
                _ => None,
            },
            needs: Rw,
        },
        _ => Automaton { states: 1, step: |_, _| Some(0), needs: Rw },
    }
}

/// A graph in which cycles are searched.
pub struct Part {
    nodes: usize,
    /// Nodes from here on are instants, or statements: leaving one by the order of time or of a process is free.
    instants: u32,
    edges: Vec<Edge>,
    adjacency: Adjacency,
}

/// A search took more than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfBudget;

impl Part {
    fn new(core: &Core, variant: Variant) -> Part {
        let edges: Vec<Edge> = core.edges.iter().copied().filter(|edge| variant.has(edge.kind())).collect();
        Part::of(core.nodes, core.transactions.len(), edges)
    }

    /// Nodes, how many of them are transactions, and edges.
    pub fn of(nodes: usize, transactions: usize, edges: Vec<Edge>) -> Part {
        let adjacency = Adjacency::new(nodes, edges.iter().map(|edge| (edge.from, edge.to)));
        Part { nodes, instants: transactions as u32, edges, adjacency }
    }

    fn is_free(&self, edge: &Edge) -> bool {
        edge.from >= self.instants && matches!(edge.kind(), EdgeKind::Rt | EdgeKind::So)
    }

    /// What makes one walk a worse witness than another: edges between transactions, real time counted once however many instants it
    /// passes; then keys.
    fn cost(&self, cycle: &[Edge]) -> (u32, usize) {
        let mut keys: Vec<u32> = cycle
            .iter()
            .filter(|edge| !matches!(edge.kind(), EdgeKind::Rt | EdgeKind::So))
            .map(|edge| edge.key())
            .collect();
        keys.sort_unstable();
        keys.dedup();
        (cycle.iter().filter(|edge| !self.is_free(edge)).count() as u32, keys.len())
    }

    /// The shortest cycle with an edge of some kind.
    pub fn shortest_with(&self, needs: EdgeKind) -> Option<Vec<Edge>> {
        self.shortest(&Automaton { states: 1, step: |_, _| Some(0), needs })
    }

    /// The shortest closed walk of a class that a bounded search finds; `None` only if there is none.
    fn shortest(&self, automaton: &Automaton) -> Option<Vec<Edge>> {
        let states = automaton.states;
        let product: Vec<(u32, u32)> = (self.edges.iter())
            .flat_map(|edge| (0..states).map(move |state| (edge, state)))
            .filter_map(|(edge, state)| {
                (automaton.step)(state, edge.kind()).map(|next| (edge.from * states + state, edge.to * states + next))
            })
            .collect();
        let component = components(&Adjacency::new(self.nodes * states as usize, product.iter().copied()));
        let inside = |edge: &Edge, state: u32| {
            let next = (automaton.step)(state, edge.kind())?;
            let (from, to) = (edge.from * states + state, edge.to * states + next);
            (component[from as usize] == component[to as usize]).then_some((from, to))
        };
        let roots: Vec<(u32, u32, u32)> = (0..self.edges.len() as u32)
            .filter(|edge| self.edges[*edge as usize].kind() == automaton.needs)
            .flat_map(|edge| (0..states).map(move |state| (edge, state)))
            .filter_map(|(edge, state)| inside(&self.edges[edge as usize], state).map(|(from, to)| (from, to, edge)))
            .collect();
        let mut search = Search::new(self.nodes * states as usize);
        let mut best: Option<Vec<Edge>> = None;
        for (from, to, root) in roots {
            // One more: another as short may be of fewer keys.
            let limit = best.as_ref().map_or(u32::MAX, |best| self.cost(best).0 + 1);
            let step = |edge: &Edge, state: u32| inside(edge, state).map(|(_, to)| to % states);
            if let Some(path) = search.path(self, states, to, from, limit, step) {
                let cycle: Vec<Edge> =
                    std::iter::once(root).chain(path).map(|edge| self.edges[edge as usize]).collect();
                if best.as_ref().is_none_or(|best| self.cost(&cycle) < self.cost(best)) {
                    best = Some(cycle);
                }
            }
            if search.spent > BUDGET && best.is_some() {
                break;
            }
        }
        best
    }

    /// The shortest cycle with exactly one anti-dependency: for each, a way back without another.
    pub fn read_skew(&self) -> Result<Option<Vec<Edge>>, OutOfBudget> {
        self.detour(|edge| edge.kind() == EdgeKind::Rw, |edge| edge.kind() != EdgeKind::Rw)
    }

    /// The shortest cycle of an edge that may begin one and others that may lead back.
    pub fn detour(
        &self,
        begins: impl Fn(&Edge) -> bool,
        leads: impl Fn(&Edge) -> bool,
    ) -> Result<Option<Vec<Edge>>, OutOfBudget> {
        let all = components(&self.adjacency);
        let back = self.edges.iter().filter(|edge| leads(edge)).map(|edge| (edge.from, edge.to));
        // A way back leads to components of smaller or equal number.
        let rank = components(&Adjacency::new(self.nodes, back));
        let candidate = |edge: &Edge| {
            begins(edge)
                && all[edge.from as usize] == all[edge.to as usize]
                && rank[edge.to as usize] >= rank[edge.from as usize]
        };
        let mut search = Search::new(self.nodes);
        let mut best: Option<Vec<Edge>> = None;
        for (at, root) in self.edges.iter().enumerate().filter(|(_, edge)| candidate(edge)) {
            let limit = best.as_ref().map_or(u32::MAX, |best| self.cost(best).0 + 1);
            let step = |edge: &Edge, _| {
                (leads(edge)
                    && rank[edge.to as usize] >= rank[root.from as usize]
                    && all[edge.to as usize] == all[root.from as usize])
                    .then_some(0)
            };
            if let Some(path) = search.path(self, 1, root.to, root.from, limit, step) {
                let cycle: Vec<Edge> =
                    std::iter::once(at as u32).chain(path).map(|edge| self.edges[edge as usize]).collect();
                if best.as_ref().is_none_or(|best| self.cost(&cycle) < self.cost(best)) {
                    best = Some(cycle);
                }
            }
            if search.spent > BUDGET {
                return best.map(Some).ok_or(OutOfBudget);
            }
        }
        Ok(best)
    }
}

/// Breadth-first searches (steps cost 0 or 1) that share their memory.
struct Search {
    reached: Vec<Reached>,
    run: u32,
    spent: usize,
    queue: VecDeque<(u32, u32)>,
}

/// In which search a node was last reached, at what cost, from where, and by which edge.
#[derive(Clone, Copy, Default)]
struct Reached {
    run: u32,
    cost: u32,
    from: u32,
    edge: u32,
}

impl Search {
    fn new(nodes: usize) -> Search {
        Search { reached: vec![Reached::default(); nodes], run: 0, spent: 0, queue: VecDeque::new() }
    }

    /// The edges of a shortest path in the product graph; with the edge that closes it, shorter than `limit`.
    fn path(
        &mut self,
        part: &Part,
        states: u32,
        from: u32,
        to: u32,
        limit: u32,
        step: impl Fn(&Edge, u32) -> Option<u32>,
    ) -> Option<Vec<u32>> {
        self.run += 1;
        self.queue.clear();
        self.queue.push_back((from, 0));
        self.reached[from as usize] = Reached { run: self.run, cost: 0, from, edge: u32::MAX };
        while let Some((node, cost)) = self.queue.pop_front() {
            if node == to {
                return Some(self.trace(from, to));
            }
            if cost.saturating_add(1) >= limit || cost > self.reached[node as usize].cost {
                continue;
            }
            for place in part.adjacency.range(node / states) {
                let (target, edge) = part.adjacency.at(place);
                self.spent += 1;
                let Some(state) = step(&part.edges[edge as usize], node % states) else { continue };
                let (target, free) = (target * states + state, part.is_free(&part.edges[edge as usize]));
                let cost = cost + u32::from(!free);
                let reached = &mut self.reached[target as usize];
                if reached.run != self.run || cost < reached.cost {
                    *reached = Reached { run: self.run, cost, from: node, edge };
                    if free { self.queue.push_front((target, cost)) } else { self.queue.push_back((target, cost)) }
                }
            }
        }
        None
    }

    fn trace(&self, from: u32, mut to: u32) -> Vec<u32> {
        let mut path = Vec::new();
        while to != from {
            let reached = self.reached[to as usize];
            path.push(reached.edge);
            to = reached.from;
        }
        path.reverse();
        path
    }
}
