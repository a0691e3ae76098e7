//! Orders for objects that were decided without one: what a proof needs and a fast check does not.
//!
//! - One file each: `queue`, `set`, `counter`, `lock`. Each makes an order of one key in nearly linear time, of histories that are
//!   linearizable and of the kind that the fast checks decide.
//! - What is of no such kind is searched.
//!
//! Nothing here need be right: an order is replayed before anything rests on it, and searched if it does not hold.

mod counter;
mod lock;
mod queue;
mod set;

use history::object::{Action, Call, NEVER, Objects};

use super::definition::State;
use super::file::Doubt;
use super::replay;
use crate::model::Options;
use crate::sequential::{Interval, Linearized, SequentialModel, linearize};

/// Operations on one key that may have happened, in order of invocation.
#[derive(Clone, Copy)]
struct Part<'a> {
    history: &'a Objects,
    places: &'a [u32],
}

impl<'a> Part<'a> {
    fn calls(self) -> impl Iterator<Item = (u32, &'a Call)> {
        self.places.iter().map(move |&i| (i, &self.history.calls[i as usize]))
    }
}

/// An order that proves a history linearizable. `None`: none was found, within the budget of `options`.
pub(crate) fn order(history: &Objects, first: &State, options: &Options) -> Option<Vec<u32>> {
    let mut found = Found::of(history, first, true, options)?;
    found.settle(options).is_none().then(|| found.whole())
}

/// Shows again, by an order, what was decided without one; what was searched was replayed then. Why a key cannot be shown, if one cannot.
pub(crate) fn recheck(history: &Objects, first: &State, options: &Options) -> Option<String> {
    if matches!(first, State::Queue(_)) {
        return queue::refute(history);
    }
    if let (State::Counter(_), Ok(doubt)) = (first, counters(history)) {
        return doubt;
    }
    let doubt = Found::of(history, first, false, options)?.settle(options)?;
    options.limit.exceeded().is_none().then_some(doubt.why)
}

/// Why a counter is not shown by an order of its increments; `Err`: some are not only incremented by one.
fn counters(history: &Objects) -> Result<Option<String>, ()> {
    for places in by_key(history, false).iter().filter(|places| !places.is_empty()) {
        if let Some(doubt) = counter::refute(Part { history, places })? {
            return Ok(Some(doubt));
        }
    }
    Ok(None)
}

/// What is known of the keys.
struct Found<'a> {
    history: &'a Objects,
    first: &'a State,
    keys: Vec<Vec<u32>>,
    orders: Vec<Option<Vec<u32>>>,
}

impl<'a> Found<'a> {
    /// `None`: a key has no order.
    fn of(history: &'a Objects, first: &'a State, all: bool, options: &Options) -> Option<Found<'a>> {
        let keys = by_key(history, first.spans_keys());
        let mut orders = Vec::with_capacity(keys.len());
        for places in &keys {
            let part = Part { history, places };
            let order = quickly(part, first);
            orders.push(if all && order.is_none() { Some(searched(part, first, options)?) } else { order });
        }
        Some(Found { history, first, keys, orders })
    }

    fn whole(&self) -> Vec<u32> {
        match &self.orders[..] {
            [Some(one)] => one.clone(),
            orders => orders.iter().flatten().flatten().copied().collect(),
        }
    }

    /// Replays the orders. A key whose order does not hold was not of the kind that it was taken for, and is searched.
    fn settle(&mut self, options: &Options) -> Option<Doubt> {
        let mut searched_before = None;
        loop {
            let known = |key: u32| self.orders.get(self.place(key)).is_some_and(Option::is_some);
            let doubt = replay::refute_some(self.history, self.first, &self.whole(), known)?;
            let place = self.place(self.history.calls.get(doubt.operation as usize).map_or(0, |call| call.key));
            // The keys that were replayed before it hold.
            if searched_before.replace(place).is_some_and(|before| before >= place) {
                return Some(doubt);
            }
            let Some(order) = searched(Part { history: self.history, places: &self.keys[place] }, self.first, options)
            else {
                return Some(doubt);
            };
            self.orders[place] = Some(order);
        }
    }

    /// Where the operations of a key stand.
    fn place(&self, key: u32) -> usize {
        if self.first.spans_keys() {
            return 0;
        }
        let first = |places: &Vec<u32>| places.first().map(|&i| self.history.calls[i as usize].key);
        let here = |place: usize| self.keys.get(place).and_then(first) == Some(key);
        if here(key as usize) {
            return key as usize;
        }
        self.keys.iter().position(|places| first(places) == Some(key)).unwrap_or(0)
    }
}

fn quickly(part: Part<'_>, first: &State) -> Option<Vec<u32>> {
    match first {
        State::Queue(_) => queue::order(part),
        State::Set(_) => set::order(part),
        State::Counter(_) => counter::order(part),
        State::Owned { .. } | State::Permits { .. } => lock::order(part),
        State::Fenced(..) => lock::order_by_token(part),
        _ => None,
    }
}

/// The operations of each key that may have happened.
fn by_key(history: &Objects, together: bool) -> Vec<Vec<u32>> {
    let happened = || history.calls.iter().enumerate().filter(|(_, call)| call.may_have_happened());
    let greatest = history.calls.iter().map(|call| call.key as usize).max().unwrap_or(0);
    if together || greatest == 0 {
        let mut all = Vec::with_capacity(history.len());
        all.extend(happened().map(|(i, _)| i as u32));
        return vec![all];
    }
    if greatest > 4 * history.len() + 1024 {
        let mut keys: std::collections::BTreeMap<u32, Vec<u32>> = std::collections::BTreeMap::new();
        happened().for_each(|(i, call)| keys.entry(call.key).or_default().push(i as u32));
        return keys.into_values().collect();
    }
    let mut keys = vec![Vec::new(); greatest + 1];
    happened().for_each(|(i, call)| keys[call.key as usize].push(i as u32));
    keys
}

/// The definition of an object, as the exact search asks for it.
struct Searched<'a> {
    history: &'a Objects,
    first: &'a State,
}

impl SequentialModel for Searched<'_> {
    type State = State;
    type Call = u32;
    type Answer = ();

    fn initial(&self) -> State {
        self.first.clone()
    }

    fn step(&self, state: &State, call: &u32, answer: Option<&()>) -> Option<State> {
        let (mut next, call) = (state.clone(), &self.history.calls[*call as usize]);
        let unknown = Call { outcome: history::Outcome::Info, ..*call };
        next.run(self.history, if answer.is_some() { call } else { &unknown }).then_some(next)
    }

    fn is_read(&self, call: &u32, _answer: Option<&()>) -> bool {
        let call = &self.history.calls[*call as usize];
        matches!(call.action, Action::Read | Action::Contains | Action::Get)
    }
}

fn searched(part: Part<'_>, first: &State, options: &Options) -> Option<Vec<u32>> {
    let interval = |(i, call): (u32, &Call)| Interval {
        process: call.process,
        call: i,
        answer: call.is_ok().then_some(()),
        invoked: call.invoked,
        completed: (call.completed != NEVER).then_some(call.completed),
    };
    let intervals: Vec<Interval<u32, ()>> = part.calls().map(interval).collect();
    match linearize(&Searched { history: part.history, first }, &intervals, options) {
        Linearized::Order(order) => Some(order.into_iter().map(|at| part.places[at as usize]).collect()),
        _ => None,
    }
}
