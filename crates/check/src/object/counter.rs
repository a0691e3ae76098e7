//! Counters.
//!
//! Linearizable, increments of one that answer nothing: `O(n log n)` and exact. Say `p(1) <= p(2) <= ...` are the instants at which
//! the counter grows. A read of `v` says that `p(v)` is no later than its end and `p(v + 1)` no earlier than its beginning, so each `p(k)` has a
//! window, and both ends of the windows grow with `k`. If no read of a greater value ended before one of a smaller value began, then
//! an order exists exactly if increments can be given to instants whose windows they overlap, so that every instant up to the greatest
//! value read has one and every acknowledged increment is given away (an exchange puts them in order of time). An increment
//! overlaps a run of windows, so whoever has the earliest last window goes first. Any other amounts: bounds first, which are necessary,
//! then the search.

use history::object::{Action, NOTHING, Objects};

use super::model::Counter;
use super::search::decide as search;
use super::{Exactness, Findings, Object, Part, each_key};
use crate::model::Options;
use crate::sort::nearly_sorted;

/// A counter.
pub static LINEARIZABLE_COUNTER: Object = Object {
    name: "linearizable-counter",
    summary: "a read returns the sum of what was added, linearizably",
    exactness: Exactness::Exact,
    decide: linearizable,
};

/// Jepsen's `counter`.
pub static COUNTER: Object = Object {
    name: "counter",
    summary: "a read is at least what had been added before it began and at most what could have been before it ended (Jepsen's counter)",
    exactness: Exactness::Conditions,
    decide: |history, options| each_key(history, options, &bounds),
};

/// A counter that may lag: only reads after all additions count.
pub static PN_COUNTER: Object = Object {
    name: "pn-counter",
    summary: "a read after all additions is the sum of all acknowledged and some of the unknown ones",
    exactness: Exactness::Conditions,
    decide: |history, options| each_key(history, options, &converged),
};

fn linearizable(history: &Objects, options: &Options) -> Findings {
    each_key(history, options, &|part| {
        let findings = bounds(part);
        if !findings.is_empty() {
            findings
        } else if counts_by_one(part) {
            let findings = reads_in_order(part);
            if findings.is_empty() && !every_instant_has_an_increment(part) {
                return search(part, options, &Counter, false);
            }
            findings
        } else {
            search(part, options, &Counter, false)
        }
    })
}

fn counts_by_one(part: Part<'_>) -> bool {
    let plain = |call: &history::object::Call| match call.action {
        Action::Add => call.argument == 1 && call.result == NOTHING,
        action => action == Action::Read,
    };
    part.happened().all(|(_, call)| plain(call))
}

/// Sums of what had been added by some time, in order of time.
struct Sums {
    times: Vec<u64>,
    /// `sums[i]`: of the first `i`.
    sums: Vec<i128>,
}

impl Sums {
    fn of(mut added: Vec<(u64, i64)>) -> Sums {
        added.sort_unstable();
        let mut sums = vec![0];
        for (i, (_, amount)) in added.iter().enumerate() {
            sums.push(sums[i] + i128::from(*amount));
        }
        Sums { times: added.into_iter().map(|(time, _)| time).collect(), sums }
    }

    /// Of all before `time`.
    fn before(&self, time: u64) -> i128 {
        self.sums[self.times.partition_point(|&at| at < time)]
    }

    /// Of all up to `time`.
    fn until(&self, time: u64) -> i128 {
        self.sums[self.times.partition_point(|&at| at <= time)]
    }
}

fn bounds(part: Part<'_>) -> Findings {
    let mut findings = Findings::default();
    let added = |sign: i64, end: bool| {
        let of_sign = part.happened().filter(move |(_, call)| {
            call.action == Action::Add && call.argument.signum() == sign && (call.is_ok() || !end)
        });
        Sums::of(of_sign.map(|(_, call)| (if end { call.completed } else { call.invoked }, call.argument)).collect())
    };
    let (more_begun, more_ended, less_begun, less_ended) =
        (added(1, false), added(1, true), added(-1, false), added(-1, true));
    for (i, call) in part.happened() {
        if call.action != Action::Read || !call.is_ok() || call.result == NOTHING {
            continue;
        }
        let low = more_ended.before(call.invoked) + less_begun.until(call.completed);
        let high = more_begun.until(call.completed) + less_ended.before(call.invoked);
        let value = i128::from(call.result);
        if value < low {
            let because = format!("at least {low} had certainly been added before, and {value} was read");
            findings.add("counter too low", part.name(), because, [i]);
        } else if value > high {
            let because = format!("at most {high} can have been added by then, and {value} was read");
            findings.add("counter too high", part.name(), because, [i]);
        }
    }
    findings
}

fn reads_in_order(part: Part<'_>) -> Findings {
    let (history, mut findings) = (part.history, Findings::default());
    let mut reads: Vec<(i64, usize)> = part
        .happened()
        .filter(|(_, call)| call.action == Action::Read && call.is_ok())
        .map(|(i, call)| (call.result, i))
        .collect();
    reads.sort_unstable();
    let mut latest: Option<(i64, usize)> = None;
    for (value, i) in reads {
        let call = &history.calls[i];
        if let Some((less, late)) = latest.filter(|(_, late)| call.completed < history.calls[*late].invoked) {
            let because = format!("the counter only grows, but {value} had been read before the read of {less} began");
            findings.add("counter went back", part.name(), because, [i, late]);
            return findings;
        }
        if latest.is_none_or(|(_, late)| history.calls[late].invoked < call.invoked) {
            latest = Some((value, i));
        }
    }
    findings
}

/// Whether increments of one fit between the reads, whose values are within bounds and in order.
fn every_instant_has_an_increment(part: Part<'_>) -> bool {
    let reads = || part.happened().filter(|(_, call)| call.action == Action::Read && call.is_ok());
    let most = reads().map(|(_, call)| call.result.max(0) as usize).max().unwrap_or(0);
    // Of the k-th instant, from 1 on, and of all after the greatest value: its window.
    let (mut earliest, mut latest) = (vec![0; most + 2], vec![u64::MAX; most + 2]);
    for (_, call) in reads() {
        let value = call.result.max(0) as usize;
        earliest[value + 1] = earliest[value + 1].max(call.invoked);
        latest[value] = latest[value].min(call.completed);
    }
    for k in 1..=most + 1 {
        earliest[k] = earliest[k].max(earliest[k - 1]);
        latest[most + 1 - k] = latest[most + 1 - k].min(latest[most + 2 - k]);
    }
    let adds = part.happened().filter(|(_, call)| call.action == Action::Add);
    // The windows that each overlaps; one of unknown outcome need not have any.
    let mut runs: Vec<(usize, usize)> = adds
        .map(|(_, call)| {
            let first = latest[1..].partition_point(|&latest| latest < call.invoked) + 1;
            let last = earliest.partition_point(|&earliest| earliest <= call.completed) - 1;
            (first, if call.is_ok() { last } else { usize::MAX })
        })
        .collect();
    nearly_sorted(&mut runs, |run| run.0);
    let mut runs = runs.into_iter().peekable();
    let mut waiting = std::collections::BinaryHeap::new();
    for k in 1..=most {
        while let Some((_, last)) = runs.next_if(|(first, _)| *first <= k) {
            waiting.push(std::cmp::Reverse(last));
        }
        if waiting.pop().is_none_or(|std::cmp::Reverse(last)| last < k) {
            return false;
        }
    }
    waiting.into_iter().map(|std::cmp::Reverse(last)| last).chain(runs.map(|(_, last)| last)).all(|last| last > most)
}

/// Most sums that are told apart; with more, only least and greatest count.
const SUMS: usize = 1 << 16;

fn converged(part: Part<'_>) -> Findings {
    let mut findings = Findings::default();
    let adds = || part.happened().filter(|(_, call)| call.action == Action::Add);
    let quiet = adds().filter(|(_, call)| call.is_ok()).map(|(_, call)| call.completed).max().unwrap_or(0);
    let certain: i128 = adds().filter(|(_, call)| call.is_ok()).map(|(_, call)| i128::from(call.argument)).sum();
    let mut sums: Option<std::collections::BTreeSet<i128>> = Some([certain].into());
    let (mut low, mut high) = (certain, certain);
    for (_, call) in adds().filter(|(_, call)| !call.is_ok()) {
        let amount = i128::from(call.argument);
        (low, high) = (low + amount.min(0), high + amount.max(0));
        sums = sums
            .map(|sums| sums.iter().flat_map(|&sum| [sum, sum + amount]).collect())
            .filter(|s: &std::collections::BTreeSet<_>| s.len() <= SUMS);
    }
    for (i, call) in part.happened() {
        if call.action != Action::Read || !call.is_ok() || call.invoked < quiet {
            continue;
        }
        let value = i128::from(call.result);
        let possible = sums.as_ref().map_or((low..=high).contains(&value), |sums| sums.contains(&value));
        if !possible {
            let because = format!(
                "all acknowledged additions make {certain}, and {value} cannot come of it and the unknown ones"
            );
            findings.add("wrong sum", part.name(), because, [i]);
        }
    }
    findings
}
