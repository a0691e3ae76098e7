//! What it costs to check registers while they are used: nanoseconds of processor time per operation, and the memory that this takes.
//!
//! `cargo run --release -p assize-bench --example stream_cost [OPERATIONS] [KEYS] [PROCESSES]`
//!
//! A closed loop of processes writes and reads registers; each operation is made, told and forgotten. Making them is measured alone
//! first and subtracted.

use base::{Rng, Seed};
use check::stream::Registers;
use history::{Completion, NIL, Request};

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let mut argument = |default| arguments.next().unwrap_or(default);
    let (operations, keys, processes) = (argument(100_000_000), argument(1_000), argument(20));
    let start = cpu_seconds();
    let mut load = Load::new(keys, processes);
    let checksum =
        (0..operations / 10).map(|_| load.next(|_| (), |(), completion| completion.result)).fold(0, u64::wrapping_add);
    let making = (cpu_seconds() - start) / (operations / 10) as f64;
    println!("making {:.1} ns per operation (checksum {checksum})", making * 1e9);

    let registers = std::cell::RefCell::new(Registers::new());
    let mut load = Load::new(keys, processes);
    let start = cpu_seconds();
    for part in 1..=10 {
        for _ in 0..operations / 10 {
            let invoke = |request: &Request| registers.borrow_mut().invoke(0, request);
            load.next(invoke, |ticket, completion| {
                let alarm = registers.borrow_mut().complete(ticket, &completion, 0);
                assert_eq!(alarm, None, "the registers are linearizable");
                0
            });
        }
        let done = part * (operations / 10);
        let each = (cpu_seconds() - start) / done as f64 - making;
        let entries = registers.borrow().entries();
        println!("{done:>11} operations: {:.1} ns each, {entries} entries, {} KiB at most", each * 1e9, peak_kib());
    }
}

/// A closed loop on real registers: operations take effect when they are invoked and end in any order.
struct Load<T> {
    rng: Rng,
    registers: Vec<u64>,
    open: Vec<(T, Completion)>,
    processes: u64,
    value: u64,
}

impl<T> Load<T> {
    fn new(keys: u64, processes: u64) -> Load<T> {
        let rng = Rng::new(Seed(1).derive("a long stream"));
        Load { rng, registers: vec![NIL; keys as usize], open: Vec::new(), processes, value: 0 }
    }

    /// One operation begins; if all processes are busy then, one ends.
    fn next(&mut self, invoke: impl FnOnce(&Request) -> T, complete: impl FnOnce(T, Completion) -> u64) -> u64 {
        let key = self.rng.below(self.registers.len() as u64) as u32;
        let register = &mut self.registers[key as usize];
        self.value += 1;
        let (request, completion) = if self.rng.next_u64() & 1 == 0 {
            (Request::read(key), Completion::ok(*register))
        } else {
            *register = self.value;
            (Request::write(key, self.value), Completion::ok(NIL))
        };
        self.open.push((invoke(&request), completion));
        if (self.open.len() as u64) < self.processes {
            return 0;
        }
        let ended = self.rng.below(self.processes) as usize;
        let (ticket, completion) = self.open.swap_remove(ended);
        complete(ticket, completion)
    }
}

/// Processor time of this thread so far: the wall clock would count what else the machine does.
fn cpu_seconds() -> f64 {
    let schedstat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanos = schedstat.split_whitespace().next().and_then(|text| text.parse::<u64>().ok());
    nanos.expect("the kernel counts processor time (CONFIG_SCHED_INFO)") as f64 / 1e9
}

/// The most memory that this process ever had.
fn peak_kib() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.map_or("unknown".to_string(), |peak| peak.trim().trim_end_matches(" kB").to_string())
}
