//! One order to the end: the most promising configuration first.
//!
//! Promising is what explains more returns, with fewer operations that took effect before they had to, and far fewer pending ones.
//! All others wait in a heap. When it is empty, every order has been tried and there is none.

use super::SequentialModel;
use super::best::Best;
use super::search::{Budget, Events};
use super::seen::Seen;
use super::space::{Config, Space};
use super::walk::Walk;

/// What came of a dive. A level is a return.
pub(super) enum Dive {
    /// An order of all operations.
    Order(Vec<u32>),
    /// There is none: the return of this level cannot be explained.
    Contradiction(usize),
    /// It took too long; so far it came.
    GaveUp(usize),
}

/// What a return explained is worth, and what an early operation and a used pending one cost.
const RETURN: i64 = 1;
const EARLY: i64 = 1;
const USED: i64 = 8;

/// Follows orders from `starts`, which explain all returns before `level`, where the space is. It is there again afterwards.
pub(super) fn dive<M: SequentialModel>(
    space: &mut Space<'_, M>,
    events: &Events,
    level: usize,
    starts: &[Config],
    budget: &Budget,
) -> Dive {
    let patience = budget.configurations.min(100_000 + 20 * (events.levels() - level));
    let walk = Walk::new(space, events, level);
    let mut diver = Diver { walk, heap: Best::default(), seen: Seen::default() };
    starts.iter().for_each(|config| diver.put(level, *config));
    let outcome = diver.run(patience, budget);
    diver.walk.go(level);
    outcome
}

struct Diver<'s, 'a, M: SequentialModel> {
    walk: Walk<'s, 'a, M>,
    /// Configurations, each with the level of the return that it explains next.
    heap: Best<(i64, u32), (u32, Config)>,
    seen: Seen,
}

impl<M: SequentialModel> Diver<'_, '_, M> {
    fn run(&mut self, mut patience: usize, budget: &Budget) -> Dive {
        while let Some((level, config)) = self.heap.pop() {
            let reached = self.walk.reached;
            self.walk.go(level as usize);
            budget.limit.advance((self.walk.reached - reached) as u64);
            if self.walk.overfull {
                return Dive::GaveUp(self.walk.reached);
            }
            if let Some(config) = self.follow(config) {
                return Dive::Order(self.walk.space.order(&config));
            }
            patience = patience.saturating_sub(1 + self.seen.cost());
            let room = self.seen.room(&budget.limit).is_ok() && budget.limit.exceeded().is_none();
            if patience == 0 || self.walk.space.names() > NAMES || !room {
                return Dive::GaveUp(self.walk.reached);
            }
        }
        Dive::Contradiction(self.walk.reached)
    }

    /// Explains returns as long as nothing must be chosen, then puts the choices on the heap. The configuration that explains all.
    fn follow(&mut self, mut config: Config) -> Option<Config> {
        loop {
            let Some((_, operation)) = self.walk.events.returned(self.walk.level) else { return Some(config) };
            config = self.walk.space.observe(config);
            if !self.seen.insert(&config, self.walk.level as u32, self.walk.space.slots, &self.walk.space.used) {
                return None;
            }
            let bit = self.walk.space.bit(operation);
            if config.mask & bit != 0 {
                config.mask &= !bit;
                self.walk.go(self.walk.level + 1);
                continue;
            }
            let level = self.walk.level;
            if config.hidden & bit != 0 {
                let hidden = self.walk.space.hide(config, operation, bit);
                self.put(level + 1, hidden);
            }
            let (heap, reads) = (&mut self.heap, self.walk.space.slots.reads);
            self.walk.space.branch(config, |space, config| {
                heap.push(rank(space, level, &config, reads), (level as u32, config));
            });
            return None;
        }
    }

    fn put(&mut self, level: usize, config: Config) {
        let rank = rank(self.walk.space, level, &config, self.walk.space.slots.reads);
        self.heap.push(rank, (level as u32, config));
    }
}

/// States, steps and used vectors that a dive may name.
const NAMES: usize = 1 << 21;

fn rank<M: SequentialModel>(space: &Space<'_, M>, level: usize, config: &Config, reads: u128) -> (i64, u32) {
    let early = i64::from((config.mask & !reads).count_ones());
    (level as i64 * RETURN - early * EARLY - space.total_used(config) as i64 * USED, level as u32)
}
