//! What will happen, in order of time: a calendar of short days, and a 4-ary heap for the day at hand.
//!
//! Time is cut into days of 2^14 ns. What happens within the next 1024 days lies unordered in its day; later things
//! wait in a heap of their own. Only the day at hand is kept in order, so the cost of an event does not grow with
//! the number of events that are queued. Simultaneous events are ordered by a seeded number: one order a seed, every
//! order by some seed.

use base::{Time, mix};

use crate::event::Event;

/// A day is 2^14 ns, about 16 us: with 40 000 events in 10 ms, a day holds some 65.
const DAY_SHIFT: u32 = 14;
/// Days in the calendar, about 17 ms: as long as messages usually travel.
const DAYS: usize = 1024;

/// From so many events on, a day is worth preparing for.
const CROWD: usize = 8;

/// An event and its place in the order: time, tie, then the order of queueing.
#[derive(Clone, Copy, Debug)]
struct Entry {
    key: u128,
    event: Event,
}

impl Entry {
    fn at(&self) -> Time {
        Time((self.key >> 64) as u64)
    }

    fn day(&self) -> u64 {
        self.at().0 >> DAY_SHIFT
    }
}

/// Invariant: `now` holds everything up to `today`, `days` what comes within the `DAYS - 1` days after it (a part of it
/// may still be in `later`).
pub(crate) struct Queue {
    today: u64,
    now: Heap,
    days: Vec<Vec<Entry>>,
    /// A bit a day: whether there is something in it.
    busy: [u64; DAYS / 64],
    later: Heap,
    ties: Ties,
    pushed: u64,
    /// Whether a day with many events has begun since [`Queue::dawn`] was last asked.
    dawned: bool,
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
        let days = (0..DAYS).map(|_| Vec::new()).collect();
        Queue {
            today: 0,
            now: Heap::default(),
            days,
            busy: [0; DAYS / 64],
            later: Heap::default(),
            ties,
            pushed: 0,
            dawned: false,
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, at: Time, event: Event) {
        let tie = match self.ties {
            Ties::Fifo => 0,
            Ties::Seeded(seed) => mix(u64::from(seed), self.pushed) as u32,
        };
        let key = u128::from(at.0) << 64 | u128::from(tie) << 32 | u128::from(self.pushed as u32);
        self.pushed += 1;
        let entry = Entry { key, event };
        let day = entry.day();
        if day <= self.today {
            self.now.push(entry);
        } else if day < self.today + DAYS as u64 {
            let index = day as usize % DAYS;
            self.days[index].push(entry);
            self.busy[index / 64] |= 1 << (index % 64);
        } else {
            self.later.push(entry);
        }
    }

    /// When the next event happens.
    #[inline]
    pub(crate) fn next_at(&mut self) -> Option<Time> {
        if self.now.0.is_empty() {
            self.turn_page();
        }
        self.now.0.first().map(Entry::at)
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<(Time, Event)> {
        if self.now.0.is_empty() {
            self.turn_page();
        }
        self.now.pop().map(|entry| (entry.at(), entry.event))
    }

    /// If a day with many events has just begun: the messages that will arrive on it.
    #[inline]
    pub(crate) fn dawn(&mut self) -> Option<impl Iterator<Item = u32> + '_> {
        std::mem::take(&mut self.dawned).then(|| self.now.0.iter().filter_map(|entry| entry.event.mail()))
    }

    /// Goes to the next day on which something happens. Today must be over.
    fn turn_page(&mut self) {
        let soon = self.next_busy_day();
        let later = self.later.0.first().map(Entry::day);
        let Some(next) = soon.into_iter().chain(later).min() else { return };
        self.today = next;
        if soon == Some(next) {
            let index = next as usize % DAYS;
            self.busy[index / 64] &= !(1 << (index % 64));
            // Two moves: a swap of vectors is compiled as a loop over bytes.
            let spent = std::mem::replace(&mut self.now.0, std::mem::take(&mut self.days[index]));
            self.days[index] = spent;
            self.now.order();
            self.dawned = self.now.0.len() >= CROWD;
        }
        while self.later.0.first().is_some_and(|entry| entry.day() <= next) {
            self.now.0.extend(self.later.pop());
            self.now.sift_up(self.now.0.len() - 1);
        }
    }

    fn next_busy_day(&self) -> Option<u64> {
        let start = (self.today as usize + 1) % DAYS;
        let words = self.busy.len();
        // The first word is looked at twice: from `start` on, and at the end for the days before it.
        for step in 0..=words {
            let index = (start / 64 + step) % words;
            let mask = match step {
                0 => u64::MAX << (start % 64),
                s if s == words => !(u64::MAX << (start % 64)),
                _ => u64::MAX,
            };
            let bits = self.busy[index] & mask;
            if bits != 0 {
                let place = index * 64 + bits.trailing_zeros() as usize;
                let ahead = (place + DAYS - start) % DAYS;
                return Some(self.today + 1 + ahead as u64);
            }
        }
        None
    }
}

/// A 4-ary heap: half as deep as a binary one, and the children of a node lie side by side.
#[derive(Default)]
struct Heap(Vec<Entry>);

impl Heap {
    #[inline]
    fn push(&mut self, entry: Entry) {
        self.0.push(entry);
        self.sift_up(self.0.len() - 1);
    }

    #[inline]
    fn pop(&mut self) -> Option<Entry> {
        let last = self.0.pop()?;
        let Some(root) = self.0.first_mut() else { return Some(last) };
        let first = std::mem::replace(root, last);
        self.sift_down(0);
        Some(first)
    }

    /// Makes a heap of entries in any order.
    fn order(&mut self) {
        if self.0.len() > 1 {
            (0..=(self.0.len() - 2) / 4).rev().for_each(|parent| self.sift_down(parent));
        }
    }

    #[inline]
    fn sift_up(&mut self, mut child: usize) {
        let heap = &mut self.0[..];
        let entry = heap[child];
        while child > 0 {
            let parent = (child - 1) / 4;
            if heap[parent].key <= entry.key {
                break;
            }
            heap[child] = heap[parent];
            child = parent;
        }
        heap[child] = entry;
    }

    #[inline]
    fn sift_down(&mut self, mut parent: usize) {
        let heap = &mut self.0[..];
        let entry = heap[parent];
        loop {
            let first = parent * 4 + 1;
            if first >= heap.len() {
                break;
            }
            let children = &heap[first..(first + 4).min(heap.len())];
            let mut least = 0;
            for i in 1..children.len() {
                if children[i].key < children[least].key {
                    least = i;
                }
            }
            if children[least].key >= entry.key {
                break;
            }
            heap[parent] = children[least];
            parent = first + least;
        }
        heap[parent] = entry;
    }
}

#[cfg(test)]
mod tests {
    use base::{Rng, Seed};

    use super::*;
    use crate::event::Who;

    #[test]
    fn events_come_out_in_order_of_time_however_far_apart() {
        let mut rng = Rng::new(Seed(3));
        for spread in [500, 1 << DAY_SHIFT, 20_000_000, 10_000_000_000] {
            let mut queue = Queue::new(Ties::Seeded(1));
            let (mut now, mut waiting) = (0, std::collections::BTreeMap::<u64, u32>::new());
            for round in 0..20_000 {
                // Grow, hold, then empty the queue; now and then something happens at once.
                if round % 3 != 2 && round < 15_000 {
                    let at = now + if rng.chance(0.1) { 0 } else { rng.below(spread) };
                    queue.push(Time(at), Event::Wake { who: Who(0) });
                    *waiting.entry(at).or_default() += 1;
                    continue;
                }
                let Some(mut first) = waiting.first_entry() else { break };
                now = *first.key();
                *first.get_mut() -= 1;
                if *first.get() == 0 {
                    first.remove();
                }
                assert_eq!(queue.next_at(), Some(Time(now)));
                assert_eq!(queue.pop().map(|(at, _)| at), Some(Time(now)));
            }
        }
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
