//! Sequential consistency (Lamport, 1979): one order of all operations that keeps the order of each process. Real time does not count, so a
//! process may see the past; but never go back, and all agree.
//!
//! Deciding it is NP-complete even where values are unique (Gibbons & Korach, 1997). First *saturation*: who came before whom, and what
//! follows if there is one order; it finds nearly all violations in `O(n k)` a round. What it leaves goes to an exact search over how far each
//! process has come, which a valid history hardly ever needs more than once straight through.

use history::History;

use super::clocks::{Edges, Graph};
use super::interleaving::{Interleaving, interleave, replay};
use super::saturate::{Rules, Saturated, saturate};
use super::sessions::Sessions;
use super::settle::{Settled, certain};
use super::{Theory, judge};
use crate::model::{Model, Options};
use crate::report::Report;

/// Sequential consistency. Exact; `unknown` when the search runs out of its budget.
pub static SEQUENTIAL: Model = Model {
    name: "sequential",
    summary: "all operations fit into one order that keeps the order of each process, whatever the time",
    decide,
};

fn decide(history: &History, options: &Options) -> Report {
    let theory = |sessions: &Sessions, effort: usize| settle(sessions, options, effort);
    judge(history, options, "sequential", Theory { decide: &theory })
}

fn settle(sessions: &Sessions, options: &Options, budget: usize) -> Settled {
    let (from, kept) = certain(sessions);
    let sure: Vec<u32> = (0..sessions.len() as u32).filter(|op| kept[*op as usize]).collect();
    let smaller = (sure.len() < sessions.len()).then(|| sessions.settled(&from, &kept));
    let graph_of = smaller.as_ref().unwrap_or(sessions);
    let graph = Graph { sessions: graph_of, from: &graph_of.from, edges: &Edges::default() };
    let edges = match saturate(&graph, Rules { reader: None, one_order: true }, &options.limit) {
        Ok(Saturated::Broken(refutation)) => return Settled::Broken(smaller.is_none().then_some(refutation)),
        Ok(Saturated::Open(edges)) => edges,
        // The search does without.
        Err(reason) => match options.limit.exceeded() {
            Some(_) => return Settled::Undecided(reason),
            None => Vec::new(),
        },
    };
    let edges: Vec<(u32, u32)> = edges.iter().map(|(a, b)| (sure[*a as usize], sure[*b as usize])).collect();
    match interleave(sessions, &edges, budget, &options.limit) {
        Interleaving::Order(order) if replay(sessions, &order) => Settled::Kept,
        Interleaving::Order(_) => Settled::Undecided("the order that was found does not hold (a bug in assize)".into()),
        Interleaving::None => Settled::Broken(None),
        Interleaving::GaveUp(reason) => Settled::Undecided(reason.to_string()),
    }
}
