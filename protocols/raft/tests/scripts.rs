//! Scenarios as transcripts: `testdata/*.txt`, whose names read as a specification.

use raft::RaftKv;
use sim::World;

#[test]
fn scenarios() {
    testkit::script::check(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata"), |script| {
        sim::script::run(script, |cluster| {
            let raft = RaftKv::parse(&cluster.parameters, cluster.nodes)?;
            Ok(World::new(raft, cluster.nodes, cluster.options.clone()))
        })
    });
}
