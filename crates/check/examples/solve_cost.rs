//! What the search for an order of versions costs: blind writes to a thousand registers, four micro-operations a transaction, half of
//! them reads, twenty processes. `solve_cost [transactions] [which]`: all sorts of histories, or the one of this number.

use std::time::Instant;

use check::txn::check_transactions;
use testkit::store_txn::Run;

fn main() {
    let transactions = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(10_000);
    let serial = Run { transactions, ..Run::SERIAL };
    let which: Option<usize> = std::env::args().nth(2).and_then(|which| which.parse().ok());
    let runs = [
        serial,
        Run { timed: false, ..serial },
        Run { stale: 8, ..serial },
        Run { stale: 8, timed: false, ..serial },
        Run { broken: true, ..serial },
        Run { timed: false, broken: true, ..serial },
        Run { stale: 8, broken: true, timed: false, ..serial },
        Run { keys: 10, ..serial },
        Run { pending: 0.001, ..serial },
    ];
    for (_, run) in runs.into_iter().enumerate().filter(|(at, _)| which.is_none_or(|which| which == *at)) {
        let history = run.history();
        let start = Instant::now();
        let report = check_transactions(&history);
        let seconds = start.elapsed().as_secs_f64();
        println!("{run:?}: {seconds:.2} s");
        println!("  strongest {:?}, violated {:?}", report.strongest(), report.weakest_violated());
        for (level, verdict) in report.levels.iter().filter(|(_, verdict)| verdict.name() == "unknown") {
            println!("  {level:?}: {verdict}");
        }
        for anomaly in &report.anomalies {
            println!(
                "  {}: {} transactions, {} sentences",
                anomaly.name(),
                anomaly.transactions.len(),
                anomaly.story.len()
            );
        }
    }
}
