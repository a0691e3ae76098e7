//! Nanoseconds per transaction of the isolation checkers, best of several: a quick look where `cargo bench` takes minutes.

use std::time::Instant;

use bench::LargeTxn;
use check::txn::{check_transactions, register, weak};

fn main() {
    for large in [
        LargeTxn { transactions: 100_000, ..LargeTxn::LISTS },
        LargeTxn::LISTS,
        LargeTxn { pending: 0.01, ..LargeTxn::LISTS },
    ] {
        let history = large.history();
        let best = best(|| assert_eq!(check_transactions(&history).verdict("strict-serializable").name(), "valid"));
        println!("{large:?}: strict-serializable {:.0} ns", best * 1e9 / history.len() as f64);
    }
    let history = LargeTxn::REGISTERS.history();
    let per = |seconds: f64| seconds * 1e9 / history.len() as f64;
    println!("{:?}: reading {:.0} ns", LargeTxn::REGISTERS, per(best(|| drop(register::facts(&history)))));
    let (_, reads) = register::facts(&history);
    for level in [weak::Weak::ReadCommitted, weak::Weak::ReadAtomic, weak::Weak::Causal] {
        let seconds = best(|| assert!(weak::violation(&reads, level, &[]).is_none()));
        println!("  {level:?} {:.0} ns", per(seconds));
    }
}

fn best(work: impl Fn()) -> f64 {
    let seconds = |_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    (0..4).map(seconds).fold(f64::MAX, f64::min)
}
