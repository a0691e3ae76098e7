//! Reasoning to the end: from who came before whom to what follows, until nothing new follows or there is a contradiction.
//!
//! Two rules. *Before*: a write that comes before a read of another value of its key comes before the write of that value. *After*:
//! an operation that saw a value comes before every write that replaced it; it holds where all processes agree on one order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::clocks::{Clocks, Edges, Graph, Reason};
use super::overwritten::{must_precede, overwritten};
use super::sessions::{INITIAL, NONE};
use super::story::{Argument, Refutation};
use crate::limit::Limit;

/// Which rules are applied.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    /// Whose reads *before* is applied to: one session's, or all.
    pub reader: Option<u32>,
    /// Whether *after* is applied, too.
    pub one_order: bool,
}

/// What followed.
pub(super) enum Saturated {
    /// No contradiction: all edges that follow, (source, target).
    Open(Vec<(u32, u32)>),
    /// A contradiction.
    Broken(Refutation),
}

/// Rounds of reasoning: each costs `O(n k)`. What needs more is undecided.
const ROUNDS: usize = 200;

/// Applies the rules to a graph until nothing new follows. `O(n k)` a round, and few rounds in practice.
///
/// # Errors
/// If memory or rounds do not suffice, or the check is stopped.
pub(super) fn saturate(graph: &Graph<'_>, rules: Rules, limit: &Limit) -> Result<Saturated, Reason> {
    let mut derived = Derived::new(*graph);
    for _ in 0..ROUNDS {
        if let Some(reason) = limit.exceeded() {
            return Err(reason.to_string());
        }
        let edges = derived.as_edges();
        let order = match (Graph { edges: &edges, ..*graph }).order() {
            Ok(order) => order,
            Err(cycle) => return Ok(Saturated::Broken(derived.argue(&Contradiction::Cycle(cycle)))),
        };
        match derived.round(&edges, &order, rules)? {
            Some(contradiction) => return Ok(Saturated::Broken(derived.argue(&contradiction))),
            None if derived.nothing_new() => return Ok(Saturated::Open(derived.pairs())),
            None => {}
        }
    }
    Err(format!("{ROUNDS} rounds of reasoning did not come to an end"))
}

/// *Before* applied once to all reads; then, if `converging`, whether all that is known fits into one order. Returns a contradiction.
///
/// # Errors
/// If memory does not suffice.
pub(super) fn once(graph: &Graph<'_>, converging: bool) -> Result<Option<Refutation>, Reason> {
    let mut derived = Derived::new(*graph);
    let none = Edges::default();
    let order = match (Graph { edges: &none, ..*graph }).order() {
        Ok(order) => order,
        Err(cycle) => return Ok(Some(derived.argue(&Contradiction::Cycle(cycle)))),
    };
    if let Some(contradiction) = derived.round(&none, &order, Rules { reader: None, one_order: false })? {
        return Ok(Some(derived.argue(&contradiction)));
    }
    if !converging {
        return Ok(None);
    }
    let cycle = (Graph { edges: &derived.as_edges(), ..*graph }).order().err();
    Ok(cycle.map(|cycle| derived.argue(&Contradiction::Cycle(cycle))))
}

/// Why there is no order.
pub(super) enum Contradiction {
    /// Each of these is preceded by the next, the last by the first.
    Cycle(Vec<u32>),
    /// `read` saw a value that `over`, which comes before it, had replaced.
    Replaced {
        /// The write.
        over: u32,
        /// What saw the value before it.
        read: u32,
    },
}

/// An edge that a rule gave because of what `read` saw.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    source: u32,
    target: u32,
    read: u32,
}

/// What has been derived from a graph.
pub(super) struct Derived<'a> {
    base: Graph<'a>,
    edges: Vec<Edge>,
    /// How many edges there were before each round.
    rounds: Vec<usize>,
}

impl<'a> Derived<'a> {
    /// Nothing yet. The graph must have no edges of its own.
    pub fn new(base: Graph<'a>) -> Derived<'a> {
        Derived { base, edges: Vec::new(), rounds: Vec::new() }
    }

    fn pairs(&self) -> Vec<(u32, u32)> {
        self.edges.iter().map(|edge| (edge.source, edge.target)).collect()
    }

    fn as_edges(&self) -> Edges {
        Edges::new(&self.pairs(), self.base.sessions.len())
    }

    fn nothing_new(&self) -> bool {
        self.rounds.last() == Some(&self.edges.len())
    }

    /// Applies the rules once to all that is known.
    fn round(&mut self, edges: &Edges, order: &[u32], rules: Rules) -> Result<Option<Contradiction>, Reason> {
        let graph = Graph { edges, ..self.base };
        let clocks = Clocks::of(&graph, order)?;
        let in_scope = |op: u32| rules.reader.is_none_or(|session| graph.sessions.session[op as usize] == session);
        let mut new = Vec::new();
        let contradiction = overwritten(&graph, &clocks, order, in_scope, |read, over| {
            let from = graph.from[read as usize];
            if from == INITIAL || clocks.ordered(from, over) {
                return Some(Contradiction::Replaced { over, read });
            }
            if !clocks.ordered(over, from) {
                new.push(Edge { source: over, target: from, read });
            }
            None
        });
        if rules.one_order && contradiction.is_none() {
            must_precede(&graph, &clocks, order, |read, write| {
                new.push(Edge { source: read, target: write, read });
            });
        }
        new.sort_unstable();
        new.dedup_by_key(|edge| (edge.source, edge.target));
        self.rounds.push(self.edges.len());
        self.edges.extend(new);
        Ok(contradiction)
    }

    /// The contradiction and all that it rests on.
    pub fn argue(&self, contradiction: &Contradiction) -> Refutation {
        let ends = self.ends();
        let all = self.edges.len();
        let mut used: BTreeSet<usize> = BTreeSet::new();
        let mut refutation = match contradiction {
            Contradiction::Cycle(cycle) => {
                let mut path = Vec::new();
                let next = cycle.iter().cycle().skip(1);
                for (late, early) in cycle.iter().zip(next) {
                    let need = Need { early: *early, late: *late, until: all };
                    // The cycle goes backwards.
                    path.splice(0..0, self.path(need, &ends, &mut used));
                }
                path.dedup();
                Refutation::new("a cycle of causes", Argument::cycle(self.corners(path)))
            }
            Contradiction::Replaced { over, read } => {
                let from = self.base.from[*read as usize];
                let back = self.path(Need { early: *over, late: *read, until: all }, &ends, &mut used);
                if from == INITIAL {
                    Refutation::new("a write was not seen", Argument::missed(back))
                } else {
                    let forth = self.path(Need { early: from, late: *over, until: all }, &ends, &mut used);
                    Refutation::new("an overwritten value was read", Argument::stale(forth, back))
                }
            }
        };
        if !used.is_empty() {
            refutation.title = "what was seen cannot be put in order";
        }
        let mut met: BTreeSet<usize> = BTreeSet::new();
        while let Some(edge) = used.pop_last() {
            if met.insert(edge) {
                // Reasons lean on edges of earlier rounds only.
                let argument = self.reason(edge, &ends, &mut used);
                refutation.arguments.insert(0, argument);
            }
        }
        refutation
    }

    /// Without the operations in which a path does nothing but go on in a session.
    fn corners(&self, path: Vec<u32>) -> Vec<u32> {
        let session = |i: usize| self.base.sessions.session[path[i] as usize];
        let inner =
            |i: usize| i > 0 && i + 1 < path.len() && session(i - 1) == session(i) && session(i) == session(i + 1);
        (0..path.len()).filter(|&i| !inner(i)).map(|i| path[i]).collect()
    }

    /// The edges by target.
    fn ends(&self) -> BTreeMap<u32, Vec<usize>> {
        let mut ends: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        self.edges.iter().enumerate().for_each(|(i, edge)| ends.entry(edge.target).or_default().push(i));
        ends
    }

    /// A shortest way from an operation to a later one.
    pub fn way(&self, early: u32, late: u32) -> Vec<u32> {
        self.path(Need { early, late, until: 0 }, &BTreeMap::new(), &mut BTreeSet::new())
    }

    /// A shortest way from an operation to a later one, and the derived edges on it.
    fn path(&self, need: Need, ends: &BTreeMap<u32, Vec<usize>>, used: &mut BTreeSet<usize>) -> Vec<u32> {
        let mut reached: BTreeMap<u32, (u32, Option<usize>)> = BTreeMap::new();
        let mut queue = VecDeque::from([need.late]);
        'search: while let Some(op) = queue.pop_front() {
            let i = op as usize;
            let direct = [self.base.sessions.previous[i], self.base.from[i]].into_iter().filter(|o| *o < INITIAL);
            let derived = ends.get(&op).into_iter().flatten().copied().filter(|edge| *edge < need.until);
            let steps = direct.map(|before| (before, None)).chain(derived.map(|e| (self.edges[e].source, Some(e))));
            for (before, edge) in steps {
                if let std::collections::btree_map::Entry::Vacant(place) = reached.entry(before) {
                    place.insert((op, edge));
                    if before == need.early {
                        break 'search;
                    }
                    queue.push_back(before);
                }
            }
        }
        let mut path = vec![need.early];
        let mut at = need.early;
        while let Some(&(next, edge)) = reached.get(&at) {
            used.extend(edge);
            path.push(next);
            if next == need.late {
                break;
            }
            at = next;
        }
        self.corners(path)
    }

    /// Why a rule gave an edge.
    fn reason(&self, edge: usize, ends: &BTreeMap<u32, Vec<usize>>, used: &mut BTreeSet<usize>) -> Argument {
        let until = self.rounds[self.rounds.partition_point(|start| *start <= edge) - 1];
        let Edge { source, target, read } = self.edges[edge];
        if source != read {
            let path = self.path(Need { early: source, late: read, until }, ends, used);
            return Argument::before(path, target);
        }
        let from = self.base.from[read as usize];
        if from == INITIAL || from == NONE {
            return Argument::before_first(read, target);
        }
        Argument::after(self.path(Need { early: from, late: target, until }, ends, used), read)
    }
}

/// That one operation comes before another, by the first so many edges.
#[derive(Clone, Copy)]
struct Need {
    early: u32,
    late: u32,
    until: usize,
}
