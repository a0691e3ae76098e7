//! Objects decided from their definitions by trying every order, and the small histories to try it on. Shares nothing with the
//! checkers.

use base::Rng;
use history::Outcome;
use history::object::{Action, Call, NEVER, NOTHING, Objects};

/// The state of an object: enough for every object there is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    /// Values in a queue, a stack or a set; holders of a lock.
    pub values: Vec<i64>,
    /// A sum, or the last token.
    pub number: i64,
}

/// What an object does: changes its contents and says whether the answer fits. `list`: the list that came back.
pub type Rule = fn(&mut Contents, call: &Call, list: &[i64]) -> bool;

/// Whether some order of the operations respects real time and keeps the rule (Herlihy & Wing, 1990). Operations of unknown outcome
/// may be left out, and answer anything; failed ones did not happen.
pub fn linearizable(history: &Objects, rule: Rule) -> bool {
    let calls: Vec<&Call> = history.calls.iter().filter(|call| call.outcome != Outcome::Fail).collect();
    assert!(calls.len() <= 16, "too many operations for brute force");
    extend(history, &calls, 0, &Contents::default(), rule)
}

fn extend(history: &Objects, calls: &[&Call], taken: u32, contents: &Contents, rule: Rule) -> bool {
    let left = |i: &usize| taken & (1 << i) == 0;
    let must = |i: &usize| left(i) && calls[*i].completed != NEVER;
    if !(0..calls.len()).any(|i| must(&i)) {
        return true;
    }
    (0..calls.len()).filter(left).any(|i| {
        let too_early = (0..calls.len()).filter(must).any(|j| calls[j].completed < calls[i].invoked);
        let mut after = contents.clone();
        !too_early
            && rule(&mut after, calls[i], history.list(calls[i]))
            && extend(history, calls, taken | 1 << i, &after, rule)
    })
}

fn answers(call: &Call, value: i64) -> bool {
    call.outcome != Outcome::Ok || call.result == value
}

/// First in, first out.
pub fn fifo(contents: &mut Contents, call: &Call, _list: &[i64]) -> bool {
    if call.action == Action::Enqueue {
        contents.values.push(call.argument);
        return true;
    }
    let first = if contents.values.is_empty() { NOTHING } else { contents.values.remove(0) };
    answers(call, first)
}

/// Last in, first out.
pub fn stack(contents: &mut Contents, call: &Call, _list: &[i64]) -> bool {
    if call.action == Action::Push {
        contents.values.push(call.argument);
        return true;
    }
    answers(call, contents.values.pop().unwrap_or(NOTHING))
}

/// Least first.
pub fn priority_queue(contents: &mut Contents, call: &Call, list: &[i64]) -> bool {
    contents.values.sort_unstable();
    fifo(contents, call, list)
}

/// A set.
pub fn set(contents: &mut Contents, call: &Call, list: &[i64]) -> bool {
    let has = contents.values.contains(&call.argument);
    match call.action {
        Action::Add => {
            contents.values.retain(|value| *value != call.argument);
            contents.values.push(call.argument);
            true
        }
        Action::Remove => {
            contents.values.retain(|value| *value != call.argument);
            true
        }
        Action::Contains => answers(call, i64::from(has)),
        _ => {
            let (mut all, mut seen) = (contents.values.clone(), list.to_vec());
            all.sort_unstable();
            seen.sort_unstable();
            call.outcome != Outcome::Ok || all == seen
        }
    }
}

/// A counter.
pub fn counter(contents: &mut Contents, call: &Call, _list: &[i64]) -> bool {
    if call.action == Action::Add {
        contents.number += call.argument;
        return true;
    }
    answers(call, contents.number)
}

/// A lock that anyone may release.
pub fn mutex(contents: &mut Contents, call: &Call, _list: &[i64]) -> bool {
    let free = contents.number == 0;
    contents.number = i64::from(call.action == Action::Acquire);
    free == (call.action == Action::Acquire)
}

/// A lock that its holder may take again.
pub fn reentrant(contents: &mut Contents, call: &Call, _list: &[i64]) -> bool {
    let process = i64::from(call.process);
    if call.action == Action::Acquire {
        contents.values.push(process);
        return contents.values.iter().all(|holder| *holder == process);
    }
    contents.values.pop() == Some(process)
}

/// A lock that only its holder releases.
pub fn owned(contents: &mut Contents, call: &Call, list: &[i64]) -> bool {
    reentrant(contents, call, list) && contents.values.len() <= 1
}

/// A lock of an owner whose tokens grow; an unknown token may have been as little as can be.
pub fn fenced(contents: &mut Contents, call: &Call, list: &[i64]) -> bool {
    let known = call.action == Action::Acquire && call.outcome == Outcome::Ok && call.result != NOTHING;
    // `number`: the least token that may come, as tokens are natural numbers.
    let grows = !known || call.result >= contents.number;
    contents.number = if known { call.result + 1 } else { contents.number };
    grows && owned(contents, call, list)
}

/// Two permits.
pub fn semaphore(contents: &mut Contents, call: &Call, _list: &[i64]) -> bool {
    let process = i64::from(call.process);
    if call.action == Action::Acquire {
        contents.values.push(process);
        return contents.values.len() <= 2;
    }
    let held = contents.values.iter().position(|holder| *holder == process);
    held.map(|at| contents.values.remove(at)).is_some()
}

/// A string of digits, as the number that they write; arguments have no zeros.
pub fn digits(contents: &mut Contents, call: &Call, _list: &[i64]) -> bool {
    match call.action {
        Action::Put => contents.number = call.argument,
        Action::Append => contents.number = format!("{}{}", contents.number, call.argument).parse().unwrap_or(-1),
        _ => return answers(call, if contents.number == 0 { NOTHING } else { contents.number }),
    }
    true
}

/// What a register of [`registers`] holds before anything is known of it.
pub const UNKNOWN: i64 = -1;

/// Three registers, read and written at once. What one holds at first is whatever the first read of it finds.
pub fn registers(contents: &mut Contents, call: &Call, list: &[i64]) -> bool {
    contents.values.resize(3, UNKNOWN);
    list.chunks(3).all(|access| {
        let register = &mut contents.values[access[1] as usize];
        let unread = access[0] == 0 && call.outcome != Outcome::Ok;
        if access[0] == 1 || (*register == UNKNOWN && !unread) {
            *register = access[2];
        }
        unread || *register == access[2]
    })
}

/// What random histories of an object are made of.
#[derive(Clone, Copy, Debug)]
pub struct ObjectMix {
    /// The rule of the object.
    pub rule: Rule,
    /// What is asked of it.
    pub actions: &'static [Action],
    /// Operations, at most.
    pub operations: u64,
    /// Values put in are unique; otherwise drawn from three.
    pub unique: bool,
    /// Share of unknown outcomes.
    pub pending: f64,
    /// Share of answers or times that are falsified after the execution.
    pub lies: f64,
    /// A process has one operation at a time, and goes on under another name when it heard nothing.
    pub sequential: bool,
}

/// A random history: an execution, with intervals drawn around the instants of effect, some of it falsified. Times are few, so that
/// events coincide.
pub fn random_objects(rng: &mut Rng, mix: ObjectMix) -> Objects {
    let count = rng.within(2..=mix.operations);
    let mut contents = Contents::default();
    let mut made: Vec<(Call, Vec<i64>)> = Vec::new();
    let mut processes = [(0, 0), (1, 0), (2, 0)];
    for i in 0..count {
        let at = i * 3 + 10;
        let mut call =
            Call::new(rng.below(3) as u32, *rng.pick(mix.actions), at - rng.within(0..=8), at + rng.within(0..=8));
        let free = rng.below(3) as usize;
        if mix.sequential {
            if processes[free].1 >= at {
                continue;
            }
            (call.process, call.invoked) = (processes[free].0, call.invoked.max(processes[free].1 + 1));
            processes[free].1 = call.completed;
        }
        let unit = mix.rule as usize == counter as Rule as usize && mix.unique;
        call.argument = match call.action {
            Action::Contains | Action::Remove => rng.within(1..=count) as i64,
            Action::Enqueue | Action::Push | Action::Add if unit => 1,
            Action::Enqueue | Action::Push | Action::Add if mix.unique => i as i64 + 1,
            Action::Enqueue | Action::Push | Action::Add => rng.within(1..=3) as i64,
            _ => NOTHING,
        };
        let pending = rng.chance(mix.pending);
        if !pending || rng.chance(0.5) {
            let Some(list) = execute(&mut contents, &mut call, mix.rule) else { continue };
            made.push((call, list));
        } else {
            made.push((call, Vec::new()));
        }
        if let (true, Some((call, list))) = (pending, made.last_mut()) {
            (call.outcome, call.result) = (Outcome::Info, NOTHING);
            processes[free].0 += if mix.sequential { 3 } else { 0 };
            list.clear();
        }
    }
    for (call, list) in &mut made {
        if rng.chance(mix.lies) {
            falsify(rng, call, list, count);
        }
    }
    let mut history = Objects::default();
    made.sort_by_key(|(call, _)| call.invoked);
    made.iter().for_each(|(call, list)| history.push(*call, list));
    history
}

/// Finds the answer that fits now. `None`: there is none, so the operation is not possible.
fn execute(contents: &mut Contents, call: &mut Call, rule: Rule) -> Option<Vec<i64>> {
    let mut list = Vec::new();
    if call.action == Action::Read && contents.number == 0 {
        list.clone_from(&contents.values);
    }
    // A fenced lock gives the least token there is, where it could also give none.
    let token = (rule as usize == fenced as Rule as usize && call.action == Action::Acquire).then_some(contents.number);
    let answers = [NOTHING, 0, 1, contents.number].into_iter().chain(contents.values.clone());
    let answers = token.into_iter().chain(answers);
    for answer in answers {
        let mut after = contents.clone();
        call.result = answer;
        if rule(&mut after, call, &list) {
            if rule as usize == set as Rule as usize && call.action == Action::Read {
                call.result = NOTHING;
            }
            *contents = after;
            return Some(list);
        }
    }
    None
}

fn falsify(rng: &mut Rng, call: &mut Call, list: &mut Vec<i64>, count: u64) {
    let other = rng.below(count + 1) as i64;
    match call.action {
        Action::Dequeue | Action::Pop => call.result = if other == 0 { NOTHING } else { other },
        // What was not answered says nothing that could be false.
        Action::Contains if call.result == NOTHING => {}
        Action::Contains => call.result = 1 - call.result,
        Action::Acquire if call.result > 0 && rng.chance(0.7) => call.result = other,
        Action::Acquire => call.action = Action::Release,
        Action::Release => call.action = Action::Acquire,
        Action::Read if call.outcome != Outcome::Ok => {}
        Action::Read if call.result != NOTHING => call.result = other,
        Action::Read if list.is_empty() => list.push(other),
        Action::Read => drop(list.pop()),
        _ => {
            let later = rng.within(0..=6);
            call.invoked += later;
            call.completed += later;
        }
    }
}
