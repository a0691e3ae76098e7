//! Exhaustive search beside stateright's, each case in a process of its own: states, CPU seconds, memory.

#[path = "../../../crates/sim/tests/exhaust/paxos.rs"]
mod paxos;
#[path = "../../../crates/sim/tests/exhaust/two_phase.rs"]
mod two_phase;

mod theirs {
    include!(concat!(env!("OUT_DIR"), "/theirs.rs"));
}

use std::time::Instant;

use sim::exhaust::{Limits, Model, Order, search};

/// Name, states and how to count them: unique and generated.
type Case = (&'static str, u64, fn() -> (u64, u64));

const CASES: &[Case] = &[
    ("2pc 9, stateright, 1 thread", 10_340_352, || theirs(theirs::two_phase::count(9, 1))),
    ("2pc 9, assize, 1 thread", 10_340_352, || ours(&two_phase::TwoPhase { managers: 9 }, Order::Breadth, 1)),
    ("2pc 9, assize, 1 thread, depth first", 10_340_352, || {
        ours(&two_phase::TwoPhase { managers: 9 }, Order::Depth, 1)
    }),
    ("2pc 9, assize, 2 threads", 10_340_352, || ours(&two_phase::TwoPhase { managers: 9 }, Order::Breadth, 2)),
    ("paxos 3, stateright, 1 thread", 1_194_428, || theirs(theirs::paxos::count(3, 1))),
    ("paxos 3, assize, 1 thread", 1_194_428, || ours(&paxos::three_servers(3), Order::Breadth, 1)),
    ("paxos 3, assize, 1 thread, depth first", 1_194_428, || ours(&paxos::three_servers(3), Order::Depth, 1)),
    ("paxos 3, assize, 1 thread, reduced", 1_194_428, || reduced(&paxos::three_servers(3))),
    ("paxos 3, assize, 2 threads", 1_194_428, || ours(&paxos::three_servers(3), Order::Breadth, 2)),
];

/// Every order of steps is tried, as the other does.
fn ours(model: &impl Model, order: Order, threads: usize) -> (u64, u64) {
    count(model, &Limits { order, threads, reduce: false, ..Limits::default() })
}

fn reduced(model: &impl Model) -> (u64, u64) {
    count(model, &Limits::default())
}

fn count(model: &impl Model, limits: &Limits) -> (u64, u64) {
    let report = search(model, limits);
    assert!(report.is_complete(), "{report:?}");
    eprintln!("  of which fingerprints and frontier: {} bytes a state", report.bytes / report.unique);
    (report.unique, report.generated)
}

fn theirs((unique, generated): (usize, usize)) -> (u64, u64) {
    (unique as u64, generated as u64)
}

fn main() {
    match std::env::args().nth(1) {
        Some(case) => run(&CASES[case.parse::<usize>().expect("the number of a case")]),
        None => {
            println!("case | states | generated | CPU s | wall s | generated a CPU second | bytes a state");
            let program = std::env::current_exe().expect("this program");
            for case in 0..CASES.len() {
                let status = std::process::Command::new(&program).arg(case.to_string()).status();
                assert!(status.expect("it runs").success(), "{}", CASES[case].0);
            }
        }
    }
}

fn run((name, expected, count): &Case) {
    let (begun, idle) = (Instant::now(), memory());
    let (unique, generated) = count();
    let (cpu, wall) = (cpu_seconds(), begun.elapsed().as_secs_f64());
    assert_eq!(unique, *expected, "{name}");
    let bytes = (memory() - idle) as f64 / unique as f64;
    println!("{name} | {unique} | {generated} | {cpu:.2} | {wall:.2} | {:.0} | {bytes:.0}", generated as f64 / cpu);
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks = |field: usize| fields[field].parse::<f64>().expect("a number");
    (ticks(11) + ticks(12)) / 100.0
}

/// The most memory that this process has occupied, in bytes.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("Linux has it");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") * 1024
}
