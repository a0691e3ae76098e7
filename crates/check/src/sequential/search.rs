//! The exact search: just-in-time linearization (Lowe, *Testing for linearizability*, 2017) of any [`SequentialModel`].
//!
//! Walk over the events in time. A configuration is a state and what has already taken effect: a bit for each open operation
//! that will return, and a count for each kind of pending operation, which never returns. An operation takes effect only
//! when one must return. What keeps the configurations few:
//!
//! - Reads take effect as soon as they fit, because they change nothing.
//! - Of open operations that do the same, the one that returns first goes first: exchanging them makes no order worse. A
//!   pending one goes after all open ones that ask the same.
//! - Pending operations of a kind are counted, so hundreds of them cost no slots.
//! - An overwriting operation that nobody saw hides: at its return it is put just before the last operation that overwrote
//!   it, so whether it took effect earlier need not be guessed.
//! - Dominance: with the same state, having more reads behind, more operations that can hide, and fewer pending ones used is never worse.
//!
//! Cost grows with what is open at once, not with the length of the history. At a quiescent instant nothing is open and only
//! states remain. Memory is bounded by the budget: some hundred bytes per configuration of one window.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash};

use base::Fingerprint;

use super::{IntervalOf, SequentialModel};
use crate::limit::Limit;
use crate::model::Options;

type Map<K, V> = HashMap<K, V, BuildHasherDefault<Fingerprint>>;

/// What the search found. Times are in the unit of the operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Linearized {
    /// An order that explains everything, as places in the operations.
    Order(Vec<u32>),
    /// No order explains the operations up to this return. Before it, everything is explained.
    Contradiction {
        /// When it became certain.
        at: u64,
        /// The operation that returned then.
        operation: u32,
    },
    /// The budget ran out, or too much is open at once.
    Undecided {
        /// The last instant at which nothing was open: the window that is too hard begins here.
        from: u64,
        /// How far the search came: up to here everything is explained.
        at: u64,
        /// Why.
        reason: &'static str,
    },
}

/// Most operations that will return and are open at once.
const SLOTS: usize = 128;
/// The trail is swept when it has grown to so many steps.
const SWEEP: usize = 1 << 20;
const FREE: u32 = u32::MAX;
/// In a step of the trail: the operation hides before the last one that overwrote.
const HIDES: u32 = 1 << 31;

/// How much a search may take: so many configurations between quiescent instants, until the limit stops it.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Configurations between quiescent instants.
    pub configurations: usize,
    /// Asked at every configuration.
    pub limit: Limit,
}

impl From<usize> for Budget {
    fn from(configurations: usize) -> Budget {
        Budget { configurations, limit: Limit::default() }
    }
}

impl From<&Options> for Budget {
    fn from(options: &Options) -> Budget {
        Budget { configurations: options.budget, limit: options.limit.clone() }
    }
}

/// Searches an order of `operations` within `budget`.
pub fn linearize<M: SequentialModel>(model: &M, operations: &[IntervalOf<M>], budget: impl Into<Budget>) -> Linearized {
    let budget = budget.into();
    let kinds = Kinds::of(model, operations);
    let mut events: Vec<(u64, bool, u32)> = Vec::with_capacity(operations.len() * 2);
    for (i, op) in operations.iter().enumerate() {
        if kinds.of[i] == FREE {
            continue;
        }
        events.push((op.invoked, false, i as u32));
        events.extend(op.completed.map(|completed| (completed, true, i as u32)));
    }
    // At one instant invocations come first: operations that touch are concurrent.
    events.sort_unstable();
    let mut search = Search::new(model, operations, &kinds, &budget);
    let mut from = 0;
    for (at, returns, operation) in events {
        if !returns {
            if !search.invoke(operation) {
                return Linearized::Undecided { from, at, reason: "more than 128 operations are open at once" };
            }
            continue;
        }
        if let Err(reason) = search.complete(operation) {
            return Linearized::Undecided { from, at, reason };
        }
        budget.limit.advance(1);
        if search.frontier.is_empty() {
            return Linearized::Contradiction { at, operation };
        }
        if search.open.is_empty() {
            (from, search.left) = (at, budget.configurations);
        }
    }
    Linearized::Order(search.order())
}

/// Operations that ask the same and get the same answer are of one kind.
struct Kinds {
    /// The kind of each operation; `FREE`: it constrains nothing.
    of: Vec<u32>,
    /// Of each kind: an operation, what it asks (dense), whether it only reads, whether it overwrites.
    example: Vec<u32>,
    asks: Vec<u32>,
    reads: Vec<bool>,
    overwrites: Vec<bool>,
    /// Of each kind, its pending operations in order of invocation.
    pending: Vec<Vec<u32>>,
}

impl Kinds {
    fn of<M: SequentialModel>(model: &M, operations: &[IntervalOf<M>]) -> Kinds {
        let mut calls: Map<&M::Call, u32> = Map::default();
        let mut known: Map<(u32, Option<&M::Answer>, bool), u32> = Map::default();
        let mut kinds = Kinds {
            of: vec![FREE; operations.len()],
            example: Vec::new(),
            asks: Vec::new(),
            reads: Vec::new(),
            overwrites: Vec::new(),
            pending: Vec::new(),
        };
        for (i, op) in operations.iter().enumerate() {
            let pending = op.completed.is_none();
            let reads = model.is_read(&op.call, op.answer.as_ref());
            if pending && reads {
                continue;
            }
            let next = calls.len() as u32;
            let asks = *calls.entry(&op.call).or_insert(next);
            let kind = *known.entry((asks, op.answer.as_ref(), pending)).or_insert_with(|| {
                kinds.example.push(i as u32);
                kinds.asks.push(asks);
                kinds.reads.push(reads);
                kinds.overwrites.push(model.overwrites(&op.call, op.answer.as_ref()));
                kinds.pending.push(Vec::new());
                kinds.example.len() as u32 - 1
            });
            kinds.of[i] = kind;
            if pending {
                kinds.pending[kind as usize].push(i as u32);
            }
        }
        for pending in &mut kinds.pending {
            pending.sort_by_key(|&i| operations[i as usize].invoked);
        }
        kinds
    }
}

/// A state, the open operations that have taken effect, those that can hide, how many pending ones have taken effect; `trail`
/// says how it came about.
#[derive(Clone, Copy)]
struct Config {
    mask: u128,
    hidden: u128,
    state: u32,
    used: u32,
    trail: u32,
}

/// An operation that is open and will return. Sorted by kind, and in a kind by the time of return.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Open {
    kind: u32,
    completed: u64,
    operation: u32,
    slot: u8,
}

struct Search<'a, M: SequentialModel> {
    model: &'a M,
    operations: &'a [IntervalOf<M>],
    kinds: &'a Kinds,
    open: Vec<Open>,
    free: u128,
    /// The slots of open reads, and of open operations that overwrite.
    reads: u128,
    overwrites: u128,
    /// Kinds of which pending operations have been invoked, with how many; a place here is a place in a used vector.
    pending: Vec<(u32, u16)>,
    pending_at: Map<u32, u32>,
    frontier: Vec<Config>,
    states: Table<M::State>,
    steps: Map<(u32, u32), Option<u32>>,
    used: Table<Vec<u16>>,
    trail: Vec<(u32, u32)>,
    sweep_at: usize,
    seen: Seen,
    /// Configurations that may still be visited before the next quiescent instant.
    left: usize,
    limit: &'a Limit,
}

impl<'a, M: SequentialModel> Search<'a, M> {
    fn new(model: &'a M, operations: &'a [IntervalOf<M>], kinds: &'a Kinds, budget: &'a Budget) -> Self {
        let (mut states, mut used) = (Table::default(), Table::default());
        let start =
            Config { mask: 0, hidden: 0, state: states.place(model.initial()), used: used.place(Vec::new()), trail: 0 };
        Search {
            model,
            operations,
            kinds,
            open: Vec::new(),
            free: u128::MAX,
            reads: 0,
            overwrites: 0,
            pending: Vec::new(),
            pending_at: Map::default(),
            frontier: vec![start],
            states,
            steps: Map::default(),
            used,
            trail: vec![(0, FREE)],
            sweep_at: SWEEP,
            seen: Seen::default(),
            left: budget.configurations,
            limit: &budget.limit,
        }
    }

    /// False: too many are open.
    fn invoke(&mut self, operation: u32) -> bool {
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
        self.free &= !(1 << slot);
        self.reads |= u128::from(self.kinds.reads[kind as usize]) << slot;
        self.overwrites |= u128::from(self.kinds.overwrites[kind as usize]) << slot;
        let open = Open { kind, completed, operation, slot: slot as u8 };
        let at = self.open.partition_point(|other| *other < open);
        self.open.insert(at, open);
        true
    }

    /// Every configuration in which `operation` has taken effect, or why there was no room for them.
    fn complete(&mut self, operation: u32) -> Result<(), &'static str> {
        let Some(at) = self.open.iter().position(|open| open.operation == operation) else { return Ok(()) };
        let bit = 1u128 << self.open[at].slot;
        self.seen.clear();
        let mut next = Vec::new();
        // By the number of pending operations used, so that what dominates comes before what it dominates.
        let mut waiting: Vec<Vec<Config>> = Vec::new();
        for config in std::mem::take(&mut self.frontier) {
            self.put(&mut waiting, config);
        }
        let mut level = 0;
        while level < waiting.len() {
            let Some(config) = waiting[level].pop() else {
                level += 1;
                continue;
            };
            let config = self.observe(config);
            if self.seen.is_full() && !self.limit.reserve(self.seen.growth()) {
                return Err(self.limit.exceeded().unwrap_or("there is no room for more configurations"));
            }
            if !self.seen.insert(&config, self.reads, self.loose(), &self.used) {
                continue;
            }
            if config.mask & bit != 0 {
                next.push(Config { mask: config.mask & !bit, ..config });
                continue;
            }
            if config.hidden & bit != 0 {
                self.trail.push((config.trail, operation | HIDES));
                next.push(Config { hidden: config.hidden & !bit, trail: (self.trail.len() - 1) as u32, ..config });
            }
            if self.left == 0 {
                return Err("the budget of the exact search ran out");
            }
            self.left -= 1;
            if let Some(reason) = self.limit.exceeded() {
                return Err(reason);
            }
            self.branch(config, &mut waiting);
        }
        self.open.remove(at);
        self.free |= bit;
        self.reads &= !bit;
        self.overwrites &= !bit;
        self.frontier = self.undominated(next);
        self.sweep();
        Ok(())
    }

    /// The slots whose operations need not agree for one configuration to dominate another.
    fn loose(&self) -> u128 {
        self.reads | self.overwrites
    }

    fn undominated(&mut self, mut configs: Vec<Config>) -> Vec<Config> {
        // What can dominate comes first.
        configs.sort_by_key(|config| {
            let used: usize = self.used.all[config.used as usize].iter().map(|&n| usize::from(n)).sum();
            (used, std::cmp::Reverse((config.hidden.count_ones(), (config.mask & self.reads).count_ones())))
        });
        self.seen.clear();
        let (reads, loose) = (self.reads, self.loose());
        configs.retain(|config| self.seen.insert(config, reads, loose, &self.used));
        configs
    }

    fn put(&self, waiting: &mut Vec<Vec<Config>>, config: Config) {
        let total: usize = self.used.all[config.used as usize].iter().map(|&n| usize::from(n)).sum();
        if waiting.len() <= total {
            waiting.resize_with(total + 1, Vec::new);
        }
        waiting[total].push(config);
    }

    /// Lets every open read take effect that fits.
    fn observe(&mut self, mut config: Config) -> Config {
        for i in 0..self.open.len() {
            let open = self.open[i];
            let untaken = config.mask & (1 << open.slot) == 0;
            if untaken && self.kinds.reads[open.kind as usize] && self.step(config.state, open.kind).is_some() {
                config = self.take(config, open, config.state);
            }
        }
        config
    }

    /// Lets each kind of operation that fits take effect, one per new configuration.
    fn branch(&mut self, config: Config, waiting: &mut Vec<Vec<Config>>) {
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
                self.put(waiting, config);
            }
        }
        for place in 0..self.pending.len() {
            let (kind, invoked) = self.pending[place];
            let used = self.used.all[config.used as usize].get(place).copied().unwrap_or(0);
            if used == invoked {
                continue;
            }
            let asks = self.kinds.asks[kind as usize];
            // A pending operation that changes nothing, or only what an open one would, need not happen.
            let needed = |state: &u32| *state != config.state && !asked.contains(&(asks, *state));
            if let Some(state) = self.step(config.state, kind).filter(needed) {
                let config = self.use_pending(config, place, kind, used, state);
                self.put(waiting, config);
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
        let before = if self.kinds.overwrites[kind as usize] { self.overwrites } else { config.hidden };
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

    /// Forgets what no configuration of the frontier needs, so that memory does not grow with the history.
    fn sweep(&mut self) {
        if self.trail.len() >= self.sweep_at {
            self.sweep_trail();
        }
        if self.steps.len() + self.states.all.len() + self.used.all.len() >= SWEEP {
            self.steps.clear();
            let (mut states, mut used) = (Table::default(), Table::default());
            for config in &mut self.frontier {
                config.state = states.place(self.states.all[config.state as usize].clone());
                config.used = used.place(self.used.all[config.used as usize].clone());
            }
            (self.states, self.used) = (states, used);
        }
    }

    fn sweep_trail(&mut self) {
        const DEAD: u32 = u32::MAX;
        let mut place = vec![DEAD; self.trail.len()];
        place[0] = 0;
        for config in &self.frontier {
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
        self.frontier.iter_mut().for_each(|config| config.trail = place[config.trail as usize]);
        self.sweep_at = SWEEP.max(kept * 2);
    }

    fn order(&self) -> Vec<u32> {
        let mut steps = Vec::new();
        let mut at = self.frontier.first().map_or(0, |config| config.trail);
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

/// Values with dense names.
struct Table<T> {
    all: Vec<T>,
    place: Map<T, u32>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table { all: Vec::new(), place: Map::default() }
    }
}

impl<T: Clone + Eq + Hash> Table<T> {
    fn place(&mut self, value: T) -> u32 {
        if let Some(place) = self.place.get(&value) {
            return *place;
        }
        let place = self.all.len() as u32;
        self.all.push(value.clone());
        self.place.insert(value, place);
        place
    }
}

/// The configurations of one closure of which none dominates another, by state and by what must agree.
#[derive(Default)]
struct Seen {
    first: Map<(u128, u32), u32>,
    chain: Vec<Known>,
}

struct Known {
    mask: u128,
    hidden: u128,
    reads: u128,
    used: u32,
    next: u32,
}

impl Seen {
    fn clear(&mut self) {
        self.first.clear();
        self.chain.clear();
    }

    /// Whether the next configuration needs new memory.
    fn is_full(&self) -> bool {
        self.chain.len() == self.chain.capacity()
    }

    /// Bytes that it then takes: the chain doubles, and the map and the lists of configurations grow with it.
    fn growth(&self) -> u64 {
        let each = size_of::<Known>() + 2 * size_of::<((u128, u32), u32)>() + 2 * size_of::<Config>();
        (self.chain.len() * each) as u64
    }

    /// False: a configuration like this, or a better one, is known. `loose`: the slots that need not agree.
    fn insert(&mut self, config: &Config, reads: u128, loose: u128, used: &Table<Vec<u16>>) -> bool {
        let next = self.chain.len() as u32;
        let first = self.first.entry((config.mask & !loose, config.state)).or_insert(FREE);
        let mut at = *first;
        while at != FREE {
            let known = &self.chain[at as usize];
            if known.dominates(config, used) {
                return false;
            }
            at = known.next;
        }
        let (mask, hidden, used) = (config.mask, config.hidden, config.used);
        self.chain.push(Known { mask, hidden, reads, used, next: *first });
        *first = next;
        true
    }
}

impl Known {
    /// Whether whatever can follow `config` can follow this. What can hide is as good as taken and as good as not taken; a read
    /// that is taken is as good as one that is not; a write that is taken differs from one that is not.
    fn dominates(&self, config: &Config, used: &Table<Vec<u16>>) -> bool {
        let lacks_hiding = config.hidden & !self.hidden;
        let lacks = config.mask & !self.mask & !self.hidden;
        lacks_hiding | lacks == 0 && self.extra_is_free(config) && fewer(used, self.used, config.used)
    }

    fn extra_is_free(&self, config: &Config) -> bool {
        self.mask & !config.mask & !self.reads == 0
    }
}

/// Whether `a` uses no more of any kind than `b`.
fn fewer(used: &Table<Vec<u16>>, a: u32, b: u32) -> bool {
    let (a_counts, b_counts) = (&used.all[a as usize], &used.all[b as usize]);
    a == b || a_counts.iter().enumerate().all(|(i, &n)| n <= b_counts.get(i).copied().unwrap_or(0))
}
