//! Operations to verdict, history in memory, one thread: `cargo bench -p assize-bench --bench check`.

use std::time::Duration;

use bench::{Kind, Large, LargeObject};
use check::{LINEARIZABLE, Object, Options, Verdict, check, check_object};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn linearizable(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("linearizable");
    group.sample_size(20).measurement_time(Duration::from_secs(4)).warm_up_time(Duration::from_secs(1));
    let register = Large::REGISTER;
    let cases = [
        ("register, 20 processes", register),
        ("register, 20 processes, 1 % unknown", Large { pending: 0.01, ..register }),
        ("1000 keys, 50 processes", Large { keys: 1000, processes: 50, ..register }),
        ("cas register, 20 processes", Large { cas: 0.3, ..register }),
        ("cas register, 32 % failing", Large { cas: 0.45, failing: 0.7, ..register }),
    ];
    for (name, large) in cases {
        let history = large.history();
        group.throughput(Throughput::Elements(history.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let report = check(&history, &LINEARIZABLE, &Options::default());
                assert_eq!(report.verdict, Verdict::Valid);
            });
        });
    }
    group.finish();
}

fn objects(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("object");
    group.sample_size(20).measurement_time(Duration::from_secs(4)).warm_up_time(Duration::from_secs(1));
    let cases = [
        ("fifo-queue", Kind::Queue),
        ("linearizable-set", Kind::Set),
        ("linearizable-counter", Kind::Counter),
        ("owned-mutex", Kind::Lock),
    ];
    for (name, kind) in cases {
        let (history, object) = (LargeObject::million(kind).history(), Object::find(name).expect("it is registered"));
        group.throughput(Throughput::Elements(history.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let report = check_object(&history, object, &Options::default());
                assert_eq!(report.verdict, Verdict::Valid);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, linearizable, objects);
criterion_main!(benches);
