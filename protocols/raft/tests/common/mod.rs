//! Worlds of Raft for the tests beside this folder.
#![allow(dead_code)] // each test uses a part

use std::time::Duration;

use base::{NodeId, NodeSet, Rng, Seed};
use history::{Action, History, Request};
use proto::Target;
use raft::{Planted, RaftKv, Settings};
use sim::{Network, Options, World};

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The timeouts of the workload *raft-faults*: a few times the network's latency.
pub fn settings(nodes: usize, bug: Option<Planted>) -> Settings {
    Settings { heartbeat: ms(30), election_timeout: ms(100)..=ms(200), bug, ..Settings::new(nodes) }
}

pub fn lossy(seed: u64) -> Options {
    Options {
        seed: Seed(seed),
        network: Network::lossy(),
        codec_share: 0.02,
        // A lost request costs its client this long: short enough for several tries in the calm.
        operation_timeout: ms(500),
        ..Options::default()
    }
}

pub fn world(settings: Settings, options: Options) -> World {
    let nodes = settings.nodes;
    World::new(RaftKv::new(settings), nodes, options)
}

/// Reads, writes and compare-and-sets of few keys, through the leader, through any node, and of nodes that must answer
/// themselves. What operation `index` is depends on it and the seed alone.
pub fn load(seed: u64, nodes: usize) -> impl Fn(u64) -> Option<(Request, Target)> {
    move |index| {
        let mut rng = Rng::new(Seed(seed).nth(index));
        let key = rng.below(3) as u32;
        let request = match rng.below(10) {
            0..=4 => Request::read(key),
            5..=8 => Request::write(key, index + 1),
            _ => Request::cas(key, rng.within(index.saturating_sub(10)..=index), index + 1),
        };
        let node = NodeId(rng.below(nodes as u64) as u16);
        let target = match rng.below(10) {
            0..=3 => Target::Leader,
            4..=6 => Target::Node(node),
            _ if request.function.is_mutation() => Target::Leader,
            _ => Target::Only(node),
        };
        Some((request, target))
    }
}

/// What an operator asks for, again and again: members out of `nodes` (never fewer than two), leaders, snapshots.
pub fn actions(seed: u64, nodes: usize, count: u64) -> Vec<(Action, Target)> {
    let action = |index| {
        let mut rng = Rng::new(Seed(seed ^ 0x0b5e55ed).nth(index));
        let node = NodeId(rng.below(nodes as u64) as u16);
        match rng.below(10) {
            0..=5 => {
                let size = rng.within(2..=nodes as u64) as usize;
                let mut members = NodeSet::only(node);
                while members.count() < size {
                    members.insert(NodeId(rng.below(nodes as u64) as u16));
                }
                (Action::Members(members), Target::Leader)
            }
            6..=8 => (Action::Transfer(node), Target::Leader),
            _ => (Action::Compact, Target::Only(node)),
        }
    };
    (0..count).map(action).collect()
}

/// What the linearizability checker says of the history of a world.
pub fn judge(world: &World) -> check::Report {
    let history = History::from_operations(world.history());
    check::check(&history, &check::LINEARIZABLE, &check::Options::default())
}
