//! All configurations at once, return by return.

use super::SequentialModel;
use super::search::Budget;
use super::seen::{Seen, Slots};
use super::space::{Config, Space};
use crate::limit::Limit;

/// The trail, and the names of states, are swept when they have grown to so many.
const SWEEP: usize = 1 << 20;

/// Every configuration that explains all returns so far, but those that another dominates.
pub(super) struct Frontier<'a> {
    configs: Vec<Config>,
    seen: Seen,
    sweep_at: usize,
    /// Configurations that may still be visited before the next quiescent instant.
    left: usize,
    limit: &'a Limit,
}

/// Why a return was not completed. The frontier is then what it was before.
pub(super) enum Stopped {
    /// It takes more configurations than the caller has patience for.
    Impatient,
    Budget(&'static str),
}

impl<'a> Frontier<'a> {
    pub(super) fn new<M: SequentialModel>(space: &mut Space<'_, M>, budget: &'a Budget) -> Self {
        Frontier {
            configs: vec![space.start()],
            seen: Seen::default(),
            sweep_at: SWEEP,
            left: budget.configurations,
            limit: &budget.limit,
        }
    }

    pub(super) fn configs(&self) -> &[Config] {
        &self.configs
    }

    pub(super) fn configs_mut(&mut self) -> &mut [Config] {
        &mut self.configs
    }

    pub(super) fn replenish(&mut self, budget: &Budget) {
        self.left = budget.configurations;
    }

    /// Every configuration in which `operation`, which now returns, has taken effect.
    pub(super) fn complete<M: SequentialModel>(
        &mut self,
        space: &mut Space<'_, M>,
        operation: u32,
        mut patience: usize,
    ) -> Result<(), Stopped> {
        let bit = space.bit(operation);
        self.seen.clear();
        let mut next = Vec::new();
        // By the number of pending operations used, so that what dominates comes before what it dominates.
        let mut waiting: Vec<Vec<Config>> = Vec::new();
        self.configs.iter().for_each(|config| put(space, &mut waiting, *config));
        let mut used = 0;
        while used < waiting.len() {
            let Some(config) = waiting[used].pop() else {
                used += 1;
                continue;
            };
            let config = space.observe(config);
            self.seen.room(self.limit).map_err(Stopped::Budget)?;
            if !self.seen.insert(&config, 0, space.slots, &space.used) {
                continue;
            }
            if config.mask & bit != 0 {
                next.push(Config { mask: config.mask & !bit, ..config });
                continue;
            }
            if config.hidden & bit != 0 {
                next.push(space.hide(config, operation, bit));
            }
            self.spend(&mut patience)?;
            space.branch(config, |space, config| put(space, &mut waiting, config));
        }
        self.undominated(space, next, bit);
        self.sweep(space);
        Ok(())
    }

    fn spend(&mut self, patience: &mut usize) -> Result<(), Stopped> {
        let cost = 1 + self.seen.cost();
        if self.left < cost {
            return Err(Stopped::Budget("the budget of the exact search ran out"));
        }
        if let Some(reason) = self.limit.exceeded() {
            return Err(Stopped::Budget(reason));
        }
        self.left -= cost;
        *patience = patience.checked_sub(cost).ok_or(Stopped::Impatient)?;
        Ok(())
    }

    /// Keeps those of `configs` that no other dominates; `bit` is of no use any more.
    fn undominated<M: SequentialModel>(&mut self, space: &Space<'_, M>, mut configs: Vec<Config>, bit: u128) {
        let mut slots = space.slots;
        slots.reads &= !bit;
        slots.overwrites &= !bit;
        dominating_first(&mut configs, slots, &|config| space.total_used(config));
        self.seen.clear();
        configs.retain(|config| self.seen.insert(config, 0, slots, &space.used));
        self.configs = configs;
    }

    /// Forgets what no configuration needs, so that memory does not grow with the history.
    fn sweep<M: SequentialModel>(&mut self, space: &mut Space<'_, M>) {
        if space.trail.len() >= self.sweep_at {
            space.forget_steps(&mut self.configs);
            self.sweep_at = SWEEP.max(space.trail.len() * 2);
        }
        if space.names() >= SWEEP {
            space.forget_names(&mut self.configs);
        }
    }
}

fn put<M: SequentialModel>(space: &Space<'_, M>, waiting: &mut Vec<Vec<Config>>, config: Config) {
    let used = space.total_used(&config);
    if waiting.len() <= used {
        waiting.resize_with(used + 1, Vec::new);
    }
    waiting[used].push(config);
}

/// What can dominate comes first: it `used` fewer pending operations, and hides and has read more.
fn dominating_first(configs: &mut [Config], slots: Slots, used: &dyn Fn(&Config) -> usize) {
    configs.sort_by_key(|config| {
        let reads = (config.mask & slots.reads).count_ones();
        (used(config), std::cmp::Reverse((config.hidden.count_ones(), reads)))
    });
}
