//! Every state of small clusters: how many there are, and that nothing is broken in them.

use base::NodeId;
use history::Request;
use proto::Target;
use raft::{RaftKv, Settings};
use sim::exhaust::{Cluster, Disk, Limits, Scope, search};

/// One write, asked of the first server; nobody goes beyond term 2.
fn scope(servers: usize, timeouts: u8) -> Scope {
    let write = vec![(Request::write(0, 1), Target::Only(NodeId(0)))];
    Scope { timeouts: Some(timeouts), epoch: Some(2), in_flight: Some(2), ..Scope::new(servers, vec![write]) }
}

/// Pinned: a change here means that the protocol has other states, or that the search misses some.
#[test]
fn small_clusters_keep_their_promises_in_every_state() {
    for (scope, unique) in [
        (scope(2, 1), 68),
        (scope(2, 2), 1_132),
        (Scope { epoch: Some(1), ..scope(2, 3) }, 10_605),
        (Scope { crashes: 1, disk: Disk::Later, ..scope(2, 1) }, 1_184),
        (scope(3, 1), 5_452),
    ] {
        let raft = RaftKv::new(Settings::new(scope.servers));
        let cluster = Cluster::new(raft, scope.clone()).expect("its actors can be copied and hashed");
        assert!(cluster.unchecked().is_empty(), "every oracle is asked");
        let report = search(&cluster, &Limits { threads: 2, ..Limits::default() });
        assert!(report.is_complete(), "{scope:?}: {report:?}");
        assert_eq!(report.unique, unique, "{scope:?}");
        assert!(report.missed.is_empty(), "{scope:?}: never {:?}", report.missed);
    }
}
