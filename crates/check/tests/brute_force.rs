//! The register checker against brute force from the definition: no false alarm, no miss, and every verdict carries its proof.

use base::{Rng, Seed};
use check::{LINEARIZABLE, Options, Verdict, check, explain};
use history::{History, NIL, Operation};
use testkit::{Mix, Small, brute, every_history, random_history};

/// One line per operation.
fn show(operations: &[Operation]) -> String {
    let line = |op: &Operation| {
        format!("{} [{}, {}] key {}: {}\n", op.process, op.sent.0, op.done.0 as i64, op.request.key, explain::deed(op))
    };
    operations.iter().map(line).collect()
}

/// Compares one history; returns whether it is valid.
fn compare(operations: &[Operation], options: &Options) -> bool {
    let history = History::from_operations(operations.iter().copied());
    let report = check(&history, &LINEARIZABLE, options);
    let expected = brute::linearizable(operations);
    for (recheck, threads) in [(false, 1), (false, 2), (true, 1)] {
        let options = Options { certificate: false, recheck, threads, ..options.clone() };
        let other = check(&history, &LINEARIZABLE, &options);
        assert_eq!(other.verdict, report.verdict, "{}", show(operations));
    }
    match &report.verdict {
        Verdict::Valid => {
            assert!(expected, "missed:\n{}", show(operations));
            let order = report.order.expect("a valid verdict carries an order");
            assert_eq!(check::certificate::register::refute_order(&history, &order), None, "{}", show(operations));
        }
        Verdict::Invalid => {
            assert!(!expected, "false alarm {:?}:\n{}", report.anomalies[0].story, show(operations));
            for anomaly in &report.anomalies {
                assert!(!brute::linearizable(&anomaly.operations), "the witness is no contradiction: {anomaly:#?}");
                assert!(!anomaly.story.is_empty());
            }
        }
        Verdict::Unknown { reason } => panic!("undecided, {reason}:\n{}", show(operations)),
    }
    expected
}

fn options() -> Options {
    Options { certificate: true, ..Options::default() }
}

fn exhaust(small: Small) -> (u64, u64) {
    let (mut valid, mut invalid) = (0, 0);
    every_history(small, &mut |operations| {
        *if compare(operations, &options()) { &mut valid } else { &mut invalid } += 1;
    });
    println!("{small:?}: {valid} valid, {invalid} invalid, all as brute force says");
    (valid, invalid)
}

#[test]
fn agrees_on_every_history_of_three_operations() {
    let (valid, invalid) = exhaust(Small { operations: 3, cas: true, failures: true, pending: true });
    assert!(valid > 10_000 && invalid > 10_000, "{valid} {invalid}");
}

#[test]
fn agrees_on_every_history_of_four_reads_and_writes() {
    let (valid, invalid) = exhaust(Small { operations: 4, cas: false, failures: false, pending: true });
    assert!(valid > 10_000 && invalid > 10_000, "{valid} {invalid}");
}

#[test]
#[ignore = "tens of millions of histories: part of the acceptance runs, in release"]
fn accept_agrees_on_every_history_of_four_and_five_operations() {
    exhaust(Small { operations: 4, cas: true, failures: true, pending: true });
    exhaust(Small { operations: 5, cas: false, failures: false, pending: true });
}

/// Every kind of mix, `rounds` histories each.
fn fuzz(rounds: u64) {
    let base = Mix { operations: 8, keys: 1, unique: true, cas: 0.0, pending: 0.15, lies: 0.15 };
    let mixes = [
        base,
        Mix { keys: 2, ..base },
        Mix { cas: 0.4, ..base },
        Mix { cas: 0.8, lies: 0.05, ..base },
        Mix { cas: 0.4, pending: 0.5, lies: 0.1, ..base },
        Mix { unique: false, ..base },
        Mix { unique: false, cas: 0.4, pending: 0.3, ..base },
    ];
    for (i, mix) in mixes.into_iter().enumerate() {
        let mut rng = Rng::new(Seed(i as u64).derive("brute force"));
        let (mut valid, mut invalid) = (0u64, 0u64);
        for _ in 0..rounds {
            let history = random_history(&mut rng, mix);
            *if compare(&history, &options()) { &mut valid } else { &mut invalid } += 1;
        }
        println!("{mix:?}: {valid} valid, {invalid} invalid, all as brute force says");
        assert!(valid.min(invalid) > rounds / 20, "{mix:?} is one-sided: {valid} {invalid}");
    }
}

#[test]
fn agrees_on_random_histories() {
    fuzz(if cfg!(debug_assertions) { 5_000 } else { 150_000 });
}

#[test]
#[ignore = "more than a million histories: part of the acceptance runs, in release"]
fn accept_agrees_on_a_million_random_histories() {
    fuzz(200_000);
}

/// Whether every value that is seen and not the initial one has a write in the history.
fn closed(operations: &[Operation]) -> bool {
    let made: Vec<u64> = operations.iter().map(|op| op.request.argument).collect();
    let seen = operations.iter().flat_map(|op| [op.completion.result, op.request.expected]);
    seen.filter(|value| *value != NIL).all(|value| made.contains(&value))
}

#[test]
fn a_witness_is_minimal_and_small() {
    let mix = Mix { operations: 8, keys: 1, unique: true, cas: 0.0, pending: 0.15, lies: 0.3 };
    let mut rng = Rng::new(Seed(3));
    let mut witnesses = 0;
    while witnesses < 2_000 {
        let operations = random_history(&mut rng, mix);
        let report = check(&History::from_operations(operations.iter().copied()), &LINEARIZABLE, &options());
        let Some(anomaly) = report.anomalies.first().filter(|anomaly| closed(&anomaly.operations)) else { continue };
        witnesses += 1;
        let witness = &anomaly.operations;
        // Two writes and at most four operations that decide, two of which may be the writes.
        assert!(witness.len() <= 6, "{witness:#?}");
        for left_out in 0..witness.len() {
            let mut rest = witness.clone();
            rest.remove(left_out);
            assert!(!closed(&rest) || brute::linearizable(&rest), "operation {left_out} is not needed: {witness:#?}");
        }
    }
}

#[test]
fn threads_and_scattered_keys_change_nothing() {
    let mix = Mix { operations: 12, keys: 5, unique: true, cas: 0.2, pending: 0.1, lies: 0.02 };
    let mut rng = Rng::new(Seed(9));
    for round in 0..500 {
        let mut operations = random_history(&mut rng, mix);
        let one = check(&History::from_operations(operations.clone()), &LINEARIZABLE, &options());
        let history = History::from_operations(operations.clone());
        let three = check(&history, &LINEARIZABLE, &Options { threads: 3, ..options() });
        assert_eq!(one, three, "round {round}");
        for op in &mut operations {
            op.request.key = 4_000_000_000 - op.request.key * 7;
            let scatter = |value: u64| if value == NIL { NIL } else { value << 40 };
            op.request.argument = scatter(op.request.argument);
            op.request.expected = scatter(op.request.expected);
            op.completion.result = scatter(op.completion.result);
        }
        let scattered = check(&History::from_operations(operations), &LINEARIZABLE, &options());
        assert_eq!(one.verdict, scattered.verdict, "round {round}");
        assert_eq!(one.broken, scattered.broken, "round {round}");
    }
}
