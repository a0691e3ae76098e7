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
    // Where it is not certain whose value was seen, every write that may explain it stays.
    let mut made: Vec<(u32, u64)> = witness.iter().map(|op| (op.request.key, op.request.argument)).collect();
    made.retain(|(_, value)| *value != NIL);
    made.sort_unstable();
    let doubts = witness.iter().any(|op| op.completion.error == history::ErrorKind::Precondition);
    if doubts || !closed(witness) || made.windows(2).any(|pair| pair[0] == pair[1]) {
        return;
    }
    for left_out in 0..witness.len() {
        let mut rest = witness.clone();
        rest.remove(left_out);
        let joined = witness[left_out].completion.outcome == history::Outcome::Info;
        assert!(joined || !closed(&rest) || brute(&rest), "{name}: {left_out} is not needed\n{}", show(witness));
    }
}

/// Whether every value that is seen of a key and not the initial one has a write to that key.
fn closed(operations: &[Operation]) -> bool {
    let happened = |op: &&Operation| op.completion.outcome != history::Outcome::Fail;
    let made: Vec<(u32, u64)> =
        operations.iter().filter(happened).map(|op| (op.request.key, op.request.argument)).collect();
    let seen = |op: &Operation| [op.completion.result, op.request.expected].map(|value| (op.request.key, value));
    operations.iter().flat_map(seen).filter(|(_, value)| *value != NIL).all(|seen| made.contains(&seen))
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
#[ignore = "a million histories a model, or `ASSIZE_HISTORIES` of them: part of the acceptance runs"]
fn accept_agrees_on_a_million_histories_a_model() {
    let wanted = std::env::var("ASSIZE_HISTORIES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    PAIRS.iter().for_each(|pair| fuzz(*pair, u64::div_ceil(wanted, mixes().len() as u64)));
}

/// The least slack of reads that makes a history linearizable, by trying one after the other.
fn least_slack(operations: &[Operation]) -> Option<u64> {
    (0..80).find(|slack| {
        let mut shifted = operations.to_vec();
        for op in shifted.iter_mut().filter(|op| op.request.function == history::Function::Read) {
            op.sent = base::Time(op.sent.0.saturating_sub(*slack));
        }
        testkit::brute::linearizable(&shifted)
    })
}

/// The most writes that a read certainly missed, pair by pair.
fn most_missed(operations: &[Operation]) -> u64 {
    let value =
        |op: &Operation| if op.request.function.is_mutation() { op.request.argument } else { op.completion.result };
    let ok = |op: &&Operation| op.completion.outcome == history::Outcome::Ok;
    let missed = |read: &Operation| {
        let on_it = operations.iter().filter(ok).filter(|op| op.request.key == read.request.key);
        let seen = on_it.clone().filter(|op| value(op) == value(read)).map(|op| op.done.0).min();
        let seen = if value(read) == NIL { 0 } else { seen.unwrap_or(u64::MAX) };
        let newer = |op: &&Operation| op.request.function.is_mutation() && op.sent.0 > seen && op.done < read.sent;
        on_it.filter(newer).count() as u64
    };
    operations.iter().filter(ok).filter(|op| !op.request.function.is_mutation()).map(missed).max().unwrap_or(0)
}

#[test]
fn staleness_is_the_least_slack_of_reads() {
    let mixes = [Sessions { lies: 0.0, ..BASE }, Sessions { keys: 1, pending: 0.1, delivery: 0.2, ..BASE }];
    let mut stale = 0;
    for (i, mix) in mixes.into_iter().enumerate() {
        let mut rng = Rng::new(Seed(i as u64).derive("staleness"));
        for _ in 0..5_000 {
            let mut operations = random_sessions(&mut rng, mix);
            // Nothing happens at instant 0, before which reads cannot be moved.
            operations.iter_mut().for_each(|op| {
                op.sent = base::Time(op.sent.0 + 100);
                op.done = base::Time(op.done.0.saturating_add(100));
            });
            let found = check::consistency::staleness(&History::from_operations(operations.clone()));
            let expected = least_slack(&operations);
            assert_eq!(found.as_ref().ok().map(|found| found.time_ns), expected, "{}{found:?}", show(&operations));
            if let Some(found) = found.ok().filter(|found| found.time_ns > 0) {
                stale += 1;
                assert_eq!(found.versions, most_missed(&operations), "{}", show(&operations));
            }
        }
    }
    assert!(stale > 1_000, "only {stale} histories were stale");
}

/// Whether all final reads agree on a last write, pair by pair; `None` without final reads.
fn converged(operations: &[Operation]) -> Option<bool> {
    use history::Outcome;
    let of_key = |key: u32| operations.iter().filter(move |op| op.request.key == key);
    let mutations = |key: u32| of_key(key).filter(|op| op.request.function.is_mutation());
    let acknowledged = |key: u32| mutations(key).filter(|op| op.completion.outcome == Outcome::Ok);
    let is_final = |op: &&Operation| {
        !op.request.function.is_mutation() && acknowledged(op.request.key).all(|write| write.done <= op.sent)
    };
    let finals: Vec<&Operation> = operations.iter().filter(is_final).collect();
    let makers = |read: &Operation| {
        let value = read.completion.result;
        let fits = move |op: &&Operation| op.request.argument == value && op.completion.outcome != Outcome::Fail;
        mutations(read.request.key).filter(fits).collect::<Vec<_>>()
    };
    let may_land = |read: &Operation| makers(read).iter().any(|write| write.completion.outcome == Outcome::Info);
    let good = |read: &&Operation| {
        let makers = makers(read);
        let made = makers.iter().map(|write| write.done.0).max();
        let replaced = acknowledged(read.request.key).any(|write| made.is_none_or(|made| write.sent.0 > made));
        (read.completion.result == NIL || made.is_some()) && (may_land(read) || !replaced)
    };
    let agree = |a: &Operation, b: &Operation| {
        a.request.key != b.request.key || may_land(a) || may_land(b) || a.completion.result == b.completion.result
    };
    let all_agree = finals.iter().all(|a| finals.iter().all(|b| agree(a, b)));
    (!finals.is_empty()).then(|| finals.iter().all(good) && all_agree)
}

#[test]
fn convergence_is_agreement_on_a_last_write() {
    let model = Model::find("eventual-convergence").expect("the model exists");
    let mut seen = [0; 3];
    for (i, mix) in mixes().into_iter().filter(|mix| mix.unique && mix.cas == 0.0).enumerate() {
        let mut rng = Rng::new(Seed(i as u64).derive("convergence"));
        for _ in 0..5_000 {
            let operations = random_sessions(&mut rng, mix);
            let verdict = check(&History::from_operations(operations.clone()), model, &Options::default()).verdict;
            let expected = converged(&operations);
            let agrees = match &verdict {
                Verdict::Valid => expected == Some(true),
                Verdict::Invalid => expected == Some(false),
                Verdict::Unknown { .. } => expected.is_none(),
            };
            assert!(agrees, "{verdict} {expected:?}\n{}", show(&operations));
            seen[expected.map_or(2, usize::from)] += 1;
        }
    }
    assert!(seen.iter().all(|count| *count > 500), "{seen:?}");
}

/// Every implication of the map on random histories; and some history shows that it is not an equivalence.
#[test]
fn stronger_models_imply_weaker_ones() {
    for (strong, weak) in check::consistency::MAP {
        let [strong, weak] = [strong, weak].map(|name| Model::find(name).expect("the model exists"));
        let mut apart = 0;
        for (i, mix) in mixes().into_iter().enumerate() {
            let mut rng = Rng::new(Seed(i as u64).derive("map"));
            for _ in 0..400 {
                let mix = Sessions { operations: 14, in_order: i % 2 == 0, ..mix };
                let history = History::from_operations(random_sessions(&mut rng, mix));
                let [a, b] = [strong, weak].map(|model| check(&history, model, &Options::default()).verdict);
                let holds = a != Verdict::Valid || b == Verdict::Valid;
                assert!(holds, "{} but not {}\n{}", strong.name, weak.name, show(&history.iter().collect::<Vec<_>>()));
                apart += usize::from(a == Verdict::Invalid && b == Verdict::Valid);
            }
        }
        assert!(apart > 0 || weak.name == "bounded-staleness", "{} is never more than {}", strong.name, weak.name);
    }
}

/// A violation in words, and the models that it breaks.
const PLANTED: &[(&str, &[&str])] = &[
    (
        "p900: [w x=1]         [r y=nil]
         p901:         [w y=2]           [r x=nil]",
        &["linearizable", "sequential"],
    ),
    (
        "p900: [w x=1]         [r x=2]
         p901:         [w x=2]           [r x=1]",
        &["linearizable", "sequential", "causal-convergence"],
    ),
    (
        "p900: [w z=1] [w x=2] [w y=3]
         p901: [w x=4]                  [r z=nil] [r y=3] [r x=4]",
        &["linearizable", "sequential", "causal-memory", "pram"],
    ),
    (
        "p900: [w x=1]
         p901:         [r x=1] [w y=2]
         p902:                         [r y=2] [r x=nil]",
        &["linearizable", "sequential", "causal-convergence", "causal-memory", "causal", "writes-follow-reads"],
    ),
    (
        "p900: [w x=1] [w y=2]
         p901:                 [r y=2] [r x=nil]",
        &["linearizable", "sequential", "causal-convergence", "causal-memory", "causal", "pram", "monotonic-writes"],
    ),
    (
        "p900: [w x=1] [r x=nil]",
        &["linearizable", "sequential", "causal-convergence", "causal-memory", "causal", "pram", "read-your-writes"],
    ),
    (
        "p900: [w x=1]
         p901: [w x=2]
         p902:         [r x=1] [r x=2] [r x=1]",
        &[
            "linearizable",
            "sequential",
            "causal-convergence",
            "causal-memory",
            "pram",
            "monotonic-reads",
            "monotonic-writes",
            "writes-follow-reads",
        ],
    ),
];

/// Registers that everybody uses one operation after another, so that every model holds.
fn large(operations: u64) -> Vec<Operation> {
    let mix = Sessions { operations: 2, processes: 1, keys: 5, lies: 0.0, ..BASE };
    let mut rng = Rng::new(Seed(1).derive("large"));
    let mut held = [NIL; 5];
    (0..operations)
        .map(|i| {
            let mut op = random_sessions(&mut rng, mix)[0];
            let key = rng.below(5) as u32;
            op.request.key = key;
            (op.sent, op.done) = (base::Time(i * 10 + 1), base::Time(i * 10 + 5));
            op.process = base::ProcessId(rng.below(30) as u32);
            op.completion = history::Completion::ok(NIL);
            if op.request.function.is_mutation() {
                op.request.argument = 1_000 + i;
                held[key as usize] = 1_000 + i;
            } else {
                op.completion.result = held[key as usize];
            }
            op
        })
        .collect()
}

#[test]
fn what_is_planted_into_a_large_history_is_found_and_nothing_else() {
    let large = large(10_000);
    for (drawing, breaks) in PLANTED {
        let mut operations = large.clone();
        operations.extend(testkit::timeline(drawing).iter().map(|mut op| {
            op.request.key += 5;
            op.sent = base::Time(op.sent.0 / 1_000_000 + 50_000);
            op.done = base::Time(op.done.0 / 1_000_000 + 50_000);
            op
        }));
        let history = History::from_operations(operations);
        for (name, _) in PAIRS {
            let report = check(&history, Model::find(name).expect("the model exists"), &Options::default());
            let expected = if breaks.contains(name) { Verdict::Invalid } else { Verdict::Valid };
            assert_eq!(report.verdict, expected, "{name}\n{drawing}");
            for anomaly in &report.anomalies {
                assert!(
                    anomaly.operations.len() <= drawing.matches('[').count(),
                    "{name}: {}",
                    show(&anomaly.operations)
                );
                assert!(
                    anomaly.operations.iter().all(|op| op.process.0 >= 900),
                    "{name}: {}",
                    show(&anomaly.operations)
                );
            }
        }
    }
}
