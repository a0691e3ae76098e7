//! Scenarios as transcripts: `testdata/*.txt`, whose names read as a specification.

use paxos::PaxosRegister;
use sim::World;

#[test]
fn scenarios() {
    testkit::script::check(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata"), |script| {
        sim::script::run(script, |cluster| {
            let paxos = PaxosRegister::parse(&cluster.parameters, cluster.nodes)?;
            Ok(World::new(paxos, cluster.nodes, cluster.options.clone()))
        })
    });
}
