use base::{Rng, Seed};
use check::stream::Calls;
use check::{Object, Options, Verdict, check_object, object};
use history::Outcome;
use history::object::{Action, Call, NEVER, NOTHING, Objects};
use testkit::brute_objects::{self as brute, ObjectMix, Rule, random_objects};

use crate::{Played, Tally, rounds};

/// An event: when, whether a call ends, and which.
type Event = (u64, bool, usize);

/// All events in the order in which a stream must be told. Calls of unknown outcome end `patience` after their invocation.
fn events(history: &Objects, patience: u64) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    for (i, call) in history.calls.iter().enumerate() {
        let end = if call.completed == NEVER { call.invoked + patience } else { call.completed };
        events.extend([(call.invoked, false, i), (end, true, i)]);
    }
    events.sort_unstable();
    events
}

/// Plays the events; returns the first alarm and after how many events it came (the last ones at the end), and what is known then.
fn play(object: &str, history: &Objects, events: &[Event]) -> Played {
    let mut calls = Calls::of(object).expect("the object can be streamed");
    let mut tickets = vec![None; history.len()];
    let mut first = None;
    for (i, &(at, ends, which)) in events.iter().enumerate() {
        let call = &history.calls[which];
        if !ends {
            tickets[which] = Some(calls.invoke(call.process, call.key, call.action, call.argument));
        } else if let Some(ticket) = tickets[which] {
            let alarm = calls.complete(ticket, call.outcome, call.result, history.list(call), at);
            first = first.or(alarm.map(|alarm| (i + 1, alarm)));
        }
    }
    let last = calls.finish(u64::MAX).into_iter().next();
    (first.or(last.map(|alarm| (events.len(), alarm))), calls.progress().clone())
}

/// What had happened after some events: what was under way is unknown.
fn prefix(history: &Objects, events: &[Event]) -> Objects {
    let mut seen: Vec<Option<(Call, &[i64])>> = vec![None; history.len()];
    for &(_, ends, which) in events {
        let call = history.calls[which];
        let open = Call { outcome: Outcome::Info, completed: NEVER, result: NOTHING, ..call };
        seen[which] = Some(if ends { (call, history.list(&call)) } else { (open, &[]) });
    }
    let mut prefix = Objects::default();
    seen.into_iter().flatten().for_each(|(call, list)| prefix.push(call, list));
    prefix
}

fn show(history: &Objects) -> String {
    let line = |call: &Call| {
        let (from, to) = (call.invoked, call.completed as i64);
        format!("[{from}, {to}] {}; {}\n", object::sentence(history, call), call.outcome)
    };
    history.calls.iter().map(line).collect()
}

fn afterwards(checker: &Object, history: &Objects) -> Option<bool> {
    match check_object(history, checker, &Options::default()).verdict {
        Verdict::Valid => Some(true),
        Verdict::Invalid => Some(false),
        Verdict::Unknown { .. } => None,
    }
}

/// What is compared: a checker, what it is compared with, and whether alarms must come with the first event.
struct Pair<'a> {
    name: &'a str,
    rule: Option<Rule>,
    earliest: fn(&Objects) -> bool,
}

impl Pair<'_> {
    fn is_valid(&self, history: &Objects) -> Option<bool> {
        let checker = Object::find(self.name).expect("the object is in the registry");
        match self.rule {
            Some(rule) => Some(brute::linearizable(history, rule)),
            None => afterwards(checker, history),
        }
    }

    fn compare(&self, history: &Objects, patience: u64, tally: &mut Tally) {
        let events = events(history, patience);
        let judge = |n: usize| self.is_valid(&prefix(history, &events[..n]));
        let exact = (self.earliest)(history);
        tally.note(events.len(), play(self.name, history, &events), &judge, exact, &|| show(history));
    }
}

/// Some calls certainly did not happen.
fn with_failures(rng: &mut Rng, mut history: Objects) -> Objects {
    for call in &mut history.calls {
        let can = call.outcome == Outcome::Ok && call.action != Action::Read && call.action != Action::Contains;
        if can && rng.chance(0.04) {
            call.outcome = Outcome::Fail;
        }
    }
    history
}

fn agrees(name: &str, rule: Rule, actions: &'static [Action], earliest: fn(&Objects) -> bool, unit: bool) {
    let base = ObjectMix { rule, actions, operations: 9, unique: true, pending: 0.0, lies: 0.12, sequential: false };
    let mixes = [base, ObjectMix { pending: 0.25, ..base }, ObjectMix { unique: false, pending: 0.2, ..base }];
    for (i, mix) in mixes.into_iter().enumerate() {
        let mut rng = Rng::new(Seed(i as u64).derive("stream").derive(name));
        let mut tally = Tally::default();
        for round in 0..rounds() / 3 {
            let history = random_objects(&mut rng, mix);
            let history = if round % 2 == 0 { history } else { with_failures(&mut rng, history) };
            let pair = Pair { name, rule: Some(rule), earliest };
            pair.compare(&history, rng.below(20), &mut tally);
        }
        println!("{name}, mix {i}: {tally:?}");
        assert!(tally.valid.min(tally.invalid) > rounds() / 500 || (!mix.unique && !unit), "{name}, {i}: {tally:?}");
        assert!(tally.undecided < rounds() / 30 || !mix.unique, "{name}, mix {i}: {tally:?}");
    }
}

fn always(_: &Objects) -> bool {
    true
}

/// A dequeue that found nothing is judged later.
fn no_empties(history: &Objects) -> bool {
    !history.calls.iter().any(|call| call.action == Action::Dequeue && call.is_ok() && call.result == NOTHING)
}

/// Other amounts than one have only bounds.
fn by_one(history: &Objects) -> bool {
    history.calls.iter().all(|call| call.action == Action::Read || call.argument == 1)
}

#[test]
fn queue_agrees() {
    agrees("fifo-queue", brute::fifo, &[Action::Enqueue, Action::Dequeue], no_empties, false);
}

#[test]
fn set_of_elements_agrees() {
    agrees("linearizable-set", brute::set, &[Action::Add, Action::Remove, Action::Contains], always, true);
}

#[test]
fn growing_set_agrees() {
    agrees("linearizable-set", brute::set, &[Action::Add, Action::Read], always, false);
}

#[test]
fn counter_agrees() {
    agrees("linearizable-counter", brute::counter, &[Action::Add, Action::Read], by_one, false);
}

#[test]
fn locks_agree() {
    const LOCK: &[Action] = &[Action::Acquire, Action::Release];
    agrees("mutex", brute::mutex, LOCK, always, true);
    agrees("reentrant-mutex", brute::reentrant, LOCK, always, true);
    agrees("semaphore", brute::semaphore, LOCK, always, true);
}

/// Locks with tokens and owners, of processes that do one thing at a time, against the check afterwards.
#[test]
fn fenced_and_owned_locks_agree() {
    for (name, tokens) in [("fenced-mutex", true), ("owned-mutex", false)] {
        let mut rng = Rng::new(Seed(9).derive(name));
        let mut tally = Tally::default();
        for _ in 0..rounds() / 4 {
            let history = sessions(&mut rng, tokens);
            Pair { name, rule: None, earliest: always }.compare(&history, rng.below(20), &mut tally);
        }
        println!("{name}: {tally:?}");
        assert!(tally.valid.min(tally.invalid) > rounds() / 100 && tally.undecided == 0, "{name}: {tally:?}");
    }
}

/// Processes that take a lock and give it back, a little wrong sometimes.
fn sessions(rng: &mut Rng, tokens: bool) -> Objects {
    let mut history = Objects::default();
    let mut free_at = [0u64; 3];
    let (mut now, mut token, mut ids) = (10, 0, [0, 1, 2]);
    for _ in 0..rng.within(2..=4) {
        let process = rng.below(3) as u32;
        for action in [Action::Acquire, Action::Release] {
            now += rng.within(0..=4);
            let invoked = now.saturating_sub(rng.within(0..=5)).max(free_at[process as usize] + 1);
            let completed = now.max(invoked) + rng.within(0..=5);
            free_at[process as usize] = completed;
            let mut call = Call::new(ids[process as usize], action, invoked, completed);
            token += 1;
            if tokens && action == Action::Acquire {
                call.result = if rng.chance(0.1) { rng.below(8) as i64 } else { token };
            }
            if rng.chance(0.08) {
                (call.outcome, call.result) = (Outcome::Info, NOTHING);
                ids[process as usize] += 3;
            }
            if !rng.chance(0.08) {
                history.push(call, &[]);
            }
        }
    }
    history.sort();
    history
}

#[test]
fn every_streamed_object_is_one_that_is_judged_afterwards() {
    assert!(Calls::names().all(|name| Object::find(name).is_some()) && Calls::names().count() >= 8);
    assert!(Calls::of("stack").is_none());
}

/// A hundred thousand operations leave no more behind than ten thousand.
#[test]
fn keeps_only_what_can_still_be_contradicted() {
    for (name, put, take) in [
        ("fifo-queue", Action::Enqueue, Action::Dequeue),
        ("linearizable-set", Action::Add, Action::Remove),
        ("mutex", Action::Acquire, Action::Release),
        ("linearizable-counter", Action::Add, Action::Read),
    ] {
        let mut calls = Calls::of(name).expect("it can be streamed");
        let mut most = [0, 0];
        for i in 0..50_000i64 {
            let amount = if name == "linearizable-counter" { 1 } else { i };
            let put = calls.invoke(0, 0, put, amount);
            assert_eq!(calls.complete(put, Outcome::Ok, NOTHING, &[], i as u64), None);
            let take = calls.invoke(0, 0, take, i);
            let result = if name == "linearizable-counter" { i + 1 } else { i };
            assert_eq!(calls.complete(take, Outcome::Ok, result, &[], i as u64), None);
            let half = &mut most[usize::from(i >= 5_000)];
            *half = calls.entries().max(*half);
        }
        println!("{name}: at most {most:?} entries");
        assert!(most[1] <= most[0] && most[0] < 12, "{name}: {most:?}");
        assert_eq!(calls.progress().verdict(), Verdict::Valid);
    }
}
