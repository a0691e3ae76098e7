//! What the exact search needs where values repeat: seconds, and how it ended.

use std::time::Instant;

use bench::{Hard, Kind, LargeObject};
use check::{LINEARIZABLE, Object, Options, check, check_object};

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let asked = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    for seed in 1..=3 {
        registers(seed, &asked);
        objects(seed, &asked);
    }
}

fn registers(seed: u64, asked: &dyn Fn(&str) -> bool) {
    let base = Hard { seed, ..Hard::REGISTER };
    let cases = [
        ("register 0-4", base),
        ("register 0-4, 5 % unknown", Hard { pending: 0.05, ..base }),
        ("cas register 0-4, 35 % failing", Hard { cas: 0.45, ..base }),
        ("cas register 0-4, nearly all cas", Hard { cas: 0.9, ..base }),
        ("cas register 0-99", Hard { cas: 0.4, values: 100, ..base }),
    ];
    for (name, hard) in cases.into_iter().filter(|(name, _)| asked(name)) {
        let history = hard.history();
        let start = Instant::now();
        let report = check(&history, &LINEARIZABLE, &Options::default());
        println!("{name}, seed {seed}: {} in {:.2} s", report.verdict, start.elapsed().as_secs_f64());
        if asked("lies") {
            lies(name, &history, seed);
        }
    }
}

/// The same with one read in the middle that saw another value.
fn lies(name: &str, history: &history::History, seed: u64) {
    let mut operations: Vec<_> = history.iter().collect();
    let is_read = |op: &history::Operation| {
        op.request.function == history::Function::Read && op.completion.outcome == history::Outcome::Ok
    };
    let at = operations.len() / 2;
    let values: Vec<u64> = operations.iter().filter(|op| is_read(op)).map(|op| op.completion.result).collect();
    let least = (0..5).min_by_key(|value| values.iter().filter(|seen| *seen == value).count()).unwrap_or(0);
    let lie = operations[at..].iter().position(|op| is_read(op) && op.completion.result != least).unwrap_or(0);
    operations[at + lie].completion.result = least;
    let history = history::History::from_operations(operations);
    let start = Instant::now();
    let report = check(&history, &LINEARIZABLE, &Options::default());
    println!("{name} with a lie, seed {seed}: {} in {:.2} s", report.verdict, start.elapsed().as_secs_f64());
}

fn objects(seed: u64, asked: &dyn Fn(&str) -> bool) {
    let base = |kind| LargeObject { operations: 10_000, pending: 0.01, seed, ..LargeObject::million(kind) };
    let repeated = |kind| LargeObject { values: 5, ..base(kind) };
    let cases = [
        ("queue, unknown dequeues and empties", "fifo-queue", base(Kind::Queue)),
        ("queue, values 0-4", "fifo-queue", repeated(Kind::Queue)),
        ("stack", "stack", base(Kind::Stack)),
        ("stack, values 0-4", "stack", repeated(Kind::Stack)),
        ("priority queue", "priority-queue", base(Kind::PriorityQueue)),
        ("priority queue, values 0-4", "priority-queue", repeated(Kind::PriorityQueue)),
        ("set", "linearizable-set", base(Kind::Set)),
        ("set, elements 0-4", "linearizable-set", repeated(Kind::Set)),
        ("growing set", "linearizable-set", LargeObject { operations: 3_000, ..base(Kind::GrowingSet) }),
        ("counter of ones", "linearizable-counter", base(Kind::Counter)),
        ("counter", "linearizable-counter", base(Kind::Amounts)),
        ("lock", "mutex", base(Kind::Lock)),
        ("owned lock", "owned-mutex", base(Kind::Lock)),
        ("semaphore", "semaphore", base(Kind::Lock)),
    ];
    for (name, object, large) in cases.into_iter().filter(|(name, ..)| asked(name)) {
        let history = large.history();
        let object = Object::find(object).expect("the object is in the registry");
        let start = Instant::now();
        let report = check_object(&history, object, &Options::default());
        println!("{name}, seed {seed}: {} in {:.2} s", report.verdict, start.elapsed().as_secs_f64());
    }
}
