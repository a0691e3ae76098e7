//! Nanoseconds per operation of the checkers, best of several: a quick look where `cargo bench` takes minutes. CPU time of one thread, wall
//! time of two. With a number as argument, only the history of that number, on one thread: to be profiled.

use std::time::Instant;

use bench::{Kind, Large, LargeObject, Usage};
use check::{LINEARIZABLE, Object, Options, check, check_object};

fn main() {
    let only: Option<usize> = std::env::args().nth(1).and_then(|number| number.parse().ok());
    let wanted = |number: &usize| only.is_none_or(|only| only == *number);
    let register = Large::REGISTER;
    let registers = [
        register,
        Large { pending: 0.01, ..register },
        Large { keys: 1000, processes: 50, ..register },
        Large { keys: 10, processes: 50, ..register },
        Large { cas: 0.3, ..register },
        Large { cas: 0.45, failing: 0.7, ..register },
    ];
    for (_, large) in registers.iter().enumerate().filter(|(number, _)| wanted(number)) {
        let history = large.history();
        tell(&format!("{large:?}"), history.len(), only.is_some(), |options| {
            assert_eq!(check(&history, &LINEARIZABLE, options).verdict.name(), "valid");
        });
    }
    let objects = [
        ("fifo-queue", LargeObject::million(Kind::Queue)),
        ("fifo-queue", LargeObject { pending: 0.01, ..LargeObject::million(Kind::Queue) }),
        ("fifo-queue", LargeObject { keys: 100, ..LargeObject::million(Kind::Queue) }),
        ("linearizable-set", LargeObject::million(Kind::Set)),
        ("linearizable-counter", LargeObject::million(Kind::Counter)),
        ("owned-mutex", LargeObject::million(Kind::Lock)),
    ];
    for (_, (name, large)) in objects.iter().enumerate().filter(|(number, _)| wanted(&(registers.len() + number))) {
        let (history, object) = (large.history(), Object::find(name).expect("the object is in the registry"));
        tell(&format!("{name} {large:?}"), history.len(), only.is_some(), |options| {
            assert_eq!(check_object(&history, object, options).verdict.name(), "valid");
        });
    }
    if only.is_none() {
        planted();
    }
}

fn tell(name: &str, operations: usize, alone: bool, judge: impl Fn(&Options)) {
    let of = |threads| Options { threads, ..Options::default() };
    let one = Usage::least(10, || judge(&of(1)));
    let wall = |_| {
        let start = Instant::now();
        judge(&of(2));
        start.elapsed().as_secs_f64()
    };
    let per = |seconds: f64| seconds * 1e9 / operations as f64;
    print!("{name}: {:.1} ns and {} bytes per operation", per(one.cpu), one.peak / operations);
    match alone {
        true => println!(),
        false => println!(", {:.1} ns on two threads", per((0..10).map(wall).fold(f64::MAX, f64::min))),
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
