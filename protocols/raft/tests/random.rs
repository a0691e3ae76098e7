//! Many seeds: nothing is broken while faults strike, and work goes on when they end.

mod common;

use std::collections::BTreeMap;

use check::Verdict;
use common::{judge, load, lossy, ms, settings, world};
use history::Outcome;
use sim::{FaultMix, Trial};

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
