//! Counters.
//!
//! Linearizable, increments of one that answer nothing: `O(n log n)` and exact. Reads in order of their values are groups; an order
//! exists exactly if no read of a greater value ended before one of a smaller value began, and every read saw at least the
//! increments that had ended before it began and at most those that had begun before it ended. Any other amounts: the
//! bounds first, which are necessary, then the search.

use history::object::{Action, NOTHING, Objects};

use super::model::Counter;
use super::search::decide as search;
use super::{Exactness, Findings, Object, by_key, happened};
use crate::model::Options;

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
    decide: |history, _| each_key(history, bounds),
};

/// A counter that may lag: only reads after all additions count.
pub static PN_COUNTER: Object = Object {
    name: "pn-counter",
    summary: "a read after all additions is the sum of all acknowledged and some of the unknown ones",
    exactness: Exactness::Conditions,
    decide: |history, _| each_key(history, converged),
};

fn each_key(history: &Objects, judge: fn(&Objects, &[usize], u32, &mut Findings)) -> Findings {
    let mut findings = Findings::default();
    by_key(history).into_iter().for_each(|(key, places)| judge(history, &places, key, &mut findings));
    findings
}

fn linearizable(history: &Objects, options: &Options) -> Findings {
    let mut findings = Findings::default();
    for (key, places) in by_key(history) {
        let mut of_key = Findings::default();
        bounds(history, &places, key, &mut of_key);
        if of_key.is_empty() && counts_by_one(history, &places) {
            reads_in_order(history, &places, key, &mut of_key);
        } else if of_key.is_empty() {
            of_key = search(history, &places, key, options, &Counter, false);
        }
        findings.extend(of_key);
    }
    findings
}

fn counts_by_one(history: &Objects, places: &[usize]) -> bool {
    let plain = |call: &history::object::Call| match call.action {
        Action::Add => call.argument == 1 && call.result == NOTHING,
        action => action == Action::Read,
    };
    happened(history, places).all(|(_, call)| plain(call))
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

fn bounds(history: &Objects, places: &[usize], key: u32, findings: &mut Findings) {
    let added = |sign: i64, end: bool| {
        let of_sign = happened(history, places).filter(move |(_, call)| {
            call.action == Action::Add && call.argument.signum() == sign && (call.is_ok() || !end)
        });
        Sums::of(of_sign.map(|(_, call)| (if end { call.completed } else { call.invoked }, call.argument)).collect())
    };
    let (more_begun, more_ended, less_begun, less_ended) =
        (added(1, false), added(1, true), added(-1, false), added(-1, true));
    for (i, call) in happened(history, places) {
        if call.action != Action::Read || !call.is_ok() || call.result == NOTHING {
            continue;
        }
        let low = more_ended.before(call.invoked) + less_begun.until(call.completed);
        let high = more_begun.until(call.completed) + less_ended.before(call.invoked);
        let value = i128::from(call.result);
        if value < low {
            let because = format!("at least {low} had certainly been added before, and {value} was read");
            findings.add("counter too low", format!("key {key}"), because, [i]);
        } else if value > high {
            let because = format!("at most {high} can have been added by then, and {value} was read");
            findings.add("counter too high", format!("key {key}"), because, [i]);
        }
    }
}

fn reads_in_order(history: &Objects, places: &[usize], key: u32, findings: &mut Findings) {
    let mut reads: Vec<(i64, usize)> = happened(history, places)
        .filter(|(_, call)| call.action == Action::Read && call.is_ok())
        .map(|(i, call)| (call.result, i))
        .collect();
    reads.sort_unstable();
    let mut latest: Option<(i64, usize)> = None;
    for (value, i) in reads {
        let call = &history.calls[i];
        if let Some((less, late)) = latest.filter(|(_, late)| call.completed < history.calls[*late].invoked) {
            let because = format!("the counter only grows, but {value} had been read before the read of {less} began");
            return findings.add("counter went back", format!("key {key}"), because, [i, late]);
        }
        if latest.is_none_or(|(_, late)| history.calls[late].invoked < call.invoked) {
            latest = Some((value, i));
        }
    }
}

/// Most sums that are told apart; with more, only least and greatest count.
const SUMS: usize = 1 << 16;

fn converged(history: &Objects, places: &[usize], key: u32, findings: &mut Findings) {
    let adds = || happened(history, places).filter(|(_, call)| call.action == Action::Add);
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
    for (i, call) in happened(history, places) {
        if call.action != Action::Read || !call.is_ok() || call.invoked < quiet {
            continue;
        }
        let value = i128::from(call.result);
        let possible = sums.as_ref().map_or((low..=high).contains(&value), |sums| sums.contains(&value));
        if !possible {
            let because = format!(
                "all acknowledged additions make {certain}, and {value} cannot come of it and the unknown ones"
            );
            findings.add("wrong sum", format!("key {key}"), because, [i]);
        }
    }
}
