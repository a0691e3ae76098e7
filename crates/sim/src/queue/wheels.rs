//! Many events in order of time: three wheels of 128 slots, each slot as long as the wheel below it goes round.
//!
//! A *page* is 2^11 ns. The lowest wheel has a slot for each of the next 128 pages, the next one for stretches of 128 pages (0.26 ms; all
//! of it 34 ms, longer than most messages travel), the third for stretches of those (all of it 4.3 s). Later things wait in a heap.
//! What lies in a slot is in no order; when its time comes it is spread over the slots of the wheel below, and only the page at hand
//! is sorted. So an event is written a few times at the end of a list and never looked for, whatever the number of
//! events that are queued: with 40 000 of them, memory is what costs ("Hashed and Hierarchical Timing Wheels", Varghese & Lauck,
//! SOSP 1987, scheme 7).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use base::Time;

use crate::event::{Packed, Who};

/// Length of a page: 2^11 ns, about 2 us. With 40 000 messages under way for 10 ms at most, some 16 arrive on a page.
const PAGE: u32 = 11;
/// Slots of a wheel: 2^7, one word of bits.
const SLOTS: u32 = 7;
const WHEELS: usize = 3;

/// Up to so many events, a stretch of 128 pages is as good as one page.
const FEW: usize = 8;
/// From so many events on, a page is worth preparing for.
const CROWD: usize = 6;

/// An event and its place in the order. 16 bytes: four of them are in a line of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    /// The low half of the time, then the tie. What is compared lies within 2^18 ns, so that the high half is the same.
    key: u64,
    event: Packed,
}

/// Invariant: `now` holds everything up to the page `today`. Everything else is later; a wheel holds what is in none below it and within
/// 128 of its stretches from the one of `today` on; `far` what is in none.
#[derive(Clone)]
pub(super) struct Wheels {
    today: u64,
    /// The next event is the last one.
    now: Vec<Entry>,
    wheels: [Wheel; WHEELS],
    far: BinaryHeap<Reverse<(Time, Entry)>>,
    /// Memory of slots that were emptied: the last one used is still in the cache.
    spare: Vec<Vec<Entry>>,
    /// Whether a page with many events has begun since [`Wheels::dawns`] was last asked.
    dawned: bool,
}

#[derive(Clone)]
struct Wheel {
    slots: [Vec<Entry>; 1 << SLOTS],
    /// A bit a slot: whether there is something in it.
    busy: u128,
}

impl Wheels {
    /// Nothing, from this instant on.
    pub(super) fn new(now: Time) -> Self {
        Wheels {
            today: now.0 >> PAGE,
            now: Vec::new(),
            wheels: std::array::from_fn(|_| Wheel { slots: std::array::from_fn(|_| Vec::new()), busy: 0 }),
            far: BinaryHeap::new(),
            spare: Vec::new(),
            dawned: false,
        }
    }

    /// Puts in what will happen at `at`; `order` says in which order with others of that instant.
    #[inline]
    pub(super) fn push(&mut self, at: Time, order: u32, event: Packed) {
        self.place(at, Entry { key: at.0 << 32 | u64::from(order), event });
    }

    #[inline]
    fn place(&mut self, at: Time, entry: Entry) {
        let page = at.0 >> PAGE;
        if page <= self.today {
            return self.place_now(at, entry);
        }
        for wheel in 0..WHEELS {
            let shift = SLOTS * wheel as u32;
            if (page >> shift) - (self.today >> shift) < 1 << SLOTS {
                return self.wheels[wheel].put(slot_of(page >> shift), entry, &mut self.spare);
            }
        }
        self.far.push(Reverse((at, entry)));
    }

    fn place_now(&mut self, at: Time, entry: Entry) {
        if at.0 >> PAGE >> SLOTS < self.today >> SLOTS {
            self.go_back(at);
        }
        let place = self.now.partition_point(|other| other.key > entry.key);
        self.now.insert(place, entry);
    }

    /// The next event, if it happens at `end` or before; and its order.
    #[inline]
    pub(super) fn pop_until(&mut self, end: Time) -> Option<(Time, u32, Packed)> {
        if self.now.is_empty() {
            self.turn_page(end);
        }
        let entry = self.now.last()?;
        let at = self.time_of(self.today << PAGE, *entry);
        if at > end {
            return None;
        }
        let Entry { key, event } = *entry;
        self.now.pop();
        Some((at, key as u32, event))
    }

    /// The time of an entry within 2^18 ns of `near`.
    #[inline]
    fn time_of(&self, near: u64, entry: Entry) -> Time {
        Time(near & (u64::MAX << 32) | entry.key >> 32)
    }

    /// Whether a page with many events has begun since this was last asked.
    #[inline]
    pub(super) fn dawns(&mut self) -> bool {
        std::mem::take(&mut self.dawned)
    }

    /// The messages that arrive today: from whom, to whom, which.
    #[inline]
    pub(super) fn arrivals(&self) -> impl Iterator<Item = (Who, Who, u32)> + '_ {
        self.now.iter().filter_map(|entry| entry.event.as_delivery())
    }

    /// Goes to the next page on which something happens, unless it begins after `end`. Today must be over.
    fn turn_page(&mut self, end: Time) {
        let last = end.0 >> PAGE;
        loop {
            let starts: [u64; WHEELS] = std::array::from_fn(|wheel| {
                let shift = SLOTS * wheel as u32;
                let wheel = &self.wheels[wheel];
                if wheel.busy == 0 { u64::MAX } else { wheel.next(self.today >> shift) << shift }
            });
            let far = self.far.peek().map_or(u64::MAX, |Reverse((at, _))| at.0 >> PAGE);
            let next = starts.into_iter().fold(far, u64::min);
            if next > last || next == u64::MAX {
                return;
            }
            self.today = next;
            if starts[2] == next {
                self.spread(2);
            } else if starts[1] == next {
                let few = self.wheels[1].slots[slot_of(next >> SLOTS)].len() <= FEW;
                if few && starts[0] > next | ((1 << SLOTS) - 1) {
                    // Sparse: the whole stretch is one page.
                    self.today = next | ((1 << SLOTS) - 1);
                    return self.begin(1, next >> SLOTS);
                }
                self.spread(1);
            } else if starts[0] == next {
                return self.begin(0, next);
            } else {
                return self.take_far();
            }
        }
    }

    /// Makes the events of a slot those of today.
    fn begin(&mut self, wheel: usize, stretch: u64) {
        self.wheels[wheel].swap(slot_of(stretch), &mut self.now);
        self.take_far();
        self.dawned = self.now.len() >= CROWD;
    }

    /// Takes what lies far out and has come near, and puts today in order.
    fn take_far(&mut self) {
        while self.far.peek().is_some_and(|Reverse((at, _))| at.0 >> PAGE <= self.today) {
            self.now.extend(self.far.pop().map(|Reverse((_, entry))| entry));
        }
        if self.now.len() > 1 {
            self.now.sort_unstable_by_key(|entry| Reverse(entry.key));
        }
    }

    /// Spreads the slot of a wheel that begins today over the wheel below.
    fn spread(&mut self, wheel: usize) {
        let mut entries = self.wheels[wheel].empty(slot_of(self.today >> (SLOTS * wheel as u32)));
        let shift = 32 + PAGE + SLOTS * (wheel as u32 - 1);
        for entry in entries.drain(..) {
            self.wheels[wheel - 1].put(slot_of(entry.key >> shift), entry, &mut self.spare);
        }
        self.spare.push(entries);
    }

    /// Something is to happen long before what was thought to be next: everything is put in its place anew.
    #[cold]
    fn go_back(&mut self, at: Time) {
        let mut all: Vec<(Time, Entry)> = Vec::new();
        let now = std::mem::take(&mut self.now);
        all.extend(now.into_iter().map(|entry| (self.time_of(self.today << PAGE, entry), entry)));
        for wheel in 0..WHEELS {
            let shift = SLOTS * wheel as u32;
            while self.wheels[wheel].busy != 0 {
                let stretch = self.wheels[wheel].next(self.today >> shift);
                let entries = self.wheels[wheel].empty(slot_of(stretch));
                // A stretch of the last wheel is 2^25 ns, and begins at a multiple of that.
                all.extend(entries.into_iter().map(|entry| (self.time_of(stretch << shift << PAGE, entry), entry)));
            }
        }
        self.today = at.0 >> PAGE;
        all.into_iter().for_each(|(at, entry)| self.place(at, entry));
    }
}

#[inline]
fn slot_of(stretch: u64) -> usize {
    stretch as usize & ((1 << SLOTS) - 1)
}

impl Wheel {
    #[inline]
    fn put(&mut self, slot: usize, entry: Entry, spare: &mut Vec<Vec<Entry>>) {
        if self.busy >> slot & 1 == 0 {
            self.busy |= 1 << slot;
            if self.slots[slot].capacity() == 0 {
                self.slots[slot] = spare.pop().unwrap_or_default();
            }
        }
        self.slots[slot].push(entry);
    }

    /// The first stretch from `start` on in which something happens. There must be one.
    #[inline]
    fn next(&self, start: u64) -> u64 {
        start + u64::from(self.busy.rotate_right(slot_of(start) as u32).trailing_zeros())
    }

    /// Takes what is in a slot, and leaves a list that is empty.
    #[inline]
    fn swap(&mut self, slot: usize, empty: &mut Vec<Entry>) {
        self.busy &= !(1 << slot);
        std::mem::swap(&mut self.slots[slot], empty);
    }

    #[inline]
    fn empty(&mut self, slot: usize) -> Vec<Entry> {
        self.busy &= !(1 << slot);
        std::mem::take(&mut self.slots[slot])
    }
}
