//! Worlds of Paxos for the tests beside this folder.
#![allow(dead_code)] // each test uses a part

use std::time::Duration;

use base::{NodeId, Rng, Seed};
use history::{History, Request};
use paxos::{PaxosRegister, Settings};
use proto::Target;
use sim::{Disk, Network, Options, Unsynced, World};

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A few times the network's latency, so that rivals get out of each other's way.
pub fn settings(nodes: usize) -> Settings {
    Settings { back_off: ms(20), ..Settings::new(nodes) }
}

pub fn lossy(seed: u64) -> Options {
    Options {
        seed: Seed(seed),
        network: Network { remembered: 0.05, ..Network::lossy() },
        disk: Disk { unsynced: Unsynced::Any, ..Disk::default() },
        codec_share: 0.02,
        operation_timeout: ms(500),
        ..Options::default()
    }
}

pub fn world(settings: Settings, options: Options) -> World {
    let nodes = settings.nodes;
    World::new(PaxosRegister::new(settings), nodes, options)
}

/// Reads, writes and compare-and-sets of `keys` keys, asked of all servers: proposers compete.
pub fn load(seed: u64, nodes: usize, keys: u64) -> impl Fn(u64) -> Option<(Request, Target)> {
    move |index| {
        let mut rng = Rng::new(Seed(seed).nth(index));
        let key = rng.below(keys) as u32;
        let request = match rng.below(10) {
            0..=3 => Request::read(key),
            4..=7 => Request::write(key, index + 1),
            _ => Request::cas(key, rng.within(index.saturating_sub(10)..=index), index + 1),
        };
        let node = NodeId(rng.below(nodes as u64) as u16);
        let target = match rng.below(3) {
            0 => Target::Leader,
            1 => Target::Node(node),
            _ => Target::Only(node),
        };
        Some((request, target))
    }
}

/// What the linearizability checker says of the history of a world.
pub fn judge(world: &World) -> check::Report {
    let history = History::from_operations(world.history());
    check::check(&history, &check::LINEARIZABLE, &check::Options::default())
}
