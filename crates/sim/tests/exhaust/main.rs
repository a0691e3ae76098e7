//! Exhaustive search: state spaces whose size others have counted, and the same result whatever the order and the number of threads.

mod paxos;
mod two_phase;

use sim::exhaust::{Limits, Model, Order, Report, search};
use two_phase::TwoPhase;

fn all(model: &impl Model) -> Report {
    let report = search(model, &Limits::default());
    assert!(report.is_complete(), "{report:?}");
    report
}

/// The counts are those of stateright's own tests of its example `2pc`.
#[test]
fn two_phase_commit_has_the_states_that_stateright_counts() {
    assert_eq!(all(&TwoPhase { managers: 3 }).unique, 288);
    let five = all(&TwoPhase { managers: 5 });
    assert_eq!(five.unique, 8_832);
    assert_eq!(five.reached, ["abort agreement", "commit agreement"]);
    assert_eq!(all(&TwoPhase { managers: 7 }).unique, 296_448);
}

/// The counts are those of stateright's own tests of its example `paxos`, with two clients and a linearizability tester in the state.
#[test]
fn paxos_has_the_states_that_stateright_counts() {
    let report = all(&paxos::three_servers(2));
    assert_eq!((report.unique, report.generated), (16_668, 32_971));
    assert_eq!(report.reached, ["an operation is ok"], "a server that has a proposal ignores other clients for good");
}

#[test]
fn order_and_threads_change_nothing() {
    let model = paxos::three_servers(2);
    let expected = all(&model);
    for (order, threads) in [(Order::Breadth, 2), (Order::Breadth, 3), (Order::Depth, 1), (Order::Depth, 2)] {
        let report = search(&model, &Limits { order, threads, ..Limits::default() });
        assert!(report.is_complete());
        assert_eq!((report.unique, report.generated), (expected.unique, expected.generated), "{order:?} {threads}");
    }
}
