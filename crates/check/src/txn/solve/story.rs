//! Why some transactions have no order, in sentences: what follows from what, case by case where two orders of versions are possible, until
//! each case ends in a cycle.

use history::txn::Transactions;

use super::Effort;
use super::form::Form;
use super::problem::{Data, Problem};
use super::rules::NOBODY;
use super::saturate::{Contradiction, Graph, Saturated};
use crate::txn::anomaly::{TxnAnomaly, Variant};
use crate::txn::explain::{reason, show_transaction};
use crate::txn::graph::{Edge, EdgeKind};

/// Sentences, at most: a story that needs more is cut short.
const LINES: usize = 60;
/// Pairs that are tried for the shortest distinction of cases.
const TRIED: usize = 40;

/// The witness of transactions that have no order by themselves. Its cycle is that of the last case.
pub fn story(transactions: &Transactions, data: &Data, form: Form, variant: Variant, effort: &Effort) -> TxnAnomaly {
    let problem = Problem::new(transactions, data, variant);
    let mut teller = Teller { transactions, problem: &problem, form, effort, story: Vec::new(), cycle: Vec::new() };
    teller.story = data.members.iter().map(|t| show_transaction(transactions, *t)).collect();
    teller.tell(&[]);
    if teller.story.len() > LINES {
        teller.story.truncate(LINES);
        teller.story.push("... and so on: every order of versions ends in a cycle".to_string());
    }
    let mut members: Vec<u32> = teller.cycle.iter().map(|edge| edge.from).collect();
    let others: Vec<u32> = data.members.iter().copied().filter(|t| !members.contains(t)).collect();
    members.extend(others);
    TxnAnomaly { class: form.class(), variant, story: teller.story, transactions: members, cycle: teller.cycle }
}

struct Teller<'a> {
    transactions: &'a Transactions,
    problem: &'a Problem,
    form: Form,
    effort: &'a Effort,
    story: Vec<String>,
    cycle: Vec<Edge>,
}

impl<'a> Teller<'a> {
    /// Why there is no order if these orders of versions are supposed.
    fn tell(&mut self, supposed: &[Edge]) {
        let (graph, saturated) = self.saturated(supposed);
        match saturated {
            Saturated::Contradiction(found) => self.contradiction(&graph, &found, supposed.len()),
            Saturated::Open(open) if self.story.len() <= LINES => self.cases(supposed, &open),
            _ => {}
        }
    }

    fn saturated(&self, supposed: &[Edge]) -> (Graph<'a>, Saturated) {
        let mut graph = Graph::new(self.problem, self.form);
        supposed.iter().for_each(|edge| graph.suppose(*edge));
        let saturated = graph.saturate(&self.effort.limit);
        (graph, saturated)
    }

    /// Either order of two versions: of a pair that ends the matter one way or, better, both.
    fn cases(&mut self, supposed: &[Edge], open: &[(u32, u32)]) {
        let with = |edge: Edge| supposed.iter().copied().chain([edge]).collect::<Vec<Edge>>();
        let closes = |edge| matches!(self.saturated(&with(edge)).1, Saturated::Contradiction(_));
        let best = open
            .iter()
            .take(TRIED)
            .map(|pair| self.both(*pair))
            .max_by_key(|[one, other]| usize::from(closes(*one)) + usize::from(closes(*other)));
        let Some([one, other]) = best else { return };
        // The case that ends at once is told first.
        let (one, other) = if closes(other) && !closes(one) { (other, one) } else { (one, other) };
        for (word, edge) in [("Suppose", one), ("Suppose instead", other)] {
            let (from, to) = (self.name(edge.from), self.name(edge.to));
            let key = &self.transactions.keys[edge.key() as usize];
            let indent = "  ".repeat(supposed.len());
            self.story.push(format!("{indent}{word} that {key} had the version of {from} before that of {to}:"));
            self.tell(&with(edge));
        }
    }

    fn both(&self, (a, b): (u32, u32)) -> [Edge; 2] {
        let version = |at: u32| self.problem.versions[at as usize];
        let (key, a, b) = (version(a).key, version(a).writer, version(b).writer);
        [Edge::new(EdgeKind::Ww, a, b, key), Edge::new(EdgeKind::Ww, b, a, key)]
    }

    /// What follows, in the order in which it does, and the cycle that it ends in.
    fn contradiction(&mut self, graph: &Graph, found: &Contradiction, depth: usize) {
        let indent = "  ".repeat(depth);
        for (edge, way) in graph.proof(found.walk.clone()) {
            if let Some(reason) = graph.reason(edge) {
                let line = self.step(&graph.edges[edge as usize], reason.via, &self.between(graph, &way));
                self.story.push(format!("{indent}{line}"));
            }
        }
        let mut cycle = self.between(graph, &found.walk);
        cycle.extend(found.closing.map(|edge| self.named(&edge)));
        for edge in &cycle {
            let why = reason(self.transactions, edge);
            self.story.push(format!("{indent}T{} must precede T{}: {why}", edge.from, edge.to));
        }
        let names: Vec<String> = cycle.iter().chain(cycle.first()).map(|edge| format!("T{}", edge.from)).collect();
        self.story.push(format!("{indent}so {}: no order is left", names.join(" before ")));
        self.cycle = cycle;
    }

    /// Why an edge follows from a path.
    fn step(&self, edge: &Edge, via: u32, way: &[Edge]) -> String {
        let key = &self.transactions.keys[edge.key() as usize];
        let (from, to, via_name) = (self.name(edge.from), self.name(edge.to), self.name(via));
        let names: Vec<String> = way.iter().map(|edge| format!("T{}", edge.from)).collect();
        let last = way.last().map(|edge| format!("T{}", edge.to)).unwrap_or_default();
        let way = format!("{} before {last}", names.join(" before "));
        match edge.kind() {
            EdgeKind::Rw if via == self.problem.root() => {
                format!("{from} read {key} before anyone had written to it, so it must precede {to}")
            }
            EdgeKind::Rw => format!(
                "{key} had the version of {via_name} before that of {to} ({way}), and {from} read the former: {from} must precede {to}"
            ),
            _ if via == NOBODY => format!("{key} had the version of {from} before that of {to}, because {way}"),
            _ => format!(
                "{key} had the version of {from} before that of {to}, because {via_name} read the latter, and {way}"
            ),
        }
    }

    /// A walk as edges between transactions of the history: along instants it is one edge of real time.
    fn between(&self, graph: &Graph, walk: &[u32]) -> Vec<Edge> {
        let edges: Vec<Edge> = walk.iter().map(|edge| graph.edges[*edge as usize]).collect();
        let begin = edges.iter().position(|edge| edge.from < self.problem.count).unwrap_or(0);
        let (mut told, mut left): (Vec<Edge>, Option<u32>) = (Vec::new(), None);
        for edge in edges[begin..].iter().chain(&edges[..begin]) {
            let from = left.take().unwrap_or(edge.from);
            if edge.to >= self.problem.count {
                left = Some(from);
            } else {
                told.push(self.named(&edge.between(from, edge.to)));
            }
        }
        told
    }

    fn named(&self, edge: &Edge) -> Edge {
        edge.between(self.problem.members[edge.from as usize], self.problem.members[edge.to as usize])
    }

    fn name(&self, t: u32) -> String {
        self.problem.members.get(t as usize).map_or("nobody".to_string(), |t| format!("T{t}"))
    }
}
