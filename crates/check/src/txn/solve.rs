//! Levels of histories whose order of versions is not known: blind writes to registers, appends that nobody read.
//!
//! Whether such a history is serializable, or of a snapshot, is NP-complete (Papadimitriou 1979; Biswas & Enea 2019). A level holds if *some* order
//! of the versions of every key leaves a graph without the cycles that the level forbids; [`form`] says which graphs these are.
//!
//! - [`greedy`]: an order that is guessed and mended, which proves nearly every history that has one in near-linear time.
//! - [`problem`]: what is known: who read from whom, the order of processes or real time, per key the versions and their readers.
//! - [`saturate`], [`rules`], [`clocks`]: orders of versions that every solution has, to a fixpoint; mostly few pairs are left, or a contradiction.
//! - [`search`], [`clauses`], [`acyclic`]: the rest, by conflict-driven clause learning over a graph that stays acyclic.
//! - [`replay`]: an order that was found is replayed on the history before a level is said to hold.
//! - [`story`]: why there is none, told by a smallest set of transactions that has none by itself.
//!
//! What is decided: whether the transactions that happened (`ok`, and those of unknown outcome that were observed; one that was not can be left out
//! of every order) have an order of versions without the cycles of the level, each in the plain, the process or the real-time graph.

pub mod acyclic;
pub mod clauses;
pub mod clocks;
pub mod form;
pub mod greedy;
pub mod problem;
pub mod replay;
pub mod rules;
pub mod saturate;
pub mod search;
pub mod story;

use std::collections::BTreeSet;

use history::txn::Transactions;

use super::anomaly::{Class, TxnAnomaly, Variant};
use super::level::Level;
use crate::limit::Limit;
use form::Form;
pub use problem::Data;
use problem::Problem;
use saturate::{Graph, Saturated};
use search::Searched;

/// Whether the transactions have an order of one form and variant.
#[derive(Clone, Debug)]
pub enum Solution {
    /// They have: transactions if the form is serial or parallel, else starts (`2 t`) and commits (`2 t + 1`). It was replayed.
    Order(Vec<u32>),
    /// They have none, and already these transactions have none.
    None(Vec<u32>),
    /// It was not found out, for this reason.
    Unknown(String),
}

/// How much may be spent.
#[derive(Clone, Debug, Default)]
pub struct Effort {
    /// Steps of one search: edges and literals looked at, some nanoseconds each.
    pub steps: u64,
    /// Stops everything.
    pub limit: Limit,
}

/// What is known about all forms and variants that were asked for.
#[derive(Default)]
pub struct Decided {
    /// Those without an order, and a smallest part of the transactions that has none by itself.
    pub broken: Vec<(Form, Variant, TxnAnomaly)>,
    /// Those that were not decided, and why.
    pub unknown: Vec<(Class, Variant, String)>,
    /// An order of transactions that keeps real time, if it was asked for and there is one.
    pub order: Option<Vec<u32>>,
}

/// Decides whatever the levels ask that are not `broken` yet; the strongest questions first, so that an order answers the weaker ones too.
pub fn decide(transactions: &Transactions, data: &Data, levels: &[&'static Level], effort: &Effort) -> Decided {
    let mut decided = Decided::default();
    let mut valid: Vec<(Form, Variant)> = Vec::new();
    for (form, variant) in questions(transactions, levels) {
        let answered = |(f, v): &(Form, Variant)| f.contains(form) && *v >= variant;
        let refuted = |(f, v, _): &(Form, Variant, TxnAnomaly)| form.contains(*f) && variant >= *v;
        if valid.iter().any(answered) || decided.broken.iter().any(refuted) {
            continue;
        }
        match solve(transactions, data, form, variant, effort) {
            Solution::Order(order) => {
                if form == Form::Serial && (variant == Variant::Realtime || !transactions.timed) {
                    decided.order = Some(order);
                }
                valid.push((form, variant));
            }
            Solution::None(core) => match shrink(transactions, data, form, variant, &core, effort) {
                Some(core) => {
                    let alone = data.without(&|t| core.binary_search(&t).is_err());
                    decided.broken.push((form, variant, story::story(transactions, &alone, form, variant, effort)));
                }
                None => {
                    let reason = "a contradiction was found, but its transactions alone do not show it";
                    decided.unknown.push((form.class(), variant, reason.to_string()));
                }
            },
            Solution::Unknown(reason) => decided.unknown.push((form.class(), variant, reason)),
        }
    }
    decided
}

/// What the levels ask, strongest first: of each form the largest variant that one of them forbids. Without intervals, real time is the
/// order of processes.
fn questions(transactions: &Transactions, levels: &[&'static Level]) -> Vec<(Form, Variant)> {
    let mut questions = Vec::new();
    for form in [Form::Serial, Form::Snapshot, Form::Prefix, Form::Parallel] {
        for variant in Variant::ALL.into_iter().rev() {
            let largest = |level: &&&'static Level| {
                level.forbids(form.class(), variant)
                    && Variant::ALL.into_iter().all(|v| v <= variant || !level.forbids(form.class(), v))
            };
            let known = if transactions.timed { variant } else { variant.min(Variant::Process) };
            if levels.iter().any(|level| largest(&level)) && !questions.contains(&(form, known)) {
                questions.push((form, known));
            }
        }
    }
    questions
}

/// Decides one form and variant.
pub fn solve(transactions: &Transactions, data: &Data, form: Form, variant: Variant, effort: &Effort) -> Solution {
    let guessed = greedy::schedule(transactions, data, form, variant, &effort.limit);
    if let Some(events) = guessed.filter(|events| replays(transactions, data, form, variant, events)) {
        let commits = || events.iter().filter(|event| *event % 2 == 1).map(|event| event / 2).collect();
        return Solution::Order(if form.split() { events } else { commits() });
    }
    let mut added = BTreeSet::new();
    for attempt in 0.. {
        let guess = variant == Variant::Plain && attempt < GUESSES;
        let problem = match guess {
            true => Problem::with_sessions(transactions, data, &added),
            false => Problem::new(transactions, data, variant),
        };
        let mut graph = Graph::new(&problem, form);
        match order(&mut graph, effort) {
            Searched::GaveUp(reason) => return Solution::Unknown(reason),
            Searched::Order(nodes) => return replayed(transactions, data, &graph, &nodes, variant, &effort.limit),
            Searched::None { edges, pairs, .. } if !guess || !graph.blames_sessions(edges.clone()) => {
                return Solution::None(graph.transactions(edges, pairs));
            }
            Searched::None { edges, others, .. } => added.extend(graph.sessions_near(edges.into_iter().chain(others))),
        }
    }
    Solution::Unknown("no attempt was made".to_string())
}

/// Without any order beside the data there are few chains and little to begin with. So that of processes is supposed, less what
/// contradictions blame; the last attempt is without.
const GUESSES: usize = 64;

/// An order of the nodes: by saturation, and by search for what that leaves open.
fn order(graph: &mut Graph, effort: &Effort) -> Searched {
    match graph.saturate(&effort.limit) {
        Saturated::Contradiction(found) => {
            Searched::None { pairs: found.pairs(), edges: found.walk, others: found.others }
        }
        Saturated::GaveUp(reason) => Searched::GaveUp(reason),
        Saturated::Open(open) => search::search(graph, &open, effort.steps, &effort.limit),
    }
}

/// A smallest part of transactions without an order, none of which can be left out; `None` if `core` does not stand alone.
fn shrink(
    transactions: &Transactions,
    data: &Data,
    form: Form,
    variant: Variant,
    core: &[u32],
    effort: &Effort,
) -> Option<Vec<u32>> {
    let few = data.without(&|t| core.binary_search(&t).is_err());
    let none = |core: &[u32]| {
        let data = few.without(&|t| core.binary_search(&t).is_err());
        let problem = Problem::new(transactions, &data, variant);
        let mut graph = Graph::new(&problem, form);
        match order(&mut graph, effort) {
            Searched::None { edges, pairs, .. } => Some(graph.transactions(edges, pairs)),
            _ => None,
        }
    };
    let mut core = none(core)?;
    let mut step = (core.len() / 2).max(1);
    loop {
        let (mut at, mut smaller) = (0, false);
        while at < core.len() && effort.limit.exceeded().is_none() {
            let end = (at + step).min(core.len());
            let rest: Vec<u32> = core[..at].iter().chain(&core[end..]).copied().collect();
            match none(&rest) {
                Some(found) => (core, smaller) = (found, true),
                None => at = end,
            }
        }
        if step == 1 && !smaller || effort.limit.exceeded().is_some() {
            return Some(core);
        }
        step = (step / 2).max(1);
    }
}

/// The order of the nodes as one of transactions or events, if a replay accepts it.
fn replayed(
    transactions: &Transactions,
    data: &Data,
    graph: &Graph,
    nodes: &[u32],
    variant: Variant,
    limit: &Limit,
) -> Solution {
    let (form, width, members) = (graph.layout.form, graph.layout.width(), &data.members);
    let inside = nodes.iter().filter(|node| **node < graph.problem.root() * width);
    let order: Vec<u32> = inside.map(|node| members[(node / width) as usize] * width + node % width).collect();
    let good = match form {
        Form::Parallel => replay::parallel(transactions, members, &order, variant, limit),
        Form::Serial => {
            let events: Vec<u32> = order.iter().flat_map(|t| [2 * t, 2 * t + 1]).collect();
            Some(replays(transactions, data, form, variant, &events))
        }
        form => Some(replays(transactions, data, form, variant, &order)),
    };
    match good {
        Some(true) => Solution::Order(order),
        Some(false) => Solution::Unknown("an order was found, but its replay failed".to_string()),
        None => {
            let reason = format!("an order of {} transactions is too long to be replayed", members.len());
            Solution::Unknown(limit.exceeded().map_or(reason, str::to_string))
        }
    }
}

/// Whether starts and commits explain the history; of all forms but the parallel one.
fn replays(transactions: &Transactions, data: &Data, form: Form, variant: Variant, events: &[u32]) -> bool {
    replay::events(transactions, &data.members, events, form != Form::Prefix, variant)
}
