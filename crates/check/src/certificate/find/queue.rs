//! A queue, first in, first out, whose values are unique.
//!
//! A value goes in within `[ei, er]` and out within `[di, dr]`. A dequeue that found nothing is a value that goes in and out at an instant at which
//! nothing is certainly in the queue. Values come in order of `ei`, and each overtakes those before it that nobody began to take until it was out,
//! `dr < di`: they must come after it. What one of those must precede is overtaken too: it began to be taken after that, or it began to go in when
//! that was in, which is a contradiction, because this one began even later. So whatever must precede another does, if there is an order at all.
//! Values that nobody takes come last.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use history::object::{NEVER, Objects};

use super::super::queue::{Key, NONE, NOTHING_HERE, Order, Queues};
use super::Part;
use crate::sort::nearly_sorted;

/// Why the queues of a history are not shown by what goes through them; `None`: they are, but for those whose values are not unique.
pub(crate) fn refute(history: &Objects) -> Option<String> {
    let queues = Queues::of(history, None);
    let order = passages(&queues);
    queues.refute(&order)
}

/// The values of every key in the order in which they go through.
fn passages(queues: &Queues) -> Order {
    let mut order = Order::default();
    for key in &queues.keys {
        Finder::of(queues, key, &mut order.taken).order(&mut order.through);
        order.ends.push(order.through.len());
    }
    order
}

/// An order of the operations on one key. `None`: something is there twice, or came from nowhere.
pub(super) fn order(part: Part<'_>) -> Option<Vec<u32>> {
    let queues = Queues::of(part.history, Some(part.places));
    if !queues.others.is_empty()
        || queues.items.iter().any(|item| item.operations[0] == NONE && item.operations[1] != NONE)
    {
        return None;
    }
    let order = passages(&queues);
    Some(operations(&queues, order))
}

/// One thing that goes through.
#[derive(Clone, Copy)]
struct Through {
    ei: u64,
    di: u64,
    dr: u64,
    /// As in an [`Order`].
    place: u64,
}

struct Finder<'a> {
    queues: &'a Queues<'a>,
    key: &'a Key,
    /// Since when items that nobody is known to have taken out can have come out.
    taken: BTreeMap<u32, u64>,
    /// Dequeues that found nothing, each at an instant.
    empties: Vec<Through>,
}

impl<'a> Finder<'a> {
    fn of(queues: &'a Queues<'a>, key: &'a Key, taken: &mut Vec<(u32, u32)>) -> Finder<'a> {
        let mut finder = Finder { queues, key, taken: BTreeMap::new(), empties: Vec::new() };
        if !key.pending.is_empty() {
            finder.take_left_over(taken);
        }
        if !key.empties.is_empty() {
            finder.place_empties();
        }
        finder
    }

    /// When an item comes out.
    #[inline]
    fn leaves(&self, at: u32) -> Option<(u64, u64)> {
        let item = &self.queues.items[at as usize];
        if item.operations[1] != NONE {
            return Some(item.spans[1]);
        }
        self.taken.get(&at).map(|&since| (since, NEVER))
    }

    /// Values that nobody is known to have dequeued go to dequeues of unknown outcome, first come, first served.
    fn take_left_over(&mut self, taken: &mut Vec<(u32, u32)>) {
        let left = self.key.entering().iter().filter(|at| self.queues.items[**at as usize].operations[1] == NONE);
        let left = left.map(|&at| (self.queues.items[at as usize].spans[0].1, at));
        let mut by_end: Vec<(u64, u32)> = left.filter(|(end, _)| *end != NEVER).collect();
        nearly_sorted(&mut by_end, |end| *end);
        for ((_, at), &dequeue) in by_end.iter().zip(&self.key.pending) {
            taken.push((*at, dequeue));
            self.taken.insert(*at, self.queues.span(dequeue).0);
        }
    }

    /// Each dequeue that found nothing at the first instant at which nothing is certainly in the queue.
    fn place_empties(&mut self) {
        // When something is certainly in the queue: open intervals, in order.
        let mut filled: Vec<(u64, u64)> = Vec::new();
        for (begin, end) in self.certain() {
            match filled.last_mut() {
                Some((_, last)) if begin < *last => *last = end.max(*last),
                _ => filled.push((begin, end)),
            }
        }
        for &dequeue in &self.key.empties {
            let (invoked, _) = self.queues.span(dequeue);
            let before = filled.partition_point(|(begin, _)| *begin < invoked);
            let free = filled[..before].last().map_or(invoked, |(_, until)| invoked.max(*until));
            self.empties.push(Through { ei: free, di: free, dr: free, place: u64::from(dequeue) + NOTHING_HERE });
        }
        self.empties.sort_unstable_by_key(|empty| empty.ei);
    }

    /// When values are certainly in the queue, as far as a dequeue that found nothing was open then, by the beginning.
    fn certain(&self) -> Vec<(u64, u64)> {
        let mut empties = self.key.empties.iter().map(|&dequeue| self.queues.span(dequeue)).peekable();
        let mut certain: Vec<(u64, u64)> = Vec::new();
        for &at in self.key.entering() {
            let (ei, er) = self.queues.items[at as usize].spans[0];
            while empties.next_if(|(_, completed)| *completed <= ei).is_some() {}
            let Some((invoked, _)) = empties.peek() else { break };
            let until = self.leaves(at).map_or(NEVER, |(since, _)| since);
            if *invoked < until && er < until {
                certain.push((er, until));
            }
        }
        nearly_sorted(&mut certain, |(begin, _)| *begin);
        certain
    }

    /// All that comes out, in order of `ei`.
    #[inline]
    fn each(&self, mut see: impl FnMut(Through) -> Option<()>) -> Option<()> {
        let mut empties = self.empties.iter().peekable();
        for &at in self.key.entering() {
            let Some((di, dr)) = self.leaves(at) else { continue };
            let ei = self.queues.items[at as usize].spans[0].0;
            while let Some(empty) = empties.next_if(|empty| empty.ei < ei) {
                see(*empty)?;
            }
            see(Through { ei, di, dr, place: at.into() })?;
        }
        empties.try_for_each(|empty| see(*empty))
    }

    fn order(&self, order: &mut Vec<u64>) {
        let start = order.len();
        order.reserve(self.key.entering().len() + self.empties.len());
        if self.overtaking(order).is_none() {
            order.truncate(start);
            self.first_come(order);
        }
        self.add_what_stays(start, order);
    }

    /// The items that nobody takes and that certainly went in come last.
    fn add_what_stays(&self, start: usize, order: &mut Vec<u64>) {
        let stays = |at: &u32| self.leaves(*at).is_none() && self.queues.items[*at as usize].spans[0].1 != NEVER;
        if order.len() - start < self.key.entering().len() + self.empties.len() {
            order.extend(self.key.entering().iter().filter(|at| stays(at)).map(|&at| u64::from(at)));
        }
    }

    /// `None`: too many were overtaken.
    fn overtaking(&self, order: &mut Vec<u64>) -> Option<()> {
        let mut moves = 32 * self.key.entering().len() + 1024;
        let mut line: Vec<Waiting> = Vec::with_capacity(self.key.entering().len() + self.empties.len());
        let mut held: Vec<Waiting> = Vec::new();
        let mut latest = 0;
        self.each(|through| {
            if latest <= through.dr {
                latest = through.di.max(latest);
                line.push(Waiting { di: through.di, latest, place: through.place });
                return Some(());
            }
            let mut start = line.len();
            while start > 0 && line[start - 1].latest > through.dr {
                start -= 1;
            }
            moves = moves.checked_sub(line.len() - start)?;
            latest = if start == 0 { 0 } else { line[start - 1].latest };
            held.clear();
            held.push(Waiting { di: through.di, latest: 0, place: through.place });
            held.extend(line[start..].iter().filter(|waiting| waiting.di > through.dr));
            let mut end = start;
            for at in start..line.len() {
                let waiting = line[at];
                if waiting.di <= through.dr {
                    latest = waiting.di.max(latest);
                    line[end] = Waiting { latest, ..waiting };
                    end += 1;
                }
            }
            line.truncate(end);
            for &waiting in &held {
                latest = waiting.di.max(latest);
                line.push(Waiting { latest, ..waiting });
            }
            Some(())
        })?;
        order.extend(line.iter().map(|waiting| waiting.place));
        Some(())
    }

    /// The same order of any values, in `O(n log n)`: of those that begin to come out before any that is left has ended to, the one that begins to go
    /// in first.
    fn first_come(&self, order: &mut Vec<u64>) {
        let mut all: Vec<Through> = Vec::new();
        let _all = self.each(|through| {
            all.push(through);
            Some(())
        });
        let mut leaving: Vec<u32> = (0..all.len() as u32).collect();
        leaving.sort_by_key(|&i| all[i as usize].di);
        let mut leaving = leaving.into_iter().peekable();
        let (mut by_end, mut waiting) = (BinaryHeap::new(), BinaryHeap::new());
        let mut gone = vec![false; all.len()];
        loop {
            while by_end.peek().is_some_and(|Reverse((_, i))| gone[*i as usize]) {
                by_end.pop();
            }
            let until = by_end.peek().map_or(NEVER, |Reverse((end, _))| *end);
            if let Some(i) = leaving.next_if(|&i| all[i as usize].di <= until) {
                by_end.push(Reverse((all[i as usize].dr, i)));
                waiting.push(Reverse((all[i as usize].ei, i)));
                continue;
            }
            let Some(Reverse((_, next))) = waiting.pop() else { return };
            gone[next as usize] = true;
            order.push(all[next as usize].place);
        }
    }
}

/// What is in line.
#[derive(Clone, Copy)]
struct Waiting {
    di: u64,
    /// The greatest `di` up to here.
    latest: u64,
    place: u64,
}

/// The operations of one key, each as early as the order allows.
fn operations(queues: &Queues, order: Order) -> Vec<u32> {
    let taken: BTreeMap<u32, u32> = order.taken.into_iter().collect();
    let mut all = Vec::new();
    // Dequeues of what is in, with the instants at which they can be; when the last value went in and out.
    let (mut inside, mut entered, mut left): (VecDeque<(u64, u32)>, u64, u64) = (VecDeque::new(), 0, 0);
    for place in order.through {
        let nothing = place.checked_sub(NOTHING_HERE).map(|dequeue| dequeue as u32);
        let enters = if nothing.is_some() { NEVER } else { queues.items[place as usize].spans[0].0.max(entered) };
        while let Some(&(since, dequeue)) = inside.front().filter(|(since, _)| left.max(*since) <= enters) {
            left = left.max(since);
            all.push(dequeue);
            inside.pop_front();
        }
        if let Some(dequeue) = nothing {
            left = left.max(entered).max(queues.span(dequeue).0);
            entered = left;
            all.push(dequeue);
            continue;
        }
        entered = enters;
        let [enqueue, dequeue] = queues.items[place as usize].operations;
        all.push(enqueue);
        let dequeue = if dequeue == NONE { taken.get(&(place as u32)).copied() } else { Some(dequeue) };
        inside.extend(dequeue.map(|dequeue| (queues.span(dequeue).0.max(entered), dequeue)));
    }
    all.extend(inside.into_iter().map(|(_, dequeue)| dequeue));
    all
}

#[cfg(test)]
mod tests {
    use base::{Rng, Seed};
    use history::object::{Action, Call};
    use testkit::brute_objects::{self as brute, ObjectMix, random_objects};

    use super::*;

    const MIX: ObjectMix = ObjectMix {
        rule: brute::fifo,
        actions: &[Action::Enqueue, Action::Dequeue],
        operations: 8,
        unique: true,
        pending: 0.2,
        lies: 0.15,
        sequential: false,
    };

    fn histories(name: &'static str, rounds: usize) -> impl Iterator<Item = Objects> {
        let mut rng = Rng::new(Seed(2).derive(name));
        let mixes = [MIX, ObjectMix { pending: 0.0, ..MIX }, ObjectMix { pending: 0.4, lies: 0.05, ..MIX }];
        mixes.into_iter().flat_map(move |mix| (0..rounds).map(|_| random_objects(&mut rng, mix)).collect::<Vec<_>>())
    }

    /// The order that needs a heap.
    fn by_heap(queues: &Queues) -> Order {
        let mut order = passages(queues);
        (order.through, order.ends) = (Vec::new(), Vec::new());
        for key in &queues.keys {
            let finder = Finder::of(queues, key, &mut Vec::new());
            let start = order.through.len();
            finder.first_come(&mut order.through);
            finder.add_what_stays(start, &mut order.through);
            order.ends.push(order.through.len());
        }
        order
    }

    /// Queues of unique values are shown without a search, those of unknown outcome among them.
    #[test]
    fn every_linearizable_queue_is_shown_by_what_goes_through_and_no_other() {
        let mut shown = 0;
        for history in histories("passages", 7_000) {
            let valid = brute::linearizable(&history, brute::fifo);
            assert_eq!(refute(&history).is_none(), valid, "{history:#?}");
            let queues = Queues::of(&history, None);
            let order = by_heap(&queues);
            assert_eq!(queues.refute(&order).is_none(), valid, "{history:#?}");
            shown += u32::from(valid);
        }
        assert!((2_000..19_000).contains(&shown), "{shown}");
    }

    /// Whatever is left out of what goes through, goes twice or takes something else, is noticed.
    #[test]
    fn an_order_is_refused_when_anything_in_it_is_changed() {
        let mut changed = 0;
        for history in histories("changed", 700).filter(|history| refute(history).is_none()) {
            let order = || passages(&Queues::of(&history, None));
            for at in 0..order().through.len() {
                let (mut without, mut twice) = (order(), order());
                let place = without.through.remove(at);
                without.ends[0] -= 1;
                twice.through.push(place);
                twice.ends[0] += 1;
                let unknown = |place: u64| {
                    let queues = Queues::of(&history, None);
                    let item = queues.items.get(place as usize).map(|item| item.operations);
                    let happened = |i: u32| i != NONE && history.calls[i as usize].is_ok();
                    item.is_some_and(|operations| !operations.into_iter().any(happened))
                };
                assert!(
                    unknown(place) || Queues::of(&history, None).refute(&without).is_some(),
                    "{history:#?} without {place}"
                );
                assert!(Queues::of(&history, None).refute(&twice).is_some(), "{history:#?} twice {place}");
                changed += 1;
            }
            let mut taken = order();
            if let Some(&(item, dequeue)) = taken.taken.first() {
                taken.taken.push((item, dequeue));
                assert!(Queues::of(&history, None).refute(&taken).is_some(), "{history:#?} {dequeue} takes two");
            }
        }
        assert!(changed > 2_000, "{changed}");
    }

    /// Ten thousand dequeues that are open all the time are shown again like few, and a value of theirs that comes too late is noticed.
    #[test]
    fn many_open_dequeues_are_looked_at() {
        let enqueue = |value: i64, at: u64| Call { argument: value, ..Call::new(0, Action::Enqueue, at, at + 1) };
        let dequeue =
            |value: i64, from, to| Call { result: value, ..Call::new(value as u32, Action::Dequeue, from, to) };
        let mut history = Objects::default();
        (1..=10_000).for_each(|value| history.push(dequeue(value, 1, 1_000_000), &[]));
        (1..=10_000).for_each(|value| history.push(enqueue(value, 10 * value as u64), &[]));
        assert_eq!(refute(&history), None);
        history.calls[4_999].completed = 49_999;
        assert!(refute(&history).is_some());
    }
}
