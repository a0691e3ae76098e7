//! What it costs to read histories from files: megabytes of text per CPU-second, by kind and notation.
//!
//!     cargo run --release -p assize-history --example import_cost [OPERATIONS [KIND]]
//!     cargo run --release -p assize-history --example import_cost write KIND edn|jsonl|own OPERATIONS > FILE
//!     cargo run --release -p assize-history --example import_cost read FILE
//!
//! Times are of the CPU (user), so that other programs on the machine disturb little.

use history::event::Events;
use history::import::{self, Format};
use text::Kind;

mod text;

/// As the binary does.
#[global_allocator]
static ALLOCATOR: pages::HugePages = pages::HugePages;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["write", kind, notation, operations] => {
            let kind = Kind::ALL.iter().find(|(name, _)| *name == kind).expect("a kind").1;
            let operations = operations.parse().expect("a number of operations");
            print!("{}", text_of(kind, operations, notation));
        }
        ["read", file] => {
            let options = import::ImportOptions::default();
            let (seconds, import) = best(|| import::open(file.as_ref(), &options).expect("it can be read"));
            println!("{file}: {} events in {seconds:.3} s", import.events.len());
        }
        _ => {
            let operations = arguments.first().map_or(1_000_000, |n| n.parse().expect("a number of operations"));
            for (name, kind) in Kind::ALL.iter().filter(|(name, _)| arguments.get(1).is_none_or(|only| only == name)) {
                measure(name, *kind, operations);
            }
        }
    }
}

fn text_of(kind: Kind, operations: u64, notation: &str) -> String {
    match notation {
        "edn" => text::jepsen(kind, operations, false),
        "jsonl" => text::jepsen(kind, operations, true),
        _ => {
            let events = import::read(text::jepsen(kind, operations, false).as_bytes(), Format::JepsenEdn);
            let events = events.expect("it is well formed");
            history::jsonl::export(&history::register::from_events(&events).expect("registers"))
        }
    }
}

fn measure(name: &str, kind: Kind, operations: u64) {
    for (notation, format) in [("edn", Format::JepsenEdn), ("jsonl", Format::JepsenJson)] {
        let text = text_of(kind, operations, notation);
        let (reading, events) = best(|| import::read(text.as_bytes(), format).expect("it is well formed"));
        let (columns, ()) = best(|| to_columns(kind, &events));
        tell(&format!("{name} {notation}"), text.len(), operations, reading, columns);
    }
    if kind == Kind::Register {
        let text = text_of(kind, operations, "own");
        let (reading, _) = best(|| history::jsonl::parse(&text).expect("it is well formed"));
        tell("register, our JSON Lines", text.len(), operations, reading, 0.0);
    }
}

fn to_columns(kind: Kind, events: &Events) {
    match kind {
        Kind::Register => drop(history::register::from_events(events).expect("registers")),
        Kind::ListAppend => drop(history::txn::from_events(events, true).expect("transactions")),
        Kind::RwRegister => drop(history::txn::from_events(events, false).expect("transactions")),
        Kind::Queue | Kind::Set => drop(history::object::from_events(events).expect("objects")),
    }
}

fn tell(what: &str, bytes: usize, operations: u64, reading: f64, columns: f64) {
    let megabytes = bytes as f64 / 1e6;
    let per = |seconds: f64| seconds * 1e9 / operations as f64;
    println!(
        "{what}: {megabytes:.0} MB; to events {:.0} MB/s ({:.0} ns/op); columns {:.0} ns/op; together {:.0} MB/s",
        megabytes / reading,
        per(reading),
        per(columns),
        megabytes / (reading + columns)
    );
}

/// The least CPU-seconds of three, and what came of the last.
fn best<T>(work: impl Fn() -> T) -> (f64, T) {
    let mut least = f64::MAX;
    let mut last = None;
    for _ in 0..3 {
        drop(last.take());
        let before = cpu_seconds();
        last = Some(work());
        least = least.min(cpu_seconds() - before);
    }
    (least, last.expect("three rounds"))
}

/// CPU time of this process, user and system.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").expect("Linux");
    let nanos: f64 = stat.split_whitespace().next().and_then(|n| n.parse().ok()).expect("nanoseconds");
    nanos / 1e9
}
