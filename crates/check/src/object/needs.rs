//! The few operations of a contradiction, where what was read needs those that wrote it: without them every read would be a
//! contradiction, which explains nothing.

use std::collections::BTreeSet;

/// Operations searched for one witness, over all searches. When it runs out the witness is what it is then: a contradiction, but perhaps
/// not the smallest.
const WORK: usize = 1_000_000;

/// Of operations that contradict each other, fewer that do, ascending. `needs` says for each operation which others must stay with it;
/// `contradicts` decides some of them.
pub(super) fn shrink_with_needs(needs: &[Vec<u32>], contradicts: impl Fn(&[u32]) -> bool) -> Vec<u32> {
    let mut shrinker = Shrinker { needs, contradicts, work: WORK };
    shrinker.shrink((0..needs.len() as u32).collect())
}

struct Shrinker<'a, F> {
    needs: &'a [Vec<u32>],
    contradicts: F,
    work: usize,
}

impl<F: Fn(&[u32]) -> bool> Shrinker<'_, F> {
    /// Leaves out ever smaller pieces while a contradiction remains (Zeller's ddmin).
    fn shrink(&mut self, mut left: Vec<u32>) -> Vec<u32> {
        let mut piece = left.len().div_ceil(2);
        while piece >= 1 && self.work > 0 {
            let (mut at, mut shrunk) = (0, false);
            while at < left.len() && self.work > 0 {
                let outside = left.iter().take(at).chain(left.iter().skip(at + piece)).copied();
                let rest = self.closed(outside);
                if rest.len() < left.len() && self.contradicts(&rest) {
                    left = rest;
                    shrunk = true;
                } else {
                    at += piece;
                }
            }
            if piece == 1 && !shrunk {
                break;
            }
            piece = (piece / 2).max(1);
        }
        left
    }

    /// These and all that they need.
    fn closed(&self, operations: impl Iterator<Item = u32>) -> Vec<u32> {
        let mut closed = BTreeSet::new();
        let mut open: Vec<u32> = operations.collect();
        while let Some(next) = open.pop() {
            if closed.insert(next) {
                open.extend(&self.needs[next as usize]);
            }
        }
        closed.into_iter().collect()
    }

    fn contradicts(&mut self, places: &[u32]) -> bool {
        self.work = self.work.saturating_sub(places.len() + 1);
        (self.contradicts)(places)
    }
}
