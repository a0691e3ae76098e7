//! Why a history whose versions have no known order breaks a level: what is told, and that it stands alone.

use base::{Rng, Seed};
use check::Limit;
use check::txn::solve::form::Form;
use check::txn::solve::{Data, Effort, decide, greedy, replay};
use check::txn::{LEVELS, Level, Variant, check_transactions, register};
use expect_test::{Expect, expect};
use history::Outcome;
use history::txn::{INITIAL, Kind, Transactions, UNREAD, notation};
use testkit::brute_txn::{Keep, Shape, parallel, random_transactions, serializable, snapshot};
use testkit::store_txn::Run;

const BLIND: Shape = Shape {
    transactions: 4,
    ops: 3,
    keys: 2,
    processes: 3,
    lists: false,
    read_before_write: false,
    pending: 0.15,
    lies: 0.25,
};

/// The anomalies that a level forbids, in words.
fn tells(drawing: &str, level: &str, expected: &Expect) {
    let history = notation(drawing);
    let report = check_transactions(&history);
    let mut told = format!("{level}: {}\n", report.verdict(level));
    let level = Level::find(level).expect("a level");
    for anomaly in report.anomalies.iter().filter(|found| level.forbids(found.class, found.variant)) {
        told += &format!("{}\n", anomaly.name());
        anomaly.story.iter().for_each(|line| told += &format!("  {line}\n"));
    }
    expected.assert_eq(&told);
}

#[test]
fn blind_writes_that_were_seen_in_both_orders() {
    tells(
        "p0: (x:=1)\n\
         p1: (x:=2)\n\
         p2:       (x=1) (x=2)\n\
         p3:       (x=2) (x=1)",
        "strong-session-serializable",
        &expect![[r#"
            strong-session-serializable: invalid
            causal-violation
              T0 (process 0): write x 1
              T1 (process 1): write x 2
              T0 must precede T1: x had 1 of T0 before 2 of T1
              T1 must precede T0: x had 2 of T1 before 1 of T0
              so T0 before T1 before T0: no order is left
            G-single-process
              T0 (process 0): write x 1
              T1 (process 1): write x 2
              T2 (process 2): read x 1
              T3 (process 3): read x 2
              T4 (process 2): read x 2
              T5 (process 3): read x 1
              x had the version of T0 before that of T1, because T4 read the latter, and T0 before T2 before T4
              x had the version of T1 before that of T0, because T5 read the latter, and T1 before T3 before T5
              T1 must precede T0: x had 2 of T1 before 1 of T0
              T0 must precede T1: x had 1 of T0 before 2 of T1
              so T1 before T0 before T1: no order is left
        "#]],
    );
}

#[test]
fn a_long_fork_of_blind_writes() {
    tells(
        "p0: (x:=1)\n\
         p1: (y:=1)\n\
         p2:       (x=1 y=nil)\n\
         p3:       (x=nil y=1)",
        "snapshot-isolation",
        &expect![[r#"
            snapshot-isolation: invalid
            G-nonadjacent
              T2 (process 2): read x 1, read y nil
              T1 (process 1): write y 1
              T3 (process 3): read x nil, read y 1
              T0 (process 0): write x 1
              T2 must precede T1: T2 read y = nil, without 1 of T1
              T1 must precede T3: T3 read y = 1, where 1 is of T1
              T3 must precede T0: T3 read x = nil, without 1 of T0
              T0 must precede T2: T2 read x = 1, where 1 is of T0
              so T2 before T1 before T3 before T0 before T2: no order is left
        "#]],
    );
}

#[test]
fn two_cases_that_both_end_in_a_cycle() {
    tells(
        "p0: (x:=1 y:=1)\n\
         p1: (x:=2 z:=1)\n\
         p2:  (x=1 z=nil z:=2)   (y=nil)\n\
         p3:  (x=2 y=nil y:=3)",
        "serializable",
        &expect![[r#"
            serializable: invalid
            causal-violation
              T0 (process 0): write x 1, write y 1
              T2 (process 2): read x 1, read z nil, write z 2
              T4 (process 2): read y nil
              T0 must precede T2: T2 read x = 1, where 1 is of T0
              T2 must precede T4: process 2 ran T2 first
              T4 must precede T0: T4 read y = nil, without 1 of T0
              so T0 before T2 before T4 before T0: no order is left
            G-MSR
              T2 (process 2): read x 1, read z nil, write z 2
              T1 (process 1): write x 2, write z 1
              T3 (process 3): read x 2, read y nil, write y 3
              T0 (process 0): write x 1, write y 1
              T2 must precede T1: T2 read z = nil, without 1 of T1
              T1 must precede T3: T3 read x = 2, where 2 is of T1
              T3 must precede T0: T3 read y = nil, without 1 of T0
              T0 must precede T2: T2 read x = 1, where 1 is of T0
              so T2 before T1 before T3 before T0 before T2: no order is left
            G-single
              T0 (process 0): write x 1, write y 1
              T1 (process 1): write x 2, write z 1
              T2 (process 2): read x 1, read z nil, write z 2
              T3 (process 3): read x 2, read y nil, write y 3
              Suppose that z had the version of T2 before that of T1:
                T0 must precede T2: T2 read x = 1, where 1 is of T0
                T2 must precede T1: z had 2 of T2 before 1 of T1
                T1 must precede T3: T3 read x = 2, where 2 is of T1
                T3 must precede T0: T3 read y = nil, without 1 of T0
                so T0 before T2 before T1 before T3 before T0: no order is left
              Suppose instead that z had the version of T1 before that of T2:
                T1 must precede T2: z had 1 of T1 before 2 of T2
                T2 must precede T1: T2 read z = nil, without 1 of T1
                so T1 before T2 before T1: no order is left
            G-nonadjacent
              T2 (process 2): read x 1, read z nil, write z 2
              T1 (process 1): write x 2, write z 1
              T3 (process 3): read x 2, read y nil, write y 3
              T0 (process 0): write x 1, write y 1
              T2 must precede T1: T2 read z = nil, without 1 of T1
              T1 must precede T3: T3 read x = 2, where 2 is of T1
              T3 must precede T0: T3 read y = nil, without 1 of T0
              T0 must precede T2: T2 read x = 1, where 1 is of T0
              so T2 before T1 before T3 before T0 before T2: no order is left
            G-update
              T2 (process 2): read x 1, read z nil, write z 2
              T1 (process 1): write x 2, write z 1
              T3 (process 3): read x 2, read y nil, write y 3
              T0 (process 0): write x 1, write y 1
              T2 must precede T1: T2 read z = nil, without 1 of T1
              T1 must precede T3: T3 read x = 2, where 2 is of T1
              T3 must precede T0: T3 read y = nil, without 1 of T0
              T0 must precede T2: T2 read x = 1, where 1 is of T0
              so T2 before T1 before T3 before T0 before T2: no order is left
        "#]],
    );
}

#[test]
fn writers_of_one_key_that_overlap() {
    tells(
        "p0: (x=nil y:=1 z:=1)\n\
         p1: (y=nil x:=1 z:=2)",
        "snapshot-isolation",
        &expect![[r#"
            snapshot-isolation: invalid
            G-single
              T0 (process 0): read x nil, write y 1, write z 1
              T1 (process 1): read y nil, write x 1, write z 2
              Suppose that z had the version of T0 before that of T1:
                T0 must precede T1: z had 1 of T0 before 2 of T1
                T1 must precede T0: T1 read y = nil, without 1 of T0
                so T0 before T1 before T0: no order is left
              Suppose instead that z had the version of T1 before that of T0:
                T1 must precede T0: z had 2 of T1 before 1 of T0
                T0 must precede T1: T0 read x = nil, without 1 of T1
                so T1 before T0 before T1: no order is left
            G-nonadjacent
              T0 (process 0): read x nil, write y 1, write z 1
              T1 (process 1): read y nil, write x 1, write z 2
              T0 read x before anyone had written to it, so it must precede T1
              T1 read y before anyone had written to it, so it must precede T0
              z had the version of T1 before that of T0, because T1 before T0
              T1 must precede T0: z had 2 of T1 before 1 of T0
              T0 must precede T1: T0 read x = nil, without 1 of T1
              so T1 before T0 before T1: no order is left
        "#]],
    );
}

/// What a search says cannot be ordered cannot, and nothing of it can be left out: by the definitions, with everything else gone.
#[test]
fn witnesses_of_blind_writes_stand_alone_and_are_minimal() {
    let mut seen = 0;
    for round in 0..3_000 {
        let history = random_transactions(&mut Rng::new(Seed(7).derive("witnesses").nth(round)), BLIND);
        let (facts, reads) = register::facts(&history);
        if !facts.counts.is_empty() {
            continue;
        }
        let data = Data::of_registers(&facts, &reads);
        let levels: Vec<&'static Level> = LEVELS.iter().collect();
        let effort = Effort { steps: 1_000_000, ..Effort::default() };
        for (form, variant, witness) in decide(&history, &data, &levels, &effort).broken {
            seen += 1;
            let holds = |members: &[u32]| form_holds(&alone(&history, members), form, variant);
            assert!(!holds(&witness.transactions), "{form:?} {variant:?}, round {round}");
            for left_out in &witness.transactions {
                let rest: Vec<u32> = witness.transactions.iter().copied().filter(|t| t != left_out).collect();
                assert!(holds(&rest), "{form:?} {variant:?} without T{left_out}, round {round}");
            }
        }
    }
    assert!(seen > 500, "{seen} witnesses");
}

fn form_holds(history: &Transactions, form: Form, variant: Variant) -> bool {
    let keep = [Keep::Nothing, Keep::Sessions, Keep::RealTime][variant as usize];
    match form {
        Form::Serial => serializable(history, keep),
        Form::Snapshot => snapshot(history, keep, true),
        Form::Prefix => snapshot(history, keep, false),
        Form::Parallel => parallel(history, keep),
    }
}

/// The history without the other transactions, and without the reads of what they wrote.
fn alone(history: &Transactions, members: &[u32]) -> Transactions {
    let mut alone = history.clone();
    let mut gone = vec![true; history.sizes().1];
    for t in members {
        history.ops(*t).iter().filter(|op| op.kind == Kind::Write).for_each(|op| gone[op.value as usize] = false);
    }
    for op in alone.ops.iter_mut().filter(|op| op.kind == Kind::Read && op.value < INITIAL) {
        if gone[op.value as usize] {
            op.value = UNREAD;
        }
    }
    for t in (0..history.len()).filter(|t| !members.contains(&(*t as u32))) {
        alone.outcome[t] = Outcome::Fail;
    }
    alone
}

/// Histories of a store that is what it says are proved without a search: by one guess, mended here and there.
#[test]
fn what_a_good_store_does_is_proved_by_a_guess() {
    let serial = Run { transactions: 600, ..Run::SERIAL };
    for (run, form, variant) in [
        (serial, Form::Serial, Variant::Realtime),
        (Run { keys: 100, ..serial }, Form::Serial, Variant::Realtime),
        (Run { keys: 10, ..serial }, Form::Serial, Variant::Realtime),
        (Run { keys: 3, ..serial }, Form::Serial, Variant::Realtime),
        (Run { pending: 0.02, ..serial }, Form::Serial, Variant::Realtime),
        (Run { stale: 8, ..serial }, Form::Snapshot, Variant::Realtime),
        (Run { stale: 8, keys: 100, ..serial }, Form::Snapshot, Variant::Realtime),
        (Run { stale: 8, ..serial }, Form::Prefix, Variant::Process),
    ] {
        let proved = |seed: &u64| {
            let history = Run { seed: *seed, ..run }.history();
            let (facts, reads) = register::facts(&history);
            let data = Data::of_registers(&facts, &reads);
            let order = greedy::schedule(&history, &data, form, variant, &Limit::default());
            order.is_some_and(|order| replay::events(&history, &data.members, &order, form != Form::Prefix, variant))
        };
        let missed: Vec<u64> = (0..40).filter(|seed| !proved(seed)).collect();
        assert_eq!(missed, [0; 0], "{run:?}, {form:?}, {variant:?}");
    }
}

/// Forty thousand transactions: the pasts are clocks over few chains.
#[test]
fn long_orders_are_replayed_for_parallel_snapshot_isolation() {
    let history = Run { transactions: 40_000, ..Run::SERIAL }.history();
    let (facts, reads) = register::facts(&history);
    let data = Data::of_registers(&facts, &reads);
    let events = greedy::schedule(&history, &data, Form::Serial, Variant::Realtime, &Limit::default());
    let order: Vec<u32> = events.expect("an order").into_iter().step_by(2).map(|event| event / 2).collect();
    let replayed =
        |order: &[u32], limit: &Limit| replay::parallel(&history, &data.members, order, Variant::Realtime, limit);
    assert_eq!(replayed(&order, &Limit::default()), Some(true));
    // A reader and who wrote what it read, the wrong way round.
    let mut places = vec![0; history.len()];
    order.iter().enumerate().for_each(|(at, t)| places[*t as usize] = at);
    let late = data
        .reads
        .iter()
        .find(|(_, writer, reader)| *writer < *reader && places[*writer as usize] + 1 == places[*reader as usize]);
    let (_, writer, _) = late.expect("a reader right behind its writer");
    let mut swapped = order.clone();
    swapped.swap(places[*writer as usize], places[*writer as usize] + 1);
    assert_eq!(replayed(&swapped, &Limit::default()), Some(false));
    let small = Limit::with_memory(1 << 20, "1 MiB is not enough");
    small.note_used(1 << 20);
    assert_eq!(replayed(&order, &small), None);
}
