//! CPU time and memory of the isolation checkers by size, best of several: a quick look where `cargo bench` takes minutes.
//!
//! `txn_cost [transactions ...]`: 10 000, 100 000 and a million by default; ten million need 8 GB.

use bench::{LargeTxn, Usage};
use check::txn::{check_transactions, register, weak};

fn main() {
    let sizes: Vec<u64> = std::env::args().skip(1).filter_map(|size| size.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![10_000, 100_000, 1_000_000] } else { sizes };
    println!("{:<40} {:>12} {:>9} {:>12}", "", "transactions", "ns/txn", "bytes/op");
    for transactions in &sizes {
        every_level(LargeTxn { transactions: *transactions, ..LargeTxn::LISTS }, "list-append strict-serializable");
    }
    for transactions in &sizes {
        let large = LargeTxn { transactions: *transactions, pending: 0.01, ..LargeTxn::LISTS };
        every_level(large, "the same, 1 % unknown");
    }
    for transactions in &sizes {
        registers(LargeTxn { transactions: *transactions, ..LargeTxn::REGISTERS });
    }
    for transactions in &sizes {
        every_level(
            LargeTxn { transactions: *transactions, ..LargeTxn::REGISTERS },
            "rw-register, blind writes, every level",
        );
    }
}

fn every_level(large: LargeTxn, name: &str) {
    let history = large.history();
    show(&large, name, || assert!(check_transactions(&history).order.is_some()));
}

fn registers(large: LargeTxn) {
    let history = large.history();
    for (level, name) in [
        (weak::Weak::ReadCommitted, "rw-register read-committed"),
        (weak::Weak::ReadAtomic, "rw-register read-atomic"),
        (weak::Weak::Causal, "rw-register causal"),
    ] {
        show(&large, name, || {
            let (_, reads) = register::reads(&history);
            assert!(weak::violation(&reads, level, &[]).is_none());
        });
    }
}

fn show(large: &LargeTxn, name: &str, work: impl FnMut()) {
    let usage = Usage::least(if large.transactions > 2_000_000 { 2 } else { 5 }, work);
    let (ns, bytes) =
        (usage.cpu * 1e9 / large.transactions as f64, usage.peak as f64 / (large.transactions * 4) as f64);
    println!("{name:<40} {:>12} {ns:>9.0} {bytes:>12.1}", large.transactions);
}
