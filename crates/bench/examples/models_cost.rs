//! Nanoseconds of processor time per operation for every model of registers: on a history that keeps all of them, and on one that is sequentially
//! consistent but not linearizable, so that the cheap way out is closed. `cargo run --release -p assize-bench --example models_cost`.

use bench::{Large, Stale};
use check::{MODELS, Options, check};
use history::History;

fn main() {
    let stale = Stale { operations: 1_000_000, processes: 20, keys: 1000, pending: 0.0 };
    let cases = [
        ("linearizable, 20 processes, 1 key", Large::REGISTER.history()),
        ("stale, 20 processes, 1 key", Stale { keys: 1, ..stale }.history()),
        ("stale, 20 processes, 1000 keys", stale.history()),
        ("stale, 20 processes, 1000 keys, 1 % unknown", Stale { pending: 0.01, ..stale }.history()),
        ("stale, 100 000 operations, 20 processes, 1000 keys", Stale { operations: 100_000, ..stale }.history()),
        ("stale, 5 processes, 1000 keys", Stale { processes: 5, ..stale }.history()),
    ];
    for (name, history) in cases {
        println!("{name}");
        MODELS.iter().for_each(|model| cost(&history, model));
    }
}

fn cost(history: &History, model: &check::Model) {
    let start = processor_ns();
    let report = check(history, model, &Options::default());
    let spent = processor_ns() - start;
    let each = spent as f64 / history.len() as f64;
    let said: String = report.verdict.to_string().chars().take(90).collect();
    println!("  {:22} {each:7.0} ns per operation  {said}", model.name);
}

/// Time on a processor, which other programs on the machine do not lengthen.
fn processor_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|field| field.parse().ok()).unwrap_or(0)
}
