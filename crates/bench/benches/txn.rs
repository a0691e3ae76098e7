//! Transactions to verdict, history in memory, one thread: `cargo bench -p assize-bench --bench txn`.

use std::time::Duration;

use bench::LargeTxn;
use check::txn::{check_transactions, register, weak};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn transactions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("transactions");
    group.sample_size(10).measurement_time(Duration::from_secs(5)).warm_up_time(Duration::from_secs(1));
    let lists = LargeTxn::LISTS.history();
    group.throughput(Throughput::Elements(lists.len() as u64));
    group.bench_function("list-append strict-serializable", |bencher| {
        bencher.iter(|| assert!(check_transactions(&lists).order.is_some()));
    });
    drop(lists);
    let registers = LargeTxn::REGISTERS.history();
    let levels = [
        ("read-committed", weak::Weak::ReadCommitted),
        ("read-atomic", weak::Weak::ReadAtomic),
        ("causal", weak::Weak::Causal),
    ];
    for (name, level) in levels {
        group.bench_function(format!("registers {name}"), |bencher| {
            bencher.iter(|| {
                let (_, reads) = register::reads(&registers);
                assert!(weak::violation(&reads, level, &[]).is_none());
            });
        });
    }
    group.finish();
}

criterion_group!(benches, transactions);
criterion_main!(benches);
