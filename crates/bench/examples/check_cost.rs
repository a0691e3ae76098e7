//! Nanoseconds per operation of the register checker, best of several: a quick look where `cargo bench` takes minutes. With a number
//! as argument, only the register history of that number, on one thread: to be profiled.

use std::time::Instant;

use bench::{Kind, Large, LargeObject};
use check::{LINEARIZABLE, Object, Options, check, check_object};

fn main() {
    let register = Large::REGISTER;
    let only: Option<usize> = std::env::args().nth(1).and_then(|number| number.parse().ok());
    for (_, large) in [
        register,
        Large { pending: 0.01, ..register },
        Large { keys: 1000, processes: 50, ..register },
        Large { keys: 10, processes: 50, ..register },
        Large { cas: 0.3, ..register },
        Large { cas: 0.45, failing: 0.7, ..register },
    ]
    .into_iter()
    .enumerate()
    .filter(|(number, _)| only.is_none_or(|only| only == *number))
    {
        let history = large.history();
        for threads in if only.is_some() { 1..=1 } else { 1..=2 } {
            let options = Options { threads, ..Options::default() };
            let seconds = |_| {
                let start = Instant::now();
                let report = check(&history, &LINEARIZABLE, &options);
                assert_eq!(report.verdict.name(), "valid");
                start.elapsed().as_secs_f64()
            };
            let best = (0..10).map(seconds).fold(f64::MAX, f64::min);
            println!("{large:?}: {:.1} ns per operation on {threads} threads", best * 1e9 / history.len() as f64);
        }
    }
    if only.is_none() {
        objects();
        planted();
    }
}

fn objects() {
    for (name, large) in [
        ("fifo-queue", LargeObject::million(Kind::Queue)),
        ("fifo-queue", LargeObject { pending: 0.01, ..LargeObject::million(Kind::Queue) }),
        ("fifo-queue", LargeObject { keys: 100, ..LargeObject::million(Kind::Queue) }),
        ("linearizable-set", LargeObject::million(Kind::Set)),
        ("linearizable-counter", LargeObject::million(Kind::Counter)),
        ("owned-mutex", LargeObject::million(Kind::Lock)),
    ] {
        let (history, object) = (large.history(), Object::find(name).expect("the object is in the registry"));
        for threads in [1, 2] {
            let options = Options { threads, ..Options::default() };
            let seconds = |_| {
                let start = Instant::now();
                let report = check_object(&history, object, &options);
                assert_eq!(report.verdict.name(), "valid");
                start.elapsed().as_secs_f64()
            };
            let best = (0..10).map(seconds).fold(f64::MAX, f64::min);
            println!(
                "{name} {large:?}: {:.1} ns per operation on {threads} threads",
                best * 1e9 / history.len() as f64
            );
        }
    }
}

/// A stale read in the middle of a million operations: how long until it is found, made minimal and told.
fn planted() {
    for large in
        [Large::REGISTER, Large { keys: 1000, processes: 50, ..Large::REGISTER }, Large { cas: 0.3, ..Large::REGISTER }]
    {
        let mut operations: Vec<_> = large.history().iter().collect();
        let reads: Vec<usize> =
            (0..operations.len()).filter(|&i| operations[i].request.function == history::Function::Read).collect();
        let (early, late) = (reads[reads.len() / 2], reads[reads.len() / 2 + 5_000]);
        let key = operations[early].request.key;
        let Some(late) =
            (late..operations.len()).find(|&i| reads.binary_search(&i).is_ok() && operations[i].request.key == key)
        else {
            continue;
        };
        operations[late].completion.result = operations[early].completion.result;
        let history = history::History::from_operations(operations);
        let start = Instant::now();
        let report = check(&history, &LINEARIZABLE, &Options::default());
        println!("planted: {} in {:.0} ms", report.verdict, start.elapsed().as_secs_f64() * 1e3);
        report.anomalies[0].story.iter().for_each(|sentence| println!("  {sentence}"));
        println!("  {} operations in the witness", report.anomalies[0].operations.len());
    }
}
