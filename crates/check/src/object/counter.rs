//! Counters.
//!
//! Linearizable, increments of one that answer nothing: `O(n log n)` and exact. Say `p(1) <= p(2) <= ...` are the instants at which
//! the counter grows. A read of `v` says that `p(v)` is no later than its end and `p(v + 1)` no earlier than its beginning, so each `p(k)` has a
//! window, and both ends of the windows grow with `k`. If no read of a greater value ended before one of a smaller value began, then
//! an order exists exactly if increments can be given to instants whose windows they overlap, so that every instant up to the greatest
//! value read has one and every acknowledged increment is given away (an exchange puts them in order of time). An increment
//! overlaps a run of windows, so whoever has the earliest last window goes first. Any other amounts: bounds first, which are necessary,
//! then the search.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use history::object::{Action, NEVER, NOTHING, Objects};

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
        let windows = Windows::of(part);
        let by_one = windows.is_some();
        if windows.is_some_and(Windows::each_have_an_increment) {
            return Findings::default();
        }
        let mut findings = bounds(part);
        if findings.is_empty() && by_one {
            findings = reads_in_order(part);
        }
        if findings.is_empty() { search(part, options, &Counter, false) } else { findings }
    })
}

/// Sums of what had been added by some time, in order of time.
struct Sums {
    times: Vec<u64>,
    /// `sums[i]`: of the first `i`.
    sums: Vec<i128>,
}

impl Sums {
    fn of(mut added: Vec<(u64, i64)>) -> Sums {
        nearly_sorted(&mut added, |add| *add);
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

/// When the counter grows.
struct Windows {
    /// Of the k-th instant, from 1 on, and of all after the greatest value read.
    earliest: Vec<u64>,
    latest: Vec<u64>,
    /// Invocation and completion of the increments; of those of unknown outcome, never.
    adds: Vec<(u64, u64)>,
}

impl Windows {
    /// `None`: it is not only incremented by one, or a read can never be right.
    fn of(part: Part<'_>) -> Option<Windows> {
        let (mut began, mut ended) = (vec![0; 2], vec![NEVER; 2]);
        let mut adds = Vec::with_capacity(part.places.len() / 2);
        for (_, call) in part.happened() {
            match call.action {
                Action::Add if call.argument == 1 && call.result == NOTHING => {
                    adds.push((call.invoked, if call.is_ok() { call.completed } else { NEVER }));
                }
                Action::Read if !call.is_ok() => {}
                Action::Read => {
                    let value = usize::try_from(call.result).ok().filter(|value| *value <= part.places.len())?;
                    if value + 2 > began.len() {
                        began.resize(value + 2, 0);
                        ended.resize(value + 2, NEVER);
                    }
                    began[value + 1] = call.invoked.max(began[value + 1]);
                    ended[value] = call.completed.min(ended[value]);
                }
                _ => return None,
            }
        }
        for k in 1..began.len() {
            began[k] = began[k].max(began[k - 1]);
        }
        for k in (1..ended.len()).rev() {
            ended[k - 1] = ended[k - 1].min(ended[k]);
        }
        Some(Windows { earliest: began, latest: ended, adds })
    }

    /// Whether the windows are none in vain, and increments fit into them: of those that have begun by the end of a window, whoever has to end first
    /// goes first.
    fn each_have_an_increment(self) -> bool {
        let Windows { earliest, latest, adds } = self;
        let last = earliest.len() - 1;
        let mut adds = adds.into_iter().peekable();
        let mut waiting = BinaryHeap::new();
        for k in 1..last {
            while let Some((_, completed)) = adds.next_if(|(invoked, _)| *invoked <= latest[k]) {
                waiting.push(Reverse(completed));
            }
            let next = waiting.pop();
            if earliest[k] > latest[k] || next.is_none_or(|Reverse(completed)| completed < earliest[k]) {
                return false;
            }
        }
        let left = waiting.into_iter().map(|Reverse(completed)| completed);
        left.chain(adds.map(|(_, completed)| completed)).all(|completed| completed >= earliest[last])
    }
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
