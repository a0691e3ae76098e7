//! Exact search on one register, for what the zones cannot decide: values written more than once, and failed compare-and-sets.
//!
//! Just-in-time linearization (Lowe, *Testing for linearizability*, 2017): walk over the events in time; a configuration is a
//! value and the set of open operations that have already taken effect. An operation takes effect only when one must return.
//! Reads and failed compare-and-sets take effect as soon as they can, because they change nothing. Cost grows with the number
//! of open mutations, not with the length of the history; a budget bounds it.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;

use base::Fingerprint;
use history::{Columns, ErrorKind, Function, Outcome};

/// One operation of a key, as the search needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op {
    /// Its place in the history.
    pub index: u32,
    /// What it did, or would have done.
    pub step: Step,
    /// Invocation, ns.
    pub sent: u64,
    /// Completion, ns; `u64::MAX`: never.
    pub done: u64,
}

/// The effect of an operation on a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Saw this value.
    Read(u64),
    /// Set this value.
    Write(u64),
    /// Saw the first and set the second.
    Cas(u64, u64),
    /// Saw any value but this.
    Not(u64),
}

impl Step {
    /// The value it needs to find.
    pub fn needs(self) -> Option<u64> {
        match self {
            Step::Read(value) | Step::Cas(value, _) => Some(value),
            Step::Write(_) | Step::Not(_) => None,
        }
    }

    /// The value it leaves behind.
    pub fn sets(self) -> Option<u64> {
        match self {
            Step::Write(value) | Step::Cas(_, value) => Some(value),
            Step::Read(_) | Step::Not(_) => None,
        }
    }

    fn apply(self, state: u64) -> Option<u64> {
        match self {
            Step::Read(value) => (state == value).then_some(state),
            Step::Write(value) => Some(value),
            Step::Cas(old, new) => (state == old).then_some(new),
            Step::Not(value) => (state != value).then_some(state),
        }
    }
}

impl Op {
    /// The operation at `index`, or `None` if it constrains nothing: no answer, or certainly no effect.
    pub fn of(columns: &Columns, index: u32) -> Option<Op> {
        let i = index as usize;
        let (argument, expected) = (columns.argument[i], columns.expected[i]);
        let step = match (columns.function[i], columns.outcome[i]) {
            (Function::Read, Outcome::Ok) => Step::Read(columns.result[i]),
            (Function::Read, _) => return None,
            (Function::Write, Outcome::Ok | Outcome::Info) => Step::Write(argument),
            (Function::Cas, Outcome::Ok | Outcome::Info) => Step::Cas(expected, argument),
            (Function::Cas, Outcome::Fail) if columns.error[i] == ErrorKind::Precondition => Step::Not(expected),
            (Function::Write | Function::Cas, Outcome::Fail) => return None,
        };
        let done = if columns.outcome[i] == Outcome::Info { u64::MAX } else { columns.done[i] };
        Some(Op { index, step, sent: columns.sent[i], done })
    }

    fn is_pending(&self) -> bool {
        self.done == u64::MAX
    }
}

/// What the search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Search {
    /// An order that explains everything, as indices into the history.
    Order(Vec<u32>),
    /// No order explains the operations up to the return at this time.
    None {
        /// When it became certain, ns.
        at: u64,
    },
    /// The budget ran out.
    GaveUp {
        /// How far the search came, ns.
        at: u64,
        /// Why.
        reason: &'static str,
    },
}

/// Searches an order of `ops` (of one key, whose first value is `initial`) within `budget` configurations.
pub fn search(ops: &[Op], initial: u64, budget: usize) -> Search {
    let ops = relevant(ops);
    let mut events: Vec<(u64, bool, u32)> = Vec::with_capacity(ops.len() * 2);
    for (i, op) in ops.iter().enumerate() {
        events.push((op.sent, false, i as u32));
        if !op.is_pending() {
            events.push((op.done, true, i as u32));
        }
    }
    // At one instant invocations come first: operations that touch are concurrent.
    events.sort_unstable();
    let mut searcher = Searcher::new(&ops, initial, budget);
    for (at, returns, op) in events {
        if !returns {
            if !searcher.invoke(op) {
                return Search::GaveUp { at, reason: "more than 128 operations are open at once" };
            }
            continue;
        }
        if !searcher.complete(op) {
            return Search::GaveUp { at, reason: "the budget of the exact search ran out" };
        }
        if searcher.frontier.is_empty() {
            return Search::None { at };
        }
    }
    Search::Order(searcher.order())
}

/// Leaves out pending mutations that nothing can tell from not having happened.
fn relevant(ops: &[Op]) -> Vec<Op> {
    if ops.iter().any(|op| matches!(op.step, Step::Not(_))) {
        return ops.to_vec();
    }
    let mut seen: Vec<u64> = ops.iter().filter_map(|op| op.step.needs()).collect();
    seen.sort_unstable();
    let observed = |op: &Op| op.step.sets().is_some_and(|value| seen.binary_search(&value).is_ok());
    ops.iter().filter(|op| !op.is_pending() || observed(op)).copied().collect()
}

/// A value and which open slots have taken effect; `trail` says how it came about.
#[derive(Clone, Copy)]
struct Config {
    state: u64,
    mask: u128,
    trail: u32,
}

struct Searcher<'a> {
    ops: &'a [Op],
    /// The operation in each slot; `None`: free.
    slots: Vec<Option<u32>>,
    slot_of: Vec<u8>,
    frontier: Vec<Config>,
    /// (before, operation): the way back to the start.
    trail: Vec<(u32, u32)>,
    /// Slots of pending writes of values that nobody sees: each is as good as the other.
    blind: Vec<bool>,
    budget: usize,
}

type Seen = HashSet<(u64, u128), BuildHasherDefault<Fingerprint>>;

impl<'a> Searcher<'a> {
    fn new(ops: &'a [Op], initial: u64, budget: usize) -> Self {
        let mut named: Vec<u64> = ops
            .iter()
            .filter_map(|op| match op.step {
                Step::Not(value) => Some(value),
                step => step.needs(),
            })
            .collect();
        named.sort_unstable();
        let blind = ops
            .iter()
            .map(|op| op.is_pending() && matches!(op.step, Step::Write(v) if named.binary_search(&v).is_err()))
            .collect();
        Searcher {
            ops,
            slots: Vec::new(),
            slot_of: vec![0; ops.len()],
            frontier: vec![Config { state: initial, mask: 0, trail: 0 }],
            trail: vec![(0, u32::MAX)],
            blind,
            budget,
        }
    }

    fn invoke(&mut self, op: u32) -> bool {
        let slot = self.slots.iter().position(Option::is_none).unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        if slot >= 128 {
            return false;
        }
        self.slots[slot] = Some(op);
        self.slot_of[op as usize] = slot as u8;
        true
    }

    /// Every configuration in which `op` has taken effect. False: out of budget.
    fn complete(&mut self, op: u32) -> bool {
        let bit = 1u128 << self.slot_of[op as usize];
        let (mut seen, mut reached) = (Seen::default(), Seen::default());
        let mut next = Vec::new();
        let mut stack = std::mem::take(&mut self.frontier);
        while let Some(config) = stack.pop() {
            let config = self.observe(config);
            if !seen.insert((config.state, config.mask)) {
                continue;
            }
            if config.mask & bit != 0 {
                let config = Config { mask: config.mask & !bit, ..config };
                if reached.insert((config.state, config.mask)) {
                    next.push(config);
                }
                continue;
            }
            if self.budget == 0 {
                return false;
            }
            self.budget -= 1;
            self.branch(config, &mut stack);
        }
        self.slots[self.slot_of[op as usize] as usize] = None;
        self.frontier = next;
        true
    }

    /// Lets everything take effect that changes nothing and fits.
    fn observe(&mut self, mut config: Config) -> Config {
        for slot in 0..self.slots.len() {
            let Some(op) = self.slots[slot] else { continue };
            let step = self.ops[op as usize].step;
            let fits = step.sets().is_none() && step.apply(config.state).is_some();
            if fits && config.mask & (1 << slot) == 0 {
                config = self.take(config, slot, op, config.state);
            }
        }
        config
    }

    /// Lets each mutation that fits take effect, one per new configuration.
    fn branch(&mut self, config: Config, stack: &mut Vec<Config>) {
        let mut blind_taken = false;
        for slot in 0..self.slots.len() {
            let Some(op) = self.slots[slot] else { continue };
            let step = self.ops[op as usize].step;
            if config.mask & (1 << slot) != 0 || step.sets().is_none() {
                continue;
            }
            if self.blind[op as usize] && std::mem::replace(&mut blind_taken, true) {
                continue;
            }
            if let Some(state) = step.apply(config.state) {
                let config = self.take(config, slot, op, state);
                stack.push(config);
            }
        }
    }

    fn take(&mut self, config: Config, slot: usize, op: u32, state: u64) -> Config {
        self.trail.push((config.trail, op));
        Config { state, mask: config.mask | 1 << slot, trail: (self.trail.len() - 1) as u32 }
    }

    fn order(&self) -> Vec<u32> {
        let mut order = Vec::new();
        let mut at = self.frontier.first().map_or(0, |config| config.trail);
        while at != 0 {
            let (before, op) = self.trail[at as usize];
            order.push(self.ops[op as usize].index);
            at = before;
        }
        order.reverse();
        order
    }
}
