//! The tests on trial: every planted bug is caught, within a bounded number of seeds, by what the registry says.

mod common;

use std::time::Duration;

use check::Verdict;
use common::{judge, load, lossy, ms, world};
use paxos::{Planted, Settings};
use sim::{Failure, FaultMix, Network, Options, Trial};

/// Where a bug is hunted: the cluster, what strikes, and on which network and disks.
struct Hunt {
    settings: Settings,
    faults: FaultMix,
    network: Network,
    sync: (Duration, Duration),
    keys: u64,
    clients: usize,
}

/// What suits most bugs: rough faults, rivals for a single key, and crashes near writes.
fn hunt(bug: Planted) -> Hunt {
    let rough = Hunt {
        settings: Settings { bug: Some(bug), ..Settings::new(3) },
        faults: FaultMix { crash_after_write: 0.01, ..FaultMix::rough() },
        network: Network { tail: (0.05, ms(200)), ..Network::lossy() },
        sync: (ms(1), ms(5)),
        keys: 1,
        clients: 5,
    };
    match bug {
        // A crash between the promise to one proposer and the accept of another, which comes late.
        Planted::PromiseNotSaved => Hunt {
            faults: FaultMix { crash: (ms(60), (ms(1), ms(5))), ..FaultMix::none() },
            network: Network { tail: (0.3, ms(60)), ..rough.network },
            ..rough
        },
        // A crash between an answer and the write that it should have waited for.
        Planted::AcceptNotSaved | Planted::BallotReused => Hunt {
            faults: FaultMix { crash: (ms(300), (ms(1), ms(10))), crash_after_write: 0.1, ..FaultMix::none() },
            sync: (ms(5), ms(40)),
            ..rough
        },
        // The disk is gone between a promise or an acceptance and what builds on it.
        Planted::WipedVotes => Hunt {
            faults: FaultMix {
                wipe: (ms(200), (ms(1), ms(20))),
                partition: (ms(300), (ms(20), ms(200))),
                ..FaultMix::none()
            },
            network: Network { tail: (0.3, ms(60)), ..rough.network },
            ..rough
        },
        // The disk refuses a write, and later the memory is gone too.
        Planted::DiskErrorIgnored => Hunt {
            faults: FaultMix {
                fail_disk: (ms(150), (ms(1), ms(10))),
                crash: (ms(200), (ms(1), ms(10))),
                ..FaultMix::none()
            },
            network: Network { tail: (0.3, ms(60)), ..rough.network },
            ..rough
        },
        // Several ballots with values of their own, each at a minority.
        Planted::FirstAcceptedWins | Planted::OneBallot => Hunt {
            settings: Settings { nodes: 5, prepare_quorum: 3, accept_quorum: 3, ..rough.settings },
            network: Network { loss: 0.1, ..rough.network },
            ..rough
        },
        // Answers that arrive twice while the other side of a partition goes on.
        Planted::AcksCountedTwice => Hunt {
            settings: Settings { nodes: 5, prepare_quorum: 3, accept_quorum: 3, ..rough.settings },
            faults: FaultMix { partition: (ms(200), (ms(20), ms(200))), ..FaultMix::none() },
            network: Network { duplicate: 0.3, ..rough.network },
            ..rough
        },
        // Acceptances that come when their proposer is at the next instance, and cannot be heard.
        Planted::AcksOfAnyInstance => Hunt {
            settings: Settings { nodes: 5, prepare_quorum: 3, accept_quorum: 3, repeat: ms(5), ..rough.settings },
            faults: FaultMix::none(),
            network: Network { tail: (0.3, ms(60)), duplicate: 0.3, ..rough.network },
            clients: 15,
            ..rough
        },
        _ => rough,
    }
}

/// What caught the bug with this seed: the name of an oracle or a model.
fn catch(bug: Planted, seed: u64) -> Option<String> {
    let Hunt { settings, faults, network, sync, keys, clients } = hunt(bug);
    let mut options = Options { network, ..lossy(seed) };
    options.disk.sync = sync;
    let nodes = settings.nodes;
    let mut world = world(settings, options);
    world.drive(clients, (ms(0), ms(10)), load(seed, nodes, keys));
    match world.trial(&Trial { faults, storm: ms(10_000), progress_within: ms(1) }) {
        Err(Failure::Unsafe(violation)) => Some(violation.oracle),
        _ => matches!(judge(&world).verdict, Verdict::Invalid).then(|| "linearizable".into()),
    }
}

#[test]
fn every_planted_bug_is_caught_by_what_the_registry_says() {
    for &bug in Planted::ALL {
        let about = bug.about();
        let caught = (0..500).find_map(|seed| Some((seed, catch(bug, seed)?)));
        let Some((seed, by)) = caught else { panic!("{}: not caught by 500 seeds", about.name) };
        assert!(about.caught_by.split(", ").any(|name| name == by), "{}: caught by {by} (seed {seed})", about.name);
    }
}
