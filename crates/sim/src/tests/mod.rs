//! The world on trial, with toy protocols.

mod probe;
mod steps;
mod store;

use std::collections::BTreeSet;
use std::time::Duration;

use base::{NodeId, Seed};
use expect_test::expect;
use history::{Outcome, Request};
use proto::Target;

use crate::*;
use store::Store;

const THINK: (Duration, Duration) = (Duration::ZERO, Duration::from_millis(5));

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A bad world: lossy network, tests of the codec, recorded choices.
fn options(seed: u64) -> Options {
    Options {
        seed: Seed(seed),
        network: Network { remembered: 0.05, ..Network::lossy() },
        disk: Disk { unsynced: Unsynced::Any, ..Disk::default() },
        clocks: Clocks { ahead: ms(500), drift_ppm: 1_000 },
        codec_share: 0.1,
        hash_messages: true,
        record: true,
        ..Options::default()
    }
}

fn load(world: &mut World) {
    world.drive(3, THINK, |index| {
        let key = (index % 4) as u32;
        let request = if index.is_multiple_of(3) { Request::read(key) } else { Request::write(key, index + 1) };
        Some((request, Target::Leader))
    });
}

fn trial(world: &mut World) -> Result<(), Failure> {
    load(world);
    let lasts = (ms(20), ms(300));
    let faults = FaultMix {
        crash_after_write: 0.02,
        drift: (ms(1500), lasts),
        jump: (ms(800), lasts),
        slow_link: (ms(1500), lasts),
        flaky_link: (ms(1500), lasts),
        replay: (ms(300), lasts),
        slow_disk: (ms(1500), lasts),
        fail_disk: (ms(1500), lasts),
        fill_disk: (ms(1500), lasts),
        wipe: (ms(1000), lasts),
        rot: (ms(1000), lasts),
        ..FaultMix::rough()
    };
    world.trial(&Trial { faults, storm: ms(10_000), progress_within: ms(3000) })
}

/// A run as a stranger could compare it: hash, events, operations, recorded decisions.
fn fingerprint(seed: u64) -> (u64, u64, Vec<history::Operation>, Vec<u8>) {
    let mut world = World::new(Store::default(), 3, options(seed));
    trial(&mut world).unwrap_or_else(|failure| panic!("{failure}"));
    (world.trace_hash(), world.events(), world.history(), world.recording().to_bytes())
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_one_thread_and_on_two() {
    let seeds = || (0..10).map(fingerprint).collect::<Vec<_>>();
    let (here, (there, elsewhere)) = std::thread::scope(|scope| {
        let two = (scope.spawn(seeds), scope.spawn(seeds));
        (seeds(), (two.0.join().expect("a run"), two.1.join().expect("a run")))
    });
    assert!(here == there && here == elsewhere);
    let hashes: BTreeSet<u64> = here.iter().map(|run| run.0).collect();
    assert_eq!(hashes.len(), 10, "different seeds, different runs");
}

#[test]
fn recorded_choices_repeat_a_run_without_its_seed() {
    let (hash, events, operations, bytes) = fingerprint(4);
    let recording = Recording::from_bytes(&bytes).expect("a recording");
    let mut world = World::replay(Store::default(), 3, options(99), recording.clone());
    trial(&mut world).expect("it passed the first time");
    assert_eq!((world.trace_hash(), world.events()), (hash, events));
    assert_eq!(world.history(), operations);
    assert_eq!(world.recording(), recording);
}

#[test]
fn a_correct_store_is_never_accused() {
    for seed in 0..100 {
        let mut world = World::new(Store::default(), 3, options(seed));
        trial(&mut world).unwrap_or_else(|failure| panic!("{failure}"));
        let history = world.history();
        let count = |outcome| history.iter().filter(|op| op.completion.outcome == outcome).count();
        assert!(count(Outcome::Ok) > 50 && count(Outcome::Info) > 0, "seed {seed} has to say something");
    }
}

#[test]
fn acknowledging_before_the_sync_is_caught() {
    let caught = |seed: &u64| {
        let mut world = World::new(Store { hasty: true }, 3, options(*seed));
        match trial(&mut world) {
            Err(Failure::Unsafe(violation)) => {
                assert_eq!((violation.oracle.as_str(), violation.seed), ("nothing-forgotten", Seed(*seed)));
                assert!(violation.sentence.contains("came back with"), "{violation}");
                true
            }
            Err(stuck) => panic!("{stuck}"),
            Ok(()) => false,
        }
    };
    let found = (0..50).filter(caught).count();
    assert!(found >= 45, "found by {found} of 50 seeds");
}

#[test]
fn faults_at_random_are_of_every_kind_that_the_protocol_survives() {
    let mut seen = BTreeSet::new();
    for seed in 0..5 {
        let mut world = World::new(Store::default(), 3, options(seed));
        trial(&mut world).unwrap_or_else(|failure| panic!("{failure}"));
        let name = |act: &Act| format!("{act:?}").split('(').next().unwrap_or_default().to_owned();
        seen.extend(world.storm_so_far().iter().map(|(_, act)| name(act)));
    }
    let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
    // The store does not promise to survive a lost disk, so none is wiped, replaced or goes bad.
    expect!["Crash Cut Delay Drift FailDisk FillDisk FreeDisk Jump Lose Mend Pause Replay Restart Resume SlowDisk"]
        .assert_eq(&seen.join(" "));
}

#[test]
fn what_was_done_is_done_again_from_the_list() {
    let mut first = World::new(Store::default(), 3, options(3));
    trial(&mut first).expect("correct");
    let acts = first.storm_so_far().to_vec();
    let replayed = || {
        let mut world = World::new(Store::default(), 3, options(3));
        load(&mut world);
        world.play_storm(&acts);
        world.run_for(ms(10_000)).expect("correct");
        (world.trace_hash(), world.storm_so_far().to_vec())
    };
    let (hash, done) = replayed();
    assert_eq!(done, acts);
    assert_eq!(replayed().0, hash);
}

#[test]
fn a_store_that_nobody_can_reach_makes_no_progress() {
    let mut world = World::new(Store::default(), 1, options(1));
    load(&mut world);
    let faults = FaultMix::none();
    world.network_mut().loss = 1.0;
    let failure = world.trial(&Trial { faults, storm: ms(100), progress_within: ms(2000) }).expect_err("all is lost");
    expect!["no progress: 3 clients got no `ok` in 2.00 s without faults (seed 1)"].assert_eq(&failure.to_string());
}

#[test]
fn an_unknown_outcome_ends_a_process() {
    let mut world = World::new(Store::default(), 1, options(1));
    world.network_mut().loss = 0.5;
    load(&mut world);
    world.run_for(ms(20_000)).expect("nothing to violate");
    let mut ended = BTreeSet::new();
    for operation in world.history() {
        assert!(!ended.contains(&operation.process), "{} goes on after an unknown outcome", operation.process);
        if operation.completion.outcome == Outcome::Info {
            ended.insert(operation.process);
        }
    }
    assert!(ended.len() > 5);
}

#[test]
fn no_message_is_kept_for_ever() {
    let mut world = World::new(Store::default(), 3, options(5));
    trial(&mut world).expect("correct");
    world.stop_load();
    world.run_for(ms(5000)).expect("correct");
    assert_eq!(world.messages_under_way(), 0);
}

#[test]
fn a_typed_server_can_be_looked_at() {
    let mut world = World::new(Store::default(), 1, Options::default());
    let client = world.add_client();
    world.invoke(client, Request::write(0, 5), Target::Leader);
    assert!(world.invoke(client, Request::read(0), Target::Leader).is_none(), "one operation at a time");
    world.run_for(ms(100)).expect("correct");
    assert_eq!(world.server::<Store>(NodeId(0)).map(|server| server.records), Some(1));
    world.crash(NodeId(0));
    assert!(world.server::<Store>(NodeId(0)).is_none());
}

#[test]
fn scripts() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata");
    testkit::script::check(folder, |text| {
        script::run(text, |cluster| {
            let hasty = match cluster.parameters.get("bug").map(String::as_str) {
                None => false,
                Some("hasty") => true,
                Some(other) => return Err(format!("`{other}` is not a bug of the store")),
            };
            Ok(World::new(Store { hasty }, cluster.nodes, cluster.options.clone()))
        })
    });
}
