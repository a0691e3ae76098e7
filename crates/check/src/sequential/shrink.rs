//! From a contradiction to its few operations.

use std::collections::BTreeMap;

use super::search::{Linearized, linearize};
use super::{IntervalOf, SequentialModel};

/// Operations searched for one witness, over all searches.
const WORK: usize = 5_000_000;

/// Operations (as places in `operations`, in order of invocation) that no order explains, and that can no longer be made fewer by leaving
/// out one read or one value with all its operations. `None`: an order explains everything, or that is not decided in `budget`.
pub fn contradiction<M: SequentialModel>(model: &M, operations: &[IntervalOf<M>], budget: usize) -> Option<Vec<u32>> {
    let Linearized::Contradiction { at, .. } = linearize(model, operations, budget) else { return None };
    let kept = |i: &u32| operations[*i as usize].invoked <= at;
    let mut shrinker = Shrinker { model, operations, budget, work: WORK };
    let mut groups = shrinker.groups((0..operations.len() as u32).filter(kept));
    shrinker.shrink(&mut groups);
    let mut left: Vec<u32> = groups.into_iter().flatten().collect();
    left.sort_by_key(|&i| (operations[i as usize].invoked, i));
    Some(left)
}

struct Shrinker<'a, M: SequentialModel> {
    model: &'a M,
    operations: &'a [IntervalOf<M>],
    budget: usize,
    work: usize,
}

impl<M: SequentialModel> Shrinker<'_, M> {
    /// What may be left out together: the mutations of a value with all that see it; single reads last.
    fn groups(&self, kept: impl Iterator<Item = u32>) -> Vec<Vec<u32>> {
        let mut values: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        let mut single = Vec::new();
        for i in kept {
            let op = &self.operations[i as usize];
            match self.model.value(&op.call, op.answer.as_ref()) {
                Some(value) => values.entry(value).or_default().push(i),
                None => single.push(vec![i]),
            }
        }
        values.into_values().chain(single).collect()
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
        self.work = self.work.saturating_sub(rest.len() + 1);
        rest.sort_unstable();
        let rest: Vec<IntervalOf<M>> = rest.into_iter().map(|i| self.operations[i as usize].clone()).collect();
        matches!(linearize(self.model, &rest, self.budget), Linearized::Contradiction { .. })
    }
}
