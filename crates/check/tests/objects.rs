//! Objects against brute force from the definition: no false alarm, no miss; and what each checker says.

use base::{Rng, Seed};
use check::{Object, Options, Verdict, check_object, object};
use history::object::{Action, Objects};
use testkit::brute_objects::{self as brute, ObjectMix, Rule, random_objects};

fn show(history: &Objects) -> String {
    history.calls.iter().map(|call| object::sentence(history, call) + "\n").collect()
}

/// Random histories with and without pending operations, unique values and lies.
fn agrees(name: &str, rule: Rule, actions: &'static [Action]) {
    let checker = Object::find(name).expect("the object is in the registry");
    let rounds = if cfg!(debug_assertions) { 1_000 } else { 20_000 };
    let base = ObjectMix { rule, actions, operations: 8, unique: true, pending: 0.0, lies: 0.15 };
    let mixes = [base, ObjectMix { pending: 0.25, ..base }, ObjectMix { unique: false, pending: 0.2, ..base }];
    for (i, mix) in mixes.into_iter().enumerate() {
        let mut rng = Rng::new(Seed(i as u64).derive(name));
        let (mut valid, mut invalid) = (0, 0);
        for _ in 0..rounds {
            let history = random_objects(&mut rng, mix);
            *if compare(checker, rule, &history) { &mut valid } else { &mut invalid } += 1;
        }
        println!("{name}, mix {i}: {valid} valid, {invalid} invalid, all as brute force says");
        assert!(valid.min(invalid) > rounds / 100, "{name}, mix {i} is one-sided: {valid} {invalid}");
    }
}

fn compare(checker: &Object, rule: Rule, history: &Objects) -> bool {
    let report = check_object(history, checker, &Options::default());
    let expected = brute::linearizable(history, rule);
    match &report.verdict {
        Verdict::Valid => assert!(expected, "missed:\n{}", show(history)),
        Verdict::Invalid => {
            let story = &report.anomalies[0].story;
            assert!(!expected, "false alarm {story:#?}:\n{}", show(history));
            assert!(report.anomalies.iter().all(|anomaly| !anomaly.indices.is_empty()), "{story:#?}");
            let witness = history.part(&report.anomalies[0].indices);
            assert!(!alone(checker) || !brute::linearizable(&witness, rule), "no contradiction alone: {story:#?}");
        }
        Verdict::Unknown { reason } => panic!("undecided, {reason}:\n{}", show(history)),
    }
    expected
}

/// Whether a witness must be a contradiction alone. Of sets and counters, it shows a read and what it should have seen; the additions
/// that make it so are counted in words.
fn alone(checker: &Object) -> bool {
    !matches!(checker.name, "linearizable-set" | "linearizable-counter")
}

#[test]
fn fifo_queue_agrees() {
    agrees("fifo-queue", brute::fifo, &[Action::Enqueue, Action::Dequeue]);
}

#[test]
fn stack_agrees() {
    agrees("stack", brute::stack, &[Action::Push, Action::Pop]);
}

#[test]
fn priority_queue_agrees() {
    agrees("priority-queue", brute::priority_queue, &[Action::Enqueue, Action::Dequeue]);
}

#[test]
fn set_agrees() {
    agrees("linearizable-set", brute::set, &[Action::Add, Action::Remove, Action::Contains]);
    agrees("linearizable-set", brute::set, &[Action::Add, Action::Remove, Action::Contains, Action::Read]);
}

#[test]
fn growing_set_agrees() {
    agrees("linearizable-set", brute::set, &[Action::Add, Action::Read]);
}

#[test]
fn counter_agrees() {
    agrees("linearizable-counter", brute::counter, &[Action::Add, Action::Read]);
}

#[test]
fn locks_agree() {
    const LOCK: &[Action] = &[Action::Acquire, Action::Release];
    agrees("mutex", brute::mutex, LOCK);
    agrees("reentrant-mutex", brute::reentrant, LOCK);
    agrees("semaphore", brute::semaphore, LOCK);
}
