//! What will happen, in order of time.
//!
//! As long as that is little it lies in two sorted lists: what comes soon, where an event finds its place by halves and few others make
//! room, and what comes later (timers, deadlines), mostly in the order in which it was queued. A cluster of a few servers never has
//! more. Where hundreds are under way at once, [`Wheels`] take over until they are few again.
//!
//! Simultaneous events are ordered by a seeded number: one order a seed, every order by some seed.

mod wheels;

use std::collections::VecDeque;

use base::{Time, mix};

use crate::event::{Event, Packed, Who};
use crate::queue::wheels::Wheels;

/// Soon is within 2^27 ns of the epoch, about 134 ms: longer than most messages travel.
const SOON: u64 = 1 << 27;
/// More than so many events that come soon, or later, are a crowd. A list moves a few hundred bytes to make room; later ones queue at its end.
const MANY: (usize, usize) = (128, 4_096);
/// So few are none.
const FEW: usize = 64;

/// An event that comes soon, and its place in the order. 16 bytes.
#[derive(Clone, Copy, Debug)]
struct Soon {
    /// The time since the epoch, then the tie.
    key: u64,
    event: Packed,
}

/// One that comes later.
#[derive(Clone, Copy, Debug)]
struct Later {
    at: Time,
    event: Packed,
    order: u32,
}

/// Invariant: if there is a crowd, everything is in it.
#[derive(Clone)]
pub(crate) struct Queue {
    /// What happens from the epoch on and before the horizon; the next event is the last one.
    soon: Vec<Soon>,
    /// What happens from the horizon on; the next is the first.
    later: VecDeque<Later>,
    epoch: Time,
    horizon: Time,
    /// With the number of events in it.
    crowd: Option<(Box<Wheels>, usize)>,
    ties: Ties,
    pushed: u32,
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
        Queue {
            soon: Vec::new(),
            later: VecDeque::new(),
            epoch: Time::ZERO,
            horizon: Time::ZERO,
            crowd: None,
            ties,
            pushed: 0,
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, at: Time, event: Event) {
        self.push_packed(at, event.pack());
    }

    /// The same for an event in one word: in a register, where a value of several fields would go through memory.
    #[inline]
    pub(crate) fn push_packed(&mut self, at: Time, event: Packed) {
        let order = match self.ties {
            Ties::Fifo => self.pushed,
            Ties::Seeded(seed) => mix(u64::from(seed), u64::from(self.pushed)) as u32,
        };
        self.pushed = self.pushed.wrapping_add(1);
        match &mut self.crowd {
            Some((wheels, count)) => {
                *count += 1;
                wheels.push(at, order, event);
            }
            None => self.insert(at, order, event),
        }
    }

    fn insert(&mut self, at: Time, order: u32, event: Packed) {
        if at < self.epoch {
            self.go_back();
        }
        if at < self.horizon {
            let key = (at.0 - self.epoch.0) << 32 | u64::from(order);
            let place = self.soon.partition_point(|other| other.key > key);
            self.soon.insert(place, Soon { key, event });
        } else {
            let place = self.later.partition_point(|other| (other.at, other.order) <= (at, order));
            self.later.insert(place, Later { at, event, order });
        }
        if self.soon.len() > MANY.0 || self.later.len() > MANY.1 {
            self.gather();
        }
    }

    /// The next event, if it happens at `end` or before.
    #[inline]
    pub(crate) fn pop_until(&mut self, end: Time) -> Option<(Time, Packed)> {
        if self.crowd.is_some() {
            return self.pop_of_crowd(end);
        }
        if self.soon.is_empty() {
            self.move_horizon(end);
        }
        let Soon { key, event } = *self.soon.last()?;
        let at = Time(self.epoch.0 + (key >> 32));
        if at > end {
            return None;
        }
        self.soon.pop();
        Some((at, event))
    }

    /// What was to come later comes soon, unless that is after `end`.
    fn move_horizon(&mut self, end: Time) {
        let Some(first) = self.later.front().filter(|first| first.at <= end) else { return };
        (self.epoch, self.horizon) = (first.at, Time(first.at.0.saturating_add(SOON)));
        let count = self.later.partition_point(|entry| entry.at < self.horizon);
        let soon = |Later { at, event, order }| Soon { key: (at.0 - self.epoch.0) << 32 | u64::from(order), event };
        self.soon.extend(self.later.drain(..count).rev().map(soon));
    }

    /// What was to come soon comes later: something is to happen before the epoch.
    #[cold]
    fn go_back(&mut self) {
        for Soon { key, event } in self.soon.drain(..) {
            self.later.push_front(Later { at: Time(self.epoch.0 + (key >> 32)), event, order: key as u32 });
        }
        (self.epoch, self.horizon) = (Time::ZERO, Time::ZERO);
    }

    fn pop_of_crowd(&mut self, end: Time) -> Option<(Time, Packed)> {
        let (wheels, count) = self.crowd.as_mut()?;
        let (at, _, event) = wheels.pop_until(end)?;
        *count -= 1;
        if *count <= FEW {
            self.disperse();
        }
        Some((at, event))
    }

    /// There are many now.
    #[cold]
    fn gather(&mut self) {
        self.go_back();
        let later = std::mem::take(&mut self.later);
        let mut wheels = Box::new(Wheels::new(later.front().map_or(Time::ZERO, |first| first.at)));
        let count = later.len();
        later.into_iter().for_each(|Later { at, event, order }| wheels.push(at, order, event));
        self.crowd = Some((wheels, count));
    }

    /// There are few now.
    #[cold]
    fn disperse(&mut self) {
        let Some((mut wheels, _)) = self.crowd.take() else { return };
        while let Some((at, order, event)) = wheels.pop_until(Time::MAX) {
            self.later.push_back(Later { at, event, order });
        }
    }

    /// Whether a page with many events has begun since this was last asked.
    #[inline]
    pub(crate) fn dawns(&mut self) -> bool {
        self.crowd.as_mut().is_some_and(|(wheels, _)| wheels.dawns())
    }

    /// The messages of the page at hand: from whom, to whom, which.
    #[inline]
    pub(crate) fn arrivals(&self) -> impl Iterator<Item = (Who, Who, u32)> + '_ {
        self.crowd.iter().flat_map(|(wheels, _)| wheels.arrivals())
    }
}

#[cfg(test)]
mod tests {
    use base::{Rng, Seed};

    use super::*;

    #[test]
    fn events_come_out_in_order_of_time_however_far_apart() {
        let mut rng = Rng::new(Seed(3));
        for spread in [500, 2_048, 300_000, 20_000_000, 10_000_000_000] {
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
                assert!(now == 0 || queue.pop_until(Time(now - 1)).is_none(), "not before its time");
                assert_eq!(queue.pop_until(Time(now + rng.below(spread))).map(|(at, _)| at), Some(Time(now)));
            }
        }
    }

    #[test]
    fn what_is_queued_for_the_past_of_the_queue_comes_first() {
        for others in [0, 2 * MANY.1] {
            let mut queue = Queue::new(Ties::Fifo);
            let mut times = [9_000_000_000, 9_000_000_001, 9_000_300_000, 9_100_000_000, 99_000_000_000];
            let late = std::iter::repeat_n(99_000_000_001, others);
            times.into_iter().chain(late).for_each(|at| queue.push(Time(at), Event::Wake { who: Who(0) }));
            assert_eq!(queue.pop_until(Time::MAX).map(|(at, _)| at), Some(Time(times[0])));
            times[0] = 4_000_000_000;
            queue.push(Time(times[0]), Event::Wake { who: Who(0) });
            let order = std::iter::from_fn(|| queue.pop_until(Time::MAX).map(|(at, _)| at.0));
            assert_eq!(order.take(times.len()).collect::<Vec<_>>(), times);
        }
    }

    #[test]
    fn a_crowd_comes_and_goes_and_the_order_stays() {
        let (mut rng, mut queue) = (Rng::new(Seed(5)), Queue::new(Ties::Seeded(1)));
        let (mut now, mut pushed, mut waiting) = (0, 0, std::collections::BTreeMap::<(u64, u32), u64>::new());
        let mut crowds = 0;
        for round in 0..40_000u32 {
            let (most, was_crowd) = (if round / 5_000 % 2 == 0 { 20 } else { 400 }, queue.crowd.is_some());
            while waiting.len() < most {
                let span = if rng.chance(0.2) { 2_000 } else { 40 };
                let at = now + rng.below(span) * 1_000_000;
                let event = Event::Deadline { operation: pushed }.pack();
                waiting.insert((at, mix(1, u64::from(pushed)) as u32), event.0);
                queue.push_packed(Time(at), event);
                pushed += 1;
            }
            for _ in 0..=rng.below(2) {
                let ((at, _), event) = waiting.pop_first().expect("there are some");
                now = at;
                assert_eq!(queue.pop_until(Time::MAX), Some((Time(at), Packed(event))));
            }
            crowds += u32::from(queue.crowd.is_some() != was_crowd);
        }
        assert!(crowds >= 7, "a crowd came or went {crowds} times");
    }

    #[test]
    fn ties_are_explored_or_kept_in_order() {
        let order = |ties| {
            let mut queue = Queue::new(ties);
            (0..4).for_each(|who| queue.push(Time(7), Event::Wake { who: Who(who) }));
            std::iter::from_fn(|| queue.pop_until(Time::MAX).map(|(_, event)| event.unpack()))
                .map(|e| format!("{e:?}"))
                .collect::<Vec<_>>()
        };
        let orders: std::collections::BTreeSet<_> = (0..1000).map(|seed| order(Ties::Seeded(seed))).collect();
        assert_eq!(orders.len(), 24, "every order of four events is reached by some seed");
        assert!(order(Ties::Fifo)[0].contains("Who(0)"));
    }
}
