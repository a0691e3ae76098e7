//! From a contradiction to its few operations.

use std::collections::BTreeMap;

use super::search::{Budget, Linearized, linearize};
use super::{IntervalOf, SequentialModel};

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
    let kept = |i: &u32| operations[*i as usize].invoked <= at;
    let mut shrinker = Shrinker { model, operations, budget, work: WORK, last: None };
    let before: Vec<u32> = (0..operations.len() as u32).filter(|i| kept(i) && *i != operation).collect();
    shrinker.last = matches!(shrinker.search(&before), Linearized::Order(_)).then_some(operation);
    let mut groups = shrinker.groups((0..operations.len() as u32).filter(kept));
    shrinker.shrink(&mut groups);
    let mut left: Vec<u32> = groups.into_iter().flatten().collect();
    left.sort_by_key(|&i| (operations[i as usize].invoked, i));
    Some(left)
}

struct Shrinker<'a, M: SequentialModel> {
    model: &'a M,
    operations: &'a [IntervalOf<M>],
    budget: Budget,
    work: usize,
    /// The operation at whose return the contradiction became certain, if an order explains the others.
    last: Option<u32>,
}

impl<M: SequentialModel> Shrinker<'_, M> {
    /// What may be left out together: the operations of a value; what a process did and what it did next, if that is something
    /// else (an acquire and its release); single reads.
    fn groups(&self, kept: impl Iterator<Item = u32>) -> Vec<Vec<u32>> {
        let mut values: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        let mut undone: BTreeMap<u32, u32> = BTreeMap::new();
        let mut groups = Vec::new();
        for i in kept {
            let op = &self.operations[i as usize];
            if let Some(value) = self.model.value(&op.call, op.answer.as_ref()) {
                values.entry(value).or_default().push(i);
            } else if self.model.is_read(&op.call, op.answer.as_ref()) {
                groups.push(vec![i]);
            } else {
                match undone.remove(&op.process) {
                    Some(before) if self.operations[before as usize].call != op.call => groups.push(vec![before, i]),
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

    /// Leaves out ever smaller pieces while a contradiction remains (Zeller's ddmin), first groups, then reads within them.
    fn shrink(&mut self, groups: &mut Vec<Vec<u32>>) {
        self.leave_out(groups);
        let (reads, fixed): (Vec<u32>, Vec<u32>) = groups.drain(..).flatten().partition(|&i| {
            let op = &self.operations[i as usize];
            self.model.is_read(&op.call, op.answer.as_ref())
        });
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
        if self.budget.limit.exceeded().is_some() {
            // What is left is a contradiction, if not the smallest.
            self.work = 0;
            return false;
        }
        self.work = self.work.saturating_sub(rest.len() + 1);
        rest.sort_unstable();
        let contradicts = matches!(self.search(&rest), Linearized::Contradiction { .. });
        let Some(last) = self.last else { return contradicts };
        rest.retain(|i| *i != last);
        contradicts && matches!(self.search(&rest), Linearized::Order(_))
    }

    fn search(&self, places: &[u32]) -> Linearized {
        let operations: Vec<IntervalOf<M>> = places.iter().map(|&i| self.operations[i as usize].clone()).collect();
        linearize(self.model, &operations, self.budget.clone())
    }
}
