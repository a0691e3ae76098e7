//! What the search for an order of versions costs: blind writes to a thousand registers, four micro-operations a transaction, half of
//! them reads, twenty processes. `solve_cost [transactions] [which]`: all sorts of histories, or the one of this number.

use std::collections::BTreeMap;
use std::time::Instant;

use base::{Rng, Seed, Time};
use check::txn::check_transactions;
use history::Outcome;
use history::txn::{Builder, Transactions};

/// How transactions are run.
#[derive(Clone, Copy, Debug)]
struct Run {
    transactions: u64,
    keys: u64,
    /// Intervals are known, else only the order of each process.
    timed: bool,
    /// Commits between a snapshot and the commit of the same transaction: none if serial.
    stale: u64,
    /// Some reads are of a state that is long gone.
    broken: bool,
}

fn main() {
    let transactions = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(10_000);
    let serial = Run { transactions, keys: 1000, timed: true, stale: 0, broken: false };
    let which: Option<usize> = std::env::args().nth(2).and_then(|which| which.parse().ok());
    let runs = [
        serial,
        Run { timed: false, ..serial },
        Run { stale: 8, ..serial },
        Run { stale: 8, timed: false, ..serial },
        Run { broken: true, ..serial },
        Run { timed: false, broken: true, ..serial },
        Run { stale: 8, broken: true, timed: false, ..serial },
    ];
    for (_, run) in runs.into_iter().enumerate().filter(|(at, _)| which.is_none_or(|which| which == *at)) {
        let history = history(run);
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

/// Commits one after another; reads are of the state some commits ago, in which none of the keys written was written since.
fn history(run: Run) -> Transactions {
    let mut rng = Rng::new(Seed(3).derive("blind writes"));
    let mut builder = Builder::new(run.timed);
    let mut versions: Vec<Vec<(u64, u32)>> = vec![Vec::new(); run.keys as usize];
    let keys: Vec<u32> = (0..run.keys).map(|key| builder.key(&key.to_string())).collect();
    for at in 0..run.transactions {
        let instant = at * 100 + 10_000;
        let mut own: BTreeMap<usize, u32> = BTreeMap::new();
        let plan: Vec<(usize, bool)> = (0..4).map(|_| (rng.below(run.keys) as usize, rng.chance(0.5))).collect();
        let newest = |key: usize, versions: &[Vec<(u64, u32)>]| versions[key].last().map_or(0, |(at, _)| at + 1);
        let latest = plan.iter().filter(|(_, write)| *write).map(|(key, _)| newest(*key, &versions)).max().unwrap_or(0);
        let snapshot = at.saturating_sub(rng.below(run.stale + 1)).max(latest);
        let odd = run.broken && at > run.transactions / 2 && rng.chance(10.0 / run.transactions as f64);
        // Within its interval is everything from the snapshot to the commit, but never so early that the process is still at the one before.
        builder.begin((at % 20) as u32, snapshot * 100 + 10_000 - 1 - rng.below(90), Time(instant));
        for (key, write) in plan {
            if write {
                let version = builder.fresh(keys[key], at as i64);
                builder.write(version);
                own.insert(key, version);
                continue;
            }
            let seen =
                versions[key].iter().rev().find(|(at, _)| *at < snapshot.saturating_sub(if odd { 400 } else { 0 }));
            builder.read(keys[key], own.get(&key).copied().or(seen.map(|(_, version)| *version)));
        }
        own.into_iter().for_each(|(key, version)| versions[key].push((at, version)));
        builder.end(instant + rng.below(if run.stale == 0 { 900 } else { 90 }), Time(instant + 900), Outcome::Ok);
    }
    builder.finish().expect("below the limits")
}
