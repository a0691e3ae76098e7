//! A queue, first in, first out, whose values are unique.
//!
//! A value goes in within `[ei, er]` and out within `[di, dr]`; since it goes in before it goes out, `ei <= di` does no harm. A dequeue that
//! found nothing happens at an instant at which nothing is certainly in the queue. Let the next value to go through be one that begins to go
//! in first of those that begin to come out before any that is left has ended to: if there is an order at all, one of those can be next, and
//! if that can, so can the one that begins to go in first. Values that nobody takes come last.

use std::collections::VecDeque;

use history::object::{Action, NEVER, NOTHING};

use super::super::queue::Passage;
use super::Part;
use crate::object::Values;
use crate::sort::nearly_sorted;

const NONE: u32 = u32::MAX;

/// A value, or a dequeue that found nothing.
#[derive(Clone, Copy)]
struct Item {
    /// When it goes in and out, at the earliest and the latest.
    enter: (u64, u64),
    leave: (u64, u64),
    enqueue: u32,
    dequeue: u32,
}

const UNKNOWN: Item = Item { enter: (NEVER, NEVER), leave: (NEVER, NEVER), enqueue: NONE, dequeue: NONE };

impl Item {
    fn passage(&self) -> Passage {
        let place = |i: u32| (i != NONE).then_some(i);
        Passage { enqueue: place(self.enqueue), dequeue: place(self.dequeue) }
    }
}

/// An order of the operations.
pub(super) fn order(part: Part<'_>) -> Option<Vec<u32>> {
    let (items, order) = found(part)?;
    Some(operations(&items, &order))
}

/// The values in the order in which they go through.
pub(super) fn passages(part: Part<'_>) -> Option<Vec<Passage>> {
    let (items, order) = found(part)?;
    Some(order.into_iter().map(|i| items[i as usize].passage()).collect())
}

fn found(part: Part<'_>) -> Option<(Vec<Item>, Vec<u32>)> {
    let mut found = gather(part)?;
    let mut others = Vec::new();
    if !found.pending.is_empty() || !found.empties.is_empty() {
        let ended = found.items.iter().zip(0..).filter(|(item, _)| item.enter.1 != NEVER);
        let mut by_end: Vec<(u64, u32)> = ended.map(|(item, i)| (item.enter.1, i)).collect();
        nearly_sorted(&mut by_end, |end| *end);
        take_left_over(&mut found, &by_end, &mut others);
        place_empties(part, &mut found, &by_end, &mut others)?;
    }
    let order = first_in_first_out(&mut found, &others)?;
    Some((found.items, order))
}

struct Found {
    items: Vec<Item>,
    /// The items that are known to have come out, in order of the invocation of their dequeues.
    leaving: Vec<u32>,
    /// Dequeues of unknown outcome: invocation and place.
    pending: Vec<(u64, u32)>,
    empties: Vec<u32>,
}

/// Pairs enqueues with dequeues. `None`: something is there twice, or came from nowhere.
fn gather(part: Part<'_>) -> Option<Found> {
    let mut values = Values::new(part.places.len());
    let mut items: Vec<Item> = Vec::with_capacity(part.places.len() / 2 + 1);
    let mut leaving = Vec::with_capacity(part.places.len() / 2 + 1);
    let (mut pending, mut empties) = (Vec::new(), Vec::new());
    for (i, call) in part.calls() {
        let span = (call.invoked, call.completed);
        let value = match call.action {
            Action::Enqueue => call.argument,
            Action::Dequeue if !call.is_ok() => {
                pending.push((call.invoked, i));
                continue;
            }
            Action::Dequeue if call.result == NOTHING => {
                empties.push(i);
                continue;
            }
            Action::Dequeue => call.result,
            _ => return None,
        };
        let number = values.number(value);
        if number == items.len() {
            items.push(UNKNOWN);
        }
        let item = &mut items[number];
        let (place, times) = match call.action {
            Action::Enqueue => (&mut item.enqueue, &mut item.enter),
            _ => {
                leaving.push(number as u32);
                (&mut item.dequeue, &mut item.leave)
            }
        };
        *times = span;
        if std::mem::replace(place, i) != NONE {
            return None;
        }
    }
    let from_nowhere = items.iter().any(|item| item.enqueue == NONE);
    (!from_nowhere).then_some(Found { items, leaving, pending, empties })
}

/// Values that nobody is known to have dequeued go to dequeues of unknown outcome, first come, first served.
fn take_left_over(found: &mut Found, by_end: &[(u64, u32)], others: &mut Vec<u32>) {
    let mut pending = found.pending.iter();
    for (_, i) in by_end {
        let item = &mut found.items[*i as usize];
        if item.dequeue == NONE {
            let Some((invoked, dequeue)) = pending.next() else { return };
            (item.leave, item.dequeue) = ((*invoked, NEVER), *dequeue);
            others.push(*i);
        }
    }
}

/// Makes an item, of an instant, of each dequeue that found nothing.
fn place_empties(part: Part<'_>, found: &mut Found, by_end: &[(u64, u32)], others: &mut Vec<u32>) -> Option<()> {
    if found.empties.is_empty() {
        return Some(());
    }
    // When something is certainly in the queue: open intervals, in order.
    let mut filled: Vec<(u64, u64)> = Vec::new();
    for (end, i) in by_end {
        let until = found.items[*i as usize].leave.0;
        match filled.last_mut() {
            _ if *end >= until => {}
            Some((_, last)) if end < last => *last = until.max(*last),
            _ => filled.push((*end, until)),
        }
    }
    for &i in &found.empties {
        let call = &part.history.calls[i as usize];
        let before = filled.partition_point(|(begin, _)| *begin < call.invoked);
        let free = filled[..before].last().map_or(call.invoked, |(_, until)| (*until).max(call.invoked));
        if free > call.completed {
            return None;
        }
        others.push(found.items.len() as u32);
        found.items.push(Item { enter: (free, free), leave: (free, free), enqueue: NONE, dequeue: i });
    }
    Some(())
}

/// One that may go through next.
#[derive(Clone, Copy)]
struct Candidate {
    /// Since when it can have gone in, and until when it must have come out.
    enters: u64,
    leaves: u64,
    item: u32,
}

/// Most candidates at a time: it takes as many steps to find the next. They are as many as dequeues are open.
const MOST: usize = 4096;

/// `others`: the items that come out beside those known to.
fn first_in_first_out(found: &mut Found, others: &[u32]) -> Option<Vec<u32>> {
    let leaving = merged(by_begin(&mut found.items, &found.leaving), by_begin(&mut found.items, others));
    let (items, mut leaving) = (&found.items, leaving.into_iter().peekable());
    let mut order: Vec<u32> = Vec::with_capacity(items.len());
    let mut candidates: Vec<Candidate> = Vec::new();
    loop {
        // Until when one of those that are left must have come out.
        let mut until = candidates.iter().fold(NEVER, |until, candidate| until.min(candidate.leaves));
        while let Some((_, item)) = leaving.next_if(|(begin, _)| *begin <= until) {
            let Item { enter, leave, .. } = items[item as usize];
            candidates.push(Candidate { enters: enter.0, leaves: leave.1, item });
            until = until.min(leave.1);
        }
        if candidates.len() > MOST {
            return None;
        }
        let Some(next) = (0..candidates.len()).min_by_key(|&at| candidates[at].enters) else { break };
        order.push(candidates.swap_remove(next).item);
    }
    // In order of invocation, as they were gathered.
    let stays = |item: &Item| item.dequeue == NONE && item.enter.1 != NEVER;
    order.extend(items.iter().zip(0..).filter(|(item, _)| stays(item)).map(|(_, i)| i));
    Some(order)
}

/// Items in order of the instant at which they can come out, not before they can go in.
fn by_begin(items: &mut [Item], leaving: &[u32]) -> Vec<(u64, u32)> {
    let begin = |&i: &u32| {
        let item = &mut items[i as usize];
        item.leave.0 = item.leave.0.max(item.enter.0);
        (item.leave.0, i)
    };
    let mut all: Vec<(u64, u32)> = leaving.iter().map(begin).collect();
    nearly_sorted(&mut all, |entry| *entry);
    all
}

/// Two sorted lists as one.
fn merged(one: Vec<(u64, u32)>, other: Vec<(u64, u32)>) -> Vec<(u64, u32)> {
    if other.is_empty() {
        return one;
    }
    let mut all = Vec::with_capacity(one.len() + other.len());
    let mut other = other.into_iter().peekable();
    for entry in one {
        while let Some(before) = other.next_if(|before| *before < entry) {
            all.push(before);
        }
        all.push(entry);
    }
    all.extend(other);
    all
}

/// The operations of the items, each as early as its order allows.
fn operations(items: &[Item], order: &[u32]) -> Vec<u32> {
    let mut all = Vec::with_capacity(2 * items.len());
    let in_order = || order.iter().map(|&i| &items[i as usize]);
    let mut leaving = in_order().filter(|item| item.enqueue != NONE && item.dequeue != NONE);
    // When those that are in went in; when the last went in and out.
    let (mut inside, mut entered, mut left) = (VecDeque::new(), 0, 0);
    let mut next = leaving.next();
    for item in in_order() {
        entered = item.enter.0.max(entered);
        while let (Some(first), Some(since)) = (next, inside.front()) {
            let out = first.leave.0.max(left).max(*since);
            if out > entered {
                break;
            }
            left = out;
            all.push(first.dequeue);
            inside.pop_front();
            next = leaving.next();
        }
        if item.enqueue == NONE {
            all.push(item.dequeue);
            continue;
        }
        all.push(item.enqueue);
        if item.dequeue != NONE {
            inside.push_back(entered);
        }
    }
    all.extend(next.into_iter().chain(leaving).map(|item| item.dequeue));
    all
}
