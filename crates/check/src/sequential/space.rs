//! Configurations and the steps between them, at some moment of the history, which can be moved forwards and backwards.

use super::kinds::{FREE, Kinds, Map, Table};
use super::seen::Slots;
use super::{Interval, IntervalOf, SequentialModel};

/// Most operations that will return and are open at once.
const SLOTS: usize = 128;
/// In a step of the trail: the operation hides before the last one that overwrote.
const HIDES: u32 = 1 << 31;

/// A state, the open operations that have taken effect, those that can hide, which pending ones have taken effect; `trail`
/// says how it came about.
#[derive(Clone, Copy)]
pub(super) struct Config {
    pub(super) mask: u128,
    pub(super) hidden: u128,
    pub(super) state: u32,
    /// How many of each kind of pending operation, as a name in [`Space::used`].
    pub(super) used: u32,
    pub(super) trail: u32,
}

/// An operation that is open and will return. Sorted by kind, and in a kind by the time of return.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Open {
    kind: u32,
    completed: u64,
    operation: u32,
    slot: u8,
}

/// All that is known at a moment: what is open, what is pending, and every state and step met so far.
pub(super) struct Space<'a, M: SequentialModel> {
    model: &'a M,
    operations: &'a [IntervalOf<M>],
    kinds: &'a Kinds,
    open: Vec<Open>,
    free: u128,
    pub(super) slots: Slots,
    /// Kinds of which pending operations have been invoked, with how many; a place here is a place in a used vector.
    pending: Vec<(u32, u16)>,
    pending_at: Map<u32, u32>,
    pub(super) states: Table<M::State>,
    steps: Map<(u32, u32), Option<u32>>,
    pub(super) used: Table<Vec<u16>>,
    pub(super) trail: Vec<(u32, u32)>,
}

impl<'a, M: SequentialModel> Space<'a, M> {
    pub(super) fn new(model: &'a M, operations: &'a [IntervalOf<M>], kinds: &'a Kinds) -> Self {
        Space {
            model,
            operations,
            kinds,
            open: Vec::new(),
            free: u128::MAX,
            slots: Slots::default(),
            pending: Vec::new(),
            pending_at: Map::default(),
            states: Table::default(),
            steps: Map::default(),
            used: Table::default(),
            trail: vec![(0, FREE)],
        }
    }

    /// Before the first operation.
    pub(super) fn start(&mut self) -> Config {
        let (state, used) = (self.states.place(self.model.initial()), self.used.place(Vec::new()));
        Config { mask: 0, hidden: 0, state, used, trail: 0 }
    }

    /// Whether nothing is open that will return.
    pub(super) fn is_quiet(&self) -> bool {
        self.open.is_empty()
    }

    /// How many states, steps and used vectors are in memory.
    pub(super) fn names(&self) -> usize {
        self.steps.len() + self.states.all.len() + self.used.all.len()
    }

    /// Moves past an invocation. False: too many are open.
    pub(super) fn invoke(&mut self, operation: u32) -> bool {
        let kind = self.kinds.of[operation as usize];
        let Some(completed) = self.operations[operation as usize].completed else {
            let place = *self.pending_at.entry(kind).or_insert_with(|| {
                self.pending.push((kind, 0));
                self.pending.len() as u32 - 1
            });
            self.pending[place as usize].1 = self.pending[place as usize].1.saturating_add(1);
            return true;
        };
        let slot = self.free.trailing_zeros() as usize;
        if slot >= SLOTS {
            return false;
        }
        self.put(Open { kind, completed, operation, slot: slot as u8 });
        true
    }

    /// Moves back before an invocation.
    pub(super) fn uninvoke(&mut self, operation: u32) {
        let kind = self.kinds.of[operation as usize];
        if self.operations[operation as usize].completed.is_some() {
            self.close(operation);
        } else if let Some(place) = self.pending_at.get(&kind) {
            let invoked = &mut self.pending[*place as usize].1;
            *invoked = invoked.saturating_sub(1);
        }
    }

    /// Moves past a return: the slot that the operation had.
    pub(super) fn close(&mut self, operation: u32) -> u8 {
        let Some(at) = self.open.iter().position(|open| open.operation == operation) else { return 0 };
        let Open { slot, .. } = self.open.remove(at);
        let bit = 1 << slot;
        self.free |= bit;
        self.slots.reads &= !bit;
        self.slots.overwrites &= !bit;
        slot
    }

    /// Moves back before a return.
    pub(super) fn reopen(&mut self, operation: u32, slot: u8) {
        let Interval { completed, .. } = self.operations[operation as usize];
        let kind = self.kinds.of[operation as usize];
        self.put(Open { kind, completed: completed.unwrap_or(u64::MAX), operation, slot });
    }

    fn put(&mut self, open: Open) {
        let (kind, bit) = (open.kind as usize, 1 << open.slot);
        self.free &= !bit;
        self.slots.reads |= if self.kinds.reads[kind] { bit } else { 0 };
        self.slots.overwrites |= if self.kinds.overwrites[kind] { bit } else { 0 };
        let at = self.open.partition_point(|other| *other < open);
        self.open.insert(at, open);
    }

    /// The bit of an open operation.
    pub(super) fn bit(&self, operation: u32) -> u128 {
        self.open.iter().find(|open| open.operation == operation).map_or(0, |open| 1 << open.slot)
    }

    /// How many pending operations it used.
    pub(super) fn total_used(&self, config: &Config) -> usize {
        self.used.all[config.used as usize].iter().map(|&n| usize::from(n)).sum()
    }

    /// Lets every open read take effect that fits.
    pub(super) fn observe(&mut self, mut config: Config) -> Config {
        let mut left = self.slots.reads & !config.mask;
        for i in 0..self.open.len() {
            if left == 0 {
                break;
            }
            let open = self.open[i];
            let bit = 1u128 << open.slot;
            if left & bit != 0 && self.step(config.state, open.kind).is_some() {
                config = self.take(config, open, config.state);
            }
            left &= !bit;
        }
        config
    }

    /// Puts a returning operation that hides before the one that overwrote it.
    pub(super) fn hide(&mut self, config: Config, operation: u32, bit: u128) -> Config {
        self.trail.push((config.trail, operation | HIDES));
        Config { hidden: config.hidden & !bit, trail: (self.trail.len() - 1) as u32, ..config }
    }

    /// Lets each kind of operation that fits take effect, one per new configuration.
    pub(super) fn branch(&mut self, config: Config, mut each: impl FnMut(&Self, Config)) {
        let mut tried = FREE;
        let mut asked: Vec<(u32, u32)> = Vec::new();
        for i in 0..self.open.len() {
            let open = self.open[i];
            let taken = config.mask & (1 << open.slot) != 0;
            if taken || open.kind == tried || self.kinds.reads[open.kind as usize] {
                continue;
            }
            tried = open.kind;
            if let Some(state) = self.step(config.state, open.kind) {
                asked.push((self.kinds.asks[open.kind as usize], state));
                let config = self.take(config, open, state);
                each(self, config);
            }
        }
        for place in 0..self.pending.len() {
            let (kind, invoked) = self.pending[place];
            let used = self.used.all[config.used as usize].get(place).copied().unwrap_or(0);
            if used >= invoked {
                continue;
            }
            let asks = self.kinds.asks[kind as usize];
            // A pending operation that changes nothing, or only what an open one would, need not happen.
            let needed = |state: &u32| *state != config.state && !asked.contains(&(asks, *state));
            if let Some(state) = self.step(config.state, kind).filter(needed) {
                let config = self.use_pending(config, place, kind, used, state);
                each(self, config);
            }
        }
    }

    fn take(&mut self, config: Config, open: Open, state: u32) -> Config {
        self.trail.push((config.trail, open.operation));
        let mask = config.mask | 1 << open.slot;
        let hidden = self.hidden(config, mask, open.kind);
        Config { mask, hidden, state, used: config.used, trail: (self.trail.len() - 1) as u32 }
    }

    /// What can hide after an operation of this kind has taken effect.
    fn hidden(&self, config: Config, mask: u128, kind: u32) -> u128 {
        let before = if self.kinds.overwrites[kind as usize] { self.slots.overwrites } else { config.hidden };
        before & !mask
    }

    fn use_pending(&mut self, config: Config, place: usize, kind: u32, used: u16, state: u32) -> Config {
        self.trail.push((config.trail, self.kinds.pending[kind as usize][usize::from(used)]));
        let mut counts = self.used.all[config.used as usize].clone();
        counts.resize(counts.len().max(place + 1), 0);
        counts[place] += 1;
        let hidden = self.hidden(config, config.mask, kind);
        let trail = (self.trail.len() - 1) as u32;
        Config { hidden, state, used: self.used.place(counts), trail, ..config }
    }

    fn step(&mut self, state: u32, kind: u32) -> Option<u32> {
        if let Some(known) = self.steps.get(&(state, kind)) {
            return *known;
        }
        let op = &self.operations[self.kinds.example[kind as usize] as usize];
        let next = self.model.step(&self.states.all[state as usize], &op.call, op.answer.as_ref());
        let next = next.map(|next| self.states.place(next));
        self.steps.insert((state, kind), next);
        next
    }

    /// Forgets the names that these configurations do not need.
    pub(super) fn forget_names(&mut self, configs: &mut [Config]) {
        self.steps.clear();
        let (mut states, mut used) = (Table::default(), Table::default());
        for config in configs {
            config.state = states.place(self.states.all[config.state as usize].clone());
            config.used = used.place(self.used.all[config.used as usize].clone());
        }
        (self.states, self.used) = (states, used);
    }

    /// Forgets the steps that these configurations did not take.
    pub(super) fn forget_steps(&mut self, configs: &mut [Config]) {
        const DEAD: u32 = u32::MAX;
        let mut place = vec![DEAD; self.trail.len()];
        place[0] = 0;
        for config in configs.iter() {
            let mut at = config.trail as usize;
            while place[at] == DEAD {
                place[at] = 0;
                at = self.trail[at].0 as usize;
            }
        }
        let mut kept = 0;
        for at in 0..self.trail.len() {
            if place[at] == DEAD {
                continue;
            }
            place[at] = kept as u32;
            let (before, operation) = self.trail[at];
            self.trail[kept] = (place[before as usize], operation);
            kept += 1;
        }
        self.trail.truncate(kept);
        configs.iter_mut().for_each(|config| config.trail = place[config.trail as usize]);
    }

    /// The order that led to a configuration.
    pub(super) fn order(&self, config: &Config) -> Vec<u32> {
        let mut steps = Vec::new();
        let mut at = config.trail;
        while at != 0 {
            let (before, step) = self.trail[at as usize];
            steps.push(step);
            at = before;
        }
        // Walking back, what hides waits for the operation that overwrote it.
        let (mut order, mut hiding) = (Vec::with_capacity(steps.len()), Vec::new());
        for step in steps {
            if step & HIDES != 0 {
                hiding.push(step & !HIDES);
                continue;
            }
            order.push(step);
            if self.kinds.overwrites[self.kinds.of[step as usize] as usize] {
                order.append(&mut hiding);
            }
        }
        order.reverse();
        order
    }
}
