//! The transaction checkers against the definitions of the levels, on random small histories.
//!
//! `ASSIZE_HISTORIES=1000000 cargo test --release -p assize-check --test txn_brute_force` compares a million of each type.

use base::{Rng, Seed};
use check::Options;
use check::Verdict;
use check::txn::{LEVELS, check_transactions_with};
use history::txn::Transactions;
use testkit::brute_txn::{
    Adya, Axiom, Keep, Shape, Small, adya, agrees_with_itself, axiomatic, axiomatic_keeping, every_small_history,
    parallel, random_transactions, serializable, snapshot, statement_snapshots,
};

type Definition = fn(&Transactions) -> bool;

/// Levels with a definition by schedules or axioms.
const DEFINITIONS: &[(&str, Definition)] = &[
    ("read-atomic", |h| axiomatic_keeping(h, Axiom::ReadAtomic, Keep::Nothing)),
    ("causal", |h| axiomatic(h, Axiom::Causal)),
    ("prefix", |h| snapshot(h, Keep::Sessions, false)),
    ("parallel-snapshot-isolation", |h| parallel(h, Keep::Sessions)),
    ("snapshot-isolation", |h| snapshot(h, Keep::Nothing, true)),
    ("serializable", |h| serializable(h, Keep::Nothing)),
    ("strong-session-snapshot-isolation", |h| snapshot(h, Keep::Sessions, true)),
    ("strong-session-serializable", |h| serializable(h, Keep::Sessions)),
    ("strong-snapshot-isolation", |h| snapshot(h, Keep::RealTime, true)),
    ("strict-serializable", |h| serializable(h, Keep::RealTime)),
    ("update-atomic", |h| {
        axiomatic_keeping(h, Axiom::ReadAtomic, Keep::Nothing) && adya(h, Adya::CursorStability, Keep::Nothing)
    }),
];

/// Levels whose definition presumes that transactions agree with themselves: only such histories are compared.
const OF_GRAPHS: &[(&str, Definition)] = &[
    ("read-uncommitted", |h| adya(h, Adya::ReadUncommitted, Keep::Nothing)),
    ("read-committed", |h| adya(h, Adya::ReadCommitted, Keep::Nothing)),
    ("cursor-stability", |h| adya(h, Adya::CursorStability, Keep::Nothing)),
    ("monotonic-atomic-view", |h| axiomatic_keeping(h, Axiom::ReadCommitted, Keep::Nothing)),
    ("monotonic-view", |h| adya(h, Adya::MonotonicView, Keep::Nothing)),
    ("monotonic-snapshot-read", statement_snapshots),
    ("consistent-view", |h| adya(h, Adya::ConsistentView, Keep::Nothing)),
    ("repeatable-read", |h| adya(h, Adya::RepeatableRead, Keep::Nothing)),
    ("update-serializable", |h| adya(h, Adya::UpdateSerializable, Keep::Nothing)),
    ("strong-session-read-uncommitted", |h| adya(h, Adya::ReadUncommitted, Keep::Sessions)),
    ("strong-session-read-committed", |h| adya(h, Adya::ReadCommitted, Keep::Sessions)),
    ("strong-session-consistent-view", |h| adya(h, Adya::ConsistentView, Keep::Sessions)),
    ("strong-read-uncommitted", |h| adya(h, Adya::ReadUncommitted, Keep::RealTime)),
    ("strong-read-committed", |h| adya(h, Adya::ReadCommitted, Keep::RealTime)),
    ("strong-consistent-view", |h| adya(h, Adya::ConsistentView, Keep::RealTime)),
];

/// Of registers: levels with a definition by axioms, which session order is part of.
const AXIOMS: &[(&str, Definition)] = &[
    ("read-committed", |h| axiomatic(h, Axiom::ReadCommitted)),
    ("read-atomic", |h| axiomatic(h, Axiom::ReadAtomic)),
    ("causal", |h| axiomatic(h, Axiom::Causal)),
];

/// Of registers: the levels that contain those above contain their session order too.
const REGISTERS: &[(&str, Definition)] = &[
    ("prefix", |h| snapshot(h, Keep::Sessions, false)),
    ("parallel-snapshot-isolation", |h| parallel(h, Keep::Sessions)),
    ("snapshot-isolation", |h| snapshot(h, Keep::Nothing, true) && axiomatic(h, Axiom::Causal)),
    ("serializable", |h| serializable(h, Keep::Nothing) && axiomatic(h, Axiom::Causal)),
    ("strong-session-snapshot-isolation", |h| snapshot(h, Keep::Sessions, true)),
    ("strong-session-serializable", |h| serializable(h, Keep::Sessions)),
    ("strong-snapshot-isolation", |h| snapshot(h, Keep::RealTime, true)),
    ("strict-serializable", |h| serializable(h, Keep::RealTime)),
];

/// Of registers: levels of the graph, with the session order of read committed.
const REGISTER_GRAPHS: &[(&str, Definition)] = &[
    ("monotonic-snapshot-read", |h| statement_snapshots(h) && axiomatic(h, Axiom::ReadCommitted)),
    ("monotonic-view", |h| adya(h, Adya::MonotonicView, Keep::Nothing) && axiomatic(h, Axiom::ReadCommitted)),
    ("consistent-view", |h| adya(h, Adya::ConsistentView, Keep::Nothing) && axiomatic(h, Axiom::ReadCommitted)),
    ("repeatable-read", |h| adya(h, Adya::RepeatableRead, Keep::Nothing) && axiomatic(h, Axiom::ReadCommitted)),
    ("update-serializable", |h| adya(h, Adya::UpdateSerializable, Keep::Nothing) && axiomatic(h, Axiom::ReadCommitted)),
];

#[test]
fn lists_agree_with_the_definitions() {
    agree(Shape::LISTS, "lists", DEFINITIONS, OF_GRAPHS);
}

#[test]
fn lists_with_many_lies_agree_with_the_definitions() {
    agree(Shape { lies: 0.2, ..Shape::LISTS }, "lies about lists", &DEFINITIONS[..2], &OF_GRAPHS[..6]);
}

#[test]
fn read_modify_writes_agree_with_the_definitions() {
    agree(Shape { lists: false, read_before_write: true, ..Shape::LISTS }, "updates", REGISTERS, REGISTER_GRAPHS);
}

#[test]
fn registers_agree_with_the_axioms() {
    agree(Shape { lists: false, lies: 0.25, ..Shape::LISTS }, "registers", AXIOMS, &[]);
}

/// Where the order of versions is searched for.
#[test]
fn blind_writes_agree_with_the_definitions() {
    agree(Shape { lists: false, lies: 0.25, ..Shape::LISTS }, "blind writes", REGISTERS, &[]);
}

#[test]
fn every_level_is_compared() {
    let compared = |level: &str| DEFINITIONS.iter().chain(OF_GRAPHS).any(|(name, _)| *name == level);
    let missing: Vec<&str> = LEVELS.iter().map(|level| level.name).filter(|name| !compared(name)).collect();
    assert!(missing.is_empty(), "no definition of {missing:?}");
}

/// All histories of two transactions of two micro-operations on two keys.
#[test]
fn every_small_history_of_lists_agrees() {
    every(Small { transactions: 2, ops: 2, keys: 2, lists: true }, DEFINITIONS, OF_GRAPHS);
}

#[test]
fn every_small_history_of_registers_agrees() {
    every(Small { transactions: 2, ops: 2, keys: 2, lists: false }, REGISTERS, &[]);
}

/// All histories of three transactions on one key: a million and more.
#[test]
#[ignore = "minutes in a release build"]
fn every_history_of_three_transactions_agrees() {
    every(Small { transactions: 3, ops: 2, keys: 1, lists: true }, DEFINITIONS, OF_GRAPHS);
    every(Small { transactions: 3, ops: 2, keys: 1, lists: false }, REGISTERS, &[]);
}

fn rounds() -> u64 {
    std::env::var("ASSIZE_HISTORIES").ok().and_then(|count| count.parse().ok()).unwrap_or(4_000)
}

fn every(small: Small, always: &[(&str, Definition)], consistent: &[(&str, Definition)]) {
    let mut tally = vec![[0u64; 3]; always.len() + consistent.len()];
    let count = every_small_history(small, &mut |history| compare(history, "every", always, consistent, &mut tally));
    let undecided: u64 = tally.iter().map(|[_, _, unknown]| unknown).sum();
    println!("{small:?}: {count} histories, {undecided} of {} answers undecided", count * tally.len() as u64);
    assert!(count > 1_000 && tally.iter().all(|[invalid, valid, _]| *valid > 10 && *invalid > 10), "{tally:?}");
}

fn agree(shape: Shape, name: &str, always: &[(&str, Definition)], consistent: &[(&str, Definition)]) {
    let mut tally = vec![[0u64; 3]; always.len() + consistent.len()];
    for round in 0..rounds() {
        let history = random_transactions(&mut Rng::new(Seed(7).derive(name).nth(round)), shape);
        compare(&history, &format!("{name}, round {round}"), always, consistent, &mut tally);
    }
    for ((level, _), [invalid, valid, unknown]) in always.iter().chain(consistent).zip(&tally) {
        println!("{name}, {level}: {valid} valid, {invalid} invalid, {unknown} undecided");
        assert!(*valid > 100 && *invalid > 10, "{level}: the histories are too much alike");
        // An unknown transaction's read before its write is not known, and after a lost update no order of versions is.
        assert!(*unknown * 6 < valid + invalid, "{level}: {unknown} undecided");
    }
}

fn compare(
    history: &Transactions,
    name: &str,
    always: &[(&str, Definition)],
    consistent: &[(&str, Definition)],
    tally: &mut [[u64; 3]],
) {
    let report = check_transactions_with(history, &Options { recheck: true, ..Options::default() });
    let bug = report.levels.iter().find(|(_, verdict)| verdict.is_bug());
    assert_eq!(bug, None, "{}", show(history));
    let graphs = if agrees_with_itself(history) { consistent } else { &[] };
    for ((level, definition), tally) in always.iter().chain(graphs).zip(tally) {
        let verdict = report.verdict(level);
        if let Verdict::Unknown { .. } = verdict {
            tally[2] += 1;
            continue;
        }
        let said = verdict == Verdict::Valid;
        assert_eq!(said, definition(history), "{name}, {level}: {:?}\n{}", report.anomalies, show(history));
        tally[usize::from(said)] += 1;
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
