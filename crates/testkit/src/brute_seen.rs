//! Broadcasts, leaders and watchers decided from their definitions, and the small histories to try it on. Shares nothing with the checkers.

use base::Rng;
use history::Outcome;
use history::object::{Action, Call, NOTHING, Objects};

fn ok(history: &Objects, action: Action) -> Vec<&Call> {
    history.calls.iter().filter(|call| call.action == action && call.outcome == Outcome::Ok).collect()
}

/// Whether nothing was seen before its addition began, and every process's last read after all acknowledged additions sees them all,
/// and the same as the others. `None`: nobody read then.
pub fn broadcast(history: &Objects) -> Option<bool> {
    let (added, reads) = (ok(history, Action::Add), ok(history, Action::Read));
    let explained = |read: &&Call| {
        let tried = |element: i64| {
            let of = |add: &&Call| add.action == Action::Add && add.outcome != Outcome::Fail && add.argument == element;
            history.calls.iter().filter(of).any(|add| add.invoked <= read.completed)
        };
        history.list(read).iter().all(|element| tried(*element))
    };
    if !reads.iter().all(explained) {
        return Some(false);
    }
    let late: Vec<&&Call> = reads.iter().filter(|read| added.iter().all(|add| add.completed <= read.invoked)).collect();
    let is_last =
        |read: &&&&Call| !late.iter().any(|other| other.process == read.process && other.invoked > read.invoked);
    let last: Vec<&&&Call> = late.iter().filter(is_last).collect();
    if last.is_empty() {
        return if history.calls.iter().any(|call| call.action == Action::Add && call.outcome != Outcome::Fail) {
            None
        } else {
            Some(true)
        };
    }
    let sees = |read: &Call, element: i64| history.list(read).contains(&element);
    let all = last.iter().all(|read| added.iter().all(|add| sees(read, add.argument)));
    let same = |a: &Call, b: &Call| history.list(a).iter().all(|element| sees(b, *element));
    Some(all && last.iter().all(|a| last.iter().all(|b| same(a, b))))
}

/// Whether no two inspections saw different leaders of a term.
pub fn leader(history: &Objects) -> bool {
    let seen = ok(history, Action::Inspect);
    seen.iter().all(|a| seen.iter().all(|b| a.result != b.result || a.argument == b.argument))
}

/// Whether there is an order of all values in which what each process was told stands without gaps: tries every order.
pub fn watch(history: &Objects) -> bool {
    let mut logs: Vec<(u32, Vec<i64>)> = Vec::new();
    for call in ok(history, Action::Watch) {
        match logs.iter_mut().find(|(process, _)| *process == call.process) {
            Some((_, log)) => log.extend(history.list(call)),
            None => logs.push((call.process, history.list(call).to_vec())),
        }
    }
    let mut values: Vec<i64> = logs.iter().flat_map(|(_, log)| log.clone()).collect();
    values.sort_unstable();
    values.dedup();
    let fits = |order: &[i64]| {
        logs.iter().all(|(_, log)| log.is_empty() || order.windows(log.len()).any(|part| part == log.as_slice()))
    };
    some_order(&mut values, 0, &fits)
}

fn some_order(values: &mut Vec<i64>, fixed: usize, fits: &dyn Fn(&[i64]) -> bool) -> bool {
    if fixed == values.len() {
        return fits(values);
    }
    (fixed..values.len()).any(|i| {
        values.swap(fixed, i);
        let found = some_order(values, fixed + 1, fits);
        values.swap(fixed, i);
        found
    })
}

/// A few additions and reads on three processes; reads see more the later they are, with lies.
pub fn random_broadcast(rng: &mut Rng) -> Objects {
    let mut history = Objects::default();
    let count = rng.within(2..=9);
    let adds = rng.below(count.min(4));
    for i in 0..count {
        let at = i * 2 + 4;
        let adding = i < adds || rng.chance(0.05);
        let action = if adding { Action::Add } else { Action::Read };
        let mut call = Call::new(rng.below(3) as u32, action, at - rng.within(0..=3), at + rng.within(0..=3));
        let mut list = Vec::new();
        if adding {
            call.argument = if rng.chance(0.9) { i as i64 } else { rng.below(3) as i64 };
            call.outcome = if rng.chance(0.25) { Outcome::Info } else { Outcome::Ok };
        } else {
            list = (0..adds as i64).filter(|_| rng.chance(0.93)).collect();
            if rng.chance(0.06) {
                list.push(rng.below(6) as i64);
            }
        }
        history.push(call, &list);
    }
    history.sort();
    // One process has one read at a time; reads that begin at one instant would have no last one.
    for i in 0..history.calls.len() {
        history.calls[i].invoked = history.calls[i].invoked * 16 + i as u64;
        history.calls[i].completed = history.calls[i].completed.saturating_mul(16).max(history.calls[i].invoked);
    }
    history
}

/// A few inspections.
pub fn random_leaders(rng: &mut Rng) -> Objects {
    let mut history = Objects::default();
    for i in 0..rng.within(1..=6) {
        let mut call = Call::new(rng.below(3) as u32, Action::Inspect, i * 2, i * 2 + 1);
        call.result = rng.below(4) as i64;
        call.argument = if rng.chance(0.85) { call.result * 10 } else { rng.below(3) as i64 };
        history.push(call, &[]);
    }
    history
}

/// Watchers that are told parts of one order, with lies.
pub fn random_watchers(rng: &mut Rng) -> Objects {
    let mut history = Objects::default();
    let mut order: Vec<i64> = (1..=rng.within(2..=6) as i64).collect();
    rng.shuffle(&mut order);
    let mut at = [0, 1, 2].map(|_| rng.below(order.len() as u64) as usize);
    for i in 0..rng.within(1..=6) {
        let process = rng.below(3) as usize;
        let end = (at[process] + rng.below(4) as usize).min(order.len());
        let mut list = order[at[process]..end].to_vec();
        at[process] = end;
        match rng.below(12) {
            0 if !list.is_empty() => drop(list.remove(rng.below(list.len() as u64) as usize)),
            1 if list.len() > 1 => list.swap(0, 1),
            2 => list.push(rng.within(1..=order.len() as u64) as i64),
            _ => {}
        }
        history.push(Call::new(process as u32, Action::Watch, i * 2, i * 2 + 1), &list);
    }
    debug_assert!(history.calls.iter().all(|call| call.argument == NOTHING));
    history
}
