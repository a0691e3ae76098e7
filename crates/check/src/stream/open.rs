//! The operations under way, in the order of their invocations.

use super::Ticket;

const END: u32 = u32::MAX;

/// A slab of operations with a list through it, oldest first: everything takes constant time, and no more room than
/// operations were ever under way at once.
#[derive(Debug)]
pub(super) struct Open<T> {
    slots: Vec<Slot<T>>,
    free: u32,
    oldest: u32,
    newest: u32,
    count: usize,
}

#[derive(Debug)]
struct Slot<T> {
    /// The operation and the rank of its invocation; `None`: the slot is free.
    held: Option<(T, u64)>,
    /// The next older one, or the next free slot.
    before: u32,
    after: u32,
}

impl<T> Open<T> {
    pub(super) fn new() -> Open<T> {
        Open { slots: Vec::new(), free: END, oldest: END, newest: END, count: 0 }
    }

    /// An operation is invoked; `rank` is greater than all before.
    pub(super) fn begin(&mut self, operation: T, rank: u64) -> Ticket {
        let slot = Slot { held: Some((operation, rank)), before: self.newest, after: END };
        let place = self.free;
        let place = match self.slots.get_mut(place as usize) {
            Some(free) => {
                self.free = free.before;
                *free = slot;
                place
            }
            None => {
                self.slots.push(slot);
                self.slots.len() as u32 - 1
            }
        };
        match self.slots.get_mut(self.newest as usize) {
            Some(newest) => newest.after = place,
            None => self.oldest = place,
        }
        self.newest = place;
        self.count += 1;
        Ticket(place)
    }

    /// It is over: what it was and the rank of its invocation. `None` if it already was.
    pub(super) fn end(&mut self, ticket: Ticket) -> Option<(T, u64)> {
        let slot = self.slots.get_mut(ticket.0 as usize)?;
        let held = slot.held.take()?;
        let (before, after) = (slot.before, slot.after);
        slot.before = self.free;
        self.free = ticket.0;
        match self.slots.get_mut(before as usize) {
            Some(slot) => slot.after = after,
            None => self.oldest = after,
        }
        match self.slots.get_mut(after as usize) {
            Some(slot) => slot.before = before,
            None => self.newest = before,
        }
        self.count -= 1;
        Some(held)
    }

    /// The rank of the oldest invocation, or `now` if nothing is under way: everything that ended before is seen by all that will end.
    pub(super) fn watermark(&self, now: u64) -> u64 {
        self.slots.get(self.oldest as usize).and_then(|slot| slot.held.as_ref()).map_or(now, |(_, rank)| *rank)
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }
}
