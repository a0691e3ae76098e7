//! Many seeds: nothing is broken while faults strike, and work goes on when they end.

mod common;

use std::collections::BTreeMap;

use check::Verdict;
use common::{judge, load, lossy, ms, settings, world};
use history::Outcome;
use paxos::Settings;
use sim::{FaultMix, Trial};

/// One trial; returns how many operations ended in which way.
fn run(seed: u64, settings: Settings) -> BTreeMap<Outcome, usize> {
    let nodes = settings.nodes;
    let mut world = world(settings, lossy(seed));
    world.drive(5, (ms(0), ms(20)), load(seed, nodes, 3));
    // Every third run loses disks too, whose servers come back without a vote, and a third more has disks that refuse.
    let faults = match seed % 3 {
        0 => FaultMix::rough(),
        1 => FaultMix {
            wipe: (ms(1_000), (ms(10), ms(500))),
            rot: (ms(1_500), (ms(50), ms(500))),
            replay: (ms(300), (ms(0), ms(0))),
            ..FaultMix::rough()
        },
        _ => FaultMix {
            fail_disk: (ms(1_000), (ms(10), ms(500))),
            fill_disk: (ms(2_000), (ms(50), ms(500))),
            slow_disk: (ms(1_000), (ms(50), ms(500))),
            flaky_link: (ms(1_000), (ms(50), ms(500))),
            ..FaultMix::rough()
        },
    };
    let trial = Trial { faults, storm: ms(6_000), progress_within: ms(4_000) };
    world.trial(&trial).unwrap_or_else(|failure| panic!("{nodes} nodes, seed {seed}: {failure}"));
    let report = judge(&world);
    assert_eq!(report.verdict, Verdict::Valid, "{nodes} nodes, seed {seed}: {:#?}", report.anomalies);
    let mut outcomes = BTreeMap::new();
    world.history().iter().for_each(|op| *outcomes.entry(op.completion.outcome).or_default() += 1);
    outcomes
}

/// `SEEDS=20` does twenty times as many.
fn many(settings: &Settings, seeds: std::ops::Range<u64>) {
    let times: u64 = std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let seeds = seeds.start..seeds.start + (seeds.end - seeds.start) * times;
    let mut total = BTreeMap::new();
    for seed in seeds {
        for (outcome, count) in run(seed, settings.clone()) {
            *total.entry(outcome).or_insert(0) += count;
        }
    }
    let ok = total[&Outcome::Ok] as f64 / total.values().sum::<usize>() as f64;
    assert!(ok > 0.5, "many operations happen in spite of faults and rivals: {total:?}");
}

#[test]
fn three_servers_keep_their_promises_under_faults() {
    many(&settings(3), 0..200);
}

#[test]
fn five_servers_with_flexible_quorums_keep_their_promises_under_faults() {
    many(&Settings { prepare_quorum: 4, accept_quorum: 2, ..settings(5) }, 1000..1100);
    many(&Settings { prepare_quorum: 2, accept_quorum: 4, ..settings(5) }, 1100..1200);
}

#[test]
fn one_server_keeps_its_promises_under_faults() {
    many(&settings(1), 2000..2030);
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let trace = |seed| {
        let mut world = world(settings(3), lossy(seed));
        world.drive(5, (ms(0), ms(20)), load(seed, 3, 3));
        world.begin_storm(FaultMix::rough());
        world.run_for(ms(3_000)).expect("nothing is broken");
        world.trace_hash()
    };
    assert_eq!(trace(7), trace(7));
    assert_ne!(trace(7), trace(8));
}
