//! A queue, first in first out, linearizable. `O(n log n)` where every value is enqueued once, otherwise by search.
//!
//! For a value `v`, its enqueue is `[ei, er]` and its dequeue `[di, dr]` (Abdulla et al., *Efficient linearizability monitoring*, PLDI 2025,
//! has the bad patterns of completed histories; pending operations are ours):
//!
//! - A dequeued value was enqueued, once, and not in the future.
//! - If the enqueue of `a` ended before that of `b` began, the dequeue of `b` must not end before that of `a` begins.
//! - If `a` is never dequeued although `b` behind it is, a dequeue of unknown outcome must have taken it, before that of `b`
//!   ended: each such value needs one of its own (Hall's condition, by sorting).
//! - A dequeue that found nothing needs an instant at which no value is certainly in the queue.
//!
//! Which value a dequeue of unknown outcome took is open when there are values left over and dequeues that found nothing: then the
//! search decides.

use std::collections::BTreeMap;

use history::object::{Action, NEVER, NOTHING, Objects};

use super::model::Fifo;
use super::search::decide as search;
use super::{Exactness, Findings, Object, by_key, happened};
use crate::model::Options;

/// A queue, first in first out.
pub static FIFO_QUEUE: Object = Object {
    name: "fifo-queue",
    summary: "a dequeue returns the value that was enqueued first and not dequeued yet, linearizably",
    exactness: Exactness::Exact,
    decide,
};

fn decide(history: &Objects, options: &Options) -> Findings {
    let mut findings = Findings::default();
    for (key, places) in by_key(history) {
        if let Some(reason) = options.limit.exceeded() {
            findings.undecided(format!("{reason} before key {key} was judged"));
            break;
        }
        let mut queue = Queue::new(history, key);
        if !queue.gather(&places) {
            findings.extend(search(history, &places, key, options, &Fifo, false));
            continue;
        }
        queue.judge();
        let open = !queue.pending.is_empty() && !queue.empties.is_empty() && !queue.left_over.is_empty();
        if queue.findings.is_empty() && open {
            queue.findings = search(history, &places, key, options, &Fifo, false);
        }
        findings.extend(queue.findings);
    }
    findings
}

/// A value and its two operations.
#[derive(Clone, Copy)]
struct Item {
    enqueue: usize,
    dequeue: Option<usize>,
    ei: u64,
    er: u64,
    di: u64,
    dr: u64,
}

struct Queue<'a> {
    history: &'a Objects,
    place: String,
    /// Values that were dequeued, in order of `ei`.
    items: Vec<Item>,
    /// Acknowledged values that nobody is known to have dequeued.
    left_over: Vec<Item>,
    /// Invocations of dequeues of unknown outcome, in order.
    pending: Vec<u64>,
    /// Dequeues that found nothing.
    empties: Vec<usize>,
    findings: Findings,
}

impl<'a> Queue<'a> {
    fn new(history: &'a Objects, key: u32) -> Self {
        Queue {
            history,
            place: format!("key {key}"),
            items: Vec::new(),
            left_over: Vec::new(),
            pending: Vec::new(),
            empties: Vec::new(),
            findings: Findings::default(),
        }
    }

    /// Pairs enqueues with dequeues. False: a value was enqueued twice, or something else was done to the queue.
    fn gather(&mut self, places: &[usize]) -> bool {
        let mut values: Vec<(i64, bool, usize)> = Vec::with_capacity(places.len());
        for (i, call) in happened(self.history, places) {
            match call.action {
                Action::Enqueue => values.push((call.argument, false, i)),
                Action::Dequeue if !call.is_ok() => self.pending.push(call.invoked),
                Action::Dequeue if call.result == NOTHING => self.empties.push(i),
                Action::Dequeue => values.push((call.result, true, i)),
                _ => return false,
            }
        }
        if !values.is_sorted() {
            values.sort_unstable();
        }
        let mut at = 0;
        while at < values.len() {
            let end = at + values[at..].iter().take_while(|entry| entry.0 == values[at].0).count();
            if !self.gather_value(&values[at..end]) {
                return false;
            }
            at = end;
        }
        self.items.sort_unstable_by_key(|item| item.ei);
        self.left_over.sort_unstable_by_key(|item| item.er);
        self.pending.sort_unstable();
        true
    }

    /// All operations on one value: enqueues first.
    fn gather_value(&mut self, operations: &[(i64, bool, usize)]) -> bool {
        let enqueues = operations.iter().take_while(|(_, dequeue, _)| !dequeue).count();
        let (value, dequeues) = (operations[0].0, &operations[enqueues..]);
        if enqueues > 1 {
            return false;
        }
        let place = self.place.clone();
        if enqueues == 0 {
            let failed = (0..self.history.len()).filter(|&i| {
                let call = &self.history.calls[i];
                call.action == Action::Enqueue && call.argument == value && !call.may_have_happened()
            });
            let witness: Vec<usize> = failed.take(1).chain([dequeues[0].2]).collect();
            self.findings.add(
                "phantom value",
                place,
                format!("{value} was dequeued, but nobody put it there"),
                witness,
            );
            return true;
        }
        let enqueue = operations[0].2;
        if dequeues.len() > 1 {
            let witness = [enqueue, dequeues[0].2, dequeues[1].2];
            self.findings.add("duplicate", place, format!("{value} was enqueued once and dequeued twice"), witness);
            return true;
        }
        let call = &self.history.calls[enqueue];
        let mut item = Item { enqueue, dequeue: None, ei: call.invoked, er: call.completed, di: NEVER, dr: NEVER };
        let Some(&(.., dequeue)) = dequeues.first() else {
            if call.is_ok() {
                self.left_over.push(item);
            }
            return true;
        };
        let call = &self.history.calls[dequeue];
        (item.dequeue, item.di, item.dr) = (Some(dequeue), call.invoked, call.completed);
        if item.dr < item.ei {
            let because = format!("{value} was dequeued before anybody began to enqueue it");
            self.findings.add("value from the future", place, because, [enqueue, dequeue]);
        }
        self.items.push(item);
        true
    }

    fn judge(&mut self) {
        self.first_in_first_out();
        self.nothing_is_skipped();
        self.empty_is_empty();
    }

    fn first_in_first_out(&mut self) {
        let mut by_end: Vec<&Item> = self.items.iter().collect();
        by_end.sort_unstable_by_key(|item| item.er);
        let (mut next, mut latest): (usize, Option<&Item>) = (0, None);
        for b in &self.items {
            while let Some(a) = by_end.get(next).filter(|a| a.er < b.ei) {
                latest = Some(latest.filter(|latest| latest.di >= a.di).unwrap_or(a));
                next += 1;
            }
            if let Some(a) = latest.filter(|a| b.dr < a.di) {
                let (va, vb) = (self.history.calls[a.enqueue].argument, self.history.calls[b.enqueue].argument);
                let because = format!(
                    "{va} was in the queue before anybody began to enqueue {vb}, but {vb} was out before anybody began to take {va}"
                );
                let witness = [Some(a.enqueue), a.dequeue, Some(b.enqueue), b.dequeue];
                let witness: Vec<usize> = witness.into_iter().flatten().collect();
                return self.findings.add("out of order", self.place.clone(), because, witness);
            }
        }
    }

    /// Values that were passed over need a dequeue of unknown outcome each.
    fn nothing_is_skipped(&mut self) {
        // The first return of a dequeue among the items from here on, by `ei`.
        let mut soonest: Vec<usize> = (0..self.items.len()).collect();
        for i in (0..self.items.len().saturating_sub(1)).rev() {
            if self.items[soonest[i + 1]].dr < self.items[i].dr {
                soonest[i] = soonest[i + 1];
            }
        }
        let mut deadlines: Vec<(u64, usize, usize)> = Vec::new();
        for a in &self.left_over {
            let behind = self.items.partition_point(|b| b.ei <= a.er);
            if let Some(&b) = soonest.get(behind) {
                deadlines.push((self.items[b].dr, a.enqueue, b));
            }
        }
        deadlines.sort_unstable();
        for (i, (deadline, enqueue, b)) in deadlines.into_iter().enumerate() {
            if self.pending.get(i).is_some_and(|invoked| *invoked <= deadline) {
                continue;
            }
            let (a, item) = (self.history.calls[enqueue].argument, self.items[b]);
            let b = self.history.calls[item.enqueue].argument;
            let because = format!("{a} was in the queue before {b}, but {b} was dequeued and {a} never was");
            let witness = [Some(enqueue), Some(item.enqueue), item.dequeue];
            let witness: Vec<usize> = witness.into_iter().flatten().collect();
            return self.findings.add("lost value", self.place.clone(), because, witness);
        }
    }

    fn empty_is_empty(&mut self) {
        if self.empties.is_empty() {
            return;
        }
        // With pending dequeues, a value that is left over may have been taken at any time.
        let left_over: &[Item] = if self.pending.is_empty() { &self.left_over } else { &[] };
        let certain = self.items.iter().chain(left_over).filter(|item| item.er < item.di);
        let mut certain: Vec<&Item> = certain.collect();
        certain.sort_unstable_by_key(|item| item.er);
        // Unions of overlapping open intervals: their ends, by their beginnings.
        let mut unions: BTreeMap<u64, u64> = BTreeMap::new();
        let mut last: Option<(u64, u64)> = None;
        for item in &certain {
            match &mut last {
                Some((begin, end)) if item.er < *end => {
                    *end = (*end).max(item.di);
                    unions.insert(*begin, *end);
                }
                _ => {
                    last = Some((item.er, item.di));
                    unions.insert(item.er, item.di);
                }
            }
        }
        for &i in &self.empties {
            let call = &self.history.calls[i];
            let covered = unions.range(..call.invoked).next_back().is_some_and(|(_, end)| *end > call.completed);
            if covered {
                let mut witness = cover(&certain, call.invoked, call.completed);
                witness.push(i);
                let because = format!("p{} found the queue empty, but all the time some value was in it", call.process);
                return self.findings.add("not empty", self.place.clone(), because, witness);
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
        witness.extend([Some(best.enqueue), best.dequeue].into_iter().flatten());
        at = best.di;
    }
    witness
}
