//! What will happen, in order of time: a 4-ary heap of 16-byte keys over a slab of events.
//!
//! A key is one 128-bit number (time, tie, slot), so a comparison is one instruction pair and the four children of a node
//! share a cache line. Simultaneous events are ordered by a seeded number: one order a seed, every order by some seed.

use base::{Time, mix};

use crate::event::Event;
use crate::slab::Slab;

pub(crate) struct Queue {
    heap: Vec<u128>,
    events: Slab<Event>,
    ties: Ties,
    pushed: u64,
}

/// How simultaneous events are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ties {
    /// As they were queued.
    Fifo,
    /// By a permutation that this number seeds.
    Seeded(u32),
}

impl Queue {
    pub(crate) fn new(ties: Ties) -> Self {
        Queue { heap: Vec::new(), events: Slab::new(), ties, pushed: 0 }
    }

    #[inline]
    pub(crate) fn push(&mut self, at: Time, event: Event) {
        let tie = match self.ties {
            Ties::Fifo => self.pushed as u32,
            Ties::Seeded(seed) => (mix(u64::from(seed), self.pushed) >> 32) as u32,
        };
        self.pushed += 1;
        let slot = self.events.insert(event);
        self.heap.push(u128::from(at.0) << 64 | u128::from(tie) << 32 | u128::from(slot));
        self.sift_up(self.heap.len() - 1);
    }

    /// When the next event happens.
    #[inline]
    pub(crate) fn next_at(&self) -> Option<Time> {
        self.heap.first().map(|key| Time((key >> 64) as u64))
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<(Time, Event)> {
        let last = self.heap.pop()?;
        let first = match self.heap.first_mut() {
            Some(root) => {
                let first = std::mem::replace(root, last);
                self.sift_down();
                first
            }
            None => last,
        };
        Some((Time((first >> 64) as u64), self.events.remove(first as u32)))
    }

    #[inline]
    fn sift_up(&mut self, mut child: usize) {
        let key = self.heap[child];
        while child > 0 {
            let parent = (child - 1) / 4;
            if self.heap[parent] <= key {
                break;
            }
            self.heap[child] = self.heap[parent];
            child = parent;
        }
        self.heap[child] = key;
    }

    #[inline]
    fn sift_down(&mut self) {
        let heap = &mut self.heap[..];
        let key = heap[0];
        let mut parent = 0;
        loop {
            let first = parent * 4 + 1;
            if first >= heap.len() {
                break;
            }
            let children = &heap[first..(first + 4).min(heap.len())];
            let mut least = 0;
            for i in 1..children.len() {
                if children[i] < children[least] {
                    least = i;
                }
            }
            if children[least] >= key {
                break;
            }
            heap[parent] = children[least];
            parent = first + least;
        }
        heap[parent] = key;
    }
}

#[cfg(test)]
mod tests {
    use base::{Rng, Seed};

    use super::*;
    use crate::event::Who;

    #[test]
    fn events_come_out_in_order_of_time() {
        let mut rng = Rng::new(Seed(3));
        let mut queue = Queue::new(Ties::Seeded(1));
        let mut expected: Vec<u64> = (0..2000).map(|_| rng.below(500)).collect();
        expected.iter().for_each(|&at| queue.push(Time(at), Event::Wake { who: Who(0) }));
        expected.sort_unstable();
        let popped: Vec<u64> = std::iter::from_fn(|| queue.pop().map(|(at, _)| at.0)).collect();
        assert_eq!(popped, expected);
    }

    #[test]
    fn ties_are_explored_or_kept_in_order() {
        let order = |ties| {
            let mut queue = Queue::new(ties);
            (0..4).for_each(|who| queue.push(Time(7), Event::Wake { who: Who(who) }));
            std::iter::from_fn(|| queue.pop().map(|(_, event)| event)).map(|e| format!("{e:?}")).collect::<Vec<_>>()
        };
        let orders: std::collections::BTreeSet<_> = (0..1000).map(|seed| order(Ties::Seeded(seed))).collect();
        assert_eq!(orders.len(), 24, "every order of four events is reached by some seed");
        assert!(order(Ties::Fifo)[0].contains("Who(0)"));
    }
}
