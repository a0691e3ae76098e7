//! What recording costs: processor time per operation of the engine's thread with and without a recorder, in turns.
//!
//! `cargo run --release -p assize-load --example recording [PROCESSES] [PAIRS] [DIR]`
//!
//! The server answers at once, on a thread of its own; the loop is closed, so that the engine does nothing but its work.

#[path = "../tests/toy/mod.rs"]
mod toy;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use history::{ClockDomain, Phase, Recorder};
use load::{Control, Engine, EngineOptions, Limit, Stage, StageReport, Work};
use toy::{Reply, Server, ToyClient, Writes};
use workload::Profile;

const OPERATIONS: u64 = 60_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let processes = arguments.next().map_or(16, |text| text.parse().expect("a number of processes"));
    let pairs = arguments.next().map_or(10, |text| text.parse().expect("a number of pairs"));
    let dir = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(dir).expect("a folder to record in");
    let mut ratios = Vec::new();
    for pair in 0..pairs {
        let with = || Some(Recorder::create(&dir.path().join(pair.to_string()), 0, &ClockDomain::default()).unwrap());
        // Turned around every other time, so that a drift of the machine favours neither.
        let (off, on) = if pair % 2 == 0 {
            let off = measure(processes, None);
            (off, measure(processes, with()))
        } else {
            let on = measure(processes, with());
            (measure(processes, None), on)
        };
        println!(
            "without {off:.3} us, with {on:.3} us of processor time per operation: {:+.1} %",
            100.0 * (on / off - 1.0)
        );
        ratios.push(on / off);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median {:+.1} %", 100.0 * (ratios[ratios.len() / 2] - 1.0));
}

/// Microseconds of processor time per operation.
fn measure(processes: usize, recorder: Option<Recorder>) -> f64 {
    let server = Server::start(|_| Reply::After(Duration::ZERO), None);
    let mut options = EngineOptions::new(vec![server.address], |_| Box::new(ToyClient::new(1)));
    options.processes = processes;
    let mut engine = Engine::new(options, recorder, Instant::now()).unwrap();
    run(&mut engine, processes, OPERATIONS / 10);
    let report = run(&mut engine, processes, OPERATIONS);
    report.machine.cpu.as_secs_f64() * 1e6 / report.counts.ok as f64
}

fn run(engine: &mut Engine, processes: usize, operations: u64) -> StageReport {
    let profile = Profile::closed(processes);
    let work = Work::Load { profile: &profile, generator: &mut Writes, limit: Limit::Operations(operations) };
    let stage = Stage { phase: Phase::Load, work, drain: Duration::from_secs(1) };
    engine.run(stage, &Control::new(), |_| {}).unwrap()
}
