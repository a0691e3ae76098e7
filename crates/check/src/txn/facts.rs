//! What a workload's reading of the data hands to the graph passes.

use super::anomaly::{Class, TxnAnomaly, Variant};
use super::graph::Edge;

/// Dependencies of transactions, and what is wrong without any cycle.
#[derive(Default)]
pub struct Facts {
    /// Which transactions certainly happened: `ok`, or unknown and observed.
    pub live: Vec<bool>,
    /// ww, wr and rw edges between live transactions.
    pub edges: Vec<Edge>,
    /// Anomalies of single reads, the first few of each kind.
    pub direct: Vec<TxnAnomaly>,
    /// How many there are of each kind.
    pub counts: std::collections::BTreeMap<(Class, Variant), usize>,
    /// Why nothing can be called valid, if so: the data does not determine who wrote what.
    pub ambiguous: Option<String>,
    /// Why the order of versions is not known, if so: then it is searched for.
    pub unordered: Option<String>,
    /// Key and writer of versions that nobody read; sorted, each once. Those of a key have no known order.
    pub unread: Vec<(u32, u32)>,
}

/// Anomalies of one kind that are told; the rest is counted.
pub const TOLD: usize = 4;

impl Facts {
    /// Counts an anomaly, and keeps it if it is one of the first of its kind.
    pub fn note(&mut self, class: Class, transactions: &[u32], story: impl FnOnce() -> Vec<String>) {
        let count = self.counts.entry((class, Variant::Plain)).or_default();
        *count += 1;
        if *count <= TOLD {
            let transactions = transactions.to_vec();
            let anomaly =
                TxnAnomaly { class, variant: Variant::Plain, story: story(), transactions, cycle: Vec::new() };
            self.direct.push(anomaly);
        }
    }
}
