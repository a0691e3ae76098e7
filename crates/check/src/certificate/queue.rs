//! Queues, first in first out: the values in the order in which they go through.
//!
//! Let each value that is taken out go in at the earliest instant that is neither before its enqueue was invoked nor before the value ahead of it
//! went in, and come out at the earliest that is neither before its dequeue was invoked, nor before the value ahead of it came out, nor
//! before it went in itself; values that stay go in after all of these. If every operation is still open at its instant, and a dequeue that
//! found nothing is at one where all ahead of it is out and all behind it is not in, then the operations by instant, and those of one
//! instant by the values' order, are an order of the queue: each is within its interval, and what comes out went in first of what is inside.
//!
//! The order comes with no promise ([`find`](super::find)): [`Queues::refute`] believes nothing of it.

use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasherDefault;
use std::hint::select_unpredictable;

use base::Fingerprint;
use history::object::{Action, Call, NEVER, NOTHING, Objects};

/// No operation.
pub(super) const NONE: u32 = u32::MAX;

/// What is known of a value: going in first, then coming out.
#[derive(Clone, Copy)]
pub(super) struct Item {
    /// Invocation and completion.
    pub(super) spans: [(u64, u64); 2],
    /// The operations, or [`NONE`].
    pub(super) operations: [u32; 2],
}

const UNKNOWN: Item = Item { spans: [(NEVER, NEVER); 2], operations: [NONE; 2] };

/// Queues of unique values.
pub(super) struct Queues<'a> {
    history: &'a Objects,
    /// By the value, or in order of appearance.
    pub(super) items: Vec<Item>,
    /// Of each item, the place of its key.
    key_of: Vec<u32>,
    /// How great a value or a key may be to be its own place.
    room: u64,
    names: Option<Names>,
    /// By key, or in order of appearance.
    pub(super) keys: Vec<Key>,
    /// The keys that are no queue of unique values: nothing on them is looked at.
    pub(super) others: BTreeSet<u32>,
    /// How many operations happened.
    happened: usize,
}

/// The operations on a queue, in order of invocation.
#[derive(Default)]
pub(super) struct Key {
    /// The items that go in, and how many there are.
    entering: Vec<u32>,
    count: usize,
    /// Dequeues of unknown outcome, and dequeues that found nothing.
    pub(super) pending: Vec<u32>,
    pub(super) empties: Vec<u32>,
}

impl Key {
    /// The items that go in.
    pub(super) fn entering(&self) -> &[u32] {
        &self.entering[..self.count]
    }

    /// Which operations enqueue is as good as random, so nothing branches on it.
    #[inline(always)]
    fn enter(&mut self, item: u32, enters: bool) {
        match self.entering.get_mut(self.count) {
            Some(place) => *place = item,
            None => self.entering.push(item),
        }
        self.count += usize::from(enters);
    }
}

/// The places of values that are not small; those of keys, with the value [`NOTHING`].
type Names = HashMap<(u32, i64), u32, BuildHasherDefault<Fingerprint>>;

/// Values or keys are not small, or two keys share a value.
struct Unusual;

impl<'a> Queues<'a> {
    /// All queues of a history, or those of the operations at these places. Linear.
    pub(super) fn of(history: &'a Objects, places: Option<&[u32]>) -> Queues<'a> {
        let mut queues = Queues::new(history, None, BTreeSet::new());
        loop {
            let known = queues.others.len();
            let (usual, others) = (queues.gather(places).is_ok(), std::mem::take(&mut queues.others));
            if usual && others.len() == known {
                return Queues { others, ..queues };
            }
            // Everything has a name.
            let names = if usual { queues.names.map(|_| Names::default()) } else { Some(Names::default()) };
            queues = Queues::new(history, names, others);
        }
    }

    fn new(history: &'a Objects, names: Option<Names>, others: BTreeSet<u32>) -> Queues<'a> {
        let items = Vec::with_capacity(history.len() + 64);
        let room = 4 * history.len() as u64 + 1024;
        Queues { history, items, key_of: Vec::new(), room, names, keys: Vec::new(), others, happened: 0 }
    }

    fn gather(&mut self, places: Option<&[u32]>) -> Result<(), Unusual> {
        let calls = &self.history.calls;
        let skipped = self.others.clone();
        let counts = |call: &Call| call.may_have_happened() && (skipped.is_empty() || !skipped.contains(&call.key));
        for at in 0..places.map_or(calls.len(), <[u32]>::len) {
            let i = places.map_or(at as u32, |places| places[at]);
            let call = &calls[i as usize];
            if counts(call) {
                self.see(i, call)?;
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn see(&mut self, i: u32, call: &Call) -> Result<(), Unusual> {
        let key = self.key(call.key)?;
        self.happened += usize::from(call.is_ok());
        let enters = call.action == Action::Enqueue;
        // What a dequeue of unknown outcome took is not known.
        let value =
            select_unpredictable(enters, call.argument, select_unpredictable(call.is_ok(), call.result, NOTHING));
        if value == NOTHING || !(enters | (call.action == Action::Dequeue)) {
            self.see_no_value(i, key, call);
            return Ok(());
        }
        let at = self.place(call.key, value)?;
        let side = usize::from(!enters);
        let item = &mut self.items[at as usize];
        if self.keys.len() > 1 {
            let fresh = item.operations == [NONE; 2];
            let of_item = &mut self.key_of[at as usize];
            *of_item = select_unpredictable(fresh, key as u32, *of_item);
            if *of_item != key as u32 {
                return Err(Unusual);
            }
        }
        if item.operations[side] != NONE {
            // What comes out twice happened, but goes not through.
            if enters {
                self.others.insert(call.key);
            }
            return Ok(());
        }
        item.operations[side] = i;
        let completed = select_unpredictable(call.is_ok(), call.completed, NEVER);
        item.spans[side] = (call.invoked, completed);
        self.keys[key].enter(at, enters);
        Ok(())
    }

    fn see_no_value(&mut self, i: u32, key: usize, call: &Call) {
        match call.action {
            Action::Dequeue if call.is_ok() => self.keys[key].empties.push(i),
            Action::Dequeue => self.keys[key].pending.push(i),
            _ => _ = self.others.insert(call.key),
        }
    }

    #[inline(always)]
    fn place(&mut self, key: u32, value: i64) -> Result<u32, Unusual> {
        if let Some(names) = &mut self.names {
            let next = self.items.len() as u32;
            let at = *names.entry((key, value)).or_insert(next);
            if at == next {
                self.items.push(UNKNOWN);
                self.key_of.push(0);
            }
            return Ok(at);
        }
        if value as u64 >= self.items.len() as u64 {
            self.grow(value as u64)?;
        }
        Ok(value as u32)
    }

    #[cold]
    fn grow(&mut self, value: u64) -> Result<(), Unusual> {
        if value >= self.room {
            return Err(Unusual);
        }
        self.items.resize((value as usize + 1).next_multiple_of(64), UNKNOWN);
        self.key_of.resize(self.items.len(), 0);
        Ok(())
    }

    /// The place of a key.
    #[inline(always)]
    fn key(&mut self, key: u32) -> Result<usize, Unusual> {
        if self.names.is_none() && (key as usize) < self.keys.len() { Ok(key as usize) } else { self.new_key(key) }
    }

    #[cold]
    fn new_key(&mut self, key: u32) -> Result<usize, Unusual> {
        let next = self.keys.len();
        let at = match &mut self.names {
            Some(names) => *names.entry((key, NOTHING)).or_insert(next as u32) as usize,
            None if u64::from(key) < self.room / 16 => key as usize,
            None => return Err(Unusual),
        };
        self.keys.resize_with(next.max(at + 1), Key::default);
        Ok(at)
    }

    /// When an operation was invoked and completed.
    pub(super) fn span(&self, operation: u32) -> (u64, u64) {
        let call = &self.history.calls[operation as usize];
        (call.invoked, call.completed)
    }
}

/// What goes through the queues, those of each key together.
#[derive(Default)]
pub(super) struct Order {
    /// The items, and dequeues that found nothing, which stand [`NOTHING_HERE`] further than their place in the history.
    pub(super) through: Vec<u64>,
    /// Of each key, by its place, where those end.
    pub(super) ends: Vec<usize>,
    /// Items that nobody is known to have taken out, and the dequeues of unknown outcome that did.
    pub(super) taken: Vec<(u32, u32)>,
}

/// More than there are items.
pub(super) const NOTHING_HERE: u64 = 1 << 32;

/// Replaying it.
impl Queues<'_> {
    /// Why an order of what goes through the queues does not prove them linearizable; `None`: it does. Linear, but for dequeues without a value.
    pub(super) fn refute(mut self, order: &Order) -> Option<String> {
        let Some(mut used) = self.take_out(&order.taken) else {
            return Some("an operation takes something out twice, or from another queue".to_string());
        };
        let mut start = 0;
        for key in 0..self.keys.len() {
            let end = order.ends.get(key).copied().unwrap_or(start);
            let mut queue = Queue::default();
            for &place in order.through.get(start..end).unwrap_or(&[]) {
                let fits = match place.checked_sub(NOTHING_HERE) {
                    None => self.passes(key, place as usize, &mut queue),
                    Some(dequeue) => self.finds_nothing(key, dequeue as u32, &mut used, &mut queue),
                };
                if !fits {
                    return Some(format!("{place} does not fit behind what is ahead of it"));
                }
            }
            (start, self.happened) = (end, self.happened - queue.answered.min(self.happened));
        }
        (self.happened > 0).then(|| format!("{} operations go not through the queues", self.happened))
    }

    /// Lets dequeues of unknown outcome take items that no other did. The dequeues; `None`: that cannot be.
    fn take_out(&mut self, taken: &[(u32, u32)]) -> Option<BTreeSet<u32>> {
        let mut used = BTreeSet::new();
        for &(at, dequeue) in taken {
            let item = self.items.get_mut(at as usize)?;
            let [enqueue, other] = item.operations;
            let enqueued = self.history.calls.get(enqueue as usize)?;
            let call = self.history.calls.get(dequeue as usize)?;
            let pending = call.action == Action::Dequeue && call.may_have_happened() && !call.is_ok();
            if other != NONE || !pending || enqueued.key != call.key || !used.insert(dequeue) {
                return None;
            }
            (item.spans[1], item.operations[1]) = ((call.invoked, NEVER), dequeue);
        }
        Some(used)
    }

    /// Whether an item of this key goes through, for the first time.
    #[inline(always)]
    fn passes(&mut self, key: usize, at: usize, queue: &mut Queue) -> bool {
        let Some(item) = self.items.get_mut(at) else { return false };
        let passes = item.operations[0] != NONE && self.key_of[at] as usize == key && queue.pass(item);
        item.operations[0] = NONE;
        passes
    }

    fn finds_nothing(&self, key: usize, dequeue: u32, used: &mut BTreeSet<u32>, queue: &mut Queue) -> bool {
        let Some(call) = self.history.calls.get(dequeue as usize) else { return false };
        let nothing = call.action == Action::Dequeue && call.is_ok() && call.result == NOTHING;
        nothing && used.insert(dequeue) && self.is_of(key, dequeue) && queue.is_empty(self.span(dequeue))
    }

    fn is_of(&self, key: usize, operation: u32) -> bool {
        let name = self.history.calls[operation as usize].key;
        match &self.names {
            None => name as usize == key,
            Some(names) => names.get(&(name, NOTHING)) == Some(&(key as u32)),
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Queue {
    /// When the last value went in, and out.
    entered: u64,
    left: u64,
    /// Whether a value stays.
    stays: bool,
    /// How many operations that happened went through.
    answered: usize,
}

impl Queue {
    #[inline(always)]
    fn pass(&mut self, item: &Item) -> bool {
        let [(enters, entered_by), (leaves, left_by)] = item.spans;
        self.answered += usize::from(entered_by != NEVER) + usize::from(left_by != NEVER);
        self.entered = self.entered.max(enters);
        let before = self.stays;
        if item.operations[1] == NONE {
            self.stays = true;
            return self.entered <= entered_by;
        }
        self.left = self.left.max(self.entered).max(leaves);
        self.entered <= entered_by && self.left <= left_by && !before
    }

    /// A dequeue finds nothing.
    fn is_empty(&mut self, (invoked, completed): (u64, u64)) -> bool {
        self.answered += 1;
        self.left = self.left.max(self.entered).max(invoked);
        self.entered = self.left;
        self.left <= completed && !self.stays
    }
}

#[cfg(test)]
mod tests {
    use base::{Rng, Seed};
    use testkit::brute_objects::{self as brute, ObjectMix, random_objects};

    use super::*;

    /// Without operations of unknown outcome, what goes through is known, and only in which order is not.
    #[test]
    fn some_order_of_passages_holds_if_and_only_if_the_queue_is_linearizable() {
        let actions = &[Action::Enqueue, Action::Dequeue];
        let mix = ObjectMix {
            rule: brute::fifo,
            actions,
            operations: 8,
            unique: true,
            pending: 0.0,
            lies: 0.3,
            sequential: false,
        };
        let mut rng = Rng::new(Seed(1).derive("passages"));
        let (mut valid, mut invalid) = (0, 0);
        for _ in 0..3_000 {
            let history = random_objects(&mut rng, mix);
            let mut holds = false;
            let queues = Queues::of(&history, None);
            let items = queues.items.iter().zip(0..).filter(|(item, _)| item.operations != [NONE; 2]).map(|(_, at)| at);
            let empties = queues.keys.iter().flat_map(|key| &key.empties).map(|&i| u64::from(i) + NOTHING_HERE);
            permutations(&mut items.chain(empties).collect::<Vec<u64>>(), 0, &mut |through| {
                let order = Order { through: through.to_vec(), ends: vec![through.len()], taken: Vec::new() };
                holds |= Queues::of(&history, None).refute(&order).is_none();
            });
            let expected = brute::linearizable(&history, brute::fifo);
            assert_eq!(holds, expected, "{history:#?}");
            *if expected { &mut valid } else { &mut invalid } += 1;
        }
        assert!(valid > 300 && invalid > 300, "{valid} {invalid}");
    }

    fn permutations(all: &mut [u64], from: usize, see: &mut impl FnMut(&[u64])) {
        if from == all.len() {
            return see(all);
        }
        for at in from..all.len() {
            all.swap(from, at);
            permutations(all, from + 1, see);
            all.swap(from, at);
        }
    }
}
