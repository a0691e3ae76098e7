//! A queue, first in, first out, whose values are unique.
//!
//! A value goes in within `[ei, er]` and out within `[di, dr]`; since it goes in before it goes out, `er <= dr` and `ei <= di` do no
//! harm. A dequeue that found nothing happens at an instant at which nothing is certainly in the queue. Values that are put in and taken
//! out one by one, such that each begins to go in before any that is left has ended to, and out likewise, are an order of the queue if there is any.

use std::collections::VecDeque;

use history::object::{Action, NEVER, NOTHING};

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

pub(super) fn order(part: Part<'_>) -> Option<Vec<u32>> {
    let mut found = gather(part)?;
    let mut by_end: Vec<(u64, u32)> = found.items.iter().zip(0..).map(|(item, i)| (item.enter.1, i)).collect();
    nearly_sorted(&mut by_end, |end| *end);
    take_left_over(&mut found.items, &found.pending, &by_end);
    place_empties(part, &mut found, &by_end)?;
    for item in &mut found.items {
        item.enter.1 = item.enter.1.min(item.leave.1);
        item.leave.0 = item.leave.0.max(item.enter.0);
    }
    let order = first_in_first_out(&found.items)?;
    Some(operations(&found.items, &order))
}

struct Found {
    items: Vec<Item>,
    /// Dequeues of unknown outcome: invocation and place.
    pending: Vec<(u64, u32)>,
    empties: Vec<u32>,
}

/// Pairs enqueues with dequeues. `None`: something is there twice, or came from nowhere.
fn gather(part: Part<'_>) -> Option<Found> {
    let mut values = Values::new(part.places.len());
    let mut items: Vec<Item> = Vec::with_capacity(part.places.len() / 2 + 1);
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
            _ => (&mut item.dequeue, &mut item.leave),
        };
        *times = span;
        if std::mem::replace(place, i) != NONE {
            return None;
        }
    }
    if items.iter().any(|item| item.enqueue == NONE) {
        return None;
    }
    items.retain(|item| item.dequeue != NONE || item.enter.1 != NEVER);
    Some(Found { items, pending, empties })
}

/// Values that nobody is known to have dequeued go to dequeues of unknown outcome, first come, first served.
fn take_left_over(items: &mut [Item], pending: &[(u64, u32)], by_end: &[(u64, u32)]) {
    let mut pending = pending.iter();
    for (_, i) in by_end {
        let item = &mut items[*i as usize];
        if item.dequeue == NONE {
            let Some((invoked, dequeue)) = pending.next() else { return };
            (item.leave, item.dequeue) = ((*invoked, NEVER), *dequeue);
        }
    }
}

/// Makes an item, of an instant, of each dequeue that found nothing.
fn place_empties(part: Part<'_>, found: &mut Found, by_end: &[(u64, u32)]) -> Option<()> {
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
        found.items.push(Item { enter: (free, free), leave: (free, free), enqueue: i, dequeue: NONE });
    }
    Some(())
}

/// Those of one side that are not placed, and how far it is.
struct Side {
    by_begin: Vec<(u64, u32)>,
    by_end: Vec<(u64, u32)>,
    begun: usize,
    ended: usize,
}

impl Side {
    fn of(items: &[Item], times: impl Fn(&Item) -> (u64, u64)) -> Side {
        let sorted = |time: &dyn Fn(&Item) -> u64| {
            let mut all: Vec<(u64, u32)> = items.iter().zip(0..).map(|(item, i)| (time(item), i)).collect();
            nearly_sorted(&mut all, |entry| *entry);
            all
        };
        Side { by_begin: sorted(&|item| times(item).0), by_end: sorted(&|item| times(item).1), begun: 0, ended: 0 }
    }

    /// Gives to `free` those that begin before any that is left has ended.
    fn advance(&mut self, placed: &[bool], mut free: impl FnMut(u32)) {
        while self.by_end.get(self.ended).is_some_and(|(_, i)| placed[*i as usize]) {
            self.ended += 1;
        }
        let Some((until, _)) = self.by_end.get(self.ended) else { return };
        while let Some((_, i)) = self.by_begin.get(self.begun).filter(|(begin, _)| begin <= until) {
            free(*i);
            self.begun += 1;
        }
    }
}

fn first_in_first_out(items: &[Item]) -> Option<Vec<u32>> {
    let (mut enter, mut leave) = (Side::of(items, |item| item.enter), Side::of(items, |item| item.leave));
    let (mut placed, mut half) = (vec![false; items.len()], vec![false; items.len()]);
    let (mut ready, mut order) = (Vec::new(), Vec::with_capacity(items.len()));
    while order.len() < items.len() {
        let mut free = |i: u32| {
            if std::mem::replace(&mut half[i as usize], true) {
                ready.push(i);
            }
        };
        enter.advance(&placed, &mut free);
        leave.advance(&placed, &mut free);
        if ready.is_empty() {
            return None;
        }
        for i in ready.drain(..) {
            placed[i as usize] = true;
            order.push(i);
        }
    }
    Some(order)
}

/// The operations of the items, each as early as its order allows.
fn operations(items: &[Item], order: &[u32]) -> Vec<u32> {
    let mut all = Vec::with_capacity(2 * items.len());
    let in_order = || order.iter().map(|&i| &items[i as usize]);
    let mut leaving = in_order().filter(|item| item.leave.0 != NEVER && item.dequeue != NONE);
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
        all.push(item.enqueue);
        if item.dequeue != NONE {
            inside.push_back(entered);
        }
    }
    all.extend(next.into_iter().chain(leaving).map(|item| item.dequeue));
    all
}
