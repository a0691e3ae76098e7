//! What a store with transactions on registers does: a history of blind writes of any size, serializable or of snapshots, or nearly so.

use std::collections::BTreeMap;

use base::{Rng, Seed, Time};
use history::Outcome;
use history::txn::{Builder, Kind, Transactions};

/// How transactions are run: four micro-operations each, half of them writes that follow no read, by twenty processes.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// How many.
    pub transactions: u64,
    /// Keys, chosen uniformly.
    pub keys: u64,
    /// Intervals are known, else only the order of each process.
    pub timed: bool,
    /// Commits between a snapshot and the commit of the same transaction, at most: none if serial.
    pub stale: u64,
    /// Share of transactions of unknown outcome, which happened.
    pub pending: f64,
    /// Some reads are of a state that is long gone.
    pub broken: bool,
    /// Another history for every seed.
    pub seed: u64,
}

impl Run {
    /// Serial, in real time, on a thousand keys.
    pub const SERIAL: Run =
        Run { transactions: 10_000, keys: 1000, timed: true, stale: 0, pending: 0.0, broken: false, seed: 3 };

    /// Commits one after another; reads are of the state some commits ago, in which none of the keys written was written since.
    pub fn history(self) -> Transactions {
        let mut rng = Rng::new(Seed(self.seed).derive("blind writes"));
        let mut builder = Builder::new(self.timed);
        let keys: Vec<u32> = (0..self.keys).map(|key| builder.key(&key.to_string())).collect();
        let mut store = Store { keys, versions: vec![Vec::new(); self.keys as usize] };
        let mut process: Vec<u32> = (0..20).collect();
        for at in 0..self.transactions {
            let instant = at * 100 + 10_000;
            let plan: Vec<(usize, bool)> = (0..4).map(|_| (rng.below(self.keys) as usize, rng.chance(0.5))).collect();
            let latest = plan.iter().filter(|(_, write)| *write).map(|(key, _)| store.newest(*key)).max().unwrap_or(0);
            let snapshot = at.saturating_sub(rng.below(self.stale + 1)).max(latest);
            let odd = self.broken && at > self.transactions / 2 && rng.chance(10.0 / self.transactions as f64);
            let outcome = if rng.chance(self.pending) { Outcome::Info } else { Outcome::Ok };
            // Within its interval is everything from the snapshot to the commit, but never so early that the process is still at the one before.
            let seat = (at % 20) as usize;
            builder.begin(process[seat], snapshot * 100 + 10_000 - 1 - rng.below(90), Time(instant));
            let seen = snapshot.saturating_sub(if odd { 400 } else { 0 });
            store.run(&mut builder, &plan, (at, seen), outcome);
            builder.end(instant + rng.below(if self.stale == 0 { 900 } else { 90 }), Time(instant + 900), outcome);
            if outcome == Outcome::Info {
                process[seat] += 20;
            }
        }
        builder.finish().expect("below the limits")
    }
}

/// Every version of every key, with the number of its commit.
struct Store {
    keys: Vec<u32>,
    versions: Vec<Vec<(u64, u32)>>,
}

impl Store {
    /// The commits after which nobody wrote to the key.
    fn newest(&self, key: usize) -> u64 {
        self.versions[key].last().map_or(0, |(at, _)| at + 1)
    }

    fn run(&mut self, builder: &mut Builder, plan: &[(usize, bool)], (at, seen): (u64, u64), outcome: Outcome) {
        let mut own: BTreeMap<usize, u32> = BTreeMap::new();
        for (key, write) in plan {
            if *write {
                let version = builder.fresh(self.keys[*key], at as i64);
                builder.write(version);
                own.insert(*key, version);
            } else if outcome == Outcome::Info {
                builder.unread(Kind::Read, self.keys[*key]);
            } else {
                let older = self.versions[*key].iter().rev().find(|(at, _)| *at < seen).map(|(_, version)| *version);
                builder.read(self.keys[*key], own.get(key).copied().or(older));
            }
        }
        own.into_iter().for_each(|(key, version)| self.versions[key].push((at, version)));
    }
}
