//! Every state of small clusters: how many there are, that nothing is broken in them, and which planted bugs so little is enough to find.

use std::collections::{BTreeMap, BTreeSet};

use base::NodeId;
use history::Request;
use paxos::{PaxosRegister, Planted, Settings};
use proto::Target;
use sim::exhaust::{Cluster, Disk, Limits, Report, Scope, ladder, search};

fn only(node: u16) -> Target {
    Target::Only(NodeId(node))
}

fn write(value: u64, node: u16) -> (Request, Target) {
    (Request::write(0, value), only(node))
}

fn read(node: u16) -> (Request, Target) {
    (Request::read(0), only(node))
}

fn run(bug: Option<Planted>, scope: Scope, states: u64) -> Report {
    let settings = Settings { bug, ..Settings::new(scope.servers) };
    let cluster = Cluster::new(PaxosRegister::new(settings), scope).expect("its actors can be copied and hashed");
    assert!(cluster.unchecked().is_empty(), "every oracle is asked");
    search(&cluster, &Limits { states, threads: 2, ..Limits::default() })
}

/// Pinned: a change here means that the protocol has other states, or that the search misses some.
#[test]
fn small_clusters_keep_their_promises_in_every_state() {
    let writer = Scope::new(3, vec![vec![write(1, 0)]]);
    let reader = Scope::new(3, vec![vec![write(1, 0)], vec![read(1)]]);
    for (scope, unique) in [
        (writer.clone(), 222),
        (Scope { timeouts: Some(1), ..writer.clone() }, 2_687),
        (Scope { crashes: 1, ..writer.clone() }, 2_346),
        (Scope { crashes: 1, disk: Disk::Later, ..writer }, 18_209),
        (reader, 15_680),
    ] {
        let report = run(None, scope.clone(), 100_000);
        assert!(report.is_complete(), "{scope:?}: {report:?}");
        assert_eq!(report.unique, unique, "{scope:?}");
        assert!(report.missed.is_empty(), "{scope:?}: never {:?}", report.missed);
    }
}

#[test]
fn small_scopes_find_these_bugs() {
    let scopes: BTreeMap<&str, Scope> = ladder().into_iter().collect();
    for (bug, scope, property, steps) in [
        (Planted::AcceptsBelowPromise, "rivals", "agreement", 12),
        (Planted::AcceptDoesNotPromise, "rivals", "accepted-within-promise", 5),
        (Planted::PromiseHidesAccepted, "rivals", "agreement", 12),
        (Planted::OwnValueFirst, "rivals", "agreement", 12),
        (Planted::OneBallot, "rivals", "agreement", 12),
        (Planted::BallotTies, "rivals", "agreement", 12),
        (Planted::QuorumsDisjoint, "rivals", "agreement", 4),
        (Planted::ReadSkipsInFlight, "readers", "linearizable", 12),
        (Planted::ReadLocal, "readers", "linearizable", 10),
        (Planted::AcceptNotSaved, "crash", "linearizable", 17),
    ] {
        let report = run(Some(bug), scopes[scope].clone(), 300_000);
        let found = report.counterexample.unwrap_or_else(|| panic!("{bug:?} is not found"));
        assert_eq!((found.broken.property.as_str(), found.steps), (property, steps), "{bug:?}: {found}");
    }
}

/// The shortest story there is.
#[test]
fn a_counterexample_is_told_step_by_step() {
    let scope = Scope::new(3, vec![vec![write(1, 0)], vec![write(2, 1)]]);
    let report = run(Some(Planted::QuorumsDisjoint), scope, 10_000);
    let found = report.counterexample.expect("it is found");
    // In which order the two clients ask does not matter, and may change with the protocol.
    let lines: BTreeSet<&str> = found.lines.iter().map(String::as_str).collect();
    let told = ["c1 asks write k0=1", "c1 → n1  request write k0", "c2 asks write k0=2", "c2 → n2  request write k0"];
    assert_eq!(lines, BTreeSet::from(told));
    let said =
        ["n1 and n2", "n2 and n1"].map(|both| format!("agreement: {both} decided version 1 of key 0 differently"));
    assert!(said.contains(&found.broken.to_string()), "{}", found.broken);
}
