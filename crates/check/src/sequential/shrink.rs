//! From a contradiction to its few operations.

use std::collections::BTreeMap;

use super::kinds::by_invocation;
use super::search::{Budget, Linearized, linearize};
use super::{IntervalOf, SequentialModel};
use crate::limit::Limit;

/// Operations searched for one witness, over all searches.
const WORK: usize = 5_000_000;

/// Operations (as places in `operations`, in order of invocation) that no order explains, although (if that can be told) one explains them without the
/// operation at whose return it became certain. They can no longer be made fewer by leaving out one read, one value with all its
/// operations, or what a process did and undid. `None`: an order explains everything, or that is not decided in `budget`.
pub fn contradiction<M: SequentialModel>(
    model: &M,
    operations: &[IntervalOf<M>],
    budget: impl Into<Budget>,
) -> Option<Vec<u32>> {
    let budget = budget.into();
    let Linearized::Contradiction { at, operation } = linearize(model, operations, budget.clone()) else { return None };
    let search = |places: &[u32]| {
        let operations: Vec<IntervalOf<M>> = places.iter().map(|&i| operations[i as usize].clone()).collect();
        linearize(model, &operations, budget.clone())
    };
    let is_read = |i: u32| model.is_read(&operations[i as usize].call, operations[i as usize].answer.as_ref());
    let kept: Vec<u32> = (0..operations.len() as u32).filter(|&i| operations[i as usize].invoked <= at).collect();
    let before: Vec<u32> = kept.iter().copied().filter(|&i| i != operation).collect();
    let last = matches!(search(&before), Linearized::Order(_)).then_some(operation);
    let mut groups = groups(model, operations, &kept);
    Shrinker { search: &search, is_read: &is_read, limit: &budget.limit, work: WORK, last }.shrink(&mut groups);
    let mut left: Vec<u32> = groups.into_iter().flatten().collect();
    by_invocation(&mut left, &|i| operations[i as usize].invoked);
    Some(left)
}

/// What may be left out together: the operations of a value; what a process did and what it did next, if that is something
/// else (an acquire and its release); single reads.
fn groups<M: SequentialModel>(model: &M, operations: &[IntervalOf<M>], kept: &[u32]) -> Vec<Vec<u32>> {
    let mut values: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    let mut undone: BTreeMap<u32, u32> = BTreeMap::new();
    let mut groups = Vec::new();
    for &i in kept {
        let op = &operations[i as usize];
        if let Some(value) = model.value(&op.call, op.answer.as_ref()) {
            values.entry(value).or_default().push(i);
        } else if model.is_read(&op.call, op.answer.as_ref()) {
            groups.push(vec![i]);
        } else {
            match undone.remove(&op.process) {
                Some(before) if operations[before as usize].call != op.call => groups.push(vec![before, i]),
                before => {
                    groups.extend(before.map(|before| vec![before]));
                    undone.insert(op.process, i);
                }
            }
        }
    }
    groups.extend(undone.into_values().map(|i| vec![i]));
    values.into_values().chain(groups).collect()
}

/// Leaves out what is not needed; knows the object only through what can be asked of it.
struct Shrinker<'a> {
    /// Searches for an order of the operations at these places.
    search: &'a dyn Fn(&[u32]) -> Linearized,
    is_read: &'a dyn Fn(u32) -> bool,
    limit: &'a Limit,
    work: usize,
    /// The operation at whose return the contradiction became certain, if an order explains the others.
    last: Option<u32>,
}

impl Shrinker<'_> {
    /// Leaves out ever smaller pieces while a contradiction remains (Zeller's ddmin), first groups, then reads within them.
    fn shrink(&mut self, groups: &mut Vec<Vec<u32>>) {
        self.leave_out(groups);
        let (reads, fixed): (Vec<u32>, Vec<u32>) = groups.drain(..).flatten().partition(|&i| (self.is_read)(i));
        groups.extend(reads.into_iter().map(|i| vec![i]));
        let before = groups.len();
        groups.push(fixed);
        if before > 0 {
            self.leave_out(groups);
        }
    }

    fn leave_out(&mut self, groups: &mut Vec<Vec<u32>>) {
        let mut piece = groups.len().div_ceil(2);
        while piece >= 1 && self.work > 0 {
            let (mut at, mut shrunk) = (0, false);
            while at < groups.len() && self.work > 0 {
                let end = (at + piece).min(groups.len());
                let rest: Vec<u32> = groups[..at].iter().chain(&groups[end..]).flatten().copied().collect();
                if self.contradicts(rest) {
                    groups.drain(at..end);
                    shrunk = true;
                } else {
                    at = end;
                }
            }
            if piece == 1 && !shrunk {
                break;
            }
            piece = (piece / 2).max(1);
        }
    }

    fn contradicts(&mut self, mut rest: Vec<u32>) -> bool {
        if self.limit.exceeded().is_some() {
            // What is left is a contradiction, if not the smallest.
            self.work = 0;
            return false;
        }
        self.work = self.work.saturating_sub(rest.len() + 1);
        rest.sort_unstable();
        let contradicts = matches!((self.search)(&rest), Linearized::Contradiction { .. });
        let Some(last) = self.last else { return contradicts };
        rest.retain(|i| *i != last);
        contradicts && matches!((self.search)(&rest), Linearized::Order(_))
    }
}
