//! Orders of the operations on an object, replayed by its definition. Linear, but for what the object's own state costs.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use base::Fingerprint;
use history::object::{Action, Call, Objects};

use super::definition::State;
use super::file::Doubt;

/// Why the order does not prove that the operations are linearizable; `None`: it does. What is independent (keys; elements of a set that
/// nobody reads as a whole) may be mixed or follow each other: what must hold must hold in each.
pub(crate) fn refute(history: &Objects, first: &State, order: &[u32]) -> Option<Doubt> {
    refute_some(history, first, order, |_| true)
}

/// The same for some keys only: what else happened is not looked at.
pub(super) fn refute_some(
    history: &Objects,
    first: &State,
    order: &[u32],
    certified: impl Fn(u32) -> bool,
) -> Option<Doubt> {
    let mut parts = Parts::of(history, first);
    let mut seen = vec![false; history.len()];
    for (place, &i) in order.iter().enumerate() {
        let known = (i as usize) < history.len() && !std::mem::replace(&mut seen[i as usize], true);
        let Some(call) = history.calls.get(i as usize).filter(|call| known && call.may_have_happened()) else {
            return Some(Doubt::at(place, i, "is in the order twice, or does not exist"));
        };
        if !parts.run(history, i, call) {
            return Some(Doubt::at(place, i, "does not fit after what came before it"));
        }
    }
    let missing = |i: &usize| !seen[*i] && history.calls[*i].is_ok() && certified(history.calls[*i].key);
    (0..seen.len()).find(missing).map(|i| Doubt::at(order.len(), i as u32, "is not in the order"))
}

/// An object and the latest invocation so far: whatever follows must not have been over before that.
type Replayed = (State, u64);

/// What is independent of each other.
struct Parts {
    first: State,
    all: Vec<Replayed>,
    name: Name,
}

/// The number of the part that an operation belongs to.
enum Name {
    One,
    Key,
    /// The element, of a set of small numbers.
    Element,
    /// By operation.
    Numbers(Vec<u32>),
}

impl Parts {
    fn of(history: &Objects, first: &State) -> Parts {
        let all = || history.calls.iter();
        let greatest = all().map(|call| call.key as usize).max().unwrap_or(0);
        let room = 4 * history.len() + 1024;
        let elements = matches!(first, State::Set(_)) && !all().any(|call| call.action == Action::Read && call.is_ok());
        let small = || all().all(|call| (0..room as i64).contains(&call.argument));
        let name = match elements {
            true if greatest == 0 && small() => Name::Element,
            true => Name::Numbers(numbers(history, |call| (call.key, call.argument))),
            false if first.spans_keys() || greatest == 0 => Name::One,
            false if greatest <= room => Name::Key,
            false => Name::Numbers(numbers(history, |call| (call.key, 0))),
        };
        let first = if elements { State::Element(false) } else { first.clone() };
        Parts { first, all: Vec::new(), name }
    }

    fn run(&mut self, history: &Objects, i: u32, call: &Call) -> bool {
        let part = match &self.name {
            Name::One => 0,
            Name::Key => call.key as usize,
            Name::Element => call.argument as usize,
            Name::Numbers(numbers) => numbers[i as usize] as usize,
        };
        if part >= self.all.len() {
            self.all.resize(part + 1, (self.first.clone(), 0));
        }
        let (state, latest) = &mut self.all[part];
        let late = call.completed < *latest;
        *latest = call.invoked.max(*latest);
        !late && state.run(history, call)
    }
}

/// Dense numbers in order of first appearance.
fn numbers(history: &Objects, name: impl Fn(&Call) -> (u32, i64)) -> Vec<u32> {
    let mut known: HashMap<(u32, i64), u32, BuildHasherDefault<Fingerprint>> = HashMap::default();
    let number = |call: &Call| {
        let next = known.len() as u32;
        *known.entry(name(call)).or_insert(next)
    };
    history.calls.iter().map(number).collect()
}
