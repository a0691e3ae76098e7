//! Values agreed on per CPU-second, in process: our Raft beside openraft, raft-rs and omnipaxos.
//!
//! Without arguments every point is measured for every system in several rounds, each in a process of its own, the systems in turn; the table has
//! the medians. `--check` fails if ours is not ahead of every other at every point. With the name of a system, clients, size and
//! count: that one measurement.

mod assize;
mod omnipaxos;
mod openraft;
mod raft_rs;
mod trio;
mod workload;

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};

use bytes::Bytes;
use workload::{System, Workload};

const SYSTEMS: [&str; 5] = ["assize", "openraft", "raft-rs", "omnipaxos", "omnipaxos, shared values"];
const POINTS: [Workload; 6] = [
    Workload { clients: 1, size: 16 },
    Workload { clients: 64, size: 16 },
    Workload { clients: 1024, size: 16 },
    Workload { clients: 1, size: 1024 },
    Workload { clients: 64, size: 1024 },
    Workload { clients: 1024, size: 1024 },
];
const ROUNDS: usize = 5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [system, clients, size, count] => {
            let number = |text: &String| text.parse::<u64>().expect("a number");
            let workload = Workload { clients: number(clients), size: number(size) as usize };
            println!("{}", measure(system, workload, number(count)));
            ExitCode::SUCCESS
        }
        [] => table(),
        [check] if check == "--check" => table(),
        _ => panic!("usage: [--check | SYSTEM CLIENTS SIZE COUNT]"),
    }
}

/// Measures and prints all, and says whether ours is ahead everywhere.
fn table() -> ExitCode {
    let mut ahead = true;
    println!("million values per CPU-second, median of {ROUNDS} rounds (least to most)");
    for point in POINTS {
        println!("{} clients, {} bytes", point.clients, point.size);
        let mut rates: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for _ in 0..ROUNDS {
            SYSTEMS.iter().for_each(|system| rates.entry(system).or_default().push(rate_alone(system, point)));
        }
        let mut medians = BTreeMap::new();
        for system in SYSTEMS {
            let rates = rates.get_mut(system).expect("it was measured");
            rates.sort_by(f64::total_cmp);
            println!("  {system:25} {:6.2} ({:.2} to {:.2})", rates[ROUNDS / 2], rates[0], rates[ROUNDS - 1]);
            medians.insert(system, rates[ROUNDS / 2]);
        }
        ahead &= SYSTEMS[1..].iter().all(|system| medians[system] < medians[SYSTEMS[0]]);
    }
    println!("ours is ahead of all others at every point: {}", if ahead { "yes" } else { "no" });
    if ahead { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One measurement in a process of its own: millions a CPU-second.
fn rate_alone(system: &str, Workload { clients, size }: Workload) -> f64 {
    // Half a second or so.
    let count = match (system, clients) {
        ("openraft", 1) => 20_000,
        ("openraft", _) | (_, 1) => 300_000,
        _ => 1_500_000,
    };
    let count = if size > 16 { count / 3 } else { count };
    let program = std::env::current_exe().expect("this program");
    let arguments = [clients, size as u64, count].map(|number| number.to_string());
    let output = Command::new(program).arg(system).args(arguments).output().expect("it runs");
    assert!(output.status.success(), "{system}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a rate")
}

fn measure(system: &str, workload: Workload, count: u64) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        match system {
            "assize" => rate(assize::start(), workload, count).await,
            "openraft" => rate(openraft::start().await, workload, count).await,
            "raft-rs" => rate(raft_rs::start(), workload, count).await,
            "omnipaxos" => rate(omnipaxos::start::<Vec<u8>>(), workload, count).await,
            "omnipaxos, shared values" => rate(omnipaxos::start::<Bytes>(), workload, count).await,
            _ => panic!("systems are {SYSTEMS:?}"),
        }
    })
}

/// Millions of values a CPU-second, after a tenth as many to warm up.
async fn rate(mut system: impl System, workload: Workload, count: u64) -> f64 {
    system.run(workload, count / 10).await;
    let before = cpu_seconds();
    system.run(workload, count).await;
    let spent = cpu_seconds() - before;
    let digests = system.settle().await;
    assert!(digests[0].applied >= count, "too few are applied: {digests:?}");
    assert!(digests.iter().all(|digest| *digest == digests[0]), "the replicas disagree: {digests:?}");
    count as f64 / spent / 1e6
}

/// Time that this thread, the only one, has spent on a processor (Linux).
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells the time of a thread");
    let nanos: f64 = text.split(' ').next().and_then(|word| word.parse().ok()).expect("a number of nanoseconds");
    nanos / 1e9
}
