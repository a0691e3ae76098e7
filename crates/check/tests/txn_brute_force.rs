//! The transaction checkers against the definitions of the levels, on random small histories.

use base::{Rng, Seed};
use check::Verdict;
use check::txn::check_transactions;
use history::txn::Transactions;
use testkit::brute_txn::{Axiom, Keep, Shape, axiomatic, parallel, random_transactions, serializable, snapshot};

const LISTS: Shape = Shape {
    transactions: 4,
    ops: 3,
    keys: 2,
    processes: 3,
    lists: true,
    read_before_write: false,
    pending: 0.15,
    lies: 0.1,
};

type Definition = fn(&Transactions) -> bool;

/// Levels with a definition by schedules.
const DEFINITIONS: &[(&str, Definition)] = &[
    ("serializable", |h| serializable(h, Keep::Nothing)),
    ("strong-session-serializable", |h| serializable(h, Keep::Sessions)),
    ("strict-serializable", |h| serializable(h, Keep::RealTime)),
    ("snapshot-isolation", |h| snapshot(h, Keep::Nothing, true)),
    ("strong-session-snapshot-isolation", |h| snapshot(h, Keep::Sessions, true)),
    ("strong-snapshot-isolation", |h| snapshot(h, Keep::RealTime, true)),
    ("prefix", |h| snapshot(h, Keep::Sessions, false)),
];

/// Levels with a definition by axioms.
const AXIOMS: &[(&str, Definition)] = &[
    ("read-committed", |h| axiomatic(h, Axiom::ReadCommitted)),
    ("read-atomic", |h| axiomatic(h, Axiom::ReadAtomic)),
    ("causal", |h| axiomatic(h, Axiom::Causal)),
];

/// Of registers, session order is part of every level that the axioms define; so it is of those above.
const SESSIONS: &[(&str, Definition)] = &[
    ("strong-session-serializable", |h| serializable(h, Keep::Sessions)),
    ("strict-serializable", |h| serializable(h, Keep::RealTime)),
    ("strong-session-snapshot-isolation", |h| snapshot(h, Keep::Sessions, true)),
    ("strong-snapshot-isolation", |h| snapshot(h, Keep::RealTime, true)),
    ("prefix", |h| snapshot(h, Keep::Sessions, false)),
];

/// Where the order of versions is searched for.
const SEARCHED: &[(&str, Definition)] = &[
    ("serializable", |h| serializable(h, Keep::Nothing) && axiomatic(h, Axiom::Causal)),
    ("strong-session-serializable", |h| serializable(h, Keep::Sessions)),
    ("strict-serializable", |h| serializable(h, Keep::RealTime)),
    ("snapshot-isolation", |h| snapshot(h, Keep::Nothing, true) && axiomatic(h, Axiom::Causal)),
    ("strong-session-snapshot-isolation", |h| snapshot(h, Keep::Sessions, true)),
    ("strong-snapshot-isolation", |h| snapshot(h, Keep::RealTime, true)),
    ("prefix", |h| snapshot(h, Keep::Sessions, false)),
    ("parallel-snapshot-isolation", |h| parallel(h, Keep::Sessions)),
];

#[test]
fn blind_writes_agree_with_the_definitions() {
    agree(Shape { lists: false, lies: 0.25, ..LISTS }, "blind writes", 4_000, SEARCHED);
}

#[test]
fn registers_agree_with_the_axioms() {
    agree(Shape { lists: false, lies: 0.25, ..LISTS }, "registers", 8_000, AXIOMS);
}

#[test]
fn causal_lists_agree_with_the_axioms() {
    agree(Shape { lies: 0.2, ..LISTS }, "causal lists", 8_000, &AXIOMS[2..]);
}

#[test]
fn read_modify_writes_agree_with_the_definitions() {
    agree(Shape { lists: false, read_before_write: true, ..LISTS }, "updates", 8_000, SESSIONS);
}

#[test]
fn lists_agree_with_the_definitions() {
    agree(LISTS, "lists", 8_000, DEFINITIONS);
}

fn agree(shape: Shape, name: &str, rounds: u64, definitions: &[(&str, Definition)]) {
    let mut tally = vec![[0usize; 3]; definitions.len()];
    for round in 0..rounds {
        let history = random_transactions(&mut Rng::new(Seed(7).derive(name).nth(round)), shape);
        let report = check_transactions(&history);
        for ((level, definition), tally) in definitions.iter().zip(&mut tally) {
            let truth = definition(&history);
            match report.verdict(level) {
                Verdict::Unknown { .. } => tally[2] += 1,
                verdict => {
                    let said = verdict == Verdict::Valid;
                    assert_eq!(
                        said,
                        truth,
                        "{level}, round {round}: {:?}\n{:?}\n{}",
                        report.levels,
                        report.anomalies,
                        show(&history)
                    );
                    tally[usize::from(said)] += 1;
                }
            }
        }
    }
    for ((level, _), [invalid, valid, unknown]) in definitions.iter().zip(&tally) {
        println!("{name}, {level}: {valid} valid, {invalid} invalid, {unknown} undecided");
        assert!(*valid > 100 && *invalid > 100, "{level}: the histories are too much alike");
        // An unknown transaction's read before its write is not known, and after a lost update no order of versions is.
        assert!(*unknown * 6 < rounds as usize, "{level}: {unknown} undecided");
    }
}

fn show(history: &Transactions) -> String {
    let line = |t: u32| {
        let at = t as usize;
        let times = (history.invoked[at], history.completed[at]);
        format!("{} {times:?}\n", check::txn::explain::show_transaction(history, t))
    };
    (0..history.len() as u32).map(line).collect()
}
