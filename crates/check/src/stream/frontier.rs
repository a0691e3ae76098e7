//! The exact search of objects with a small state, event by event: every state that the object can be in, and which of the
//! operations under way have taken effect in it (just-in-time linearization, Lowe, *Testing for linearizability*, 2017).
//!
//! An operation takes effect as late as possible: when one completes, others under way are let in before it only where it needs
//! them. A configuration that can do all that another can, and more, makes that one superfluous. Operations of unknown outcome stay
//! under way for ever; memory is bounded by [`MOST`] configurations, and what needs more is undecided.

use super::object::Left;

/// An object with a small state.
pub(super) trait Small {
    type State: Clone + PartialEq;
    type Call: Clone;

    /// The state after an operation that takes effect now, at rank `now`, with whatever answer; `None`: it is not possible.
    fn step(&self, state: &Self::State, call: &Self::Call, now: u64) -> Option<Self::State>;

    /// Whether one state allows all that the other allows.
    fn covers(&self, one: &Self::State, other: &Self::State) -> bool;
}

/// All that the object may be in.
#[derive(Debug)]
pub(super) struct Frontier<M: Small> {
    model: M,
    configurations: Vec<Configuration<M::State>>,
    /// The operations under way, by slot.
    calls: Vec<Option<M::Call>>,
    /// Slots whose operations will never complete.
    unknown: u64,
}

#[derive(Clone, Debug)]
struct Configuration<S> {
    state: S,
    /// The slots of operations under way that have taken effect.
    done: u64,
}

/// Most configurations that are kept.
const MOST: usize = 2048;
/// Most operations under way at once: bits of a word.
const SLOTS: usize = 64;

impl<M: Small> Frontier<M> {
    pub(super) fn new(model: M, state: M::State) -> Frontier<M> {
        let configurations = vec![Configuration { state, done: 0 }];
        Frontier { model, configurations, calls: Vec::new(), unknown: 0 }
    }

    /// An operation is invoked. Returns its slot.
    pub(super) fn begin(&mut self, call: M::Call) -> Result<usize, Left> {
        let slot = self.calls.iter().position(Option::is_none).unwrap_or(self.calls.len());
        if slot == SLOTS {
            return Err(Left::Undecided(format!("more than {SLOTS} operations are under way or unknown")));
        }
        if slot == self.calls.len() {
            self.calls.push(None);
        }
        self.calls[slot] = Some(call);
        Ok(slot)
    }

    /// The operation took effect; `answered` says what state that leaves, if the answer fits to it. False: there is no way.
    pub(super) fn complete(
        &mut self,
        slot: usize,
        now: u64,
        answered: impl Fn(&M::State) -> Option<M::State>,
    ) -> Result<bool, Left> {
        let bit = 1 << slot;
        self.reach(now, |configuration| configuration.done & bit != 0)?;
        self.configurations.retain_mut(|configuration| {
            let Some(state) = answered(&configuration.state) else { return false };
            configuration.state = state;
            configuration.done &= !bit;
            true
        });
        self.calls[slot] = None;
        self.thin_out()?;
        Ok(!self.configurations.is_empty())
    }

    /// Something that changes nothing was seen in a state that `fits`. False: there is no way.
    pub(super) fn observe(&mut self, now: u64, fits: impl Fn(&M::State) -> bool) -> Result<bool, Left> {
        self.reach(now, |configuration| fits(&configuration.state))?;
        self.thin_out()?;
        Ok(!self.configurations.is_empty())
    }

    /// The operation did not happen. False: it must have.
    pub(super) fn fail(&mut self, slot: usize) -> bool {
        self.configurations.retain(|configuration| configuration.done & (1 << slot) == 0);
        self.calls[slot] = None;
        !self.configurations.is_empty()
    }

    /// Nobody will ever know.
    pub(super) fn give_up(&mut self, slot: usize) {
        self.unknown |= 1 << slot;
    }

    /// Whether nothing is under way and the object is in this state.
    pub(super) fn rests(&self, state: &M::State) -> bool {
        let alone = |one: &[Configuration<M::State>]| one.len() == 1 && self.model.covers(state, &one[0].state);
        self.calls.iter().all(Option::is_none) && alone(&self.configurations)
    }

    /// The operations under way, and those of unknown outcome that may not have happened yet.
    pub(super) fn calls(&self) -> impl Iterator<Item = &M::Call> {
        self.calls.iter().flatten()
    }

    pub(super) fn entries(&self) -> usize {
        self.configurations.len() + self.calls.len()
    }

    /// Lets operations under way take effect, in every order, until a configuration is as wanted. Those that never are fall away.
    fn reach(&mut self, now: u64, wanted: impl Fn(&Configuration<M::State>) -> bool) -> Result<(), Left> {
        let mut left = std::mem::take(&mut self.configurations);
        let mut tried: Vec<Configuration<M::State>> = Vec::new();
        while let Some(configuration) = left.pop() {
            if wanted(&configuration) {
                self.keep(configuration);
                continue;
            }
            if tried.iter().any(|known| self.beats(known, &configuration)) {
                continue;
            }
            for (slot, call) in self.calls.iter().enumerate() {
                let bit = 1 << slot;
                let Some(call) = call.as_ref().filter(|_| configuration.done & bit == 0) else { continue };
                let Some(state) = self.model.step(&configuration.state, call, now) else { continue };
                let next = Configuration { state, done: configuration.done | bit };
                if !left.iter().any(|known| self.beats(known, &next)) {
                    left.push(next);
                }
            }
            tried.push(configuration);
            if left.len() + tried.len() + self.configurations.len() > MOST {
                return Err(Left::Undecided("too many operations under way or unknown can have happened".to_string()));
            }
        }
        Ok(())
    }

    fn keep(&mut self, configuration: Configuration<M::State>) {
        if !self.configurations.iter().any(|known| self.beats(known, &configuration)) {
            self.configurations.push(configuration);
        }
    }

    /// Whether one can do all that the other can: its state covers the other's, and the operations that only the other has used
    /// up will never complete.
    fn beats(&self, one: &Configuration<M::State>, other: &Configuration<M::State>) -> bool {
        let spared = other.done & !one.done;
        one.done & !other.done == 0 && spared & !self.unknown == 0 && self.model.covers(&one.state, &other.state)
    }

    /// Drops superfluous configurations, and operations of unknown outcome that took effect in all.
    fn thin_out(&mut self) -> Result<(), Left> {
        for configuration in std::mem::take(&mut self.configurations) {
            if self.configurations.iter().any(|known| self.beats(known, &configuration)) {
                continue;
            }
            let mut kept = std::mem::take(&mut self.configurations);
            kept.retain(|known| !self.beats(&configuration, known));
            kept.push(configuration);
            self.configurations = kept;
        }
        let used = self.configurations.iter().fold(self.unknown, |used, configuration| used & configuration.done);
        if used != 0 && !self.configurations.is_empty() {
            self.configurations.iter_mut().for_each(|configuration| configuration.done &= !used);
            self.unknown &= !used;
            (0..self.calls.len()).filter(|slot| used >> slot & 1 == 1).for_each(|slot| self.calls[slot] = None);
        }
        Ok(())
    }
}
