//! Simulated seconds and events per CPU-second, of a Raft cluster under faults with every invariant checked at each step.
//!
//! 3 nodes (then 5); heartbeat 30 ms, election timeout 100 to 200 ms; latency 1 to 10 ms (1 % up to 200 ms), 2 % loss, 1 % duplicates; a
//! crash about every 2 s (down 50 ms to 1 s), a partition about every 3 s (100 ms to 2 s); 8 clients that write about 200 times a second
//! while there is a leader; a snapshot every 300 entries. An event is one input handed to an actor or to the world.
//!
//! ```text
//! cargo run --release -p assize-raft --example raft_faults [RUNS]
//! ```
//!
//! The last column is a hash of all that happened: the same for two builds that simulate the same.

use std::time::Duration;

use base::{Seed, mix};
use history::{Outcome, Request};
use proto::Target;
use raft::{RaftKv, Settings};
use sim::{FaultMix, Network, Options, World};

const SPAN: Duration = Duration::from_secs(120);
const RUNS: u64 = 10;

fn main() {
    let runs = std::env::args().nth(1).map_or(RUNS, |runs| runs.parse().expect("a number of runs"));
    for nodes in [3, 5] {
        let before = cpu_seconds();
        let (mut events, mut messages, mut ok, mut hash) = (0, 0, 0, 0);
        for seed in 0..runs {
            let world = run(nodes, seed);
            events += world.events();
            messages += world.messages();
            hash = mix(hash, world.trace_hash());
            ok += world.history().iter().filter(|op| op.completion.outcome == Outcome::Ok).count();
        }
        let spent = cpu_seconds() - before;
        let simulated = SPAN.as_secs_f64() * runs as f64;
        println!(
            "{nodes} nodes: {:.0} simulated s/CPU-s, {:.2} M events/CPU-s, {:.2} M messages/CPU-s ({:.0} events and {:.0} ok/simulated s), {hash:016x}",
            simulated / spent,
            events as f64 / spent / 1e6,
            messages as f64 / spent / 1e6,
            events as f64 / simulated,
            ok as f64 / simulated,
        );
    }
}

fn run(nodes: usize, seed: u64) -> World {
    let settings = Settings {
        heartbeat: Duration::from_millis(30),
        election_timeout: Duration::from_millis(100)..=Duration::from_millis(200),
        snapshot_entries: 300,
        snapshot_keep: 50,
        ..Settings::new(nodes)
    };
    let options = Options { seed: Seed(seed), network: Network::lossy(), ..Options::default() };
    let mut world = World::new(RaftKv::new(settings), nodes, options);
    let think = (Duration::from_millis(5), Duration::from_millis(15));
    world.drive(8, think, |index| Some((Request::write((index % 16) as u32, index + 1), Target::Leader)));
    let pauses = FaultMix::none().pause;
    world.begin_storm(FaultMix { crash_after_write: 0.0, pause: pauses, ..FaultMix::rough() });
    world.run_for(SPAN).unwrap_or_else(|violation| panic!("{violation}"));
    world
}

/// Time that this thread has spent on a processor (Linux).
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells the time of a thread");
    let nanos: f64 = text.split(' ').next().and_then(|word| word.parse().ok()).expect("a number of nanoseconds");
    nanos / 1e9
}
