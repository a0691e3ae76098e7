use base::{Rng, Seed};

use super::beam::beam;
use super::kinds::Kinds;
use super::search::Events;
use super::space::Space;
use super::*;

/// Values that are written again and again: nothing but a search can tell which write a read saw.
struct Register;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Call {
    Read,
    Write(u8),
    /// Answers 1 if it found the first and set the second, else 0.
    Cas(u8, u8),
}

impl SequentialModel for Register {
    type State = u8;
    type Call = Call;
    type Answer = u8;

    fn initial(&self) -> u8 {
        0
    }

    fn step(&self, state: &u8, call: &Call, answer: Option<&u8>) -> Option<u8> {
        match call {
            Call::Read => answer.is_none_or(|seen| seen == state).then_some(*state),
            Call::Write(value) => Some(*value),
            Call::Cas(old, new) => {
                let fits = state == old;
                let after = if fits { *new } else { *state };
                answer.is_none_or(|answer| *answer == u8::from(fits)).then_some(after)
            }
        }
    }

    fn is_read(&self, call: &Call, answer: Option<&u8>) -> bool {
        matches!((call, answer), (Call::Read, _) | (Call::Cas(..), Some(0)))
    }

    fn overwrites(&self, call: &Call, _answer: Option<&u8>) -> bool {
        matches!(call, Call::Write(_))
    }

    fn value(&self, call: &Call, answer: Option<&u8>) -> Option<u64> {
        match call {
            Call::Read => answer.map(|&seen| seen.into()),
            Call::Write(value) | Call::Cas(_, value) => Some((*value).into()),
        }
    }
}

/// A closed loop of `clients` on one register with values 0-4, of whose mutations `cas` are compare-and-sets: an execution, so linearizable.
fn ambiguous(seed: u64, count: usize, clients: usize, unknown: f64, cas: f64) -> Vec<IntervalOf<Register>> {
    let mut rng = Rng::new(Seed(seed));
    let mut free = vec![0u64; clients];
    let mut drafts: Vec<(u64, u64, u64)> = Vec::new();
    for _ in 0..count {
        let client = (0..clients).min_by_key(|&client| free[client]).expect("there are clients");
        let invoked = free[client] + rng.within(1..=50);
        let completed = invoked + rng.within(100..=300);
        free[client] = completed;
        drafts.push((rng.within(invoked..=completed), invoked, completed));
    }
    drafts.sort_unstable();
    let mut state = 0;
    let mut operations = Vec::new();
    for (i, (_, invoked, completed)) in drafts.into_iter().enumerate() {
        let process = i as u32;
        if rng.chance(0.5) {
            let completed = Some(completed);
            operations.push(Interval { process, call: Call::Read, answer: Some(state), invoked, completed });
            continue;
        }
        let value = rng.below(5) as u8;
        let call = if rng.chance(cas) { Call::Cas(rng.below(5) as u8, value) } else { Call::Write(value) };
        let lost = rng.chance(unknown);
        let fits = !matches!(call, Call::Cas(old, _) if old != state);
        if fits && (!lost || rng.chance(0.5)) {
            state = value;
        }
        let completed = (!lost).then_some(completed);
        let answer = completed.map(|_| u8::from(fits && matches!(call, Call::Cas(..))));
        operations.push(Interval { process, call, answer, invoked, completed });
    }
    operations.sort_by_key(|op| op.invoked);
    operations
}

/// Replays an order: the definition of linearizability, applied to one order.
fn replay<M: SequentialModel>(model: &M, operations: &[IntervalOf<M>], order: &[u32]) {
    let (mut state, mut latest) = (model.initial(), 0);
    for &i in order {
        let op = &operations[i as usize];
        state = model.step(&state, &op.call, op.answer.as_ref()).expect("every step of the order is possible");
        assert!(op.completed.is_none_or(|completed| completed >= latest), "real time is kept");
        latest = latest.max(op.invoked);
    }
    let completed = operations.iter().filter(|op| op.completed.is_some()).count();
    let ordered = order.iter().filter(|&&i| operations[i as usize].completed.is_some()).count();
    assert_eq!(completed, ordered);
}

#[test]
fn ten_thousand_operations_of_twenty_clients_on_five_values_are_decided() {
    let count = if cfg!(debug_assertions) { 2_000 } else { 10_000 };
    for (seed, cas) in [(0, 0.0), (1, 0.0), (2, 0.5), (3, 0.9)] {
        let operations = ambiguous(seed, count, 20, 0.01, cas);
        let began = std::time::Instant::now();
        let Linearized::Order(order) = linearize(&Register, &operations, 20_000_000) else {
            panic!("the history is linearizable by construction")
        };
        println!("seed {seed}: {count} operations in {:?}", began.elapsed());
        replay(&Register, &operations, &order);
    }
}

#[test]
fn a_lie_among_many_operations_is_found_and_made_small() {
    let mut operations = ambiguous(7, 400, 5, 0.0, 0.0);
    operations.iter_mut().for_each(|op| {
        if op.call == Call::Write(4) {
            op.call = Call::Write(3)
        }
    });
    operations.iter_mut().for_each(|op| {
        if op.answer == Some(4) {
            op.answer = Some(3)
        }
    });
    let lie = operations.iter().position(|op| op.call == Call::Read && op.invoked > 3_000).expect("there are reads");
    operations[lie].answer = Some(4);
    let witness = contradiction(&Register, &operations, 1_000_000).expect("4 was never written");
    assert_eq!(witness, [lie as u32]);
}

#[test]
#[should_panic(expected = "no order explains these operations")]
fn the_assertion_fails_on_a_stale_read() {
    let at = |process, call, answer, invoked| Interval {
        process,
        call,
        answer: Some(answer),
        invoked,
        completed: Some(invoked + 1),
    };
    assert_linearizable(&Register, &[at(0, Call::Write(1), 0, 0), at(1, Call::Read, 0, 5)]);
}

#[test]
fn a_tight_budget_says_where_it_ran_out() {
    let operations = ambiguous(1, 300, 20, 0.0, 0.0);
    let Linearized::Undecided { from, at, .. } = linearize(&Register, &operations, 10) else { panic!("decided") };
    assert!(from <= at && at > 0);
}

/// Following one order first, or all at once, makes no difference to the answer.
#[test]
fn a_dive_finds_what_the_frontier_finds() {
    let (mut valid, mut invalid) = (0, 0);
    for seed in 0..20_000 {
        let mut rng = Rng::new(Seed(seed).derive("lies"));
        let mut operations = ambiguous(seed, 8 + seed as usize % 8, 5, 0.15, 0.5);
        for op in operations.iter_mut().filter(|op| op.call == Call::Read) {
            if rng.chance(0.15) {
                op.answer = Some(rng.below(5) as u8);
            }
        }
        let budget = Budget::from(1_000_000);
        let dived = search::with_patience(&Register, &operations, &budget, 0);
        let followed = search::with_patience(&Register, &operations, &budget, usize::MAX);
        match (&dived, &followed) {
            (Linearized::Order(one), Linearized::Order(other)) => {
                replay(&Register, &operations, one);
                replay(&Register, &operations, other);
                replay(
                    &Register,
                    &operations,
                    &beamed(&Register, &operations).expect("so short a history is narrower"),
                );
                valid += 1;
            }
            _ => {
                assert!(beamed(&Register, &operations).is_err());
                assert_eq!(dived, followed, "seed {seed}: {operations:#?}");
                assert!(matches!(dived, Linearized::Contradiction { .. }));
                invalid += 1;
            }
        }
    }
    println!("{valid} valid, {invalid} invalid");
    assert!(valid > 4_000 && invalid > 4_000, "{valid} {invalid}");
}

/// What is found by following the best orders side by side.
fn beamed<M: SequentialModel>(model: &M, operations: &[IntervalOf<M>]) -> Result<Vec<u32>, usize> {
    let kinds = Kinds::of(model, operations);
    let events = Events::of(operations, &kinds);
    let mut space = Space::new(model, operations, &kinds);
    let mut starts = [space.start()];
    events.enter(&mut space, 0).expect("few are open");
    beam(&mut space, &events, 0, &mut starts, &Budget::from(1_000_000))
}

/// A sum, which forgets what it was made of.
struct Sum;

impl SequentialModel for Sum {
    type State = i64;
    type Call = Option<i64>;
    type Answer = i64;

    fn initial(&self) -> i64 {
        0
    }

    fn step(&self, state: &i64, call: &Option<i64>, answer: Option<&i64>) -> Option<i64> {
        match call {
            Some(amount) => Some(state + amount),
            None => answer.is_none_or(|seen| seen == state).then_some(*state),
        }
    }

    fn is_read(&self, call: &Option<i64>, _answer: Option<&i64>) -> bool {
        call.is_none()
    }
}

/// An addition without an answer that took effect is missed when the sums no longer fit, which is long after.
#[test]
fn a_beam_explains_sums_of_any_amounts() {
    for seed in 0..3 {
        let mut sum = 0;
        let mut rng = Rng::new(Seed(seed).derive("amounts"));
        let amounts = ambiguous(seed, 600, 20, 0.02, 0.0);
        let mut at: Vec<(u64, usize)> = (0..amounts.len()).map(|i| (0, i)).collect();
        for (instant, i) in &mut at {
            let (from, to) = (amounts[*i].invoked, amounts[*i].completed);
            *instant = rng.within(from..=to.unwrap_or(from + 200));
        }
        at.sort_unstable();
        let mut operations: Vec<Option<IntervalOf<Sum>>> = vec![None; amounts.len()];
        for (_, i) in at {
            let Interval { process, ref call, invoked, completed, .. } = amounts[i];
            let call = (*call != Call::Read).then(|| rng.within(0..=8) as i64 - 4);
            let happens = completed.is_some() || rng.chance(0.5);
            sum += call.filter(|_| happens).unwrap_or(0);
            let answer = completed.map(|_| if call.is_none() { sum } else { 0 });
            operations[i] = Some(Interval { process, call, answer, invoked, completed });
        }
        let operations: Vec<IntervalOf<Sum>> = operations.into_iter().flatten().collect();
        let order = beamed(&Sum, &operations).expect("it is an execution");
        replay(&Sum, &operations, &order);
    }
}
