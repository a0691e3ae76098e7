//! Exhaustive search: state spaces whose size others have counted, and the same result whatever the order and the number of threads.

mod paxos;
mod two_phase;

use sim::exhaust::{Limits, Model, Network, Order, Report, Scope, search};
use two_phase::TwoPhase;

fn all(model: &impl Model) -> Report {
    whole(model, false)
}

fn whole(model: &impl Model, reduce: bool) -> Report {
    let report = search(model, &Limits { reduce, ..Limits::default() });
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
        let report = search(&model, &Limits { order, threads, reduce: false, ..Limits::default() });
        assert!(report.is_complete());
        assert_eq!((report.unique, report.generated), (expected.unique, expected.generated), "{order:?} {threads}");
    }
}

#[test]
fn a_reduction_loses_no_state_on_any_network() {
    for network in [Network::Unordered, Network::Repeating, Network::Ordered, Network::OrderedLossy] {
        for (crashes, in_flight) in [(0, None), (0, Some(1)), (1, None), (1, Some(2))] {
            let clients = if network == Network::Unordered && crashes == 0 { 2 } else { 1 };
            let model = paxos::three_servers_in(clients, |scope| Scope { network, crashes, in_flight, ..scope });
            let (plain, reduced) = (whole(&model, false), whole(&model, true));
            let case = format!(
                "{network:?}, {crashes} crashes, {in_flight:?} in flight: {} generated, reduced {}",
                plain.generated, reduced.generated
            );
            println!("{case}");
            assert_eq!((plain.unique, plain.depth), (reduced.unique, reduced.depth), "{case}");
            assert!(reduced.generated < plain.generated, "{case}");
        }
    }
}
