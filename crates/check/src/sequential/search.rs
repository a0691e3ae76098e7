//! The exact search: just-in-time linearization (Lowe, *Testing for linearizability*, 2017) of any [`SequentialModel`].
//!
//! Walk over the events in time. A configuration is a state and what has already taken effect: a bit for each open operation
//! that will return, and a count for each kind of pending operation, which never returns. An operation takes effect only
//! when one must return. What keeps the configurations few:
//!
//! - Reads take effect as soon as they fit, because they change nothing.
//! - Of open operations that do the same, the one that returns first goes first: exchanging them makes no order worse. A
//!   pending one goes after all open ones that ask the same.
//! - Pending operations of a kind are counted, so hundreds of them cost no slots.
//! - An overwriting operation that nobody saw hides: at its return it is put just before the last operation that overwrote
//!   it, so whether it took effect earlier need not be guessed.
//! - Dominance (`seen`): of two configurations that can do the same, the one that can do more is enough.
//!
//! While few configurations are possible, all are followed at once (`frontier`): memory does not grow with the history, and a
//! contradiction is certain where none is left. When they become many, one promising order is followed to the end instead, with all
//! others kept for the case that it fails (`dive`): a valid history is explained long before all its explanations are known.
//! If that takes too long too, the best few hundred are followed side by side (`beam`), then all again, until the budget ends. Cost grows with what is open at once, not with the
//! length of the history.

use super::beam::beam;
use super::dive::{Dive, dive};
use super::frontier::{Frontier, Stopped};
use super::kinds::{FREE, Kinds};
use super::space::Space;
use super::{Interval, IntervalOf, SequentialModel};
use crate::limit::Limit;
use crate::model::Options;

/// What the search found. Times are in the unit of the operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Linearized {
    /// An order that explains everything, as places in the operations.
    Order(Vec<u32>),
    /// No order explains the operations up to this return. Before it, everything is explained.
    Contradiction {
        /// When it became certain.
        at: u64,
        /// The operation that returned then.
        operation: u32,
    },
    /// The budget ran out, or too much is open at once.
    Undecided {
        /// The last instant at which nothing was open: the window that is too hard begins here.
        from: u64,
        /// How far the search came: up to here everything is explained.
        at: u64,
        /// Why.
        reason: &'static str,
    },
}

/// What a search for one kind of object found ([`SequentialModel::search`](super::SequentialModel::search)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Searched {
    /// An order that explains everything, as places in the operations.
    Order(Vec<u32>),
    /// There is none.
    None,
    /// It took too much.
    GaveUp {
        /// How far it came, about.
        at: u64,
        /// Why.
        reason: &'static str,
    },
}

/// How much a search may take: so many configurations between quiescent instants, until the limit stops it.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Configurations between quiescent instants.
    pub configurations: usize,
    /// Asked at every configuration.
    pub limit: Limit,
}

impl From<usize> for Budget {
    fn from(configurations: usize) -> Budget {
        Budget { configurations, limit: Limit::default() }
    }
}

impl From<&Options> for Budget {
    fn from(options: &Options) -> Budget {
        Budget { configurations: options.budget, limit: options.limit.clone() }
    }
}

/// Searches an order of `operations` within `budget`.
pub fn linearize<M: SequentialModel>(model: &M, operations: &[IntervalOf<M>], budget: impl Into<Budget>) -> Linearized {
    let budget = budget.into();
    match model.search(operations, &budget) {
        None => with_patience(model, operations, &budget, PATIENCE),
        Some(Searched::Order(order)) => Linearized::Order(order),
        Some(Searched::GaveUp { at, reason }) => Linearized::Undecided { from: 0, at, reason },
        Some(Searched::None) => {
            let (at, operation) = certain_from(model, operations, &budget);
            Linearized::Contradiction { at, operation }
        }
    }
}

/// The first return up to which no order explains operations of which none explains all: what is explained up to a return is so up
/// to every return before it.
fn certain_from<M: SequentialModel>(model: &M, operations: &[IntervalOf<M>], budget: &Budget) -> (u64, u32) {
    let returned = |(i, op): (usize, &IntervalOf<M>)| op.completed.map(|completed| (completed, i as u32));
    let mut returns: Vec<(u64, u32)> = operations.iter().enumerate().filter_map(returned).collect();
    returns.sort_unstable();
    let explained = |last: &(u64, u32)| {
        let begun = operations.iter().zip(0..).filter(|(op, _)| op.invoked <= last.0);
        let until = begun.map(|(op, i)| match op.completed {
            Some(completed) if (completed, i) > *last => Interval { answer: None, completed: None, ..op.clone() },
            _ => op.clone(),
        });
        model.search(&until.collect::<Vec<_>>(), budget) != Some(Searched::None)
    };
    let at = returns.partition_point(explained);
    returns.get(at).or(returns.last()).copied().unwrap_or_default()
}

/// `patience`: configurations that one return may take before a dive is tried.
pub(super) fn with_patience<M: SequentialModel>(
    model: &M,
    operations: &[IntervalOf<M>],
    budget: &Budget,
    patience: usize,
) -> Linearized {
    let kinds = Kinds::of(model, operations);
    let events = Events::of(operations, &kinds);
    let mut space = Space::new(model, operations, &kinds);
    let mut frontier = Frontier::new(&mut space, budget);
    // The last quiescent instant, the next return, and the first return before which a dive is useless.
    let (mut from, mut level, mut dive_from) = (0, 0, 0);
    let too_many = |at| Linearized::Undecided { from: 0, at, reason: "more than 128 operations are open at once" };
    if let Err(at) = events.enter(&mut space, 0) {
        return too_many(at);
    }
    while let Some((at, operation)) = events.returned(level) {
        let patience = if level >= dive_from { patience } else { usize::MAX };
        match frontier.complete(&mut space, operation, patience) {
            Ok(()) => {}
            Err(Stopped::Budget(reason)) => return Linearized::Undecided { from, at, reason },
            Err(Stopped::Impatient) => match dive(&mut space, &events, level, frontier.configs(), budget) {
                Dive::Order(order) => return Linearized::Order(order),
                Dive::Contradiction(level) => {
                    let (at, operation) = events.returned(level).unwrap_or((at, operation));
                    return Linearized::Contradiction { at, operation };
                }
                Dive::GaveUp(reached) => match beam(&mut space, &events, level, frontier.configs_mut(), budget) {
                    Ok(order) => return Linearized::Order(order),
                    Err(best) => {
                        dive_from = reached.max(best) + 1;
                        continue;
                    }
                },
            },
        }
        if level >= dive_from {
            budget.limit.advance(1);
        }
        space.close(operation);
        if frontier.configs().is_empty() {
            return Linearized::Contradiction { at, operation };
        }
        if space.is_quiet() {
            from = at;
            frontier.replenish(budget);
        }
        level += 1;
        if let Err(at) = events.enter(&mut space, level) {
            return too_many(at);
        }
    }
    Linearized::Order(frontier.configs().first().map_or_else(Vec::new, |config| space.order(config)))
}

/// Enough for every return of an easy history, and few enough that a hard one is soon known as such.
const PATIENCE: usize = 100;

/// Invocations and returns in time. At one instant invocations come first: operations that touch are concurrent.
pub(super) struct Events {
    all: Vec<(u64, bool, u32)>,
    /// The places of returns: a *level* is a place here.
    returns: Vec<u32>,
}

impl Events {
    pub(super) fn of<C, A>(operations: &[Interval<C, A>], kinds: &Kinds) -> Events {
        let mut all: Vec<(u64, bool, u32)> = Vec::with_capacity(operations.len() * 2);
        for (i, op) in operations.iter().enumerate().filter(|(i, _)| kinds.of[*i] != FREE) {
            all.push((op.invoked, false, i as u32));
            all.extend(op.completed.map(|completed| (completed, true, i as u32)));
        }
        all.sort_unstable();
        let returns = (0..all.len() as u32).filter(|&at| all[at as usize].1).collect();
        Events { all, returns }
    }

    /// The return of a level: when, of what.
    pub(super) fn returned(&self, level: usize) -> Option<(u64, u32)> {
        self.returns.get(level).map(|&at| (self.all[at as usize].0, self.all[at as usize].2))
    }

    /// How many operations return.
    pub(super) fn levels(&self) -> usize {
        self.returns.len()
    }

    /// The invocations between the return before a level and its own.
    fn invocations(&self, level: usize) -> &[(u64, bool, u32)] {
        let begin = if level == 0 { 0 } else { self.returns[level - 1] as usize + 1 };
        &self.all[begin..self.returns.get(level).map_or(self.all.len(), |&end| end as usize)]
    }

    /// Moves past the invocations before the return of a level. `Err`: when too many are open.
    pub(super) fn enter<M: SequentialModel>(&self, space: &mut Space<'_, M>, level: usize) -> Result<(), u64> {
        let mut result = Ok(());
        for &(at, _, operation) in self.invocations(level) {
            if !space.invoke(operation) {
                result = result.and(Err(at));
            }
        }
        result
    }

    /// Moves back before them.
    pub(super) fn leave<M: SequentialModel>(&self, space: &mut Space<'_, M>, level: usize) {
        self.invocations(level).iter().rev().for_each(|&(.., operation)| space.uninvoke(operation));
    }
}
