//! A queue, first in first out, linearizable. `O(n log n)`, linear on histories nearly in order, where every value is enqueued once;
//! otherwise by search (`fifo`).
//!
//! For a value `v`, its enqueue is `[ei, er]` and its dequeue `[di, dr]` (Abdulla et al., *Efficient linearizability monitoring*, PLDI 2025,
//! has the bad patterns of completed histories; pending operations are ours):
//!
//! - A dequeued value was enqueued, once, and not in the future.
//! - If the enqueue of `a` ended before that of `b` began, the dequeue of `b` must not end before that of `a` begins.
//! - A dequeue that found nothing needs an instant at which no value is certainly in the queue: `v` is there from `er` to `di`.
//!
//! Unknown outcomes: an enqueue whose value nobody saw is left out. A value that nobody is known to have dequeued may have been taken
//! by a dequeue of unknown outcome, from its invocation on. Such values, in order of `er`, take such dequeues, in order of
//! invocation, as long as there are any: exchanging two of them, or a value that takes one for one that does not, neither lengthens
//! the time that values are certainly there nor makes a value leave later than one behind it. Values that are left stay for ever.

use history::object::{Action, Call, NEVER, NOTHING, Objects};

use super::model::{Fifo, Holding};
use super::search::decide as search;
use super::values::Values;
use super::{Exactness, Findings, Object, Part, each_key};
use crate::model::Options;
use crate::sort::nearly_sorted;

/// A queue, first in, first out.
pub static FIFO_QUEUE: Object = Object {
    name: "fifo-queue",
    summary: "a dequeue returns the value that was enqueued first and not dequeued yet, linearizably",
    exactness: Exactness::Exact,
    decide,
};

fn decide(history: &Objects, options: &Options) -> Findings {
    each_key(history, options, &|part| match Queue::gather(part) {
        Some(queue) => queue.judge(),
        None => search(part, options, &Holding(Fifo), false),
    })
}

const NONE: u32 = u32::MAX;

/// A value and its two operations.
#[derive(Clone, Copy)]
struct Item {
    ei: u64,
    er: u64,
    di: u64,
    dr: u64,
    enqueue: u32,
    dequeue: u32,
}

impl Item {
    const UNKNOWN: Item = Item { ei: NEVER, er: NEVER, di: NEVER, dr: NEVER, enqueue: NONE, dequeue: NONE };

    fn operations(&self) -> impl Iterator<Item = usize> {
        [self.enqueue, self.dequeue].into_iter().filter(|&i| i != NONE).map(|i| i as usize)
    }
}

struct Queue<'a> {
    part: Part<'a>,
    /// All values but those of which nobody knows that they were there, in order of `ei`.
    items: Vec<Item>,
    /// Invocations of dequeues of unknown outcome, in order.
    pending: Vec<u64>,
    /// Dequeues that found nothing.
    empties: Vec<u32>,
    findings: Findings,
}

impl<'a> Queue<'a> {
    /// Pairs enqueues with dequeues. `None`: a value was enqueued twice, or something else was done to the queue.
    fn gather(part: Part<'a>) -> Option<Self> {
        let mut queue =
            Queue { part, items: Vec::new(), pending: Vec::new(), empties: Vec::new(), findings: Findings::default() };
        let mut values = Values::new(part.places.len());
        let mut again: Vec<(usize, usize)> = Vec::new();
        queue.items.reserve(part.places.len() / 2 + 1);
        part.each_that_happened(|i, call| queue.see(&mut values, &mut again, i, call))?;
        queue.impossible(&again);
        queue.items.retain(|item| item.enqueue != NONE && (item.dequeue != NONE || item.er != NEVER));
        nearly_sorted(&mut queue.items, |item| item.ei);
        Some(queue)
    }

    #[inline]
    fn see(&mut self, values: &mut Values, again: &mut Vec<(usize, usize)>, i: usize, call: &Call) -> Option<()> {
        match call.action {
            Action::Enqueue => {
                let item = self.item(values.number(call.argument));
                if item.enqueue != NONE {
                    return None;
                }
                (item.enqueue, item.ei, item.er) = (i as u32, call.invoked, call.completed);
            }
            Action::Dequeue if !call.is_ok() => self.pending.push(call.invoked),
            Action::Dequeue if call.result == NOTHING => self.empties.push(i as u32),
            Action::Dequeue => {
                let number = values.number(call.result);
                let item = self.item(number);
                if item.dequeue == NONE {
                    (item.dequeue, item.di, item.dr) = (i as u32, call.invoked, call.completed);
                } else {
                    again.push((number, i));
                }
            }
            _ => return None,
        }
        Some(())
    }

    #[inline]
    fn item(&mut self, number: usize) -> &mut Item {
        if number == self.items.len() {
            self.items.push(Item::UNKNOWN);
        }
        &mut self.items[number]
    }

    /// Dequeues that no order can explain: of what nobody enqueued, of what had been dequeued, of what was yet to come.
    fn impossible(&mut self, again: &[(usize, usize)]) {
        for &(number, dequeue) in again.iter().filter(|(number, _)| self.items[*number].enqueue != NONE) {
            let item = self.items[number];
            let because = format!("{} was enqueued once and dequeued twice", self.value(&item));
            self.findings.add("duplicate", self.part.name(), because, item.operations().chain([dequeue]));
        }
        for item in &self.items {
            if item.enqueue == NONE {
                let value = self.call(item.dequeue).result;
                let failed = self.part.places.iter().map(|&i| i as usize).find(|&i| {
                    let call = &self.part.history.calls[i];
                    call.action == Action::Enqueue && call.argument == value
                });
                let because = format!("{value} was dequeued, but nobody put it there");
                let witness = failed.into_iter().chain(item.operations());
                self.findings.add("phantom value", self.part.name(), because, witness);
            } else if item.dr < item.ei {
                let because = format!("{} was dequeued before anybody began to enqueue it", self.value(item));
                self.findings.add("value from the future", self.part.name(), because, item.operations());
            }
        }
    }

    fn call(&self, i: u32) -> &Call {
        &self.part.history.calls[i as usize]
    }

    fn value(&self, item: &Item) -> i64 {
        self.call(item.enqueue).argument
    }

    fn judge(mut self) -> Findings {
        // What may have gone in at any time is behind everything.
        let ended = self.items.iter().zip(0..).filter(|(item, _)| item.er != NEVER);
        let mut by_end: Vec<(u64, u32)> = Vec::with_capacity(self.items.len());
        by_end.extend(ended.map(|(item, i)| (item.er, i)));
        nearly_sorted(&mut by_end, |(er, _)| *er);
        self.take_left_over(&by_end);
        self.first_in_first_out(&by_end);
        if !self.empties.is_empty() {
            self.empty_is_empty(&by_end);
        }
        self.findings
    }

    /// Values that nobody is known to have dequeued go to the dequeues of unknown outcome.
    fn take_left_over(&mut self, by_end: &[(u64, u32)]) {
        let mut pending = self.pending.iter();
        for (_, i) in by_end {
            let item = &mut self.items[*i as usize];
            if item.dequeue == NONE {
                let Some(&invoked) = pending.next() else { return };
                item.di = invoked;
            }
        }
    }

    fn first_in_first_out(&mut self, by_end: &[(u64, u32)]) {
        let (mut next, mut latest): (usize, Option<&Item>) = (0, None);
        for b in &self.items {
            while let Some((_, a)) = by_end.get(next).filter(|(er, _)| *er < b.ei) {
                let a = &self.items[*a as usize];
                latest = Some(latest.filter(|latest| latest.di >= a.di).unwrap_or(a));
                next += 1;
            }
            if let Some(a) = latest.filter(|a| b.dr < a.di) {
                let (va, vb) = (self.value(a), self.value(b));
                let (title, because) = if a.dequeue == NONE {
                    (
                        "lost value",
                        format!("{va} was in the queue before {vb}, but {vb} was dequeued and {va} never was"),
                    )
                } else {
                    let because = format!(
                        "{va} was in the queue before anybody began to enqueue {vb}, but {vb} was out before anybody began to take {va}"
                    );
                    ("out of order", because)
                };
                return self.findings.add(title, self.part.name(), because, a.operations().chain(b.operations()));
            }
        }
    }

    fn empty_is_empty(&mut self, by_end: &[(u64, u32)]) {
        let certain = by_end.iter().map(|(_, i)| &self.items[*i as usize]).filter(|item| item.er < item.di);
        let certain: Vec<&Item> = certain.collect();
        // Unions of overlapping open intervals, in order.
        let mut unions: Vec<(u64, u64)> = Vec::new();
        for item in &certain {
            match unions.last_mut() {
                Some((_, end)) if item.er < *end => *end = (*end).max(item.di),
                _ => unions.push((item.er, item.di)),
            }
        }
        for &i in &self.empties {
            let call = self.call(i);
            let before = unions.partition_point(|(begin, _)| *begin < call.invoked);
            if before > 0 && unions[before - 1].1 > call.completed {
                let witness = cover(&certain, call.invoked, call.completed).into_iter().chain([i as usize]);
                let because = format!("p{} found the queue empty, but all the time some value was in it", call.process);
                return self.findings.add("not empty", self.part.name(), because, witness);
            }
        }
    }
}

/// Few items that are certainly in the queue, one after another, from `from` to `to`.
fn cover(certain: &[&Item], from: u64, to: u64) -> Vec<usize> {
    let (mut witness, mut at) = (Vec::new(), from);
    while at <= to {
        let Some(best) =
            certain.iter().filter(|item| item.er < at).max_by_key(|item| item.di).filter(|best| best.di > at)
        else {
            break;
        };
        witness.extend(best.operations());
        at = best.di;
    }
    witness
}
