//! What is said of levels that the history does not record enough for.

use check::txn::{LEVELS, Variant, check_transactions, check_transactions_with};
use check::{Limit, Options, Verdict};
use history::txn::{Transactions, notation};

/// The verdicts of some levels, in a word each.
fn verdicts<const N: usize>(transactions: &Transactions, levels: [&str; N]) -> [&'static str; N] {
    let report = check_transactions(transactions);
    levels.map(|level| report.verdict(level).name())
}

fn drawn(drawing: &str, timed: bool, anonymous: bool) -> Transactions {
    let mut transactions = notation(drawing);
    transactions.timed = timed;
    if anonymous {
        transactions.forget_processes();
    }
    transactions
}

const GOOD: &str = "p0: (x+1)        (x=[1,2])\np1:       (x+2)      (x=[1,2])";
/// The process that appended misses its own append.
const FORGOTTEN: &str = "p0: (x+1)      (x=[])\np1:       (y+2)";
const WRITE_SKEW: &str = "p0: (x=[] y+1)\np1: (y=[] x+1)";

#[test]
fn without_times_nothing_is_strong() {
    let untimed = drawn(GOOD, false, false);
    let report = check_transactions(&untimed);
    for (level, verdict) in &report.levels {
        let expected = if level.variant() == Variant::Realtime { "unknown" } else { "valid" };
        assert_eq!(verdict.name(), expected, "{}", level.name);
    }
    let reason = report.verdict("strict-serializable").to_string();
    assert!(reason.contains("does not record times"), "{reason}");
    let names: Vec<&str> = report.strongest().iter().map(|level| level.name).collect();
    assert_eq!(names, ["strong-session-serializable"]);
}

#[test]
fn without_times_a_weaker_level_that_is_violated_breaks_the_strong_ones() {
    let levels = ["serializable", "strict-serializable", "strong-snapshot-isolation", "snapshot-isolation"];
    assert_eq!(verdicts(&drawn(WRITE_SKEW, false, false), levels), ["invalid", "invalid", "unknown", "valid"]);
    let levels = ["serializable", "strong-session-serializable", "strict-serializable"];
    assert_eq!(verdicts(&drawn(FORGOTTEN, false, false), levels), ["valid", "invalid", "invalid"]);
}

#[test]
fn without_processes_real_time_still_says_what_sessions_saw() {
    let levels = ["causal", "strong-session-serializable", "strict-serializable"];
    assert_eq!(verdicts(&drawn(GOOD, true, true), levels), ["valid"; 3]);
    // The order of the process is not known, that of time is: nothing contradicts causality.
    let levels = ["read-atomic", "serializable", "causal", "strong-session-serializable", "strict-serializable"];
    let expected = ["valid", "valid", "unknown", "unknown", "invalid"];
    assert_eq!(verdicts(&drawn(FORGOTTEN, true, true), levels), expected);
    assert_eq!(verdicts(&drawn(FORGOTTEN, true, false), levels), ["valid", "valid", "invalid", "invalid", "invalid"]);
}

#[test]
fn without_both_only_the_data_speaks() {
    let report = check_transactions(&drawn(GOOD, false, true));
    for (level, verdict) in &report.levels {
        let expected = if level.variant() == Variant::Plain { "valid" } else { "unknown" };
        assert_eq!(verdict.name(), expected, "{}", level.name);
    }
    assert!(LEVELS.len() == report.levels.len() && report.verdict("serializable") == Verdict::Valid);
}

/// No order of versions fits, but that takes a distinction of cases.
const TWO_CASES: &str = "p0: (x:=1 y:=1)\np1: (x:=2 z:=1)\np2:  (x=1 z=nil z:=2)\np3:  (x=2 y=nil y:=3)";

#[test]
fn weak_levels_are_told_when_the_search_for_the_strong_ones_ends() {
    let transactions = notation(TWO_CASES);
    let found = check_transactions(&transactions);
    assert_eq!(found.verdict("parallel-snapshot-isolation"), Verdict::Invalid);
    let hurried = check_transactions_with(&transactions, &Options { budget: 0, ..Options::default() });
    assert_eq!(hurried.verdict("parallel-snapshot-isolation").name(), "unknown");
    for level in ["read-committed", "read-atomic", "causal", "serializable"] {
        assert_eq!(hurried.verdict(level), found.verdict(level), "{level}");
    }
}

#[test]
fn a_check_that_was_stopped_calls_nothing_valid() {
    let options = Options { limit: Limit::new(), ..Options::default() };
    options.limit.stop("the time limit was reached");
    for drawing in [WRITE_SKEW, FORGOTTEN, TWO_CASES] {
        let report = check_transactions_with(&notation(drawing), &options);
        let held: Vec<&str> = report.strongest().iter().map(|level| level.name).collect();
        assert_eq!(held, ["read-uncommitted"; 0], "{drawing}");
        let reason = report.verdict("serializable").to_string();
        assert!(reason.contains("the time limit was reached"), "{reason}");
    }
}
