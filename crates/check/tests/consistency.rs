//! The models weaker than linearizability against brute force from their definitions, and against each other along the map.

use base::{Rng, Seed};
use check::{Model, Options, Verdict, check, explain};
use history::{History, NIL, Operation};
use testkit::brute_consistency::{self as brute, Sessions, random_sessions};

/// A model and its definition.
type Pair = (&'static str, fn(&[Operation]) -> bool);

const PAIRS: &[Pair] = &[
    ("linearizable", testkit::brute::linearizable),
    ("sequential", brute::sequential),
    ("causal-convergence", brute::causal_convergence),
    ("causal-memory", brute::causal_memory),
    ("causal", brute::causal),
    ("pram", brute::pram),
    ("read-your-writes", brute::read_your_writes),
    ("monotonic-reads", brute::monotonic_reads),
    ("monotonic-writes", brute::monotonic_writes),
    ("writes-follow-reads", brute::writes_follow_reads),
];

fn show(operations: &[Operation]) -> String {
    let line = |op: &Operation| {
        format!("{} [{}, {}] key {}: {}\n", op.process, op.sent.0, op.done.0 as i64, op.request.key, explain::deed(op))
    };
    operations.iter().map(line).collect()
}

/// Compares one history; returns whether it is valid.
fn compare((name, brute): Pair, operations: &[Operation]) -> bool {
    let history = History::from_operations(operations.iter().copied());
    let model = Model::find(name).expect("the model exists");
    let report = check(&history, model, &Options::default());
    let expected = brute(operations);
    let verdict = if expected { Verdict::Valid } else { Verdict::Invalid };
    assert_eq!(
        report.verdict,
        verdict,
        "{name}: brute force says {expected}\n{}{:#?}",
        show(operations),
        report.anomalies
    );
    if name != "linearizable" {
        report.anomalies.iter().for_each(|anomaly| is_minimal((name, brute), anomaly));
    }
    expected
}

/// A witness is a contradiction alone, and not when any operation is taken away (and what saw its value).
fn is_minimal((name, brute): Pair, anomaly: &check::Anomaly) {
    let witness = &anomaly.operations;
    assert!(!anomaly.story.is_empty() && anomaly.svg().matches("<rect").count() == witness.len());
    assert!(!brute(witness), "{name}: the witness is no contradiction\n{}", show(witness));
    // Of a value written twice every write stays: each may explain it.
    let mut made: Vec<(u32, u64)> = witness.iter().map(|op| (op.request.key, op.request.argument)).collect();
    made.retain(|(_, value)| *value != NIL);
    made.sort_unstable();
    if !closed(witness) || made.windows(2).any(|pair| pair[0] == pair[1]) {
        return;
    }
    for left_out in 0..witness.len() {
        let mut rest = witness.clone();
        rest.remove(left_out);
        let joined = witness[left_out].completion.outcome == history::Outcome::Info;
        assert!(joined || !closed(&rest) || brute(&rest), "{name}: {left_out} is not needed\n{}", show(witness));
    }
}

/// Whether every value that is seen and not the initial one has a write.
fn closed(operations: &[Operation]) -> bool {
    let happened = |op: &&Operation| op.completion.outcome != history::Outcome::Fail;
    let made: Vec<u64> = operations.iter().filter(happened).map(|op| op.request.argument).collect();
    let seen = operations.iter().flat_map(|op| [op.completion.result, op.request.expected]);
    seen.filter(|value| *value != NIL).all(|value| made.contains(&value))
}

const BASE: Sessions = Sessions {
    operations: 7,
    processes: 3,
    keys: 2,
    unique: true,
    reads: 0.55,
    cas: 0.0,
    pending: 0.0,
    delivery: 0.4,
    in_order: false,
    lies: 0.02,
};

fn mixes() -> [Sessions; 7] {
    [
        BASE,
        Sessions { keys: 1, ..BASE },
        Sessions { processes: 2, in_order: true, ..BASE },
        Sessions { pending: 0.15, ..BASE },
        Sessions { cas: 0.3, keys: 1, pending: 0.1, ..BASE },
        Sessions { unique: false, keys: 1, operations: 6, ..BASE },
        Sessions { unique: false, cas: 0.3, pending: 0.15, operations: 6, ..BASE },
    ]
}

/// Every kind of mix, `rounds` histories each.
fn fuzz(pair: Pair, rounds: u64) {
    for (i, mix) in mixes().into_iter().enumerate() {
        let mut rng = Rng::new(Seed(i as u64).derive("consistency"));
        let (mut valid, mut invalid) = (0u64, 0u64);
        for _ in 0..rounds {
            let history = random_sessions(&mut rng, mix);
            *if compare(pair, &history) { &mut valid } else { &mut invalid } += 1;
        }
        println!("{} mix {i}: {valid} valid, {invalid} invalid, all as brute force says", pair.0);
        assert!(valid.min(invalid) > rounds / 100, "{mix:?} is one-sided: {valid} {invalid}");
    }
}

#[test]
fn agrees_with_brute_force() {
    PAIRS.iter().for_each(|pair| fuzz(*pair, 3_000));
}

#[test]
#[ignore = "a million histories a model: part of the acceptance runs, in release"]
fn accept_agrees_on_a_million_histories_a_model() {
    PAIRS.iter().for_each(|pair| fuzz(*pair, 150_000));
}
