//! Many seeds under faults. `SEED=17 cargo test -p primary-backup haste -- --nocapture` tells the run of one.

use std::time::Duration;

use base::{Rng, Seed};
use history::{History, Request};
use primary_backup::PrimaryBackup;
use proto::Target;
use sim::{FaultMix, Network, Options, Transcript, Trial, World};

/// What is wrong with the run of this seed, if anything is.
fn run(seed: u64, hasty: bool, transcript: Transcript) -> Option<String> {
    let options = Options { seed: Seed(seed), network: Network::lossy(), transcript, ..Options::default() };
    let mut world = World::new(PrimaryBackup { servers: 3, hasty }, 3, options);
    world.drive(4, (Duration::ZERO, Duration::from_millis(20)), move |index| {
        let mut rng = Rng::new(Seed(seed).nth(index));
        let request = if rng.chance(0.5) { Request::read(0) } else { Request::write(0, index + 1) };
        Some((request, Target::Leader))
    });
    let faults = FaultMix { crash_after_write: 0.05, ..FaultMix::rough() };
    let end = world.trial(&Trial { faults, storm: Duration::from_secs(5), progress_within: Duration::from_secs(3) });
    world.take_transcript().iter().for_each(|line| println!("{line}"));
    let history = History::from_operations(world.history());
    let report = check::check(&history, &check::LINEARIZABLE, &check::Options::default());
    let anomaly = report.anomalies.first().map(|anomaly| anomaly.story.join(" "));
    anomaly.or(end.err().map(|failure| failure.to_string()))
}

/// Tells the seed that was asked for, or looks through many.
fn explore(hasty: bool) -> Option<String> {
    if let Some(seed) = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()) {
        return run(seed, hasty, Transcript::Kinds);
    }
    let found = (0..300).find_map(|seed| Some((seed, run(seed, hasty, Transcript::Off)?)));
    let test = if hasty { "haste" } else { "answered" };
    found.map(|(seed, wrong)| format!("{wrong}\nSEED={seed} cargo test -p primary-backup {test} -- --nocapture"))
}

#[test]
fn what_was_answered_is_never_lost() {
    assert_eq!(explore(false), None);
}

#[test]
fn haste_is_found() {
    println!("{}", explore(true).expect("the world finds it"));
}
