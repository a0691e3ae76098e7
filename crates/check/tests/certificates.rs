//! Certificates themselves on trial: whatever is offered for an invalid history is refused, and what is true is accepted.

use base::{Rng, Seed};
use check::certificate::register::{Since, refute, refute_order};
use check::certificate::{cycle, single, transaction, witness};
use check::txn::{Class, Edge, EdgeKind, TxnAnomaly, Variant, check_transactions};
use check::{LINEARIZABLE, Options, check};
use history::txn::notation;
use history::{History, NIL, Outcome};
use testkit::brute_txn::{Keep, Shape, random_transactions, serializable};
use testkit::{Mix, brute, random_history, timeline};

const MIX: Mix = Mix { operations: 6, keys: 1, unique: true, cas: 0.3, pending: 0.2, lies: 0.3 };
const ROUNDS: usize = 4_000;

/// Random histories and whether brute force calls them linearizable.
fn histories(seed: u64, mix: Mix) -> impl Iterator<Item = (History, bool)> {
    let mut rng = Rng::new(Seed(seed));
    std::iter::repeat_with(move || random_history(&mut rng, mix)).take(ROUNDS).map(|operations| {
        let valid = brute::linearizable(&operations);
        (History::from_operations(operations), valid)
    })
}

fn shuffle<T>(rng: &mut Rng, items: &mut [T]) {
    for i in (1..items.len()).rev() {
        items.swap(i, rng.below(i as u64 + 1) as usize);
    }
}

#[test]
fn no_order_proves_an_invalid_history() {
    let (mut rng, mut accepted) = (Rng::new(Seed(1)), 0);
    for (history, valid) in histories(2, MIX) {
        let answered = |i: &u32| history.operations.outcome[*i as usize] != Outcome::Fail;
        for _ in 0..20 {
            let mut order: Vec<u32> = (0..history.len() as u32).filter(answered).collect();
            shuffle(&mut rng, &mut order);
            if rng.chance(0.3) {
                order.truncate(rng.below(7) as usize);
            }
            let proves = refute_order(&history, &order).is_none();
            assert!(valid || !proves, "{order:?} proves {history:?}");
            accepted += usize::from(proves);
        }
    }
    assert!(accepted > 100, "nothing was ever accepted: {accepted}");
}

#[test]
fn no_times_of_values_prove_an_invalid_history() {
    let (mut rng, mut accepted) = (Rng::new(Seed(3)), 0);
    for (history, valid) in histories(4, MIX) {
        let columns = &history.operations;
        let instants: Vec<u64> =
            columns.sent.iter().chain(&columns.done).copied().filter(|at| *at != u64::MAX).collect();
        for _ in 0..40 {
            let mut values: Vec<u64> = columns.argument.iter().copied().filter(|value| *value != NIL).collect();
            shuffle(&mut rng, &mut values);
            values.truncate(rng.below(values.len() as u64 + 1) as usize);
            let mut times: Vec<u64> =
                values.iter().map(|_| instants[rng.below(instants.len() as u64) as usize]).collect();
            times.sort_unstable();
            let key = columns.key[0];
            let mut rows = vec![Since { key, value: NIL, since: 0 }];
            rows.extend(values.iter().zip(&times).map(|(&value, &since)| Since { key, value, since }));
            let proves = refute(columns, &rows, |_| true).is_none();
            assert!(valid || !proves, "{rows:?} prove {history:?}");
            accepted += usize::from(proves);
        }
    }
    assert!(accepted > 100, "nothing was ever accepted: {accepted}");
}

#[test]
fn an_order_is_refused_when_anything_in_it_is_changed() {
    let options = Options { certificate: true, ..Options::default() };
    let mut changed = 0;
    for (history, _) in histories(5, MIX).filter(|(_, valid)| *valid) {
        let Some(order) = check(&history, &LINEARIZABLE, &options).order else {
            panic!("a valid verdict without an order")
        };
        assert_eq!(refute_order(&history, &order), None);
        for left_out in 0..order.len() {
            let mut order = order.clone();
            let i = order.remove(left_out);
            if history.operations.outcome[i as usize] == Outcome::Ok {
                assert!(refute_order(&history, &order).is_some(), "{i} is missing");
                changed += 1;
            }
            order.extend([i, i]);
            assert!(refute_order(&history, &order).is_some(), "{i} is there twice");
        }
    }
    assert!(changed > 1_000);
}

#[test]
fn a_few_operations_contradict_each_other_when_brute_force_says_so() {
    for mix in [MIX, Mix { unique: false, ..MIX }] {
        for (history, valid) in histories(6, mix) {
            let places: Vec<u32> = (0..history.len() as u32).collect();
            assert_eq!(witness::register_contradicts(&history.operations, &places), Some(!valid), "{history:?}");
        }
    }
}

#[test]
fn no_order_of_transactions_proves_an_invalid_history() {
    for lists in [true, false] {
        let (mut rng, mut accepted) = (Rng::new(Seed(7)), 0);
        for round in 0..ROUNDS as u64 {
            let history = random_transactions(&mut Rng::new(Seed(8).nth(round)), Shape { lists, ..Shape::LISTS });
            let valid = serializable(&history, Keep::RealTime);
            for _ in 0..20 {
                let live = |t: &u32| history.outcome[*t as usize] != Outcome::Fail;
                let mut order: Vec<u32> = (0..history.len() as u32).filter(live).collect();
                shuffle(&mut rng, &mut order);
                if rng.chance(0.2) {
                    order.pop();
                }
                let proves = transaction::refute_order(&history, &order).is_none();
                assert!(valid || !proves, "{order:?} proves {history:?}");
                accepted += usize::from(proves);
            }
        }
        assert!(accepted > 100, "nothing was ever accepted: {accepted}");
    }
}

#[test]
fn an_edge_that_the_history_does_not_show_is_refused() {
    let (mut told, mut searched, mut refused) = (0, 0, 0);
    for round in 0..ROUNDS as u64 {
        let history = random_transactions(&mut Rng::new(Seed(9).nth(round)), Shape::LISTS);
        let report = check_transactions(&history);
        for anomaly in report.anomalies.iter().filter(|anomaly| !anomaly.cycle.is_empty()) {
            // What a search found distinguishes cases, which the history does not show.
            if cycle::refute(&history, anomaly).is_some() {
                searched += 1;
                continue;
            }
            told += 1;
            let turned: Vec<Edge> = anomaly.cycle.iter().rev().map(|edge| edge.between(edge.to, edge.from)).collect();
            let turned = TxnAnomaly { cycle: turned, ..anomaly.clone() };
            refused += usize::from(cycle::refute(&history, &turned).is_some());
        }
    }
    // Some cycles hold in both directions: write skew does.
    assert!(told > 500 && refused * 3 > told, "{told} told, {refused} refused when turned round");
    assert!(searched * 10 < told, "{searched} of {told} not shown");
}

#[test]
fn a_cycle_must_close_and_be_of_its_class() {
    let history = random_transactions(&mut Rng::new(Seed(10)), Shape::LISTS);
    let edge = |from, to| Edge::new(EdgeKind::Rt, from, to, 0);
    let open = TxnAnomaly {
        class: Class::G0,
        variant: Variant::Realtime,
        story: Vec::new(),
        transactions: vec![0, 1],
        cycle: vec![edge(0, 1), edge(1, 2)],
    };
    assert_eq!(cycle::refute(&history, &open).as_deref(), Some("the edges are no cycle"));
    let plain = TxnAnomaly { variant: Variant::Plain, cycle: vec![edge(0, 1), edge(1, 0)], ..open };
    assert!(cycle::refute(&history, &plain).is_some_and(|doubt| doubt.contains("does not belong")));
}

#[test]
fn who_wrote_before_and_after_a_failed_write_made_a_dirty_update() {
    let history = notation("p0: (x+1 x+3)\np1: (x+2 !)\np2:           (x=[1,2,3])");
    let report = check_transactions(&history);
    let dirty = report.anomalies.iter().find(|anomaly| anomaly.class == Class::DirtyUpdate);
    let dirty = dirty.expect("3 stands on 2, which failed");
    assert_eq!(single::refute(&history, dirty), None);
    let untouched = notation("p0: (x+1 x+3)\np1: (x+2 !)\np2:           (x=[1,3,2])");
    assert!(single::refute(&untouched, dirty).is_some(), "nothing stands on 2");
}

#[test]
fn times_of_values_are_refused_when_anything_is_wrong_with_them() {
    let history = timeline(
        "p0: [w x=1]         [w x=2]
         p1:         [r x=1]         [r x=2]",
    );
    let columns = &history.operations;
    let row = |value, since| Since { key: columns.key[0], value, since };
    let right = [row(NIL, 0), row(1, columns.done[0]), row(2, columns.done[2])];
    assert_eq!(refute(columns, &right, |_| true), None);
    let wrong = [
        vec![],
        vec![row(1, columns.done[0]), row(2, columns.done[2])],
        vec![row(NIL, 0), row(2, columns.done[2])],
        vec![row(NIL, 0), row(2, columns.done[0]), row(1, columns.done[2])],
        vec![row(NIL, 0), row(1, columns.done[0]), row(2, columns.done[0])],
        vec![row(NIL, 0), row(1, columns.done[0]), row(3, columns.done[0]), row(2, columns.done[2])],
        vec![row(NIL, 0), row(1, columns.done[0]), row(1, columns.done[0]), row(2, columns.done[2])],
    ];
    for rows in wrong {
        assert!(refute(columns, &rows, |_| true).is_some(), "{rows:?}");
    }
}
