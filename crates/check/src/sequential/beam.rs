//! Many orders side by side, and of those only the best.
//!
//! A pending operation that took effect is missed only much later, where the sums or the contents no longer fit, and a dive must then come back from
//! far. Here all configurations that are kept have explained the same returns, so that one is better than another only by what it used
//! for that: fewer pending operations, and fewer that took effect before they had to. Cost is linear in the history. What was
//! dropped might have been right, so the end of all proves nothing.

use super::SequentialModel;
use super::best::Best;
use super::search::{Budget, Events};
use super::seen::Seen;
use super::space::{Config, Space};
use super::walk::Walk;

/// Configurations kept at a return: a narrow beam first, and a wide one if that ends.
const WIDTHS: [usize; 2] = [64, 256];
/// Configurations looked at for each that is kept, at most.
const LOOKS: usize = 20;
/// Looks in all for each configuration of the budget: a look names no new state in most cases.
const PATIENCE: usize = 10;
/// What a used pending operation costs, in operations that took effect early.
const USED: usize = 8;
/// The trail is swept when it has grown to so many steps.
const SWEEP: usize = 1 << 22;

/// An order of all operations from `starts`, which explain all returns before `level`, where the space is, and will be afterwards. `Err`: how far it came.
pub(super) fn beam<M: SequentialModel>(
    space: &mut Space<'_, M>,
    events: &Events,
    level: usize,
    starts: &mut [Config],
    budget: &Budget,
) -> Result<Vec<u32>, usize> {
    let mut reached = level;
    let mut patience = budget.configurations.saturating_mul(PATIENCE);
    for width in WIDTHS {
        let mut beam =
            Beam { width, configs: starts.to_vec(), seen: Seen::default(), patience, sweep_at: SWEEP, starts };
        let mut walk = Walk::new(space, events, level);
        let outcome = beam.run(&mut walk, budget);
        walk.go(level);
        patience = beam.patience;
        match outcome {
            Ok(order) => return Ok(order),
            Err(level) => reached = reached.max(level),
        }
    }
    Err(reached)
}

struct Beam<'s> {
    width: usize,
    configs: Vec<Config>,
    seen: Seen,
    /// Configurations that may still be looked at.
    patience: usize,
    sweep_at: usize,
    starts: &'s mut [Config],
}

impl Beam<'_> {
    fn run<M: SequentialModel>(&mut self, walk: &mut Walk<'_, '_, M>, budget: &Budget) -> Result<Vec<u32>, usize> {
        while let Some((_, operation)) = walk.events.returned(walk.level) {
            self.complete(walk.space, operation, budget);
            if self.configs.is_empty() {
                return Err(walk.level);
            }
            walk.go(walk.level + 1);
            if walk.overfull {
                return Err(walk.level);
            }
            self.sweep(walk.space);
        }
        self.configs.first().map(|config| walk.space.order(config)).ok_or(walk.level)
    }

    /// The best configurations in which `operation`, which now returns, has taken effect. None when patience or memory ends.
    fn complete<M: SequentialModel>(&mut self, space: &mut Space<'_, M>, operation: u32, budget: &Budget) {
        let bit = space.bit(operation);
        let mut heap = Best::default();
        for config in self.configs.drain(..) {
            heap.push(rank(space, &config), config);
        }
        self.seen.clear();
        for _ in 0..LOOKS * self.width {
            let Some(config) = heap.pop() else { return };
            if self.configs.len() == self.width {
                return;
            }
            if !self.may_go_on(budget) {
                return self.configs.clear();
            }
            self.patience = self.patience.saturating_sub(1 + self.seen.cost());
            let config = space.observe(config);
            if !self.seen.insert(&config, 0, space.slots, &space.used) {
                continue;
            }
            if config.mask & bit != 0 {
                self.configs.push(Config { mask: config.mask & !bit, ..config });
                continue;
            }
            if config.hidden & bit != 0 {
                self.configs.push(space.hide(config, operation, bit));
            }
            space.branch(config, |space, config| heap.push(rank(space, &config), config));
        }
    }

    fn may_go_on(&self, budget: &Budget) -> bool {
        self.patience > 0 && self.seen.room(&budget.limit).is_ok() && budget.limit.exceeded().is_none()
    }

    fn sweep<M: SequentialModel>(&mut self, space: &mut Space<'_, M>) {
        if space.trail.len() < self.sweep_at {
            return;
        }
        let mut all = [&self.configs[..], self.starts].concat();
        space.forget_steps(&mut all);
        space.forget_names(&mut all);
        self.starts.copy_from_slice(&all[self.configs.len()..]);
        all.truncate(self.configs.len());
        self.configs = all;
        self.sweep_at = SWEEP.max(space.trail.len() * 2);
    }
}

fn rank<M: SequentialModel>(space: &Space<'_, M>, config: &Config) -> std::cmp::Reverse<usize> {
    let early = (config.mask & !space.slots.reads).count_ones() as usize;
    std::cmp::Reverse(early + space.total_used(config) * USED)
}
