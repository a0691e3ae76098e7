//! Many seeds: nothing is broken while faults strike, and work goes on when they end.

mod common;

use std::collections::BTreeMap;

use base::NodeId;
use check::Verdict;
use common::{actions, judge, load, lossy, ms, settings, world};
use history::{Outcome, Request};
use proto::Target;
use raft::Settings;
use sim::{Clock, FaultMix, Trial};

/// One trial; returns how many operations ended in which way.
fn run(seed: u64, nodes: usize) -> BTreeMap<Outcome, usize> {
    let mut world = world(settings(nodes, None), lossy(seed));
    world.drive(5, (ms(0), ms(20)), load(seed, nodes));
    let trial = Trial { faults: FaultMix::rough(), storm: ms(6_000), progress_within: ms(4_000) };
    world.trial(&trial).unwrap_or_else(|failure| panic!("{nodes} nodes, seed {seed}: {failure}"));
    let report = judge(&world);
    assert_eq!(report.verdict, Verdict::Valid, "{nodes} nodes, seed {seed}: {:#?}", report.anomalies);
    let mut outcomes = BTreeMap::new();
    world.history().iter().for_each(|op| *outcomes.entry(op.completion.outcome).or_default() += 1);
    outcomes
}

/// `SEEDS=20` does twenty times as many.
fn many(nodes: usize, seeds: std::ops::Range<u64>) {
    let times: u64 = std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let seeds = seeds.start..seeds.start + (seeds.end - seeds.start) * times;
    let mut total = BTreeMap::new();
    for seed in seeds {
        for (outcome, count) in run(seed, nodes) {
            *total.entry(outcome).or_insert(0) += count;
        }
    }
    let ok = total[&Outcome::Ok] as f64 / total.values().sum::<usize>() as f64;
    assert!(ok > 0.5, "most operations happen in spite of the faults: {total:?}");
}

/// Servers come and go, leaders hand over, snapshots are taken all the time, while faults strike; returns how many actions ended `ok`.
fn run_with_operator(seed: u64, settings: Settings) -> usize {
    let nodes = settings.nodes;
    let mut world = world(settings, lossy(seed));
    world.drive(5, (ms(0), ms(20)), load(seed, nodes));
    world.operate((ms(50), ms(400)), actions(seed, nodes, 1_000));
    world.begin_storm(FaultMix::rough());
    world.run_for(ms(6_000)).unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
    world.calm();
    // Whoever is a member by now must do a write. Who is none answers nobody, so a client has to look around.
    world.run_for(ms(1_000)).unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
    world.stop_load();
    let client = world.add_client();
    let calm = world.now();
    let mut done = false;
    while !done && world.now().since(calm) < ms(4_000) {
        let token = world.invoke(client, Request::write(0, 1 << 40 | world.now().0), Target::Leader);
        world.run_until(ms(1_000), |world| !world.is_waiting(client)).expect("nothing is broken");
        done = token.and_then(|token| world.operation(token)).is_some_and(|op| op.completion.outcome == Outcome::Ok);
    }
    assert!(done, "seed {seed}: no write in the calm");
    let report = judge(&world);
    assert_eq!(report.verdict, Verdict::Valid, "seed {seed}: {:#?}", report.anomalies);
    world.admin_history().iter().filter(|action| action.completion.outcome == Outcome::Ok).count()
}

/// With so many times as many seeds as `SEEDS` says.
fn many_with_operator(settings: &Settings, seeds: std::ops::Range<u64>) {
    let times: u64 = std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let count = (seeds.end - seeds.start) * times;
    let ok: usize = (seeds.start..seeds.start + count).map(|seed| run_with_operator(seed, settings.clone())).sum();
    assert!(ok as u64 > count, "more than one action a run comes to something: {ok} in {count} runs");
}

#[test]
fn members_come_and_go_and_snapshots_are_sent_under_faults() {
    let small = Settings { snapshot_entries: 10, snapshot_keep: 3, chunk_bytes: 64, ..settings(5, None) };
    many_with_operator(&small, 3000..3100);
    many_with_operator(&Settings { members: Some(3), snapshot_keep: 0, ..small }, 3100..3200);
    many_with_operator(&Settings { snapshot_entries: 3, ..settings(4, None) }, 3200..3250);
}

#[test]
fn leases_are_kept_while_clocks_differ_no_more_than_they_may() {
    let leases = Settings { lease_drift: Some(0.2), snapshot_entries: 50, ..settings(3, None) };
    for seed in 4000..4060 {
        let mut world = world(leases.clone(), lossy(seed));
        world.drive(8, (ms(0), ms(10)), load(seed, 3));
        world.operate((ms(100), ms(500)), actions(seed, 3, 100));
        for (node, drift_ppm) in [(0, 90_000), (1, -90_000), (2, 0)] {
            world.set_clock(NodeId(node), Clock { drift_ppm, ..Clock::default() });
        }
        world.begin_storm(FaultMix::rough());
        world.run_for(ms(6_000)).unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
        let report = judge(&world);
        assert_eq!(report.verdict, Verdict::Valid, "seed {seed}: {:#?}", report.anomalies);
    }
}

#[test]
fn three_nodes_keep_their_promises_under_faults() {
    many(3, 0..300);
}

#[test]
fn five_nodes_keep_their_promises_under_faults() {
    many(5, 1000..1200);
}

#[test]
fn one_node_keeps_its_promises_under_faults() {
    many(1, 2000..2030);
}
