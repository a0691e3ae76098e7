use base::{Rng, Seed, Time};
use history::Outcome;
use history::txn::{Builder, Transactions};

/// What large histories of transactions are made of: four micro-operations each, half of them reads, twenty processes; strict
/// serializable.
#[derive(Clone, Copy, Debug)]
pub struct LargeTxn {
    /// Transactions.
    pub transactions: u64,
    /// Keys in use at a time.
    pub keys: u64,
    /// Lists, each given up after 32 appends; or registers, written without being read first.
    pub lists: bool,
    /// Share of transactions with unknown outcome.
    pub pending: f64,
}

impl LargeTxn {
    /// A million list-append transactions on a hundred live keys.
    pub const LISTS: LargeTxn = LargeTxn { transactions: 1_000_000, keys: 100, lists: true, pending: 0.0 };
    /// A million transactions on a thousand registers.
    pub const REGISTERS: LargeTxn = LargeTxn { transactions: 1_000_000, keys: 1000, lists: false, pending: 0.0 };

    /// Transactions that take effect in order, inside intervals that overlap those of their neighbours.
    pub fn history(self) -> Transactions {
        let mut rng = Rng::new(Seed(1).derive("large transactions"));
        let mut builder = Builder::new(true);
        let mut live: Vec<(u32, Vec<u32>)> =
            (0..self.keys).map(|key| (builder.key(&key.to_string()), Vec::new())).collect();
        let mut next_key = self.keys;
        for at in 0..self.transactions {
            let instant = at * 100 + 5_000;
            let outcome = if rng.chance(self.pending) { Outcome::Info } else { Outcome::Ok };
            builder.begin((at % 20) as u32, instant - rng.below(900), Time(instant));
            for _ in 0..4 {
                let slot = rng.below(self.keys) as usize;
                let (key, versions) = &mut live[slot];
                if rng.chance(0.5) {
                    match (outcome, self.lists) {
                        (Outcome::Ok, true) => builder.read_list(*key, versions),
                        (Outcome::Ok, false) => builder.read(*key, versions.last().copied()),
                        (_, lists) => {
                            let kind = if lists { history::txn::Kind::ReadList } else { history::txn::Kind::Read };
                            builder.unread(kind, *key);
                        }
                    }
                    continue;
                }
                let version = builder.fresh(*key, at as i64);
                versions.push(version);
                if !self.lists {
                    builder.write(version);
                    versions.drain(..versions.len() - 1);
                } else {
                    builder.append(version);
                    if versions.len() == 32 {
                        live[slot] = (builder.key(&next_key.to_string()), Vec::new());
                        next_key += 1;
                    }
                }
            }
            builder.end(instant + rng.below(900), Time(instant + 900), outcome);
        }
        builder.finish().expect("below the limits")
    }
}
