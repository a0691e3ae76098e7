//! The search for stacks.
//!
//! - [`nest`]: where it is known which pop took which push, an order is found, or there is none, without search.
//! - [`pairs`]: where it is not, because values repeat or pops have no answer, promising pairs are searched, and `nest` judges them.
//!
//! If no promising pairs fit, nothing is proven: then the general search has its turn.

mod nest;
mod pairs;

use std::collections::{BTreeMap, BTreeSet};

use history::object::{Action, NOTHING};

use self::nest::{Value, nest};
use super::search::Asked;
use crate::sequential::{Budget, Interval, Searched};

type Op = Interval<Asked, Vec<i64>>;

/// Searches an order of operations on a stack. `None`: something else was done to it, or it is undecided.
pub(super) fn search(operations: &[Op], budget: &Budget) -> Option<Searched> {
    let problem = Problem::of(operations)?;
    if let Some(popped) = problem.unique_pairs() {
        // A history stays linearizable when all operations of a value are left out; those that nobody is known to have popped may be gone.
        let Some(known) = popped else { return Some(Searched::None) };
        let Some(order) = problem.order(&known, problem.takers.is_empty()) else { return Some(Searched::None) };
        if problem.takers.is_empty() {
            return Some(Searched::Order(order));
        }
        let Some(all) = problem.with_takers(known) else { return Some(Searched::None) };
        if let Some(order) = problem.order(&all, true) {
            return Some(Searched::Order(order));
        }
    }
    pairs::search(&problem, budget).map(Searched::Order)
}

/// An operation and when it was, from invocation to return (`u64::MAX`: never), with the dense name of its value.
#[derive(Clone, Copy)]
struct Done {
    invoked: u64,
    returned: u64,
    value: u32,
    operation: u32,
}

/// The operations by what they are, each list in order of return.
#[derive(Default)]
struct Problem {
    pushes: Vec<Done>,
    pops: Vec<Done>,
    empties: Vec<Done>,
    /// Pops and pushes of unknown outcome, in order of invocation, the latter by value.
    takers: Vec<Done>,
    pending: Vec<Vec<Done>>,
}

impl Problem {
    fn of(operations: &[Op]) -> Option<Problem> {
        let mut problem = Problem::default();
        let mut names: BTreeMap<i64, u32> = BTreeMap::new();
        for (operation, op) in (0..).zip(operations) {
            let seen = op.answer.as_ref().and_then(|answer| answer.first()).copied();
            let value = if op.call.1 == Action::Push { op.call.2 } else { seen.unwrap_or(NOTHING) };
            let next = names.len() as u32;
            let value = *names.entry(value).or_insert(next);
            problem.pending.resize_with(names.len(), Vec::new);
            let returned = op.completed.unwrap_or(u64::MAX);
            let list = match (op.call.1, op.completed, seen) {
                (Action::Push, None, _) => &mut problem.pending[value as usize],
                (Action::Push, Some(_), _) => &mut problem.pushes,
                (Action::Pop, None, _) => &mut problem.takers,
                (Action::Pop, Some(_), Some(NOTHING)) => &mut problem.empties,
                (Action::Pop, Some(_), Some(_)) => &mut problem.pops,
                _ => return None,
            };
            list.push(Done { invoked: op.invoked, returned, value, operation });
        }
        for list in [&mut problem.pushes, &mut problem.pops, &mut problem.empties] {
            list.sort_by_key(|done| done.returned);
        }
        for list in problem.pending.iter_mut().chain([&mut problem.takers]) {
            list.sort_by_key(|done| done.invoked);
        }
        Some(problem)
    }

    /// The push of each pop, if every value was pushed once; the inner `None`: a value was popped that was not pushed, or popped twice.
    fn unique_pairs(&self) -> Option<Option<Vec<(Done, Done)>>> {
        let mut push_of: Vec<Option<Done>> = vec![None; self.pending.len()];
        for push in self.pushes.iter().chain(self.pending.iter().flatten()) {
            if push_of[push.value as usize].replace(*push).is_some() {
                return None;
            }
        }
        Some(self.pops.iter().map(|pop| Some((push_of[pop.value as usize].take()?, *pop))).collect())
    }

    /// Each value that must have left before a certain return, though nobody is known to have popped it, with a pop of unknown outcome: in order
    /// of those returns, as pops are in order of invocation, which leaves most for the others. `None`: there are too few pops.
    fn with_takers(&self, mut pairs: Vec<(Done, Done)>) -> Option<Vec<(Done, Done)>> {
        let taken: BTreeSet<u32> = pairs.iter().map(|(push, _)| push.operation).collect();
        let left = self.pushes.iter().filter(|push| !taken.contains(&push.operation));
        let mut must: Vec<(u64, Done)> = left.filter_map(|push| Some((self.deadline(*push, &pairs)?, *push))).collect();
        must.sort_by_key(|(deadline, push)| (*deadline, push.operation));
        let mut takers = self.takers.iter();
        for (deadline, push) in must {
            let taker = takers.next().filter(|taker| taker.invoked <= deadline)?;
            pairs.push((push, *taker));
        }
        Some(pairs)
    }

    /// The return of the first pop before which this value must have been popped: one of a value that it lies on, or one that found nothing.
    fn deadline(&self, push: Done, pairs: &[(Done, Done)]) -> Option<u64> {
        let on = pairs.iter().filter(|(below, pop)| below.returned < push.invoked && push.returned < pop.invoked);
        let none = self.empties.iter().find(|pop| push.returned < pop.invoked);
        on.map(|(_, pop)| pop).chain(none).map(|pop| pop.returned).min()
    }

    /// An order in which these pops take these pushes; with the pushes that are left, which stay for ever, or without.
    fn order(&self, pairs: &[(Done, Done)], with_left: bool) -> Option<Vec<u32>> {
        let mut taken = BTreeSet::new();
        let mut values = Vec::with_capacity(self.pushes.len());
        for (push, pop) in pairs {
            taken.insert(push.operation);
            values.push(Value {
                pushed: (push.invoked, push.returned),
                popped: (pop.invoked, pop.returned),
                push: push.operation,
                pop: pop.operation,
            });
        }
        let left = self.pushes.iter().filter(|push| with_left && !taken.contains(&push.operation));
        let never = (u64::MAX, u64::MAX);
        values.extend(left.map(|push| Value {
            pushed: (push.invoked, push.returned),
            popped: never,
            push: push.operation,
            pop: u32::MAX,
        }));
        let empties: Vec<_> = self.empties.iter().map(|pop| (pop.invoked, pop.returned, pop.operation)).collect();
        nest(&values, &empties)
    }
}
