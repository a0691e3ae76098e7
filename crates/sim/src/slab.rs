//! Values by slot number: flat memory, slots used again, nothing allocated once it has grown.

use crate::event::FEW;

/// A list with holes. A slot number stays valid until its value is removed.
#[derive(Clone, Debug)]
pub(crate) struct Slab<T> {
    /// With the number that each value was given.
    slots: Vec<(u64, Option<T>)>,
    free: Vec<u32>,
    /// The number of the next value.
    next: u64,
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Self {
        Slab { slots: Vec::new(), free: Vec::new(), next: 0 }
    }

    #[inline]
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        let number = self.next;
        self.next += 1;
        match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = (number, Some(value));
                slot
            }
            None => self.grow(number, value),
        }
    }

    #[cold]
    fn grow(&mut self, number: u64, value: T) -> u32 {
        assert!(self.slots.len() < FEW as usize, "more messages are under way than events can number");
        self.slots.push((number, Some(value)));
        self.slots.len() as u32 - 1
    }

    /// Puts a copy of a value beside it, with the same number.
    pub(crate) fn copy(&mut self, slot: u32) -> Option<u32>
    where
        T: Clone,
    {
        let (copy, number, next) = (self.get(slot)?.clone(), self.number(slot), self.next);
        self.next = number;
        let copy = self.insert(copy);
        self.next = next;
        Some(copy)
    }

    /// Numbers values from here on.
    pub(crate) fn number_from(&mut self, next: u64) {
        self.next = next;
    }

    /// The number of a value.
    pub(crate) fn number(&self, slot: u32) -> u64 {
        self.slots[slot as usize].0
    }

    /// Takes the value out. The slot must hold one.
    #[inline]
    pub(crate) fn remove(&mut self, slot: u32) -> T {
        let value = self.slots[slot as usize].1.take().expect("a slot is emptied once");
        self.free.push(slot);
        value
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&T> {
        self.slots.get(slot as usize)?.1.as_ref()
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}
