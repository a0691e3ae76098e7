//! Queues that may deliver twice: what was acknowledged must come out, and nothing else may.

use std::collections::BTreeMap;

use history::object::{Action, NOTHING};

use super::{Exactness, Findings, Object, Part, each_key};
use crate::model::Options;

/// A queue that may deliver a value more than once, in the order of each producer.
pub static AT_LEAST_ONCE_QUEUE: Object = Object {
    name: "at-least-once-queue",
    summary: "every acknowledged value is delivered at least once, nothing else is, and first deliveries keep each producer's order",
    exactness: Exactness::Conditions,
    decide: |history, options: &Options| each_key(history, options, &|part| judge(part, true)),
};

/// Jepsen's `total-queue`: what goes in comes out, once all is drained.
pub static TOTAL_QUEUE: Object = Object {
    name: "total-queue",
    summary: "every acknowledged value is dequeued, and nothing is that nobody tried to enqueue (Jepsen's total-queue)",
    exactness: Exactness::Conditions,
    decide: |history, options: &Options| each_key(history, options, &|part| judge(part, false)),
};

#[derive(Default)]
struct Value {
    /// The acknowledged enqueue, or else one that may have happened, or else one that failed.
    enqueues: Vec<usize>,
    deliveries: Vec<usize>,
}

fn judge(part: Part<'_>, in_order: bool) -> Findings {
    let (history, mut findings) = (part.history, Findings::default());
    let values = gather(part);
    for (value, Value { enqueues, deliveries }) in &values {
        let acknowledged = enqueues.iter().find(|&&i| history.calls[i].is_ok());
        let attempted = enqueues.iter().any(|&i| history.calls[i].may_have_happened());
        match (acknowledged, deliveries.first()) {
            (Some(&enqueue), None) => {
                let because = format!("{value} was acknowledged, but never came out");
                findings.add("lost value", part.name(), because, [enqueue]);
            }
            (None, Some(&delivery)) if !attempted => {
                let because = format!("{value} came out, but nobody put it there");
                let witness: Vec<usize> = enqueues.iter().copied().chain([delivery]).collect();
                findings.add("phantom value", part.name(), because, witness);
            }
            _ => {}
        }
    }
    if in_order {
        producers_order(part, &values, &mut findings);
    }
    findings
}

fn gather(part: Part<'_>) -> BTreeMap<i64, Value> {
    let history = part.history;
    let mut values: BTreeMap<i64, Value> = BTreeMap::new();
    for i in part.places.iter().map(|&i| i as usize) {
        let call = &history.calls[i];
        match call.action {
            Action::Enqueue => values.entry(call.argument).or_default().enqueues.push(i),
            Action::Dequeue if call.is_ok() && call.result != NOTHING => {
                values.entry(call.result).or_default().deliveries.push(i);
            }
            Action::Drain => {
                for &value in history.list(call) {
                    values.entry(value).or_default().deliveries.push(i);
                }
            }
            _ => {}
        }
    }
    values
}

/// No delivery of a value may end before every delivery of the producer's value before it begins.
fn producers_order(part: Part<'_>, values: &BTreeMap<i64, Value>, findings: &mut Findings) {
    let calls = &part.history.calls;
    let mut producers: BTreeMap<u32, Vec<Sent>> = BTreeMap::new();
    for Value { enqueues, deliveries } in values.values() {
        let &[enqueue] = enqueues.as_slice() else { continue };
        let begun = deliveries.iter().copied().min_by_key(|&i| calls[i].invoked);
        let ended = deliveries.iter().copied().min_by_key(|&i| calls[i].completed);
        if let (Some(begun), Some(ended), true) = (begun, ended, calls[enqueue].is_ok()) {
            producers.entry(calls[enqueue].process).or_default().push(Sent { enqueue, begun, ended });
        }
    }
    for (producer, mut sent) in producers {
        sent.sort_unstable_by_key(|sent| calls[sent.enqueue].invoked);
        let mut latest: Option<Sent> = None;
        for next in sent {
            if let Some(late) = latest.filter(|late| calls[next.ended].completed < calls[late.begun].invoked) {
                let because =
                    format!("p{producer} sent these in one order, and they were first delivered in the other");
                let place = format!("{}, producer p{producer}", part.name());
                findings.add("reordered", place, because, [late.enqueue, late.begun, next.enqueue, next.ended]);
                break;
            }
            if latest.is_none_or(|late| calls[late.begun].invoked < calls[next.begun].invoked) {
                latest = Some(next);
            }
        }
    }
}

/// A value that a producer sent: its enqueue, the delivery that began first and the one that ended first.
#[derive(Clone, Copy)]
struct Sent {
    enqueue: usize,
    begun: usize,
    ended: usize,
}
