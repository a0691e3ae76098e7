//! Banks, logs, deliveries, ids, forks and sums decided from their definitions, pair by pair, and the small histories to try it on. Shares
//! nothing with the checkers.

use base::Rng;
use history::Outcome;
use history::object::{Action, Call, NOTHING, Objects};

fn ok(history: &Objects, action: Action) -> Vec<&Call> {
    history.calls.iter().filter(|call| call.action == action && call.outcome == Outcome::Ok).collect()
}

fn happened(history: &Objects, action: Action) -> impl Iterator<Item = &Call> {
    history.calls.iter().filter(move |call| call.action == action && call.outcome != Outcome::Fail)
}

/// Whether every read has all balances, none below zero, and any two reads make the same total.
pub fn bank(history: &Objects) -> bool {
    let balances = |read: &Call| -> Vec<i64> { history.list(read).chunks(2).map(|account| account[1]).collect() };
    let reads: Vec<Vec<i64>> = ok(history, Action::Read).into_iter().map(balances).collect();
    let total = |read: &Vec<i64>| read.iter().sum::<i64>();
    let sound = |read: &Vec<i64>| read.iter().all(|balance| *balance >= 0);
    // What is missing is the least number, and so below zero.
    reads.iter().all(sound) && reads.iter().all(|a| reads.iter().all(|b| total(a) == total(b)))
}

/// Whether no two requests were given one id.
pub fn unique_ids(history: &Objects) -> bool {
    let given = ok(history, Action::Generate);
    let same = |a: &Call, b: &Call| a.result == b.result && a.result != NOTHING;
    (0..given.len()).all(|i| (0..i).all(|j| !same(given[i], given[j])))
}

/// Whether no two reads of the same keys see, of some two keys, one each and not the other's.
pub fn long_fork(history: &Objects) -> bool {
    let reads = ok(history, Action::Transact).into_iter().map(|call| history.list(call));
    let reads: Vec<&[i64]> = reads.filter(|list| list.chunks(3).all(|access| access[0] == 0)).collect();
    let sees = |read: &[i64], key: i64| read.chunks(3).any(|access| access[1] == key && access[2] != NOTHING);
    let keys = |read: &[i64]| -> Vec<i64> { read.chunks(3).map(|access| access[1]).collect() };
    let same_keys = |a: &[i64], b: &[i64]| {
        keys(a).iter().all(|key| keys(b).contains(key)) && keys(b).iter().all(|key| keys(a).contains(key))
    };
    let ahead = |a: &[i64], b: &[i64]| keys(a).iter().any(|key| sees(a, *key) && !sees(b, *key));
    let forked = |a: &[i64], b: &[i64]| same_keys(a, b) && ahead(a, b) && ahead(b, a);
    reads.iter().all(|a| reads.iter().all(|b| !forked(a, b)))
}

/// Every time that a value came out.
fn deliveries(history: &Objects, value: i64) -> Vec<&Call> {
    let delivers = |call: &&Call| match call.action {
        Action::Dequeue => call.outcome == Outcome::Ok && call.result == value,
        Action::Drain => history.list(call).contains(&value),
        _ => false,
    };
    history.calls.iter().filter(delivers).collect()
}

/// Whether what was acknowledged came out, and nothing did that nobody tried to put in.
pub fn total_queue(history: &Objects) -> bool {
    let came_out = |call: &&Call| !deliveries(history, call.argument).is_empty();
    let tried = |value: i64| happened(history, Action::Enqueue).any(|call| call.argument == value);
    let single = ok(history, Action::Dequeue).into_iter().map(|call| call.result).filter(|value| *value != NOTHING);
    let drained = ok(history, Action::Drain).into_iter().flat_map(|call| history.list(call).iter().copied());
    ok(history, Action::Enqueue).iter().all(came_out) && single.chain(drained).all(tried)
}

/// The same, and of two values that a producer sent one after the other, none of the second was out before anybody began to take the first.
pub fn at_least_once(history: &Objects) -> bool {
    let sent = ok(history, Action::Enqueue);
    let once = |call: &Call| {
        history.calls.iter().filter(|c| c.action == Action::Enqueue && c.argument == call.argument).count() == 1
    };
    let reordered = |a: &Call, b: &Call| {
        let (first, second) = (deliveries(history, a.argument), deliveries(history, b.argument));
        let out_before = |late: &&Call| first.iter().all(|early| late.completed < early.invoked);
        a.process == b.process && a.invoked < b.invoked && !first.is_empty() && second.iter().any(out_before)
    };
    let sent: Vec<&Call> = sent.into_iter().filter(|call| once(call)).collect();
    total_queue(history) && sent.iter().all(|a| sent.iter().all(|b| !reordered(a, b)))
}

/// Whether every read after all acknowledged additions is what these make, with some of those of unknown outcome.
pub fn pn_counter(history: &Objects) -> bool {
    let certain = ok(history, Action::Add);
    let unknown: Vec<&Call> = happened(history, Action::Add).filter(|call| call.outcome == Outcome::Info).collect();
    let sum: i64 = certain.iter().map(|call| call.argument).sum();
    let made = |value: i64| {
        (0..1u32 << unknown.len()).any(|chosen| {
            let of = |(i, call): (usize, &&Call)| if chosen >> i & 1 == 1 { call.argument } else { 0 };
            value == sum + unknown.iter().enumerate().map(of).sum::<i64>()
        })
    };
    let late = |read: &&Call| certain.iter().all(|add| add.completed <= read.invoked);
    ok(history, Action::Read).into_iter().filter(late).all(|read| made(read.result))
}

/// A record of a log: (log, offset, value), with the process that sent or polled it.
type Record = (u32, i64, i64, i64);

fn records(history: &Objects, kind: i64, wanted: impl Fn(&Call) -> bool) -> Vec<Record> {
    let of = |call: &Call| -> Vec<Record> {
        let parts = history.list(call).chunks(4).filter(|part| part[0] == kind);
        parts.map(|part| (call.process, part[1], part[2], part[3])).collect()
    };
    history.calls.iter().filter(|call| call.action == Action::Log && wanted(call)).flat_map(of).collect()
}

/// Whether offsets hold one value and values one offset, what was polled was sent and did not fail, what was acknowledged below the
/// greatest offset polled was polled, and sends and polls of each process go forward, polls without a gap.
pub fn log(history: &Objects) -> bool {
    let is_ok = |call: &Call| call.outcome == Outcome::Ok;
    let (sent, polled) = (records(history, 0, is_ok), records(history, 1, is_ok));
    let tried = records(history, 0, |call| call.outcome != Outcome::Fail);
    let mut known = [records(history, 0, |_| true), polled.clone()].concat();
    known.retain(|record| record.2 != NOTHING);
    let one = |a: &Record, b: &Record| a.1 != b.1 || (a.2 == b.2) == (a.3 == b.3);
    let from = |record: &Record| tried.iter().any(|send| (send.1, send.3) == (record.1, record.3));
    let kept = |send: &Record| {
        let passed = polled.iter().any(|poll| poll.1 == send.1 && send.2 != NOTHING && send.2 < poll.2);
        !passed || polled.iter().any(|poll| (poll.1, poll.3) == (send.1, send.3))
    };
    let gap = |log: i64, after: i64, before: i64| known.iter().any(|r| r.1 == log && after < r.2 && r.2 < before);
    let forward = |all: &[Record], gaps: bool| {
        all.iter().enumerate().all(|(at, record)| {
            let next = all[at + 1..].iter().find(|next| next.0 == record.0 && next.1 == record.1);
            next.is_none_or(|next| record.2 < next.2 && (gaps || !gap(record.1, record.2, next.2)))
        })
    };
    let acknowledged: Vec<Record> = sent.iter().copied().filter(|record| record.2 != NOTHING).collect();
    known.iter().all(|a| known.iter().all(|b| one(a, b)))
        && polled.iter().all(from)
        && sent.iter().all(kept)
        && forward(&acknowledged, true)
        && forward(&polled, false)
}

/// Two or three reads of two accounts that hold ten, with lies.
pub fn random_bank(rng: &mut Rng) -> Objects {
    let mut history = Objects::default();
    for at in 0..rng.within(2..=5) {
        let first = rng.below(11) as i64;
        let (mut a, b) = (first, 10 - first);
        match rng.below(20) {
            0 => a = NOTHING,
            1 => a -= 12,
            2 => a += 1,
            _ => {}
        }
        let mut call = Call::new(rng.below(3) as u32, Action::Read, at * 2, at * 2 + 1);
        call.outcome = if rng.chance(0.15) { Outcome::Info } else { Outcome::Ok };
        history.push(call, &[1, a, 2, b]);
    }
    history
}

/// Requests for ids, of which few are equal.
pub fn random_ids(rng: &mut Rng) -> Objects {
    let mut history = Objects::default();
    for at in 0..rng.within(2..=6) {
        let mut call = Call::new(rng.below(3) as u32, Action::Generate, at * 2, at * 2 + 1);
        call.result = if rng.chance(0.1) { NOTHING } else { rng.below(20) as i64 };
        call.outcome = *rng.pick(&[Outcome::Ok, Outcome::Ok, Outcome::Ok, Outcome::Info, Outcome::Fail]);
        history.push(call, &[]);
    }
    history
}

/// Reads of one of two groups of keys, which see more the later they are, with lies.
pub fn random_forks(rng: &mut Rng) -> Objects {
    let mut history = Objects::default();
    for at in 0..rng.within(2..=6) {
        let group = rng.below(2) as i64 * 10;
        let mut list = Vec::new();
        for key in 1..=3 {
            let seen = (key as u64) <= at / 2;
            let value = if seen != rng.chance(0.06) { key } else { NOTHING };
            list.extend([i64::from(rng.chance(0.02)), group + key, value]);
        }
        let mut call = Call::new(rng.below(3) as u32, Action::Transact, at * 2, at * 2 + 1);
        call.outcome = if rng.chance(0.1) { Outcome::Info } else { Outcome::Ok };
        history.push(call, &list);
    }
    history
}

/// A few values sent and delivered, some twice, some late, and what is left drained at the end, with losses.
pub fn random_deliveries(rng: &mut Rng) -> Objects {
    let mut history = Objects::default();
    let count = rng.within(1..=5) as i64;
    let mut left = Vec::new();
    for value in 1..=count {
        let at = value as u64 * 4;
        let mut call = Call::new(rng.below(2) as u32, Action::Enqueue, at, at + rng.below(4));
        call.argument = value;
        call.outcome = *rng.pick(&[Outcome::Ok, Outcome::Ok, Outcome::Ok, Outcome::Info, Outcome::Fail]);
        if call.outcome == Outcome::Ok || rng.chance(0.3) {
            left.push(value);
        }
        history.push(call, &[]);
    }
    let mut at = 30;
    for _ in 0..rng.within(0..=4) {
        let begin = at + rng.below(4);
        let mut call = Call::new(2 + rng.below(2) as u32, Action::Dequeue, begin, begin + rng.below(6));
        call.result = if left.is_empty() { NOTHING } else { left[rng.below(left.len().min(2) as u64) as usize] };
        if rng.chance(0.8) {
            left.retain(|value| *value != call.result);
        }
        history.push(call, &[]);
        at += rng.below(6);
    }
    left.retain(|_| !rng.chance(0.05));
    history.push(Call::new(4, Action::Drain, 60, 70), &left);
    history.sort();
    history
}

/// Additions and reads of their sum, before and after the last of them, with lies.
pub fn random_sums(rng: &mut Rng) -> Objects {
    let mut history = Objects::default();
    let mut sum = 0;
    for at in 0..rng.within(1..=5) {
        let mut call = Call::new(rng.below(3) as u32, Action::Add, at * 3, at * 3 + rng.below(6));
        call.argument = rng.below(9) as i64 - 4;
        call.outcome = *rng.pick(&[Outcome::Ok, Outcome::Ok, Outcome::Info, Outcome::Fail]);
        let applied = call.outcome == Outcome::Ok || (call.outcome == Outcome::Info && rng.chance(0.5));
        sum += if applied { call.argument } else { 0 };
        history.push(call, &[]);
    }
    for _ in 0..rng.within(1..=3) {
        let at = rng.within(8..=30);
        let mut call = Call::new(3, Action::Read, at, at + 2);
        call.result = sum + if rng.chance(0.15) { rng.below(7) as i64 - 3 } else { 0 };
        history.push(call, &[]);
    }
    history.sort();
    history
}

/// Values sent to two logs and polled by two processes, with lies.
pub fn random_logs(rng: &mut Rng) -> Objects {
    let mut history = Objects::default();
    let mut logs: [Vec<i64>; 2] = [Vec::new(), Vec::new()];
    let mut at: [[usize; 2]; 2] = [[0; 2]; 2];
    for i in 0..rng.within(2..=9) {
        let (log, process) = (rng.below(2) as usize, rng.below(2) as usize);
        let mut call = Call::new(process as u32, Action::Log, i * 2, i * 2 + 1);
        if rng.chance(0.5) {
            let (value, offset) = (i as i64 + 1, logs[log].len() as i64);
            call.outcome = *rng.pick(&[Outcome::Ok, Outcome::Ok, Outcome::Ok, Outcome::Info, Outcome::Fail]);
            if call.outcome == Outcome::Ok || (call.outcome == Outcome::Info && rng.chance(0.5)) {
                logs[log].push(value);
            }
            let lie = if rng.chance(0.04) { 1 } else { 0 };
            let known = call.outcome == Outcome::Ok && rng.chance(0.9);
            history.push(call, &[0, log as i64, if known { offset + lie } else { NOTHING }, value]);
            continue;
        }
        let mut list = Vec::new();
        for _ in 0..rng.within(1..=2) {
            let next = &mut at[process][log];
            if rng.chance(0.04) {
                *next = if rng.chance(0.5) { *next + 1 } else { next.saturating_sub(1) };
            }
            if let Some(&value) = logs[log].get(*next) {
                let value = if rng.chance(0.03) { rng.below(9) as i64 } else { value };
                list.extend([1, log as i64, *next as i64, value]);
                *next += 1;
            }
        }
        history.push(call, &list);
    }
    history
}
