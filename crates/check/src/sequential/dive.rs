//! One order to the end: the most promising configuration first.
//!
//! Promising is what explains more returns, with fewer operations that took effect before they had to, and far fewer pending ones.
//! All others wait in a heap. When it is empty, every order has been tried and there is none.

use super::SequentialModel;
use super::best::Best;
use super::search::{Budget, Events};
use super::seen::Seen;
use super::space::{Config, Space};

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
    let mut diver = Diver {
        space,
        events,
        level,
        heap: Best::default(),
        seen: Seen::default(),
        slots: Vec::new(),
        start: level,
        reached: level,
        overfull: false,
    };
    starts.iter().for_each(|config| diver.put(level, *config));
    let outcome = diver.run(patience, budget);
    diver.go(level);
    outcome
}

struct Diver<'s, 'a, M: SequentialModel> {
    space: &'s mut Space<'a, M>,
    events: &'s Events,
    /// Where the space is.
    level: usize,
    /// Configurations, each with the level of the return that it explains next.
    heap: Best<(i64, u32), (u32, Config)>,
    seen: Seen,
    /// The slots of the operations that returned, from level `start` on.
    slots: Vec<u8>,
    start: usize,
    reached: usize,
    /// More operations were open at once than there are slots.
    overfull: bool,
}

impl<M: SequentialModel> Diver<'_, '_, M> {
    fn run(&mut self, mut patience: usize, budget: &Budget) -> Dive {
        while let Some((level, config)) = self.heap.pop() {
            let reached = self.reached;
            self.go(level as usize);
            budget.limit.advance((self.reached - reached) as u64);
            if self.overfull {
                return Dive::GaveUp(self.reached);
            }
            if let Some(config) = self.follow(config) {
                return Dive::Order(self.space.order(&config));
            }
            patience = patience.saturating_sub(1);
            let room = self.seen.room(&budget.limit).is_ok() && budget.limit.exceeded().is_none();
            if patience == 0 || self.space.names() > NAMES || !room {
                return Dive::GaveUp(self.reached);
            }
        }
        Dive::Contradiction(self.reached)
    }

    /// Explains returns as long as nothing must be chosen, then puts the choices on the heap. The configuration that explains all.
    fn follow(&mut self, mut config: Config) -> Option<Config> {
        loop {
            let Some((_, operation)) = self.events.returned(self.level) else { return Some(config) };
            config = self.space.observe(config);
            if !self.seen.insert(&config, self.level as u32, self.space.slots, &self.space.used) {
                return None;
            }
            let bit = self.space.bit(operation);
            if config.mask & bit != 0 {
                config.mask &= !bit;
                self.go(self.level + 1);
                continue;
            }
            let level = self.level;
            if config.hidden & bit != 0 {
                let hidden = self.space.hide(config, operation, bit);
                self.put(level + 1, hidden);
            }
            let (heap, reads) = (&mut self.heap, self.space.slots.reads);
            self.space.branch(config, |space, config| {
                heap.push(rank(space, level, &config, reads), (level as u32, config));
            });
            return None;
        }
    }

    fn put(&mut self, level: usize, config: Config) {
        let rank = rank(self.space, level, &config, self.space.slots.reads);
        self.heap.push(rank, (level as u32, config));
    }

    /// Moves the space to a level.
    fn go(&mut self, level: usize) {
        while self.level < level {
            let Some((_, operation)) = self.events.returned(self.level) else { return };
            let slot = self.space.close(operation);
            let at = self.level - self.start;
            self.slots.truncate(at);
            self.slots.push(slot);
            self.level += 1;
            self.overfull |= self.events.enter(self.space, self.level).is_err();
        }
        while self.level > level {
            self.events.leave(self.space, self.level);
            self.level -= 1;
            if let Some((_, operation)) = self.events.returned(self.level) {
                self.space.reopen(operation, self.slots[self.level - self.start]);
            }
        }
        self.reached = self.reached.max(level);
    }
}

/// States, steps and used vectors that a dive may name.
const NAMES: usize = 1 << 21;

fn rank<M: SequentialModel>(space: &Space<'_, M>, level: usize, config: &Config, reads: u128) -> (i64, u32) {
    let early = i64::from((config.mask & !reads).count_ones());
    (level as i64 * RETURN - early * EARLY - space.total_used(config) as i64 * USED, level as u32)
}
