//! What one record costs the engine: nanoseconds per claim and completion, steady and worst.
//!
//! `cargo run --release -p assize-history --example claim_cost [OPERATIONS] [OPERATIONS PER SECOND]`

use std::time::{Duration, Instant};

use base::{NodeId, ProcessId, Time};
use history::{Claim, ClockDomain, Completion, Phase, Recorder, Request};

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let operations = arguments.next().unwrap_or(5_000_000);
    let rate = arguments.next().unwrap_or(500_000);
    let dir = std::env::current_dir().unwrap().join("target/claim_cost");
    let _ = std::fs::remove_dir_all(&dir);
    let mut recorder = Recorder::create(&dir, 0, &ClockDomain::default()).unwrap();

    // Batches of a thousand, paced, each timed: the median is the price, the worst is what a fault would show.
    let (start, batch) = (Instant::now(), 1000);
    let mut costs = Vec::new();
    for i in 0..operations / batch {
        while start.elapsed() < Duration::from_secs_f64((i * batch) as f64 / rate as f64) {
            std::thread::sleep(Duration::from_micros(200));
        }
        let before = Instant::now();
        let mut slots = [None; 32];
        for j in 0..batch {
            let sent = Time(i * batch + j);
            let claim = Claim {
                process: ProcessId(1),
                node: NodeId(0),
                request: Request::write(3, sent.0),
                due: sent,
                sent,
                phase: Phase::Load,
            };
            // Completed 32 operations later, as on a busy connection.
            if let Some(slot) = slots[j as usize % 32].replace(recorder.claim(&claim)) {
                recorder.complete(slot, sent, Completion::ok(0));
            }
        }
        costs.push(before.elapsed().as_nanos() as u64);
    }
    costs.sort_unstable();
    let at = |share: f64| costs[((costs.len() - 1) as f64 * share) as usize] as f64 / batch as f64;
    println!(
        "{operations} operations at {rate}/s: {:.1} ns per claim and completion (median of batches of {batch}), p99 {:.1} ns, worst batch {:.0} us, {} stalls",
        at(0.5),
        at(0.99),
        at(1.0) * batch as f64 / 1000.0,
        recorder.stalls()
    );
    recorder.finish().unwrap();
    let _ = std::fs::remove_dir_all(&dir);
}
